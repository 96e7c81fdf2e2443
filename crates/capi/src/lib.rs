//! Predictions for programs in C. Only the border is here: pointers become slices, errors become a status and a text,
//! and a panic becomes an error. All that is computed is [`predict::Predictor`]'s.
//!
//! What stands above an item here stands above it in `vertebra.h`, which cbindgen makes of these files.

mod error;
mod model;
mod predict;

#[cfg(all(test, feature = "decode"))]
#[allow(dead_code, reason = "the tests of `dicom` use the rest")]
#[path = "../../dicom/tests/common/writer.rs"]
mod dicom_writer;
#[cfg(all(test, feature = "decode"))]
#[path = "../../predict/tests/common/random_model.rs"]
mod random_model;

pub use error::{VertebraStatus, vertebra_last_error};
pub use model::{
    VertebraModel, VertebraShape, vertebra_class_name, vertebra_classes, vertebra_close,
    vertebra_has_findings, vertebra_input, vertebra_open, vertebra_open_memory, vertebra_positive,
    vertebra_threshold, vertebra_version,
};
pub use predict::{
    VertebraAnswer, VertebraDecision, VertebraPrediction, vertebra_predict_encoded, vertebra_predict_f32,
    vertebra_predict_u8, vertebra_predict_u16, vertebra_predict_values,
};
