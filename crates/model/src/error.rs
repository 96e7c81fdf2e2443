//! The one error type of the crate. A message says where (file, tensor, field), what was expected and what was found,
//! so that a caller can print it as it is.

use std::path::{Path, PathBuf};

/// Why a model could not be described, read, written or converted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A choice of the user's, or of a file's metadata, that no network can have.
    #[error("{what}: expected {expected}, found {found}")]
    Invalid {
        /// The field or tensor at fault.
        what: String,
        /// What would have been accepted, and why where that is not plain.
        expected: String,
        /// What was there.
        found: String,
    },
    /// The operating system refused: disk full, no permission, no such file.
    #[error("cannot {action} {path}: {error}")]
    Io {
        /// What was attempted, as a verb: "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// An error inside a named file.
    #[error("{path}: {error}")]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<Error>,
    },
}

impl Error {
    pub(crate) fn invalid(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Self {
        Error::Invalid { what: what.into(), expected: expected.into(), found: found.to_string() }
    }

    /// The same error, with the file it was found in.
    pub fn in_file(self, path: &Path) -> Self {
        Error::InFile { path: path.to_owned(), error: Box::new(self) }
    }
}
