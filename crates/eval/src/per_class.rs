//! Each class against the rest: its rates, its AUROC with an interval, and its ranking.

use crate::binary::Rates;
use crate::confusion::{Confusion, OneVsRest, mean};
use crate::delong::DeLong;
use crate::input::Scored;
use crate::interval::{Interval, Proportion};
use crate::pr::average_precision;
use crate::ranking::Ranking;
use crate::summary::{ClassSummary, LEVEL};
use engine::par;

/// Classes that are ranked at once, so that a thousand of them are not all held in memory.
const BLOCK: usize = 64;

/// Every class as a binary problem, a block at a time.
pub(crate) struct Ranked {
    pub per_class: Vec<ClassSummary>,
    /// The views of the classes, where they are needed again: of two, or to be drawn from.
    pub kept: Vec<ClassView>,
    /// Of the macro AUROC, by group; see [`mean_interval`].
    pub deviations: Vec<f64>,
}

impl Ranked {
    pub fn new(
        input: &Scored,
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
pub(crate) struct ClassView {
    name: String,
    pub positive: Vec<bool>,
    pub called: Vec<bool>,
    pub scores: Vec<f64>,
    pub rates: Rates,
    pub area: Option<DeLong>,
    pub ranking: Ranking,
}

impl ClassView {
    fn new(input: &Scored, class: usize, predicted: &[usize], groups: Option<&[usize]>) -> Self {
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
            support: counts.support(),
            auroc: auroc.map(|auroc| auroc.auroc),
            auroc_ci: auroc.map(|auroc| auroc.interval),
            auprc: average_precision(self.ranking.cuts()),
            ..ClassSummary::default()
        }
    }
}

/// The interval of a macro AUROC that has no spread, and how it was made: the mean of the classes' intervals, each at a level
/// at which all hold together (Bonferroni).
pub(crate) fn exact_macro_interval(views: &[ClassView]) -> Option<(Interval, &'static str)> {
    let known: Vec<&DeLong> = views.iter().filter_map(|view| view.area.as_ref()).collect();
    let level = 1.0 - (1.0 - LEVEL) / known.len() as f64;
    let ends: Vec<Interval> = known.iter().map(|area| area.estimate(level).interval).collect();
    let low = mean(ends.iter().map(|end| Some(end.low)))?;
    let high = mean(ends.iter().map(|end| Some(end.high)))?;
    Some((Interval { low, high }, "mean of simultaneous class intervals"))
}
