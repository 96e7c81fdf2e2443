//! Every statistic against an independent implementation.
//!
//! `reference.json` holds small data sets with what scikit-learn, statsmodels, scipy and MLstatkit say about them
//! (versions under `origin`); `reference.py` wrote it. The ROC table of pROC is below, with its origin.

use eval::calibration::{expected_calibration_error, recalibration, reliability};
use eval::confusion::OneVsRest;
use eval::decision::decision_curve;
use eval::delong::DeLong;
use eval::interval::clopper_pearson;
use eval::ranking::Ranking;
use eval::scoring::{brier, log_loss};
use eval::{
    Confusion, Proportion, ThresholdRule, argmax, auprc, auroc, compare_auroc, fit_temperature, mcnemar,
};
use serde_json::Value;

/// The object at `key`, by name.
fn cases(key: &str) -> Vec<(String, Value)> {
    let all: Value = serde_json::from_str(include_str!("reference.json")).expect("reference.json is JSON");
    all[key].as_object().expect("an object of cases").clone().into_iter().collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn indices(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|v| v as usize).collect()
}

#[track_caller]
fn close(found: impl Into<Option<f64>>, expected: f64, tolerance: f64) {
    let found = found.into().expect("a value");
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
}

/// A binary case: labels as bools, and the two scores.
fn binary(case: &Value) -> (Vec<bool>, Vec<f64>, Vec<f64>) {
    let positive = numbers(&case["labels"]).into_iter().map(|label| label == 1.0).collect();
    (positive, numbers(&case["p"]), numbers(&case["q"]))
}

