//! The intervals keep their promise: over 2,000 simulated studies each, 95 % intervals contain the truth in 93 to 97 %.
//!
//! With groups, the same data without the groups shows that they are needed: intervals that ignore them are too short.

use engine::{Rng, par};
use eval::bootstrap::{by_group, percentile_interval};
use eval::delong::DeLong;
use eval::interval::Interval;
use eval::ranking::Ranking;
use eval::roc::area_under_roc;
use eval::{Proportion, auroc};

const STUDIES: usize = 2000;

/// The share of simulated studies whose interval contains `truth`.
fn coverage(name: &str, truth: f64, study: impl Fn(&mut Rng) -> Interval + Sync + Send) -> f64 {
    let _busy = crate::PROCESSORS.read();
    let inside = par::map(STUDIES, |i| study(&mut Rng::derive(&[11, i as u64])).contains(truth));
    let share = inside.iter().filter(|&&inside| inside).count() as f64 / STUDIES as f64;
    println!("{name}: {:.1} %", 100.0 * share);
    share
}

#[track_caller]
fn promised(share: f64) {
    assert!((0.93..=0.97).contains(&share), "coverage {share}");
}

/// Scores of one study: `groups` patients with `each` images, patient and image variance 1, disease shifts by `shift`.
/// With `mixed`, a patient has diseased and healthy images; otherwise all are alike.
fn study(
    rng: &mut Rng,
    groups: usize,
    each: usize,
    shift: f64,
    mixed: bool,
) -> (Vec<f64>, Vec<bool>, Vec<usize>) {
    let (mut scores, mut positive, mut group_of) = (Vec::new(), Vec::new(), Vec::new());
    for group in 0..groups {
        let effect = rng.normal();
        for image in 0..each {
            let diseased = if mixed { (group + image) % 2 == 0 } else { group % 2 == 0 };
            scores.push(effect + rng.normal() + if diseased { shift } else { 0.0 });
            positive.push(diseased);
            group_of.push(group);
        }
    }
    (scores, positive, group_of)
}

/// The AUROC of a very large study: what the small ones estimate.
fn true_auroc(shift: f64) -> f64 {
    let (scores, positive, _) = study(&mut Rng::new(1), 1_000_000, 1, shift, false);
    auroc(&scores, &positive).expect("two classes")
}

#[test]
fn sensitivity() {
    promised(coverage("sensitivity, 300 independent", 0.8, |rng| {
        let hits: Vec<bool> = (0..300).map(|_| rng.chance(0.8)).collect();
        Proportion::new(&hits, None, 0.95).expect("trials").interval
    }));
}

/// Patients differ: the chance of a hit is 0.6 or 1.0 by patient, 0.8 on average.
#[test]
fn sensitivity_by_group() {
    let draw = |rng: &mut Rng| -> (Vec<bool>, Vec<usize>) {
        let chances: Vec<f64> = (0..60).map(|_| if rng.chance(0.5) { 0.6 } else { 1.0 }).collect();
        (0..300).map(|i| (rng.chance(chances[i % 60]), i % 60)).unzip()
    };
    promised(coverage("sensitivity, 60 groups of 5", 0.8, |rng| {
        let (hits, groups) = draw(rng);
        Proportion::new(&hits, Some(&groups), 0.95).expect("trials").interval
    }));
    let blind = coverage("the same, groups ignored", 0.8, |rng| {
        Proportion::new(&draw(rng).0, None, 0.95).expect("trials").interval
    });
    assert!(blind < 0.93, "ignoring groups should be too bold, coverage {blind}");
}

#[test]
fn auroc_independent() {
    promised(coverage("AUROC, 60 and 60 independent", true_auroc(1.8), |rng| {
        let (scores, positive, _) = study(rng, 120, 1, 1.8, false);
        DeLong::new(&scores, &positive, None).expect("two classes").estimate(0.95).interval
    }));
}

#[test]
fn auroc_by_group() {
    let truth = true_auroc(1.8);
    for mixed in [false, true] {
        promised(coverage(&format!("AUROC, 80 groups of 4, mixed: {mixed}"), truth, |rng| {
            let (scores, positive, groups) = study(rng, 80, 4, 1.8, mixed);
            DeLong::new(&scores, &positive, Some(&groups)).expect("two classes").estimate(0.95).interval
        }));
    }
    let blind = coverage("the same, groups ignored", truth, |rng| {
        let (scores, positive, _) = study(rng, 80, 4, 1.8, false);
        DeLong::new(&scores, &positive, None).expect("two classes").estimate(0.95).interval
    });
    assert!(blind < 0.9, "ignoring groups should be too bold, coverage {blind}");
}

#[test]
fn auroc_bootstrap_by_group() {
    promised(coverage("AUROC, bootstrap, 80 groups of 4", true_auroc(1.8), |rng| {
        let (scores, positive, groups) = study(rng, 80, 4, 1.8, false);
        let ranking = Ranking::new(&scores, &positive);
        let draws = by_group(&groups, 400, rng.next_u64(), |weights| {
            area_under_roc(ranking.weighted_cuts(|i| weights[i]))
        });
        percentile_interval(draws, 0.95).expect("spread")
    }));
}
