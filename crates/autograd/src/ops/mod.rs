//! The operations, one file each: forward, backward, shapes, and the cases of its gradient check.

mod activation;
mod add;
mod binary_cross_entropy;
mod conv;
mod cross_entropy;
mod dense;
mod dropout;
mod global_pool;
#[cfg(test)]
mod gradient_check;
mod materialise;
mod norm;

pub use activation::activation;
pub use add::add;
pub use binary_cross_entropy::binary_cross_entropy;
pub use conv::conv;
pub use cross_entropy::{Loss, cross_entropy};
pub use dense::dense;
pub use dropout::dropout;
pub use global_pool::global_average_pool;
pub use materialise::materialise;
pub use norm::{bias, frozen_norm, norm};

/// The name of every op. The gradient check fails for a name without cases, the tape refuses an op without a name.
pub const REGISTRY: [&str; 12] = [
    "activation",
    "add",
    "bias",
    "binary_cross_entropy",
    "conv",
    "cross_entropy",
    "dense",
    "dropout",
    "frozen_norm",
    "global_average_pool",
    "materialise",
    "norm",
];
