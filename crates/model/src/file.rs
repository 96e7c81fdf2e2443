//! The model file: weights together with everything that is needed to use them alone.
//!
//! It is a safetensors file that PyTorch reads as a state dict; its metadata holds one JSON document under the key
//! `vertebra`. Unknown fields of the document are passed over, so a later version may add some; a change that an older
//! program must not overlook raises [`Metadata::FORMAT`]. Invariant: a [`Model`] that was read, or made by
//! [`Model::new`], has exactly the tensors of its architecture, and metadata that agree with it.

use crate::network::Network;
use crate::preprocessing::Preprocessing;
use crate::tensor_file::TensorFile;
use crate::weights::Weights;
use crate::words::list_names;
use crate::{Architecture, Error, format};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Key of the JSON document in the file's metadata.
const KEY: &str = "vertebra";

/// Tensors whose names begin so belong to a training run (optimizer state in `last.safetensors`), not to the model.
pub const TRAINING_PREFIX: &str = "training.";

/// The file of a run folder that commands use when they are given the folder.
pub const BEST: &str = "best.safetensors";

/// What a model file says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Version of this document: [`Metadata::FORMAT`], [`Metadata::WITH_FINDINGS`] where it has findings, or
    /// [`Metadata::WITH_WINDOW`] where images are seen through a window.
    pub format: u32,
    /// Defines the network.
    pub architecture: Architecture,
    /// Class names, in the order of the classifier's outputs.
    pub classes: Vec<String>,
    /// From pixels to input.
    pub preprocessing: Preprocessing,
    /// When to call an image positive; absent with more than two classes.
    #[serde(default)]
    pub threshold: Option<StoredThreshold>,
    /// The positive class of two, where a run or a user fixed one; see [`Metadata::positive`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Whether a user set it after training, whatever the names say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub positive_was_set: bool,
    /// How to read scores as probabilities.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// Where the operating point comes from, if it was fixed after the training: under `threshold` and `temperature`, each
    /// its `data`, `data_fingerprint`, `split`, `images`, `groups`, `positives` and `date`; a threshold its `rule` too.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub calibrated: serde_json::Value,
    /// How the outputs become probabilities; absent: by a softmax, one class an image.
    #[serde(default, skip_serializing_if = "Output::is_softmax")]
    pub output: Output,
    /// With [`Output::Sigmoid`]: of each finding, in the order of [`Metadata::classes`], how its probability is made and when
    /// it is called; empty before the end of a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<StoredFinding>,
    /// Where the weights come from.
    #[serde(default)]
    pub provenance: Provenance,
}

/// How the outputs of a network become probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// Those of the classes of an image, which sum to 1.
    #[default]
    Softmax,
    /// Each that of a finding, whatever the others are.
    Sigmoid,
}

impl Output {
    fn is_softmax(&self) -> bool {
        *self == Self::Softmax
    }
}

/// A finding of a model with [`Output::Sigmoid`]. Its probability is `sigmoid(intercept + slope * logit)` (logistic
/// recalibration, Cox 1958): weights of the classes in the loss move every logit, and this moves it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredFinding {
    /// What the logit is multiplied by.
    pub slope: f32,
    /// What is added then.
    pub intercept: f32,
    /// From which probability on the finding is called; none: from one half on.
    #[serde(default)]
    pub threshold: Option<StoredThreshold>,
}

impl StoredFinding {
    /// As the network says.
    pub const PLAIN: Self = Self { slope: 1.0, intercept: 0.0, threshold: None };
}

/// The decision rule of a two-class model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredThreshold {
    /// An image is positive if its probability of [`StoredThreshold::positive`] is at least this.
    pub value: f32,
    /// How the value was chosen, in words.
    pub rule: String,
    /// Name of the positive class.
    pub positive: String,
    /// What it reached where it was chosen; absent in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ThresholdEvidence>,
}

