//! Intervals of what has no exact one, against a bootstrap that is written out: samples are repeated as often as their group
//! is drawn, and every figure is computed anew from them.

use engine::Rng;
use eval::calibration::{expected_calibration_error, recalibration, reliability};
use eval::scoring::{brier, log_loss};
use eval::{Confusion, Interval, Scored, Summary, Threshold, argmax, auprc, auroc};

/// What is worked out from labels and probabilities `[n, classes]`.
type Statistic<'a> = &'a dyn Fn(&[usize], &[f64]) -> Option<f64>;

const DRAWS: usize = 400;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("class{i}")).collect()
}

/// Labels, probabilities that lean to them, and groups of about three.
fn samples(n: usize, classes: usize, seed: u64) -> (Vec<usize>, Vec<f64>, Vec<usize>) {
    let mut rng = Rng::new(seed);
    let labels: Vec<usize> = (0..n).map(|_| rng.below(classes as u64) as usize).collect();
    let mut probabilities = vec![];
    for &label in &labels {
        let row: Vec<f64> =
            (0..classes).map(|class| rng.uniform() + if class == label { 0.45 } else { 0.0 }).collect();
        let sum: f64 = row.iter().sum();
        probabilities.extend(row.iter().map(|p| p / sum));
    }
    (labels, probabilities, (0..n).map(|_| rng.below(n as u64 / 3) as usize).collect())
}

fn input<'a>(
    (labels, probabilities, groups): &'a (Vec<usize>, Vec<f64>, Vec<usize>),
    classes: &'a [String],
    grouped: bool,
) -> Scored<'a> {
    Scored {
        split: "test",
        labels,
        probabilities,
        classes,
        groups: grouped.then_some(groups),
        positive: 1,
        threshold: Threshold::fixed(0.5),
        prevalence: None,
        draws: DRAWS,
        seed: 3,
    }
}

/// The samples of every draw, repeated.
fn draws(groups: Option<&[usize]>, n: usize) -> Vec<Vec<usize>> {
    let own: Vec<usize> = (0..n).collect();
    let ids = eval::group_ids(groups.unwrap_or(&own));
    let count = ids.iter().max().unwrap() + 1;
    let draw = |draw: usize| {
        let mut rng = Rng::derive(&[3, draw as u64]);
        let chosen: Vec<usize> = (0..count).map(|_| rng.below(count as u64) as usize).collect();
        chosen.iter().flat_map(|&group| (0..n).filter(|&i| ids[i] == group).collect::<Vec<_>>()).collect()
    };
    (0..DRAWS).map(draw).collect()
}

fn percentiles(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [0.025, 0.975].map(|p: f64| {
        let at = p * (values.len() - 1) as f64;
        let below = values[at.floor() as usize];
        below + (at - at.floor()) * (values[(at.floor() as usize + 1).min(values.len() - 1)] - below)
    })
}

#[track_caller]
fn close(found: Option<Interval>, expected: [f64; 2], within: f64) {
    let found = <[f64; 2]>::from(found.expect("an interval"));
    let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < within);
    assert!(near, "found {found:?}, expected {expected:?}");
}

