//! What is asked and said of a data set by every door.

use crate::Error;
use data::Dataset;
use eval::Positive;

/// The positive class of `dataset`: the one that a user names, or the one whose name is no negation.
///
/// # Errors
/// A choice that cannot be, for a name that is no class of two.
pub fn positive_of_data(dataset: &Dataset, name: Option<&str>) -> Result<Positive, Error> {
    train::positive_of_data(dataset, name).map_err(|error| match error {
        train::Error::Config { field: name, expected, found } => {
            Error::Option { name, reason: format!("expected {expected}, found {found}") }
        }
        other => other.into(),
    })
}

/// The images that were left out because they cannot be read, for a document in JSON.
pub fn unreadable(dataset: &Dataset) -> Vec<serde_json::Value> {
    let one = |(path, reason)| serde_json::json!({ "path": path, "reason": reason });
    dataset.unreadable().into_iter().map(one).collect()
}

/// What was assumed when a data set was read, what was passed over, and what is left out: a line each.
pub fn notes(dataset: &Dataset) -> Vec<String> {
    let mut lines = dataset.notes.clone();
    lines.extend((!dataset.passed_over.is_empty()).then(|| dataset.passed_over.to_string()));
    let (left_out, images) = (dataset.unreadable().len(), dataset.samples.len());
    if left_out > 0 {
        let words = dataset.unreadable_words();
        lines.push(format!("left out {left_out} of {images} images that cannot be read: {words}"));
    }
    lines
}

/// How many images have no group, if others have one.
pub fn alone(dataset: &Dataset) -> Option<String> {
    let (alone, images) = (dataset.alone(), dataset.samples.len());
    let most = if 2 * alone.len() > images { "warning: " } else { "" };
    let name = &dataset.samples[*alone.first()?].name;
    let alone = alone.len();
    Some(format!("{most}{alone} of {images} images have no group, for example {name}: each stands alone"))
}