/// The images that a threshold was chosen or set on, and what it reached there: how wide its promise is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdEvidence {
    /// Which part of which data: a split, or `all`.
    pub split: String,
    /// Identifies the data.
    pub data_fingerprint: String,
    /// Images of the positive class.
    pub positives: usize,
    /// Images of the other one.
    pub negatives: usize,
    /// Whether groups were known, and the intervals are by group.
    pub by_group: bool,
    /// The share of the positives that was called so; none without positives.
    pub sensitivity: Option<f64>,
    /// Its exact 95 % interval (Clopper and Pearson).
    pub sensitivity_ci: Option<[f64; 2]>,
    /// The share of the others that was not; none without others.
    pub specificity: Option<f64>,
    /// Its exact 95 % interval.
    pub specificity_ci: Option<[f64; 2]>,
    /// The share of those called positive that are, among these images; only where a rule promises it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppv: Option<f64>,
    /// Its exact 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppv_ci: Option<[f64; 2]>,
}

impl ThresholdEvidence {
    /// The same with the other of two classes as the positive one; its predictive value is another's, and not known.
    pub fn complement(self) -> Self {
        Self {
            positives: self.negatives,
            negatives: self.positives,
            sensitivity: self.specificity,
            sensitivity_ci: self.specificity_ci,
            specificity: self.sensitivity,
            specificity_ci: self.sensitivity_ci,
            ppv: None,
            ppv_ci: None,
            ..self
        }
    }
}

/// Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks").
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Logits are divided by it before the softmax.
    pub temperature: f32,
}

/// What made the weights, so that they can be made again. It holds no time of day: the same run gives the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Name of the program.
    pub program: String,
    /// Its version.
    pub version: String,
    /// The whole configuration of the run.
    pub config: serde_json::Value,
    /// Seed of the run; none for imported weights.
    pub seed: Option<u64>,
    /// Identifies the data of the run.
    pub data_fingerprint: String,
    /// How many groups they had, which the fingerprint does not tell; none without, and in files of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// What was measured at the end.
    pub metrics: serde_json::Value,
}

impl Provenance {
    /// This program and its version; the rest is empty.
    pub fn of_this_program() -> Self {
        let (program, version) = ("vertebra".into(), env!("CARGO_PKG_VERSION").into());
        Provenance { program, version, ..Self::default() }
    }
}

impl Metadata {
    /// The version of the document.
    pub const FORMAT: u32 = 1;

    /// The version of one with [`Output::Sigmoid`], which an earlier program would take for a softmax.
    pub const WITH_FINDINGS: u32 = 2;

    /// The version of one with [`Preprocessing::window`], with findings or not: an earlier program would pass it over.
    pub const WITH_WINDOW: u32 = 3;

    /// Whether an image has several findings instead of one class.
    pub fn has_findings(&self) -> bool {
        self.output == Output::Sigmoid
    }

    /// Gives every class a probability of its own.
    pub fn with_findings(self) -> Self {
        let format = self.format.max(Self::WITH_FINDINGS);
        Self { format, output: Output::Sigmoid, ..self }
    }

    /// What is stored of finding `at`.
    pub fn finding(&self, at: usize) -> &StoredFinding {
        self.findings.get(at).unwrap_or(&StoredFinding::PLAIN)
    }

    /// Metadata of a new model: no threshold, no calibration, provenance of this program.
    pub fn new(architecture: Architecture, classes: Vec<String>, preprocessing: Preprocessing) -> Self {
        Metadata {
            format: if preprocessing.window.is_some() { Self::WITH_WINDOW } else { Self::FORMAT },
            architecture,
            classes,
            preprocessing,
            threshold: None,
            positive: None,
            positive_was_set: false,
            calibration: None,
            calibrated: serde_json::Value::Null,
            output: Output::Softmax,
            findings: vec![],
            provenance: Provenance::of_this_program(),
        }
    }

    /// The name of the positive class, where one is stored: files of earlier versions name it with their threshold only.
    pub fn positive(&self) -> Option<&str> {
        self.positive.as_deref().or(self.threshold.as_ref().map(|threshold| threshold.positive.as_str()))
    }

