//! Looks at test images, which are counted in the folder of the run: a look too many makes a result better than it is.

use crate::Labelled;
use data::Split;
use std::path::Path;
use train::{Error, Looks, Opening, Openings, Report, record_opening};

/// Counts this look of `command` at images in the run folder `run`, with whose data it was trained if `is_own`. What
/// is counted is a look at what is tested, or at what was tested before and is called otherwise here; what a run
/// trains and validates with it sees all the time. None if nothing is to be counted: for those, and for a model file.
/// That a look cannot be counted is told to `say`, and is no reason to stop.
pub fn count_look(
    run: &Path,
    labelled: &Labelled,
    is_own: bool,
    command: &str,
    say: &mut dyn FnMut(&str),
) -> Option<Looks> {
    let is_tested = ["test", "all"].contains(&labelled.name.as_str());
    if !run.is_dir() || is_own && !is_tested {
        return None;
    }
    let opening = Opening::now(command.to_owned(), &labelled.dataset, &labelled.part);
    let was_tested = || Openings::of_run(run).is_ok_and(|known| known.looks(&opening).times > 0);
    if !is_tested && !was_tested() {
        return None;
    }
    counted("split", record_opening(run, opening), say)
}

/// Counts the table that `command`, a training, ends with as a look of the run folder `run`, if it is one.
pub fn count_closing(run: &Path, report: &Report, command: &str, say: &mut dyn FnMut(&str)) -> Option<Looks> {
    if report.split != Split::Test {
        return None;
    }
    let opening = Opening { command: command.to_owned(), ..report.opening.clone() };
    counted("split", record_opening(run, opening), say)
}

/// The looks so far; `images` are those of the test.
pub(crate) fn counted(images: &str, looks: Result<Looks, Error>, say: &mut dyn FnMut(&str)) -> Option<Looks> {
    let mut warn =
        |error: &Error| say(&format!("warning: this look at the test {images} is not counted: {error}"));
    looks.inspect_err(|error| warn(error)).ok()
}
