//! The operating point of a model: fixing threshold and temperature on labelled images, in training and after it.

use crate::evaluate::{LabelledPredictions, class_numbers, known};
use crate::promise::evidence;
use crate::{Error, Predictions};
use data::Dataset;
use eval::ThresholdRule;
use model::{Calibration, Metadata, StoredFinding, StoredThreshold};

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
        let name = self.metadata.classes[positive].clone();
        let place = [split, place, &self.dataset.fingerprint()];
        chosen(rule, name, &scores, &is, self.groups.as_deref(), place)
    }
}

/// The threshold that `rule` chooses for samples with these `scores` of what is called `name`, `is` saying which are of it,
/// with what it reaches on them. `place` is the name of the split, where that is in words, and the fingerprint of the data.
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

/// Stores slope, intercept and threshold of every finding, as the validation split has them; what predictions are then. A
/// finding that is there in none of its images, or in all, stays as the network says, and so does one that a threshold divides
/// without error, where no slope is too steep.
pub(crate) fn fit_findings(
    rule: ThresholdRule,
    metadata: &mut Metadata,
    raw: &Predictions,
    truth: &[Option<bool>],
    dataset: &Dataset,
    warnings: &mut Vec<String>,
) -> Predictions {
    let count = metadata.classes.len();
    let known = |of: &Predictions, at: usize| known(&of.probabilities, truth, at, count);
    let fit = |at| {
        let (scores, positive) = known(raw, at);
        let fit = eval::calibration::recalibration(&scores, &positive)?;
        let (slope, intercept) = (fit.slope as f32, fit.intercept as f32);
        let is_usable = slope > 0.0 && slope.is_finite() && intercept.is_finite();
        is_usable.then_some(StoredFinding { slope, intercept, threshold: None })
    };
    metadata.findings = (0..count).map(|at| fit(at).unwrap_or(StoredFinding::PLAIN)).collect();
    let moves: Vec<[f64; 2]> = (0..count).map(|at| predict::recalibration(metadata, at)).collect();
    let moved = raw.recalibrated(&moves);
    let (fingerprint, has_groups) = (dataset.fingerprint(), dataset.has_groups());
    for at in 0..count {
        let (scores, positive) = known(&moved, at);
        let images = raw.indices.iter().zip(truth.iter().skip(at).step_by(count));
        let keys: Vec<_> =
            images.filter(|(_, is)| is.is_some()).map(|(&i, _)| dataset.group_key(i)).collect();
        let groups = has_groups.then(|| eval::group_ids(&keys));
        let name = metadata.classes[at].clone();
        let place = ["val", "on the validation split", &fingerprint];
        match chosen(rule, name, &scores, &positive, groups.as_deref(), place) {
            Ok(threshold) => metadata.findings[at].threshold = Some(threshold),
            Err(reason) => warnings.push(format!(
                "{} has no threshold, so it is called from one half on: {reason}",
                metadata.classes[at]
            )),
        }
    }
    moved
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
