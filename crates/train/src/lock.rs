//! Who works on a run folder: one process at a time.
//!
//! The lock is the operating system's, on a file in the folder: it goes with the process that holds it, however that
//! ends. The file stays, and with nobody holding its lock it means nothing.

use crate::{Error, RunFolder};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Pause between two attempts at a lock that is waited for.
const PAUSE: Duration = Duration::from_millis(10);

/// The right to write into a run folder, until it is dropped.
#[derive(Debug)]
pub struct RunLock(#[expect(dead_code, reason = "the lock goes when the file is closed")] File);

impl RunLock {
    /// That of the run whose model `path` is, the file itself or its folder; none of a model that lies alone.
    ///
    /// # Errors
    /// As [`RunLock::acquire`].
    pub fn of_model(path: &Path) -> Result<Option<Self>, Error> {
        let file = model::resolve(path)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        RunFolder(folder).config().is_file().then(|| Self::acquire(folder)).transpose()
    }

    /// Takes the lock of the run or cross-validation in `folder`, which exists.
    ///
    /// # Errors
    /// Another process has it; the message names that process. On a file system without locks it is given to everyone.
    pub fn acquire(folder: &Path) -> Result<Self, Error> {
        match locked(&RunFolder(folder).lock(), Duration::ZERO)? {
            Ok(mut file) => {
                // For the message of whoever comes next; the lock holds without it.
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                if is_held(&RunFolder(folder).lock()) {
                    remove_left(RunFolder(folder));
                }
                Ok(Self(file))
            }
            Err(mut file) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let who = holder.trim().parse::<u32>().map_or(String::new(), |id| format!(" (process {id})"));
                let reason = format!(
                    "another vertebra{who} works on this run; wait for it, stop it, or choose another --out"
                );
                Err(Error::run(folder, reason))
            }
        }
    }
}

/// Whether somebody, perhaps this process, has the lock of the file at `path`: on a file system without locks nobody has.
fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|other| matches!(other.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Removes what a killed run left half of the files that are written while its lock is held: as large as a checkpoint.
fn remove_left(run: RunFolder) {
    let written = [run.best(), run.last(), run.config(), run.steps(), run.epochs(), run.lr_range()];
    let at_the_end = [run.predictions(), run.audit(), run.report(), run.card()];
    written.iter().chain(&at_the_end).for_each(|path| model::remove_left(path));
}

/// The file at `path`, made if need be, with its lock; or without, if another process has that for longer than
/// `patience`.
pub(crate) fn locked(path: &Path, patience: Duration) -> Result<Result<File, File>, Error> {
    let begun = Instant::now();
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).open(path).map_err(Error::io(path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Ok(file)),
            Err(TryLockError::WouldBlock) if begun.elapsed() >= patience => return Ok(Err(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                return Ok(Ok(file));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(RunFolder(folder.path()).lock(), "999999 of a process that is gone, with a long line")
            .unwrap();
        for _ in 0..3 {
            let _held = RunLock::acquire(folder.path()).unwrap();
            let message = RunLock::acquire(folder.path()).unwrap_err().to_string();
            let id = std::process::id();
            assert!(
                message.contains(&format!("another vertebra (process {id}) works on this run")),
                "{message}"
            );
        }
        RunLock::acquire(folder.path()).unwrap();
        assert!(RunLock::acquire(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_short_wait_is_waited() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let held = locked(&path, Duration::ZERO).unwrap().unwrap();
        assert!(locked(&path, Duration::from_millis(30)).unwrap().is_err());
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(held);
        });
        assert!(locked(&path, Duration::from_secs(60)).unwrap().is_ok());
        release.join().unwrap();
    }
}
