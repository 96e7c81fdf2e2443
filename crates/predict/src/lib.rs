//! Predictions from a model: the one way from samples in memory to probabilities and a decision, for validation, the closing
//! table, `evaluate`, `predict`, heatmaps, and programs that link this crate.
//!
//! [`Predictor`] is all that a deployment needs. It reads no image file and knows no data set: a [`model::Picture`] comes
//! from whatever decoder or camera there is.
//!
//! ```no_run
//! # fn main() -> Result<(), predict::Error> {
//! let mut predictor = predict::Predictor::read("model.safetensors")?;
//! let gray = vec![0_u8; 480 * 640];
//! let found = predictor.predict(&model::Picture::from_u8(&gray, [480, 640], 1)?);
//! println!("{} {:.3}", found.label, found.probability);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod classifier;
mod decision;
mod error;
mod predictor;

pub use classifier::{Classifier, log_softmax};
pub use decision::{Decision, name_positive, positive_of, predicted_class, threshold_of};
pub use error::Error;
pub use predictor::{Prediction, Predictor};
