//! The result of a cross-validation: what its folds predicted, together and each by itself.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use data::{Dataset, Sample, Split};
use eval::{Findings, Positive, Scored, Summary, Threshold, group_ids};
use serde::Serialize;

use crate::drawn::open_fold;
use crate::{Config, Error, RunFolder};

/// Bootstrap draws of the pooled summary.
const DRAWS: usize = 1000;

/// The result of a cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossValidation {
    /// All images, each predicted by the model of the fold that tests it, at the largest probability; findings from one
    /// half on.
    pub pooled: Summary,
    /// Each fold by itself.
    pub folds: Vec<Fold>,
    /// The accuracy over folds.
    pub accuracy: Option<FoldSpread>,
    /// The AUROC over the folds that have one; of findings, their mean in each fold.
    pub auroc: Option<FoldSpread>,
    /// Of images with findings: each of them over the folds that have an AUROC of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingOverFolds>,
}

/// A finding over folds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingOverFolds {
    /// Its name.
    pub finding: String,
    /// Its AUROC; none if no fold tests images with it and without.
    pub auroc: Option<FoldSpread>,
}

/// One fold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fold {
    /// Its run folder.
    #[serde(serialize_with = "crate::paths::shown")]
    pub run: PathBuf,
    /// The groups that it tests; a few of them, if they are many.
    pub groups: Vec<String>,
    /// How many they are.
    pub group_count: usize,
    /// Images.
    pub images: usize,
    /// The share that is right at the largest probability; none of findings.
    pub accuracy: Option<f64>,
    /// AUROC; none with one class only; of findings, their mean.
    pub auroc: Option<f64>,
    /// AUROC of each finding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finding_auroc: Vec<Option<f64>>,
}

/// How a figure varies over folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FoldSpread {
    /// The mean over folds, each counted alike.
    pub mean: f64,
    /// The standard deviation (with n - 1); none with one fold.
    pub standard_deviation: Option<f64>,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// Folds that have a value.
    pub folds: usize,
}

impl FoldSpread {
    /// Of values that are there; none if none is.
    fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let values: Vec<f64> = values.flatten().collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self {
            mean,
            standard_deviation: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
            min: values.iter().copied().reduce(f64::min)?,
            max: values.iter().copied().reduce(f64::max)?,
            folds: values.len(),
        })
    }
}

/// The result of a cross-validation with the predictions that it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// The result.
    pub result: CrossValidation,
    /// The true class of each image, fold after fold; of no use where they have findings.
    pub labels: Vec<usize>,
    /// What is known of each finding, `[n, findings]`; empty where an image has one class.
    pub truth: Vec<Option<bool>>,
    /// `[n, classes]`
    pub probabilities: Vec<f64>,
    /// The group of each image.
    pub groups: Vec<usize>,
}

/// What the folds in the folder of a cross-validation predicted, together.
///
/// # Errors
/// A fold that is not finished.
pub fn pooled(out: &Path) -> Result<Pooled, Error> {
    pool(out, finished_folds(out)?.len())
}

/// The run folders of the folds in the folder of a cross-validation.
///
/// # Errors
/// A fold that is not finished.
pub fn finished_folds(out: &Path) -> Result<Vec<PathBuf>, Error> {
    let folds = 1..=RunFolder(out).folds();
    let is_finished = |fold: &usize| RunFolder(&RunFolder(out).fold(*fold)).predictions().exists();
    let (finished, unfinished): (Vec<usize>, Vec<usize>) = folds.partition(is_finished);
    match unfinished.first() {
        None => Ok(finished.into_iter().map(|fold| RunFolder(out).fold(fold)).collect()),
        Some(first) => {
            let (done, all) = (finished.len(), finished.len() + unfinished.len());
            let reason = format!(
                "expected a finished cross-validation, found {done} of {all} folds finished and fold {first} not; \
                 `train --resume --out {}` goes on with it",
                out.display()
            );
            Err(Error::run(out, reason))
        }
    }
}

