//! Two models on the same samples: the paired DeLong test of their AUROCs and the exact McNemar test of their answers.
//!
//! Paired tests ask about the samples on which the models differ; comparing two separate intervals instead wastes what
//! the models share.

use crate::delong::DeLong;
use crate::groups::{or_singletons, table_len};
use crate::interval::Interval;
use crate::special::{normal_cdf, normal_quantile};
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

/// The exact test of McNemar (1947), by group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct McNemar {
    /// Samples that only the first model answers rightly.
    pub only_first: usize,
    /// Samples that only the second model answers rightly.
    pub only_second: usize,
    /// Two-sided p-value; 1 if the models are right on the same samples.
    pub p_value: f64,
}

/// Compares which samples two models answer rightly, on independent `groups`.
///
/// If the models are alike, then in every group the first is ahead by some number of samples as likely as the second
/// is. The p-value is the share of all sign patterns of these leads whose sum is at least as far from 0 as the one that
/// was found, counted exactly (Fisher's sign-flip test, 1935). With one sample a group that is the exact binomial test
/// of McNemar.
pub fn mcnemar(first_right: &[bool], second_right: &[bool], groups: Option<&[usize]>) -> McNemar {
    let count = |first, second| {
        first_right.iter().zip(second_right).filter(|&(&a, &b)| a == first && b == second).count()
    };
    let (only_first, only_second) = (count(true, false), count(false, true));
    let groups = or_singletons(groups, first_right.len());
    let mut leads = vec![0_i64; table_len(&groups)];
    for ((&first, &second), group) in first_right.iter().zip(second_right).zip(groups) {
        leads[group] += i64::from(first) - i64::from(second);
    }
    let lead = leads.iter().sum::<i64>().unsigned_abs() as usize;
    let sizes: Vec<usize> =
        leads.iter().map(|lead| lead.unsigned_abs() as usize).filter(|&n| n > 0).collect();
    // Rounding must not lift a certainty above 1.
    McNemar { only_first, only_second, p_value: sign_flip_tail(&sizes, lead).min(1.0) }
}

/// The chance that `|sum of +-size| >= least` when every sign is tossed.
fn sign_flip_tail(sizes: &[usize], least: usize) -> f64 {
    let reach: usize = sizes.iter().sum();
    // `chance[i]`: of the sum `i - reach`. A sum is even or odd as `reach` is, so every other place stays 0.
    let mut chance = vec![0.0; 2 * reach + 1];
    chance[reach] = 1.0;
    let mut within = 0;
    for &size in sizes {
        let mut next = vec![0.0; chance.len()];
        for i in reach - within..=reach + within {
            next[i - size] += 0.5 * chance[i];
            next[i + size] += 0.5 * chance[i];
        }
        within += size;
        chance = next;
    }
    let far = |&(i, _): &(usize, &f64)| i.abs_diff(reach) >= least;
    chance.iter().enumerate().filter(far).map(|(_, chance)| chance).sum()
}
