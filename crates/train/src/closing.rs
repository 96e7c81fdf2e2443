//! What ends a run: temperature and threshold are fixed on the validation split, the test split is evaluated, and the
//! model file is completed with all of it.

use crate::evaluate::{LabelledPredictions, Question, class_numbers};
use crate::predictions::{Predictions, predict_all, predict_loader};
use crate::{Error, Opening};
use data::{Dataset, Loader, Remarks, Split};
use eval::{Summary, ThresholdRule};
use model::{Calibration, Model};
use predict::Classifier;
use std::path::PathBuf;

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The evaluation of the test split; of the validation split if there is no other.
    pub summary: Summary,
    /// The same at the largest probability, for two classes with a chosen threshold.
    pub at_half: Option<Summary>,
    /// The threshold that was chosen, with what it reached where it was.
    pub threshold: Option<model::StoredThreshold>,
    /// What was evaluated.
    pub split: Split,
    /// The epoch whose weights were used; 0: no epoch was validated, so the last weights.
    pub best_epoch: u64,
    /// The predictions that were evaluated.
    pub predictions: Predictions,
    /// Class names.
    pub classes: Vec<String>,
    /// This look at them, to be recorded; the command that looked is to be filled in.
    pub opening: Opening,
    /// The first image that was evaluated: something to try the model on.
    pub example: PathBuf,
    /// What the reader of files said of the test images.
    pub remarks: Remarks,
}

impl Report {
    /// Fixes temperature and threshold on the validation split, evaluates the test split, and completes the metadata
    /// of `model` with all three.
    pub(crate) fn new(
        mut model: Model,
        dataset: &Dataset,
        validation: &Loader,
        rule: ThresholdRule,
        best_epoch: u64,
    ) -> Result<(Self, Model), Error> {
        let raw = predict_loader(&mut Classifier::new(&model)?, validation)?;
        let classes = model.metadata.classes.clone();
        let val_labels = class_numbers(&classes, &raw.indices, dataset)?;
        let val_loss = raw.loss(&val_labels);
        let temperature = eval::fit_temperature(&raw.probabilities, classes.len(), &val_labels);
        model.metadata.calibration = temperature.map(|t| Calibration { temperature: t as f32 });
        let mut classifier = Classifier::new(&model)?;
        let on_validation = raw.at_temperature(classes.len(), classifier.temperature());
        if classes.len() == 2 {
            model.metadata.threshold = choose_threshold(rule, &model.metadata, &on_validation, dataset)?;
        }
        let test = dataset.part(Split::Test);
        let remarks = Remarks::default();
        let prep = &model.metadata.preprocessing;
        let (split, predictions) = match test.is_empty() {
            true => (Split::Val, on_validation),
            false => (Split::Test, predict_all(&mut classifier, dataset, &test, prep, &remarks)?),
        };
        let name = split.to_string();
        let question = Question::of(&name);
        let evaluation = LabelledPredictions::new(&model.metadata, &predictions, dataset)?;
        let summary = evaluation.summary(&question)?;
        let chosen = model.metadata.threshold.as_ref();
        let at_half = Question { threshold: Some(0.5), draws: 0, ..question };
        let at_half = chosen.map(|_| evaluation.summary(&at_half)).transpose()?;
        model.metadata.provenance.metrics = serde_json::json!({
            "best_epoch": best_epoch,
            "val_loss": val_loss,
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
        let opening = Opening::now(String::new(), dataset, &predictions.indices);
        let threshold = model.metadata.threshold.clone();
        let report = Self {
            summary,
            at_half,
            threshold,
            split,
            best_epoch,
            predictions,
            classes,
            opening,
            example,
            remarks,
        };
        Ok((report, model))
    }
}

/// The threshold that `rule` chooses on the validation split; none if that has one class only.
fn choose_threshold(
    rule: ThresholdRule,
    metadata: &model::Metadata,
    predictions: &Predictions,
    dataset: &Dataset,
) -> Result<Option<model::StoredThreshold>, Error> {
    let evaluation = LabelledPredictions::new(metadata, predictions, dataset)?;
    let class = evaluation.positive();
    let scores: Vec<f64> = predictions.probabilities.chunks_exact(2).map(|row| row[class]).collect();
    let positive: Vec<bool> = evaluation.labels.iter().map(|&label| label == class).collect();
    Ok(rule.choose(&scores, &positive).map(|chosen| {
        // What is stored decides.
        let value = chosen.value as f32;
        model::StoredThreshold {
            value,
            rule: format!("{}, on the validation split", chosen.rule),
            positive: metadata.classes[class].clone(),
            evidence: Some(evaluation.evidence("val", value.into())),
        }
    }))
}
