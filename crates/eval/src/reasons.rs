//! Why a value of a summary is not there, or has no interval: nothing is left out without a word.

use crate::input::Scored;
use crate::interval::Interval;
use crate::spread::{LEAST, scores_each};
use crate::summary::{Average, ClassSummary, Summary};

/// A value with its interval.
type Figure = (Option<f64>, Option<Interval>);

impl Summary {
    /// Says of every value that is not there, and of every one that has no interval, why that is so. There are `independent`
    /// groups, and `ranked` draws of areas under curves.
    pub(crate) fn give_reasons(&mut self, input: &Scored, independent: usize, ranked: usize) {
        if let Some(only) = only_class(input.labels) {
            self.forget_what_one_class_cannot_tell(&input.classes[only], only);
        }
        self.say_what_is_not_defined(input);
        // The value and the interval of a class that has the one and not the other, if there is such a class.
        let any = |of: fn(&ClassSummary) -> Figure| {
            self.per_class.iter().map(of).find(|of| of.0.is_some() && of.1.is_none()).unwrap_or_default()
        };
        let (macros, micro, fit) = (&self.macro_average, &self.micro_average, self.calibration);
        let figures: [(&str, Figure); 19] = [
            ("sensitivity", (self.sensitivity, self.sensitivity_ci)),
            ("specificity", (self.specificity, self.specificity_ci)),
            ("auroc", (self.auroc, self.auroc_ci)),
            ("auroc_bootstrap", (self.auroc, self.auroc_bootstrap_ci)),
            ("auprc", (self.auprc, self.auprc_ci)),
            ("brier", (Some(self.brier), self.brier_ci)),
            ("log_loss", (Some(self.log_loss), self.log_loss_ci)),
            ("ece", (Some(self.ece), self.ece_ci)),
            ("f1", (macros.f1, macros.f1_ci)),
            ("macro.precision", (macros.precision, macros.precision_ci)),
            ("macro.recall", (macros.recall, macros.recall_ci)),
            ("macro.f1", (macros.f1, macros.f1_ci)),
            ("macro.auroc", (macros.auroc, macros.auroc_ci)),
            ("macro.auprc", (macros.auprc, macros.auprc_ci)),
            ("micro.auroc", (micro.auroc, micro.auroc_ci)),
            ("micro.auprc", (micro.auprc, micro.auprc_ci)),
            ("per_class.f1", any(|class| (class.f1, class.f1_ci))),
            ("per_class.auprc", any(|class| (class.auprc, class.auprc_ci))),
            ("calibration", (fit.map(|fit| fit.slope), fit.and_then(|fit| fit.slope_ci))),
        ];
        for (name, (value, interval)) in figures {
            if value.is_none() || interval.is_some() {
                continue;
            }
            let area = name.contains("auroc") || name.contains("auprc");
            let reason = if input.draws == 0 {
                "no bootstrap was asked for".to_owned()
            } else if independent < 2 {
                "all images are of one group".to_owned()
            } else if area && ranked == 0 {
                format!("too many images and classes for {LEAST} bootstrap draws")
            } else if name == "per_class.f1" && !scores_each(input.classes.len(), input.draws) {
                "too many classes for a bootstrap of each".to_owned()
            } else {
                "every bootstrap draw gives the same value".to_owned()
            };
            self.no_interval.entry(name).or_insert(reason);
        }
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

    /// The reasons of what has no value, but for those that are known already.
    fn say_what_is_not_defined(&mut self, input: &Scored) {
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

/// The class of all samples, if it is one.
fn only_class(labels: &[usize]) -> Option<usize> {
    let first = *labels.first()?;
    labels.iter().all(|&label| label == first).then_some(first)
}
