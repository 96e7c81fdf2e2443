//! A run's curves as TensorBoard reads them: an event file, which is a sequence of TFRecords, each a protobuf `Event`.
//!
//! The field numbers are those of TensorFlow's event.proto and summary.proto; the frame of a record is that of its
//! lib/io/record_writer.h: the length (u64), its checksum, the data, their checksum, all little-endian.
//!
//! Invariant: records are whole on disk at any moment, and added only. A resumed run adds a file whose first event
//! tells TensorBoard to forget the steps after the checkpoint.

use crate::{Error, Event, Report};
use data::Split;
use protobuf::Message;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// `SessionLog.SessionStatus.START`.
const START: i64 = 1;

/// What the names of event files begin with.
const PREFIX: &str = "events.out.tfevents.";

/// An event file that is being written.
pub(crate) struct EventFile {
    file: File,
    path: PathBuf,
    /// The last step.
    step: u64,
}

impl EventFile {
    /// Begins a file in `folder`, for the steps after `step`.
    pub(crate) fn create(folder: &Path, step: u64) -> Result<Self, Error> {
        // A run that was killed before its first checkpoint left some of these steps too.
        let has_other = std::fs::read_dir(folder)
            .map_err(Error::io(folder))?
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
        // TensorBoard reads a run's files in the order of their names.
        for second in unix_time() as u64.. {
            let path = folder.join(format!("{PREFIX}{second}.vertebra"));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(&path)(error)),
                Ok(file) => {
                    let mut file = Self { file, path, step };
                    file.write(event(0).text(3, "brain.Event:2"))?;
                    if has_other {
                        file.write(event(step + 1).message(7, &Message::default().int(1, START)))?;
                    }
                    return Ok(file);
                }
            }
        }
        unreachable!("a folder does not hold 2^64 files")
    }

    /// Adds what an event tells, if it tells a figure.
    pub(crate) fn add(&mut self, event: &Event) -> Result<(), Error> {
        match event {
            Event::Step { step, loss, lr, images_per_second, .. } => {
                self.step = *step;
                self.scalars(&[
                    ("train/loss", Some(*loss)),
                    ("train/learning_rate", Some(*lr)),
                    ("train/images_per_second", Some(*images_per_second)),
                ])
            }
            Event::Epoch(epoch) => self.scalars(&[
                ("val/loss", Some(epoch.val_loss)),
                ("val/accuracy", Some(epoch.val_accuracy)),
                ("val/auroc", epoch.val_auroc),
            ]),
            Event::Finished(Report { split: Split::Test, summary, .. }) => self.scalars(&[
                ("test/accuracy", summary.accuracy),
                ("test/auroc", summary.auroc),
                ("test/sensitivity", summary.sensitivity),
                ("test/specificity", summary.specificity),
            ]),
            _ => Ok(()),
        }
    }

    /// Adds those of `values` that are there, at the last step.
    fn scalars(&mut self, values: &[(&str, Option<f64>)]) -> Result<(), Error> {
        let there = values.iter().filter_map(|&(tag, value)| Some((tag, value? as f32)));
        let summary = Message::default().each(there, |summary, (tag, value)| {
            summary.message(1, &Message::default().text(1, tag).float(2, value))
        });
        self.write(event(self.step).message(5, &summary))
    }

    fn write(&mut self, event: Message) -> Result<(), Error> {
        self.file.write_all(&record(&event.into_bytes())).map_err(Error::io(&self.path))
    }
}

/// The beginning of an `Event`.
fn event(step: u64) -> Message {
    Message::default().double(1, unix_time()).int(2, step as i64)
}

fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// A TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked(crc32c(bytes)).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// The checksum as it is stored, so that the checksum of data which hold checksums stays a good one.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (RFC 3720, appendix B.4).
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let (mut crc, mut bit) = (at as u32, 0);
            while bit < 8 {
                crc = (crc >> 1) ^ ((crc & 1) * 0x82f6_3b78);
                bit += 1;
            }
            table[at] = crc;
            at += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, &byte| (crc >> 8) ^ TABLE[(crc as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Killed before its first checkpoint, a run begins again at its first step.
    #[test]
    fn whoever_is_not_the_first_begins_a_session() {
        let folder = tempfile::tempdir().unwrap();
        let length = || {
            let file = EventFile::create(folder.path(), 0).unwrap();
            std::fs::metadata(&file.path).unwrap().len()
        };
        let (first, second) = (length(), length());
        assert!(second > first, "{first} {second}");
    }

    /// The bit-by-bit definition.
    fn slow_crc32c(bytes: &[u8]) -> u32 {
        let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1)));
        !bits.fold(!0, |crc, bit| crc >> 1 ^ if (crc ^ bit) & 1 == 1 { 0x82f6_3b78 } else { 0 })
    }

    #[test]
    fn checksums_are_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(crc32c(&bytes), slow_crc32c(&bytes));
    }
}
