//! Folded, packed and planned inference: what a deployment links, without autograd, training or image decoding.
//!
//! A [`Plan`] is made once from a model: batch norm is folded into the convolutions ([`fold()`]), weights are packed for
//! the machine's instruction set, and every activation gets its place in one arena. [`Plan::run`] then turns images into
//! logits. Invariant: the logits of an image are the same bits in any batch, at any place in it, on any number of
//! threads.
#![forbid(unsafe_code)]

mod arena;
mod chain;
mod compile;
mod fold;
mod layer;
mod plan;
mod run;
mod step;

pub use fold::{Folded, fold};
pub use plan::{Error, Plan, StepInfo};