/// What the folds predicted, together.
pub(crate) fn pool(out: &Path, count: usize) -> Result<Pooled, Error> {
    let folds: Vec<Predicted> =
        (1..=count).map(|fold| Predicted::read(out, fold)).collect::<Result<_, _>>()?;
    let all = folds.iter().fold(Predicted::default(), Predicted::join);
    // All folds have the same settings.
    let settings = Config::of_run(&RunFolder(out).fold(1))?;
    let positive = settings.positive.as_deref();
    let one = |(at, fold): (usize, &Predicted)| {
        let summary = fold.summary("test", 0, positive)?;
        let groups: BTreeSet<&String> = fold.groups.iter().collect();
        Ok(Fold {
            run: RunFolder(out).fold(at + 1),
            groups: groups.iter().take(5).map(|&group| group.clone()).collect(),
            group_count: groups.len(),
            images: summary.images,
            accuracy: summary.accuracy,
            auroc: summary.auroc,
            finding_auroc: summary.findings.iter().map(|of| of.auroc).collect(),
        })
    };
    let per_fold = folds.iter().enumerate().map(one).collect::<Result<Vec<Fold>, Error>>()?;
    let finding = |(at, name): (usize, &String)| FindingOverFolds {
        finding: name.clone(),
        auroc: FoldSpread::of(per_fold.iter().map(|fold| fold.finding_auroc[at])),
    };
    let names = if all.truth.is_empty() { &[][..] } else { &all.classes };
    let result = CrossValidation {
        pooled: all.summary("all folds", DRAWS, positive)?,
        accuracy: FoldSpread::of(per_fold.iter().map(|fold| fold.accuracy)),
        auroc: FoldSpread::of(per_fold.iter().map(|fold| fold.auroc)),
        findings: names.iter().enumerate().map(finding).collect(),
        folds: per_fold,
    };
    Ok(Pooled {
        result,
        groups: group_ids(&all.groups),
        labels: all.labels,
        truth: all.truth,
        probabilities: all.probabilities,
    })
}

/// What a table of predictions says of the truth of a sample: its class, or 1, 0 or nothing of each finding.
fn labels_of<'a>(dataset: &'a Dataset, sample: &Sample) -> Box<dyn Iterator<Item = &'a str> + 'a> {
    match sample.findings.is_empty() {
        true => Box::new(std::iter::once(dataset.classes[sample.label].as_str())),
        false => {
            let findings = sample.findings.clone();
            Box::new(findings.into_iter().map(|is| is.map_or("", |is| if is { "1" } else { "0" })))
        }
    }
}

/// The predictions of one fold, or of all.
#[derive(Clone, Debug, Default)]
struct Predicted {
    classes: Vec<String>,
    labels: Vec<usize>,
    truth: Vec<Option<bool>>,
    probabilities: Vec<f64>,
    groups: Vec<String>,
}

