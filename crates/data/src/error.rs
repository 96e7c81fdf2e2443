//! What can go wrong with data, said so that a person can mend it: which file or row, what was expected, what was found.

use std::path::{Path, PathBuf};

/// An error of the data pipeline.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system could not read a file or folder.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is not an image that can be decoded.
    #[error("{name}: {reason}")]
    Image {
        /// The file, as the caller named it.
        name: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// A folder or manifest does not describe a data set.
    #[error("{}: {reason}", path.display())]
    Dataset {
        /// The folder or manifest.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// The samples cannot be divided as asked.
    #[error("cannot split the data: {0}")]
    Split(String),
    /// The caller stopped the work; what was done until then.
    #[error("stopped: {0}")]
    Stopped(String),
    /// A loader thread ended without delivering its batch: a defect of this program.
    #[error("a loader thread ended early while preparing batch {0}")]
    Worker(usize),
}

impl Error {
    /// What is wrong, without the file: for those who name it already.
    pub fn reason(&self) -> String {
        match self {
            Self::Io { source, .. } => source.to_string(),
            Self::Image { reason, .. } | Self::Dataset { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }

    /// Whether not the file is at fault but what this process may have: memory, or open files.
    pub fn is_of_process(&self) -> bool {
        // ENOMEM, ENFILE and EMFILE.
        let limits = [12, 23, 24];
        matches!(self, Self::Io { source, .. } if source.raw_os_error().is_some_and(|of| limits.contains(&of)))
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn dataset(path: &Path, reason: impl Into<String>) -> Self {
        Self::Dataset { path: path.to_path_buf(), reason: reason.into() }
    }
}
