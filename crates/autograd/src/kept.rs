//! What ops keep of a convolution's output until backward: the output, or how to make it once more ([`Again`]).

use crate::again::Again;
use crate::value::DeferredNorm;
use crate::{DeferredTensor, Value};
use engine::Tensor;
use kernels::Read;
use std::sync::{Arc, PoisonError};

/// The output of a convolution, until backward.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Stored(Tensor),
    Again(Arc<Again>),
}

impl Kept {
    pub fn of(z: &Tensor, again: &Option<Arc<Again>>) -> Self {
        match again {
            Some(again) => Kept::Again(again.clone()),
            None => Kept::Stored(z.clone()),
        }
    }

    /// The output: the same bits, for tiles follow from shapes alone.
    pub fn tensor(self) -> Tensor {
        let again = match self {
            Kept::Stored(z) => return z,
            Kept::Again(again) => again,
        };
        let mut made = again.made.lock().unwrap_or_else(PoisonError::into_inner);
        let z = made.take().unwrap_or_else(|| {
            let images = again.x.shape()[0];
            again.conv.forward(again.level, images, Read::Plain(again.x.data()), again.weights.data()).0
        });
        if Arc::strong_count(&again) > 1 {
            *made = Some(z.clone());
        }
        z
    }
}

/// A value, until backward.
pub(crate) enum KeptValue {
    Plain(Tensor),
    Deferred(Kept, DeferredNorm),
}

impl KeptValue {
    pub fn of(x: &Value) -> Self {
        match x {
            Value::Plain(x) => KeptValue::Plain(x.clone()),
            Value::Deferred(d) => KeptValue::Deferred(Kept::of(&d.z, &d.again), d.norm.clone()),
        }
    }

    pub fn value(self) -> Value {
        match self {
            KeptValue::Plain(x) => Value::Plain(x),
            KeptValue::Deferred(z, norm) => {
                Value::Deferred(DeferredTensor { z: z.tensor(), norm, again: None })
            }
        }
    }
}
