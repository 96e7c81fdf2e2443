//! A zip file whose entries are stored as they are, as PyTorch and Keras write theirs.
//!
//! Invariant: the entries that are read have together at most as many bytes as the file, so entries that lie over each
//! other cannot make much of little.

use crate::Error;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// An opened zip file.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    names: Vec<String>,
    len: usize,
    /// Bytes that may still be read.
    left: usize,
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken("the directory", error))?;
        let names = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
        Ok(Self { zip, names, len: bytes.len(), left: bytes.len() })
    }

    /// Length of the file.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|found| found == name)
    }

    /// The path of the entry `name`, in whatever folder.
    pub(super) fn find(&self, name: &str) -> Option<String> {
        let is_it = |path: &&String| path.rsplit('/').next() == Some(name);
        self.names.iter().find(is_it).cloned()
    }

    /// An entry whole.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let file = self.zip.by_name(name).map_err(|error| broken(name, error))?;
        let mut data = vec![];
        let read = file.take(self.left as u64).read_to_end(&mut data);
        self.left -= read.map_err(|error| broken(name, error))?;
        Ok(data)
    }
}

fn broken(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Format(format!("not a sound zip file: {what}: {error}"))
}
