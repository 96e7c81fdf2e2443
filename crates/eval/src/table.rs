//! A summary for people: plain text, aligned, every number with its interval.

use crate::interval::Interval;
use crate::summary::{Average, Summary};
use std::fmt::{Display, Formatter, Result};

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
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
    let interval = interval.map_or_else(String::new, |i| format!("[{:.3}, {:.3}]", i.low, i.high));
    let text = format!("  {name:<12} {:>6}  {interval:<14}  {note}", number(value));
    writeln!(f, "{}", text.trim_end())
}

impl Summary {
    fn heading(&self, f: &mut Formatter<'_>) -> Result {
        let groups = match self.groups {
            Some(1) => "1 independent group".to_owned(),
            Some(groups) => format!("{groups} independent groups"),
            None => "groups unknown, images taken as independent".to_owned(),
        };
        writeln!(f, "{}: {} images, {groups}", self.split, self.images)?;
        match (&self.positive_class, self.threshold) {
            (Some(class), Some(threshold)) => {
                writeln!(f, "{class} from p = {threshold:.4} ({})", self.threshold_rule)?;
            }
            _ => writeln!(f, "decided by {}; one class against the rest, macro means", self.threshold_rule)?,
        }
        writeln!(f)
    }

    fn headline(&self, f: &mut Formatter<'_>) -> Result {
        let of = |part: usize, whole: usize| format!("{part} of {whole}");
        let accuracy = of(self.confusion.right(), self.images);
        line(f, "accuracy", self.accuracy, self.accuracy_ci, &accuracy)?;
        let positive = self
            .positive_class
            .as_ref()
            .and_then(|name| self.per_class.iter().position(|c| c.class == *name));
        let mut notes = [const { String::new() }; 4];
        if let Some(positive) = positive {
            let counts = self.confusion.one_vs_rest(positive);
            let (tp, fp, fn_, tn) = (
                counts.true_positives,
                counts.false_positives,
                counts.false_negatives,
                counts.true_negatives,
            );
            notes = [of(tp, tp + fn_), of(tn, tn + fp), of(tp, tp + fp), of(tn, tn + fn_)];
        }
        line(f, "sensitivity", self.sensitivity, self.sensitivity_ci, &notes[0])?;
        line(f, "specificity", self.specificity, self.specificity_ci, &notes[1])?;
        if positive.is_some() {
            line(f, "PPV", self.ppv, self.ppv_ci, &notes[2])?;
            line(f, "NPV", self.npv, self.npv_ci, &notes[3])?;
        }
        if let Some(at) = &self.at_prevalence {
            let note = format!("at a prevalence of {}", at.prevalence);
            line(f, "PPV", at.ppv, at.ppv_ci, &note)?;
            line(f, "NPV", at.npv, at.npv_ci, &note)?;
        }
        line(f, "AUROC", self.auroc, self.auroc_ci, self.auroc_ci_method.unwrap_or("needs two classes"))?;
        line(f, "AUPRC", self.auprc, self.auprc_ci, self.auprc_ci.map_or("", |_| "bootstrap by group"))?;
        line(f, "Brier", Some(self.brier), None, "")?;
        line(f, "log-loss", Some(self.log_loss), None, "")?;
        line(f, "ECE", Some(self.ece), None, &self.ece_binning)?;
        writeln!(f, "  (95 % intervals; proportions exact)\n")
    }

    fn classes(&self, f: &mut Formatter<'_>) -> Result {
        let width = self.name_width();
        let row = |f: &mut Formatter<'_>, name: &str, cells: [String; 4]| {
            let [precision, recall, f1, support] = cells;
            writeln!(f, "  {name:<width$}  {precision:>9}  {recall:>6}  {f1:>6}  {support:>7}")
        };
        row(f, "class", ["precision", "recall", "F1", "support"].map(str::to_owned))?;
        for class in &self.per_class {
            let values = [class.precision, class.recall, class.f1].map(number);
            let [precision, recall, f1] = values;
            row(f, &class.class, [precision, recall, f1, class.support.to_string()])?;
        }
        for (name, average) in [("macro mean", &self.macro_average), ("micro mean", &self.micro_average)] {
            let &Average { precision, recall, f1, .. } = average;
            row(f, name, [number(precision), number(recall), number(f1), self.images.to_string()])?;
        }
        writeln!(f)
    }

    fn matrix(&self, f: &mut Formatter<'_>) -> Result {
        let width = self.name_width();
        write!(f, "  {:<width$}", "true \\ called")?;
        let columns: Vec<usize> =
            self.per_class.iter().map(|class| class.class.chars().count().max(6)).collect();
        for (class, column) in self.per_class.iter().zip(&columns) {
            write!(f, "  {:>column$}", class.class)?;
        }
        writeln!(f)?;
        for (class, row) in self.per_class.iter().zip(&self.confusion.rows) {
            write!(f, "  {:<width$}", class.class)?;
            for (count, column) in row.iter().zip(&columns) {
                write!(f, "  {count:>column$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    /// What a perfect result is worth.
    fn closing(&self, f: &mut Formatter<'_>) -> Result {
        let Some(bound) = self.all_right_lower_bound else { return Ok(()) };
        let n = self.images;
        let on = self.groups.map_or_else(String::new, |groups| {
            let plural = if groups == 1 { "" } else { "s" };
            format!(" on {groups} independent group{plural}")
        });
        writeln!(f, "\n  {n} of {n} right: exact 95 % lower bound {bound:.3} (one-sided{on})")
    }

    fn name_width(&self) -> usize {
        let names = self.per_class.iter().map(|class| class.class.chars().count());
        names.max().unwrap_or(0).max("true \\ called".len())
    }
}
