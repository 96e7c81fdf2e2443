//! The operating point of a model: fixing threshold and temperature on labelled images, in training and after it.

use crate::evaluate::{LabelledPredictions, class_numbers, truth_of};
use crate::promise::evidence;
use crate::{Error, Predictions};
use data::Dataset;
use eval::{Known, ThresholdRule};
use model::{Calibration, Metadata, Model, StoredFinding, StoredThreshold};
use std::path::Path;

impl LabelledPredictions<'_> {
    /// The threshold that `rule` chooses on these images of a model with two classes, with what it reaches there.
    /// `split` is what they are called, `place` where that is, in words that follow the rule's.
    ///
    /// # Errors
    /// What the rule lacks, in words.
    pub fn choose(&self, rule: ThresholdRule, split: &str, place: &str) -> Result<StoredThreshold, String> {
        let positive = self.positive.class;
        let scores: Vec<f64> =
            self.predictions.probabilities.chunks_exact(2).map(|row| row[positive]).collect();
        let is: Vec<bool> = self.labels.iter().map(|&label| label == positive).collect();
        let name = self.metadata.classes[positive].clone();
        let place = [split, place, &self.dataset.fingerprint()];
        chosen(rule, name, &scores, &is, self.groups.as_deref(), place)
    }

    /// The same of the finding `at`, over the images of which it is known.
    ///
    /// # Errors
    /// What the rule lacks, in words.
    pub fn choose_finding(
        &self,
        at: usize,
        rule: ThresholdRule,
        split: &str,
        place: &str,
    ) -> Result<StoredThreshold, String> {
        let (known, scores) = self.known(at);
        let groups = self.groups.as_ref().map(|groups| known.pick(groups));
        let place = [split, place, &self.dataset.fingerprint()];
        chosen(rule, self.metadata.classes[at].clone(), &scores, &known.is, groups.as_deref(), place)
    }
}

/// The threshold that `rule` chooses for samples with these `scores` of what is called `name`, `is` saying which are of
/// it, with what it reaches on them. `place` is the name of the split, where that is in words, and the fingerprint of
/// the data.
fn chosen(
    rule: ThresholdRule,
    name: String,
    scores: &[f64],
    is: &[bool],
    groups: Option<&[usize]>,
    [split, place, fingerprint]: [&str; 3],
) -> Result<StoredThreshold, String> {
    let chosen = rule.choose(scores, is)?;
    let called: Vec<bool> = scores.iter().map(|&score| score >= chosen.value).collect();
    let mut evidence = evidence(split, fingerprint, is, &called, groups);
    if !matches!(rule, ThresholdRule::Ppv(_)) {
        // It depends on how many of these images are positive, which nobody was asked to promise.
        (evidence.ppv, evidence.ppv_ci) = (None, None);
    }
    Ok(StoredThreshold {
        value: chosen.value as f32,
        rule: format!("{}, {place}", chosen.rule),
        positive: name,
        evidence: Some(evidence),
    })
}

/// Stores slope, intercept and threshold of every finding, as the validation split has them; what predictions are then.
/// A finding that is there in none of its images, or in all, stays as the network says, and so does one that a
/// threshold divides without error, where no slope is too steep.
pub(crate) fn fit_findings(
    rule: ThresholdRule,
    metadata: &mut Metadata,
    raw: &Predictions,
    dataset: &Dataset,
    warnings: &mut Vec<String>,
) -> Result<Predictions, Error> {
    let all: Vec<usize> = (0..metadata.classes.len()).collect();
    metadata.findings = vec![StoredFinding::PLAIN; all.len()];
    let before = metadata.findings.clone();
    let (moved, _) = fit_slopes(metadata, raw, dataset, &all, &before)?;
    let evaluation = LabelledPredictions::new(metadata, &moved, dataset)?;
    let choose = |&at: &usize| evaluation.choose_finding(at, rule, "val", "on the validation split");
    let chosen: Vec<_> = all.iter().map(choose).collect();
    for (at, chosen) in chosen.into_iter().enumerate() {
        match chosen {
            Ok(threshold) => metadata.findings[at].threshold = Some(threshold),
            Err(reason) => warnings.push(format!(
                "{} has no threshold, so it is called from one half on: {reason}",
                metadata.classes[at]
            )),
        }
    }
    Ok(moved)
}

/// Fits slope and intercept of the findings `which` on the predictions `raw` of images in `dataset`, which were made
/// with a slope of 1 and an intercept of 0 of these: what predictions are then, and the findings that could be fitted.
/// One that none or all of the images have, or that a threshold divides without error, gets what it has in `before`.
///
/// Each finding has its own two numbers, not one temperature for all: weights of the classes in training, and another
/// site's prevalence, move every finding by another amount.
pub fn fit_slopes(
    metadata: &mut Metadata,
    raw: &Predictions,
    dataset: &Dataset,
    which: &[usize],
    before: &[StoredFinding],
) -> Result<(Predictions, Vec<usize>), Error> {
    let count = metadata.classes.len();
    let truth = truth_of(&metadata.classes, &raw.indices, dataset)?;
    let (mut moves, mut fitted) = (vec![[1.0, 0.0]; count], vec![]);
    for &at in which {
        let known = Known::of(&truth, at, count);
        let fit = eval::calibration::recalibration(&known.scores(&raw.probabilities, at, count), &known.is);
        let fit = fit
            .map(|fit| (fit.slope as f32, fit.intercept as f32))
            .filter(|(slope, intercept)| *slope > 0.0 && slope.is_finite() && intercept.is_finite());
        let of = &mut metadata.findings[at];
        (of.slope, of.intercept) = fit.unwrap_or((before[at].slope, before[at].intercept));
        fitted.extend(fit.map(|_| at));
        moves[at] = predict::recalibration(metadata, at);
    }
    Ok((raw.recalibrated(&moves), fitted))
}

