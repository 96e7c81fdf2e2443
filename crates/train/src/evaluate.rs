//! From predictions to results: the summary of a split, its subgroups, and the table of predictions.
//!
//! The threshold of a two-class model and its temperature were fixed on the validation split and are stored in the
//! model; they decide everything that is reported of any other split.

use crate::{Error, Predictions};
use data::{Dataset, is_missing};
use eval::{Known, Positive, PositiveSource, Scored, Subgroup, Summary};
use model::{Metadata, list_names};
use predict::{Decision, positive_of, predicted_class, threshold_of};
use std::collections::HashMap;
use std::path::Path;

/// Bootstrap draws of a summary, unless another number is asked for.
pub const DRAWS: usize = 2000;

/// The most bootstrap draws: more change no digit that is shown.
pub const MAX_DRAWS: usize = 1_000_000;

/// The least bootstrap draws, if there are any: of fewer there are no 2.5 % on either side.
pub const LEAST_DRAWS: usize = 100;

/// What is asked of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question<'a> {
    /// What the summary calls the images.
    pub split: &'a str,
    /// A threshold instead of the model's.
    pub threshold: Option<f64>,
    /// A prevalence to give predictive values for.
    pub prevalence: Option<f64>,
    /// Bootstrap draws.
    pub draws: usize,
}

impl<'a> Question<'a> {
    /// By the model's threshold, at the prevalence of the images.
    pub fn of(split: &'a str) -> Self {
        Self { split, threshold: None, prevalence: None, draws: DRAWS }
    }
}

/// A model's predictions beside the truth.
pub struct LabelledPredictions<'a> {
    pub(crate) metadata: &'a Metadata,
    pub(crate) predictions: &'a Predictions,
    pub(crate) dataset: &'a Dataset,
    /// The true class of each predicted image, as the model numbers them.
    pub labels: Vec<usize>,
    /// The group of each predicted image, if groups are known.
    pub groups: Option<Vec<usize>>,
    /// The positive class of two; see [`predict::positive_of`]. Of no use with more than two.
    pub positive: Positive,
    /// Of images with findings: what is known of each finding of the model, `[n, findings]`; else empty.
    pub truth: Vec<Option<bool>>,
}

impl<'a> LabelledPredictions<'a> {
    /// For `predictions` of images in `dataset`; an error if an image has a class that the model does not know. The
    /// positive class is the model's.
    pub fn new(
        metadata: &'a Metadata,
        predictions: &'a Predictions,
        dataset: &'a Dataset,
    ) -> Result<Self, Error> {
        let (labels, truth) = match metadata.has_findings() {
            true => (
                vec![0; predictions.indices.len()],
                truth_of(&metadata.classes, &predictions.indices, dataset)?,
            ),
            false => (class_numbers(&metadata.classes, &predictions.indices, dataset)?, vec![]),
        };
        let keys: Vec<_> = predictions.indices.iter().map(|&i| dataset.group_key(i)).collect();
        let groups = dataset.has_groups().then(|| eval::group_ids(&keys));
        let positive = positive_of(metadata, None)?;
        Ok(Self { metadata, predictions, dataset, labels, groups, positive, truth })
    }

    /// The same with another positive class.
    pub fn with_positive(self, positive: Positive) -> Self {
        Self { positive, ..self }
    }

    /// The number of the positive class; of no use with more than two.
    pub fn positive(&self) -> usize {
        self.positive.class
    }

    /// All figures.
    pub fn summary(&self, question: &Question) -> Result<Summary, Error> {
        if self.metadata.has_findings() {
            let thresholds = predict::finding_thresholds(self.metadata, question.threshold);
            return Ok(Summary::of_findings(&self.findings(question, &thresholds))?);
        }
        let summary = Summary::new(&self.input(question))?;
        let positive_source = summary.positive_class.as_ref().map(|_| self.positive.source);
        Ok(Summary { positive_source, ..summary })
    }