#[test]
fn every_interval_is_that_of_a_plain_bootstrap() {
    for (classes, grouped) in [(2, true), (2, false), (4, true)] {
        let names = names(classes);
        let data = samples(90, classes, classes as u64);
        let input = input(&data, &names, grouped);
        let found = Summary::new(&input).unwrap();
        let (labels, probabilities, groups) = &data;
        let rows = |chosen: &[usize]| -> (Vec<usize>, Vec<f64>) {
            let row = |&i: &usize| probabilities[i * classes..][..classes].to_vec();
            (chosen.iter().map(|&i| labels[i]).collect(), chosen.iter().flat_map(row).collect())
        };
        let all: Vec<(Vec<usize>, Vec<f64>)> =
            draws(grouped.then_some(groups), 90).iter().map(|chosen| rows(chosen)).collect();
        let of =
            |value: Statistic| percentiles(all.iter().filter_map(|(labels, p)| value(labels, p)).collect());
        close(found.brier_ci, of(&|labels, p| Some(brier(p, classes, labels))), 1e-12);
        close(found.log_loss_ci, of(&|labels, p| Some(log_loss(p, classes, labels))), 1e-12);
        // At a threshold of one half, the call of two classes is the larger probability.
        let matrix = |labels: &[usize], p: &[f64]| {
            let called: Vec<usize> = p.chunks(classes).map(argmax).collect();
            Confusion::new(labels, &called, classes)
        };
        close(found.macro_average.f1_ci, of(&|l, p| matrix(l, p).macro_average(|c| c.f1())), 1e-12);
        close(found.macro_average.recall_ci, of(&|l, p| matrix(l, p).macro_average(|c| c.recall())), 1e-12);
        close(
            found.macro_average.precision_ci,
            of(&|l, p| matrix(l, p).macro_average(|c| c.precision())),
            1e-12,
        );
        for class in 0..classes {
            let f1 = |l: &[usize], p: &[f64]| matrix(l, p).one_vs_rest(class).f1();
            close(found.per_class[class].f1_ci, of(&f1), 1e-12);
        }
        let scores = |p: &[f64], class: usize| p.chunks(classes).map(|row| row[class]).collect::<Vec<_>>();
        let is = |labels: &[usize], class: usize| labels.iter().map(|&l| l == class).collect::<Vec<_>>();
        for class in 0..classes {
            let area = |l: &[usize], p: &[f64]| auprc(&scores(p, class), &is(l, class));
            close(found.per_class[class].auprc_ci, of(&area), 1e-9);
        }
        // Pooled: every image with every class.
        let pairs = |l: &[usize]| (0..l.len() * classes).map(|at| l[at / classes] == at % classes).collect();
        let pooled = |area: fn(&[f64], &[bool]) -> Option<f64>| {
            of(&|l, p| {
                let pairs: Vec<bool> = pairs(l);
                area(p, &pairs)
            })
        };
        close(found.micro_average.auroc_ci, pooled(auroc), 1e-9);
        close(found.micro_average.auprc_ci, pooled(auprc), 1e-9);
        let means = |area: fn(&[f64], &[bool]) -> Option<f64>| {
            of(&|l, p| {
                let each = (0..classes).filter_map(|class| area(&scores(p, class), &is(l, class)));
                let each: Vec<f64> = each.collect();
                Some(each.iter().sum::<f64>() / each.len() as f64)
            })
        };
        close(found.macro_average.auroc_ci, means(auroc), 1e-9);
        close(found.macro_average.auprc_ci, means(auprc), 1e-9);
        let ece = |labels: &[usize], p: &[f64]| {
            let sure: Vec<f64> = p.chunks(classes).map(|row| row[argmax(row)]).collect();
            let right: Vec<bool> = p.chunks(classes).zip(labels).map(|(row, &l)| argmax(row) == l).collect();
            expected_calibration_error(&reliability(&sure, &right, 15))
        };
        let drawn: Vec<f64> = all.iter().map(|(labels, p)| ece(labels, p)).collect();
        let bias = drawn.iter().sum::<f64>() / DRAWS as f64 - ece(labels, probabilities);
        assert!(bias > 0.0, "noise adds to the error");
        close(found.ece_ci, percentiles(drawn.iter().map(|ece| (ece - bias).max(0.0)).collect()), 1e-9);
        assert!(found.ece_ci.unwrap().contains(found.ece));
        if classes == 2 {
            let fit = found.calibration.unwrap();
            let fitted = |value: fn(eval::calibration::Recalibration) -> f64| {
                of(&|l, p| recalibration(&scores(p, 1), &is(l, 1)).map(value))
            };
            close(fit.slope_ci, fitted(|fit| fit.slope), 1e-5);
            close(fit.intercept_ci, fitted(|fit| fit.intercept), 1e-5);
            close(fit.in_the_large_ci, fitted(|fit| fit.in_the_large), 1e-5);
        } else {
            close(found.sensitivity_ci, of(&|l, p| matrix(l, p).macro_average(|c| c.recall())), 1e-12);
            close(found.specificity_ci, of(&|l, p| matrix(l, p).macro_average(|c| c.specificity())), 1e-12);
        }
        let text = found.to_string();
        assert_eq!(text.contains("bootstrap by group"), grouped, "{text}");
    }
}

