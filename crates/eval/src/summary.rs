//! The evaluation of one split: every headline number with its uncertainty, as one JSON document.
//!
//! Invariant: no field is ever NaN or infinite. What has no value is `None`, which is `null` in JSON: a ratio without
//! samples in its denominator, an AUROC with one class only, a slope that would be infinite, and whatever belongs to
//! two classes when there are more. Names are a contract; fields may be added, not renamed.

use crate::binary::{AtPrevalence, Rates};
use crate::bootstrap::{by_group, percentile_interval};
use crate::calibration::{
    Recalibration, ReliabilityBin, expected_calibration_error, recalibration, reliability,
};
use crate::confusion::{Confusion, OneVsRest, argmax, mean};
use crate::decision::{NetBenefit, decision_curve};
use crate::delong::DeLong;
use crate::groups::{group_ids, or_singletons};
use crate::input::{Input, InputError};
use crate::interval::{Interval, Proportion, all_right_bound};
use crate::pr::average_precision;
use crate::ranking::Ranking;
use crate::roc::area_under_roc;
use crate::scoring::{brier, log_loss};
use serde::Serialize;

/// The level of every interval of a summary.
pub const LEVEL: f64 = 0.95;
/// Bins of the expected calibration error.
const ECE_BINS: usize = 15;
/// Bins of the reliability diagram.
const RELIABILITY_BINS: usize = 10;

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
    /// Its exact interval; with more than two classes see `per_class`.
    pub sensitivity_ci: Option<Interval>,
    /// Specificity; macro mean with more than two classes.
    pub specificity: Option<f64>,
    /// Its exact interval; with more than two classes see `per_class`.
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
    /// Mean negative logarithm of the probability of the true class.
    pub log_loss: f64,
    /// Expected calibration error.
    pub ece: f64,
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
    pub support: usize,
    pub auroc: Option<f64>,
    pub auroc_ci: Option<Interval>,
    pub auprc: Option<f64>,
}

/// Averages over classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names of the metrics")]
pub struct Average {
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    pub auroc: Option<f64>,
    pub auprc: Option<f64>,
}

impl Summary {
    /// Evaluates `input`. Errors name the sample that cannot be.
    pub fn new(input: &Input) -> Result<Self, InputError> {
        input.check()?;
        let classes = input.classes.len();
        let binary = classes == 2;
        let groups = input.groups.map(group_ids);
        let groups = groups.as_deref();

        let predicted: Vec<usize> = input.rows().map(|row| input.decide(row)).collect();
        let confusion = Confusion::new(input.labels, &predicted, classes);
        let hits: Vec<bool> = predicted.iter().zip(input.labels).map(|(a, b)| a == b).collect();
        let accuracy = Proportion::new(&hits, groups, LEVEL);

        let views: Vec<ClassView> =
            (0..classes).map(|class| ClassView::new(input, class, &predicted, groups)).collect();
        let per_class: Vec<ClassSummary> = views.iter().map(|view| view.summary(&confusion)).collect();
        let macro_average = macro_average(&confusion, &per_class);
        let micro_average = micro_average(&confusion, input);
        let drawn =
            Drawn::new(if binary { &views[input.positive..=input.positive] } else { &views }, input, groups);

        let confidence: Vec<f64> = input.rows().map(|row| row[argmax(row)]).collect();
        let sure: Vec<bool> =
            input.rows().zip(input.labels).map(|(row, &label)| argmax(row) == label).collect();
        let ece = expected_calibration_error(&reliability(&confidence, &sure, ECE_BINS));

        let mut summary = Self {
            split: input.split.to_owned(),
            images: hits.len(),
            groups: groups.map(|_| accuracy.map_or(0, |accuracy| accuracy.groups)),
            positive_class: None,
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
            auroc_ci: drawn.auroc,
            auroc_ci_method: drawn.auroc.map(|_| "bootstrap by group, percentile"),
            auroc_bootstrap_ci: drawn.auroc,
            auprc: macro_average.auprc,
            auprc_ci: drawn.auprc,
            bootstrap_draws: input.draws,
            sensitivity: macro_average.recall,
            sensitivity_ci: None,
            specificity: confusion.macro_average(OneVsRest::specificity),
            specificity_ci: None,
            ppv: None,
            ppv_ci: None,
            npv: None,
            npv_ci: None,
            at_prevalence: None,
            confusion,
            per_class,
            macro_average,
            micro_average,
            brier: brier(input.probabilities, classes, input.labels),
            log_loss: log_loss(input.probabilities, classes, input.labels),
            ece,
            ece_binning: format!("{ECE_BINS} bins of equal width over the largest probability"),
            calibration: None,
            reliability: reliability(&confidence, &sure, RELIABILITY_BINS),
            decision_curve: Vec::new(),
        };
        if binary {
            summary.fill_binary(input, &views[input.positive], groups);
        } else if summary.auroc_ci.is_none() {
            (summary.auroc_ci, summary.auroc_ci_method) = exact_macro_interval(&views);
        }
        Ok(summary)
    }