    /// Where the temperature was fitted, in words.
    pub fn temperature_origin(&self) -> String {
        let from = &self.calibrated["temperature"];
        match (from["split"].as_str(), from["data"].as_str(), from["date"].as_str()) {
            (Some(split), Some(data), Some(date)) => {
                let names =
                    from["findings"].as_array().into_iter().flatten().filter_map(|name| name.as_str());
                let names: Vec<&str> = names.collect();
                let of = match names.is_empty() {
                    true => String::new(),
                    false => format!(" for {}, of others earlier", list_names(&names)),
                };
                format!("fitted on {split} images of {data} ({date}){of}")
            }
            _ => "fitted on the validation split".to_owned(),
        }
    }

    /// What a safetensors file with these texts says of itself, if this program wrote it.
    pub(crate) fn of_texts(texts: &BTreeMap<String, String>) -> Option<Result<Self, Error>> {
        texts.get(KEY).map(|text| Self::parse(text))
    }

    fn parse(text: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let broken = |error| Error::Format(format!("its Vertebra metadata cannot be understood: {error}"));
        // The version first: another one may have other fields.
        let Version { format } = serde_json::from_str(text).map_err(broken)?;
        if !(Self::FORMAT..=Self::WITH_WINDOW).contains(&format) {
            let known = format!("{} to {}", Self::FORMAT, Self::WITH_WINDOW);
            return Err(Error::invalid("metadata format", known, format));
        }
        serde_json::from_str(text).map_err(broken)
    }

    /// The document; an error if its parts do not agree.
    fn to_text(&self) -> Result<String, Error> {
        self.check()?;
        serde_json::to_string(self)
            .map_err(|error| Error::Format(format!("the metadata cannot be written: {error}")))
    }

    /// That the parts agree with each other; the network that they define.
    fn check(&self) -> Result<Network, Error> {
        let network = self.architecture.network()?;
        if network.classes < 2 && !self.has_findings() {
            return Err(Error::invalid("classes", "two or more, or findings", network.classes));
        }
        let distinct: BTreeSet<_> = self.classes.iter().filter(|name| !name.is_empty()).collect();
        if self.classes.len() != network.classes || distinct.len() != network.classes {
            let expected = format!("{} distinct names", network.classes);
            let found = format!("{} names, {} of them distinct", self.classes.len(), distinct.len());
            return Err(Error::invalid("classes", expected, found));
        }
        self.preprocessing.check(network.channels, network.image_size)?;
        let version = match (self.preprocessing.window, self.has_findings()) {
            (Some(_), _) => Self::WITH_WINDOW,
            (None, true) => Self::WITH_FINDINGS,
            (None, false) => Self::FORMAT,
        };
        if self.format != version {
            return Err(Error::invalid("metadata format", version.to_string(), self.format));
        }
        let most = if self.has_findings() { network.classes } else { 0 };
        if ![0, most].contains(&self.findings.len()) {
            let expected = "one for each of the classes of a sigmoid output";
            return Err(Error::invalid("findings", expected, self.findings.len()));
        }
        for StoredFinding { slope, intercept, .. } in &self.findings {
            if !(*slope > 0.0 && slope.is_finite() && intercept.is_finite()) {
                let found = format!("{slope} and {intercept}");
                return Err(Error::invalid(
                    "findings",
                    "a finite slope above 0 and a finite intercept",
                    found,
                ));
            }
        }
        let of_findings = self.findings.iter().filter_map(|finding| finding.threshold.as_ref());
        for StoredThreshold { value, positive, .. } in self.threshold.iter().chain(of_findings) {
            if !(0.0..=1.0).contains(value) {
                return Err(Error::invalid("threshold", "a probability", value));
            }
            if !self.classes.contains(positive) {
                return Err(Error::invalid("threshold.positive", list_names(&self.classes), positive));
            }
        }
        if let Some(positive) = self.positive.as_ref().filter(|positive| !self.classes.contains(positive)) {
            return Err(Error::invalid("positive", list_names(&self.classes), positive));
        }
        match self.calibration {
            Some(Calibration { temperature }) if !(temperature > 0.0 && temperature.is_finite()) => {
                Err(Error::invalid("calibration.temperature", "a finite number above 0", temperature))
            }
            _ => Ok(network),
        }
    }
}