#[test]
fn what_has_no_interval_says_why() {
    let names = names(2);
    let data = samples(40, 2, 9);
    let whole = input(&data, &names, true);
    let one_group = vec![0; 40];
    let alone = Summary::new(&Scored { groups: Some(&one_group), ..whole.clone() }).unwrap();
    assert_eq!((alone.brier_ci, alone.ece_ci), (None, None));
    assert_eq!(alone.no_interval["brier"], "all images are of one group");
    let none = Summary::new(&Scored { draws: 0, ..whole.clone() }).unwrap();
    assert_eq!(none.no_interval["brier"], "no bootstrap was asked for");
    let text = none.to_string();
    assert!(!text.contains("bootstrap by group") && text.contains("no bootstrap was asked for"), "{text}");
    let sure: Vec<f64> =
        data.0.iter().flat_map(|&label| if label == 1 { [0.1, 0.9] } else { [0.9, 0.1] }).collect();
    let perfect = Summary::new(&Scored { probabilities: &sure, ..whole.clone() }).unwrap();
    assert_eq!(perfect.no_interval["f1"], "every bootstrap draw gives the same value");
    assert!(perfect.not_defined["calibration"].contains("without error"));
    assert!(!Summary::new(&whole).unwrap().no_interval.contains_key("brier"));
}

/// Every number of the JSON document that is null has its reason, and so has every interval that is.
#[test]
fn no_null_is_without_a_reason() {
    let certain = |labels: &[usize], classes: usize, p: f64| -> Vec<f64> {
        let rest = (1.0 - p) / (classes - 1) as f64;
        let row = |&label: &usize| (0..classes).map(move |class| if class == label { p } else { rest });
        labels.iter().flat_map(row).collect()
    };
    let cases = [
        // Of three classes one is not there, and all are right.
        (vec![0, 1, 0, 1, 0, 1], 3, 0.9, 400),
        // Nothing is called by the positive class's name, for every label is taken for the other.
        (vec![0, 0, 0, 0, 0, 0, 1], 2, 0.4, 400),
        (vec![0, 1, 0, 1, 0, 1, 0], 2, 0.8, 0),
        (vec![1, 1, 1, 1], 2, 0.7, 400),
        (vec![2, 2, 2, 2], 3, 0.7, 400),
    ];
    for (labels, classes, p, draws) in cases {
        let probabilities = certain(&labels, classes, p);
        let data = (labels, probabilities, vec![]);
        let names = names(classes);
        let input = Scored { draws, ..input(&data, &names, false) };
        let found = Summary::new(&input).unwrap();
        let json = serde_json::to_value(&found).unwrap();
        let reason = |map: &str, name: &str| json[map][name].is_string();
        let look = |value: &serde_json::Value, before: &str| {
            for (name, _) in value.as_object().unwrap().iter().filter(|(_, value)| value.is_null()) {
                // Who asked for what, and the bound of a result without fault, are not numbers that are missing.
                let asked = ["groups", "positive_source", "at_prevalence", "all_right_lower_bound"];
                if asked.contains(&name.as_str()) || name.ends_with("_method") {
                    continue;
                }
                let whole = format!("{before}{}", name.trim_end_matches("_ci"));
                let whole = whole.replace("positive_class", "positive");
                let known = reason("not_defined", &whole)
                    || reason("no_interval", &whole)
                    // What an average lacks because a class is alone is said once.
                    || reason("not_defined", whole.rsplit('.').next().unwrap());
                assert!(known, "{name} of {before:?} in {json:#}");
            }
        };
        look(&json, "");
        look(&json["macro"], "macro.");
        look(&json["micro"], "micro.");
        json["per_class"].as_array().unwrap().iter().for_each(|class| look(class, "per_class."));
    }
}

