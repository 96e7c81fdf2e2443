//! Dropout (Srivastava et al. 2014), inverted: what is kept is scaled up, so that evaluation has nothing to do.

use super::materialise;
use crate::{Gradient, Op, Tape, Value, Var};
use kernels::{Level, elementwise};
use tensor::{Rng, Tensor};

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
