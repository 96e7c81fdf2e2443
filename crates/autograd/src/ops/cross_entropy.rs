//! Softmax and cross-entropy in one op: their common gradient is `p - y`, which neither has alone.

use crate::{Gradient, Op, Tape, Value, Var};
use kernels::{Level, scalar};
use tensor::Tensor;

/// What the loss weighs.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// One weight a class; all 1 for none.
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
    tape.record(&[logits], value, || CrossEntropy { gradient })
}

struct CrossEntropy {
    gradient: Tensor,
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn backward(mut self: Box<Self>, level: Level, gradient: Gradient, _: &[bool]) -> Vec<Option<Gradient>> {
        let factor = gradient.into_plain(level).item();
        for g in self.gradient.data_mut() {
            *g *= factor;
        }
        vec![Some(Gradient::Plain(self.gradient))]
    }
}
