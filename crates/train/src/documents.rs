//! Small text files of a run folder: read if they are there, written whole or not at all.

use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::Error;

/// The text at `path`; empty if there is no such file. Of any other fault nothing may follow, least of all that what it
/// holds can be written anew.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        found => found.map_err(Error::io(path)),
    }
}

/// The JSON document at `path`, which should hold what `expected` says; none if there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<Option<T>, Error> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(|error| Error::run(path, error.to_string()))?,
    };
    let broken = |error| Error::run(path, format!("expected {expected}, found otherwise: {error}"));
    serde_json::from_str(&text).map(Some).map_err(broken)
}

/// Writes `text` at `path`.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    Ok(model::write_atomic(path, |file| file.write_all(text.as_bytes()))?)
}
