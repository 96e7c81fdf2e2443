//! From labels and probabilities to a [`Summary`].

use crate::binary::AtPrevalence;
use crate::calibration::{expected_calibration_error, recalibration, reliability};
use crate::confusion::{Confusion, OneVsRest, mean};
use crate::decision::decision_curve;
use crate::delong::mean_interval;
use crate::groups::{group_ids, or_singletons};
use crate::input::{InputError, Scored};
use crate::interval::{Interval, Proportion, all_right_bound};
use crate::order::argmax;
use crate::per_class::{ClassView, Ranked, exact_macro_interval};
use crate::pr::average_precision;
use crate::ranking::Ranking;
use crate::roc::area_under_roc;
use crate::scoring::{brier, log_loss};
use crate::spread::{DrawnAreas, DrawnFigures, ranked_draws, recalibration_draws, recalibration_spread};
use crate::summary::{Average, Confused, LEVEL, Summary};

/// Bins of the expected calibration error.
pub(crate) const ECE_BINS: usize = 15;
/// Bins of the reliability diagram.
pub(crate) const RELIABILITY_BINS: usize = 10;
/// The pairs of classes that are listed as the largest confusions.
const LARGEST: usize = 20;

impl Summary {
    /// Evaluates `input`. Errors name the sample that cannot be.
    pub fn new(input: &Scored) -> Result<Self, InputError> {
        input.check()?;
        let (classes, n) = (input.classes.len(), input.labels.len());
        let binary = classes == 2;
        let groups = input.groups.map(group_ids);
        let groups = groups.as_deref();
        let units = or_singletons(groups, n);

        let predicted: Vec<usize> = input.rows().map(|row| input.decide(row)).collect();
        let confusion = Confusion::new(input.labels, &predicted, classes);
        let hits: Vec<bool> = predicted.iter().zip(input.labels).map(|(a, b)| a == b).collect();
        let right = Proportion::new(&hits, groups, LEVEL).expect("an input has samples");
        let (accuracy, accuracy_ci) = (Some(right.value), Some(right.interval));

        let draws = ranked_draws(input.draws, if binary { 1 } else { classes }, n);
        let Ranked { mut per_class, kept, deviations } =
            Ranked::new(input, &confusion, &predicted, groups, draws > 0);
        let pooled = pooled(input);
        let drawn: Vec<&Ranking> = kept.iter().map(|view| &view.ranking).collect();
        let areas = DrawnAreas::new(&drawn, &pooled, &units, draws, input.seed, LEVEL);
        // Of two classes, the headline is that of the positive one.
        let of_positive = |of_classes: &[Option<Interval>]| of_classes.get(input.positive).copied().flatten();
        let (auroc_bootstrap_ci, auprc_ci) = match binary {
            true => (of_positive(&areas.class_auroc), of_positive(&areas.class_auprc)),
            false => (areas.auroc, areas.auprc),
        };

        let confidence: Vec<f64> = input.rows().map(|row| row[argmax(row)]).collect();
        let sure: Vec<bool> =
            input.rows().zip(input.labels).map(|(row, &label)| argmax(row) == label).collect();
        let ece = expected_calibration_error(&reliability(&confidence, &sure, ECE_BINS));
        let spread = DrawnFigures::new(input, &predicted, &units, (ece, ECE_BINS), LEVEL);
        for (class, interval) in per_class.iter_mut().zip(&spread.class_f1) {
            class.f1_ci = *interval;
        }
        for (class, interval) in per_class.iter_mut().zip(&areas.class_auprc) {
            class.auprc_ci = interval.filter(|_| class.auprc.is_some());
        }

        let auroc = mean(per_class.iter().map(|class| class.auroc));
        let (auroc_ci, auroc_ci_method) = match binary {
            // How that of the positive class is made, it says itself.
            true => (areas.auroc, None),
            false => interval_of_mean(auroc, &areas, &kept, &deviations, groups).unzip(),
        };
        let macro_average = Average {
            auroc,
            auroc_ci,
            auprc: mean(per_class.iter().filter(|class| class.support > 0).map(|class| class.auprc)),
            auprc_ci: areas.auprc,
            ..macro_rates(&confusion, &spread)
        };
        let micro_average = micro(&right, &pooled, &areas);
        let largest = confusion.largest(LARGEST).into_iter().map(|(truth, called, images)| Confused {
            truth: input.classes[truth].clone(),
            called: input.classes[called].clone(),
            images,
        });

        let mut summary = Self {
            split: input.split.to_owned(),
            images: n,
            groups: groups.map(|_| right.groups),
            threshold_rule: "largest probability".to_owned(),
            level: LEVEL,
            averaging: "one-vs-rest, macro",
            accuracy,
            accuracy_ci,
            all_right_lower_bound: (right.successes == n).then(|| all_right_bound(right.groups, LEVEL)),
            auroc,
            auroc_ci,
            auroc_ci_method,
            auroc_bootstrap_ci,
            auprc: macro_average.auprc,
            auprc_ci,
            bootstrap_draws: input.draws,
            sensitivity: macro_average.recall,
            sensitivity_ci: spread.recall,
            specificity: confusion.macro_average(OneVsRest::specificity),
            specificity_ci: spread.specificity,
            largest_confusions: largest.collect(),
            confusion,
            per_class,
            macro_average,
            micro_average,
            brier: brier(input.probabilities, classes, input.labels),
            brier_ci: spread.brier,
            log_loss: log_loss(input.probabilities, classes, input.labels),
            log_loss_ci: spread.log_loss,
            ece,
            ece_ci: spread.ece,
            ece_binning: format!("{ECE_BINS} bins of equal width over the largest probability"),
            reliability: reliability(&confidence, &sure, RELIABILITY_BINS),
            ..Self::default()
        };
        if binary {
            summary.fill_binary(input, &kept[input.positive], groups);
        }
        summary.give_reasons(input, right.groups, draws);
        Ok(summary)
    }