impl Predicted {
    /// Reads the table of predictions and the groups from the manifest.
    fn read(out: &Path, fold: usize) -> Result<Self, Error> {
        let dataset = open_fold(out, fold)?;
        let tested: Vec<&Sample> =
            dataset.part(Split::Test).into_iter().map(|i| &dataset.samples[i]).collect();
        let by_name: HashMap<&str, &Sample> =
            tested.iter().map(|sample| (sample.name.as_str(), *sample)).collect();
        let path = RunFolder(&RunFolder(out).fold(fold)).predictions();
        let broken = |reason: String| Error::run(&path, format!("not a table of predictions: {reason}"));
        let mut table = csv::Reader::from_path(&path).map_err(|error| broken(error.to_string()))?;
        let header = table.headers().map_err(|error| broken(error.to_string()))?.clone();
        let column = |name: &str| {
            header
                .iter()
                .position(|known| known == name)
                .ok_or_else(|| broken(format!("expected the column {name}")))
        };
        let path_at = column("path")?;
        // The class; or each finding, as the table of predictions writes it.
        let labels_at: Vec<usize> = match dataset.has_findings() {
            true => dataset.classes.iter().map(|name| column(name)).collect::<Result<_, _>>()?,
            false => vec![column("label")?],
        };
        let p_at: Vec<usize> =
            dataset.classes.iter().map(|class| column(&format!("p_{class}"))).collect::<Result<_, _>>()?;
        let mut found = Self { classes: dataset.classes.clone(), ..Self::default() };
        let records: Vec<csv::StringRecord> =
            table.records().collect::<Result<_, _>>().map_err(|error| broken(error.to_string()))?;
        // Where images have moved since, the manifest has new names; its order, which is that of the table, is the
        // same.
        let in_order = records.len() == tested.len();
        for (row, record) in records.iter().enumerate() {
            let name = &record[path_at];
            let same =
                |sample: &Sample| labels_of(&dataset, sample).eq(labels_at.iter().map(|&at| &record[at]));
            let moved = || tested.get(row).filter(|sample| in_order && same(sample));
            let sample = by_name.get(name).or_else(moved);
            let sample = sample.ok_or_else(|| broken(format!("{name} is not tested in this fold")))?;
            found.labels.push(sample.label);
            found.truth.extend(&sample.findings);
            found.groups.push(sample.group.clone().unwrap_or_else(|| sample.name.clone()));
            for &at in &p_at {
                found
                    .probabilities
                    .push(record[at].parse().map_err(|_| broken(format!("{name}: {}", &record[at])))?);
            }
        }
        if found.labels.len() != by_name.len() {
            return Err(broken(format!("expected {} images, found {}", by_name.len(), found.labels.len())));
        }
        Ok(found)
    }

    fn join(mut self, other: &Self) -> Self {
        self.classes.clone_from(&other.classes);
        self.labels.extend(&other.labels);
        self.truth.extend(&other.truth);
        self.probabilities.extend(&other.probabilities);
        self.groups.extend_from_slice(&other.groups);
        self
    }

    /// At the largest probability, or of findings one half: every fold chose thresholds of its own, so there is none
    /// for all.
    fn summary(&self, split: &str, draws: usize, named: Option<&str>) -> Result<Summary, Error> {
        if !self.truth.is_empty() {
            let half = Threshold { value: 0.5, rule: "one half".into() };
            return Ok(Summary::of_findings(&Findings {
                split,
                names: &self.classes,
                truth: &self.truth,
                probabilities: &self.probabilities,
                groups: Some(&group_ids(&self.groups)),
                thresholds: &vec![half; self.classes.len()],
                prevalence: None,
                draws,
                seed: 0,
            })?);
        }
        let positive = match named {
            Some(name) => predict::name_positive(&self.classes, name)?,
            None => Positive::of_names(&self.classes),
        };
        let summary = Summary::new(&Scored {
            split,
            labels: &self.labels,
            probabilities: &self.probabilities,
            classes: &self.classes,
            groups: Some(&group_ids(&self.groups)),
            positive: positive.class,
            threshold: Threshold { value: 0.5, rule: "largest probability".into() },
            prevalence: None,
            draws,
            seed: 0,
        })?;
        let positive_source = summary.positive_class.as_ref().map(|_| positive.source);
        Ok(Summary { positive_source, ..summary })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_what_is_there() {
        let found = FoldSpread::of([Some(0.5), None, Some(0.9)].into_iter()).unwrap();
        assert!(
            (found.mean - 0.7).abs() < 1e-12
                && (found.standard_deviation.unwrap() - 0.08f64.sqrt()).abs() < 1e-12
        );
        assert_eq!((found.min, found.max, found.folds), (0.5, 0.9, 2));
        assert_eq!(FoldSpread::of([Some(0.5)].into_iter()).unwrap().standard_deviation, None);
        assert_eq!(FoldSpread::of([None].into_iter()), None);
    }
}
