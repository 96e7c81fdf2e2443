//! How a convolution's output is made once more, where it is not kept.
//!
//! A convolution of a value without a gradient, that is, of the images, is computed again instead of stored
//! (rematerialisation; Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", section 3). Its input is kept for
//! the gradient of its weights anyway, and few layers are as large for as little arithmetic: the first of MobileNetV1 has
//! 1.9 % of the multiply-adds and 8 % of the activations.

use engine::{Conv, Tensor};
use kernels::Level;
use std::sync::Mutex;

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
