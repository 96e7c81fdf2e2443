//! The evaluation of one split: every headline number with its uncertainty, as one JSON document.
//!
//! Invariant: no field is ever NaN or infinite. What has no value is `None`, which is `null` in JSON: a ratio without
//! samples in its denominator, an AUROC with one class only, a slope that would be infinite, and whatever belongs to
//! two classes when there are more. Names are a contract; fields may be added, not renamed.

use crate::binary::{AtPrevalence, Rates};
use crate::calibration::{
    Recalibration, ReliabilityBin, expected_calibration_error, recalibration, reliability,
};
use crate::confusion::{Confusion, OneVsRest, argmax, mean};
use crate::decision::{NetBenefit, decision_curve};
use crate::delong::{DeLong, mean_interval};
use crate::groups::{group_ids, or_singletons};
use crate::input::{Input, InputError};
use crate::interval::{Interval, Proportion, all_right_bound};
use crate::positive::PositiveSource;
use crate::pr::average_precision;
use crate::ranking::Ranking;
use crate::roc::area_under_roc;
use crate::scoring::{brier, log_loss};
use crate::spread::{
    Areas, LEAST, Spread, ranked_draws, recalibration_draws, recalibration_spread, scores_each,
};
use engine::par;
use serde::Serialize;
use std::collections::BTreeMap;

/// The level of every interval of a summary.
pub const LEVEL: f64 = 0.95;
/// Bins of the expected calibration error.
const ECE_BINS: usize = 15;
/// Bins of the reliability diagram.
const RELIABILITY_BINS: usize = 10;
/// Classes that are ranked at once, so that a thousand of them are not all held in memory.
const BLOCK: usize = 64;
/// The pairs of classes that are listed as the largest confusions.
const LARGEST: usize = 20;

/// The evaluation of a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The name of the split.
    pub split: String,
    /// Samples.
    pub images: usize,
    /// Independent groups; `None` if unknown, every image then counts as independent.
    pub groups: Option<usize>,
    /// The positive class; `None` with more than two classes.
    pub positive_class: Option<String>,
    /// The same.
    pub positive: Option<String>,
    /// Who said so, if whoever asked for the summary tells it.
    pub positive_source: Option<PositiveSource>,
    /// Values that these samples cannot define, with the reason; they are `None`. `per_class.NAME` is of at least one class,
    /// `macro.NAME` and `micro.NAME` of the averages.
    pub not_defined: BTreeMap<&'static str, String>,
    /// Values that have no interval, with the reason; named in the same way.
    pub no_interval: BTreeMap<&'static str, String>,
    /// The threshold on the probability of the positive class; `None` with more than two classes.
    pub threshold: Option<f64>,
    /// The rule that chose it.
    pub threshold_rule: String,
    /// The level of all intervals.
    pub level: f64,
    /// How class-wise values became one: `binary` (those of the positive class), or `one-vs-rest, macro`.
    pub averaging: &'static str,
    /// The share that is right.
    pub accuracy: Option<f64>,
    /// Its exact interval.
    pub accuracy_ci: Option<Interval>,
    /// The exact one-sided lower bound of the accuracy on independent groups, when all are right; else `None`.
    pub all_right_lower_bound: Option<f64>,
    /// AUROC; macro mean over the classes present with more than two.
    pub auroc: Option<f64>,
    /// Its interval, by `auroc_ci_method`.
    pub auroc_ci: Option<Interval>,
    /// How `auroc_ci` was made.
    pub auroc_ci_method: Option<&'static str>,
    /// Its percentile interval over bootstrap draws of groups; `None` if it has no spread.
    pub auroc_bootstrap_ci: Option<Interval>,
    /// Average precision; macro mean with more than two classes.
    pub auprc: Option<f64>,
    /// Its percentile interval over bootstrap draws of groups; `None` if it has no spread.
    pub auprc_ci: Option<Interval>,
    /// Bootstrap draws.
    pub bootstrap_draws: usize,
    /// Sensitivity; macro mean of the classes' recall with more than two classes.
    pub sensitivity: Option<f64>,
    /// Its exact interval; with more than two classes that of the macro mean, by bootstrap.
    pub sensitivity_ci: Option<Interval>,
    /// Specificity; macro mean with more than two classes.
    pub specificity: Option<f64>,
    /// Its exact interval; with more than two classes that of the macro mean, by bootstrap.
    pub specificity_ci: Option<Interval>,
    /// Positive predictive value at the prevalence of the split; `None` with more than two classes.
    pub ppv: Option<f64>,
    /// Its exact interval.
    pub ppv_ci: Option<Interval>,
    /// Negative predictive value at the prevalence of the split; `None` with more than two classes.
    pub npv: Option<f64>,
    /// Its exact interval.
    pub npv_ci: Option<Interval>,
    /// Predictive values at the prevalence that was asked for.
    pub at_prevalence: Option<AtPrevalence>,
    /// Rows true, columns predicted.
    pub confusion: Confusion,
    /// The pairs of classes that are confused most often, at most 20: the same as the matrix says, for many classes.
    pub largest_confusions: Vec<Confused>,
    /// Each class against the rest.
    pub per_class: Vec<ClassSummary>,
    /// Plain mean over the classes that have a value.
    #[serde(rename = "macro")]
    pub macro_average: Average,
    /// From the counts, or the (sample, class) pairs, of all classes pooled.
    #[serde(rename = "micro")]
    pub micro_average: Average,
    /// Brier score: in `[0, 1]` with two classes, summed over classes with more.
    pub brier: f64,
    /// Its percentile interval over bootstrap draws of groups, as for all that follow; `None` if it has no spread.
    pub brier_ci: Option<Interval>,
    /// Mean negative logarithm of the probability of the true class.
    pub log_loss: f64,
    /// Its interval.
    pub log_loss_ci: Option<Interval>,
    /// Expected calibration error.
    pub ece: f64,
    /// Its interval, moved by the bias of the draws, which lie too high as the sample does.
    pub ece_ci: Option<Interval>,
    /// Its binning.
    pub ece_binning: String,
    /// Calibration intercept and slope; `None` if unbounded, or with more than two classes.
    pub calibration: Option<Recalibration>,
    /// Reliability diagram of the positive class; of the predicted class with more than two.
    pub reliability: Vec<ReliabilityBin>,
    /// Net benefit at 0.05, 0.10, .. 0.95; empty with more than two classes.
    pub decision_curve: Vec<NetBenefit>,
}

