//! What flows along the tape: values that may be deferred, and the variables that name them.

use crate::again::Again;
use engine::{Shape, Tensor};
use kernels::norm::Moments;
use kernels::{Deferred, Read, Rectifier};
use std::sync::Arc;

/// A normalised activation that is not stored: whoever reads it applies `act(scale * z + shift)` while loading.
#[derive(Clone, Debug)]
pub struct DeferredTensor {
    /// The raw output, `[.., c]`.
    pub z: Tensor,
    /// What it is read through.
    pub norm: DeferredNorm,
    /// How to compute `z` once more, where backward shall do so.
    pub(crate) again: Option<Arc<Again>>,
}

/// What a deferred value is read through: a scale and a shift a channel, and an activation.
#[derive(Clone, Debug)]
pub struct DeferredNorm {
    /// `[c]`
    pub scale: Tensor,
    /// `[c]`
    pub shift: Tensor,
    /// `[c]`: subtracted from `z` in the sums of backward; the mean.
    pub center: Tensor,
    /// The activation.
    pub act: Rectifier,
}

/// A tensor, stored or deferred.
#[derive(Clone, Debug)]
pub enum Value {
    /// The elements themselves.
    Plain(Tensor),
    /// To be read as `act(scale * z + shift)`.
    Deferred(DeferredTensor),
}

impl Value {
    /// The dimensions.
    pub fn shape(&self) -> &Shape {
        match self {
            Value::Plain(x) => x.shape(),
            Value::Deferred(d) => d.z.shape(),
        }
    }

    /// The view that kernels read.
    pub fn read(&self) -> Read<'_> {
        match self {
            Value::Plain(x) => Read::Plain(x.data()),
            Value::Deferred(d) => Read::Norm(d.view()),
        }
    }
}

impl DeferredTensor {
    /// The view that kernels read.
    pub fn view(&self) -> Deferred<'_> {
        Deferred {
            z: self.z.data(),
            scale: self.norm.scale.data(),
            shift: self.norm.shift.data(),
            center: self.norm.center.data(),
            act: self.norm.act,
        }
    }
}

/// A value on the tape. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Var {
    pub(crate) value: Value,
    /// Per-channel moments of a convolution's output, taken in its epilogue for the norm that follows.
    pub(crate) moments: Option<Arc<Moments>>,
    /// How to compute a convolution's output once more, where backward shall do so.
    pub(crate) again: Option<Arc<Again>>,
    /// The node that made it; none where no gradient is wanted.
    pub(crate) node: Option<usize>,
}

impl Var {
    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The dimensions.
    pub fn shape(&self) -> &Shape {
        self.value.shape()
    }

    /// Whether backward computes a gradient for it.
    pub fn wants_gradient(&self) -> bool {
        self.node.is_some()
    }

    /// The stored tensor.
    ///
    /// # Panics
    /// When the value is deferred: ask [`crate::ops::materialise`] first.
    pub fn tensor(&self) -> &Tensor {
        match &self.value {
            Value::Plain(x) => x,
            Value::Deferred(d) => panic!("{:?} is deferred, not stored", d.z),
        }
    }
}
