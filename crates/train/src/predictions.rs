//! What a model says of the images of a data set.

use crate::Error;
use data::{Dataset, Loader, LoaderOptions, Remarks, TestTimeView};
use model::{Metadata, Preprocessing};
use predict::{
    Averaged, Classifier, log_sigmoid, log_softmax, logit_of_log, mean_log_probabilities, reorder,
};
use std::sync::atomic::{AtomicBool, Ordering};

/// Images that are read at once.
const BATCH: usize = 32;

/// What a model says of a part of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// The index of each image in the data set.
    pub indices: Vec<usize>,
    /// `[n, classes]`, each row with sum 1; of findings each by itself.
    pub probabilities: Vec<f64>,
    /// `[n, classes]`, the logarithms of the probabilities, which stay finite where a probability is 0.
    pub log_probabilities: Vec<f64>,
}

/// Predicts the samples of `dataset` at the indices `part`, in order; what the reader of files said goes to `remarks`.
pub fn predict_all(
    classifier: &mut Classifier,
    dataset: &Dataset,
    part: &[usize],
    prep: &Preprocessing,
    remarks: &Remarks,
) -> Result<Predictions, Error> {
    let loader = Loader::new(dataset, part, prep, LoaderOptions::in_order(BATCH)).with_remarks(remarks);
    predict_loader(classifier, &loader)
}

/// The same by the mean of the probabilities over several `views` of each image (test-time augmentation); without any,
/// of the image as it is. It ends when `stop` is set.
///
/// # Errors
/// Among others: [`data::Error::Stopped`].
pub fn predict_views(
    classifier: &mut Classifier,
    dataset: &Dataset,
    part: &[usize],
    prep: &Preprocessing,
    views: &[TestTimeView],
    remarks: &Remarks,
    stop: &AtomicBool,
) -> Result<Predictions, Error> {
    let loader = Loader::new(dataset, part, prep, LoaderOptions::in_order(BATCH)).with_remarks(remarks);
    predict_by(&loader, stop, |images| {
        if views.is_empty() {
            return classifier.log_probabilities(images);
        }
        let mut seen = Vec::with_capacity(images.len() * views.len());
        views.iter().for_each(|view| view.apply(images, prep, &mut seen));
        mean_log_probabilities(&classifier.log_probabilities(&seen), views.len())
    })
}

/// Predicts what `loader` reads in an epoch.
pub(crate) fn predict_loader(classifier: &mut Classifier, loader: &Loader) -> Result<Predictions, Error> {
    predict_by(loader, &AtomicBool::new(false), |images| classifier.log_probabilities(images))
}

fn predict_by(
    loader: &Loader,
    stop: &AtomicBool,
    mut log_probabilities: impl FnMut(&[f32]) -> Vec<f64>,
) -> Result<Predictions, Error> {
    let (mut indices, mut all) = (vec![], vec![]);
    for batch in loader.batches(0, 0) {
        let batch = batch.map_err(Error::batch)?;
        all.extend(log_probabilities(&batch.images));
        indices.extend(&batch.indices);
        loader.recycle(batch);
        if stop.load(Ordering::Relaxed) {
            let done = format!("{} of {} images were predicted", indices.len(), loader.images());
            return Err(data::Error::Stopped(done).into());
        }
    }
    Ok(Predictions::new(indices, all))
}

/// The views of test-time augmentation: small turns, and their mirror images for a model that was
/// trained with `--flip`. To any other model a mirrored radiograph is something that it never saw and that no patient
/// is, so its answer to one would add noise.
pub fn views(metadata: &Metadata) -> Vec<TestTimeView> {
    let mirrored = metadata.provenance.config["flip"] == true;
    let sides = if mirrored { &[false, true][..] } else { &[false] };
    let turned = |&mirror: &bool| DEGREES.map(|degrees| TestTimeView { degrees, mirror });
    sides.iter().flat_map(turned).collect()
}

/// Well within what training turns by.
const DEGREES: [f64; 5] = [0.0, -2.5, 2.5, -5.0, 5.0];

impl Predictions {
    pub(crate) fn new(indices: Vec<usize>, log_probabilities: Vec<f64>) -> Self {
        let probabilities = log_probabilities.iter().map(|p| p.exp()).collect();
        Self { indices, probabilities, log_probabilities }
    }

