//! Whether chance explains that something tells a class: labels are exchanged among units, which are what may be independent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use engine::{Rng, par};

/// Names the random streams that exchange labels.
const STREAM: u64 = u64::from_be_bytes(*b"exchange");
/// With fewer units of either side than so many, an interval of the AUROC is too narrow to be believed.
const FEW: usize = 30;

/// Whether one side has few units.
pub(super) fn few_units(is: &[bool], units: &[usize]) -> bool {
    let of = |side: bool| {
        let members = is.iter().zip(units).filter(|(is, _)| **is == side);
        members.map(|(_, unit)| unit).collect::<BTreeSet<_>>().len()
    };
    of(true).min(of(false)) < FEW
}

/// The smallest two-sided p that exchanging labels could give, if no other arrangement of them tells the class as well:
/// those of whole units, and the two of a unit that has both, within which images are no evidence by themselves. The
/// interval above holds for many units; of eight patients, a feature without meaning divides four from four in 2 of 70
/// arrangements.
pub(super) fn least_p(is: &[bool], units: &[usize]) -> f64 {
    let mut counts: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for (&is, &unit) in is.iter().zip(units) {
        counts.entry(unit).or_default()[usize::from(is)] += 1;
    }
    let (mut whole, mut within) = ([0; 2], 0);
    for count in counts.into_values() {
        match count {
            [_, 0] => whole[0] += 1,
            [0, _] => whole[1] += 1,
            _ => within += 1,
        }
    }
    2.0 * (-ln_arrangements(whole) - f64::from(within) * std::f64::consts::LN_2).exp()
}

/// The logarithm of the number of ways to choose `a` of `a + b`.
fn ln_arrangements([a, b]: [usize; 2]) -> f64 {
    (1..=a.min(b)).map(|i| ((a.max(b) + i) as f64 / i as f64).ln()).sum()
}

/// Values by their rank, equal ones by the middle of theirs: from these the AUROC of any labels is a sum (Mann and Whitney 1947).
pub(super) struct Ranks(Vec<f64>);

impl Ranks {
    pub fn of(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let (mut ranks, mut before) = (vec![0.0; values.len()], 0);
        for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
            let middle = before as f64 + (ties.len() + 1) as f64 / 2.0;
            ties.iter().for_each(|&i| ranks[i] = middle);
            before += ties.len();
        }
        Self(ranks)
    }

    /// None with one class only.
    pub fn auroc(&self, is: &[bool]) -> Option<f64> {
        let sum: f64 = self.0.iter().zip(is).filter(|(_, is)| **is).map(|(rank, _)| rank).sum();
        let positives = is.iter().filter(|&&is| is).count() as f64;
        let pairs = positives * (is.len() as f64 - positives);
        (pairs > 0.0).then(|| (sum - positives * (positives + 1.0) / 2.0) / pairs)
    }
}

/// Whether labels that are exchanged are told as well as by `auroc` with a probability below `level`: those of units that have
/// one class, and those within a unit that has both. `tells` has the area for labels. A permutation test: of so many draws that
/// none as good makes p small enough, the first that is ends it (Phipson and Smyth 2010).
pub(super) fn is_no_chance(
    is: &[bool],
    units: &[usize],
    auroc: f64,
    level: f64,
    tells: &(dyn Fn(&[bool]) -> Option<f64> + Sync),
) -> bool {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    units.iter().enumerate().for_each(|(i, &unit)| members.entry(unit).or_default().push(i));
    let (whole, mixed): (Vec<Vec<usize>>, Vec<Vec<usize>>) =
        members.into_values().partition(|members| members.iter().all(|&i| is[i] == is[members[0]]));
    let draws = (1.0 / level).ceil() as usize;
    let is_reached = AtomicBool::new(false);
    let draw = |draw: usize| {
        if is_reached.load(Ordering::Relaxed) {
            return;
        }
        let mut rng = Rng::derive(&[STREAM, draw as u64]);
        let mut labels: Vec<bool> = whole.iter().map(|members| is[members[0]]).collect();
        rng.shuffle(&mut labels);
        let mut drawn = is.to_vec();
        for (members, label) in whole.iter().zip(labels) {
            members.iter().for_each(|&i| drawn[i] = label);
        }
        for members in &mixed {
            let mut labels: Vec<bool> = members.iter().map(|&i| is[i]).collect();
            rng.shuffle(&mut labels);
            members.iter().zip(labels).for_each(|(&i, label)| drawn[i] = label);
        }
        // Equal areas may differ in their last digits.
        if tells(&drawn).is_some_and(|drawn| drawn >= auroc - 1e-9) {
            is_reached.store(true, Ordering::Relaxed);
        }
    };
    par::map(draws, draw);
    !is_reached.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_give_the_area() {
        let mut rng = Rng::new(3);
        for _ in 0..50 {
            let values: Vec<f64> = (0..40).map(|_| rng.below(12) as f64 - 6.0).collect();
            let is: Vec<bool> = (0..40).map(|_| rng.below(3) == 0).collect();
            let (found, expected) = (Ranks::of(&values).auroc(&is), eval::auroc(&values, &is));
            assert!(found.zip(expected).is_none_or(|(found, expected)| (found - expected).abs() < 1e-12));
            assert_eq!(found.is_some(), expected.is_some());
        }
        assert_eq!(Ranks::of(&[1.0, 2.0]).auroc(&[true, true]), None);
    }

    /// Labels that values order exactly are found again by no exchange; labels by chance soon are.
    #[test]
    fn exchange_tells_order_from_chance() {
        let values: Vec<f64> = (0..40).map(f64::from).collect();
        let ranks = Ranks::of(&values);
        let units: Vec<usize> = (0..40).collect();
        let told = |is: &[bool]| {
            let auroc = ranks.auroc(is).unwrap();
            is_no_chance(is, &units, auroc, 0.002, &|is| ranks.auroc(is))
        };
        assert!(told(&(0..40).map(|i| i >= 30).collect::<Vec<_>>()));
        assert!(!told(&(0..40).map(|i| i % 3 == 0).collect::<Vec<_>>()));
    }
}
