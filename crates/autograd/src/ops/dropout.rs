//! Dropout (Srivastava et al. 2014), inverted: what is kept is scaled up, so that evaluation has nothing to do.

use super::materialise;
use crate::{Gradient, Op, Tape, Value, Var};
use engine::{Rng, Tensor};
use kernels::{Level, elementwise};

/// Zeroes each element with probability `p` in `[0, 1)`, and divides the others by `1 - p`. Draws one number an
/// element from `rng`, in order.
pub fn dropout(tape: &mut Tape, x: &Var, p: f64, rng: &mut Rng) -> Var {
    if p == 0.0 {
        return x.clone();
    }
    let x = materialise(tape, x);
    let level = tape.level();
    let mut mask = Tensor::recycled(*x.shape());
    let kept = (1.0 / (1.0 - p)) as f32;
    mask.data_mut().fill_with(|| if rng.chance(p) { 0.0 } else { kept });
    let mut y = x.tensor().clone();
    elementwise::multiply(level, mask.data(), y.data_mut());
    tape.record(&[&x], Value::Plain(y), || Dropout { mask })
}

struct Dropout {
    mask: Tensor,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, _: &[bool]) -> Vec<Option<Gradient>> {
        let mut g = gradient.into_plain(level);
        elementwise::multiply(level, self.mask.data(), g.data_mut());
        vec![Some(Gradient::Plain(g))]
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{GradientCase, random};
    use engine::Rng;

    pub fn cases() -> Vec<GradientCase> {
        let p = 0.4;
        vec![GradientCase {
            op: "dropout",
            name: format!("p {p}"),
            inputs: vec![random(&[4, 9], &mut Rng::new(8))],
            forward: Box::new(move |tape, inputs| super::dropout(tape, &inputs[0], p, &mut Rng::new(9))),
            spec: Box::new(move |inputs| {
                let mut rng = Rng::new(9);
                inputs[0].iter().map(|x| if rng.chance(p) { 0.0 } else { x / (1.0 - p) }).collect()
            }),
        }]
    }

    #[test]
    fn keeps_the_mean_and_drops_the_share() {
        let mut tape = crate::Tape::new(kernels::Level::best());
        let x = tape.constant(engine::Tensor::full([100, 100], 1.0));
        let y = super::dropout(&mut tape, &x, 0.3, &mut Rng::new(1));
        let y = y.tensor().data();
        let dropped = y.iter().filter(|&&y| y == 0.0).count() as f64 / 1e4;
        let mean = y.iter().map(|&y| f64::from(y)).sum::<f64>() / 1e4;
        assert!((dropped - 0.3).abs() < 0.02 && (mean - 1.0).abs() < 0.03, "{dropped} {mean}");
    }
}