/// Fits the temperature of a model on the predictions `raw` of images in `dataset`, which were made at a temperature of
/// 1: what they are at the one that was fitted. `otherwise` is kept where none can be fitted, because all images are
/// right or the probabilities carry nothing.
pub fn fit_temperature(
    metadata: &mut Metadata,
    raw: &Predictions,
    dataset: &Dataset,
    otherwise: Option<Calibration>,
) -> Result<Predictions, Error> {
    let classes = metadata.classes.len();
    let labels = class_numbers(&metadata.classes, &raw.indices, dataset)?;
    let fitted = eval::fit_temperature(&raw.log_probabilities, classes, &labels);
    metadata.calibration = fitted.map(|t| Calibration { temperature: t as f32 }).or(otherwise);
    Ok(raw.at_temperature(classes, metadata.calibration.map_or(1.0, |c| c.temperature.into())))
}

/// The metric that says a threshold was set after the training, and at which the figures are.
const SET_AFTER: &str = "note";

/// Makes `threshold` that of a model that was trained; the one before.
pub fn set_threshold(metadata: &mut Metadata, threshold: StoredThreshold) -> Option<StoredThreshold> {
    let positive = threshold.positive.clone();
    let before = metadata.threshold.take();
    metadata.positive_was_set |= metadata.positive().is_none_or(|known| *known != positive);
    (metadata.threshold, metadata.positive) = (Some(threshold), Some(positive));
    let at =
        before.as_ref().map_or("one half".to_owned(), |t| format!("{} from p = {}", t.positive, t.value));
    threshold_was_set(metadata, "accuracy, sensitivity and specificity", &at);
    before
}

/// The same of a finding, which `threshold` names.
pub fn set_finding_threshold(metadata: &mut Metadata, threshold: StoredThreshold) -> Option<StoredThreshold> {
    metadata.findings.resize(metadata.classes.len(), StoredFinding::PLAIN);
    let at = metadata.classes.iter().position(|name| *name == threshold.positive)?;
    let before = metadata.findings[at].threshold.replace(threshold);
    threshold_was_set(metadata, "sensitivity and specificity", "the thresholds of the training");
    before
}

/// Notes that the `figures` of the run are those at a threshold that was `at`.
fn threshold_was_set(metadata: &mut Metadata, figures: &str, at: &str) {
    if let Some(origins) = metadata.calibrated.as_object_mut() {
        origins.remove("threshold");
    }
    if let Some(metrics) = metadata.provenance.metrics.as_object_mut() {
        let why = format!("{figures} are those at {at}, before another threshold was set");
        metrics.entry(SET_AFTER).or_insert(why.into());
    }
}

/// A model whose operating point a user fixed after its training.
pub(crate) struct Fixed(Model);

/// The model file `best`, if a user has fixed its operating point since the run ended that left it.
pub(crate) fn fixed_after_training(best: &Path) -> Result<Option<Fixed>, Error> {
    if !best.exists() {
        return Ok(None);
    }
    let model = Model::read(best)?;
    let Metadata { calibrated, provenance, .. } = &model.metadata;
    let is_calibrated = calibrated.as_object().is_some_and(|origins| !origins.is_empty());
    let is_fixed = is_calibrated || provenance.metrics.get(SET_AFTER).is_some();
    Ok(is_fixed.then_some(Fixed(model)))
}

impl Fixed {
    /// Puts it back into `model`, if that has the same weights, and says so; other weights need another.
    pub fn restore(self, model: &mut Model) -> String {
        if self.0.weights != model.weights {
            return "the weights are others now, so the operating point that had been set for the earlier ones is gone; \
                    `vertebra calibrate` fixes another"
                .to_owned();
        }
        let (before, metadata) = (self.0.metadata, &mut model.metadata);
        metadata.threshold = before.threshold;
        metadata.positive = before.positive;
        metadata.positive_was_set = before.positive_was_set;
        metadata.calibration = before.calibration;
        metadata.calibrated = before.calibrated;
        metadata.findings = before.findings;
        if let (Some(metrics), Some(note)) =
            (metadata.provenance.metrics.as_object_mut(), before.provenance.metrics.get(SET_AFTER))
        {
            metrics.insert(SET_AFTER.to_owned(), note.clone());
        }
        "the weights are the same, so the model keeps the operating point that was set after its training; these figures are \
         at the one that training chose"
            .to_owned()
    }
}
