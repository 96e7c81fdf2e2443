//! The confusion matrix and what is read off it: accuracy, precision, recall, F1; one class against the rest, macro.
//!
//! Invariant: rows are the truth, columns the prediction. A ratio whose denominator is 0 has no value (`None`), so a
//! class that was never predicted has no precision; it is not 0, and macro means leave it out (as scikit-learn does with
//! `zero_division=nan`). Micro averages of precision, recall and F1 all are the accuracy: pooled over the classes, a mistake
//! is one false positive and one false negative. F1 is `2tp / (2tp + fp + fn)`: 0, not undefined, when a class is present and
//! never found.

use serde::Serialize;

/// Counts of (true class, predicted class).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Confusion {
    /// `rows[truth][predicted]`.
    pub rows: Vec<Vec<usize>>,
}

/// One class against the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneVsRest {
    /// Of the class, and predicted so.
    pub true_positives: usize,
    /// Of another class, predicted as this one.
    pub false_positives: usize,
    /// Of the class, predicted as another.
    pub false_negatives: usize,
    /// Of another class, and predicted as another.
    pub true_negatives: usize,
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl OneVsRest {
    /// Positive predictive value.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Sensitivity.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positives, self.support())
    }

    /// The share of the rest that is not called this class.
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negatives, self.true_negatives + self.false_positives)
    }

    /// Harmonic mean of precision and recall, from counts.
    pub fn f1(&self) -> Option<f64> {
        let twice = 2 * self.true_positives;
        ratio(twice, twice + self.false_positives + self.false_negatives)
    }

    /// Samples of the class.
    pub fn support(&self) -> usize {
        self.true_positives + self.false_negatives
    }
}

impl Confusion {
    /// Counts `labels` against `predicted`, both below `classes`.
    pub fn new(labels: &[usize], predicted: &[usize], classes: usize) -> Self {
        let mut rows = vec![vec![0; classes]; classes];
        for (&truth, &prediction) in labels.iter().zip(predicted) {
            rows[truth][prediction] += 1;
        }
        Self { rows }
    }

    /// Samples on the diagonal.
    pub fn right(&self) -> usize {
        (0..self.rows.len()).map(|class| self.rows[class][class]).sum()
    }

    /// `class` against the rest.
    pub fn one_vs_rest(&self, class: usize) -> OneVsRest {
        self.each_vs_rest().swap_remove(class)
    }

    /// Every class against the rest, in one pass over the matrix.
    pub fn each_vs_rest(&self) -> Vec<OneVsRest> {
        let mut called = vec![0; self.rows.len()];
        for row in &self.rows {
            called.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        }
        let total: usize = called.iter().sum();
        let one = |(class, row): (usize, &Vec<usize>)| {
            let (true_positives, support) = (row[class], row.iter().sum::<usize>());
            OneVsRest {
                true_positives,
                false_positives: called[class] - true_positives,
                false_negatives: support - true_positives,
                true_negatives: total + true_positives - support - called[class],
            }
        };
        self.rows.iter().enumerate().map(one).collect()
    }

    /// Macro average: the plain mean over the classes for which `metric` has a value.
    pub fn macro_average(&self, metric: impl Fn(&OneVsRest) -> Option<f64>) -> Option<f64> {
        mean(self.each_vs_rest().iter().map(metric))
    }

    /// The pairs of classes that are confused most often, `(truth, predicted, count)`, at most `most` of them: by count, then
    /// in order.
    pub fn largest(&self, most: usize) -> Vec<(usize, usize, usize)> {
        let mut found = vec![];
        for (truth, row) in self.rows.iter().enumerate() {
            let wrong = row.iter().enumerate().filter(|&(called, &count)| called != truth && count > 0);
            found.extend(wrong.map(|(called, &count)| (truth, called, count)));
        }
        found.sort_by_key(|&(truth, called, count)| (std::cmp::Reverse(count), truth, called));
        found.truncate(most);
        found
    }
}

/// The mean of the values that are there; `None` if none is.
pub(crate) fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}
