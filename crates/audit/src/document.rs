//! The document that an audit is, and the findings in it.
//!
//! Names are a contract: fields may be added, not renamed.

use data::PassedOver;
use eval::PositiveSource;
use model::Window;
use serde::Serialize;

use crate::baselines::Baseline;
use crate::groups::{GroupOrigin, Groups, NamePattern};
use crate::hints::Hint;
use crate::pairs::Pair;
use crate::repeats::Repeats;
use crate::shortcuts::Shortcut;
use crate::words::is_telling;

/// What is wrong with a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audit {
    /// The folder or manifest.
    pub data: String,
    /// Files that were named.
    pub images: usize,
    /// Those that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// What lies in the folder and is none of the images.
    pub passed_over: PassedOver,
    /// Class names.
    pub classes: Vec<String>,
    /// The positive class; `None` with more than two classes.
    pub positive: Option<String>,
    /// Who said so.
    pub positive_source: Option<PositiveSource>,
    /// What gray images of more than 8 bits were seen through, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Different pictures: copies, however turned or processed, count once.
    pub sources: usize,
    /// The least number of different pictures that there may be: some that look alike could not be told apart.
    pub sources_at_least: usize,
    /// Series of look-alikes that the pictures show; each is one source or more.
    pub series: usize,
    /// Groups, and how they are known.
    pub groups: Option<Groups>,
    /// The set and its splits.
    pub parts: Vec<Part>,
    /// Files with equal bytes.
    pub identical_files: Repeats,
    /// Images with equal pixels.
    pub identical_pixels: Repeats,
    /// Images of one source, equal or not.
    pub copies: Repeats,
    /// Images of one series of look-alikes: copies, neighbouring slices, views of one patient.
    pub look_alikes: Repeats,
    /// What file names suggest.
    pub name_patterns: Vec<NamePattern>,
    /// What may say which images belong together, although nobody said so.
    pub hints: Vec<Hint>,
    /// What is not anatomy and tells the class, the most telling first.
    pub shortcuts: Vec<Shortcut>,
    /// What trivial classifiers score.
    pub baselines: Vec<Baseline>,
    /// Everything that a person should know, the worst first.
    pub findings: Vec<Finding>,
    /// Whether the given split leaks.
    pub leaks: bool,
    /// The share of the images for validation and test of which a copy, or another of the same group, is in training.
    pub seen_in_training: f64,
    /// The conclusion, sentence by sentence.
    pub verdict: Vec<String>,
    /// Whether the search for copies was stopped before its end: there may be more than are counted here.
    pub stopped: bool,
    /// Copies to look at.
    #[serde(skip)]
    pub pairs: Vec<Pair>,
    /// The source of each image.
    #[serde(skip)]
    pub source_of: Vec<usize>,
    /// The series of each image, a union of sources.
    #[serde(skip)]
    pub series_of: Vec<usize>,
}

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unreadable {
    /// Its name in the data set.
    pub path: String,
    /// What was expected and what was found.
    pub reason: String,
}

/// The size of the set or of a split, in everything that may be called independent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// `all`, or the split.
    pub split: String,
    /// Images.
    pub images: usize,
    /// Images of each class; with each finding.
    pub per_class: Vec<usize>,
    /// Where images have several findings: what is known of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<KnownFinding>,
    /// Different sources.
    pub sources: usize,
    /// Groups; `None` if none are known.
    pub groups: Option<usize>,
}

/// What is known of a finding in a part of the images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KnownFinding {
    /// Images that have it.
    pub positives: usize,
    /// Images that have it not.
    pub negatives: usize,
    /// Images of which that is not known.
    pub unknown: usize,
}

impl Audit {
    /// Whether a strict audit fails: on a finding, or on what only names call one.
    pub fn fails_strict(&self) -> bool {
        self.named_across().is_some() || self.findings.iter().any(Finding::fails_strict)
    }

    /// What a name such as "patient" calls one, in more than one split, where nobody said what belongs together: a strict
    /// audit fails on it.
    pub fn named_across(&self) -> Option<&Hint> {
        let is_given = self.groups.as_ref().is_some_and(|groups| groups.origin == GroupOrigin::Given);
        self.hints.iter().find(|hint| !is_given && hint.across_splits > 0 && is_telling(&hint.by))
    }

    /// Whether images have several findings instead of one class.
    pub fn has_findings(&self) -> bool {
        self.parts.iter().any(|part| !part.findings.is_empty())
    }
}

/// The kind of the finding that series of look-alikes lie in more than one split.
pub const SERIES_CROSS: &str = "series-across-splits";

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The given split leaks: a score on it cannot be believed.
    Leak,
    /// A score may not mean what it seems to.
    Warning,
    /// Good to know.
    Note,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is: a short name that does not change.
    pub kind: &'static str,
    /// The line.
    pub message: String,
}

impl Finding {
    /// Whether a strict audit fails on it: a leak, or look-alikes on both sides of the split.
    pub fn fails_strict(&self) -> bool {
        self.is_leak() || self.kind == SERIES_CROSS
    }

    /// Whether it is a leak of the given split.
    pub fn is_leak(&self) -> bool {
        self.severity == Severity::Leak
    }
}