/// A cohort of confirmed cases: how often they are found, and nothing that needs others beside them.
#[test]
fn one_class_has_a_recall_and_no_curve() {
    for (class, classes) in [(1, 2), (0, 2), (2, 4)] {
        let names = names(classes);
        let mut data = samples(60, classes, 21 + class as u64);
        data.0 = vec![class; 60];
        let found = Summary::new(&input(&data, &names, false)).unwrap();
        let right = found.confusion.right();
        let exact = eval::interval::clopper_pearson(right as f64, 60.0, 0.95);
        let (value, interval, other) = match (classes, class) {
            (2, 0) => (found.specificity, found.specificity_ci, found.sensitivity),
            _ => (found.sensitivity, found.sensitivity_ci, found.specificity),
        };
        assert_eq!((value, interval, other), (Some(right as f64 / 60.0), Some(exact), None));
        assert_eq!((found.auroc, found.auroc_ci, found.auprc, found.ppv), (None, None, None, None));
        assert_eq!((found.macro_average.precision, found.macro_average.f1), (None, None));
        assert_eq!((found.micro_average.auroc, found.per_class[class].auprc), (None, None));
        assert!(found.decision_curve.is_empty());
        assert!(found.not_defined["auroc"].contains(&format!("all 60 are class{class}")));
        let text = found.to_string();
        assert!(!text.contains("AUROC") && text.contains(&format!("all 60 are class{class}")), "{text}");
    }
}

/// A thousand classes: a page of text, in no time, with the same values as the sums written out.
#[test]
fn a_thousand_classes_are_a_page() {
    let (classes, n) = (1000, 2500);
    let names: Vec<String> = (0..classes).map(|i| format!("{}{i}", "a long name ".repeat(9))).collect();
    let mut rng = Rng::new(8);
    let labels: Vec<usize> = (0..n).map(|i| i % classes).collect();
    let mut probabilities = vec![];
    for &label in &labels {
        let mut row: Vec<f64> = (0..classes).map(|_| 0.5 * rng.uniform()).collect();
        row[label] += 0.25;
        row[(label + 1) % 7] += 0.2;
        let sum: f64 = row.iter().sum();
        probabilities.extend(row.iter().map(|p| p / sum));
    }
    let groups: Vec<usize> = (0..n).map(|i| i / 2).collect();
    let data = (labels, probabilities, groups);
    let mut input = input(&data, &names, true);
    input.draws = 2000;
    let _alone = crate::PROCESSORS.write();
    let start = std::time::Instant::now();
    let found = Summary::new(&input).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds:.2} s");
    assert!(seconds < 20.0, "{seconds} s");
    let text = found.to_string();
    assert!(text.len() < 5000 && text.lines().count() < 50, "{} bytes:\n{text}", text.len());
    assert!(text.contains("990 more of 1000") && text.contains("largest confusions, and"), "{text}");
    // The mean of the classes' areas, with an interval around it whatever draws can be afforded.
    let mean = found.per_class.iter().filter_map(|class| class.auroc).sum::<f64>() / classes as f64;
    assert!((found.auroc.unwrap() - mean).abs() < 1e-12 && found.auroc_ci.unwrap().contains(mean));
    assert!(found.auprc_ci.is_none() && found.no_interval["auprc"].contains("too many"));
    let all: usize = found.confusion.rows.iter().flatten().sum();
    assert_eq!((all, found.largest_confusions.len()), (n, 20));
    let first = &found.largest_confusions[0];
    let at = |name: &str| names.iter().position(|known| known == name).unwrap();
    assert_eq!(found.confusion.rows[at(&first.truth)][at(&first.called)], first.images);
}

/// The interval that many classes get instead of a bootstrap is that of the bootstrap.
#[test]
fn summed_components_agree_with_the_bootstrap() {
    let names = names(70);
    let data = samples(700, 70, 4);
    let mut input = input(&data, &names, true);
    input.draws = 2000;
    let drawn = Summary::new(&input).unwrap();
    assert_eq!(drawn.auroc_ci_method, Some("bootstrap by group, percentile"));
    input.draws = 0;
    let summed = Summary::new(&input).unwrap();
    assert_eq!(summed.auroc_ci_method, Some("DeLong by group, summed over the classes, logit scale"));
    close(summed.auroc_ci, drawn.auroc_ci.unwrap().into(), 5e-3);
}
