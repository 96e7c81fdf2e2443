//! Softmax and cross-entropy in one op: their common gradient is `p - y`, which neither has alone.

use crate::{Gradient, Op, Tape, Value, Var};
use engine::Tensor;
use kernels::{Level, scalar};

/// What the loss weighs.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// One weight a class, two a finding (of its absence and of its presence); all 1 for none.
    pub class_weights: Vec<f32>,
    /// Label smoothing in `[0, 1)` (Szegedy et al. 2016, section 7).
    pub smoothing: f32,
}

impl Loss {
    /// Plain cross-entropy over `classes` classes.
    pub fn plain(classes: usize) -> Self {
        Self { class_weights: vec![1.0; classes], smoothing: 0.0 }
    }
}

/// The mean loss of `logits: [n, classes]`, as [`scalar::softmax_cross_entropy`] defines it; the result is `[1]`.
///
/// # Panics
/// When a label is not a class.
pub fn cross_entropy(tape: &mut Tape, logits: &Var, labels: &[usize], loss: &Loss) -> Var {
    let classes = loss.class_weights.len();
    let expected = [labels.len(), classes];
    assert_eq!(logits.shape()[..], expected, "logits: expected {expected:?}, found {:?}", logits.shape());
    let mut gradient = Tensor::recycled(*logits.shape());
    // A few numbers an image: the specification itself is fast enough to be the kernel.
    let value = scalar::softmax_cross_entropy(
        logits.tensor().data(),
        labels,
        &loss.class_weights,
        loss.smoothing,
        gradient.data_mut(),
    );
    let value = Value::Plain(Tensor::from_slice([1], &[value as f32]));
    tape.record(&[logits], value, || CrossEntropy { name: "cross_entropy", gradient })
}

/// A loss whose gradient was made with its value.
pub(super) struct CrossEntropy {
    pub name: &'static str,
    pub gradient: Tensor,
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn backward(mut self: Box<Self>, level: Level, gradient: Gradient, _: &[bool]) -> Vec<Option<Gradient>> {
        let factor = gradient.into_plain(level).item();
        for g in self.gradient.data_mut() {
            *g *= factor;
        }
        vec![Some(Gradient::Plain(self.gradient))]
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{GradientCase, random};
    use super::Loss;
    use engine::Rng;
    use kernels::scalar;

    pub fn cases() -> Vec<GradientCase> {
        let mut rng = Rng::new(10);
        let labels = [0, 2, 1, 2];
        let losses = [
            Loss::plain(3),
            Loss { class_weights: vec![0.5, 2.0, 1.0], smoothing: 0.0 },
            Loss { class_weights: vec![0.5, 2.0, 1.0], smoothing: 0.1 },
        ];
        let case = |loss: Loss| {
            let (weights, smoothing) =
                (loss.class_weights.iter().map(|&w| f64::from(w)).collect::<Vec<_>>(), loss.smoothing);
            GradientCase {
                op: "cross_entropy",
                name: format!("{loss:?}"),
                inputs: vec![random(&[4, 3], &mut rng)],
                forward: Box::new(move |tape, inputs| super::cross_entropy(tape, &inputs[0], &labels, &loss)),
                spec: Box::new(move |inputs| {
                    let mut unused = vec![0.0; inputs[0].len()];
                    let smoothing = f64::from(smoothing);
                    vec![scalar::softmax_cross_entropy(&inputs[0], &labels, &weights, smoothing, &mut unused)]
                }),
            }
        };
        losses.into_iter().map(case).collect()
    }

    /// Values that PyTorch 2.15's `F.cross_entropy` gives for these logits, weights and smoothing.
    #[test]
    fn agrees_with_pytorch() {
        let logits = [1.0f64, -0.5, 2.0, 0.25, 3.0, -1.0];
        let loss = |weights: &[f64], smoothing| {
            scalar::softmax_cross_entropy(&logits, &[2, 1], weights, smoothing, &mut [0.0; 6])
        };
        for (weights, smoothing, expected) in REFERENCE {
            assert!((loss(&weights, smoothing) - expected).abs() < 1e-6, "{weights:?} {smoothing}");
        }
    }

    const REFERENCE: [([f64; 3], f64, f64); 3] = [
        ([1.0, 1.0, 1.0], 0.0, 0.225287617),
        ([0.5, 2.0, 1.0], 0.0, 0.176537145),
        ([0.5, 2.0, 1.0], 0.1, 0.297239134),
    ];
}
