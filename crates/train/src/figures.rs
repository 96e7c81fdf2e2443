//! What is judged of an epoch: quick, without intervals.

use crate::Predictions;
use crate::evaluate::truth;
use data::Dataset;
use eval::{Known, default_positive};
use model::Metadata;

/// The figures of an epoch on the validation split.
pub(crate) struct EpochFigures {
    /// The mean cross-entropy.
    pub loss: f64,
    /// Of the largest probability; of findings, called from one half on.
    pub accuracy: f64,
    /// Of the positive class; with more than two classes, or of findings, the mean of those that have one.
    pub auroc: Option<f64>,
}

impl EpochFigures {
    /// Of predictions of a model for images of the data set that it learns from.
    pub fn of(predictions: &Predictions, dataset: &Dataset, metadata: &Metadata) -> Self {
        let (indices, probabilities) = (&predictions.indices, &predictions.probabilities);
        let ((accuracy, areas), loss) = match metadata.has_findings() {
            true => {
                let truth = truth(dataset, indices);
                let figures = of_findings(probabilities, &truth, dataset.classes.len());
                (figures, predictions.loss_of_findings(&truth))
            }
            false => {
                let labels: Vec<usize> = indices.iter().map(|&i| dataset.samples[i].label).collect();
                (of_classes(probabilities, &labels, &dataset.classes), predictions.loss(&labels))
            }
        };
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        Self { loss, accuracy, auroc: (!areas.is_empty()).then_some(mean) }
    }
}

/// Accuracy and AUROCs of classes.
fn of_classes(probabilities: &[f64], labels: &[usize], classes: &[String]) -> (f64, Vec<f64>) {
    let rows = || probabilities.chunks_exact(classes.len());
    let right = rows().zip(labels).filter(|&(row, &label)| eval::argmax(row) == label).count();
    let auroc = |class: usize| {
        let scores: Vec<f64> = rows().map(|row| row[class]).collect();
        let positive: Vec<bool> = labels.iter().map(|&label| label == class).collect();
        eval::auroc(&scores, &positive)
    };
    // Of two classes either has the same area.
    let of = if classes.len() == 2 { vec![default_positive(classes)] } else { (0..classes.len()).collect() };
    (right as f64 / labels.len() as f64, of.into_iter().filter_map(auroc).collect())
}

/// The same of `count` findings, over what is known.
fn of_findings(probabilities: &[f64], truth: &[Option<bool>], count: usize) -> (f64, Vec<f64>) {
    // All pairs of image and finding, as if they were images.
    let pairs = Known::of(truth, 0, 1);
    let calls = pairs.scores(probabilities, 0, 1).into_iter().map(|p| p >= 0.5);
    let right = calls.zip(&pairs.is).filter(|(call, is)| call == *is).count();
    let area = |finding: usize| {
        let known = Known::of(truth, finding, count);
        eval::auroc(&known.scores(probabilities, finding, count), &known.is)
    };
    (right as f64 / pairs.is.len().max(1) as f64, (0..count).filter_map(area).collect())
}
