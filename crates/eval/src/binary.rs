//! One class against the rest: sensitivity, specificity and predictive values with exact intervals.

use crate::interval::{Interval, Proportion, predictive_value};
use serde::Serialize;

/// The four rates of a binary decision; each is `None` where no sample could show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Of the positives, the share that is called positive.
    pub sensitivity: Option<Proportion>,
    /// Of the negatives, the share that is called negative.
    pub specificity: Option<Proportion>,
    /// Of those called positive, the share that is (at the prevalence of this sample).
    pub ppv: Option<Proportion>,
    /// Of those called negative, the share that is (at the prevalence of this sample).
    pub npv: Option<Proportion>,
}

impl Rates {
    /// The rates of `called` against `positive`, with intervals at `level` on independent `groups`.
    pub fn new(positive: &[bool], called: &[bool], groups: Option<&[usize]>, level: f64) -> Self {
        let among = |condition: &[bool], value: bool, hit: &[bool]| {
            let chosen: Vec<usize> = (0..condition.len()).filter(|&i| condition[i] == value).collect();
            let hits: Vec<bool> = chosen.iter().map(|&i| hit[i] == value).collect();
            let groups: Option<Vec<usize>> = groups.map(|groups| chosen.iter().map(|&i| groups[i]).collect());
            Proportion::new(&hits, groups.as_deref(), level)
        };
        Self {
            sensitivity: among(positive, true, called),
            specificity: among(positive, false, called),
            ppv: among(called, true, positive),
            npv: among(called, false, positive),
        }
    }
}

/// Predictive values at a prevalence that is given, not that of the sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtPrevalence {
    /// The prevalence that the values are for.
    pub prevalence: f64,
    /// Positive predictive value; `None` if nothing would be called positive.
    pub ppv: Option<f64>,
    /// Its interval, conservative.
    pub ppv_ci: Option<Interval>,
    /// Negative predictive value; `None` if nothing would be called negative.
    pub npv: Option<f64>,
    /// Its interval, conservative.
    pub npv_ci: Option<Interval>,
}

impl AtPrevalence {
    /// Bayes' rule on the rates of `called` against `positive`. Both values rise with sensitivity and specificity, so
    /// the limits of these two, each at `1 - (1 - level) / 2` (Bonferroni), give limits that hold together at `level`.
    /// `None` without positives or without negatives.
    pub fn new(
        positive: &[bool],
        called: &[bool],
        groups: Option<&[usize]>,
        level: f64,
        prevalence: f64,
    ) -> Option<Self> {
        let rates = Rates::new(positive, called, groups, f64::midpoint(1.0, level));
        let (sensitivity, specificity) = (rates.sensitivity?, rates.specificity?);
        let both = |value: &dyn Fn(f64, f64) -> Option<f64>| {
            let (a, b) = (sensitivity.interval, specificity.interval);
            // A limit at which nothing is called says nothing: the interval then reaches the end.
            let interval = Interval {
                low: value(a.low, b.low).unwrap_or(0.0),
                high: value(a.high, b.high).unwrap_or(1.0),
            };
            let value = value(sensitivity.value, specificity.value);
            (value, value.map(|_| interval))
        };
        let (ppv, ppv_ci) =
            both(&|sensitivity, specificity| predictive_value(sensitivity, specificity, prevalence));
        let (npv, npv_ci) =
            both(&|sensitivity, specificity| predictive_value(specificity, sensitivity, 1.0 - prevalence));
        Some(Self { prevalence, ppv, ppv_ci, npv, npv_ci })
    }
}
