//! The summary: its JSON contract, what is null, what people read, and its speed.

use engine::Rng;
use eval::{InputError, Scored, Summary, Threshold, default_positive};
use serde_json::Value;

fn names(classes: &[&str]) -> Vec<String> {
    classes.iter().map(|&class| class.to_owned()).collect()
}

fn input<'a>(labels: &'a [usize], probabilities: &'a [f64], classes: &'a [String]) -> Scored<'a> {
    Scored {
        split: "test",
        labels,
        probabilities,
        classes,
        groups: None,
        positive: 1,
        threshold: Threshold::fixed(0.5),
        prevalence: None,
        draws: 200,
        seed: 0,
    }
}

fn both(positive: &[f64]) -> Vec<f64> {
    positive.iter().flat_map(|&p| [1.0 - p, p]).collect()
}

/// The JSON document, after a look at the values that JSON cannot hold and serde would hide as null.
fn json(summary: &Summary) -> Value {
    let debug = format!("{summary:?}");
    assert!(!debug.contains("NaN") && !debug.contains("inf"), "{debug}");
    serde_json::to_value(summary).expect("a summary serialises")
}

#[test]
fn contract() {
    let classes = names(&["fracture", "normal"]);
    let (labels, p) = ([0, 0, 0, 1, 1, 1], [0.9, 0.8, 0.3, 0.4, 0.2, 0.6]);
    let probabilities: Vec<f64> = p.iter().flat_map(|&p| [p, 1.0 - p]).collect();
    let mut input = input(&labels, &probabilities, &classes);
    input.groups = Some(&[7, 7, 3, 9, 9, 1]);
    input.positive = default_positive(&classes);
    input.prevalence = Some(0.1);
    let summary = Summary::new(&input).expect("a good input");
    let json = json(&summary);
    assert_eq!(json["split"], "test");
    assert_eq!(json["images"], 6);
    assert_eq!(json["groups"], 4);
    assert_eq!(json["positive_class"], "fracture");
    assert_eq!(json["threshold"], 0.5);
    assert_eq!(json["threshold_rule"], "fixed");
    assert_eq!(json["accuracy"], 4.0 / 6.0);
    assert_eq!(json["sensitivity"], 2.0 / 3.0);
    assert_eq!(json["specificity"], 2.0 / 3.0);
    assert_eq!(json["confusion"], serde_json::json!([[2, 1], [1, 2]]));
    assert_eq!(json["auroc"], 7.0 / 9.0);
    assert_eq!(json["auroc_ci"].as_array().expect("a pair").len(), 2);
    assert_eq!(json["at_prevalence"]["prevalence"], 0.1);
    let class = &json["per_class"][0];
    assert_eq!(class["class"], "fracture");
    for name in ["precision", "recall", "f1"] {
        assert_eq!(class[name], 2.0 / 3.0, "{name}");
    }
    assert_eq!(class["support"], 3);
    for name in [
        "ppv",
        "npv",
        "auprc",
        "brier",
        "log_loss",
        "ece",
        "sensitivity_ci",
        "specificity_ci",
        "macro",
        "micro",
    ] {
        assert!(!json[name].is_null(), "{name}");
    }
}

#[test]
fn the_positive_class() {
    assert_eq!(default_positive(&names(&["Fracture", "NORMAL"])), 0);
    assert_eq!(default_positive(&names(&["no_finding", "nodule"])), 1);
    assert_eq!(default_positive(&names(&["cat", "dog"])), 1);
    assert_eq!(default_positive(&names(&["control", "healthy"])), 1);
}

#[test]
fn all_right() {
    let classes = names(&["normal", "fracture"]);
    let labels: Vec<usize> = (0..40).map(|i| i % 2).collect();
    let probabilities = both(&labels.iter().map(|&label| 0.1 + 0.8 * label as f64).collect::<Vec<_>>());
    let groups: Vec<usize> = (0..40).map(|i| i / 4).collect();
    let mut input = input(&labels, &probabilities, &classes);
    let alone = Summary::new(&input).expect("a good input");
    input.groups = Some(&groups);
    let grouped = Summary::new(&input).expect("a good input");
    assert_eq!((alone.accuracy, alone.auroc, grouped.sensitivity), (Some(1.0), Some(1.0), Some(1.0)));
    let low = |summary: &Summary| summary.all_right_lower_bound.expect("all are right");
    assert!((low(&alone) - 0.05_f64.powf(1.0 / 40.0)).abs() < 1e-12);
    assert!((low(&grouped) - 0.05_f64.powf(1.0 / 10.0)).abs() < 1e-12);
    // Every group is mixed, so ten groups make five independent pairs.
    let auroc = grouped.auroc_ci.expect("two classes");
    assert!((auroc.low - 0.025_f64.powf(1.0 / 5.0)).abs() < 1e-9 && auroc.high == 1.0);
    assert_eq!((grouped.auroc_bootstrap_ci, grouped.calibration), (None, None));
    json(&grouped);
    let table = grouped.to_string();
    assert!(
        table.contains("40 of 40 right: exact 95 % lower bound 0.741 (one-sided on 10 independent groups)"),
        "{table}"
    );
}

