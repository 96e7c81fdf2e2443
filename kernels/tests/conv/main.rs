//! Pointwise and general convolution, forward and backward, at every level against the specification in f64.

#[path = "../common/mod.rs"]
mod common;
mod pointwise;
mod spec;
#[path = "../common/square.rs"]
mod square;
mod streamed;
mod windowed;
