//! Residual addition.

use super::materialise::mask;
use crate::gradient::whole_pixels;
use crate::{Gradient, Op, Tape, Value, Var};
use engine::{Tensor, par};
use kernels::{Level, elementwise};

/// `a + b`, of one shape; both are read deferred, the sum is stored.
pub fn add(tape: &mut Tape, a: &Var, b: &Var) -> Var {
    assert_eq!(a.shape(), b.shape(), "the operands of an addition differ in shape");
    let (level, channels) = (tape.level(), a.shape().channels());
    let chunk = whole_pixels(channels);
    let (left, right) = (a.value().read(), b.value().read());
    let mut y = Tensor::recycled(*a.shape());
    par::chunks_mut(y.data_mut(), chunk, |i, y| {
        let part = i * chunk..i * chunk + y.len();
        elementwise::add(level, left.part(part.clone()), right.part(part), channels, y);
    });
    let kept = [a.value().clone(), b.value().clone()];
    tape.record(&[a, b], Value::Plain(y), || Add { operands: kept })
}

struct Add {
    operands: [Value; 2],
}

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>> {
        let g = gradient.into_plain(level);
        let operands = self.operands.iter().zip(wanted);
        operands
            .map(|(operand, wanted)| {
                wanted.then(|| match operand {
                    Value::Plain(_) => Gradient::Plain(g.clone()),
                    Value::Deferred(x) => mask(level, x, g.clone()),
                })
            })
            .collect()
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{GradientCase, Source};
    use engine::Rng;
    use kernels::scalar;

    pub fn cases() -> Vec<GradientCase> {
        let mut rng = Rng::new(4);
        let pairs = Source::ALL.into_iter().flat_map(|a| Source::ALL.map(|b| (a, b)));
        pairs
            .map(|(a, b)| {
                let mut inputs = a.inputs(&[2, 2, 2, 3], &mut rng);
                inputs.extend(b.inputs(&[2, 2, 2, 3], &mut rng));
                GradientCase {
                    op: "add",
                    name: format!("{a:?} + {b:?}"),
                    inputs,
                    forward: Box::new(move |tape, inputs| {
                        let (first, second) = inputs.split_at(a.count());
                        let (first, second) = (a.var(tape, first), b.var(tape, second));
                        super::add(tape, &first, &second)
                    }),
                    spec: Box::new(move |inputs| {
                        let mut y = vec![0.0; inputs[0].len()];
                        let (first, second) = inputs.split_at(a.count());
                        a.read(first, |first| b.read(second, |second| scalar::add(first, second, 3, &mut y)));
                        y
                    }),
                }
            })
            .collect()
    }
}