#[test]
fn one_class_and_one_sample() {
    let classes = names(&["normal", "fracture"]);
    for (labels, p) in [(vec![1, 1, 1], vec![0.9, 0.2, 0.7]), (vec![0], vec![0.3])] {
        let probabilities = both(&p);
        let json = json(&Summary::new(&input(&labels, &probabilities, &classes)).expect("a good input"));
        for name in ["auroc", "auroc_ci", "auroc_ci_method", "auroc_bootstrap_ci", "calibration"] {
            assert!(json[name].is_null(), "{name}");
        }
        assert_eq!(json["sensitivity"].is_null(), labels[0] == 0);
        assert_eq!(json["specificity"].is_null(), labels[0] == 1);
        assert!(json["accuracy"].is_number() && json["brier"].is_number());
    }
    // A class that is never called has no precision.
    let summary = Summary::new(&input(&[0, 1], &both(&[0.1, 0.2]), &classes)).expect("a good input");
    assert_eq!((summary.ppv, summary.per_class[1].precision), (None, None));
    assert_eq!((summary.per_class[1].recall, summary.per_class[1].f1), (Some(0.0), Some(0.0)));
}

#[test]
fn several_classes() {
    let classes = names(&["normal", "wedge", "teardrop", "absent"]);
    let mut rng = Rng::new(5);
    let labels: Vec<usize> = (0..90).map(|i| i % 3).collect();
    let probabilities: Vec<f64> = labels
        .iter()
        .flat_map(|&label| {
            let mut row: [f64; 4] =
                std::array::from_fn(|class| rng.uniform() + f64::from(u8::from(class == label)));
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
            row
        })
        .collect();
    let summary = Summary::new(&input(&labels, &probabilities, &classes)).expect("a good input");
    let json = json(&summary);
    assert_eq!(json["averaging"], "one-vs-rest, macro");
    for name in ["threshold", "ppv", "positive_class"] {
        assert!(json[name].is_null(), "{name}");
    }
    for name in ["brier_ci", "log_loss_ci", "ece_ci"] {
        assert!(json[name].is_array(), "{name}");
    }
    // All are right, so no draw differs: that is said, and no interval of no width is given.
    assert_eq!(json["no_interval"]["sensitivity"], "every bootstrap draw gives the same value");
    let mean = (0..3).map(|class| summary.per_class[class].auroc.expect("present")).sum::<f64>() / 3.0;
    assert!((summary.auroc.expect("present") - mean).abs() < 1e-12, "an absent class is left out");
    assert_eq!(summary.per_class[3].auroc, None);
    assert!(summary.auroc_ci.expect("spread").contains(mean));
    assert_eq!(summary.micro_average.recall, summary.accuracy);

    // A perfect ranking of several classes has an exact interval too.
    let sure: Vec<f64> =
        (0..3).flat_map(|label| [0, 1, 2].map(|c| f64::from(u8::from(c == label)))).collect();
    let three = names(&["a", "b", "c"]);
    let perfect = Summary::new(&input(&[0, 1, 2], &sure, &three)).expect("a good input");
    let interval = perfect.auroc_ci.expect("exact");
    assert!((interval.low - 0.05 / 6.0).abs() < 1e-9 && interval.high == 1.0);
}

#[test]
fn table() {
    let classes = names(&["normal", "fracture"]);
    let labels: Vec<usize> = (0..20).map(|i| i / 10).collect();
    let p: Vec<f64> = (0..20).map(|i| if i == 9 { 0.85 } else { (f64::from(i) + 0.5) / 20.0 }).collect();
    let text = Summary::new(&input(&labels, &both(&p), &classes)).expect("a good input").to_string();
    for line in [
        "test: 20 images, groups unknown, images taken as independent",
        "fracture from p = 0.5000 (fixed)",
        "  accuracy      0.950  [0.751, 0.999]  19 of 20",
        "  sensitivity   1.000  [0.692, 1.000]  10 of 10",
        "  fracture           0.909   1.000   0.952       10",
        "  normal              9         1",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn bad_inputs_are_named() {
    let classes = names(&["normal", "fracture"]);
    let error =
        |labels: &[usize], p: &[f64]| Summary::new(&input(labels, p, &classes)).expect_err("a bad input");
    assert_eq!(error(&[], &[]), InputError::Empty);
    assert_eq!(
        error(&[0, 1], &[0.5, 0.5]),
        InputError::Length { what: "probabilities", expected: 4, found: 2 }
    );
    assert_eq!(error(&[2], &[0.5, 0.5]), InputError::Label { sample: 0, found: 2, classes: 2 });
    assert!(matches!(error(&[1], &[f64::NAN, 0.5]), InputError::Probabilities { sample: 0, .. }));
    assert!(matches!(error(&[1], &[0.9, 0.5]), InputError::Probabilities { sample: 0, .. }));
    let mut wrong = input(&[1], &[0.5, 0.5], &classes);
    wrong.prevalence = Some(1.0);
    let message = Summary::new(&wrong).expect_err("a bad input").to_string();
    assert_eq!(message, "prevalence: expected a number between 0 and 1, found 1");
}

/// 10,000 scores, 2,000 bootstrap draws: under 2 seconds, and the same bits for any number of threads.
#[test]
fn speed() {
    let classes = names(&["normal", "fracture"]);
    let mut rng = Rng::new(2);
    let labels: Vec<usize> = (0..10_000).map(|_| rng.below(2) as usize).collect();
    let p: Vec<f64> = labels.iter().map(|&label| (rng.uniform() + 0.5 * label as f64) / 1.5).collect();
    let probabilities = both(&p);
    let mut input = input(&labels, &probabilities, &classes);
    input.draws = 2000;
    let _alone = crate::PROCESSORS.write();
    let start = std::time::Instant::now();
    let summary = Summary::new(&input).expect("a good input");
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds:.2} s");
    assert!(seconds < 2.0, "{seconds} s");
    let (delong, bootstrap) =
        (summary.auroc_ci.expect("spread"), summary.auroc_bootstrap_ci.expect("spread"));
    assert!((delong.low - bootstrap.low).abs() < 1e-3 && (delong.high - bootstrap.high).abs() < 1e-3);
    assert_eq!(engine::par::with_threads(1, || Summary::new(&input)), Ok(summary));
}