/// A network's weights and all that is needed to use them.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What the weights are.
    pub metadata: Metadata,
    /// The tensors, in the stored layout.
    pub weights: Weights,
}

impl Model {
    /// A model; an error if the weights are not those of the metadata's architecture.
    pub fn new(metadata: Metadata, weights: Weights) -> Result<Self, Error> {
        weights.check(&metadata.check()?)?;
        Ok(Model { metadata, weights })
    }

    /// The network that the metadata define.
    pub fn network(&self) -> Result<Network, Error> {
        self.metadata.architecture.network()
    }

    /// Reads a model file, or the best one of a run folder.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = resolve(path)?;
        Self::from_tensor_file(TensorFile::read(&path)?).map_err(|error| error.in_file(&path))
    }

    /// The same from memory.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_tensor_file(TensorFile::from_bytes(bytes)?)
    }

    /// The model in a file that was read; tensors under [`TRAINING_PREFIX`] are passed over.
    pub fn from_tensor_file(TensorFile { metadata, mut tensors, .. }: TensorFile) -> Result<Self, Error> {
        let metadata = Metadata::of_texts(&metadata).ok_or(Error::NoMetadata)??;
        tensors.retain(|name| !name.starts_with(TRAINING_PREFIX));
        Self::new(metadata, tensors)
    }

    /// The contents of the model's file, to which a training run may add texts, and tensors under [`TRAINING_PREFIX`].
    /// An error if the model could not be read back.
    pub fn to_tensor_file(&self) -> Result<TensorFile, Error> {
        self.weights.check(&self.metadata.check()?)?;
        let metadata = [(KEY.into(), self.metadata.to_text()?)].into();
        Ok(TensorFile { metadata, tensors: self.weights.clone(), ..TensorFile::default() })
    }

    /// Writes the file whole or not at all; equal models give equal bytes.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.to_tensor_file()?.write(path)
    }
}

/// Writes what a model says of itself into its file, whole or not at all: the file itself, or the best of a run folder. Its
/// tensors, and what a training run keeps beside them, stay as they are. Where it was written. `before` and `weights` are
/// what was read there.
///
/// # Errors
/// The file holds another model by now, of which `metadata` says nothing.
pub fn rewrite_metadata(
    path: impl AsRef<Path>,
    (before, weights): (&Metadata, &Weights),
    metadata: &Metadata,
) -> Result<PathBuf, Error> {
    let path = resolve(path)?;
    // Through a link to the file itself, which a rename would replace.
    let path = path.canonicalize().unwrap_or(path);
    let rewrite = || {
        let now = Model::read(&path)?;
        if now.metadata != *before || now.weights != *weights {
            let found = "another, written meanwhile: nothing is changed, type the command again";
            return Err(Error::invalid("model", "the one that was read", found));
        }
        let mut file = TensorFile::read(&path)?;
        file.metadata.insert(KEY.into(), metadata.to_text()?);
        file.write(&path)
    };
    rewrite().map_err(|error: Error| error.in_file(&path))?;
    Ok(path)
}

/// The model file that `path` means: itself, or the best model of a run folder.
pub fn resolve(path: impl AsRef<Path>) -> Result<PathBuf, Error> {
    let path = path.as_ref();
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let best = path.join(BEST);
    if best.is_file() {
        return Ok(best);
    }
    let of_folds = path.join("fold-1").join(BEST).is_file();
    let unknown = || {
        match of_folds {
        true => Error::Format(
            "the folder holds a cross-validation, whose folds have a model each: name one of them, such as its fold-1"
                .to_owned(),
        ),
        false => Error::Format(format!("the folder holds no {BEST}, so it is not a finished run")),
    }
    };
    Err(format::recognise(path).unwrap_or_else(unknown).in_file(path))
}
