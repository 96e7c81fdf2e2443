//! Cross-validation by group: a run for every fold, and one result over all images, each predicted by a model that saw
//! nothing of its group.
//!
//! The folder of a cross-validation holds, for fold N, the manifest `fold-N.csv` and the run folder `fold-N`, which is an
//! ordinary run. Invariant: all manifests are written before the first run, and a run that is finished has its table of
//! predictions, so that what is on disk says how to go on.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use data::{Dataset, Folds, Split, write_manifest};
use eval::{Input, Summary, Threshold, default_positive, group_ids};
use serde::Serialize;

use crate::start::grouped;
use crate::{Config, Error, Event, Outcome, fit, unreadable};

/// Bootstrap draws of the pooled summary.
const DRAWS: usize = 1000;
/// The name of the result in the folder.
const RESULT: &str = "cross-validation.json";

/// The result of a cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossValidation {
    /// All images, each predicted by the model of the fold that tests it, at the largest probability.
    pub pooled: Summary,
    /// Each fold by itself.
    pub folds: Vec<Fold>,
    /// The accuracy over folds.
    pub accuracy: Option<Spread>,
    /// The AUROC over the folds that have one.
    pub auroc: Option<Spread>,
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
    /// The share that is right at the largest probability.
    pub accuracy: Option<f64>,
    /// AUROC; none with one class only.
    pub auroc: Option<f64>,
}

/// How a figure varies over folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
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

