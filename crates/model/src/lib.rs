//! What a model *is*, without behaviour: the noun that training and inference share.
//!
//! [`Architecture`] is the few choices that are stored; [`Architecture::network`] expands them into a [`Network`], a
//! plain list of layers with the names and shapes of their tensors. A new width or variant is a change of data here and
//! of code nowhere. [`Model`] is a file: metadata and [`Weights`]. [`layout`] turns stored tensors into the engine's and
//! back; `import`, of the feature `foreign`, reads other programs' weights.
#![forbid(unsafe_code)]

mod architecture;
mod atomic;
mod error;
#[cfg(feature = "foreign")]
mod export;
mod file;
#[cfg(feature = "foreign")]
mod foreign;
#[cfg(feature = "foreign")]
mod format;
mod gray;
#[cfg(feature = "foreign")]
mod import;
pub mod layout;
mod network;
mod parts;
mod picture;
mod preprocess;
mod preprocessing;
mod resize;
mod tensor_file;
mod weights;
mod words;

/// Without the readers of foreign files, a file that is no model is not named either.
#[cfg(not(feature = "foreign"))]
mod format {
    pub(crate) fn recognise(_: &std::path::Path) -> Option<crate::Error> {
        None
    }
}

pub use architecture::{Architecture, NAMES};
pub use atomic::write_atomic;
pub use error::Error;
pub use file::{
    BEST, Calibration, Metadata, Model, Provenance, TRAINING_PREFIX, Threshold, ThresholdEvidence, resolve,
    rewrite_metadata,
};
#[cfg(feature = "foreign")]
pub use foreign::{ForeignFile, Hints};
#[cfg(feature = "foreign")]
pub use import::{Colours, ImportOptions, Imported, Naming, Origin, import, import_explained};
pub use network::{Activation, Block, ConvKind, ConvLayer, Network, Norm, Padding, Role, TensorSpec};
pub use picture::{MAX_PIXELS, Picture};
pub use preprocess::{Placement, normalise, pixels, preprocess};
pub use preprocessing::{Fit, Preprocessing};
pub use resize::resize;
pub use tensor_file::TensorFile;
pub use weights::{Array, Weights};
pub use words::{clip_name, list_names};
