//! Stores a deferred value, for readers that have no loop to fold it into.

use crate::gradient::whole_pixels;
use crate::{DeferredTensor, Gradient, Op, Tape, Value, Var};
use engine::{Tensor, merge_sums, par};
use kernels::{Level, elementwise};

/// `x` as a stored value; itself, if it is one.
pub fn materialise(tape: &mut Tape, x: &Var) -> Var {
    let Value::Deferred(deferred) = x.value() else { return x.clone() };
    let (level, channels, read) = (tape.level(), x.shape().channels(), x.value().read());
    let chunk = whole_pixels(channels);
    let mut y = Tensor::recycled(*x.shape());
    par::chunks_mut(y.data_mut(), chunk, |i, y| {
        elementwise::materialise(level, read.part(i * chunk..i * chunk + y.len()), channels, y);
    });
    let kept = deferred.clone();
    tape.record(&[x], Value::Plain(y), || Materialise { x: kept })
}

struct Materialise {
    x: DeferredTensor,
}

impl Op for Materialise {
    fn name(&self) -> &'static str {
        "materialise"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, _: &[bool]) -> Vec<Option<Gradient>> {
        vec![Some(mask(level, &self.x, gradient.into_plain(level)))]
    }
}

/// Turns the gradient of what was read from `x` into that of the deferred value, in place.
pub(super) fn mask(level: Level, x: &DeferredTensor, mut dx: Tensor) -> Gradient {
    let channels = dx.shape().channels();
    let chunk = whole_pixels(channels);
    let mut sums = Tensor::zeros([dx.len().div_ceil(chunk), 2 * channels]);
    par::chunks_mut2((dx.data_mut(), chunk), (sums.data_mut(), 2 * channels), |i, dx, sums| {
        let view = x.view();
        let z = &view.z[i * chunk..i * chunk + dx.len()];
        elementwise::mask(level, kernels::Deferred { z, ..view }, dx, sums);
    });
    Gradient::Deferred { sums: merge_sums(sums.data(), channels), du: dx }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{GradientCase, Source};
    use engine::Rng;
    use kernels::scalar;

    pub fn cases() -> Vec<GradientCase> {
        let mut rng = Rng::new(3);
        let case = |source: Source| GradientCase {
            op: "materialise",
            name: format!("{source:?}"),
            inputs: source.inputs(&[2, 3, 2, 18], &mut rng),
            forward: Box::new(move |tape, inputs| {
                let x = source.var(tape, inputs);
                super::materialise(tape, &x)
            }),
            spec: Box::new(move |inputs| {
                source.read(inputs, |x| (0..inputs[0].len()).map(|i| scalar::read(x, i, i % 18)).collect())
            }),
        };
        Source::ALL.into_iter().map(case).collect()
    }
}