    /// What only two classes have: the values of the positive class at the threshold.
    fn fill_binary(&mut self, input: &Scored, view: &ClassView, groups: Option<&[usize]>) {
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
}

/// The interval of the mean AUROC of several classes, and how it was made: by the bootstrap where draws were asked for, else
/// from sums over the classes, else exact.
fn interval_of_mean(
    auroc: Option<f64>,
    areas: &DrawnAreas,
    kept: &[ClassView],
    deviations: &[f64],
    groups: Option<&[usize]>,
) -> Option<(Interval, &'static str)> {
    let of = |grouped: &'static str, alone: &'static str| if groups.is_some() { grouped } else { alone };
    let by = of("bootstrap by group, percentile", "bootstrap, percentile");
    let by_draws = areas.auroc.map(|interval| (interval, by));
    let by_sums = || {
        let by = of(
            "DeLong by group, summed over the classes, logit scale",
            "DeLong, summed over the classes, logit scale",
        );
        mean_interval(auroc?, deviations, LEVEL).map(|interval| (interval, by))
    };
    by_draws.or_else(by_sums).or_else(|| exact_macro_interval(kept))
}

/// The means of the classes' rates.
fn macro_rates(confusion: &Confusion, spread: &DrawnFigures) -> Average {
    Average {
        precision: confusion.macro_average(OneVsRest::precision),
        precision_ci: spread.precision,
        recall: confusion.macro_average(OneVsRest::recall),
        recall_ci: spread.recall,
        f1: confusion.macro_average(OneVsRest::f1),
        f1_ci: spread.f1,
        ..Average::default()
    }
}

/// Over all pairs of a sample and a class, where precision, recall and F1 are the share that is `right`.
fn micro(right: &Proportion, pooled: &Ranking, areas: &DrawnAreas) -> Average {
    let (value, interval) = (Some(right.value), Some(right.interval));
    Average {
        precision: value,
        precision_ci: interval,
        recall: value,
        recall_ci: interval,
        f1: value,
        f1_ci: interval,
        auroc: area_under_roc(pooled.cuts()),
        auroc_ci: areas.pooled_auroc,
        auprc: average_precision(pooled.cuts()),
        auprc_ci: areas.pooled_auprc,
    }
}

/// The (sample, class) pairs of all classes, sample by sample; positive are those of a sample with its own class.
fn pooled(input: &Scored) -> Ranking {
    let classes = input.classes.len();
    let of_class: Vec<bool> =
        input.labels.iter().flat_map(|&label| (0..classes).map(move |class| class == label)).collect();
    Ranking::new(input.probabilities, &of_class)
}
