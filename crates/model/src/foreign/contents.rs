//! What a file of another program holds, whatever its format.

use super::hints::Hints;
use crate::weights::Array;
use crate::{Error, Metadata};

/// What another program's file holds.
#[derive(Clone, Debug, Default)]
pub struct ForeignFile {
    /// The tensors, in the order of the file.
    pub tensors: Vec<(String, Array)>,
    /// What the file says of itself, if this program exported it.
    pub told: Option<Metadata>,
    /// What it says of its network, and what of it was passed over.
    pub hints: Hints,
}

impl ForeignFile {
    /// The tensors under `key` alone, if the key was a part of their names and not of the file.
    pub(super) fn only(mut self, key: &str) -> Result<Self, Error> {
        let begins = |name: &str| {
            let rest = name.strip_prefix(key);
            rest.is_some_and(|rest| key.ends_with('.') || rest.starts_with(['.', '/']))
        };
        if self.tensors.iter().any(|(name, _)| begins(name)) {
            self.tensors.retain(|(name, _)| begins(name));
        } else if !self.hints.notes.iter().any(|note| note.starts_with(&format!("taken: {key}"))) {
            return Err(Error::invalid("--key", "the name of a part of the file", key));
        }
        Ok(self)
    }
}

/// A line that names some of the integers that were passed over.
pub(super) fn passed_over(names: &[String]) -> Option<String> {
    let some = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("passed over, for they are counters and no weights: {some}{more}"))
}
