//! Looks at test images, which are counted in the folder of the run.

use crate::shell;
use std::path::Path;
use train::{Error, Looks};
use workflow::{Labelled, count_look};

/// Counts this look at images in the run folder `run`, with whose data it was trained if `is_own`.
pub fn count(run: &Path, labelled: &Labelled, is_own: bool) -> Option<Looks> {
    counted("split", count_look(run, labelled, is_own, &shell::typed())?)
}

/// The looks so far. That this one is not counted is said, and no reason to stop; `images` are those of the test.
pub fn counted(images: &str, looks: Result<Looks, Error>) -> Option<Looks> {
    let warn = |error: &Error| note!("warning: this look at the test {images} is not counted: {error}");
    looks.inspect_err(warn).ok()
}
