//! What the command line and the bindings do alike, each with what the crates below it offer: images to pixels as a
//! stream, the labelled images that a model is judged on, looks that are counted, the report of a run.
//!
//! It says nothing to anybody: what a person should hear goes to a function that the caller gives.
#![forbid(unsafe_code)]

mod calibrate;
mod compare;
mod dataset;
mod error;
mod evaluate;
mod folds;
mod glance;
mod images;
mod labelled;
mod localise;
mod looks;
mod outputs;
mod page;
mod seen;

pub use calibrate::{Calibrated, Calibration, moved, slope};
pub use compare::{ClassAuroc, Compared, Comparison, Pair};
pub use dataset::{alone, notes, positive_of_data, unreadable};
pub use error::Error;
pub use evaluate::{Asked, Evaluated, Judged, Member};
pub use folds::{count_looks_at_folds, over_folds, over_folds_of, report_of_folds};
pub use glance::{glance, glance_beside};
pub use images::{Images, Preprocessed, images_at_once, picture};
pub use labelled::{Labelled, Selection, labelling};
pub use localise::Localised;
pub use looks::{count_closing, count_look};
pub use outputs::{check_no_input, is_of, is_same};
pub use page::{ERRORS, Page, findings, name_of, report_of_run};
pub use seen::seen_in_training;
