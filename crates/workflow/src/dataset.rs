//! What is asked and said of a data set by every door.

use crate::Error;
use data::Dataset;
use eval::Positive;

/// The positive class of `dataset`: the one that a user names, or the one whose name is no negation.
///
/// # Errors
/// For a name that is no class of two.
pub fn positive_of_data(dataset: &Dataset, name: Option<&str>) -> Result<Positive, Error> {
    match name {
        Some(name) if dataset.has_findings() => Err(Error::Option {
            name: "positive",
            reason: format!("expected two classes, and these are findings, each there or not, found {name}"),
        }),
        Some(name) => Ok(predict::name_positive(&dataset.classes, name)?),
        None => Ok(Positive::of_names(&dataset.classes)),
    }
}

/// The images that were left out because they cannot be read, for a document in JSON.
pub fn unreadable(dataset: &Dataset) -> Vec<serde_json::Value> {
    let one = |(path, reason)| serde_json::json!({ "path": path, "reason": reason });
    dataset.unreadable().into_iter().map(one).collect()
}
