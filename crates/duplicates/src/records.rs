//! Records of one length, more of them than memory should hold.
//!
//! The first ones stay in memory; the others go to a temporary file without a name, which vanishes with the process
//! however it ends. The system keeps of it in its cache what there is room for.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Bytes that stay in memory.
const IN_MEMORY: usize = 192 << 20;

/// Records by number, in the order in which they came.
pub(crate) struct Records {
    length: usize,
    in_memory: usize,
    memory: Vec<u8>,
    records: usize,
    file: Option<Mutex<File>>,
}

impl Records {
    /// For records of `length` bytes.
    pub fn new(length: usize) -> Self {
        Self::with_limit(length, IN_MEMORY)
    }

    fn with_limit(length: usize, bytes: usize) -> Self {
        Self { length, in_memory: bytes / length, memory: vec![], records: 0, file: None }
    }

    /// Appends a record.
    pub fn push(&mut self, record: &[u8]) -> Result<(), Error> {
        assert_eq!(record.len(), self.length, "similar: records have one length");
        if self.records < self.in_memory {
            self.memory.extend(record);
        } else {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(Mutex::new(tempfile::tempfile().map_err(explain)?)),
            };
            // Reads move the place, but there are none yet where records are still being written.
            file.get_mut().unwrap_or_else(PoisonError::into_inner).write_all(record).map_err(explain)?;
        }
        self.records += 1;
        Ok(())
    }

    /// Record `i`.
    pub fn get(&self, i: usize) -> Result<Cow<'_, [u8]>, Error> {
        assert!(i < self.records, "similar: there are {} records, not {i}", self.records);
        let from = i * self.length;
        let Some(file) = self.file.as_ref().filter(|_| i >= self.in_memory) else {
            return Ok(Cow::Borrowed(&self.memory[from..from + self.length]));
        };
        let mut record = vec![0; self.length];
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let place = SeekFrom::Start((from - self.in_memory * self.length) as u64);
        file.seek(place).and_then(|_| file.read_exact(&mut record)).map_err(explain)?;
        Ok(Cow::Owned(record))
    }
}

/// The temporary file of the search could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct Error {
    /// Where it was to lie.
    pub path: PathBuf,
    /// The system's reason.
    pub source: std::io::Error,
}

fn explain(source: std::io::Error) -> Error {
    Error { path: std::env::temp_dir().join("(a temporary file; TMPDIR says where)"), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_from_memory_and_from_the_file() {
        let mut store = Records::with_limit(3, 7);
        let records: Vec<[u8; 3]> = (0..6).map(|i| [i, 10 * i, 255 - i]).collect();
        records.iter().for_each(|record| store.push(record).unwrap());
        assert!(store.file.is_some() && store.memory.len() == 6);
        for i in [5, 0, 2, 4, 1, 3, 2] {
            assert_eq!(store.get(i).unwrap()[..], records[i]);
        }
    }
}
