//! The evaluation of one split as a document: every headline number with its uncertainty. [`Summary::new`] makes it
//! (`evaluate`).
//!
//! Invariant: no field is ever NaN or infinite. What has no value is `None`, which is `null` in JSON: a ratio without
//! samples in its denominator, an AUROC with one class only, a slope that would be infinite, and whatever belongs to
//! two classes when there are more. Names are a contract; fields may be added, not renamed.

use crate::binary::AtPrevalence;
use crate::calibration::{Recalibration, ReliabilityBin};
use crate::confusion::Confusion;
use crate::decision::NetBenefit;
use crate::interval::Interval;
use crate::positive::PositiveSource;
use serde::Serialize;
use std::collections::BTreeMap;

/// The level of every interval of a summary.
pub const LEVEL: f64 = 0.95;

/// The evaluation of a split.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The name of the split.
    pub split: String,
    /// Samples.
    pub images: usize,
    /// Independent groups; `None` if unknown, every image then counts as independent.
    pub groups: Option<usize>,
    /// Of a finding: its name, and of how many images it is known that they have it, have it not, or neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Images with the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positives: Option<usize>,
    /// Images without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negatives: Option<usize>,
    /// Images of which that is not known, and which count nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<usize>,
    /// Where images have several findings: each of them, in the order of the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Summary>,
    /// The positive class; `None` with more than two classes.
    pub positive_class: Option<String>,
    /// The same.
    pub positive: Option<String>,
    /// Who said so, if whoever asked for the summary tells it.
    pub positive_source: Option<PositiveSource>,
    /// Values that these samples cannot define, with the reason; they are `None`. `per_class.NAME` is of at least one class,
    /// `macro.NAME` and `micro.NAME` of the averages.
    pub not_defined: BTreeMap<&'static str, String>,
    /// Values that have no interval, with the reason; named in the same way.
    pub no_interval: BTreeMap<&'static str, String>,
    /// The threshold on the probability of the positive class; `None` with more than two classes.
    pub threshold: Option<f64>,
    /// The rule that chose it.
    pub threshold_rule: String,
    /// The level of all intervals.
    pub level: f64,
    /// How class-wise values became one: `binary` (those of the positive class), or `one-vs-rest, macro`.
    pub averaging: &'static str,
    /// The share that is right.
    pub accuracy: Option<f64>,
    /// Its exact interval.
    pub accuracy_ci: Option<Interval>,
    /// The exact one-sided lower bound of the accuracy on independent groups, when all are right; else `None`.
    pub all_right_lower_bound: Option<f64>,
    /// AUROC; macro mean over the classes present with more than two.
    pub auroc: Option<f64>,
    /// Its interval, by `auroc_ci_method`.
    pub auroc_ci: Option<Interval>,
    /// How `auroc_ci` was made.
    pub auroc_ci_method: Option<&'static str>,
    /// Its percentile interval over bootstrap draws of groups; `None` if it has no spread.
    pub auroc_bootstrap_ci: Option<Interval>,
    /// Average precision; macro mean with more than two classes.
    pub auprc: Option<f64>,
    /// Its percentile interval over bootstrap draws of groups; `None` if it has no spread.
    pub auprc_ci: Option<Interval>,
    /// Bootstrap draws.
    pub bootstrap_draws: usize,
    /// Sensitivity; macro mean of the classes' recall with more than two classes.
    pub sensitivity: Option<f64>,
    /// Its exact interval; with more than two classes that of the macro mean, by bootstrap.
    pub sensitivity_ci: Option<Interval>,
    /// Specificity; macro mean with more than two classes.
    pub specificity: Option<f64>,
    /// Its exact interval; with more than two classes that of the macro mean, by bootstrap.
    pub specificity_ci: Option<Interval>,
    /// Positive predictive value at the prevalence of the split; `None` with more than two classes.
    pub ppv: Option<f64>,
    /// Its exact interval.
    pub ppv_ci: Option<Interval>,
    /// Negative predictive value at the prevalence of the split; `None` with more than two classes.
    pub npv: Option<f64>,
    /// Its exact interval.
    pub npv_ci: Option<Interval>,
    /// Predictive values at the prevalence that was asked for.
    pub at_prevalence: Option<AtPrevalence>,
    /// Rows true, columns predicted.
    pub confusion: Confusion,
    /// The pairs of classes that are confused most often, at most 20: the same as the matrix says, for many classes.
    pub largest_confusions: Vec<Confused>,
    /// Each class against the rest.
    pub per_class: Vec<ClassSummary>,
    /// Plain mean over the classes that have a value.
    #[serde(rename = "macro")]
    pub macro_average: Average,
    /// From the counts, or the (sample, class) pairs, of all classes pooled.
    #[serde(rename = "micro")]
    pub micro_average: Average,
    /// Brier score: in `[0, 1]` with two classes, summed over classes with more.
    pub brier: f64,
    /// Its percentile interval over bootstrap draws of groups, as for all that follow; `None` if it has no spread.
    pub brier_ci: Option<Interval>,
    /// Mean negative logarithm of the probability of the true class.
    pub log_loss: f64,
    /// Its interval.
    pub log_loss_ci: Option<Interval>,
    /// Expected calibration error.
    pub ece: f64,
    /// Its interval, moved by the bias of the draws, which lie too high as the sample does.
    pub ece_ci: Option<Interval>,
    /// Its binning.
    pub ece_binning: String,
    /// Calibration intercept and slope; `None` if unbounded, or with more than two classes.
    pub calibration: Option<Recalibration>,
    /// Reliability diagram of the positive class; of the predicted class with more than two.
    pub reliability: Vec<ReliabilityBin>,
    /// Net benefit at 0.05, 0.10, .. 0.95; empty with more than two classes.
    pub decision_curve: Vec<NetBenefit>,
}

/// One class against the rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names of the metrics; each *_ci is the interval of the field before it")]
pub struct ClassSummary {
    pub class: String,
    pub precision: Option<f64>,
    pub precision_ci: Option<Interval>,
    pub recall: Option<f64>,
    pub recall_ci: Option<Interval>,
    pub specificity: Option<f64>,
    pub specificity_ci: Option<Interval>,
    pub f1: Option<f64>,
    pub f1_ci: Option<Interval>,
    pub support: usize,
    pub auroc: Option<f64>,
    pub auroc_ci: Option<Interval>,
    pub auprc: Option<f64>,
    pub auprc_ci: Option<Interval>,
}

/// Two classes that are confused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confused {
    /// The true class.
    #[serde(rename = "true")]
    pub truth: String,
    /// What it was called.
    pub called: String,
    /// How often.
    pub images: usize,
}

/// Averages over classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names of the metrics; each *_ci is the interval of the field before it")]
pub struct Average {
    pub precision: Option<f64>,
    pub precision_ci: Option<Interval>,
    pub recall: Option<f64>,
    pub recall_ci: Option<Interval>,
    pub f1: Option<f64>,
    pub f1_ci: Option<Interval>,
    pub auroc: Option<f64>,
    pub auroc_ci: Option<Interval>,
    pub auprc: Option<f64>,
    pub auprc_ci: Option<Interval>,
}
