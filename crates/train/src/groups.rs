//! The groups of a training, without which the same images are other evidence.

use std::collections::BTreeSet;

use data::Dataset;
use model::Metadata;

/// How many groups a data set has: of what stands alone none is one.
pub(crate) fn groups_of(dataset: &Dataset) -> usize {
    let known = dataset.samples.iter().filter_map(|sample| sample.group.as_ref());
    known.collect::<BTreeSet<_>>().len()
}

/// That `dataset` has groups, if the model was trained on the same images with such.
///
/// # Errors
/// How many groups are missing, and what gives them: without, intervals are too narrow.
pub fn check_groups(metadata: &Metadata, dataset: &Dataset) -> Result<(), String> {
    let Some(had) = metadata.provenance.groups else { return Ok(()) };
    let found = groups_of(dataset);
    if found == had {
        return Ok(());
    }
    let manifest = dataset.source.join("manifest.csv");
    let there = match manifest.is_file() {
        true => format!(" (such as {})", manifest.display()),
        false => String::new(),
    };
    Err(format!(
        "expected the {had} groups of the training, without which intervals would be others, found {found}: give the manifest \
         that has them{there}"
    ))
}
