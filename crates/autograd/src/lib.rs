//! Reverse-mode differentiation over an indexed tape.
//!
//! Ops are functions in [`ops`] that take a [`Tape`] and [`Var`]s and return a `Var`; [`Tape::backward`] sweeps the
//! tape once. Batch norm and activations stay deferred ([`Value::Deferred`]): convolutions read and write them while
//! loading and storing, so neither pass has a loop over activations of its own.
#![forbid(unsafe_code)]

mod again;
mod gradient;
mod kept;
pub mod ops;
mod tape;
mod value;

pub use gradient::Gradient;
pub use tape::{Gradients, Op, Tape, Timing};
pub use value::{DeferredNorm, DeferredTensor, Value, Var};
