//! The one error type of the crate. A message says where (file, tensor, field), what was expected and what was found,
//! so that a caller can print it as it is.

use std::fmt::Display;
use std::io;
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
    /// Tensors that are not those of the network.
    #[error("the tensors are not those of {network}:\n  {}", problems.join("\n  "))]
    Tensors {
        /// The network in a few words.
        network: String,
        /// A line for each missing, unexpected or misshapen tensor; of each kind the first few, and how many more.
        problems: Vec<String>,
    },
    /// Bytes that are not a sound safetensors file.
    #[error("{0}")]
    Format(String),
    /// The file has fewer bytes than its own header says.
    #[error("the file ends early: header promises {promised} bytes, found {found}")]
    EndsEarly {
        /// Length of the file according to its header.
        promised: u64,
        /// Its real length.
        found: u64,
    },
    /// A safetensors file of somebody else's.
    #[error("this is a safetensors file without Vertebra metadata; use `vertebra import`")]
    NoMetadata,
    /// The operating system refused: disk full, no permission, no such file.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was attempted, as a verb: "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// An error inside a named file.
    #[error("{}: {error}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<Error>,
    },
}

impl Error {
    pub(crate) fn invalid(what: impl Into<String>, expected: impl Into<String>, found: impl Display) -> Self {
        Error::Invalid { what: what.into(), expected: expected.into(), found: found.to_string() }
    }

    pub(crate) fn io(action: &'static str, path: &Path, error: io::Error) -> Self {
        Error::Io { action, path: path.to_owned(), error }
    }

    /// The same error, with the file it was found in.
    pub fn in_file(self, path: &Path) -> Self {
        Error::InFile { path: path.to_owned(), error: Box::new(self) }
    }
}
