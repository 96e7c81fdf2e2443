//! Tensors, recycled buffers, the thread pool and random numbers: what every crate above the kernels stands on.
#![forbid(unsafe_code)]

pub mod par;
pub mod rng;
mod shape;
mod tensor;

pub use rng::Rng;
pub use shape::Shape;
pub use tensor::Tensor;
