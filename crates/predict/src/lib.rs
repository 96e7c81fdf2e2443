//! Predictions from a model: the one way from samples in memory to probabilities and a decision, for validation, the closing
//! table, `evaluate`, `predict`, heatmaps, and programs that link this crate.
//!
//! [`Predictor`] is all that a deployment needs, and [`Ensemble`] is several models as one. They read no image file and
//! know no data set: a [`model::Picture`] comes from whatever decoder or camera there is.
//!
//! ```
//! use model::{Architecture, Array, Metadata, Model, Picture, Preprocessing, Role};
//! use predict::Predictor;
//!
//! // In a program: Predictor::read("model.safetensors")?. Here it is a small network without training.
//! let named = Architecture::named("mobilenet-v1")?;
//! let architecture = Architecture { width: 0.25, image_size: [32; 2], ..named };
//! let tensors = architecture.network()?.tensors().into_iter().map(|spec| {
//!     let value = if spec.role == Role::Variance { 1.0 } else { 0.1 };
//!     let values = vec![value; spec.elements()];
//!     (spec.name, Array::new(spec.shape, values).expect("as many values as the shape has"))
//! });
//! let classes = ["intact", "fracture"].map(String::from).to_vec();
//! let metadata = Metadata::new(architecture, classes, Preprocessing::new(1, [32; 2]));
//! let mut predictor = Predictor::new(Model::new(metadata, tensors.collect())?)?;
//!
//! let gray = vec![0_u8; 480 * 640];
//! let found = predictor.predict(&Picture::from_u8(&gray, [480, 640], 1)?)?;
//! println!("{} {:.3}", found.label, found.probability);
//! assert_eq!(found.positive, Some(found.label == "fracture"));
//! # Ok::<(), predict::Error>(())
//! ```
#![forbid(unsafe_code)]

mod body;
mod classifier;
mod decision;
mod ensemble;
mod error;
mod predictor;
#[cfg(test)]
#[path = "../tests/common/random_model.rs"]
mod random_model;

pub use body::Body;
pub use classifier::{Classifier, log_sigmoid, log_softmax, logit_of_log, recalibration};
pub use decision::{Decision, finding_thresholds, name_positive, positive_of, predicted_class, threshold_of};
pub use ensemble::{Averaged, Ensemble, agree, inputs, mean_log_probabilities, reorder};
pub use error::Error;
pub use predictor::{Prediction, Predictor};
