//! The run's tables, steps.csv and epochs.csv: one line a step and one an epoch, complete on disk at any moment.
//!
//! Invariant: at a checkpoint, both are synced and hold what the checkpoint's run has done. Resuming first cuts them
//! back to that, so a resumed run's tables equal an uninterrupted one's (but for the columns of speed).

use crate::Error;
use crate::documents::{read_text, write_text};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

/// A CSV file that lines are added to. The first column is a number that counts up from 1.
pub(crate) struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    /// Opens the table at `path`, keeping its lines up to number `keep`; and what is to be said if some are missing.
    pub(crate) fn open(path: PathBuf, header: &str, keep: u64) -> Result<(Self, Option<String>), Error> {
        let old = if keep > 0 { read_text(&path)? } else { String::new() };
        let kept = truncated(&old, header, keep);
        let lines = kept.lines().count() as u64 - 1;
        let lacking = (lines < keep).then(|| {
            format!(
                "{}: expected {keep} lines, up to the checkpoint, found {lines}: it was damaged or changed, and stays so",
                path.display()
            )
        });
        if kept != old {
            write_text(&path, &kept)?;
        }
        let file = OpenOptions::new().append(true).open(&path).map_err(Error::io(&path))?;
        Ok((Self { file, path }, lacking))
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: &str) -> Result<(), Error> {
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(Error::io(&self.path))
    }

    /// Makes the lines so far survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::io(&self.path))
    }
}

/// The lines of `old` whose number is at most `keep`, under `header`. A last line without an end was cut off while it
/// was written.
fn truncated(old: &str, header: &str, keep: u64) -> String {
    let number = |line: &str| line.split(',').next().and_then(|field| field.parse::<u64>().ok());
    let whole = old.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let kept = whole.filter(|line| number(line).is_some_and(|number| (1..=keep).contains(&number)));
    format!("{header}\n{}", kept.collect::<String>())
}

/// A number with 9 significant digits, enough to tell any two f32 apart.
pub(crate) fn nine_digits(value: f64) -> String {
    format!("{value:.8e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_cut_back_to_the_checkpoint() {
        let old = "step,loss\n1,0.5\n2,0.4\n3,0.3\n4,0.";
        assert_eq!(truncated(old, "step,loss", 2), "step,loss\n1,0.5\n2,0.4\n");
        assert_eq!(truncated(old, "step,loss", 9), "step,loss\n1,0.5\n2,0.4\n3,0.3\n");
        assert_eq!(truncated("", "step,loss", 9), "step,loss\n");
    }

    #[test]
    fn lines_are_appended_after_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps.csv");
        for (keep, line) in [(0, "1,a"), (1, "2,b"), (1, "2,c")] {
            let (mut log, lacking) = Log::open(path.clone(), "step,x", keep).unwrap();
            log.add(line).unwrap();
            assert_eq!(lacking, None);
        }
        assert!(Log::open(path.clone(), "step,x", 3).unwrap().1.unwrap().contains("expected 3 lines"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "step,x\n1,a\n2,c\n");
    }

    #[test]
    fn nine_digits_tell_floats_apart() {
        for value in [std::f32::consts::LN_2, 1e-30, 12345.678] {
            assert_eq!(nine_digits(value.into()).parse::<f32>().unwrap(), value);
        }
        assert_eq!(nine_digits(std::f64::consts::LN_2), "6.93147181e-1");
    }
}