    /// The name of the data set, without where it lies.
    pub fn data_name(&self) -> String {
        let source = self.dataset.source.canonicalize().unwrap_or_else(|_| self.dataset.source.clone());
        source.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The main figures for each value of `column`: a column of the manifest, or `group`.
    pub fn subgroups(&self, question: &Question, column: &str) -> Result<Vec<Subgroup>, Error> {
        let at = self.dataset.column(column);
        if at.is_none() && !column.eq_ignore_ascii_case("group") {
            let known: Vec<&str> = self.dataset.columns.iter().map(String::as_str).chain(["group"]).collect();
            let expected = format!("a column of the manifest ({})", known.join(", "));
            return Err(Error::config("subgroup", expected, column));
        }
        let column = at.map_or("group", |at| &self.dataset.columns[at]);
        let value = |&i: &usize| match at {
            Some(at) => self.dataset.samples[i].extra[at].clone(),
            None => self.dataset.samples[i].group.clone().unwrap_or_default(),
        };
        let mut values: Vec<String> = self.predictions.indices.iter().map(value).collect();
        // Of words, "none" may be one; among numbers it is what is not there.
        if values.iter().all(|value| is_blank(value) || value.trim().parse::<f64>().is_ok()) {
            values.iter_mut().filter(|value| is_blank(value)).for_each(String::clear);
        }
        if self.metadata.has_findings() {
            let thresholds = predict::finding_thresholds(self.metadata, question.threshold);
            return Ok(self.findings(question, &thresholds).subgroups(column, &values)?);
        }
        Ok(eval::subgroups(&self.input(question), column, &values)?)
    }

    /// Whether the model's decision is right, image by image.
    pub fn right(&self) -> Vec<bool> {
        let rows = self.predictions.probabilities.chunks_exact(self.metadata.classes.len());
        rows.zip(&self.labels).map(|(row, &label)| predicted_class(self.metadata, row) == label).collect()
    }

    /// The images of which the finding `at` is known, and its probability in each.
    pub fn known(&self, at: usize) -> (Known, Vec<f64>) {
        let count = self.metadata.classes.len();
        let known = Known::of(&self.truth, at, count);
        let scores = known.scores(&self.predictions.probabilities, at, count);
        (known, scores)
    }

    fn findings<'b>(
        &'b self,
        question: &'b Question,
        thresholds: &'b [eval::Threshold],
    ) -> eval::Findings<'b> {
        eval::Findings {
            split: question.split,
            names: &self.metadata.classes,
            truth: &self.truth,
            probabilities: &self.predictions.probabilities,
            groups: self.groups.as_deref(),
            thresholds,
            prevalence: question.prevalence,
            draws: question.draws,
            seed: 0,
        }
    }

    fn input<'b>(&'b self, question: &'b Question) -> Scored<'b> {
        let threshold = threshold_of(self.metadata, self.positive, question.threshold);
        Scored {
            split: question.split,
            labels: &self.labels,
            probabilities: &self.predictions.probabilities,
            classes: &self.metadata.classes,
            groups: self.groups.as_deref(),
            positive: self.positive.class,
            threshold,
            prevalence: question.prevalence,
            draws: question.draws,
            seed: 0,
        }
    }
}

/// That the model of `metadata` knows the class of every image of `part`, or that the data know its findings: to be
/// asked before any of them is read.
pub fn check_classes(metadata: &Metadata, part: &[usize], dataset: &Dataset) -> Result<(), Error> {
    match metadata.has_findings() {
        true => truth_of(&metadata.classes, &[], dataset).map(drop),
        false => class_numbers(&metadata.classes, part, dataset).map(drop),
    }
}

/// What is known of the findings of the images of `part`, `[n, findings]`, as the data set numbers them.
pub(crate) fn truth(dataset: &Dataset, part: &[usize]) -> Vec<Option<bool>> {
    part.iter().flat_map(|&i| dataset.samples[i].findings.iter().copied()).collect()
}

/// What is known of the findings of a model in the images of `part`, `[n, findings]`.
pub(crate) fn truth_of(
    findings: &[String],
    part: &[usize],
    dataset: &Dataset,
) -> Result<Vec<Option<bool>>, Error> {
    let find = |name: &String| {
        let at = dataset.classes.iter().position(|known| known.eq_ignore_ascii_case(name));
        at.filter(|_| dataset.has_findings())
    };
    let at: Option<Vec<usize>> = findings.iter().map(find).collect();
    let Some(at) = at else {
        let (known, found) = (list_names(findings), list_names(&dataset.classes));
        let reason = format!("expected the model's findings ({known}), found {found}");
        return Err(Error::run(&dataset.source, reason));
    };
    Ok(part.iter().flat_map(|&i| at.iter().map(move |&at| dataset.samples[i].findings[at])).collect())
}

