//! Activations. They never run: a deferred value is given one, and whoever reads the value applies it.

use super::materialise;
use crate::value::DeferredNorm;
use crate::{DeferredTensor, Gradient, Op, Tape, Value, Var};
use engine::Tensor;
use kernels::{Level, Rectifier};

/// Applies `act` to `x: [.., c]`; the result is deferred.
pub fn activation(tape: &mut Tape, x: &Var, act: Rectifier) -> Var {
    let x = match x.value() {
        Value::Deferred(d) if d.norm.act != Rectifier::IDENTITY => &materialise(tape, x),
        _ => x,
    };
    let (value, stored) = match x.value() {
        Value::Deferred(d) => {
            let norm = DeferredNorm { act, ..d.norm.clone() };
            (DeferredTensor { norm, ..d.clone() }, false)
        }
        Value::Plain(z) => {
            let channels = [z.shape().channels()];
            let zeros = Tensor::zeros(channels);
            let scale = Tensor::full(channels, 1.0);
            let norm = DeferredNorm { scale, shift: zeros.clone(), center: zeros, act };
            (DeferredTensor { z: z.clone(), norm, again: x.again.clone() }, true)
        }
    };
    tape.record(&[x], Value::Deferred(value), || ActivationOp { stored })
}

struct ActivationOp {
    /// Whether the input is a stored value, whose gradient is plain.
    stored: bool,
}

impl Op for ActivationOp {
    fn name(&self) -> &'static str {
        "activation"
    }

    /// The reader has masked the gradient already.
    fn backward(self: Box<Self>, level: Level, gradient: Gradient, _: &[bool]) -> Vec<Option<Gradient>> {
        vec![Some(if self.stored { Gradient::Plain(gradient.into_plain(level)) } else { gradient })]
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{GradientCase, Source};
    use engine::Rng;
    use kernels::{Rectifier, scalar};

    pub fn cases() -> Vec<GradientCase> {
        let mut rng = Rng::new(2);
        let mut cases = vec![];
        // The second activation of a chain cannot be deferred onto the first, which is then materialised.
        for (source, act) in [
            (Source::Plain, Rectifier::leaky_relu(0.2)),
            (Source::Deferred(Rectifier::IDENTITY), Rectifier::leaky_relu(0.2)),
            (Source::Deferred(Rectifier::leaky_relu(0.1)), Rectifier::leaky_relu(0.2)),
        ] {
            cases.push(GradientCase {
                op: "activation",
                name: format!("{source:?} {act:?}"),
                inputs: source.inputs(&[2, 3, 1, 5], &mut rng),
                forward: Box::new(move |tape, inputs| {
                    let x = source.var(tape, inputs);
                    super::activation(tape, &x, act)
                }),
                spec: Box::new(move |inputs| {
                    let value =
                        |x: &kernels::Read<f64>, i: usize| scalar::activate(act, scalar::read(x, i, i % 5));
                    source.read(inputs, |x| (0..inputs[0].len()).map(|i| value(x, i)).collect())
                }),
            });
        }
        cases
    }
}
