//! What ends a run: temperature and threshold are fixed on the validation split, the test split is evaluated, and the
//! model file is completed with all of it.

use crate::evaluate::{LabelledPredictions, Question, class_numbers};
use crate::fit::truth;
use crate::operating::fit_temperature;
use crate::predictions::{Predictions, predict_all, predict_loader};
use crate::promise::{doubts, evidence};
use crate::{Error, Opening, trouble};
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
        best_epoch: u64,
        mut warnings: Vec<String>,
    ) -> Result<(Self, Model), Error> {
        let raw = predict_loader(&mut Classifier::new(&model)?, validation)?;
        let classes = model.metadata.classes.clone();
        let (val_loss, on_validation) = match model.metadata.has_findings() {
            true => {
                let truth = truth(dataset, &raw.indices);
                let moved = fit_findings(rule, &mut model.metadata, &raw, &truth, dataset, &mut warnings);
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
                            "no threshold was chosen, so the larger probability decides: {reason} (--threshold-rule {}, \
                             on the validation split)",
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
            predictions,
            classes,
            opening,
            example,
            remarks,
        };
        Ok((report, model))
    }
}

/// Stores slope, intercept and threshold of every finding, as the validation split has them; what predictions are then. A
/// finding that is there in none of its images, or in all, stays as the network says, and so does one that a threshold divides
/// without error, where no slope is too steep.
fn fit_findings(
    rule: ThresholdRule,
    metadata: &mut model::Metadata,
    raw: &Predictions,
    truth: &[Option<bool>],
    dataset: &Dataset,
    warnings: &mut Vec<String>,
) -> Predictions {
    let count = metadata.classes.len();
    let known = |predictions: &Predictions, at: usize| -> (Vec<f64>, Vec<bool>) {
        let all = predictions.probabilities.iter().zip(truth).skip(at).step_by(count);
        all.filter_map(|(&p, is)| Some((p, (*is)?))).unzip()
    };
    let fit = |at| {
        let (scores, positive) = known(raw, at);
        let fit = eval::calibration::recalibration(&scores, &positive)?;
        let (slope, intercept) = (fit.slope as f32, fit.intercept as f32);
        let is_usable = slope > 0.0 && slope.is_finite() && intercept.is_finite();
        is_usable.then_some(model::StoredFinding { slope, intercept, threshold: None })
    };
    metadata.findings = (0..count).map(|at| fit(at).unwrap_or(model::StoredFinding::PLAIN)).collect();
    let moves: Vec<[f64; 2]> = (0..count).map(|at| predict::recalibration(metadata, at)).collect();
    let moved = raw.recalibrated(&moves);
    let (fingerprint, has_groups) = (dataset.fingerprint(), dataset.has_groups());
    for at in 0..count {
        let (scores, positive) = known(&moved, at);
        let chosen = match rule.choose(&scores, &positive) {
            Ok(chosen) => chosen,
            Err(reason) => {
                let finding = &metadata.classes[at];
                warnings.push(format!("{finding} has no threshold, so it is called from 0.5 on: {reason}"));
                continue;
            }
        };
        let value = chosen.value as f32;
        let called: Vec<bool> = scores.iter().map(|&p| p >= value.into()).collect();
        let images = raw.indices.iter().zip(truth.iter().skip(at).step_by(count));
        let keys: Vec<_> =
            images.filter(|(_, is)| is.is_some()).map(|(&i, _)| dataset.group_key(i)).collect();
        let groups = has_groups.then(|| eval::group_ids(&keys));
        metadata.findings[at].threshold = Some(model::StoredThreshold {
            value,
            rule: format!("{}, on the validation split", chosen.rule),
            positive: metadata.classes[at].clone(),
            evidence: Some(evidence("val", &fingerprint, &positive, &called, groups.as_deref())),
        });
    }
    moved
}