/// One class against the rest.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names of the metrics; each *_ci is the interval of the field before it")]
pub struct ClassSummary {
    pub class: String,
    pub precision: Option<f64>,
    pub precision_ci: Option<Interval>,
    pub recall: Option<f64>,
    pub recall_ci: Option<Interval>,
    pub specificity: Option<f64>,
    pub specificity_ci: Option<Interval>,
    pub f1: Option<f64>,
    pub f1_ci: Option<Interval>,
    pub support: usize,
    pub auroc: Option<f64>,
    pub auroc_ci: Option<Interval>,
    pub auprc: Option<f64>,
    pub auprc_ci: Option<Interval>,
}

/// Two classes that are confused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confused {
    /// The true class.
    #[serde(rename = "true")]
    pub truth: String,
    /// What it was called.
    pub called: String,
    /// How often.
    pub images: usize,
}

/// Averages over classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names of the metrics; each *_ci is the interval of the field before it")]
pub struct Average {
    pub precision: Option<f64>,
    pub precision_ci: Option<Interval>,
    pub recall: Option<f64>,
    pub recall_ci: Option<Interval>,
    pub f1: Option<f64>,
    pub f1_ci: Option<Interval>,
    pub auroc: Option<f64>,
    pub auroc_ci: Option<Interval>,
    pub auprc: Option<f64>,
    pub auprc_ci: Option<Interval>,
}

