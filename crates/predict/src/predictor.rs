//! From a picture to a decision, in one call.

use crate::{Classifier, Decision, Error, finding_thresholds};
use model::{Metadata, Model, Picture};
use std::path::Path;

/// A model that answers for one picture at a time, at the operating point that it stores.
pub struct Predictor {
    classifier: Classifier,
    metadata: Metadata,
    decision: Option<Decision>,
    /// Of each finding.
    thresholds: Vec<f64>,
}

/// What a model says of a picture. Research use only, not a medical device.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
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
        let decision = Decision::of(&model.metadata, None, None)?;
        let thresholds = finding_thresholds(&model.metadata, None).iter().map(|it| it.value).collect();
        let (classifier, metadata) = Classifier::consume(model)?;
        Ok(Self { classifier, metadata, decision, thresholds })
    }

    /// What the model file says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Resizes and scales the picture as the model was trained on, and classifies it.
    pub fn predict(&mut self, picture: &Picture) -> Prediction {
        let image = model::preprocess(picture, &self.metadata.preprocessing);
        let log_probabilities = self.classifier.log_probabilities(&image);
        let probabilities: Vec<f64> = log_probabilities.into_iter().map(f64::exp).collect();
        let called = self.decision.as_ref().map(|decision| decision.class(&probabilities));
        let class = called.unwrap_or_else(|| eval::argmax(&probabilities));
        let findings: Vec<bool> =
            probabilities.iter().zip(&self.thresholds).map(|(p, from)| p >= from).collect();
        let any = (!findings.is_empty()).then(|| findings.contains(&true));
        let positive = self.decision.as_ref().map(|decision| class == decision.positive.class).or(any);
        let label = self.metadata.classes[class].clone();
        Prediction { label, probability: probabilities[class], probabilities, positive, findings }
    }
}
