//! What a sample is used for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a sample is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The weights are fitted to these.
    Train,
    /// These choose when to stop, and the decision threshold.
    Val,
    /// These are looked at once, for the result.
    Test,
}

impl Split {
    /// All, in the order of their use.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        })
    }
}
