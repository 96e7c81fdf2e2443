//! Each rule for a threshold against its definition, by looking at every threshold there is.

use engine::Rng;
use eval::ThresholdRule::{self, Cost, Ppv, Sensitivity, Specificity, Value, Youden};

/// Scores on this grid: every threshold that could differ is a multiple of half its step.
const STEPS: usize = 32;

/// What a threshold calls positive: true and false positives.
fn called(scores: &[f64], positive: &[bool], threshold: f64) -> [usize; 2] {
    let count =
        |class: bool| scores.iter().zip(positive).filter(|&(&p, &is)| is == class && p >= threshold).count();
    [count(true), count(false)]
}

/// Random samples, ties and the ends 0 and 1 among them; positives score higher on average.
fn samples(rng: &mut Rng) -> (Vec<f64>, Vec<bool>) {
    let count = 1 + rng.below(40);
    let of = |_| {
        let is = rng.range(0.0, 1.0) < 0.4;
        let at = rng.range(0.0, 0.7) + if is { 0.35 } else { 0.0 };
        ((at * STEPS as f64).round().min(STEPS as f64) / STEPS as f64, is)
    };
    (0..count).map(of).unzip()
}

#[test]
fn every_rule_is_its_definition() {
    let rules = [
        Youden,
        Sensitivity(0.5),
        Sensitivity(0.95),
        Sensitivity(1.0),
        Specificity(0.3),
        Specificity(0.9),
        Specificity(1.0),
        Ppv(0.4),
        Ppv(0.8),
        Ppv(1.0),
        Cost { miss: 10.0, false_alarm: 1.0 },
        Cost { miss: 1.0, false_alarm: 1.0 },
        Cost { miss: 1.0, false_alarm: 30.0 },
        Value(0.3),
    ];
    let mut rng = Rng::new(7);
    let (mut met, mut unmet) = ([0; 14], 0);
    for _ in 0..400 {
        let (scores, positive) = samples(&mut rng);
        let all = positive.iter().filter(|&&is| is).count();
        let others = positive.len() - all;
        let every: Vec<f64> = (0..=2 * STEPS).map(|i| i as f64 / (2 * STEPS) as f64).collect();
        for (at, rule) in rules.into_iter().enumerate() {
            let chosen = rule.choose(&scores, &positive);
            let needs = match rule {
                Value(_) => true,
                Sensitivity(_) => all > 0,
                Specificity(_) => others > 0,
                _ => all > 0 && others > 0,
            };
            if !needs {
                assert!(chosen.unwrap_err().starts_with("expected images of "), "{rule:?}");
                continue;
            }
            // What is asked for at least, and what is to be the least.
            let meets = |[found, alarms]: [usize; 2]| match rule {
                Sensitivity(least) => found as f64 >= least * all as f64 - 1e-9,
                Specificity(least) => (others - alarms) as f64 >= least * others as f64 - 1e-9,
                Ppv(least) => found > 0 && found as f64 >= least * (found + alarms) as f64 - 1e-9,
                _ => true,
            };
            let cost = |[found, alarms]: [usize; 2]| match rule {
                Youden => ((all - found) * others + alarms * all) as f64,
                Cost { miss, false_alarm } => miss * (all - found) as f64 + false_alarm * alarms as f64,
                _ => 0.0,
            };
            let at_all: Vec<[usize; 2]> =
                every.iter().map(|&t| called(&scores, &positive, t)).filter(|&at| meets(at)).collect();
            let Ok(chosen) = chosen else {
                assert!(at_all.is_empty(), "{rule:?} {scores:?} {positive:?}");
                unmet += 1;
                continue;
            };
            met[at] += 1;
            let found = called(&scores, &positive, chosen.value);
            let words = format!("{rule:?}: {chosen:?} of {scores:?} {positive:?}");
            assert!(
                (0.0..=1.0).contains(&chosen.value) && f64::from(chosen.value as f32) == chosen.value,
                "{words}"
            );
            let many = |at: [usize; 2]| at[0] + at[1];
            let least = at_all.iter().map(|&at| cost(at)).fold(f64::INFINITY, f64::min);
            let best = || at_all.iter().copied().filter(|&at| cost(at) == least);
            match rule {
                Value(value) => assert_eq!(chosen.value, f64::from(value as f32)),
                // The highest threshold calls the fewest.
                Sensitivity(_) => {
                    assert!(meets(found) && best().all(|at| many(at) >= many(found)), "{words}");
                }
                // The lowest calls the most.
                Specificity(_) | Ppv(_) => {
                    assert!(meets(found) && best().all(|at| many(at) <= many(found)), "{words}");
                }
                _ => {
                    assert_eq!(cost(found), least, "{words}");
                    let half = cost(called(&scores, &positive, 0.5)) == least;
                    assert_eq!(half, chosen.value == 0.5, "{words}");
                    assert!(half || best().all(|at| many(at) <= many(found)), "{words}");
                }
            }
        }
    }
    assert!(met.iter().all(|&met| met > 50) && unmet > 20, "{met:?} {unmet}");
}

/// A quotient that a decimal names is reached, whatever the product in doubles is: 0.07 * 100 is more than 7 there.
#[test]
fn what_is_exactly_reached_is_reached() {
    for n in 1..=100_usize {
        let scores: Vec<f64> = (0..n).map(|i| 1.0 - i as f64 / 128.0).collect();
        let (positive, negative) = (vec![true; n], vec![false; n]);
        for k in 1..=n {
            let share: f64 = format!("{}", k as f64 / n as f64).parse().unwrap();
            let at = Sensitivity(share).choose(&scores, &positive).unwrap().value;
            assert_eq!(called(&scores, &positive, at)[0], k, "{k} of {n}");
            // The highest score is 1: above it there is no threshold.
            let spared = Specificity(share).choose(&scores, &negative);
            assert_eq!(spared.is_err(), k == n, "{k} of {n}");
            if let Ok(at) = spared {
                assert_eq!(n - called(&scores, &negative, at.value)[1], k, "{k} of {n}");
            }
        }
    }
}

/// Scores of a confident network lie closer than single precision tells apart: the rule still holds for what is stored.
#[test]
fn a_rule_holds_for_the_number_that_is_stored() {
    let mut rng = Rng::new(3);
    for _ in 0..200 {
        let scores: Vec<f64> = (0..40).map(|_| 1.0 - (-rng.range(14.0, 19.0)).exp()).collect();
        let positive: Vec<bool> = (0..40).map(|i| i % 2 == 0).collect();
        let at = |rule: ThresholdRule| rule.choose(&scores, &positive).unwrap().value as f32;
        assert!(called(&scores, &positive, at(Sensitivity(0.9)).into())[0] >= 18);
        if let Ok(chosen) = Specificity(0.9).choose(&scores, &positive) {
            assert!(called(&scores, &positive, f64::from(chosen.value as f32))[1] <= 2);
        }
    }
}

#[test]
fn a_rule_that_cannot_be_met_says_what_can() {
    let (scores, positive) = ([1.0, 0.75, 0.5, 0.25], [false, true, true, false]);
    let error = Ppv(0.9).choose(&scores, &positive).unwrap_err();
    assert!(error.contains("predictive value of at least 0.9"), "{error}");
    assert!(error.contains("found at most 0.6667 (from p = 0.3750 on, with 2 of 2 found)"), "{error}");
    let error = Specificity(1.0).choose(&scores, &positive).unwrap_err();
    assert!(error.contains("found at most 0.5000"), "{error}");
}