    /// What only two classes have: the values of the positive class at the threshold.
    fn fill_binary(&mut self, input: &Input, view: &ClassView, groups: Option<&[usize]>) {
        let class = &self.per_class[input.positive];
        self.positive_class = Some(class.class.clone());
        self.threshold = Some(input.threshold.value);
        self.threshold_rule.clone_from(&input.threshold.rule);
        self.averaging = "binary";
        (self.auroc, self.auprc) = (class.auroc, class.auprc);
        let estimate = view.delong.as_ref().map(|delong| delong.estimate(LEVEL));
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
        self.reliability = reliability(&view.scores, &view.positive, RELIABILITY_BINS);
        let thresholds: Vec<f64> = (1..20).map(|i| f64::from(i) / 20.0).collect();
        self.decision_curve = decision_curve(&view.scores, &view.positive, &thresholds);
    }
}

/// One class of the input as a binary problem.
struct ClassView {
    class: usize,
    name: String,
    positive: Vec<bool>,
    called: Vec<bool>,
    scores: Vec<f64>,
    rates: Rates,
    delong: Option<DeLong>,
    ranking: Ranking,
}

impl ClassView {
    fn new(input: &Input, class: usize, predicted: &[usize], groups: Option<&[usize]>) -> Self {
        let positive: Vec<bool> = input.labels.iter().map(|&label| label == class).collect();
        let called: Vec<bool> = predicted.iter().map(|&predicted| predicted == class).collect();
        let scores: Vec<f64> = input.rows().map(|row| row[class]).collect();
        Self {
            class,
            name: input.classes[class].clone(),
            rates: Rates::new(&positive, &called, groups, LEVEL),
            delong: DeLong::new(&scores, &positive, groups),
            ranking: Ranking::new(&scores, &positive),
            positive,
            called,
            scores,
        }
    }

    fn summary(&self, confusion: &Confusion) -> ClassSummary {
        let counts = confusion.one_vs_rest(self.class);
        let interval = |rate: Option<Proportion>| rate.map(|rate| rate.interval);
        let auroc = self.delong.as_ref().map(|delong| delong.estimate(LEVEL));
        ClassSummary {
            class: self.name.clone(),
            precision: counts.precision(),
            precision_ci: interval(self.rates.ppv),
            recall: counts.recall(),
            recall_ci: interval(self.rates.sensitivity),
            specificity: counts.specificity(),
            specificity_ci: interval(self.rates.specificity),
            f1: counts.f1(),
            support: counts.support(),
            auroc: auroc.map(|auroc| auroc.auroc),
            auroc_ci: auroc.map(|auroc| auroc.interval),
            auprc: average_precision(self.ranking.cuts()),
        }
    }
}

/// Bootstrap intervals of the means over `views`.
struct Drawn {
    auroc: Option<Interval>,
    auprc: Option<Interval>,
}

impl Drawn {
    fn new(views: &[ClassView], input: &Input, groups: Option<&[usize]>) -> Self {
        let groups = or_singletons(groups, input.labels.len());
        let draws = by_group(&groups, input.draws, input.seed, |weights| {
            let cuts =
                |view: &ClassView| view.ranking.weighted_cuts(|sample| weights[sample]).collect::<Vec<_>>();
            let values = views.iter().map(cuts).map(|cuts| {
                let cuts = cuts.into_iter();
                (area_under_roc(cuts.clone()), average_precision(cuts))
            });
            let (auroc, auprc): (Vec<_>, Vec<_>) = values.unzip();
            (mean(auroc.into_iter()), mean(auprc.into_iter()))
        });
        Self {
            auroc: percentile_interval(draws.iter().map(|draw| draw.0), LEVEL),
            auprc: percentile_interval(draws.iter().map(|draw| draw.1), LEVEL),
        }
    }
}

/// The interval of a macro AUROC that has no spread: the mean of the classes' intervals, each at a level at which all
/// hold together (Bonferroni).
fn exact_macro_interval(views: &[ClassView]) -> (Option<Interval>, Option<&'static str>) {
    let known: Vec<&DeLong> = views.iter().filter_map(|view| view.delong.as_ref()).collect();
    let level = 1.0 - (1.0 - LEVEL) / known.len() as f64;
    let ends: Vec<Interval> = known.iter().map(|delong| delong.estimate(level).interval).collect();
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
    }
}

fn micro_average(confusion: &Confusion, input: &Input) -> Average {
    let classes = input.classes.len();
    let of_class: Vec<bool> =
        input.labels.iter().flat_map(|&label| (0..classes).map(move |class| class == label)).collect();
    let pooled = Ranking::new(input.probabilities, &of_class);
    Average {
        precision: confusion.micro_average(OneVsRest::precision),
        recall: confusion.micro_average(OneVsRest::recall),
        f1: confusion.micro_average(OneVsRest::f1),
        auroc: area_under_roc(pooled.cuts()),
        auprc: average_precision(pooled.cuts()),
    }
}
