//! What a model *is*, without behaviour: the noun that training and inference share.
//!
//! [`Architecture`] is the few choices that are stored; [`Architecture::network`] expands them into a [`Network`], a
//! plain list of layers with the names and shapes of their tensors. A new width or variant is a change of data here and
//! of code nowhere.
#![forbid(unsafe_code)]

mod architecture;
mod error;
mod network;
mod preprocessing;

pub use architecture::{Architecture, NAMES};
pub use error::Error;
pub use network::{Activation, Block, ConvKind, ConvLayer, Network, Norm, Padding, Role, TensorSpec};
pub use preprocessing::{Fit, Preprocessing};
