//! The bootstrap intervals of a summary: of what has no exact one.
//!
//! One draw of the groups serves every figure. Most figures cost a pass over the samples; areas under curves cost a pass for
//! every class, and a recalibration some twenty, so of these there are fewer draws where samples and classes are many, and
//! none below [`LEAST`]: the cost of an evaluation stays linear in both. Whatever is not drawn has no interval, and the reason
//! is kept.

use crate::bootstrap::{by_group, percentile_interval};
use crate::calibration::{Recalibration, bin_of, drawn_recalibration, logits};
use crate::confusion::mean;
use crate::input::Scored;
use crate::interval::Interval;
use crate::order::argmax;
use crate::pr::average_precision;
use crate::ranking::{Cut, Ranking};
use crate::roc::area_under_roc;
use crate::scoring::clip;

/// Fewer draws than this are no ground for a percentile of 2.5 %.
pub(crate) const LEAST: usize = 200;
/// The most that draws of areas look at samples, over all classes by themselves; pooled, as many again.
const RANKED: usize = 400_000_000;
/// The most that draws of the recalibration look at samples.
const RECALIBRATED: usize = 2_000_000;
/// The most F1 scores of single classes that are kept for their intervals.
const SCORES: usize = 20_000_000;

/// How many of `draws` are made when one costs `cost` and all may cost `most`.
pub(crate) fn affordable(draws: usize, cost: usize, most: usize) -> usize {
    let affordable = draws.min(most / cost.max(1));
    if affordable < draws.min(LEAST) { 0 } else { affordable }
}

/// How many draws of areas under the curves of `classes` classes over `n` samples.
pub(crate) fn ranked_draws(draws: usize, classes: usize, n: usize) -> usize {
    affordable(draws, classes * n, RANKED)
}

/// Whether each of so many classes has an F1 score in every draw.
pub(crate) fn scores_each(classes: usize, draws: usize) -> bool {
    classes * draws <= SCORES
}

/// How many draws of a recalibration over `n` samples: at least [`LEAST`], which is linear in `n`.
pub(crate) fn recalibration_draws(draws: usize, n: usize) -> usize {
    draws.min((RECALIBRATED / n.max(1)).max(LEAST))
}

/// Intervals of what every draw tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrawnFigures {
    pub brier: Option<Interval>,
    pub log_loss: Option<Interval>,
    pub ece: Option<Interval>,
    /// Macro means.
    pub precision: Option<Interval>,
    pub recall: Option<Interval>,
    pub specificity: Option<Interval>,
    pub f1: Option<Interval>,
    /// F1 of each class; empty if there are too many.
    pub class_f1: Vec<Option<Interval>>,
}

/// What one draw tells.
struct DrawOfFigures {
    brier: f64,
    log_loss: f64,
    ece: f64,
    /// Macro means of precision, recall, specificity and F1.
    means: [Option<f64>; 4],
    class_f1: Vec<Option<f64>>,
}

impl DrawnFigures {
    /// Of `input`, whose samples were called `predicted` and lie in `groups`. `ece` is the value of all samples, in
    /// `ece_bins` bins.
    pub fn new(
        input: &Scored,
        predicted: &[usize],
        groups: &[usize],
        (ece, ece_bins): (f64, usize),
        level: f64,
    ) -> Self {
        if input.draws == 0 {
            return Self::default();
        }
        let classes = input.classes.len();
        let scale = if classes == 2 { 0.5 } else { 1.0 };
        let of_sample = |(row, &label): (&[f64], &usize)| {
            let squares = |(class, p): (usize, &f64)| (p - f64::from(u8::from(class == label))).powi(2);
            let brier: f64 = scale * row.iter().enumerate().map(squares).sum::<f64>();
            let sure = argmax(row);
            (brier, -clip(row[label]).ln(), bin_of(row[sure], ece_bins), row[sure], sure == label)
        };
        let samples: Vec<_> = input.rows().zip(input.labels).map(of_sample).collect();
        let each = scores_each(classes, input.draws);
        let draws = by_group(groups, input.draws, input.seed, |weights| {
            let mut total = 0.0;
            let (mut brier, mut log_loss) = (0.0, 0.0);
            let mut gaps = vec![0.0; ece_bins];
            // Of each class: weight of what is so and is called so, of what is so, of what is called so.
            let mut counts = vec![[0.0_f64; 3]; classes];
            for (i, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
                let (squares, surprise, bin, confidence, sure) = samples[i];
                total += weight;
                brier += weight * squares;
                log_loss += weight * surprise;
                gaps[bin] += weight * (f64::from(u8::from(sure)) - confidence);
                let (truth, called) = (input.labels[i], predicted[i]);
                counts[truth][1] += weight;
                counts[called][2] += weight;
                if truth == called {
                    counts[truth][0] += weight;
                }
            }
            let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
            let mean_of = |of: &dyn Fn(&[f64; 3]) -> Option<f64>| mean(counts.iter().map(of));
            let f1 = |&[hit, is, called]: &[f64; 3]| ratio(2.0 * hit, is + called);
            DrawOfFigures {
                brier: brier / total,
                log_loss: log_loss / total,
                ece: gaps.iter().map(|gap| gap.abs()).sum::<f64>() / total,
                means: [
                    mean_of(&|&[hit, _, called]| ratio(hit, called)),
                    mean_of(&|&[hit, is, _]| ratio(hit, is)),
                    mean_of(&|&[hit, is, called]| ratio(total - is - called + hit, total - is)),
                    mean_of(&f1),
                ],
                class_f1: if each { counts.iter().map(f1).collect() } else { vec![] },
            }
        });
        let of = |value: &dyn Fn(&DrawOfFigures) -> Option<f64>| {
            percentile_interval(draws.iter().map(value), level)
        };
        let [precision, recall, specificity, f1] = [0, 1, 2, 3].map(|at| of(&|draw| draw.means[at]));
        // Noise adds to every bin's gap, so draws lie above the sample as the sample lies above the truth. The interval is
        // that of the draws, moved down by as much as their mean lies too high.
        let bias = draws.iter().map(|draw| draw.ece).sum::<f64>() / draws.len() as f64 - ece;
        Self {
            brier: of(&|draw| Some(draw.brier)),
            log_loss: of(&|draw| Some(draw.log_loss)),
            ece: of(&|draw| Some((draw.ece - bias).max(0.0))),
            precision,
            recall,
            specificity,
            f1,
            class_f1: (0..if each { classes } else { 0 })
                .map(|class| of(&|draw| draw.class_f1[class]))
                .collect(),
        }
    }
}

