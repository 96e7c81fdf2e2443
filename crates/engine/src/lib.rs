//! Tensors, the one convolution, the thread pool and random numbers: what every crate above the kernels stands on.
#![forbid(unsafe_code)]

mod bands;
pub mod cases;
mod conv;
pub mod par;
pub mod rng;
mod shape;
mod tensor;

pub use conv::{Backward, Conv, Ending, Gradients, Weights, merge, merge_sums, rectifier};
pub use rng::Rng;
pub use shape::Shape;
pub use tensor::Tensor;
