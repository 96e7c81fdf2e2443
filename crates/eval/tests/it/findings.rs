//! Findings: each is the evaluation of two classes over what is known of it.

use engine::Rng;
use eval::{Findings, Scored, Summary, Threshold};

/// Truth and probabilities of `n` images: finding 2 is there in none, 3 in all, 4 is known of none; a third is not known.
fn drawn(n: usize) -> (Vec<String>, Vec<Option<bool>>, Vec<f64>) {
    let mut rng = Rng::new(5);
    let names = ["a", "b", "none", "all", "dark"].map(String::from).to_vec();
    let (mut truth, mut probabilities) = (vec![], vec![]);
    for _ in 0..n {
        let known = [rng.below(3) > 0, rng.below(3) > 0, rng.below(3) > 0, true, false];
        let is = [rng.below(4) == 0, rng.below(2) == 0, false, true, false];
        for (known, is) in known.into_iter().zip(is) {
            truth.push(known.then_some(is));
            // Few distinct values, so that there are ties.
            probabilities.push(((rng.below(20) + if is { 6 } else { 0 }) as f64 / 25.0).min(1.0));
        }
    }
    (names, truth, probabilities)
}

fn input<'a>(
    (names, truth, probabilities): &'a (Vec<String>, Vec<Option<bool>>, Vec<f64>),
    groups: Option<&'a [usize]>,
    thresholds: &'a [Threshold],
) -> Findings<'a> {
    let split = "test";
    Findings { split, names, truth, probabilities, groups, thresholds, prevalence: None, draws: 200, seed: 0 }
}

fn thresholds() -> Vec<Threshold> {
    (0..5).map(|i| Threshold::fixed(0.3 + 0.1 * f64::from(i))).collect()
}

/// The share of (positive, negative) pairs in the right order, ties one half.
fn by_pairs(samples: &[(f64, bool)]) -> Option<f64> {
    let (mut right, mut pairs) = (0.0, 0.0);
    for (p, _) in samples.iter().filter(|sample| sample.1) {
        for (q, _) in samples.iter().filter(|sample| !sample.1) {
            pairs += 1.0;
            right += if p > q {
                1.0
            } else if p == q {
                0.5
            } else {
                0.0
            };
        }
    }
    (pairs > 0.0).then(|| right / pairs)
}

#[test]
fn each_area_is_the_share_of_pairs_in_the_right_order() {
    let (data, thresholds) = (drawn(120), thresholds());
    let summary = Summary::of_findings(&input(&data, None, &thresholds)).unwrap();
    let samples = |finding: Option<usize>| -> Vec<(f64, bool)> {
        let pairs = data.2.iter().zip(&data.1).enumerate();
        pairs
            .filter(|(i, _)| finding.is_none_or(|finding| i % 5 == finding))
            .filter_map(|(_, (p, is))| Some((*p, (*is)?)))
            .collect()
    };
    let mut areas = vec![];
    for (at, found) in summary.findings.iter().enumerate() {
        let (known, want) = (samples(Some(at)), by_pairs(&samples(Some(at))));
        assert_eq!(found.auroc.is_some(), want.is_some(), "{at}");
        assert!(found.auroc.zip(want).is_none_or(|(a, b)| (a - b).abs() < 1e-12), "{at}");
        assert_eq!((found.images, found.unknown), (known.len(), Some(120 - known.len())));
        assert_eq!(found.positives, Some(known.iter().filter(|sample| sample.1).count()));
        areas.extend(want);
    }
    let mean = areas.iter().sum::<f64>() / areas.len() as f64;
    assert!((summary.auroc.unwrap() - mean).abs() < 1e-12 && areas.len() == 2);
    assert!(summary.auroc_ci.unwrap().contains(mean));
    let pooled = by_pairs(&samples(None)).unwrap();
    assert!((summary.micro_average.auroc.unwrap() - pooled).abs() < 1e-12);
    assert!(summary.micro_average.auroc_ci.unwrap().contains(pooled));
}

#[test]
fn what_cannot_be_told_has_a_reason_and_no_number() {
    let (data, thresholds) = (drawn(60), thresholds());
    let summary = Summary::of_findings(&input(&data, None, &thresholds)).unwrap();
    for (at, reason) in [(2, "no image has it"), (3, "every image has it"), (4, "it is known of no image")] {
        let found = &summary.findings[at];
        assert_eq!((found.auroc, found.auprc, found.auroc_ci), (None, None, None), "{at}");
        assert_eq!(found.not_defined["auroc"], reason);
    }
    assert!(summary.findings[3].sensitivity.is_some() && summary.findings[2].specificity.is_some());
    let text = summary.to_string();
    assert!(text.contains("not defined: no image has it") && text.contains("macro mean"), "{text}");
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["findings"][2]["finding"], "none");
    assert!(json["findings"][2]["auroc"].is_null() && json["findings"][0]["auroc"].is_f64());

    let dark = (data.0.clone(), vec![None; data.1.len()], data.2.clone());
    let summary = Summary::of_findings(&input(&dark, None, &thresholds)).unwrap();
    assert!(summary.auroc.is_none() && summary.not_defined.contains_key("auroc"));
    assert!(serde_json::to_string(&summary).is_ok() && summary.brier == 0.0);
}

/// What is known of a finding is evaluated as a set of two classes is.
#[test]
fn a_finding_is_an_evaluation_of_two_classes() {
    let (data, thresholds) = (drawn(90), thresholds());
    let groups: Vec<usize> = (0..90).map(|i| i / 3).collect();
    let found = Summary::of_findings(&input(&data, Some(&groups), &thresholds)).unwrap();
    for finding in [0, 1] {
        let known: Vec<usize> = (0..90).filter(|i| data.1[i * 5 + finding].is_some()).collect();
        let labels: Vec<usize> =
            known.iter().map(|i| usize::from(data.1[i * 5 + finding] == Some(true))).collect();
        let rows: Vec<f64> =
            known.iter().map(|i| data.2[i * 5 + finding]).flat_map(|p| [1.0 - p, p]).collect();
        let groups: Vec<usize> = known.iter().map(|i| i / 3).collect();
        let plain = Summary::new(&Scored {
            split: "test",
            labels: &labels,
            probabilities: &rows,
            classes: &["no".into(), "yes".into()],
            groups: Some(&groups),
            positive: 1,
            threshold: thresholds[finding].clone(),
            prevalence: None,
            draws: 200,
            seed: 0,
        })
        .unwrap();
        let of = &found.findings[finding];
        assert_eq!((of.auroc, of.auroc_ci, of.auprc_ci), (plain.auroc, plain.auroc_ci, plain.auprc_ci));
        assert_eq!(
            (of.sensitivity_ci, &of.confusion, of.calibration),
            (plain.sensitivity_ci, &plain.confusion, plain.calibration)
        );
        assert!(of.threshold == Some(0.3 + 0.1 * finding as f64));
    }
    let mean = |of: fn(&Summary) -> Option<f64>| {
        let values: Vec<f64> = found.findings.iter().filter_map(of).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert_eq!(found.sensitivity, Some(mean(|of| of.sensitivity)));
    assert_eq!(found.groups, Some(30));
}

/// The document of one class an image has no field of findings.
#[test]
fn classes_have_no_findings() {
    let json = serde_json::to_value(Summary::default()).unwrap();
    for name in ["finding", "findings", "positives", "negatives", "unknown"] {
        assert!(json.get(name).is_none(), "{name}");
    }
}
