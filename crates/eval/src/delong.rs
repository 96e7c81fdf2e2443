//! The AUROC interval: DeLong's variance of the area under the ROC curve, which needs no model of the scores, for
//! independent samples and for groups (patients).
//!
//! DeLong, DeLong and Clarke-Pearson (1988) for independent samples; Obuchowski (1997, "Nonparametric analysis of
//! clustered ROC curve data") sums the same components by group first. With one sample a group the two are equal, so
//! there is one implementation. The interval is symmetric on the logit scale, so it stays within 0 and 1.
//!
//! Where the variance says nothing (it is 0 when the classes do not overlap or all scores are equal, and does not
//! exist with fewer than two groups of a class), the interval is the exact one of Clopper and Pearson on the largest
//! number of disjoint (positive, negative) pairs of independent groups: each pair is a trial whose chance of success is
//! the AUROC. At an AUROC of 1 this is the exact lower bound `(alpha/2)^(1/pairs)`.

use crate::groups::{or_singletons, table_len};
use crate::interval::{Interval, clopper_pearson};
use crate::ranking::Ranking;
use crate::special::normal_quantile;

/// An AUROC with what its variance is made of.
#[derive(Clone, Debug)]
pub struct DeLong {
    /// The area under the ROC curve.
    pub auroc: f64,
    positives: f64,
    negatives: f64,
    /// By group: what its samples add to the deviation of the AUROC, positives and negatives apart.
    groups: Vec<Deviation>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Deviation {
    positive: f64,
    negative: f64,
    has_positive: bool,
    has_negative: bool,
}

/// An AUROC with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AurocEstimate {
    /// The area under the ROC curve.
    pub auroc: f64,
    /// Its standard error; `None` if it does not exist (fewer than two independent groups of a class).
    pub standard_error: Option<f64>,
    /// Its interval.
    pub interval: Interval,
    /// How the interval was made, in words.
    pub method: &'static str,
}

impl DeLong {
    /// The components for `scores` (finite, one a sample), labels and optional groups; `None` with one class only.
    pub fn new(scores: &[f64], positive: &[bool], groups: Option<&[usize]>) -> Option<Self> {
        let positives = positive.iter().filter(|&&p| p).count() as f64;
        let negatives = positive.len() as f64 - positives;
        if positives == 0.0 || negatives == 0.0 {
            return None;
        }
        let placements = Ranking::new(scores, positive).placements();
        let right: f64 =
            placements.iter().zip(positive).filter(|&(_, &p)| p).map(|(placement, _)| placement).sum();
        let auroc = right / positives;

        let groups = or_singletons(groups, positive.len());
        let mut deviations = vec![Deviation::default(); table_len(&groups)];
        for ((&placement, &positive), &group) in placements.iter().zip(positive).zip(&groups) {
            let deviation = &mut deviations[group];
            if positive {
                deviation.positive += (placement - auroc) / positives;
                deviation.has_positive = true;
            } else {
                deviation.negative += (placement - auroc) / negatives;
                deviation.has_negative = true;
            }
        }
        Some(Self { auroc, positives, negatives, groups: deviations })
    }

    /// Estimated covariance of two AUROCs of the same samples; of one with itself, its variance. `None` if a class
    /// has fewer than two groups.
    pub fn covariance(&self, other: &Self) -> Option<f64> {
        let [positive_groups, negative_groups, groups] = self.group_counts().map(|count| count as f64);
        if positive_groups < 2.0 || negative_groups < 2.0 {
            return None;
        }
        let (mut within_positives, mut within_negatives, mut between) = (0.0, 0.0, 0.0);
        for (a, b) in self.groups.iter().zip(&other.groups) {
            within_positives += a.positive * b.positive;
            within_negatives += a.negative * b.negative;
            between += a.positive * b.negative + a.negative * b.positive;
        }
        let unbiased = |n: f64| n / (n - 1.0);
        Some(
            unbiased(positive_groups) * within_positives
                + unbiased(negative_groups) * within_negatives
                + unbiased(groups) * between,
        )
    }

    /// Groups with a positive, with a negative, and with either.
    fn group_counts(&self) -> [usize; 3] {
        let count = |has: fn(&Deviation) -> bool| self.groups.iter().filter(|&group| has(group)).count();
        let either = count(|group| group.has_positive || group.has_negative);
        [count(|group| group.has_positive), count(|group| group.has_negative), either]
    }

    /// What group by group is added to the deviation of the AUROC, positives and negatives together.
    pub(crate) fn deviations(&self) -> impl Iterator<Item = f64> {
        self.groups.iter().map(|group| group.positive + group.negative)
    }

    /// The interval at `level`.
    pub fn estimate(&self, level: f64) -> AurocEstimate {
        let auroc = self.auroc;
        // The three parts are corrected for bias apart, so their sum can fall a little below 0.
        let standard_error = self.covariance(self).map(|variance| variance.max(0.0).sqrt());
        let (interval, method) = match standard_error {
            Some(error) if error > 0.0 => {
                let grouped = (self.groups.len() as f64) < self.positives + self.negatives;
                let method = if grouped { "DeLong by group, logit scale" } else { "DeLong, logit scale" };
                (logit_interval(auroc, error, level), method)
            }
            _ => {
                let pairs = self.independent_pairs() as f64;
                (clopper_pearson(auroc * pairs, pairs, level), "exact on independent pairs")
            }
        };
        AurocEstimate { auroc, standard_error, interval, method }
    }

    /// The largest number of disjoint pairs of a group with a positive and a group with a negative. A group that has
    /// both can stand on either side, or be a pair by itself when it is the only group.
    fn independent_pairs(&self) -> usize {
        let [positive, negative, either] = self.group_counts();
        positive.min(negative).min(either / 2).max(1)
    }
}

/// The interval of an area with a standard error above 0, symmetric on the logit scale.
fn logit_interval(auroc: f64, error: f64, level: f64) -> Interval {
    let centre = (auroc / (1.0 - auroc)).ln();
    let half = normal_quantile(f64::midpoint(1.0, level)) * error / (auroc * (1.0 - auroc));
    let back = |x: f64| 1.0 / (1.0 + (-x).exp());
    Interval { low: back(centre - half), high: back(centre + half) }
}

/// The interval of the mean of several AUROCs of the same samples. `deviations` are those of the mean by group: the mean
/// over the classes of what [`DeLong`] adds up. `None` without a spread.
pub(crate) fn mean_interval(auroc: f64, deviations: &[f64], level: f64) -> Option<Interval> {
    let groups = deviations.len() as f64;
    let variance = groups / (groups - 1.0) * deviations.iter().map(|d| d * d).sum::<f64>();
    let inside = auroc > 0.0 && auroc < 1.0;
    (inside && groups > 1.0 && variance > 0.0).then(|| logit_interval(auroc, variance.sqrt(), level))
}