impl Summary {
    /// Evaluates `input`. Errors name the sample that cannot be.
    pub fn new(input: &Input) -> Result<Self, InputError> {
        input.check()?;
        let (classes, n) = (input.classes.len(), input.labels.len());
        let binary = classes == 2;
        let groups = input.groups.map(group_ids);
        let groups = groups.as_deref();
        let units = or_singletons(groups, n);

        let predicted: Vec<usize> = input.rows().map(|row| input.decide(row)).collect();
        let confusion = Confusion::new(input.labels, &predicted, classes);
        let hits: Vec<bool> = predicted.iter().zip(input.labels).map(|(a, b)| a == b).collect();
        let accuracy = Proportion::new(&hits, groups, LEVEL);
        let independent = accuracy.map_or(0, |accuracy| accuracy.groups);

        let draws = ranked_draws(input.draws, if binary { 1 } else { classes }, n);
        let Ranked { mut per_class, kept, deviations } =
            Ranked::new(input, &confusion, &predicted, groups, draws > 0);
        let pooled = pooled(input);
        let drawn: Vec<&Ranking> = kept.iter().map(|view| &view.ranking).collect();
        let areas = Areas::new(&drawn, &pooled, &units, draws, input.seed, LEVEL);
        // Of two classes, the headline is that of the positive one.
        let of_positive = |of_classes: &[Option<Interval>]| of_classes.get(input.positive).copied().flatten();
        let (drawn_auroc, drawn_auprc) = match binary {
            true => (of_positive(&areas.class_auroc), of_positive(&areas.class_auprc)),
            false => (areas.auroc, areas.auprc),
        };

        let confidence: Vec<f64> = input.rows().map(|row| row[argmax(row)]).collect();
        let sure: Vec<bool> =
            input.rows().zip(input.labels).map(|(row, &label)| argmax(row) == label).collect();
        let ece = expected_calibration_error(&reliability(&confidence, &sure, ECE_BINS));
        let spread = Spread::new(input, &predicted, &units, (ece, ECE_BINS), LEVEL);
        for (class, interval) in per_class.iter_mut().zip(&spread.class_f1) {
            class.f1_ci = *interval;
        }
        for (class, interval) in per_class.iter_mut().zip(&areas.class_auprc) {
            class.auprc_ci = interval.filter(|_| class.auprc.is_some());
        }

        let mut macro_average = macro_average(&confusion, &per_class);
        (macro_average.precision_ci, macro_average.recall_ci, macro_average.f1_ci) =
            (spread.precision, spread.recall, spread.f1);
        let by = if groups.is_some() { "bootstrap by group, percentile" } else { "bootstrap, percentile" };
        (macro_average.auroc_ci, macro_average.auprc_ci) = (areas.auroc, areas.auprc);
        let (mut auroc_ci, mut auroc_ci_method) = (areas.auroc, areas.auroc.map(|_| by));
        if !binary && auroc_ci.is_none() {
            auroc_ci = macro_average.auroc.and_then(|auroc| mean_interval(auroc, &deviations, LEVEL));
            auroc_ci_method = auroc_ci.map(|_| match groups {
                Some(_) => "DeLong by group, summed over the classes, logit scale",
                None => "DeLong, summed over the classes, logit scale",
            });
        }
        if !binary && auroc_ci.is_none() {
            (auroc_ci, auroc_ci_method) = exact_macro_interval(&kept);
        }
        if !binary {
            macro_average.auroc_ci = auroc_ci;
        }
        let largest = confusion.largest(LARGEST).into_iter().map(|(truth, called, images)| Confused {
            truth: input.classes[truth].clone(),
            called: input.classes[called].clone(),
            images,
        });

        let mut summary = Self {
            split: input.split.to_owned(),
            images: hits.len(),
            groups: groups.map(|_| independent),
            positive_class: None,
            positive: None,
            positive_source: None,
            not_defined: BTreeMap::new(),
            no_interval: BTreeMap::new(),
            threshold: None,
            threshold_rule: "largest probability".to_owned(),
            level: LEVEL,
            averaging: "one-vs-rest, macro",
            accuracy: accuracy.map(|accuracy| accuracy.value),
            accuracy_ci: accuracy.map(|accuracy| accuracy.interval),
            all_right_lower_bound: accuracy
                .filter(|accuracy| accuracy.successes == accuracy.n)
                .map(|accuracy| all_right_bound(accuracy.groups, LEVEL)),
            auroc: macro_average.auroc,
            auroc_ci,
            auroc_ci_method,
            auroc_bootstrap_ci: drawn_auroc,
            auprc: macro_average.auprc,
            auprc_ci: drawn_auprc,
            bootstrap_draws: input.draws,
            sensitivity: macro_average.recall,
            sensitivity_ci: spread.recall,
            specificity: confusion.macro_average(OneVsRest::specificity),
            specificity_ci: spread.specificity,
            ppv: None,
            ppv_ci: None,
            npv: None,
            npv_ci: None,
            at_prevalence: None,
            largest_confusions: largest.collect(),
            confusion,
            per_class,
            micro_average: Average {
                precision_ci: accuracy.map(|accuracy| accuracy.interval),
                recall_ci: accuracy.map(|accuracy| accuracy.interval),
                f1_ci: accuracy.map(|accuracy| accuracy.interval),
                auroc_ci: areas.pooled_auroc,
                auprc_ci: areas.pooled_auprc,
                ..Average::default()
            },
            macro_average,
            brier: brier(input.probabilities, classes, input.labels),
            brier_ci: spread.brier,
            log_loss: log_loss(input.probabilities, classes, input.labels),
            log_loss_ci: spread.log_loss,
            ece,
            ece_ci: spread.ece,
            ece_binning: format!("{ECE_BINS} bins of equal width over the largest probability"),
            calibration: None,
            reliability: reliability(&confidence, &sure, RELIABILITY_BINS),
            decision_curve: Vec::new(),
        };
        summary.fill_micro(&pooled);
        if binary {
            summary.fill_binary(input, &kept[input.positive], groups);
        }
        if let Some(only) = only_class(input.labels) {
            summary.forget_what_one_class_cannot_tell(&input.classes[only], only);
        }
        summary.give_reasons(input, independent, draws);
        Ok(summary)
    }

