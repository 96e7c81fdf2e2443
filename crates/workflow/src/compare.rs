//! Two models on the same images, by paired tests: what `vertebra compare` and the bindings answer.

mod findings;

use crate::{Error, Labelled, count_look, seen_in_training, unreadable};
use data::{PassedOver, Remarks};
use eval::{
    AurocDifference, Interval, McNemar, MeanAurocDifference, Positive, PositiveSource, Proportion,
    compare_auroc, mcnemar, summary::LEVEL,
};
pub use findings::Compared;
use model::{Model, list_names};
use predict::Classifier;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use train::{LabelledPredictions, Looks, Predictions};

/// Two models that are to be compared.
#[derive(Clone)]
pub struct Pair<'a> {
    /// The models.
    pub models: [&'a Model; 2],
    /// What each is called.
    pub names: [String; 2],
    /// Where each was read, a file or a run folder; none of one that is in memory.
    pub paths: [Option<&'a Path>; 2],
    /// The positive class of two, if it is not the first model's.
    pub positive: Option<&'a str>,
    /// Ends the work when it is set.
    pub stop: &'a AtomicBool,
}

/// A comparison: what `compare --json` prints. Pairs are the first model's value and the second's.
#[derive(Serialize)]
pub struct Comparison {
    /// Their names.
    pub models: [String; 2],
    /// Which part of the data.
    pub split: String,
    /// How many they are.
    pub images: usize,
    /// How many groups they are of; none if that is not known.
    pub groups: Option<usize>,
    /// Of every interval.
    pub level: f64,
    /// None of findings.
    pub accuracy: [Option<f64>; 2],
    /// Exact, by group where groups are known.
    pub accuracy_ci: [Option<Interval>; 2],
    /// With two classes.
    pub positive: Option<String>,
    /// Where that comes from.
    pub positive_source: Option<PositiveSource>,
    /// Of the positive class; of every class against the rest, if there are more than two; of every finding.
    pub auroc: Vec<ClassAuroc>,
    /// Why there is none of some classes, or no interval and p-value of a difference.
    pub not_defined: BTreeMap<&'static str, String>,
    /// None of findings.
    pub mcnemar: Option<McNemar>,
    /// Where images have several findings: each of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Compared>,
    /// Their mean AUROC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_auroc: Option<MeanAurocDifference>,
    /// How often each run has opened this test split, with this time.
    pub test_openings: [Option<usize>; 2],
    /// What lies in the folder and is none of its images.
    pub passed_over: PassedOver,
    /// Its images that were left out, with the reasons.
    pub unreadable: Vec<serde_json::Value>,
    /// The same for people.
    #[serde(skip)]
    pub looks: [Option<Looks>; 2],
}

/// The AUROCs of a class.
#[derive(Serialize)]
pub struct ClassAuroc {
    /// Its name.
    pub class: String,
    /// By the two models.
    #[serde(flatten)]
    pub difference: AurocDifference,
}

impl Pair<'_> {
    /// That both answer the same question; before any image is looked for.
    ///
    /// # Errors
    /// Other classes, or a positive class that is none of them.
    pub fn check(&self) -> Result<(), Error> {
        let ([a, b], [first, second]) = (self.models, &self.names);
        if a.metadata.has_findings() != b.metadata.has_findings() {
            return Err(Error::Failed(format!(
                "expected two models of classes or two of findings, found one of each: {first} and {second}"
            )));
        }
        let sorted = |model: &Model| {
            let mut classes = model.metadata.classes.clone();
            classes.sort();
            classes
        };
        if sorted(a) != sorted(b) {
            let (expected, found) = (list_names(&a.metadata.classes), list_names(&b.metadata.classes));
            let text = format!("{second}: expected the classes of {first} ({expected}), found {found}");
            return Err(Error::Failed(text));
        }
        self.positive().map(drop)
    }

    fn positive(&self) -> Result<Positive, Error> {
        Ok(predict::positive_of(&self.models[0].metadata, self.positive)?)
    }

    /// Compares them. What is to be known is told to `say`; that these images were looked at is not counted yet.
    ///
    /// # Errors
    /// Among others: an image that cannot be read.
    pub fn compare(&self, labelled: &Labelled, say: &mut dyn FnMut(&str)) -> Result<Comparison, Error> {
        self.check()?;
        let ([a, b], positive) = (self.models, self.positive()?);
        let own = [labelled.is_training_data, self.is_own_of_second(labelled)];
        (0..2).for_each(|i| self.warn_of_seen(i, labelled, own[i], say));
        let (first, remarks) = self.predict(a, labelled)?;
        // The second reads the same files.
        let predictions = [first, self.predict(b, labelled)?.0];
        remarks.lines().iter().for_each(|line| say(line));
        let first = LabelledPredictions::new(&a.metadata, &predictions[0], &labelled.dataset)?
            .with_positive(positive);
        let second = LabelledPredictions::new(&b.metadata, &predictions[1], &labelled.dataset)?;
        let groups = first.groups.as_deref();

        let classes = &a.metadata.classes;
        let of_findings = a.metadata.has_findings();
        let compared = match classes.len() {
            _ if of_findings => vec![],
            2 => vec![first.positive()],
            classes => (0..classes).collect(),
        };
        let auroc = compared.into_iter().filter_map(|class| {
            let name = &classes[class];
            let positive: Vec<bool> = first.labels.iter().map(|&label| label == class).collect();
            let scores =
                [(a, &predictions[0]), (b, &predictions[1])].map(|(model, p)| scores(model, p, name));
            let difference = compare_auroc(&scores[0], &scores[1], &positive, groups, LEVEL)?;
            Some(ClassAuroc { class: name.clone(), difference })
        });
        let mut auroc: Vec<ClassAuroc> = auroc.collect();
        let mut not_defined = BTreeMap::new();
        let (mut compared, mut mean_auroc) = (vec![], None);
        if of_findings {
            (compared, mean_auroc) = findings::compare([a, b], [&first, &second], &predictions);
            auroc = compared.iter().filter_map(Compared::class_auroc).collect();
            if auroc.is_empty() {
                not_defined.insert("auroc", findings::NO_AUROC.to_owned());
            }
        } else if auroc.is_empty() {
            let only = first.labels.first().map_or("", |&label| &classes[label]);
            let reason = format!("needs images of more than one class; all are {only}");
            not_defined.insert("auroc", reason);
        }
        if let Some(without) = auroc.iter().find(|of| of.difference.p_value.is_none()) {
            let reason = match without.difference.standard_error {
                Some(_) => "no spread: no group tells one model from the other",
                None => "needs two independent groups of a class",
            };
            for name in ["interval", "p_value"] {
                not_defined.insert(name, reason.to_owned());
            }
        }
        let binary = classes.len() == 2 && !of_findings;
        let right = if of_findings { [vec![], vec![]] } else { [first.right(), second.right()] };
        let images = labelled.part.len();
        Ok(Comparison {
            split: labelled.name.clone(),
            images,
            groups: groups.map(|groups| groups.iter().max().map_or(0, |last| last + 1)),
            level: LEVEL,
            accuracy: [0, 1].map(|i| {
                let hits = right[i].iter().filter(|&&right| right).count();
                (!of_findings).then(|| hits as f64 / images as f64)
            }),
            accuracy_ci: [0, 1]
                .map(|i| Proportion::new(&right[i], groups, LEVEL).map(|share| share.interval)),
            positive: binary.then(|| classes[positive.class].clone()),
            positive_source: binary.then_some(positive.source),
            auroc,
            not_defined,
            mcnemar: (!of_findings).then(|| mcnemar(&right[0], &right[1], groups)),
            findings: compared,
            mean_auroc,
            test_openings: [None; 2],
            looks: [None; 2],
            passed_over: labelled.dataset.passed_over.clone(),
            unreadable: unreadable(&labelled.dataset),
            models: self.names.clone(),
        })
    }

    /// Counts the look of `command` at these images, which is what it has told in `compared`, in every run folder. It comes
    /// last: who stops before has seen nothing.
    pub fn count(
        &self,
        labelled: &Labelled,
        command: &str,
        compared: &mut Comparison,
        say: &mut dyn FnMut(&str),
    ) {
        let own = [labelled.is_training_data, self.is_own_of_second(labelled)];
        compared.looks = [0, 1].map(|i| count_look(self.paths[i]?, labelled, own[i], command, say));
        compared.test_openings = compared.looks.map(|looks| looks.map(|looks| looks.times));
    }

    /// Says that one of them has seen some of the images, or that it may have.
    fn warn_of_seen(&self, model: usize, labelled: &Labelled, is_own: bool, say: &mut dyn FnMut(&str)) {
        let (name, images) = (&self.names[model], labelled.part.len());
        let Some(path) = self.paths[model] else {
            if !is_own {
                say(&format!(
                    "whether {name} was trained with some of these files is not known: it has no run folder"
                ));
            }
            return;
        };
        if let Some(seen) = seen_in_training(labelled, is_own, &[path], say).filter(|&seen| seen > 0) {
            say(&format!(
                "warning: {name} was trained or validated with {seen} of these {images} images, so it looks better \
                 than it is"
            ));
        }
    }

    /// Whether the second model was trained on this data set with these splits.
    fn is_own_of_second(&self, labelled: &Labelled) -> bool {
        let trained = &self.models[1].metadata.provenance.data_fingerprint;
        labelled.dataset.compare_fingerprint(trained).is_same()
    }

    /// What a model says, and what the reader of files said.
    fn predict(&self, model: &Model, labelled: &Labelled) -> Result<(Predictions, Remarks), Error> {
        let (prep, remarks) = (&model.metadata.preprocessing, Remarks::default());
        let (dataset, part) = (&labelled.dataset, &labelled.part);
        let classifier = &mut Classifier::new(model)?;
        let predictions = train::predict_views(classifier, dataset, part, prep, &[], &remarks, self.stop)?;
        Ok((predictions, remarks))
    }
}

/// The probability of `class` for every image.
fn scores(model: &Model, predictions: &Predictions, class: &str) -> Vec<f64> {
    let classes = &model.metadata.classes;
    let column = classes.iter().position(|known| known == class).expect("both models have the same classes");
    predictions.probabilities.chunks_exact(classes.len()).map(|row| row[column]).collect()
}
