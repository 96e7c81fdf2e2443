//! A summary for people: plain text, aligned, every number with its interval or the reason why it has none. It stays a page:
//! of many classes the worst are shown, and of their matrix the largest confusions; the JSON document has all.

use crate::confusion::OneVsRest;
use crate::interval::Interval;
use crate::order::sort_by_number;
use crate::summary::{Average, ClassSummary, Confused, Summary};
use std::fmt::{Display, Formatter, Result};

/// The most classes that are shown one by one.
const CLASSES: usize = 20;
/// How many are shown of more than that.
const WORST: usize = 10;
/// The most classes whose confusion matrix is shown.
const MATRIX: usize = 12;
/// The most characters of a class name.
const LETTERS: usize = 32;

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if !self.findings.is_empty() {
            return self.findings(f);
        }
        self.heading(f)?;
        self.headline(f)?;
        self.classes(f)?;
        self.matrix(f)?;
        self.closing(f)
    }
}

/// A value with three decimals; a dash where there is none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

/// The line of one metric.
fn line(
    f: &mut Formatter<'_>,
    name: &str,
    value: Option<f64>,
    interval: Option<Interval>,
    note: &str,
) -> Result {
    let interval = interval.map_or_else(String::new, |interval| interval.to_string());
    let text = format!("  {name:<12} {:>6}  {interval:<14}  {note}", number(value));
    writeln!(f, "{}", text.trim_end())
}

