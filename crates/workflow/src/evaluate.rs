//! Models on labelled images: what `vertebra evaluate` and the bindings answer.

use crate::localise::{Localised, localise};
use crate::seen::warn_of_chosen;
use crate::{Error, Labelled, count_look, glance_beside, unreadable};
use audit::Quick;
use data::{Dataset, PassedOver, Remarks};
use eval::{Positive, Subgroup, Summary};
use heatmap::Method;
use model::{Metadata, Model, ThresholdEvidence};
use predict::Classifier;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use train::{LEAST_DRAWS, LabelledPredictions, Looks, MAX_DRAWS, Predictions, Question};

/// What is asked of models that answer together; mostly it is one.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The models.
    pub models: &'a [Model],
    /// What each is called in an error.
    pub names: &'a [String],
    /// Where each was read, a file or a run folder; empty for one that is in memory.
    pub paths: &'a [PathBuf],
    /// The positive class of two, if it is not theirs.
    pub positive: Option<&'a str>,
    /// A threshold in the place of theirs.
    pub threshold: Option<f64>,
    /// A prevalence to give predictive values for, of two classes.
    pub prevalence: Option<f64>,
    /// Columns whose values are evaluated by themselves.
    pub subgroups: &'a [String],
    /// Bootstrap draws.
    pub draws: usize,
    /// Whether small turns of each image are averaged.
    pub tta: bool,
    /// Ends the work when it is set.
    pub stop: &'a AtomicBool,
}

/// What models say of labelled images.
pub struct Judged {
    /// What the models say of themselves together.
    pub metadata: Metadata,
    /// Their mean.
    pub predictions: Predictions,
    /// The standard deviation over several models, of each probability; empty of one.
    pub spread: Vec<f64>,
    /// In figures.
    pub summary: Summary,
    /// In parts.
    pub subgroups: Vec<Subgroup>,
    views: usize,
    members: Vec<Member>,
    positive: Positive,
}

/// An evaluation: what `evaluate --json` prints.
#[derive(Serialize)]
pub struct Evaluated {
    /// The figures.
    #[serde(flatten)]
    pub summary: Summary,
    /// What the model's threshold reached where it was chosen, for the positive class of this evaluation; none if it is not
    /// in use, or unknown.
    pub threshold_evidence: Option<ThresholdEvidence>,
    /// The same in words.
    #[serde(skip)]
    pub promise: Option<String>,
    /// Each value of the columns that were asked for.
    pub subgroups: Vec<Subgroup>,
    /// Views of an image that were averaged; 1 without test-time augmentation.
    pub views: usize,
    /// Each model by itself, where several answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// The standard deviation of a probability over the models, in the mean of all images and classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// How well heatmaps find boxes, if there are some.
    pub localisation: Option<Localised>,
    /// What the data are worth, at a glance.
    pub audit: Quick,
    /// What lies in the folder and is none of its images.
    pub passed_over: PassedOver,
    /// Its images that were left out, with the reasons.
    pub unreadable: Vec<serde_json::Value>,
    /// How often the run has opened this test split, with this time; none for a model file or another split.
    pub test_openings: Option<usize>,
    /// The same for people.
    #[serde(skip)]
    pub looks: Option<Looks>,
}

/// One of several models, by itself.
#[derive(Serialize)]
pub struct Member {
    /// Its file or run folder.
    pub model: String,
    /// At its own threshold.
    pub accuracy: Option<f64>,
    /// Of findings, the mean.
    pub auroc: Option<f64>,
}

