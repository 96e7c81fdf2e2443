//! The bootstrap by group: what is not independent is drawn together.
//!
//! A draw takes groups with replacement and is handed on as a weight for each sample (how often its group was drawn),
//! so a statistic can keep what it sorted once. Draw `i` has its own random stream, `[seed, i]`: results do not depend
//! on the number of threads.

use crate::groups::group_ids;
use crate::interval::Interval;
use engine::{Rng, par};

/// `statistic(weights)`, weights one a sample, for `draws` draws of the groups, one number a sample.
pub fn by_group<R: Send>(
    groups: &[usize],
    draws: usize,
    seed: u64,
    statistic: impl Fn(&[f64]) -> R + Sync + Send,
) -> Vec<R> {
    let groups = group_ids(groups);
    let count = groups.iter().max().map_or(0, |&largest| largest + 1);
    par::map(draws, |draw| statistic(&drawn(&groups, count, Rng::derive(&[seed, draw as u64]))))
}

/// The weights of one draw among `count` groups.
fn drawn(groups: &[usize], count: usize, mut rng: Rng) -> Vec<f64> {
    let mut times = vec![0.0; count];
    for _ in 0..count {
        times[rng.below(count as u64) as usize] += 1.0;
    }
    groups.iter().map(|&group| times[group]).collect()
}

/// The percentile interval (Efron 1981) of the draws that have a value. `None` if none has, or if all are equal: a
/// statistic at its limit does not vary under resampling, and an interval of no width would be a false claim.
pub fn percentile_interval(draws: impl IntoIterator<Item = Option<f64>>, level: f64) -> Option<Interval> {
    let mut values: Vec<f64> = draws.into_iter().flatten().collect();
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    (values.first() < values.last())
        .then(|| Interval { low: quantile(&values, tail), high: quantile(&values, 1.0 - tail) })
}

/// The `p` quantile of sorted values, linear between them (definition 7 of Hyndman and Fan 1996, numpy's default).
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}