    /// What only two classes have: the values of the positive class at the threshold.
    fn fill_binary(&mut self, input: &Input, view: &ClassView, groups: Option<&[usize]>) {
        let class = &self.per_class[input.positive];
        self.positive_class = Some(class.class.clone());
        self.positive.clone_from(&self.positive_class);
        self.threshold = Some(input.threshold.value);
        self.threshold_rule.clone_from(&input.threshold.rule);
        self.averaging = "binary";
        (self.auroc, self.auprc) = (class.auroc, class.auprc);
        let estimate = view.area.as_ref().map(|area| area.estimate(LEVEL));
        self.auroc_ci = estimate.map(|estimate| estimate.interval);
        self.auroc_ci_method = estimate.map(|estimate| estimate.method);

        let of = |rate: Option<Proportion>| (rate.map(|rate| rate.value), rate.map(|rate| rate.interval));
        (self.sensitivity, self.sensitivity_ci) = of(view.rates.sensitivity);
        (self.specificity, self.specificity_ci) = of(view.rates.specificity);
        (self.ppv, self.ppv_ci) = of(view.rates.ppv);
        (self.npv, self.npv_ci) = of(view.rates.npv);
        self.at_prevalence = input.prevalence.and_then(|prevalence| {
            AtPrevalence::new(&view.positive, &view.called, groups, LEVEL, prevalence)
        });

        self.calibration = recalibration(&view.scores, &view.positive);
        let draws = recalibration_draws(input.draws, view.scores.len());
        match &mut self.calibration {
            Some(whole) => {
                let units = or_singletons(groups, view.scores.len());
                let samples = (&view.scores[..], &view.positive[..]);
                let without = recalibration_spread(whole, samples, &units, (draws, input.seed), LEVEL);
                if whole.slope_ci.is_none() && without > 0.0 {
                    let reason =
                        format!("without bound in {:.0} % of the draws: too few errors", 100.0 * without);
                    self.no_interval.insert("calibration", reason);
                }
            }
            None => {
                let reason = "a threshold divides the classes without error, or all probabilities are equal";
                self.not_defined.insert("calibration", reason.to_owned());
            }
        }
        self.reliability = reliability(&view.scores, &view.positive, RELIABILITY_BINS);
        let thresholds: Vec<f64> = (1..20).map(|i| f64::from(i) / 20.0).collect();
        self.decision_curve = decision_curve(&view.scores, &view.positive, &thresholds);
    }

