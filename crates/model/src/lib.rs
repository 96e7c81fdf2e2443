//! What a model *is*, without behaviour: the noun that training and inference share.
//!
//! [`Architecture`] is the few choices that are stored; [`Architecture::network`] expands them into a [`Network`], a
//! plain list of layers with the names and shapes of their tensors. A new width or variant is a change of data here and
//! of code nowhere. [`Model`] is a file: metadata and [`Weights`]. [`layout`] turns stored tensors into the engine's and
//! back; `import`, of the feature `foreign`, reads other programs' weights.
//!
//! ```
//! use model::{Architecture, Array, Metadata, Model, Preprocessing};
//!
//! let architecture = Architecture { width: 0.25, ..Architecture::named("mobilenet-v1")? };
//! let tensors = architecture.network()?.tensors().into_iter().map(|spec| {
//!     let zeros = vec![0.0; spec.elements()];
//!     (spec.name, Array::new(spec.shape, zeros).expect("as many values as the shape has"))
//! });
//! let classes = ["intact", "fracture"].map(String::from).to_vec();
//! let metadata = Metadata::new(architecture, classes, Preprocessing::new(1, [224; 2]));
//! let model = Model::new(metadata, tensors.collect())?;
//! // The bytes of a model file, which PyTorch reads as a state dict.
//! let bytes = model.to_tensor_file()?.to_bytes();
//! assert_eq!(Model::from_bytes(&bytes)?, model);
//! # Ok::<(), model::Error>(())
//! ```
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
mod image_size;
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
mod window;
mod words;

/// Without the readers of foreign files, a file that is no model is not named either.
#[cfg(not(feature = "foreign"))]
mod format {
    pub(crate) fn recognise(_: &std::path::Path) -> Option<crate::Error> {
        None
    }
}

pub use architecture::{Architecture, NAMES};
pub use atomic::{remove_left, write_atomic};
pub use error::Error;
pub use file::{
    BEST, Calibration, Metadata, Model, Output, Provenance, StoredFinding, StoredThreshold, TRAINING_PREFIX,
    ThresholdEvidence, resolve, rewrite_metadata,
};
#[cfg(feature = "foreign")]
pub use foreign::{ForeignFile, Hints};
pub use image_size::ImageSize;
#[cfg(feature = "foreign")]
pub use import::{Colours, ImportOptions, Imported, Naming, Origin, import, import_explained};
pub use network::{Activation, Block, ConvKind, ConvLayer, Network, Norm, Padding, Role, TensorSpec};
pub use picture::{MAX_PIXELS, Picture};
pub use preprocess::{Placement, normalise, pixels, preprocess};
pub use preprocessing::{Preprocessing, ResizeMode};
pub use resize::resize;
pub use tensor_file::TensorFile;
pub use weights::{Array, Weights};
pub use window::Window;
pub use words::{clip_name, list_names};
