//! The fit loop: early stopping, checkpoints, exact resume, logs; and the evaluation that ends a run.
//!
//! [`fit()`] runs a [`Config`]; [`RunFolder`] names the files that it leaves, beside which there are TensorBoard's
//! event files if asked for. With the feature `cli`, settings are options of a command line too.
#![forbid(unsafe_code)]

mod basis;
mod builtin;
mod check;
mod checkpoint;
mod closing;
mod config;
mod config_file;
mod date;
mod documents;
mod drawn;
mod error;
mod evaluate;
mod event;
mod features;
mod figures;
mod fit;
mod folder;
mod folds;
mod follow;
mod frozen;
mod groups;
mod head;
mod likeness;
mod lock;
mod log;
mod memory;
mod open;
mod openings;
mod operating;
#[cfg(feature = "cli")]
mod options;
mod paths;
mod places;
mod pooled;
mod predictions;
mod promise;
mod range_test;
mod ranks;
mod rate;
mod recipe;
mod resume;
mod run;
mod start;
mod stopper;
mod tensorboard;
mod trainer;
mod trouble;
mod unreadable;

pub use basis::{Basis, init_of, keys, settings_file};
pub use builtin::first_weights;
pub use closing::Report;
pub use config::{BestBy, ClassWeights, Config, MAX_THREADS, MAX_UNREADABLE, OptimizerKind};
pub use date::utc_now;
pub use drawn::{find_images, lost_data, open_fold, settings};
pub use error::Error;
pub use evaluate::{
    DRAWS, LEAST_DRAWS, LabelledPredictions, MAX_DRAWS, Question, check_classes, write_averaged,
    write_predictions,
};
pub use event::{Epoch, EpochLine, Event};
pub use fit::{Outcome, check_folder, fit, fit_with};
pub use folder::{RunFolder, has_begun, is_cross_validation, new_run};
pub use folds::{begin_folds, cross_validate, pool_folds, train_fold};
pub use follow::{follow, on_threads};
pub use groups::check_groups;
pub use head::Head;
pub use lock::RunLock;
pub use memory::check_memory;
pub use nn::Decay;
pub use open::{grouped, open_data, open_data_with, open_to_train};
pub use openings::{Looks, Opening, Openings, record_opening};
pub use operating::{fit_slopes, fit_temperature, set_finding_threshold, set_threshold};
#[cfg(feature = "cli")]
pub use options::Options;
pub use pooled::{CrossValidation, FindingOverFolds, Fold, FoldSpread, Pooled, finished_folds, pooled};
pub use predictions::{Predictions, predict_all, predict_views, views};
pub use promise::{doubts, promise};
pub use range_test::RangeStep;
pub use ranks::{Ranks, give_up};
pub use rate::LearningRate;
pub use recipe::Recipe;
pub use start::positive_of_data;
pub use stopper::Stopper;
pub use trainer::{Backward, Input, Trainer, Truth};
pub use unreadable::open_run_data;
