//! Looks at test images, which are counted in the folder of the run: a look too many makes a result better than it is.

use crate::Labelled;
use std::path::Path;
use train::{Error, Looks, Opening, Openings, record_opening};

/// Counts this look of `command` at images in the run folder `run`, with whose data it was trained if `is_own`. What
/// is counted is a look at what is tested, or at what was tested before and is called otherwise here; what a run
/// trains and validates with it sees all the time. None if nothing is to be counted: for those, and for a model file.
pub fn count_look(
    run: &Path,
    labelled: &Labelled,
    is_own: bool,
    command: &str,
) -> Option<Result<Looks, Error>> {
    let is_tested = ["test", "all"].contains(&labelled.name.as_str());
    if !run.is_dir() || is_own && !is_tested {
        return None;
    }
    let opening = Opening::now(command.to_owned(), &labelled.dataset, &labelled.part);
    let was_tested = || Openings::of_run(run).is_ok_and(|known| known.looks(&opening).times > 0);
    if !is_tested && !was_tested() {
        return None;
    }
    Some(record_opening(run, opening))
}
