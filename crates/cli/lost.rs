//! Runs whose data are not there any more.

use crate::failure::Failure;
use crate::shell::program;
use std::path::Path;
use train::{RunFolder, lost_data};

/// Refuses to work on the run in `run` if its data are not where they were; `command` says where they are now.
pub fn refuse(run: &Path, command: &str) -> Result<(), Failure> {
    lost_data(run)?.map_or(Ok(()), |place| Err(lost(&RunFolder(run).config(), &place, command)))
}

/// That the data of the settings in `file` are not at `place` any more, and the `command` that says where they are.
pub fn lost(file: &Path, place: &Path, command: &str) -> Failure {
    failed!(
        "{}: the data of this run were in {}, which is not there. If they have moved, put the new place into this \
         line:\n  {} {command}",
        file.display(),
        place.display(),
        program()
    )
}