/// `softmax(ln p / temperature)` of one image.
fn at_temperature(p: &[f64], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = p.iter().map(|p| p.powf(1.0 / temperature)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[test]
fn intervals_and_mcnemar() {
    let all: Value = serde_json::from_str(include_str!("reference.json")).expect("reference.json is JSON");
    for case in all["intervals"].as_array().expect("a list") {
        let (k, n) = (number(&case["k"]), number(&case["n"]));
        let (interval, expected) = (clopper_pearson(k, n, 0.95), numbers(&case["clopper_pearson"]));
        close(interval.low, expected[0], 1e-10);
        close(interval.high, expected[1], 1e-10);
        // n answers that differ, k of them won by the first model.
        let first: Vec<bool> = (0..n as usize).map(|i| i < k as usize).collect();
        let second: Vec<bool> = first.iter().map(|won| !won).collect();
        close(mcnemar(&first, &second, None).p_value, number(&case["mcnemar"]), 1e-10);
    }
}

#[test]
fn ranking_statistics() {
    for (_, case) in cases("binary") {
        let (positive, p, q) = binary(&case);
        close(auroc(&p, &positive), number(&case["auroc"]), 1e-12);
        close(auroc(&q, &positive), number(&case["auroc_q"]), 1e-12);
        close(auprc(&p, &positive), number(&case["auprc"]), 1e-12);

        let delong = DeLong::new(&p, &positive, None).expect("two classes");
        close(delong.covariance(&delong), number(&case["delong_variance"]), 1e-14);
        let interval = delong.estimate(0.95).interval;
        close(interval.low, number(&case["delong_logit_interval"][0]), 1e-12);
        close(interval.high, number(&case["delong_logit_interval"][1]), 1e-12);
        let paired = compare_auroc(&p, &q, &positive, None, 0.95).expect("two classes");
        close(paired.p_value, number(&case["paired_p_value"]), 1e-9);
        if let Some(groups) = case.get("groups") {
            let grouped = DeLong::new(&p, &positive, Some(&indices(groups))).expect("two classes");
            close(grouped.covariance(&grouped), number(&case["obuchowski_variance"]), 1e-14);
        }
    }
}

#[test]
fn probability_statistics() {
    for (_, case) in cases("binary") {
        let (positive, p, _) = binary(&case);
        let labels = indices(&case["labels"]);
        let both: Vec<f64> = p.iter().flat_map(|&p| [1.0 - p, p]).collect();
        close(brier(&both, 2, &labels), number(&case["brier"]), 1e-12);
        close(log_loss(&both, 2, &labels), number(&case["log_loss"]), 1e-12);
        for (bins, name) in [(10, "ece_10"), (15, "ece_15")] {
            close(expected_calibration_error(&reliability(&p, &positive, bins)), number(&case[name]), 1e-12);
        }
        let fit = recalibration(&p, &positive).expect("overlapping classes");
        let expected = numbers(&case["calibration"]);
        close(fit.intercept, expected[0], 1e-8);
        close(fit.slope, expected[1], 1e-8);
        close(fit.in_the_large, expected[2], 1e-8);
        let curve = decision_curve(&p, &positive, &[0.5, 0.2]);
        close(curve[0].model, number(&case["net_benefit_half"]), 1e-12);
        close(curve[1].model, number(&case["net_benefit_fifth"]), 1e-12);
        close(curve[1].treat_all, number(&case["treat_all_fifth"]), 1e-12);
    }
}

#[test]
fn decisions() {
    for (name, case) in cases("binary") {
        let (positive, p, q) = binary(&case);
        let labels = indices(&case["labels"]);
        let called: Vec<usize> = p.iter().map(|&p| usize::from(p >= 0.5)).collect();
        let confusion = Confusion::new(&labels, &called, 2);
        let counts = confusion.one_vs_rest(1);
        let expected = numbers(&case["precision_recall_f1"]);
        close(counts.precision(), expected[0], 1e-12);
        close(counts.recall(), expected[1], 1e-12);
        close(counts.f1(), expected[2], 1e-12);
        close(counts.specificity(), number(&case["specificity_npv"][0]), 1e-12);
        close(confusion.one_vs_rest(0).precision(), number(&case["specificity_npv"][1]), 1e-12);

        let found: Vec<bool> = (0..p.len()).filter(|&i| positive[i]).map(|i| p[i] >= 0.5).collect();
        let recall = Proportion::new(&found, None, 0.95).expect("positives");
        close(recall.interval.low, number(&case["recall_interval"][0]), 1e-10);
        close(recall.interval.high, number(&case["recall_interval"][1]), 1e-10);

        let right = |scores: &[f64]| -> Vec<bool> {
            scores.iter().zip(&positive).map(|(&p, &y)| (p >= 0.5) == y).collect()
        };
        close(mcnemar(&right(&p), &right(&q), None).p_value, number(&case["mcnemar"]), 1e-12);
        if name == "groups" {
            let grouped =
                Proportion::new(&right(&p), Some(&indices(&case["groups"])), 0.95).expect("samples");
            let expected = numbers(&case["accuracy_korn_graham"]);
            close(grouped.effective_n, expected[0], 1e-9);
            close(grouped.interval.low, expected[1], 1e-9);
            close(grouped.interval.high, expected[2], 1e-9);
        }

        let youden = ThresholdRule::Youden.choose(&p, &positive).expect("two classes");
        let called: Vec<usize> = p.iter().map(|&p| usize::from(p >= youden.value)).collect();
        let counts = Confusion::new(&labels, &called, 2).one_vs_rest(1);
        let index = counts.recall().zip(counts.specificity()).map(|(a, b)| a + b - 1.0);
        close(index, number(&case["youden"]), 1e-12);
    }
}

#[test]
fn several_classes() {
    for (_, case) in cases("multiclass") {
        let classes = number(&case["classes"]) as usize;
        let (labels, p) = (indices(&case["labels"]), numbers(&case["p"]));
        let called: Vec<usize> = p.chunks(classes).map(argmax).collect();
        let confusion = Confusion::new(&labels, &called, classes);
        let accuracy = Some(confusion.right() as f64 / labels.len() as f64);
        close(accuracy, number(&case["accuracy"]), 1e-12);
        assert_eq!(serde_json::json!(confusion), case["confusion"]);
        let metrics = [OneVsRest::precision, OneVsRest::recall, OneVsRest::f1];
        for (i, metric) in metrics.into_iter().enumerate() {
            close(confusion.macro_average(metric), number(&case["macro"][i]), 1e-12);
            close(accuracy, number(&case["micro"][i]), 1e-12);
            for class in 0..classes {
                close(metric(&confusion.one_vs_rest(class)), number(&case["per_class"][i][class]), 1e-12);
            }
        }
        close(brier(&p, classes, &labels), number(&case["brier"]), 1e-12);
        close(log_loss(&p, classes, &labels), number(&case["log_loss"]), 1e-7);
        let confidence: Vec<f64> = p.chunks(classes).map(|row| row[argmax(row)]).collect();
        let right: Vec<bool> = called.iter().zip(&labels).map(|(a, b)| a == b).collect();
        close(
            expected_calibration_error(&reliability(&confidence, &right, 15)),
            number(&case["ece_15"]),
            1e-12,
        );
        let logarithms: Vec<f64> = p.iter().map(|p| p.ln()).collect();
        let temperature = fit_temperature(&logarithms, classes, &labels).expect("mistakes were made");
        close(temperature, number(&case["temperature"]), 1e-6);
        let scaled: Vec<f64> = p.chunks(classes).flat_map(|row| at_temperature(row, temperature)).collect();
        close(log_loss(&scaled, classes, &labels), number(&case["log_loss_scaled"]), 1e-9);
    }
}

/// The ROC table of serum S100B against outcome (41 poor, 72 good) that the tests of the R package pROC print
/// (tests/testthat/helper-roc-expected.R, pROC 1.18): poor outcomes and good ones at or above each distinct value.
/// Only ranks matter, so the table is all of the data that an AUROC needs. AUROC and DeLong variance are from the same
/// place (helper-roc-expected.R, test-var.R).
#[test]
fn proc_s100b() {
    let table = [
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 0),
        (5, 0),
        (6, 0),
        (8, 0),
        (9, 0),
        (10, 0),
        (11, 0),
        (12, 0),
        (12, 2),
        (13, 2),
        (14, 3),
        (14, 5),
        (14, 6),
        (14, 7),
        (16, 7),
        (16, 8),
        (17, 8),
        (17, 9),
        (18, 9),
        (18, 10),
        (19, 11),
        (20, 12),
        (21, 12),
        (21, 13),
        (22, 13),
        (23, 13),
        (24, 13),
        (24, 14),
        (25, 14),
        (26, 14),
        (26, 16),
        (26, 17),
        (26, 19),
        (27, 22),
        (27, 26),
        (28, 30),
        (30, 33),
        (31, 33),
        (32, 37),
        (34, 44),
        (36, 50),
        (37, 56),
        (40, 62),
        (40, 64),
        (40, 67),
        (40, 72),
        (41, 72),
    ];
    let (mut scores, mut positive) = (Vec::new(), Vec::new());
    let mut last = (0, 0);
    for (i, &(poor, good)) in table.iter().enumerate() {
        let new = (poor - last.0) + (good - last.1);
        scores.extend(std::iter::repeat_n(-(i as f64), new));
        positive.extend((0..new).map(|sample| sample < poor - last.0));
        last = (poor, good);
    }
    let delong = DeLong::new(&scores, &positive, None).expect("two classes");
    close(delong.auroc, 0.731_368_563_685_636_9, 1e-14);
    close(delong.covariance(&delong), 0.002_668_682_457_172_44, 1e-16);
    assert_eq!(Ranking::new(&scores, &positive).cuts().count(), table.len());
}
