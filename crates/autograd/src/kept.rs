//! What ops keep of a convolution's output until backward: the output, or how to make it once more.
//!
//! A convolution of a value without a gradient, that is, of the images, is computed again instead of stored
//! (rematerialisation; Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", section 3). Its input is kept for
//! the gradient of its weights anyway, and few layers are as large for as little arithmetic: the first of MobileNetV1 has
//! 1.9 % of the multiply-adds and 8 % of the activations.

use crate::value::DeferredNorm;
use crate::{DeferredTensor, Value};
use engine::{Conv, Tensor};
use kernels::{Level, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// A convolution whose output is not kept.
#[derive(Debug)]
pub(crate) struct Again {
    pub x: Tensor,
    pub weights: Tensor,
    pub conv: Conv,
    pub level: Level,
    /// The output, from the first that asks for it until the last.
    pub made: Mutex<Option<Tensor>>,
}

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