impl Asked<'_> {
    /// What the models say of themselves together, and in which order each has the classes of the first.
    ///
    /// # Errors
    /// Models that do not answer the same question; an argument that cannot be.
    pub fn agree(&self) -> Result<(Metadata, Vec<Vec<usize>>), Error> {
        let refused = |name, reason| Err(Error::Option { name, reason });
        match (self.threshold, self.prevalence) {
            (Some(p), _) if !(0.0..=1.0).contains(&p) => {
                return refused("threshold", format!("expected a probability, found {p}"));
            }
            (_, Some(p)) if !(p > 0.0 && p < 1.0) => {
                let expected = "expected a number between 0 and 1, neither of them";
                return refused("prevalence", format!("{expected}, found {p}"));
            }
            _ => {}
        }
        if (1..LEAST_DRAWS).contains(&self.draws) {
            let expected = format!("expected 0 or at least {LEAST_DRAWS} draws, found {}", self.draws);
            return refused("bootstrap", expected + ": of fewer no 95 % interval follows");
        }
        if self.draws > MAX_DRAWS {
            return refused("bootstrap", format!("expected at most {MAX_DRAWS} draws, found {}", self.draws));
        }
        let each: Vec<&Metadata> = self.models.iter().map(|model| &model.metadata).collect();
        let (metadata, orders) = predict::agree(&each, self.names)?;
        predict::positive_of(&metadata, self.positive)?;
        let classes = metadata.classes.len();
        if self.threshold.is_some() && classes > 2 && !metadata.has_findings() {
            let expected = "expected a model of two classes";
            return refused(
                "threshold",
                format!("{expected}, found {classes}: the largest probability decides"),
            );
        }
        Ok((metadata, orders))
    }

    /// Has the models judge the images. What their reader says of them is told to `say`.
    ///
    /// # Errors
    /// Among others: an image that cannot be read, or a column that is not there.
    pub fn judge(&self, labelled: &Labelled, say: &mut dyn FnMut(&str)) -> Result<Judged, Error> {
        let (metadata, orders) = self.agree()?;
        let Labelled { dataset, part, name, .. } = labelled;
        let remarks = Remarks::default();
        let mut all: Vec<Predictions> = vec![];
        for model in self.models {
            let (mut classifier, prep) = (Classifier::new(model)?, &model.metadata.preprocessing);
            // What the reader says of images it says to every model.
            let remarks = if all.is_empty() { remarks.clone() } else { Remarks::default() };
            let views = if self.tta { train::views(&model.metadata) } else { vec![] };
            all.push(train::predict_views(
                &mut classifier,
                dataset,
                part,
                prep,
                &views,
                &remarks,
                self.stop,
            )?);
        }
        remarks.lines().iter().for_each(|line| say(line));
        let &Self { threshold, prevalence, draws, .. } = self;
        let question = Question { split: name, threshold, prevalence, draws };
        let mut members = vec![];
        if all.len() > 1 {
            for ((name, model), own) in self.names.iter().zip(self.models).zip(&all) {
                let positive = predict::positive_of(&model.metadata, self.positive)?;
                let evaluation =
                    LabelledPredictions::new(&model.metadata, own, dataset)?.with_positive(positive);
                let Summary { accuracy, auroc, .. } =
                    evaluation.summary(&Question { draws: 0, ..question })?;
                members.push(Member { model: name.clone(), accuracy, auroc });
            }
        }
        let in_order: Vec<Predictions> =
            all.iter().zip(&orders).map(|(own, order)| own.reordered(order)).collect();
        let (predictions, spread) = Predictions::mean(&in_order);
        let positive = predict::positive_of(&metadata, self.positive)?;
        let evaluation = LabelledPredictions::new(&metadata, &predictions, dataset)?.with_positive(positive);
        let mut subgroups = vec![];
        for column in self.subgroups {
            subgroups.extend(evaluation.subgroups(&question, column).map_err(of_option)?);
        }
        let summary = evaluation.summary(&question)?;
        let views = if self.tta { train::views(&metadata).len() } else { 1 };
        Ok(Judged { metadata, predictions, spread, summary, subgroups, views, members, positive })
    }

    /// What else there is to say of what was `judged`: the data are glanced at, and the look of `command` at these images
    /// is counted in every run folder. It is counted last: who stops before has seen nothing.
    ///
    /// # Errors
    /// [`data::Error::Stopped`], and no look is counted.
    pub fn conclude(
        &self,
        labelled: &Labelled,
        judged: &Judged,
        command: &str,
        say: &mut dyn FnMut(&str),
    ) -> Result<Evaluated, Error> {
        let audit = glance_beside(labelled, self.paths, say);
        if self.threshold.is_none() {
            warn_of_chosen(labelled, &judged.metadata, say);
        }
        if self.stop.load(Ordering::Relaxed) {
            let done = format!(
                "all of {} images were predicted; the look at them is not counted",
                labelled.part.len()
            );
            return Err(data::Error::Stopped(done).into());
        }
        let mut first = None;
        for (run, model) in self.paths.iter().zip(self.models) {
            let trained_on = &model.metadata.provenance.data_fingerprint;
            let is_own = labelled.dataset.compare_fingerprint(trained_on).is_same();
            let looks = count_look(run, labelled, is_own, command, say);
            // The first of several says it; all count it.
            first.get_or_insert(looks);
        }
        let looks = first.flatten();
        let spread = &judged.spread;
        let mut stored = judged.metadata.threshold.clone().filter(|_| self.threshold.is_none());
        let Summary { positive_class, threshold, .. } = &judged.summary;
        if let (Some(stored), Some(class), Some(value)) = (&mut stored, positive_class, threshold)
            && stored.positive != *class
        {
            // Turned round, as the threshold is.
            (stored.value, stored.positive) = (*value as f32, class.clone());
            stored.evidence = stored.evidence.take().map(ThresholdEvidence::complement);
        }
        let member = |of: &Member| Member { model: of.model.clone(), ..*of };
        Ok(Evaluated {
            promise: stored.as_ref().and_then(train::promise),
            threshold_evidence: stored.and_then(|threshold| threshold.evidence),
            summary: judged.summary.clone(),
            subgroups: judged.subgroups.clone(),
            views: judged.views,
            members: judged.members.iter().map(member).collect(),
            spread: (!spread.is_empty()).then(|| spread.iter().sum::<f64>() / spread.len() as f64),
            localisation: None,
            audit,
            passed_over: labelled.dataset.passed_over.clone(),
            unreadable: unreadable(&labelled.dataset),
            test_openings: looks.map(|looks| looks.times),
            looks,
        })
    }
}

/// A column that is not there is one that should not have been asked for.
fn of_option(error: train::Error) -> Error {
    match error {
        train::Error::Config { field: name, expected, found } => {
            Error::Option { name, reason: format!("expected {expected}, found {found}") }
        }
        error => error.into(),
    }
}

impl Judged {
    /// Beside the truth.
    ///
    /// # Errors
    /// When this is another data set.
    pub fn evaluation<'a>(&'a self, dataset: &'a Dataset) -> Result<LabelledPredictions<'a>, Error> {
        let evaluation = LabelledPredictions::new(&self.metadata, &self.predictions, dataset)?;
        Ok(evaluation.with_positive(self.positive))
    }

    /// How well the heatmaps of `model` find the boxes in the table `truth`; what is passed over is told to `say`.
    ///
    /// # Errors
    /// A table that has no box of these images.
    pub fn localise(
        &self,
        model: &Model,
        labelled: &Labelled,
        truth: &Path,
        method: Method,
        say: &mut dyn FnMut(&str),
    ) -> Result<Localised, Error> {
        let evaluation = self.evaluation(&labelled.dataset)?;
        localise(model, labelled, &evaluation, &self.predictions, &self.summary, truth, method, say)
    }
}
