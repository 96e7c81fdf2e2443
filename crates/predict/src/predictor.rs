//! From a picture to a decision, in one call.

use crate::{Classifier, Decision, Error, finding_thresholds};
use engine::par::{self, Pool};
use model::{Metadata, Model, Picture};
use std::path::Path;

/// A model that answers for pictures, at the operating point that it stores.
pub struct Predictor {
    classifier: Classifier,
    metadata: Metadata,
    decision: Option<Decision>,
    /// Of each finding.
    thresholds: Vec<f64>,
    /// Its own threads; none: those of the process.
    pool: Option<Pool>,
}

/// What a model says of a picture. Research use only, not a medical device.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The number of [`Prediction::label`] among the model's classes.
    pub class: usize,
    /// The class that is called: by the model's threshold, or the most probable; of findings, the most probable.
    pub label: String,
    /// Its probability.
    pub probability: f64,
    /// The probability of each class, in the order of the model's.
    pub probabilities: Vec<f64>,
    /// Whether the picture is positive; `None` with more than two classes. Of findings: whether any is called.
    pub positive: Option<bool>,
    /// Of a model of findings: whether each is called, in the order of the model's classes; else empty.
    pub findings: Vec<bool>,
}

impl Predictor {
    /// From a model file, or from a run folder, whose best model is taken.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::new(Model::read(path)?)
    }

    /// From the bytes of a model file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::new(Model::from_bytes(bytes)?)
    }

    /// For a model.
    pub fn new(model: Model) -> Result<Self, Error> {
        Self::on(None, model)
    }

    /// For a model that works on `threads` threads of its own, 0 for one a core, which end when it is dropped.
    ///
    /// # Errors
    /// As [`Predictor::new`], or when a thread cannot start.
    pub fn with_threads(model: Model, threads: usize) -> Result<Self, Error> {
        let pool = Pool::new(threads).map_err(Error::Threads)?;
        Self::on(Some(pool), model)
    }

    fn on(pool: Option<Pool>, model: Model) -> Result<Self, Error> {
        let decision = Decision::of(&model.metadata, None, None)?;
        let thresholds = finding_thresholds(&model.metadata, None).iter().map(|it| it.value).collect();
        let (classifier, metadata) = install(&pool, || Classifier::consume(model))?;
        Ok(Self { classifier, metadata, decision, thresholds, pool })
    }

    /// The same with the positive class `positive` (of two) or the `threshold` (of two classes, or of all findings)
    /// instead of the model's own, where one is given.
    ///
    /// # Errors
    /// As [`Decision::of`].
    pub fn decide_by(self, positive: Option<&str>, threshold: Option<f64>) -> Result<Self, Error> {
        let decision = Decision::of(&self.metadata, positive, threshold)?;
        let thresholds = finding_thresholds(&self.metadata, threshold).iter().map(|it| it.value).collect();
        Ok(Self { decision, thresholds, ..self })
    }

    /// What the model file says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// With two classes, which is positive and from where on.
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// From which probability on each finding is called; empty with classes.
    pub fn thresholds(&self) -> &[f64] {
        &self.thresholds
    }

    /// Runs `f` on its threads.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        install(&self.pool, f)
    }

    /// How many images it works at once.
    pub fn threads(&self) -> usize {
        install(&self.pool, par::threads)
    }

    /// Resizes and scales the picture as the model was trained on, and classifies it. Where the model has a window
    /// ([`model::Preprocessing::window`]), gray of 16 bits ([`Picture::from_u16`]) is seen through it; values in
    /// other units come by [`Picture::from_values`]. A picture of 8 bits, or of colours, is taken as it is.
    ///
    /// # Errors
    /// [`Error::NoNumber`].
    pub fn predict(&mut self, picture: &Picture) -> Result<Prediction, Error> {
        let image = model::preprocess(picture, &self.metadata.preprocessing);
        self.classify(&[&image]).pop().expect("a prediction for the picture")
    }

    /// The same of several, which its threads share.
    pub fn predict_each(&mut self, pictures: &[Picture]) -> Vec<Result<Prediction, Error>> {
        let prep = &self.metadata.preprocessing;
        let preprocess = || par::map(pictures.len(), |i| model::preprocess(&pictures[i], prep));
        let images = install(&self.pool, preprocess);
        self.classify(&images.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Classifies images that are preprocessed already ([`model::preprocess`]).
    pub fn classify(&mut self, images: &[&[f32]]) -> Vec<Result<Prediction, Error>> {
        let classifier = &mut self.classifier;
        let logarithms = install(&self.pool, || classifier.log_probabilities_each(images));
        let rows = logarithms.chunks_exact(self.metadata.classes.len());
        rows.map(|row| self.prediction(row.iter().map(|log| log.exp()).collect())).collect()
    }

    fn prediction(&self, probabilities: Vec<f64>) -> Result<Prediction, Error> {
        // Compared with a threshold, what is no number would be negative.
        if !probabilities.iter().all(|p| p.is_finite()) {
            return Err(Error::NoNumber);
        }
        let called = self.decision.as_ref().map(|decision| decision.class(&probabilities));
        let class = called.unwrap_or_else(|| eval::argmax(&probabilities));
        let findings: Vec<bool> =
            probabilities.iter().zip(&self.thresholds).map(|(p, from)| p >= from).collect();
        let any = (!findings.is_empty()).then(|| findings.contains(&true));
        let positive = self.decision.as_ref().map(|decision| class == decision.positive.class).or(any);
        let label = self.metadata.classes[class].clone();
        let probability = probabilities[class];
        Ok(Prediction { class, label, probability, probabilities, positive, findings })
    }
}

/// Runs `f` on the threads of `pool`, or where it is called, on those of the process.
fn install<R: Send>(pool: &Option<Pool>, f: impl FnOnce() -> R + Send) -> R {
    match pool {
        Some(pool) => pool.install(f),
        None => par::in_this_process(f),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_model::random_model;
    use model::{Preprocessing, Window};

    fn predictor(window: Option<Window>) -> Predictor {
        let prep = Preprocessing { window, ..Preprocessing::new(1, [48, 32]) };
        let model = random_model(&["a", "b"], prep, 1, &[0.0; 2]);
        // By way of a file's bytes, as a deployment has it.
        Predictor::from_bytes(&model.to_tensor_file().unwrap().to_bytes()).unwrap()
    }

    #[test]
    fn the_window_of_the_model_is_applied_once() {
        let window = Window { center: 1064.0, width: 400.0 };
        let values: Vec<u16> = (0..60 * 50).map(|i| 700 + (i * 37 % 701) as u16).collect();
        let stored = Picture::from_u16(&values, [60, 50], 1).unwrap();
        let measured: Vec<f32> = values.iter().map(|&v| v.into()).collect();
        let mut with = predictor(Some(window));
        assert_eq!(with.metadata().preprocessing.window, Some(window));
        let seen = with.predict(&stored).unwrap();
        let measured = Picture::from_values(&measured, [60, 50], window).unwrap();
        assert_eq!(with.predict(&measured).unwrap(), seen);
        let mut without = predictor(None);
        assert_eq!(without.predict(&stored.clone().through(window)).unwrap(), seen);
        let plain = without.predict(&stored).unwrap();
        assert!((plain.probability - seen.probability).abs() > 1e-3, "{plain:?} {seen:?}");
        // Bytes are what they are to either.
        let bytes = Picture::from_u8(&[7; 3000], [60, 50], 1).unwrap();
        assert_eq!(with.predict(&bytes).unwrap(), without.predict(&bytes).unwrap());
        // Several at once are what each is alone.
        let each = [stored, bytes].map(|picture| (with.predict(&picture).unwrap(), picture));
        let (alone, pictures): (Vec<_>, Vec<_>) = each.into_iter().unzip();
        let together: Vec<_> = with.predict_each(&pictures).into_iter().map(Result::unwrap).collect();
        assert_eq!(together, alone);
    }

    #[test]
    fn what_is_no_number_is_no_prediction() {
        let bias = [f32::INFINITY, 0.0];
        let model = random_model(&["a", "b"], Preprocessing::new(1, [48, 32]), 1, &bias);
        let mut predictor = Predictor::new(model).unwrap();
        let found = predictor.predict(&Picture::from_u8(&[7; 3000], [60, 50], 1).unwrap());
        assert!(matches!(found, Err(Error::NoNumber)), "{found:?}");
    }
}
