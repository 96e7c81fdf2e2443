//! The fit loop: early stopping, checkpoints, exact resume, logs; and the evaluation that ends a run.
//!
//! [`fit()`] runs a [`Config`]; [`RunFolder`] names the files that it leaves, beside which there are TensorBoard's event
//! files if asked for. With the feature `cli`, settings are options of a command line too.
#![forbid(unsafe_code)]

mod checkpoint;
mod closing;
mod config;
mod error;
mod evaluate;
mod event;
mod fit;
mod folder;
mod folds;
mod head;
mod lock;
mod log;
mod openings;
#[cfg(feature = "cli")]
mod options;
mod paths;
mod places;
mod predictions;
mod promise;
mod recipe;
mod start;
mod stopper;
mod tensorboard;
mod trainer;
mod unreadable;

pub use closing::Report;
pub use config::{ClassWeights, Config, MAX_THREADS, MAX_UNREADABLE, OptimizerKind, ScheduleKind};
pub use error::Error;
pub use evaluate::{DRAWS, Evaluation, Question, check_classes, write_predictions};
pub use event::{Epoch, Event};
pub use fit::{Outcome, check_folder, fit};
pub use folder::RunFolder;
pub use folds::{
    CrossValidation, Fold, Pooled, Spread, cross_validate, find_images, is_cross_validation, lost_data,
    pooled, settings,
};
pub use head::Head;
pub use lock::RunLock;
pub use openings::{Looks, Opening, Openings, record_opening};
#[cfg(feature = "cli")]
pub use options::Options;
pub use predictions::{Predictions, predict_all, predict_views, views};
pub use promise::promise;
pub use recipe::Recipe;
pub use start::{grouped, open_data, open_data_with};
pub use stopper::Stopper;
pub use trainer::Trainer;
pub use unreadable::open_run_data;
