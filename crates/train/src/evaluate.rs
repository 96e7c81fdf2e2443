//! From predictions to results: the summary of a split, the decision threshold, and the table of predictions.
//!
//! The threshold of a two-class model is chosen on the validation split, is stored in the model with the rule that chose
//! it, and decides everything that is reported of any other split.

use crate::{Classifier, Error, Predictions};
use data::{Dataset, Loader, Split};
use eval::{Input, Summary, default_positive};
use model::{Metadata, Model};
use std::path::{Path, PathBuf};

/// Bootstrap draws of a summary.
const DRAWS: usize = 1000;

/// The quick figures of an epoch.
pub(crate) struct Quick {
    pub accuracy: f64,
    pub auroc: Option<f64>,
}

/// Accuracy of the largest probability, and AUROC (of the positive class; with more than two, the mean over classes).
pub(crate) fn quick(probabilities: &[f64], labels: &[usize], classes: &[String]) -> Quick {
    let rows = || probabilities.chunks_exact(classes.len());
    let right = rows().zip(labels).filter(|&(row, &label)| eval::argmax(row) == label).count();
    let auroc = |class: usize| {
        let scores: Vec<f64> = rows().map(|row| row[class]).collect();
        let positive: Vec<bool> = labels.iter().map(|&label| label == class).collect();
        eval::auroc(&scores, &positive)
    };
    let of = if classes.len() == 2 { vec![default_positive(classes)] } else { (0..classes.len()).collect() };
    let areas: Vec<f64> = of.into_iter().filter_map(auroc).collect();
    let mean = areas.iter().sum::<f64>() / areas.len() as f64;
    Quick { accuracy: right as f64 / labels.len() as f64, auroc: (!areas.is_empty()).then_some(mean) }
}

/// Evaluates `predictions` of images in `dataset`. `split` is what the summary calls them, `threshold` replaces the
/// model's.
pub fn summarise(
    metadata: &Metadata,
    predictions: &Predictions,
    dataset: &Dataset,
    split: &str,
    threshold: Option<f64>,
) -> Result<Summary, Error> {
    let labels = labels(&metadata.classes, predictions, dataset)?;
    let samples = || predictions.indices.iter().map(|&i| &dataset.samples[i]);
    let grouped = dataset.samples.iter().any(|sample| sample.group.is_some());
    let names: Vec<_> = samples().map(|s| (s.group.is_some(), s.group.as_ref().unwrap_or(&s.name))).collect();
    let groups = grouped.then(|| eval::group_ids(&names));
    let stored = metadata.threshold.as_ref();
    let positive = stored.and_then(|stored| metadata.classes.iter().position(|c| *c == stored.positive));
    let threshold = match (threshold, stored) {
        (Some(value), _) => eval::Threshold::fixed(value),
        (None, Some(stored)) => eval::Threshold { value: stored.value.into(), rule: stored.rule.clone() },
        (None, None) => eval::Threshold { value: 0.5, rule: "largest probability".into() },
    };
    Ok(Summary::new(&Input {
        split,
        labels: &labels,
        probabilities: &predictions.probabilities,
        classes: &metadata.classes,
        groups: groups.as_deref(),
        positive: positive.unwrap_or_else(|| default_positive(&metadata.classes)),
        threshold,
        prevalence: None,
        draws: DRAWS,
        seed: 0,
    })?)
}

/// The true classes of predicted images, as the model numbers them.
fn labels(classes: &[String], predictions: &Predictions, dataset: &Dataset) -> Result<Vec<usize>, Error> {
    let number = |&i: &usize| {
        let sample = &dataset.samples[i];
        let class = &dataset.classes[sample.label];
        classes.iter().position(|known| known == class).ok_or_else(|| {
            let known = classes.join(", ");
            let reason =
                format!("{}: expected one of the model's classes ({known}), found {class}", sample.name);
            Error::run(&dataset.source, reason)
        })
    };
    predictions.indices.iter().map(number).collect()
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The evaluation of the test split; of the validation split if there is no other.
    pub summary: Summary,
    /// The same at the largest probability, for two classes with a chosen threshold.
    pub at_half: Option<Summary>,
    /// What was evaluated.
    pub split: Split,
    /// The epoch whose weights were used; 0: no epoch was validated, so the last weights.
    pub best_epoch: u64,
    /// The predictions that were evaluated.
    pub predictions: Predictions,
    /// Class names.
    pub classes: Vec<String>,
    /// The first image that was evaluated: something to try the model on.
    pub example: PathBuf,
}

