//! The data set of a run, with its groups and splits.

use std::path::Path;

use data::{Dataset, GroupBy, Labelling, SplitOrigin};

use crate::Error;

/// Opens a data set and gives every image a split.
pub fn open_data(
    source: &Path,
    group_by: Option<&GroupBy>,
    seed: u64,
) -> Result<(Dataset, SplitOrigin), Error> {
    open_data_with(source, group_by, seed, false)
}

/// The same; with `unreadable`, files that are not there, or are not whole enough for a group, are samples too.
pub fn open_data_with(
    source: &Path,
    group_by: Option<&GroupBy>,
    seed: u64,
    unreadable: bool,
) -> Result<(Dataset, SplitOrigin), Error> {
    open_to_train(source, &Labelling::default(), group_by, seed, unreadable)
}

/// The same, with labels read as `labelling` says.
pub fn open_to_train(
    source: &Path,
    labelling: &Labelling,
    group_by: Option<&GroupBy>,
    seed: u64,
    unreadable: bool,
) -> Result<(Dataset, SplitOrigin), Error> {
    let mut dataset = grouped(source, labelling, group_by, unreadable)?.with_two_classes()?;
    let origin = dataset.assign_splits(seed)?;
    Ok((dataset, origin))
}

/// Opens a data set with its groups, and the splits that it gives; `unreadable` as in [`open_data_with`]. All images
/// may be of one class.
pub fn grouped(
    source: &Path,
    labelling: &Labelling,
    group_by: Option<&GroupBy>,
    unreadable: bool,
) -> Result<Dataset, Error> {
    let mut dataset = match Dataset::open_labelled(source, false, labelling) {
        // A file that is not there is one that cannot be read.
        Err(error) => match Dataset::open_labelled(source, true, labelling) {
            Ok(dataset) if unreadable => dataset,
            Ok(_) => return Err(Error::Unreadable(error)),
            Err(_) => return Err(error.into()),
        },
        Ok(dataset) => dataset,
    };
    if let Some(by) = group_by {
        if unreadable { dataset.group_readable_by(by)? } else { dataset.group_by(by)? }
    }
    Ok(dataset)
}
