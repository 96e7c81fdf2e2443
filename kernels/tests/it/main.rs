//! Every kernel against the specification in f64, on the cases of [`engine::cases`], at every level of this machine or at
//! the one that `VERTEBRA_LEVEL` names.

mod common;
mod conv;
mod depthwise;
mod elementwise;
mod pointwise;
mod pooling;
mod spec;
mod square;
mod streamed;