/// Intervals of areas under curves.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrawnAreas {
    /// Of the means over the classes.
    pub auroc: Option<Interval>,
    pub auprc: Option<Interval>,
    /// Of the (sample, class) pairs of all classes.
    pub pooled_auroc: Option<Interval>,
    pub pooled_auprc: Option<Interval>,
    /// Of the classes by themselves.
    pub class_auroc: Vec<Option<Interval>>,
    pub class_auprc: Vec<Option<Interval>>,
}

impl DrawnAreas {
    /// Of the classes, whose rankings are given one by one, and `pooled`, sample by sample; by `draws` draws.
    pub fn new(
        rankings: &[&Ranking],
        pooled: &Ranking,
        groups: &[usize],
        draws: usize,
        seed: u64,
        level: f64,
    ) -> Self {
        if draws == 0 {
            return Self::default();
        }
        let classes = rankings.len();
        let draws = by_group(groups, draws, seed, |weights| {
            let areas = |ranking: &Ranking, classes: usize| {
                let cuts: Vec<Cut> = ranking.weighted_cuts(|item| weights[item / classes]).collect();
                (area_under_roc(cuts.iter().copied()), average_precision(cuts.into_iter()))
            };
            let each: (Vec<_>, Vec<_>) = rankings.iter().map(|ranking| areas(ranking, 1)).unzip();
            (each, areas(pooled, classes))
        });
        let of =
            |value: &dyn Fn(&DrawOfAreas) -> Option<f64>| percentile_interval(draws.iter().map(value), level);
        Self {
            auroc: of(&|((auroc, _), _)| mean(auroc.iter().copied())),
            auprc: of(&|((_, auprc), _)| mean(auprc.iter().copied())),
            pooled_auroc: of(&|(_, pooled)| pooled.0),
            pooled_auprc: of(&|(_, pooled)| pooled.1),
            class_auroc: (0..classes).map(|class| of(&|((auroc, _), _)| auroc[class])).collect(),
            class_auprc: (0..classes).map(|class| of(&|((_, auprc), _)| auprc[class])).collect(),
        }
    }
}

/// What one draw tells of areas: AUROC and average precision of each class, and of all pooled.
type DrawOfAreas = ((Vec<Option<f64>>, Vec<Option<f64>>), (Option<f64>, Option<f64>));

/// Adds to `whole`, the recalibration of all samples, the intervals that `draws` draws give. A draw whose slope is infinite
/// has no value; where more have none than an interval leaves out, there is no interval. How large that share is.
pub(crate) fn recalibration_spread(
    whole: &mut Recalibration,
    (scores, positive): (&[f64], &[bool]),
    groups: &[usize],
    (draws, seed): (usize, u64),
    level: f64,
) -> f64 {
    let (logits, fit) = (logits(scores), *whole);
    let fitted =
        by_group(groups, draws, seed, |weights| drawn_recalibration(&logits, positive, weights, &fit));
    let without = fitted.iter().filter(|draw| draw.is_none()).count() as f64 / draws.max(1) as f64;
    if without <= (1.0 - level) / 2.0 {
        let of = |at: usize| percentile_interval(fitted.iter().map(|draw| draw.map(|fit| fit[at])), level);
        (whole.intercept_ci, whole.slope_ci, whole.in_the_large_ci) = (of(0), of(1), of(2));
    }
    without
}