/// The true classes of the images of `part`, as the model numbers them.
pub(crate) fn class_numbers(
    classes: &[String],
    part: &[usize],
    dataset: &Dataset,
) -> Result<Vec<usize>, Error> {
    let number: HashMap<&str, usize> =
        classes.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let of_model: Vec<Option<usize>> =
        dataset.classes.iter().map(|class| number.get(class.as_str()).copied()).collect();
    let of_sample = |&i: &usize| {
        let sample = &dataset.samples[i];
        of_model[sample.label].ok_or_else(|| {
            let unknown = dataset.classes.iter().filter(|class| !number.contains_key(class.as_str()));
            let unknown: Vec<&String> = unknown.collect();
            let (known, found) = (list_names(classes), list_names(&unknown));
            let reason =
                format!("{}: expected one of the model's classes ({known}), found {found}", sample.name);
            Error::run(&dataset.source, reason)
        })
    };
    part.iter().map(of_sample).collect()
}

/// Writes a line for every predicted image: its path, class, predicted class (by the threshold of `summary`) and
/// probabilities.
pub fn write_predictions(
    path: &Path,
    classes: &[String],
    summary: &Summary,
    predictions: &Predictions,
    dataset: &Dataset,
) -> Result<(), Error> {
    write_averaged(path, classes, summary, predictions, &[], dataset)
}

/// The same of several models, with the `spread` of each probability over them, `[n, classes]` or nothing: a column
/// with that of the predicted class, or one for each finding.
pub fn write_averaged(
    path: &Path,
    classes: &[String],
    summary: &Summary,
    predictions: &Predictions,
    spread: &[f64],
    dataset: &Dataset,
) -> Result<(), Error> {
    if !summary.findings.is_empty() {
        return write_findings(path, classes, summary, predictions, spread, dataset);
    }
    let positive = summary.positive_class.as_ref();
    let positive = positive.and_then(|class| classes.iter().position(|known| known == class));
    let decision = positive.zip(summary.threshold).map(|(class, value)| Decision {
        positive: Positive { class, source: PositiveSource::Model },
        threshold: eval::Threshold::fixed(value),
    });
    Ok(model::write_atomic(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        let mut header = vec!["path".to_owned(), "label".into(), "predicted".into()];
        header.extend(classes.iter().map(|class| format!("p_{class}")));
        header.extend((!spread.is_empty()).then(|| "spread".into()));
        table.write_record(&header)?;
        let rows = predictions.probabilities.chunks_exact(classes.len());
        let mut spreads = spread.chunks_exact(classes.len());
        for (&i, row) in predictions.indices.iter().zip(rows) {
            let sample = &dataset.samples[i];
            let called = decision.as_ref().map_or_else(|| eval::argmax(row), |decision| decision.class(row));
            let predicted = classes[called].clone();
            let mut line = vec![sample.name.clone(), dataset.classes[sample.label].clone(), predicted];
            line.extend(row.iter().copied().map(data::exact));
            line.extend(spreads.next().map(|spread| data::exact(spread[called])));
            table.write_record(&line)?;
        }
        table.flush()
    })?)
}

/// The same of findings: the truth of each (1, 0 or nothing), whether it is called, and its probability.
fn write_findings(
    path: &Path,
    findings: &[String],
    summary: &Summary,
    predictions: &Predictions,
    spread: &[f64],
    dataset: &Dataset,
) -> Result<(), Error> {
    let truth = truth_of(findings, &predictions.indices, dataset)?;
    Ok(model::write_atomic(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        let columns =
            findings.iter().flat_map(|name| [name.clone(), format!("called_{name}"), format!("p_{name}")]);
        let spreads = findings.iter().filter(|_| !spread.is_empty()).map(|name| format!("spread_{name}"));
        table.write_record(std::iter::once("path".to_owned()).chain(columns).chain(spreads))?;
        let mut spreads = spread.chunks_exact(findings.len());
        let rows =
            truth.chunks_exact(findings.len()).zip(predictions.probabilities.chunks_exact(findings.len()));
        for (&i, (truth, row)) in predictions.indices.iter().zip(rows) {
            let mut line = vec![dataset.samples[i].name.clone()];
            for ((is, p), of) in truth.iter().zip(row).zip(&summary.findings) {
                let digit = |is: bool| u8::from(is).to_string();
                line.extend([is.map_or_else(String::new, digit), digit(of.calls(*p)), data::exact(*p)]);
            }
            line.extend(spreads.next().into_iter().flatten().copied().map(data::exact));
            table.write_record(&line)?;
        }
        table.flush()
    })?)
}

fn is_blank(value: &str) -> bool {
    value.trim().is_empty() || is_missing(value.trim())
}
