//! The cases at the ends: all right, one class, all tied, one sample, no sample, groups of one.

use eval::ThresholdRule::{Sensitivity, Youden};
use eval::binary::{AtPrevalence, Rates};
use eval::bootstrap::{by_group, percentile_interval};
use eval::calibration::{expected_calibration_error, recalibration, reliability};
use eval::delong::DeLong;
use eval::interval::{all_right_bound, predictive_value};
use eval::{Proportion, auprc, auroc, compare_auroc, fit_temperature, group_ids, mcnemar};

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "found {found}, expected {expected}");
}

const PERFECT: ([f64; 6], [bool; 6]) =
    ([0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [false, false, false, true, true, true]);

#[test]
fn one_class_has_no_curve() {
    for class in [false, true] {
        let (scores, positive) = ([0.3, 0.8], [class; 2]);
        assert_eq!(auroc(&scores, &positive), None);
        assert!(DeLong::new(&scores, &positive, None).is_none());
        assert!(compare_auroc(&scores, &scores, &positive, None, 0.95).is_none());
        assert!(Youden.choose(&scores, &positive).is_err());
        assert!(recalibration(&scores, &positive).is_none());
        assert_eq!(auprc(&scores, &positive).is_some(), class);
        assert_eq!(Sensitivity(0.9).choose(&scores, &positive).is_ok(), class);
        assert_eq!(Rates::new(&positive, &positive, None, 0.95).sensitivity.is_some(), class);
        assert!(AtPrevalence::new(&positive, &positive, None, 0.95, 0.1).is_none());
    }
    assert_eq!(auroc(&[], &[]), None);
    assert!(Proportion::new(&[], None, 0.95).is_none());
}

#[test]
fn a_perfect_ranking_gets_the_exact_bound() {
    let (scores, positive) = PERFECT;
    let estimate = DeLong::new(&scores, &positive, None).expect("two classes").estimate(0.95);
    assert_eq!((estimate.auroc, estimate.standard_error), (1.0, Some(0.0)));
    close(estimate.interval.low, 0.025_f64.powf(1.0 / 3.0));
    assert_eq!(estimate.interval.high, 1.0);
    // Two groups of negatives, one of positives: a single independent pair.
    let grouped =
        DeLong::new(&scores, &positive, Some(&[0, 0, 1, 2, 2, 2])).expect("two classes").estimate(0.95);
    close(grouped.interval.low, 0.025);
    assert_eq!(grouped.standard_error, None);
    // Reversed scores mirror it.
    let reversed = scores.map(|score| -score);
    let worst = DeLong::new(&reversed, &positive, None).expect("two classes").estimate(0.95).interval;
    close(worst.high, 1.0 - 0.025_f64.powf(1.0 / 3.0));
    // The bootstrap sees no spread and says so.
    let draws = by_group(&group_ids(&scores.map(f64::to_bits)), 200, 0, |weights| {
        eval::roc::area_under_roc(
            eval::ranking::Ranking::new(&scores, &positive).weighted_cuts(|i| weights[i]),
        )
    });
    assert!(percentile_interval(draws, 0.95).is_none());
}

#[test]
fn equal_scores_say_nothing() {
    let (_, positive) = PERFECT;
    let estimate = DeLong::new(&[0.5; 6], &positive, None).expect("two classes").estimate(0.95);
    assert_eq!(estimate.auroc, 0.5);
    assert!(estimate.interval.low < 0.1 && estimate.interval.high > 0.9);
    assert_eq!(auprc(&[0.5; 6], &positive), Some(0.5));
    assert!(recalibration(&[0.5; 6], &positive).is_none());
    let nearly = [0, 2, 1, 3, 2, 0].map(|step| 0.5 + f64::from(step) * 1e-8);
    assert!(recalibration(&nearly, &positive).is_none(), "equal to rounding");
    assert!(fit_temperature(&[0.5f64.ln(); 12], 2, &[0, 0, 0, 1, 1, 1]).is_none());
    let same = compare_auroc(&[0.5; 6], &[0.5; 6], &positive, None, 0.95).expect("two classes");
    assert_eq!((same.difference, same.p_value), (0.0, None));
}

#[test]
fn all_right_rests_on_groups() {
    close(all_right_bound(100, 0.95), 0.05_f64.powf(0.01));
    let alone = Proportion::new(&[true; 12], None, 0.95).expect("trials");
    close(alone.interval.low, 0.025_f64.powf(1.0 / 12.0));
    let groups: Vec<usize> = (0..12).map(|i| i / 4).collect();
    let grouped = Proportion::new(&[true; 12], Some(&groups), 0.95).expect("trials");
    assert_eq!((grouped.groups, grouped.effective_n), (3, 3.0));
    close(grouped.interval.low, 0.025_f64.powf(1.0 / 3.0));
    // One mistake never tightens the interval.
    let mut hits = [true; 12];
    hits[0] = false;
    assert!(
        Proportion::new(&hits, Some(&groups), 0.95).expect("trials").interval.low <= grouped.interval.low
    );
    // One group tells little, whatever it holds; groups of one are no groups.
    assert!(Proportion::new(&hits, Some(&[0; 12]), 0.95).expect("trials").interval.low <= 0.025 + 1e-9);
    let single: Vec<usize> = (0..12).collect();
    let ungrouped = Proportion::new(&hits, None, 0.95);
    assert_eq!(Proportion::new(&hits, Some(&single), 0.95), ungrouped);
}

#[test]
fn groups_of_one_change_nothing() {
    let (scores, positive) = ([0.1, 0.7, 0.3, 0.6, 0.8, 0.2], PERFECT.1);
    let single = [5, 4, 3, 2, 1, 0];
    let alone = DeLong::new(&scores, &positive, None).expect("two classes").estimate(0.95);
    let grouped = DeLong::new(&scores, &positive, Some(&single)).expect("two classes").estimate(0.95);
    close(alone.interval.low, grouped.interval.low);
    close(alone.interval.high, grouped.interval.high);
}

#[test]
fn thresholds_stand_between_scores() {
    let (scores, positive) = PERFECT;
    let youden = Youden.choose(&scores, &positive).expect("two classes");
    close(youden.value, 0.5);
    let half = Sensitivity(0.5).choose(&scores, &positive).expect("positives");
    close(half.value, 0.75);
    assert_eq!(half.rule, "sensitivity of at least 0.5");
    // Both cuts of this have an index of 1/2; the lower one finds more.
    let tied = Youden.choose(&[0.9, 0.6, 0.4, 0.2], &[true, false, true, false]).expect("two classes");
    assert_eq!(tied.value, f64::from(0.3_f32));
    // A model file holds single precision: what no such number divides is called alike.
    let next = 0.5_f64.next_up();
    let tight = Sensitivity(1.0).choose(&[0.5, next], &[false, true]).expect("positives");
    assert!(tight.value <= 0.5, "{}", tight.value);
    let next = f64::from(0.5_f32.next_up());
    let told_apart = Sensitivity(1.0).choose(&[0.5, next], &[false, true]).expect("positives");
    assert_eq!(told_apart.value, next);
}

/// A gap that no sample lies in does not move the boundary away from where training put it.
#[test]
fn a_threshold_leaves_one_half_only_for_a_reason() {
    let labels = [true, true, false, false];
    for scores in [[0.999, 0.98, 0.45, 0.1], [0.6, 0.51, 0.01, 0.002], [0.9, 0.5, 0.4, 0.3]] {
        let chosen = Youden.choose(&scores, &labels).expect("two classes");
        assert_eq!(chosen.value, 0.5, "{scores:?}");
    }
    // Here 0.5 calls a negative positive, or misses a positive.
    let high = Youden.choose(&[0.999, 0.98, 0.6, 0.1], &labels).expect("two classes");
    assert_eq!(high.value, f64::from(0.79_f32));
    let low = Youden.choose(&[0.999, 0.4, 0.2, 0.1], &labels).expect("two classes");
    assert_eq!(low.value, f64::from(0.3_f32));
}

#[test]
fn predictive_values_follow_the_prevalence() {
    // Sensitivity 0.9, specificity 0.95, prevalence 1 %: 9 true among 58.5 called of 1,000.
    close(predictive_value(0.9, 0.95, 0.01).expect("some are called"), 0.009 / (0.009 + 0.0495));
    assert_eq!(predictive_value(0.0, 1.0, 0.5), None);
    let positive: Vec<bool> = (0..200).map(|i| i < 100).collect();
    let called: Vec<bool> = (0..200).map(|i| (10..105).contains(&i)).collect();
    let at = AtPrevalence::new(&positive, &called, None, 0.95, 0.01).expect("both classes");
    close(at.ppv.expect("some are called"), 0.009 / (0.009 + 0.0495));
    let interval = at.ppv_ci.expect("some are called");
    assert!(interval.low < 0.12 && interval.contains(0.15) && interval.high > 0.2);
    assert!(at.npv.expect("some are not") > 0.998);
}

#[test]
fn calibration_at_the_ends() {
    let bins = reliability(&[0.0, 1.0, 1.0], &[false, true, true], 10);
    assert_eq!((bins[0].count, bins[9].count, bins[4].predicted), (1, 2, None));
    assert_eq!(expected_calibration_error(&bins), 0.0);
    let (scores, positive) = PERFECT;
    assert!(recalibration(&scores, &positive).is_none(), "a slope without bound");
    // Certain and right, certain and wrong: finite all the same.
    let certain = recalibration(&[0.0, 1.0, 0.0, 1.0], &[false, true, true, false]).expect("overlap");
    assert!(certain.slope.abs() < 1e-6);
    let sure = [0.0, -36.0, -36.0, 0.0];
    assert!(fit_temperature(&sure, 2, &[0, 1]).is_none(), "all right: colder is always better");
}

#[test]
fn equal_models_do_not_differ() {
    let right = [true, false, true];
    assert_eq!(mcnemar(&right, &right, None).p_value, 1.0);
    // Five wins to none: 2 / 2^5.
    close(mcnemar(&[true; 5], &[false; 5], None).p_value, 0.0625);
}

/// Against all 2^g sign patterns, written out.
#[test]
fn mcnemar_by_group_counts_sign_patterns() {
    let first = [true, true, true, false, true, true, false, true, true];
    let second = [false, false, true, true, true, false, true, true, false];
    let groups = [0, 0, 1, 1, 2, 2, 2, 3, 4];
    let mut leads = [0_i32; 5];
    for ((&a, &b), &group) in first.iter().zip(&second).zip(&groups) {
        leads[group] += i32::from(a) - i32::from(b);
    }
    let least = leads.iter().sum::<i32>().abs();
    let signed = |pattern: usize| -> i32 {
        leads.iter().enumerate().map(|(i, &lead)| if pattern >> i & 1 == 1 { lead } else { -lead }).sum()
    };
    let far = (0..32).filter(|&pattern| signed(pattern).abs() >= least).count();
    let found = mcnemar(&first, &second, Some(&groups));
    close(found.p_value, far as f64 / 32.0);
    assert_eq!((found.only_first, found.only_second), (4, 2));
    // Copies of one patient are one observation: two patients can show nothing.
    let twice = |right: bool| [right; 40];
    let two: Vec<usize> = (0..40).map(|i| i % 2).collect();
    close(mcnemar(&twice(true), &twice(false), Some(&two)).p_value, 0.5);
    assert!(mcnemar(&twice(true), &twice(false), None).p_value < 1e-11);
}

#[test]
fn bootstrap_does_not_depend_on_threads() {
    let groups = group_ids(&["b", "a", "b", "c"]);
    assert_eq!(groups, [0, 1, 0, 2]);
    let draws =
        |threads| engine::par::with_threads(threads, || by_group(&groups, 50, 9, |weights| weights.to_vec()));
    let one = draws(1);
    assert_eq!(one, draws(3));
    assert!(one.iter().all(|weights| weights[0] == weights[2]), "a group is drawn together");
    assert!(one.iter().any(|weights| weights[1] != weights[3]));
    // Every draw takes as many groups as there are.
    assert!(one.iter().all(|weights| weights[0] + weights[1] + weights[3] == 3.0));
}

/// A network that is too sure by far says e^-60 of what is true: no probability of 1 less that exists.
#[test]
fn a_temperature_is_found_however_sure_the_network_is() {
    let row = |right: bool, gap: f64| if right { [0.0, -gap] } else { [-gap, 0.0] };
    let rows: Vec<f64> = (0..40).flat_map(|i| row(i % 4 != 0, [60.0, 20.0][i % 2])).collect();
    let found = fit_temperature(&rows, 2, &[0; 40]).expect("mistakes were made");
    let loss = |temperature: f64| -> f64 {
        rows.chunks(2).map(|row| (1.0 + ((row[1] - row[0]) / temperature).exp()).ln()).sum()
    };
    assert!(loss(found) < loss(found * 1.01) && loss(found) < loss(found / 1.01), "{found}");
}
