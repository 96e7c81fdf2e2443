//! Curves with their bands: pointwise percentile intervals over bootstrap draws of groups.

use eval::bootstrap::{by_group, percentile_interval};
use eval::ranking::{Cut, Ranking};

/// Draws of a band: its edge is a line on a plot, not a number.
const DRAWS: usize = 500;
/// Points of a band.
const POINTS: usize = 60;
const LEVEL: f64 = 0.95;

/// A curve and the polygon of its band (empty where there is none).
pub(crate) struct BandedCurve {
    pub line: Vec<(f64, f64)>,
    pub band: Vec<(f64, f64)>,
}

/// Sensitivity over 1 - specificity.
pub(crate) fn roc(scores: &[f64], positive: &[bool], groups: Option<&[usize]>) -> BandedCurve {
    let points = |cuts: Vec<Cut>| {
        let total = cuts.last().copied().unwrap_or_default();
        let point = |cut: &Cut| (cut.negatives / total.negatives, cut.positives / total.positives);
        let known = total.positives > 0.0 && total.negatives > 0.0;
        let start = std::iter::once((0.0, 0.0));
        if known { start.chain(cuts.iter().map(point)).collect() } else { vec![] }
    };
    curve(scores, positive, groups, points)
}

/// Precision over recall.
pub(crate) fn precision_recall(scores: &[f64], positive: &[bool], groups: Option<&[usize]>) -> BandedCurve {
    let points = |cuts: Vec<Cut>| {
        let total = cuts.last().copied().unwrap_or_default();
        let called = cuts.iter().filter(|cut| cut.positives + cut.negatives > 0.0);
        let point =
            |cut: &Cut| (cut.positives / total.positives, cut.positives / (cut.positives + cut.negatives));
        if total.positives > 0.0 { called.map(point).collect() } else { vec![] }
    };
    curve(scores, positive, groups, points)
}

fn curve(
    scores: &[f64],
    positive: &[bool],
    groups: Option<&[usize]>,
    points: impl Fn(Vec<Cut>) -> Vec<(f64, f64)> + Sync + Send,
) -> BandedCurve {
    let ranking = Ranking::new(scores, positive);
    let line = points(ranking.cuts().collect());
    let single: Vec<usize> = (0..scores.len()).collect();
    let grid: Vec<f64> = (0..=POINTS).map(|i| i as f64 / POINTS as f64).collect();
    let drawn = by_group(groups.unwrap_or(&single), DRAWS, 0, |weights| {
        let line = points(ranking.weighted_cuts(|sample| weights[sample]).collect());
        grid.iter().map(|&x| at(&line, x)).collect::<Vec<_>>()
    });
    let edges: Vec<(f64, f64, f64)> = grid
        .iter()
        .enumerate()
        .filter_map(|(i, &x)| {
            let values = || drawn.iter().filter_map(|draw| draw[i]);
            let (low, high) =
                values().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
            let wide = percentile_interval(values().map(Some), LEVEL).map(|i| (x, i.low, i.high));
            // Where all draws agree, the band is a line.
            wide.or((low == high).then_some((x, low, high)))
        })
        .collect();
    let upper = edges.iter().map(|&(x, _, high)| (x, high));
    BandedCurve { line, band: upper.chain(edges.iter().rev().map(|&(x, low, _)| (x, low))).collect() }
}

/// The curve at `x`: the largest value of the last points up to it.
fn at(line: &[(f64, f64)], x: f64) -> Option<f64> {
    let reached = line.partition_point(|point| point.0 <= x + 1e-12);
    let last = line[..reached].last().or(line.first())?;
    Some(last.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_surrounds_its_curve() {
        let mut rng_state = 1u32;
        let mut noise = || {
            rng_state = rng_state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(rng_state >> 8) / f64::from(1 << 24)
        };
        let positive: Vec<bool> = (0..200).map(|i| i % 2 == 0).collect();
        let scores: Vec<f64> = positive.iter().map(|&p| if p { 0.3 } else { 0.0 } + 0.7 * noise()).collect();
        for found in [roc(&scores, &positive, None), precision_recall(&scores, &positive, None)] {
            let (upper, lower) = found.band.split_at(found.band.len() / 2);
            let pairs = upper.iter().zip(lower.iter().rev());
            let mut inside = 0;
            for (&(x, high), &(_, low)) in pairs {
                assert!(low <= high);
                let value = at(&found.line, x).unwrap();
                inside += usize::from((low - 0.02..=high + 0.02).contains(&value));
            }
            assert!(inside >= 58, "{inside} of 61");
        }
    }

    #[test]
    fn one_class_has_no_curve() {
        let found = roc(&[0.1, 0.2], &[true, true], None);
        assert!(found.line.is_empty() && found.band.is_empty());
    }
}