    /// The mean of what several models say of the same images, and the spread of each probability: see [`Averaged`].
    ///
    /// # Panics
    /// Of none.
    pub fn mean(members: &[Self]) -> (Self, Vec<f64>) {
        let each: Vec<Vec<f64>> = members.iter().map(|member| member.log_probabilities.clone()).collect();
        let Averaged { log_probabilities, spread } = Averaged::of(&each);
        (Self::new(members[0].indices.clone(), log_probabilities), spread)
    }

    /// The same with its columns in another order.
    pub fn reordered(&self, order: &[usize]) -> Self {
        Self::new(self.indices.clone(), reorder(&self.log_probabilities, order))
    }

    /// What these predictions, made at a temperature of 1, are at another.
    pub(crate) fn at_temperature(&self, classes: usize, temperature: f64) -> Self {
        let rows = self.log_probabilities.chunks_exact(classes);
        Self::new(self.indices.clone(), rows.flat_map(|row| log_softmax(row, temperature)).collect())
    }

    /// What these predictions of findings, made as the network says, are with the slope and intercept of each.
    pub(crate) fn recalibrated(&self, findings: &[[f64; 2]]) -> Self {
        let scaled = |(&log, [slope, intercept]): (&f64, &[f64; 2])| {
            log_sigmoid(intercept + slope * logit_of_log(log))
        };
        let all = self.log_probabilities.iter().zip(findings.iter().cycle()).map(scaled);
        Self::new(self.indices.clone(), all.collect())
    }

    /// The mean cross-entropy of findings, `truth: [n, findings]`, over those that are known; 0 if none is.
    pub fn loss_of_findings(&self, truth: &[Option<bool>]) -> f64 {
        let known = self.log_probabilities.iter().zip(truth).filter_map(|(log, is)| Some((*log, (*is)?)));
        let (sum, count) = known.fold((0.0, 0.0), |(sum, count), (log, is)| {
            (sum - if is { log } else { log_sigmoid(-logit_of_log(log)) }, count + 1.0)
        });
        sum / f64::max(count, 1.0)
    }

    /// The mean cross-entropy: comparable across runs, because it knows no class weights and no smoothing.
    pub fn loss(&self, labels: &[usize]) -> f64 {
        let rows = self.log_probabilities.chunks_exact(self.log_probabilities.len() / labels.len());
        -rows.zip(labels).map(|(row, &label)| row[label]).sum::<f64>() / labels.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_the_mean_surprise() {
        let log_probabilities = vec![0.25f64.ln(), 0.75f64.ln(), 0.5f64.ln(), 0.5f64.ln()];
        let predictions = Predictions::new(vec![0, 1], log_probabilities);
        let want = -(0.75f64.ln() + 0.5f64.ln()) / 2.0;
        assert!((predictions.loss(&[1, 0]) - want).abs() < 1e-15);
    }

    #[test]
    fn the_loss_of_findings_passes_over_what_is_not_known() {
        let predictions = Predictions::new(vec![0, 1], [0.25f64, 0.75, 0.5, 0.9].map(f64::ln).to_vec());
        let truth = [Some(true), Some(false), None, Some(true)];
        let want = -(0.25f64.ln() + 0.25f64.ln() + 0.9f64.ln()) / 3.0;
        assert!((predictions.loss_of_findings(&truth) - want).abs() < 1e-12);
        assert_eq!(predictions.loss_of_findings(&[None; 4]), 0.0);
        let moved = predictions.recalibrated(&[[1.0, 0.0], [2.0, 3f64.ln()]]).probabilities;
        // Odds of 3 and 9, squared and times 3.
        assert!((moved[0] - 0.25).abs() < 1e-12 && (moved[1] - 27.0 / 28.0).abs() < 1e-12, "{moved:?}");
        assert!((moved[3] - 243.0 / 244.0).abs() < 1e-12);
    }

    #[test]
    fn a_temperature_can_be_set_afterwards() {
        let logits = [3.0f32, -1.0, 0.5];
        let raw = Predictions::new(vec![7], log_softmax(&logits, 1.0));
        let cooled = raw.at_temperature(3, 0.4).log_probabilities;
        assert!(cooled.iter().zip(log_softmax(&logits, 0.4)).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
