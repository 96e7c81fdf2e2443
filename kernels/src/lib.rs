//! SIMD kernels: slices in, slices out. No tensor, no threads; the only crate with `unsafe`.
//!
//! A kernel is written once, generic over [`simd::Simd`], and entered through [`Level::dispatch`], which runs it with
//! the instruction set of one [`Level`]. [`scalar`] is the readable specification of every kernel: the oracle of all
//! tests. Layout is NHWC, f32; buffer parameters name their shape.

#[cfg_attr(feature = "memory-check", path = "apart.rs")]
pub mod arena;
mod block;
pub mod buffer;
pub mod cache;
#[cfg(feature = "comparison")]
pub mod comparison;
pub mod conv;
pub mod conv_backward;
pub mod depthwise;
pub mod depthwise_backward;
mod depthwise_direct;
mod depthwise_epilogue;
mod depthwise_input_gradient;
mod depthwise_weight_gradient;
mod dispatch;
pub mod elementwise;
pub mod epilogue;
mod gemm;
pub mod isa;
pub mod level;
pub mod limits;
pub mod norm;
pub mod optimizer;
mod output;
pub mod pack;
pub mod pointwise;
pub mod pointwise_backward;
pub mod pooling;
mod prefetch;
mod ring;
mod rows;
pub mod scalar;
pub mod scratch;
pub mod simd;
mod sink;
#[cfg(all(test, feature = "memory-check"))]
#[path = "arena.rs"]
#[allow(dead_code, reason = "only its own tests run beside the arena of `apart`")]
mod slabs;
mod stage;
pub mod view;

pub use buffer::Buffer;
pub use cache::Caches;
pub use epilogue::Epilogue;
pub use level::Level;
pub use pack::Packed;
pub use view::{ConvShape, Deferred, Grad, Read, Rectifier, Write};
