//! Looks at test images, which are counted in the folder of the run: a look too many makes a result better than it is.

use crate::labelled::Labelled;
use crate::shell;
use std::path::Path;
use train::{Error, Looks, Opening, Openings, record_opening};

/// Counts this look at images in the run folder `run`, with whose data it was trained if `is_own`: at what is tested, or
/// at what was tested before and is called otherwise here. What a run itself trains and validates with it sees all the time.
pub fn count(run: &Path, labelled: &Labelled, is_own: bool) -> Option<Looks> {
    let is_tested = ["test", "all"].contains(&labelled.name.as_str());
    if !run.is_dir() || is_own && !is_tested {
        return None;
    }
    let opening = Opening::now(shell::typed(), &labelled.dataset, &labelled.part);
    let was_tested = || Openings::of_run(run).is_ok_and(|known| known.looks(&opening).times > 0);
    if !is_tested && !was_tested() {
        return None;
    }
    counted("split", record_opening(run, opening))
}

/// The looks so far. That this one is not counted is said, and no reason to stop; `images` are those of the test.
pub fn counted(images: &str, looks: Result<Looks, Error>) -> Option<Looks> {
    let warn = |error: &Error| note!("warning: this look at the test {images} is not counted: {error}");
    looks.inspect_err(warn).ok()
}
