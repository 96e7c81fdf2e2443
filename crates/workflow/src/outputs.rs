//! Files that are written are never those that are read.

use data::Dataset;
use std::path::Path;

/// That `path`, which is to be written, is none that is read; nobody can want that, so nothing allows it.
///
/// # Errors
/// With the path, and what was expected.
pub fn check_no_input(path: &Path, is_input: impl FnOnce(&Path) -> bool) -> Result<(), String> {
    match is_input(path) {
        true => Err(format!("{}: expected another file than those that are read", path.display())),
        false => Ok(()),
    }
}

/// Whether a file is one that `dataset` is made of: its manifest or one of its images.
pub fn is_of(dataset: &Dataset, path: &Path) -> bool {
    let images = dataset.samples.iter().map(|sample| sample.path.as_path());
    let named = images.filter(|image| image.file_name() == path.file_name());
    std::iter::once(dataset.source.as_path()).chain(named).any(|known| is_same(known, path))
        // A link, or another spelling of the name.
        || dataset.samples.iter().any(|sample| sample.bytes > 0 && is_linked(path) && is_same(&sample.path, path))
}

/// Whether two paths lead to one file.
pub fn is_same(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

fn is_linked(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_symlink())
}
