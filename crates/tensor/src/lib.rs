//! Tensors, recycled buffers, the thread pool and random numbers: what every crate above the kernels stands on.
#![forbid(unsafe_code)]

pub mod par;
pub mod rng;

pub use rng::Rng;
