//! Two models on the same samples: the paired DeLong test of their AUROCs and the exact McNemar test of their answers.
//!
//! Paired tests ask about the samples on which the models differ; comparing two separate intervals instead wastes what
//! the models share.

use crate::bootstrap::{by_group, percentile_interval};
use crate::delong::DeLong;
use crate::groups::{or_singletons, table_len};
use crate::interval::Interval;
use crate::order::sort_by_number;
use crate::ranking::Ranking;
use crate::roc::area_under_roc;
use crate::special::{normal_cdf, normal_quantile};
use crate::spread::ranked_draws;
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

/// A finding that two models scored in the images of which it is known.
#[derive(Clone, Debug)]
pub struct PairedFinding {
    /// Those images, as `groups` numbers them.
    pub images: Vec<usize>,
    /// The probabilities of either model.
    pub scores: [Vec<f64>; 2],
    /// Whether it is there.
    pub positive: Vec<bool>,
}

/// The difference of the mean AUROC over findings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeanAurocDifference {
    /// The two means.
    pub auroc: [f64; 2],
    /// First minus second.
    pub difference: f64,
    /// Percentile interval of the difference over bootstrap draws of groups; `None` if it has no spread.
    pub interval: Option<Interval>,
    /// The findings that have an AUROC.
    pub findings: usize,
    /// Draws.
    pub bootstrap_draws: usize,
}

/// Compares the means of the AUROC over the findings that have one; `groups` has one number an image. `None` if no
/// finding has.
pub fn compare_mean_auroc(
    findings: &[PairedFinding],
    groups: &[usize],
    draws: usize,
    level: f64,
) -> Option<MeanAurocDifference> {
    let rank = |of: &PairedFinding| {
        [0, 1].map(|model| Ranking::new(&of.scores[model], &of.positive).renumbered(|at| of.images[at]))
    };
    let rankings: Vec<[Ranking; 2]> = findings.iter().map(rank).collect();
    let means = |weight: &(dyn Fn(usize) -> f64 + Sync)| -> Option<([f64; 2], usize)> {
        let area = |ranking: &Ranking| area_under_roc(ranking.weighted_cuts(weight));
        let pair = |[a, b]: &[Ranking; 2]| Some([area(a)?, area(b)?]);
        let areas: Vec<[f64; 2]> = rankings.iter().filter_map(pair).collect();
        let n = areas.len();
        (n > 0).then(|| ([0, 1].map(|at| areas.iter().map(|of| of[at]).sum::<f64>() / n as f64), n))
    };
    let ([a, b], count) = means(&|_| 1.0)?;
    let draws = ranked_draws(draws, 2 * findings.len(), groups.len());
    let drawn = by_group(groups, draws, 0, |weights| means(&|image| weights[image]).map(|([a, b], _)| a - b));
    Some(MeanAurocDifference {
        auroc: [a, b],
        difference: a - b,
        interval: percentile_interval(drawn, level),
        findings: count,
        bootstrap_draws: draws,
    })
}

/// p-values of several tests, each with what it is among all of them (Holm 1979, "A simple sequentially rejective
/// multiple test procedure"): the chance that any of the true null hypotheses looks so far from true.
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|&at| p_values[at].is_some()).collect();
    sort_by_number(&mut order, &|at| p_values[at].unwrap_or(1.0));
    let (mut adjusted, mut largest) = (vec![None; p_values.len()], 0.0);
    for (rank, &at) in order.iter().enumerate() {
        largest = f64::max(largest, p_values[at].unwrap_or(1.0) * (order.len() - rank) as f64);
        adjusted[at] = Some(largest.min(1.0));
    }
    adjusted
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

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Rng;

    #[test]
    fn several_p_values_are_held_to_one_level() {
        // Times 4, 3, 2 and 1 from the smallest on, and never less than the one before.
        let p = [Some(0.01), None, Some(0.04), Some(0.03), Some(0.005)];
        let found = holm(&p);
        let want = [Some(0.03), None, Some(0.06), Some(0.06), Some(0.02)];
        for (found, want) in found.iter().zip(want) {
            assert!(found.is_none() == want.is_none());
            assert!((found.unwrap_or(0.0) - want.unwrap_or(0.0)).abs() < 1e-12, "{found:?} {want:?}");
        }
        assert_eq!(holm(&[Some(0.9), Some(0.8)]), [Some(1.0), Some(1.0)]);
        assert_eq!(holm(&[]), []);
    }

    #[test]
    fn the_mean_of_findings_is_the_mean_of_each() {
        let mut rng = Rng::new(5);
        let mut finding = |from: usize| {
            let images: Vec<usize> = (from..120).step_by(1 + from % 2).collect();
            let positive: Vec<bool> = images.iter().map(|_| rng.below(3) == 0).collect();
            let mut score = |gain: f64| -> Vec<f64> {
                positive.iter().map(|&is| gain * f64::from(u8::from(is)) + rng.normal()).collect()
            };
            let scores = [score(2.0), score(0.5)];
            PairedFinding { images, scores, positive }
        };
        let never = PairedFinding { images: vec![3], scores: [vec![0.5], vec![0.5]], positive: vec![false] };
        let findings = [finding(0), finding(7), never];
        let groups: Vec<usize> = (0..120).map(|image| image / 2).collect();
        let mean = compare_mean_auroc(&findings, &groups, 500, 0.95).unwrap();
        let each = |of: &PairedFinding| compare_auroc(&of.scores[0], &of.scores[1], &of.positive, None, 0.95);
        let each: Vec<AurocDifference> = findings.iter().filter_map(each).collect();
        assert_eq!((each.len(), mean.findings), (2, 2));
        for model in 0..2 {
            let want = each.iter().map(|of| of.auroc[model]).sum::<f64>() / 2.0;
            assert!((mean.auroc[model] - want).abs() < 1e-12);
        }
        let interval = mean.interval.unwrap();
        assert!(
            0.0 < interval.low && interval.low < mean.difference && mean.difference < interval.high,
            "{mean:?}"
        );
        // The bootstrap's standard error is near that of DeLong for two findings that are independent.
        let errors = each.iter().map(|of| of.standard_error.unwrap().powi(2)).sum::<f64>().sqrt() / 2.0;
        let half = (interval.high - interval.low) / (2.0 * 1.96);
        assert!((half / errors - 1.0).abs() < 0.35, "{half} {errors}");

        let same = |of: &PairedFinding| {
            let scores = [of.scores[0].clone(), of.scores[0].clone()];
            PairedFinding { scores, ..of.clone() }
        };
        let same: Vec<PairedFinding> = findings.iter().map(same).collect();
        let mean = compare_mean_auroc(&same, &groups, 200, 0.95).unwrap();
        assert_eq!((mean.difference, mean.interval), (0.0, None));
        assert!(compare_mean_auroc(&findings[2..], &groups, 200, 0.95).is_none());
    }
}