    /// The averages of the counts, or (sample, class) pairs, of all classes.
    fn fill_micro(&mut self, pooled: &Ranking) {
        let micro = &mut self.micro_average;
        micro.precision = self.confusion.micro_average(OneVsRest::precision);
        micro.recall = self.confusion.micro_average(OneVsRest::recall);
        micro.f1 = self.confusion.micro_average(OneVsRest::f1);
        micro.auroc = area_under_roc(pooled.cuts());
        micro.auprc = average_precision(pooled.cuts());
    }

    /// Images of one class show how often that class is found, and nothing that needs another beside it: no area under a
    /// curve, and no predictive value (precision), which would be that of a population in which all are so.
    fn forget_what_one_class_cannot_tell(&mut self, class: &str, at: usize) {
        let reason = format!("needs images of more than one class; all {} are {class}", self.images);
        for name in ["auroc", "auroc_bootstrap", "auprc", "precision", "f1", "calibration", "decision_curve"]
        {
            self.not_defined.insert(name, reason.clone());
        }
        if let Some(positive) = self.positive_class.clone() {
            let missing = if positive == class { "specificity" } else { "sensitivity" };
            for name in ["ppv", "npv", missing] {
                self.not_defined.insert(name, reason.clone());
            }
        } else {
            // The classes that are not there are called rightly absent, which says little: the mean over them says no more.
            self.specificity = None;
            self.specificity_ci = None;
            self.not_defined.insert("specificity", reason);
            self.sensitivity_ci = self.per_class[at].recall_ci;
        }
        (self.auroc, self.auroc_ci, self.auroc_ci_method, self.auroc_bootstrap_ci) = (None, None, None, None);
        (self.auprc, self.auprc_ci) = (None, None);
        (self.ppv, self.ppv_ci, self.npv, self.npv_ci) = (None, None, None, None);
        (self.calibration, self.at_prevalence) = (None, None);
        self.decision_curve.clear();
        for class in &mut self.per_class {
            (class.precision, class.precision_ci, class.f1, class.f1_ci) = (None, None, None, None);
            (class.auroc, class.auroc_ci, class.auprc, class.auprc_ci) = (None, None, None, None);
        }
        let Average { recall, recall_ci, .. } = self.macro_average.clone();
        let recall_ci = self.per_class[at].recall_ci.or(recall_ci);
        self.macro_average = Average { recall, recall_ci, ..Average::default() };
        let micro = &mut self.micro_average;
        (micro.auroc, micro.auroc_ci, micro.auprc, micro.auprc_ci) = (None, None, None, None);
    }

    /// Says of every value that is not there, and of every one that has no interval, why that is so.
    fn give_reasons(&mut self, input: &Input, independent: usize, ranked: usize) {
        self.say_what_is_not_defined(input);
        type Of<T> = fn(&ClassSummary) -> Option<T>;
        // Whether each class that has the value has its interval too.
        let each = |value: Of<f64>, interval: Of<Interval>| {
            self.per_class.iter().all(|class| value(class).is_none() || interval(class).is_some())
        };
        let (macros, micro) = (&self.macro_average, &self.micro_average);
        let values = [
            ("sensitivity", self.sensitivity.is_some(), self.sensitivity_ci.is_some()),
            ("specificity", self.specificity.is_some(), self.specificity_ci.is_some()),
            ("auroc", self.auroc.is_some(), self.auroc_ci.is_some()),
            ("auroc_bootstrap", self.auroc.is_some(), self.auroc_bootstrap_ci.is_some()),
            ("auprc", self.auprc.is_some(), self.auprc_ci.is_some()),
            ("brier", true, self.brier_ci.is_some()),
            ("log_loss", true, self.log_loss_ci.is_some()),
            ("ece", true, self.ece_ci.is_some()),
            ("f1", macros.f1.is_some(), macros.f1_ci.is_some()),
            ("macro.precision", macros.precision.is_some(), macros.precision_ci.is_some()),
            ("macro.recall", macros.recall.is_some(), macros.recall_ci.is_some()),
            ("macro.f1", macros.f1.is_some(), macros.f1_ci.is_some()),
            ("macro.auroc", macros.auroc.is_some(), macros.auroc_ci.is_some()),
            ("macro.auprc", macros.auprc.is_some(), macros.auprc_ci.is_some()),
            ("micro.auroc", micro.auroc.is_some(), micro.auroc_ci.is_some()),
            ("micro.auprc", micro.auprc.is_some(), micro.auprc_ci.is_some()),
            ("per_class.f1", true, each(|class| class.f1, |class| class.f1_ci)),
            ("per_class.auprc", true, each(|class| class.auprc, |class| class.auprc_ci)),
            (
                "calibration",
                self.calibration.is_some(),
                self.calibration.as_ref().is_some_and(|fit| fit.slope_ci.is_some()),
            ),
        ];
        for (name, has_value, has_interval) in values {
            if !has_value || has_interval || self.no_interval.contains_key(name) {
                continue;
            }
            let area = name.contains("auroc") || name.contains("auprc");
            let scored = scores_each(input.classes.len(), input.draws);
            let reason = if input.draws == 0 {
                "no bootstrap was asked for".to_owned()
            } else if independent < 2 {
                "all images are of one group".to_owned()
            } else if area && ranked == 0 {
                format!("too many images and classes for {LEAST} bootstrap draws")
            } else if name == "per_class.f1" && !scored {
                "too many classes for a bootstrap of each".to_owned()
            } else {
                "every bootstrap draw gives the same value".to_owned()
            };
            self.no_interval.insert(name, reason);
        }
    }

