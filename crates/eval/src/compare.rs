//! Two models on the same samples: the paired DeLong test of their AUROCs and the exact McNemar test of their answers.
//!
//! Paired tests ask about the samples on which the models differ; comparing two separate intervals instead wastes what
//! the models share.

use crate::delong::DeLong;
use crate::interval::Interval;
use crate::special::{beta_cdf, normal_cdf, normal_quantile};
use serde::Serialize;

/// The difference of two AUROCs on the same samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AurocDifference {
    /// The two AUROCs.
    pub auroc: [f64; 2],
    /// First minus second.
    pub difference: f64,
    /// Standard error of the difference; `None` with fewer than two independent groups of a class.
    pub standard_error: Option<f64>,
    /// Interval of the difference; `None` without a standard error, or with one of 0.
    pub interval: Option<Interval>,
    /// Two-sided p-value; `None` as for the interval.
    pub p_value: Option<f64>,
}

/// Compares scores `a` and `b` of the same samples (DeLong et al. 1988; by group Obuchowski 1997). `None` with one
/// class only.
pub fn compare_auroc(
    a: &[f64],
    b: &[f64],
    positive: &[bool],
    groups: Option<&[usize]>,
    level: f64,
) -> Option<AurocDifference> {
    let first = DeLong::new(a, positive, groups)?;
    let second = DeLong::new(b, positive, groups)?;
    let difference = first.auroc - second.auroc;
    let variance =
        || Some(first.covariance(&first)? + second.covariance(&second)? - 2.0 * first.covariance(&second)?);
    let standard_error = variance().map(|variance| variance.max(0.0).sqrt());
    let spread = standard_error.filter(|&error| error > 0.0);
    let half = normal_quantile(f64::midpoint(1.0, level));
    Some(AurocDifference {
        auroc: [first.auroc, second.auroc],
        difference,
        standard_error,
        interval: spread
            .map(|error| Interval { low: difference - half * error, high: difference + half * error }),
        p_value: spread.map(|error| 2.0 * normal_cdf(-(difference / error).abs())),
    })
}

/// The exact test of McNemar (1947).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct McNemar {
    /// Samples that only the first model answers rightly.
    pub only_first: usize,
    /// Samples that only the second model answers rightly.
    pub only_second: usize,
    /// Two-sided p-value: of the samples on which one is right and one wrong, each is right on half. 1 if there are none.
    pub p_value: f64,
}

/// Compares which samples two models answer rightly. Samples are taken as independent: with groups, give one answer a
/// group.
pub fn mcnemar(first_right: &[bool], second_right: &[bool]) -> McNemar {
    let count = |first, second| {
        first_right.iter().zip(second_right).filter(|&(&a, &b)| a == first && b == second).count()
    };
    let (only_first, only_second) = (count(true, false), count(false, true));
    let (fewer, more) = (only_first.min(only_second) as f64, only_first.max(only_second) as f64);
    // P(Binomial(n, 1/2) <= fewer) as an incomplete beta function; with equal counts the two tails overlap.
    let p_value = if fewer == more { 1.0 } else { 2.0 * beta_cdf(more, fewer + 1.0, 0.5) };
    McNemar { only_first, only_second, p_value }
}
