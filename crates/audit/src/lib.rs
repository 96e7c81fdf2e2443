//! Whether a data set can be believed: what is there twice, what crosses the split, what tells the class without showing
//! the disease, and what classifiers that understand nothing score on it.
//!
//! [`audit`] reads every image once and answers everything; [`quick`] reads files only where their sizes agree, and is
//! for a line beside a result. Copies are found by [`duplicates`]; intervals come from `eval`, which is why
//! this is a crate of its own: `data` lies below `eval`.
#![forbid(unsafe_code)]

mod baselines;
mod columns;
mod document;
mod facts;
mod file;
mod findings;
mod groups;
mod hints;
mod identifiers;
mod logistic;
mod names;
mod nearest;
mod pairs;
mod quick;
mod regroup;
mod repeats;
mod run;
mod shortcuts;
mod tags;
#[cfg(test)]
mod testing;
mod tokens;
mod verdict;
mod words;

pub use baselines::{Baseline, MAX_QUERIES, MAX_ROWS, OneGroup, Separation};
pub use document::{Audit, Finding, KnownFinding, Part, Severity, Unreadable};
pub use groups::{GroupOrigin, Groups, NamePattern};
pub use hints::{Hint, Place};
pub use pairs::{Pair, PairedImage};
pub use quick::{Quick, files_in_training, quick, quick_hints};
pub use regroup::{Unit, divided, regroup};
pub use repeats::{Cluster, Repeats};
pub use run::{AuditStage, audit};
pub use shortcuts::{BOUND, Shortcut, ShortcutKind, most_telling};