    /// The reasons of what has no value, but for those that are known already.
    fn say_what_is_not_defined(&mut self, input: &Input) {
        let mut reasons: Vec<(&'static str, String)> = vec![];
        if let Some(positive) = &self.positive_class {
            let called = self.confusion.one_vs_rest(input.positive);
            if called.true_positives + called.false_positives == 0 {
                reasons.push(("ppv", format!("no image is called {positive}")));
            }
            if called.true_negatives + called.false_negatives == 0 {
                reasons.push(("npv", format!("every image is called {positive}")));
            }
        } else {
            let reason = format!("belongs to two classes; these are {}", input.classes.len());
            for name in ["positive", "threshold", "ppv", "npv", "calibration", "decision_curve"] {
                reasons.push((name, reason.clone()));
            }
        }
        type Of = fn(&ClassSummary) -> Option<f64>;
        let of_classes: [(&str, Of, &str); 6] = [
            ("per_class.precision", |class| class.precision, "no image is called so"),
            ("per_class.recall", |class| class.recall, "no image is of the class"),
            ("per_class.specificity", |class| class.specificity, "all images are of the class"),
            ("per_class.f1", |class| class.f1, "no image is of the class or called so"),
            ("per_class.auroc", |class| class.auroc, "no image is of the class"),
            ("per_class.auprc", |class| class.auprc, "no image is of the class"),
        ];
        let one_class = self.not_defined.get("auroc");
        for (name, value, reason) in of_classes {
            if self.per_class.iter().any(|class| value(class).is_none()) {
                let whole = name.trim_start_matches("per_class.");
                let known = one_class.filter(|_| ["precision", "f1", "auroc", "auprc"].contains(&whole));
                reasons.push((name, known.cloned().unwrap_or_else(|| reason.to_owned())));
            }
        }
        for (name, reason) in reasons {
            self.not_defined.entry(name).or_insert(reason);
        }
    }
}

/// The (sample, class) pairs of all classes, sample by sample; positive are those of a sample with its own class.
fn pooled(input: &Input) -> Ranking {
    let classes = input.classes.len();
    let of_class: Vec<bool> =
        input.labels.iter().flat_map(|&label| (0..classes).map(move |class| class == label)).collect();
    Ranking::new(input.probabilities, &of_class)
}

/// The class of all samples, if it is one.
fn only_class(labels: &[usize]) -> Option<usize> {
    let first = *labels.first()?;
    labels.iter().all(|&label| label == first).then_some(first)
}

/// Every class as a binary problem, a block at a time.
struct Ranked {
    per_class: Vec<ClassSummary>,
    /// The views of the classes, where they are needed again: of two, or to be drawn from.
    kept: Vec<ClassView>,
    /// Of the macro AUROC, by group; see [`mean_interval`].
    deviations: Vec<f64>,
}

impl Ranked {
    fn new(
        input: &Input,
        confusion: &Confusion,
        predicted: &[usize],
        groups: Option<&[usize]>,
        keep: bool,
    ) -> Self {
        let classes = input.classes.len();
        let counts = confusion.each_vs_rest();
        let mut found = Self { per_class: vec![], kept: vec![], deviations: vec![] };
        let mut present = 0.0;
        for first in (0..classes).step_by(BLOCK) {
            let block = (classes - first).min(BLOCK);
            let views = par::map(block, |at| {
                let view = ClassView::new(input, first + at, predicted, groups);
                let summary = view.summary(&counts[first + at]);
                (view, summary)
            });
            for (view, summary) in views {
                found.per_class.push(summary);
                if let Some(area) = &view.area {
                    present += 1.0;
                    found.deviations.resize(area.deviations().count(), 0.0);
                    found.deviations.iter_mut().zip(area.deviations()).for_each(|(sum, more)| *sum += more);
                }
                if keep || classes <= BLOCK {
                    found.kept.push(view);
                }
            }
        }
        found.deviations.iter_mut().for_each(|deviation| *deviation /= present);
        found
    }
}

/// One class of the input as a binary problem.
struct ClassView {
    name: String,
    positive: Vec<bool>,
    called: Vec<bool>,
    scores: Vec<f64>,
    rates: Rates,
    area: Option<DeLong>,
    ranking: Ranking,
}

impl ClassView {
    fn new(input: &Input, class: usize, predicted: &[usize], groups: Option<&[usize]>) -> Self {
        let positive: Vec<bool> = input.labels.iter().map(|&label| label == class).collect();
        let called: Vec<bool> = predicted.iter().map(|&predicted| predicted == class).collect();
        let scores: Vec<f64> = input.rows().map(|row| row[class]).collect();
        Self {
            name: input.classes[class].clone(),
            rates: Rates::new(&positive, &called, groups, LEVEL),
            area: DeLong::new(&scores, &positive, groups),
            ranking: Ranking::new(&scores, &positive),
            positive,
            called,
            scores,
        }
    }

