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
        if tells(&drawn).is_some_and(|drawn| drawn >= auroc) {
            is_reached.store(true, Ordering::Relaxed);
        }
    };
    par::map(draws, draw);
    !is_reached.into_inner()
}