/// `text` without line breaks: nothing that a file says begins a line of the table.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// `1 image`, `2 images`.
pub fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A class name that leaves room for numbers beside it.
fn clip(name: &str) -> String {
    let name = one_line(name);
    if name.chars().count() <= LETTERS {
        return name;
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

impl Summary {
    fn images(&self, f: &mut Formatter<'_>) -> Result {
        let groups = match self.groups {
            Some(groups) => count(groups, "independent group"),
            None => "groups unknown, images taken as independent".to_owned(),
        };
        writeln!(f, "{}: {}, {groups}", self.split, count(self.images, "image"))
    }

    /// A line for each finding, and the averages.
    fn findings(&self, f: &mut Formatter<'_>) -> Result {
        self.images(f)?;
        let names = self.findings.iter().filter_map(|of| of.finding.as_deref());
        let width = names.map(|name| clip(name).chars().count()).max().unwrap_or(0).max(11);
        let row = |f: &mut Formatter<'_>, name: &str, cells: [String; 7]| {
            let [with, known, auroc, auprc, sensitivity, specificity, from] = cells;
            let text = format!(
                "  {name:<width$}  {with:>6}  {known:>6}  {auroc:<20}  {auprc:>5}  {sensitivity:>11}  {specificity:>11}  {from}"
            );
            writeln!(f, "{}", text.trim_end())
        };
        let heads = ["with", "known", "AUROC", "AUPRC", "sensitivity", "specificity", "from p"];
        writeln!(f)?;
        row(f, "finding", heads.map(str::to_owned))?;
        let area = |of: &Summary| {
            let interval = of.auroc_ci.map_or_else(String::new, |interval| format!(" {interval}"));
            format!("{}{interval}", number(of.auroc))
        };
        for of in &self.findings {
            let auroc = match of.not_defined.get("auroc") {
                Some(reason) => format!("not defined: {reason}"),
                None => area(of),
            };
            let whole = |n: Option<usize>| n.map_or_else(String::new, |n| n.to_string());
            let from = of.threshold.map_or_else(String::new, |p| format!("{p:.4}"));
            let [auprc, sensitivity, specificity] = [of.auprc, of.sensitivity, of.specificity].map(number);
            let cells =
                [whole(of.positives), of.images.to_string(), auroc, auprc, sensitivity, specificity, from];
            row(f, &clip(of.finding.as_deref().unwrap_or_default()), cells)?;
        }
        let micro = Summary {
            auroc: self.micro_average.auroc,
            auroc_ci: self.micro_average.auroc_ci,
            auprc: self.micro_average.auprc,
            sensitivity: self.micro_average.recall,
            ..Summary::default()
        };
        for (name, of) in [("macro mean", self), ("micro mean", &micro)] {
            let [auprc, sensitivity, specificity] = [of.auprc, of.sensitivity, of.specificity].map(number);
            let none = String::new;
            row(f, name, [none(), none(), area(of), auprc, sensitivity, specificity, none()])?;
        }
        writeln!(f, "  (95 % intervals; what is not known counts nowhere; --json has each finding in full)")
    }

    fn heading(&self, f: &mut Formatter<'_>) -> Result {
        self.images(f)?;
        match (&self.positive_class, self.threshold) {
            (Some(class), Some(threshold)) => {
                let class = clip(class);
                if let Some(source) = self.positive_source {
                    writeln!(f, "positive: {class} ({source})")?;
                }
                writeln!(f, "{class} from p = {threshold:.4} ({})", one_line(&self.threshold_rule))?;
            }
            _ => writeln!(f, "decided by {}; one class against the rest, macro means", self.threshold_rule)?,
        }
        let only = self.per_class.iter().find(|class| class.support == self.images);
        if let Some(only) = only.filter(|_| self.not_defined.contains_key("auroc")) {
            let (images, class) = (self.images, clip(&only.class));
            writeln!(
                f,
                "all {images} are {class}: curves and predictive values need other images too and are left out"
            )?;
        }
        writeln!(f)
    }

    /// The note of a value: why it is not there, or `words`, or why it has no interval.
    fn note(&self, name: &str, words: &str) -> String {
        match (self.not_defined.get(name), self.no_interval.get(name)) {
            (Some(reason), _) => format!("not defined: {reason}"),
            (None, Some(reason)) if words.is_empty() => format!("no interval: {reason}"),
            (None, Some(reason)) => format!("{words}; no interval: {reason}"),
            (None, None) => words.to_owned(),
        }
    }

    fn headline(&self, f: &mut Formatter<'_>) -> Result {
        let of = |part: usize, whole: usize| format!("{part} of {whole}");
        let accuracy = of(self.confusion.right(), self.images);
        line(f, "accuracy", self.accuracy, self.accuracy_ci, &accuracy)?;
        let positive = self
            .positive_class
            .as_ref()
            .and_then(|name| self.per_class.iter().position(|c| c.class == *name));
        let one_class = self.not_defined.contains_key("auroc");
        let mut notes = [const { String::new() }; 4];
        if let Some(positive) = positive {
            let OneVsRest {
                true_positives: tp,
                false_positives: fp,
                false_negatives: fn_,
                true_negatives: tn,
            } = self.confusion.one_vs_rest(positive);
            notes = [of(tp, tp + fn_), of(tn, tn + fp), of(tp, tp + fp), of(tn, tn + fn_)];
        } else if let Some(only) = self.per_class.iter().find(|class| one_class && class.support > 0) {
            notes[0] = format!("recall of {}", clip(&only.class));
        } else {
            notes[..2].fill(format!("macro mean, {}", self.drawn()));
        }
        for (name, value, interval, note) in [
            ("sensitivity", self.sensitivity, self.sensitivity_ci, &notes[0]),
            ("specificity", self.specificity, self.specificity_ci, &notes[1]),
        ] {
            // What one class leaves out was said in the heading.
            if value.is_some() || !one_class {
                line(f, name, value, interval, &self.note(name, note))?;
            }
        }
        if positive.is_some() && !one_class {
            line(f, "PPV", self.ppv, self.ppv_ci, &self.note("ppv", &notes[2]))?;
            line(f, "NPV", self.npv, self.npv_ci, &self.note("npv", &notes[3]))?;
        }
        if let Some(at) = &self.at_prevalence {
            let note = format!("at a prevalence of {}", at.prevalence);
            line(f, "PPV", at.ppv, at.ppv_ci, &note)?;
            line(f, "NPV", at.npv, at.npv_ci, &note)?;
        }
        let drawn = |interval: Option<Interval>| interval.map_or("", |_| self.drawn());
        for (name, key, value, interval, words) in [
            ("AUROC", "auroc", self.auroc, self.auroc_ci, self.auroc_ci_method.unwrap_or_default()),
            ("AUPRC", "auprc", self.auprc, self.auprc_ci, drawn(self.auprc_ci)),
            ("Brier", "brier", Some(self.brier), self.brier_ci, drawn(self.brier_ci)),
            ("log-loss", "log_loss", Some(self.log_loss), self.log_loss_ci, drawn(self.log_loss_ci)),
            ("ECE", "ece", Some(self.ece), self.ece_ci, &self.ece_binning),
        ] {
            if value.is_some() || !one_class {
                line(f, name, value, interval, &self.note(key, words))?;
            }
        }
        if let Some(fit) = &self.calibration {
            let note = self.note("calibration", "of calibration; 1 is right, less is too sure");
            line(f, "slope", Some(fit.slope), fit.slope_ci, &note)?;
        }
        let exact = match self.bootstrap_draws {
            0 => "95 % intervals; proportions exact".to_owned(),
            draws => format!("95 % intervals; proportions exact, others of {draws} bootstrap draws at most"),
        };
        writeln!(f, "  ({exact})\n")
    }

    /// How bootstrap intervals were drawn.
    fn drawn(&self) -> &'static str {
        if self.groups.is_some() { "bootstrap by group" } else { "bootstrap" }
    }

    fn classes(&self, f: &mut Formatter<'_>) -> Result {
        let many = self.per_class.len() > CLASSES;
        let mut shown: Vec<usize> = (0..self.per_class.len()).collect();
        if many {
            shown.retain(|&at| self.per_class[at].support > 0);
            // Those that are found worst; of equals the larger.
            sort_by_number(&mut shown, &|at| -(self.per_class[at].support as f64));
            sort_by_number(&mut shown, &|at| self.per_class[at].recall.unwrap_or(1.0));
            shown.truncate(WORST);
        }
        let shown: Vec<&ClassSummary> = shown.into_iter().map(|at| &self.per_class[at]).collect();
        let names = shown.iter().map(|class| clip(&class.class).chars().count());
        let width = names.max().unwrap_or(0).max("true \\ called".len());
        let row = |f: &mut Formatter<'_>, name: &str, cells: [String; 4]| {
            let [precision, recall, f1, support] = cells;
            writeln!(f, "  {name:<width$}  {precision:>9}  {recall:>6}  {f1:>6}  {support:>7}")
        };
        row(f, "class", ["precision", "recall", "F1", "support"].map(str::to_owned))?;
        for class in &shown {
            let [precision, recall, f1] = [class.precision, class.recall, class.f1].map(number);
            row(f, &clip(&class.class), [precision, recall, f1, class.support.to_string()])?;
        }
        if many {
            let (all, shown) = (self.per_class.len(), shown.len());
            let more = all - shown;
            writeln!(
                f,
                "  the {shown} classes found least often, and {more} more of {all} (--json has all)"
            )?;
        }
        for (name, average) in [("macro mean", &self.macro_average), ("micro mean", &self.micro_average)] {
            let &Average { precision, recall, f1, .. } = average;
            row(f, name, [number(precision), number(recall), number(f1), self.images.to_string()])?;
        }
        let Average { precision_ci, recall_ci, f1_ci, .. } = &self.macro_average;
        let known: Vec<String> = [("precision", precision_ci), ("recall", recall_ci), ("F1", f1_ci)]
            .into_iter()
            .filter_map(|(name, interval)| Some(format!("{name} {}", (*interval)?)))
            .collect();
        match known.is_empty() {
            true => writeln!(f, "  (intervals of each class: --json)")?,
            false => writeln!(f, "  macro means: {} (of each class: --json)", known.join(", "))?,
        }
        writeln!(f)
    }

    fn matrix(&self, f: &mut Formatter<'_>) -> Result {
        if self.per_class.len() > MATRIX {
            return self.confusions(f);
        }
        let names: Vec<String> = self.per_class.iter().map(|class| clip(&class.class)).collect();
        let width =
            names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("true \\ called".len());
        write!(f, "  {:<width$}", "true \\ called")?;
        let columns: Vec<usize> = names.iter().map(|name| name.chars().count().max(6)).collect();
        for (name, column) in names.iter().zip(&columns) {
            write!(f, "  {name:>column$}")?;
        }
        writeln!(f)?;
        for (name, row) in names.iter().zip(&self.confusion.rows) {
            write!(f, "  {name:<width$}")?;
            for (count, column) in row.iter().zip(&columns) {
                write!(f, "  {count:>column$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    /// The largest confusions, in the place of a matrix that fills no page.
    fn confusions(&self, f: &mut Formatter<'_>) -> Result {
        let wrong = self.images - self.confusion.right();
        if wrong == 0 {
            return writeln!(f, "  no class is taken for another");
        }
        let shown = &self.largest_confusions[..self.largest_confusions.len().min(WORST)];
        let width = shown.iter().map(|pair| clip(&pair.truth).chars().count()).max().unwrap_or(0).max(4);
        writeln!(f, "  images  {:<width$}  called", "true")?;
        for Confused { truth, called, images } in shown {
            let (truth, called) = (clip(truth), clip(called));
            writeln!(f, "  {images:>6}  {truth:<width$}  {called}")?;
        }
        let told: usize = shown.iter().map(|pair| pair.images).sum();
        match wrong - told {
            0 => Ok(()),
            more => {
                writeln!(f, "  the largest confusions, and {more} more images (--json has the whole matrix)")
            }
        }
    }

    /// What a perfect result is worth.
    fn closing(&self, f: &mut Formatter<'_>) -> Result {
        let Some(bound) = self.all_right_lower_bound else { return Ok(()) };
        let n = self.images;
        let on = self.groups.map_or(String::new(), |n| format!(" on {}", count(n, "independent group")));
        writeln!(f, "\n  {n} of {n} right: exact 95 % lower bound {bound:.3} (one-sided{on})")
    }
}
