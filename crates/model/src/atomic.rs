//! Files appear whole or not at all: written beside their place, synced, then renamed over it. An interrupted run leaves
//! the old file, never half of a new one.

use crate::Error;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes the file at `path` through `write`; if anything fails, `path` is as it was before and no temporary stays. What
/// is there and is no file, a device or a pipe, is written into.
///
/// The folder must exist. The error names `path` and the system's reason.
pub fn write_atomic(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Error> {
    let path = path.as_ref();
    let is_stream = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    let written = if is_stream { write_into(path, write) } else { replace(path, write) };
    written.map_err(|error| Error::io("write", path, error))
}

fn write_into(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(OpenOptions::new().write(true).open(path)?);
    write(&mut writer)?;
    writer.flush()
}

fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (temporary, file) = create_beside(folder, name)?;
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    drop(writer);
    fs::rename(&temporary.0, path)?;
    // The file is in place; syncing the folder makes its name survive a power cut, where the system can do so.
    if let Ok(folder) = File::open(folder) {
        folder.sync_all().ok();
    }
    Ok(())
}

/// A new file of a name that no other writer has; one that a killed run of the same process number left is not touched.
fn create_beside(folder: &Path, name: &OsStr) -> io::Result<(Temporary, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut temporary = name.to_owned();
        temporary.push(format!(".{}-{}.tmp", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let path = folder.join(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((Temporary(path), file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what killed writers of the file at `path` left beside it. Nobody else may be writing it.
pub fn remove_left(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else {
        return;
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let rest = file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('.'));
        let numbers = rest.and_then(|rest| rest.strip_suffix(".tmp")?.split_once('-'));
        if numbers.is_some_and(|(process, at)| [process, at].iter().all(|n| n.parse::<u64>().is_ok())) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// Removes the temporary on every way out; after the rename there is nothing left to remove.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn what_killed_writers_left_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["a.st.12-0.tmp", "a.st.9-31.tmp", "a.st", "a.st.tmp", "a.st.x-1.tmp", "b.12-0.tmp", "a.st.1.tmp"]
        {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        remove_left(&folder.path().join("a.st"));
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["a.st", "a.st.1.tmp", "a.st.tmp", "a.st.x-1.tmp", "b.12-0.tmp"]);
    }

    #[test]
    fn replaces_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for text in ["one", "two, longer", "3"] {
            write_atomic(&path, |w| w.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        let error = write_atomic(&path, |w| {
            w.write_all(b"half of the new")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with("cannot write") && message.contains("a.txt"), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_and_a_pipe_stay_what_they_are() {
        use std::io::Read;
        use std::os::unix::fs::FileTypeExt;
        write_atomic("/dev/null", |w| w.write_all(b"nothing")).unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let (mut read, write) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&write));
        if !Path::new(&path).exists() {
            return; // No system lists what a process has open there but those that people use.
        }
        write_atomic(&path, |w| w.write_all(b"a table")).unwrap();
        drop(write);
        let mut found = String::new();
        read.read_to_string(&mut found).unwrap();
        assert_eq!(found, "a table");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("a.txt");
        let message = write_atomic(&path, |_| Ok(())).unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(write_atomic("..", |_| Ok(())).unwrap_err().to_string().contains("names no file"));
    }
}