    fn summary(&self, counts: &OneVsRest) -> ClassSummary {
        let interval = |rate: Option<Proportion>| rate.map(|rate| rate.interval);
        let auroc = self.area.as_ref().map(|area| area.estimate(LEVEL));
        ClassSummary {
            class: self.name.clone(),
            precision: counts.precision(),
            precision_ci: interval(self.rates.ppv),
            recall: counts.recall(),
            recall_ci: interval(self.rates.sensitivity),
            specificity: counts.specificity(),
            specificity_ci: interval(self.rates.specificity),
            f1: counts.f1(),
            f1_ci: None,
            support: counts.support(),
            auroc: auroc.map(|auroc| auroc.auroc),
            auroc_ci: auroc.map(|auroc| auroc.interval),
            auprc: average_precision(self.ranking.cuts()),
            auprc_ci: None,
        }
    }
}

/// The interval of a macro AUROC that has no spread: the mean of the classes' intervals, each at a level at which all
/// hold together (Bonferroni).
fn exact_macro_interval(views: &[ClassView]) -> (Option<Interval>, Option<&'static str>) {
    let known: Vec<&DeLong> = views.iter().filter_map(|view| view.area.as_ref()).collect();
    let level = 1.0 - (1.0 - LEVEL) / known.len() as f64;
    let ends: Vec<Interval> = known.iter().map(|area| area.estimate(level).interval).collect();
    let interval = mean(ends.iter().map(|end| Some(end.low)))
        .zip(mean(ends.iter().map(|end| Some(end.high))))
        .map(|(low, high)| Interval { low, high });
    (interval, interval.map(|_| "mean of simultaneous class intervals"))
}

fn macro_average(confusion: &Confusion, per_class: &[ClassSummary]) -> Average {
    Average {
        precision: confusion.macro_average(OneVsRest::precision),
        recall: confusion.macro_average(OneVsRest::recall),
        f1: confusion.macro_average(OneVsRest::f1),
        auroc: mean(per_class.iter().map(|class| class.auroc)),
        auprc: mean(per_class.iter().filter(|class| class.support > 0).map(|class| class.auprc)),
        ..Average::default()
    }
}
