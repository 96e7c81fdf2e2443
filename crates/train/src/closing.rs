//! What ends a run: temperature and threshold are fixed on the validation split, the test split is evaluated, and the
//! model file is completed with all of it.

use crate::evaluate::{LabelledPredictions, Question, class_numbers, truth};
use crate::operating::{fit_findings, fit_temperature};
use crate::predictions::{Predictions, predict_all, predict_loader};
use crate::promise::doubts;
use crate::{BestBy, Error, Opening, trouble};
use data::{Dataset, Loader, Remarks, Split};
use eval::{Summary, ThresholdRule};
use model::Model;
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
    /// What went wrong without ending the run, a line each.
    pub warnings: Vec<String>,
    /// What was evaluated.
    pub split: Split,
    /// The epoch whose weights were used; 0: no epoch was validated, so the last weights.
    pub best_epoch: u64,
    /// What that epoch is best by.
    pub best_by: BestBy,
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
    /// of `model` with all three. `warnings` are those so far.
    pub(crate) fn new(
        mut model: Model,
        dataset: &Dataset,
        validation: &Loader,
        rule: ThresholdRule,
        (best_epoch, best_by): (u64, BestBy),
        mut warnings: Vec<String>,
    ) -> Result<(Self, Model), Error> {
        let raw = predict_loader(&mut Classifier::new(&model)?, validation)?;
        let classes = model.metadata.classes.clone();
        let (val_loss, on_validation) = match model.metadata.has_findings() {
            true => {
                let truth = truth(dataset, &raw.indices);
                let moved = fit_findings(rule, &mut model.metadata, &raw, dataset, &mut warnings)?;
                (raw.loss_of_findings(&truth), moved)
            }
            false => {
                let val_labels = class_numbers(&classes, &raw.indices, dataset)?;
                let moved = fit_temperature(&mut model.metadata, &raw, dataset, None)?;
                if classes.len() == 2 {
                    let evaluation = LabelledPredictions::new(&model.metadata, &moved, dataset)?;
                    match evaluation.choose(rule, "val", "on the validation split") {
                        Ok(threshold) => model.metadata.threshold = Some(threshold),
                        Err(reason) => warnings.push(format!(
                            "no threshold was chosen, so the larger probability decides: {reason} (--threshold-rule \
                             {}, on the validation split)",
                            String::from(rule)
                        )),
                    }
                }
                warnings.extend(trouble::never_called(&model.metadata, &moved, &val_labels));
                (raw.loss(&val_labels), moved)
            }
        };
        let mut classifier = Classifier::new(&model)?;
        let of_findings = model.metadata.findings.iter().filter_map(|finding| finding.threshold.as_ref());
        warnings.extend(model.metadata.threshold.iter().chain(of_findings).flat_map(doubts));
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
        if !warnings.is_empty() {
            model.metadata.provenance.metrics["warnings"] = serde_json::json!(warnings);
        }
        let example = dataset.samples[predictions.indices[0]].path.clone();
        let opening = Opening::now(String::new(), dataset, &predictions.indices);
        let threshold = model.metadata.threshold.clone();
        let report = Self {
            summary,
            at_half,
            threshold,
            warnings,
            split,
            best_epoch,
            best_by,
            predictions,
            classes,
            opening,
            example,
            remarks,
        };
        Ok((report, model))
    }
}
