//! Why a run could not start or go on. Messages are printed as they are, so each says what to do.

use std::path::{Path, PathBuf};

/// An error of training or evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that no run can have.
    #[error("--{field}: expected {expected}, found {found}")]
    Config {
        /// The option, without its dashes.
        field: &'static str,
        /// What would be accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A value that is none for a setting, or a name that no setting has.
    #[error("{name}: {reason}")]
    Setting {
        /// The name of the setting, as in `config.toml`.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A run folder that cannot be used as asked.
    #[error("{}: {reason}", path.display())]
    Run {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The loss or a weight is no longer a finite number.
    #[error(
        "training diverged: {what} at step {step} (learning rate {rate}). Nothing was lost: {checkpoint}. \
         Try {cure}, or look for odd images; the last losses are in steps.csv"
    )]
    Diverged {
        /// What is not finite.
        what: String,
        /// The step, counted from 1.
        step: u64,
        /// The learning rate of the step.
        rate: f64,
        /// What may help, in words.
        cure: String,
        /// What is on disk.
        checkpoint: String,
    },
    /// What became of the other processes of a run, in their words.
    #[error("the ranks of this run: {0}")]
    Ranks(String),
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// An image of the data set cannot be read.
    #[error("{0} (--skip-unreadable leaves out images that cannot be read)")]
    Unreadable(data::Error),
    /// A model file, or its architecture, is not right; or a file could not be written.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// A model that cannot predict.
    #[error(transparent)]
    Predict(predict::Error),
    /// Predictions that cannot be evaluated.
    #[error("cannot evaluate: {0}")]
    Evaluation(#[from] eval::InputError),
}

impl From<predict::Error> for Error {
    /// What a user chose is a setting like any other.
    fn from(error: predict::Error) -> Self {
        match error {
            predict::Error::Choice { option, expected, found } => {
                Self::Config { field: option, expected, found }
            }
            predict::Error::Model(error) => Self::Model(error),
            other => Self::Predict(other),
        }
    }
}

impl Error {
    pub(crate) fn config(field: &'static str, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Config { field, expected: expected.into(), found: found.to_string() }
    }

    /// Of a batch that was read.
    pub(crate) fn batch(error: data::Error) -> Self {
        match error {
            error if error.is_of_process() => Self::Data(error),
            error @ (data::Error::Image { .. } | data::Error::Io { .. }) => Self::Unreadable(error),
            other => Self::Data(other),
        }
    }

    pub(crate) fn run(path: &Path, reason: impl Into<String>) -> Self {
        Self::Run { path: path.to_path_buf(), reason: reason.into() }
    }

    /// The system refused to read or write `path`.
    pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        move |error| {
            let advice = match error.kind() {
                StorageFull | QuotaExceeded => "; free space, or choose another folder",
                PermissionDenied | ReadOnlyFilesystem => {
                    "; choose a folder that may be written, or give that right"
                }
                _ => "",
            };
            Self::run(path, format!("{error}{advice}"))
        }
    }
}