impl Spread {
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

/// Whether `folder` holds a cross-validation, finished or not.
pub fn is_cross_validation(folder: &Path) -> bool {
    manifest(folder, 1).exists()
}

fn manifest(folder: &Path, fold: usize) -> PathBuf {
    folder.join(format!("fold-{fold}.csv"))
}

fn run_folder(folder: &Path, fold: usize) -> PathBuf {
    folder.join(format!("fold-{fold}"))
}

/// Trains and tests every fold as `config` says, in `config.out`. With `folds`, they are drawn and the cross-validation
/// begins; without, the one in the folder goes on. `observe` hears the number of a fold, how many there are, and what
/// happens in it; before the first, both are 0. `None` if `stop` was set before the end.
pub fn cross_validate(
    config: &Config,
    folds: Option<Folds>,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(usize, usize, &Event),
) -> Result<Option<CrossValidation>, Error> {
    config.check()?;
    let out = &config.out;
    if let Some(folds) = folds {
        draw(config, folds, &mut |event| observe(0, 0, event))?;
    }
    let count = (1..).take_while(|&fold| manifest(out, fold).exists()).count();
    for fold in 1..=count {
        let run = run_folder(out, fold);
        if run.join("predictions.csv").exists() {
            continue;
        }
        let config = match run.join("last.safetensors").exists() {
            true => Config { out: run, data: manifest(out, fold), ..Config::of_run(&run_folder(out, fold))? },
            false => Config { out: run, data: manifest(out, fold), group_by: None, ..config.clone() },
        };
        let resume = config.out.join("last.safetensors").exists();
        let outcome = fit(&config, resume, stop, &mut |event| observe(fold, count, event))?;
        if let Outcome::Interrupted { .. } = outcome {
            return Ok(None);
        }
    }
    let result = pool(out, count)?.result;
    let text = serde_json::to_string_pretty(&result).expect("plain values have a JSON form");
    model::write_atomic(out.join(RESULT), |file| std::io::Write::write_all(file, text.as_bytes()))?;
    Ok(Some(result))
}

/// Draws the folds and writes a manifest for each, the first one last: it says that all are there.
fn draw(config: &Config, folds: Folds, observe: &mut dyn FnMut(&Event)) -> Result<(), Error> {
    let out = &config.out;
    if is_cross_validation(out) || out.join(crate::config::CONFIG_FILE).exists() {
        let reason = "holds a run already, which is not overwritten; add --resume to go on with it, or choose another --out";
        return Err(Error::run(out, reason));
    }
    let mut dataset = grouped(&config.data, config.group_by.as_deref(), config.skip_unreadable)?;
    unreadable::leave_out(config, &mut dataset, observe)?;
    observe(&Event::Read { dataset: &dataset });
    let left_out = dataset.clone();
    dataset.remove_unreadable();
    let (fold_of, count) = dataset.folds(folds, config.seed)?;
    std::fs::create_dir_all(out).map_err(Error::io(out))?;
    if config.skip_unreadable {
        unreadable::write(out, &left_out)?;
    }
    for fold in (0..count).rev() {
        dataset.use_fold(&fold_of, fold, config.seed)?;
        write_manifest(&manifest(out, fold + 1), &dataset)?;
    }
    Ok(())
}

/// The result of a cross-validation with the predictions that it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// The result.
    pub result: CrossValidation,
    /// The true class of each image, fold after fold.
    pub labels: Vec<usize>,
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
    let folds = (1..).take_while(|&fold| manifest(out, fold).exists());
    let is_finished = |fold: &usize| run_folder(out, *fold).join("predictions.csv").exists();
    let (finished, unfinished): (Vec<usize>, Vec<usize>) = folds.partition(is_finished);
    match unfinished.first() {
        None => pool(out, finished.len()),
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
fn pool(out: &Path, count: usize) -> Result<Pooled, Error> {
    let folds: Vec<Predicted> =
        (1..=count).map(|fold| Predicted::read(out, fold)).collect::<Result<_, _>>()?;
    let all = folds.iter().fold(Predicted::default(), Predicted::join);
    let one = |(at, fold): (usize, &Predicted)| {
        let summary = fold.summary("test", 0)?;
        let groups: BTreeSet<&String> = fold.groups.iter().collect();
        Ok(Fold {
            run: run_folder(out, at + 1),
            groups: groups.iter().take(5).map(|&group| group.clone()).collect(),
            group_count: groups.len(),
            images: summary.images,
            accuracy: summary.accuracy,
            auroc: summary.auroc,
        })
    };
    let per_fold = folds.iter().enumerate().map(one).collect::<Result<Vec<Fold>, Error>>()?;
    let result = CrossValidation {
        pooled: all.summary("all folds", DRAWS)?,
        accuracy: Spread::of(per_fold.iter().map(|fold| fold.accuracy)),
        auroc: Spread::of(per_fold.iter().map(|fold| fold.auroc)),
        folds: per_fold,
    };
    Ok(Pooled {
        result,
        groups: group_ids(&all.groups),
        labels: all.labels,
        probabilities: all.probabilities,
    })
}

/// The predictions of one fold, or of all.
#[derive(Clone, Debug, Default)]
struct Predicted {
    classes: Vec<String>,
    labels: Vec<usize>,
    probabilities: Vec<f64>,
    groups: Vec<String>,
}

impl Predicted {
    /// Reads the table of predictions and the groups from the manifest.
    fn read(out: &Path, fold: usize) -> Result<Self, Error> {
        let dataset = Dataset::open(&manifest(out, fold))?;
        let tested = dataset.samples.iter().filter(|sample| sample.split == Some(Split::Test));
        let by_name: HashMap<&str, &data::Sample> =
            tested.map(|sample| (sample.name.as_str(), sample)).collect();
        let path = run_folder(out, fold).join("predictions.csv");
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
        let p_at: Vec<usize> =
            dataset.classes.iter().map(|class| column(&format!("p_{class}"))).collect::<Result<_, _>>()?;
        let mut found = Self { classes: dataset.classes.clone(), ..Self::default() };
        for record in table.records() {
            let record = record.map_err(|error| broken(error.to_string()))?;
            let name = &record[path_at];
            let sample =
                by_name.get(name).ok_or_else(|| broken(format!("{name} is not tested in this fold")))?;
            found.labels.push(sample.label);
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
        self.probabilities.extend(&other.probabilities);
        self.groups.extend_from_slice(&other.groups);
        self
    }

    /// At the largest probability: every fold chose a threshold of its own, so there is none for all.
    fn summary(&self, split: &str, draws: usize) -> Result<Summary, Error> {
        Ok(Summary::new(&Input {
            split,
            labels: &self.labels,
            probabilities: &self.probabilities,
            classes: &self.classes,
            groups: Some(&group_ids(&self.groups)),
            positive: default_positive(&self.classes),
            threshold: Threshold { value: 0.5, rule: "largest probability".into() },
            prevalence: None,
            draws,
            seed: 0,
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_what_is_there() {
        let found = Spread::of([Some(0.5), None, Some(0.9)].into_iter()).unwrap();
        assert!(
            (found.mean - 0.7).abs() < 1e-12
                && (found.standard_deviation.unwrap() - 0.08f64.sqrt()).abs() < 1e-12
        );
        assert_eq!((found.min, found.max, found.folds), (0.5, 0.9, 2));
        assert_eq!(Spread::of([Some(0.5)].into_iter()).unwrap().standard_deviation, None);
        assert_eq!(Spread::of([None].into_iter()), None);
    }
}
