//! A plan against its definition, against other programs' results, and against itself.

#[path = "../common/mod.rs"]
mod common;
mod forward;
mod pretrained;
mod reference;
mod same_bits;
#[path = "../../../../tests/shared.rs"]
mod shared;
