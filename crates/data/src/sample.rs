//! One image of a data set, and what is read of a folder or a manifest before its classes have numbers.

use std::path::PathBuf;

use crate::passed::PassedOver;
use crate::split::Split;

/// One image and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Where the file is.
    pub path: PathBuf,
    /// Its path in the data set, with `/` between folders: its name in every table.
    pub name: String,
    /// Index into [`crate::Dataset::classes`]; 0 where an image has findings.
    pub label: usize,
    /// Whether each finding of [`crate::Dataset::classes`] is there, none if that is not known; empty where an image has one
    /// class.
    pub findings: Vec<Option<bool>>,
    /// Of which of [`Sample::findings`] nobody was sure, whatever that counts as: a manifest says so again. Empty if of none.
    pub unsure: Vec<bool>,
    /// What it is used for; none until it is given or [`crate::Dataset::assign_splits`] chose.
    pub split: Option<Split>,
    /// What must not be divided; none: the image stands alone.
    pub group: Option<String>,
    /// Size of the file.
    pub bytes: u64,
    /// The values of [`crate::Dataset::columns`].
    pub extra: Vec<String>,
    /// Why it cannot be read, if it is left out for that: it is no part of any split then.
    pub unreadable: Option<String>,
}

/// What was read of a folder or a manifest.
#[derive(Default)]
pub(crate) struct Listing {
    /// The name of its class with each sample, which has no label yet.
    pub samples: Vec<(String, Sample)>,
    /// The names of the findings, where images have several; their samples' classes mean nothing then.
    pub findings: Option<Vec<String>>,
    pub columns: Vec<String>,
    pub passed_over: PassedOver,
    pub notes: Vec<String>,
}
