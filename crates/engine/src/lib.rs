//! Tensors, the one convolution, the thread pool and random numbers: what every crate above the kernels stands on.
#![forbid(unsafe_code)]

mod bands;
pub mod cases;
mod conv;
mod conv_backward;
pub mod par;
pub mod rng;
mod shape;
mod tensor;

pub use conv::{Conv, Ending, Weights, rectifier};
pub use conv_backward::{Backward, GradientBuffers, merge, merge_sums};
pub use rng::Rng;
pub use shape::Shape;
pub use tensor::Tensor;
