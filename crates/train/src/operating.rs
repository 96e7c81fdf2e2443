//! The operating point of a model: fixing threshold and temperature on labelled images, in training and after it.

use crate::evaluate::{LabelledPredictions, class_numbers};
use crate::promise::evidence;
use crate::{Error, Predictions};
use data::Dataset;
use eval::ThresholdRule;
use model::{Calibration, Metadata, StoredThreshold};

impl LabelledPredictions<'_> {
    /// The threshold that `rule` chooses on these images of a model with two classes, with what it reaches there. `split`
    /// is what they are called, `place` where that is, in words that follow the rule's.
    ///
    /// # Errors
    /// What the rule lacks, in words.
    pub fn choose(&self, rule: ThresholdRule, split: &str, place: &str) -> Result<StoredThreshold, String> {
        let positive = self.positive.class;
        let scores: Vec<f64> =
            self.predictions.probabilities.chunks_exact(2).map(|row| row[positive]).collect();
        let is: Vec<bool> = self.labels.iter().map(|&label| label == positive).collect();
        let chosen = rule.choose(&scores, &is)?;
        let called: Vec<bool> = scores.iter().map(|&score| score >= chosen.value).collect();
        let mut evidence = evidence(split, &self.dataset.fingerprint(), &is, &called, self.groups.as_deref());
        if !matches!(rule, ThresholdRule::Ppv(_)) {
            // It depends on how many of these images are positive, which nobody was asked to promise.
            (evidence.ppv, evidence.ppv_ci) = (None, None);
        }
        Ok(StoredThreshold {
            value: chosen.value as f32,
            rule: format!("{}, {place}", chosen.rule),
            positive: self.metadata.classes[positive].clone(),
            evidence: Some(evidence),
        })
    }
}

/// Fits the temperature of a model on the predictions `raw` of images in `dataset`, which were made at a temperature of 1:
/// what they are at the one that was fitted. `otherwise` is kept where none can be fitted, because all images are right or
/// the probabilities carry nothing.
pub fn fit_temperature(
    metadata: &mut Metadata,
    raw: &Predictions,
    dataset: &Dataset,
    otherwise: Option<Calibration>,
) -> Result<Predictions, Error> {
    let classes = metadata.classes.len();
    let labels = class_numbers(&metadata.classes, &raw.indices, dataset)?;
    let fitted = eval::fit_temperature(&raw.probabilities, classes, &labels);
    metadata.calibration = fitted.map(|t| Calibration { temperature: t as f32 }).or(otherwise);
    Ok(raw.at_temperature(classes, metadata.calibration.map_or(1.0, |c| c.temperature.into())))
}

/// Makes `threshold` that of a model that was trained; the one before.
pub fn set_threshold(metadata: &mut Metadata, threshold: StoredThreshold) -> Option<StoredThreshold> {
    let positive = threshold.positive.clone();
    let before = metadata.threshold.take();
    metadata.positive_was_set |= metadata.positive().is_none_or(|known| *known != positive);
    (metadata.threshold, metadata.positive) = (Some(threshold), Some(positive));
    if let Some(origins) = metadata.calibrated.as_object_mut() {
        origins.remove("threshold");
    }
    if let Some(metrics) = metadata.provenance.metrics.as_object_mut() {
        let at =
            before.as_ref().map_or("one half".to_owned(), |t| format!("{} from p = {}", t.positive, t.value));
        let why = format!(
            "accuracy, sensitivity and specificity are those at {at}, before another threshold was set"
        );
        metrics.entry("note").or_insert(why.into());
    }
    before
}