impl Report {
    /// Evaluates `model`, and completes its metadata with the threshold and the metrics.
    pub(crate) fn new(
        mut model: Model,
        dataset: &Dataset,
        validation: &Loader,
        best_epoch: u64,
    ) -> Result<(Self, Model), Error> {
        let mut classifier = Classifier::new(&model)?;
        let on_validation = classifier.predict_loader(validation)?;
        let classes = model.metadata.classes.clone();
        let val_labels = labels(&classes, &on_validation, dataset)?;
        if classes.len() == 2 {
            model.metadata.threshold = choose_threshold(&classes, &on_validation, &val_labels);
        }
        let test = dataset.part(Split::Test);
        let (split, predictions) = if test.is_empty() {
            (Split::Val, on_validation.clone())
        } else {
            (Split::Test, classifier.predict_all(dataset, &test, &model.metadata.preprocessing)?)
        };
        let summary = summarise(&model.metadata, &predictions, dataset, &split.to_string(), None)?;
        let chosen = model.metadata.threshold.as_ref();
        let at_half = chosen
            .map(|_| summarise(&model.metadata, &predictions, dataset, &split.to_string(), Some(0.5)))
            .transpose()?;
        model.metadata.provenance.metrics = serde_json::json!({
            "best_epoch": best_epoch,
            "val_loss": on_validation.loss(&val_labels),
            "split": summary.split,
            "images": summary.images,
            "groups": summary.groups,
            "accuracy": summary.accuracy,
            "auroc": summary.auroc,
            "auroc_ci": summary.auroc_ci,
            "sensitivity": summary.sensitivity,
            "specificity": summary.specificity,
        });
        let example = dataset.samples[predictions.indices[0]].path.clone();
        Ok((Self { summary, at_half, split, best_epoch, predictions, classes, example }, model))
    }

    /// Writes a line for every evaluated image: its path, class, predicted class and probabilities.
    pub(crate) fn write_predictions(&self, path: &Path, dataset: &Dataset) -> Result<(), Error> {
        Ok(model::write_atomic(path, |file| {
            let mut table = csv::Writer::from_writer(file);
            let mut header = vec!["path".to_owned(), "label".into(), "predicted".into()];
            header.extend(self.classes.iter().map(|class| format!("p_{class}")));
            table.write_record(&header)?;
            let rows = self.predictions.probabilities.chunks_exact(self.classes.len());
            for (&i, row) in self.predictions.indices.iter().zip(rows) {
                let sample = &dataset.samples[i];
                let predicted = &self.classes[self.decide(row)];
                let mut line =
                    vec![sample.name.clone(), dataset.classes[sample.label].clone(), predicted.clone()];
                line.extend(row.iter().map(|p| format!("{p:.6}")));
                table.write_record(&line)?;
            }
            table.flush()
        })?)
    }

    /// The predicted class of one image.
    fn decide(&self, row: &[f64]) -> usize {
        let positive = self.summary.positive_class.as_ref();
        let positive = positive.and_then(|class| self.classes.iter().position(|known| known == class));
        decide(row, positive.zip(self.summary.threshold))
    }
}

/// The predicted class: the positive one (its number and threshold are given) from the threshold on, or the largest.
fn decide(row: &[f64], rule: Option<(usize, f64)>) -> usize {
    match rule {
        Some((positive, threshold)) if row[positive] >= threshold => positive,
        Some((positive, _)) => 1 - positive,
        None => eval::argmax(row),
    }
}

/// The class that a model calls for an image with these probabilities: by its threshold if it has one.
pub fn predicted_class(metadata: &Metadata, row: &[f64]) -> usize {
    let rule = metadata.threshold.as_ref().and_then(|stored| {
        let positive = metadata.classes.iter().position(|class| *class == stored.positive)?;
        Some((positive, f64::from(stored.value)))
    });
    decide(row, rule)
}

/// The threshold by Youden's rule on the validation split; none if that has one class only.
fn choose_threshold(
    classes: &[String],
    predictions: &Predictions,
    labels: &[usize],
) -> Option<model::Threshold> {
    let class = default_positive(classes);
    let scores: Vec<f64> = predictions.probabilities.chunks_exact(2).map(|row| row[class]).collect();
    let positive: Vec<bool> = labels.iter().map(|&label| label == class).collect();
    let chosen = eval::Threshold::youden(&scores, &positive)?;
    let rule = format!("{}, on the validation split", chosen.rule);
    Some(model::Threshold { value: chosen.value as f32, rule, positive: classes[class].clone() })
}
