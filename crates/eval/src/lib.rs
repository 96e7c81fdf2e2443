//! Metrics with their uncertainty: rates, areas under curves, calibration, decision curves, comparisons.
//!
//! The statistics are plain functions over slices, in f64, without files: `scores` and `probabilities` one a sample,
//! `positive[i]` whether sample `i` is of the positive class, `groups[i]` the number of its group ([`group_ids`]).
//! [`Summary`] is the whole evaluation of a split. What has no value (the AUROC of one class) is `None`, `null` in JSON.
#![forbid(unsafe_code)]

pub mod binary;
pub mod bootstrap;
pub mod calibration;
pub mod compare;
pub mod confusion;
pub mod decision;
pub mod delong;
mod evaluate;
mod findings;
pub mod groups;
mod input;
pub mod interval;
pub mod known;
mod order;
mod per_class;
pub mod positive;
pub mod pr;
pub mod ranking;
mod reasons;
pub mod roc;
pub mod scoring;
mod sound;
mod special;
mod spread;
mod subgroup;
pub mod summary;
mod table;
pub mod temperature;
pub mod threshold;

pub use compare::{AurocDifference, McNemar, MeanAurocDifference, compare_auroc, mcnemar};
pub use confusion::Confusion;
pub use findings::Findings;
pub use groups::group_ids;
pub use input::{InputError, Scored};
pub use interval::{Interval, Proportion};
pub use known::Known;
pub use order::{argmax, sort_by_number};
pub use positive::{Positive, PositiveSource, default_positive};
pub use pr::auprc;
pub use roc::auroc;
pub use subgroup::{Subgroup, subgroups};
pub use summary::Summary;
pub use table::count;
pub use temperature::fit_temperature;
pub use threshold::{BY_HAND, Threshold, ThresholdRule};
