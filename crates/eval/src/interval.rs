//! Confidence intervals of a proportion: exact (Clopper and Pearson), Wilson, and exact on independent groups.
//!
//! Two hundred images of twenty patients are not two hundred independent trials. Where groups are known the exact
//! interval is computed on the effective number of trials (Korn and Graham 1998): n divided by the design effect that
//! the groups show, and the number of groups itself when every answer, or none, is right and no effect can be seen.

use crate::groups::table_len;
use crate::special::{beta_quantile, student_quantile};
use serde::Serialize;
use std::fmt::{Display, Formatter};

/// A confidence interval; in JSON the pair `[low, high]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(into = "[f64; 2]")]
pub struct Interval {
    /// Lower limit.
    pub low: f64,
    /// Upper limit.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies within the limits.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// `[0.912, 0.987]`.
impl Display for Interval {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{:.3}, {:.3}]", self.low, self.high)
    }
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.low, interval.high]
    }
}

/// The exact two-sided interval (Clopper and Pearson 1934) of `successes` in `n > 0` trials at a `level` such as 0.95.
/// Both may be fractions, as effective numbers are.
pub fn clopper_pearson(successes: f64, n: f64, level: f64) -> Interval {
    let tail = (1.0 - level) / 2.0;
    let failures = n - successes;
    Interval {
        low: if successes <= 0.0 { 0.0 } else { beta_quantile(successes, failures + 1.0, tail) },
        high: if failures <= 0.0 { 1.0 } else { beta_quantile(successes + 1.0, failures, 1.0 - tail) },
    }
}

/// The exact one-sided lower bound when all of `n > 0` independent trials succeed: the p with `p^n = 1 - level`. At
/// 95 % this is close to `1 - 3/n` ("rule of three", Hanley and Lippman-Hand 1983). With no success at all,
/// `1 - all_right_bound` is the upper bound.
pub fn all_right_bound(n: usize, level: f64) -> f64 {
    (1.0 - level).powf(1.0 / n as f64)
}

/// A proportion with what its interval rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// Trials that succeeded.
    pub successes: usize,
    /// All trials.
    pub n: usize,
    /// Independent groups among the trials; `n` if no groups are known.
    pub groups: usize,
    /// `successes / n`.
    pub value: f64,
    /// The number of independent trials that the interval is computed on, at most `n`.
    pub effective_n: f64,
    /// The exact interval.
    pub interval: Interval,
}

impl Proportion {
    /// The proportion of true `hits` with its exact interval on independent `groups` (one a hit); `None` without
    /// trials, where a proportion has no value.
    ///
    /// With groups, the interval is never narrower at an end than that of the case that all (or none) of the trials
    /// succeed in every group: otherwise a single mistake, by making a design effect visible, could tighten it.
    pub fn new(hits: &[bool], groups: Option<&[usize]>, level: f64) -> Option<Self> {
        let n = hits.len();
        if n == 0 {
            return None;
        }
        let successes = hits.iter().filter(|&&hit| hit).count();
        let value = successes as f64 / n as f64;
        let (groups, effective_n) = match groups {
            Some(groups) => effective_trials(hits, groups, value, level),
            None => (n, n as f64),
        };
        let exact = clopper_pearson(value * effective_n, effective_n, level);
        let all = clopper_pearson(groups as f64, groups as f64, level);
        let interval = if groups < n {
            Interval { low: exact.low.min(all.low), high: exact.high.max(1.0 - all.low) }
        } else {
            exact
        };
        Some(Self { successes, n, groups, value, effective_n, interval })
    }
}

/// The number of groups and the effective number of trials (Korn and Graham 1998): `n / deff`, corrected by t quantiles
/// for the few groups that the design effect is estimated from, never more than `n`. The effect is the variance of the
/// ratio estimator over groups (Rao and Scott 1992) over the variance of independent trials.
fn effective_trials(hits: &[bool], groups: &[usize], value: f64, level: f64) -> (usize, f64) {
    let n = hits.len() as f64;
    let mut residual = vec![None; table_len(groups)];
    for (&hit, &group) in hits.iter().zip(groups) {
        *residual[group].get_or_insert(0.0) += f64::from(u8::from(hit)) - value;
    }
    let residuals: Vec<f64> = residual.into_iter().flatten().collect();
    let count = residuals.len();
    let binomial = value * (1.0 - value);
    if count == hits.len() {
        return (count, n);
    }
    if count < 2 || binomial == 0.0 {
        return (count, count as f64);
    }
    let k = count as f64;
    let squares: f64 = residuals.iter().map(|r| r * r).sum();
    let effect = k / (k - 1.0) * squares / (n * n) / (binomial / (n - 1.0));
    let p = f64::midpoint(1.0, level);
    let few_groups = student_quantile(p, n - 1.0) / student_quantile(p, k - 1.0);
    (count, (n / effect * few_groups * few_groups).min(n))
}

/// A predictive value at a `prevalence` other than the sample's (Bayes): `sensitivity * prevalence` over all that are
/// called positive. For the negative predictive value exchange sensitivity and specificity and give `1 - prevalence`.
/// `None` if nothing would be called positive.
pub fn predictive_value(sensitivity: f64, specificity: f64, prevalence: f64) -> Option<f64> {
    let right = sensitivity * prevalence;
    let wrong = (1.0 - specificity) * (1.0 - prevalence);
    (right + wrong > 0.0).then(|| right / (right + wrong))
}
