//! Whether the data of a run that goes on are those that it began with.

use std::path::Path;

use data::{Dataset, Likeness};
use model::Model;

use crate::groups::check_groups;
use crate::{Error, RunFolder};

/// That the data are those that the run began with, wherever they lie.
pub(crate) fn check_data(folder: RunFolder, dataset: &Dataset) -> Result<Likeness, Error> {
    let before = Model::read(folder.last())?.metadata;
    let found = check_likeness(folder.0, dataset.compare_fingerprint(&before.provenance.data_fingerprint))?;
    check_groups(&before, dataset).map_err(|reason| Error::run(&dataset.source, reason))?;
    Ok(found)
}

/// Refuses data that are not those of the run or cross-validation in `folder`.
pub(crate) fn check_likeness(folder: &Path, found: Likeness) -> Result<Likeness, Error> {
    let what = match found {
        Likeness::Same | Likeness::SameSizes => return Ok(found),
        Likeness::OtherContents => "what the files hold; their number, labels, splits and sizes are the same",
        Likeness::Other => "files, labels, splits or sizes",
    };
    let reason =
        format!("the data set has changed since this run began ({what}); start a new run with another --out");
    Err(Error::run(folder, reason))
}
