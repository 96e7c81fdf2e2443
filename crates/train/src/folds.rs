//! Cross-validation by group: a run for every fold, and one result over all images, each predicted by a model that saw
//! nothing of its group.
//!
//! The folder of a cross-validation holds the settings (`config.toml`), what the images hold (`folds.json`) and, for fold N,
//! the manifest `fold-N.csv` and the run folder `fold-N`, which is an ordinary run. Invariants: all manifests are written
//! before the first run; a run that is finished has its table of predictions, so that what is on disk says how to go on; and
//! what is pooled was trained with the same settings on the same images, for as many epochs.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use data::{Dataset, Folds, Likeness, Split, write_manifest};
use eval::{Input, Positive, Summary, Threshold, group_ids};
use serde::{Deserialize, Serialize};

use crate::fit::{TAKEN, check_likeness};
use crate::start::grouped;
use crate::{Config, Error, Event, Outcome, RunFolder, RunLock, fit, unreadable};

/// Bootstrap draws of the pooled summary.
const DRAWS: usize = 1000;
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
    RunFolder(folder).manifest(1).exists()
}

/// Trains and tests every fold as `config` says, in `config.out`: the `folds` that are drawn now or, with `resume`, those in
/// the folder. `observe` hears the number of a fold, how many there are, and what happens in it; before the first, both are
/// 0. `None` if `stop` was set before the end; the lock is that of the folder, so that what belongs to the end can be
/// written.
///
/// A cross-validation that goes on may be prolonged as a single run may. Then the folds that were finished go on too: each
/// is in the end what it would have been with these settings from the beginning, and so is what is pooled.
pub fn cross_validate(
    config: &Config,
    folds: Option<Folds>,
    resume: bool,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(usize, usize, &Event),
) -> Result<Option<(CrossValidation, RunLock)>, Error> {
    config.check()?;
    let out = &config.out;
    let lock = match folds.filter(|_| !resume) {
        Some(folds) => draw(config, folds, &mut |event| observe(0, 0, event))?,
        None => go_on(config, folds)?,
    };
    let count = manifests(out);
    for fold in 1..=count {
        let config = Config {
            out: RunFolder(out).fold(fold),
            data: RunFolder(out).manifest(fold),
            group_by: None,
            ..config.clone()
        };
        if is_finished(&config) {
            continue;
        }
        let resume = RunFolder(&config.out).last().exists();
        if resume {
            // It is not finished any more, whatever stops it now.
            let old = RunFolder(&config.out).predictions();
            if old.exists() {
                std::fs::remove_file(&old).map_err(Error::io(&old))?;
            }
        }
        let outcome = fit(&config, resume, stop, &mut |event| observe(fold, count, event))?;
        if let Outcome::Interrupted { .. } = outcome {
            return Ok(None);
        }
    }
    let result = pool(out, count)?.result;
    let text = serde_json::to_string_pretty(&result).expect("plain values have a JSON form");
    model::write_atomic(RunFolder(out).result(), |file| std::io::Write::write_all(file, text.as_bytes()))?;
    Ok(Some((result, lock)))
}

/// How many folds the folder has.
fn manifests(out: &Path) -> usize {
    (1..).take_while(|&fold| RunFolder(out).manifest(fold).exists()).count()
}

/// Whether the run of a fold was finished with settings of the same length.
fn is_finished(config: &Config) -> bool {
    let same = |before: Config| (before.epochs, before.max_steps) == (config.epochs, config.max_steps);
    RunFolder(&config.out).predictions().exists() && Config::of_run(&config.out).is_ok_and(same)
}

/// Draws the folds and writes a manifest for each, the first one last: it says that all are there.
fn draw(config: &Config, folds: Folds, observe: &mut dyn FnMut(&Event)) -> Result<RunLock, Error> {
    let out = &config.out;
    let check = || {
        let taken = is_cross_validation(out) || RunFolder(out).steps().exists();
        if taken { Err(Error::run(out, TAKEN)) } else { Ok(()) }
    };
    check()?;
    let mut dataset =
        grouped(&config.data, config.group_by.as_ref(), config.skip_unreadable)?.with_two_classes()?;
    if let Some(name) = &config.positive {
        predict::name_positive(&dataset.classes, name)?;
    }
    unreadable::leave_out(config, &mut dataset, observe)?;
    observe(&Event::Read { dataset: &dataset });
    let left_out = dataset.clone();
    dataset.remove_unreadable();
    let (fold_of, count) = dataset.folds(folds, config.seed)?;
    std::fs::create_dir_all(out).map_err(Error::io(out))?;
    let lock = RunLock::acquire(out)?;
    check()?;
    config.write(&RunFolder(out).config())?;
    Drawn::of(&dataset, folds).write(out)?;
    if config.skip_unreadable {
        unreadable::write(out, &left_out)?;
    }
    for fold in (0..count).rev() {
        dataset.use_fold(&fold_of, fold, config.seed)?;
        write_manifest(&RunFolder(out).manifest(fold + 1), &dataset)?;
    }
    Ok(lock)
}

/// Checks that the cross-validation in `config.out` can go on with `config`, and that its images are what they were.
fn go_on(config: &Config, folds: Option<Folds>) -> Result<RunLock, Error> {
    let out = &config.out;
    let lock = RunLock::acquire(out)?;
    let before = settings(out)?;
    before.check_resume(config)?;
    let longest = before.max_steps.unwrap_or(u64::MAX);
    if let Some(most) = config.max_steps.filter(|&most| most < longest) {
        let expected = match before.max_steps {
            Some(steps) => format!("{steps} or more to resume this cross-validation"),
            None => "none to resume this cross-validation, which had no limit".to_owned(),
        };
        return Err(Error::config("max-steps", expected, most));
    }
    if let Some(wanted) = folds {
        let have = Drawn::read(out)?.map_or_else(|| manifests(out).to_string(), |drawn| drawn.folds);
        let same = have == wanted.to_string();
        if !same {
            return Err(before.other_setting("folds", have, wanted));
        }
    }
    find_images(out, Some(&config.data).filter(|data| **data != before.data).map(PathBuf::as_path))?;
    if is_drawn_here(out) {
        config.write(&RunFolder(out).config())?;
    }
    Ok(lock)
}

/// Whether the folder has the settings of its folds; earlier versions wrote them only into the runs.
fn is_drawn_here(out: &Path) -> bool {
    RunFolder(out).config().exists()
}

/// The settings of the run or cross-validation in `out`.
pub fn settings(out: &Path) -> Result<Config, Error> {
    match is_drawn_here(out) || !is_cross_validation(out) {
        true => Config::of_run(out),
        false => Ok(Config { out: out.to_path_buf(), ..Config::of_run(&RunFolder(out).fold(1))? }),
    }
}

/// Where the data of the run or cross-validation in `out` were, if they are not there any more.
pub fn lost_data(out: &Path) -> Result<Option<PathBuf>, Error> {
    let data = settings(out)?.data;
    if !is_cross_validation(out) {
        return Ok(Some(data).filter(|data| !data.exists()));
    }
    if is_drawn_here(out) && data.exists() {
        return Ok(None);
    }
    let rows = Dataset::open_with_missing(&RunFolder(out).manifest(1))?.samples;
    Ok(rows.into_iter().map(|sample| sample.path).find(|path| !path.exists()))
}

/// What the folds were drawn from: `folds.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Drawn {
    /// As the option says it.
    folds: String,
    /// What the images hold, in the order of the manifests: 16 digits of the SHA-256; empty if one could not be read.
    images: Vec<String>,
}

impl Drawn {
    fn of(dataset: &Dataset, folds: Folds) -> Self {
        Self { folds: folds.to_string(), images: contents(dataset) }
    }

    /// None, if an earlier version drew the folds.
    fn read(out: &Path) -> Result<Option<Self>, Error> {
        let path = RunFolder(out).drawn();
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(|error| Error::run(&path, error.to_string()))?,
        };
        let broken =
            |error| Error::run(&path, format!("expected folds and images, found otherwise: {error}"));
        serde_json::from_str(&text).map(Some).map_err(broken)
    }

    fn write(&self, out: &Path) -> Result<(), Error> {
        let text = serde_json::to_string(self).expect("texts have a JSON form");
        Ok(model::write_atomic(RunFolder(out).drawn(), |file| {
            std::io::Write::write_all(file, text.as_bytes())
        })?)
    }
}

/// What the images of a data set hold, in order.
fn contents(dataset: &Dataset) -> Vec<String> {
    let all: Vec<usize> = (0..dataset.samples.len()).collect();
    let digits = |digest: Option<data::Digest>| digest.map(|digest| data::hexadecimal(&digest[..8]));
    dataset.digests(&all).into_iter().map(|digest| digits(digest).unwrap_or_default()).collect()
}

/// That the images of the cross-validation in `out` are there and hold what they held when the folds were drawn. With
/// `data`, or where they have moved together with `out`, the manifests are written anew for the new place.
///
/// # Errors
/// Images, labels or groups have changed; or they are not there, and no `data` is given.
pub fn find_images(out: &Path, data: Option<&Path>) -> Result<(), Error> {
    let path = RunFolder(out).manifest(1);
    let rows = Dataset::open_with_missing(&path)?;
    let before = settings(out)?;
    let missing = rows.samples.iter().find(|sample| !sample.path.exists());
    let drawn = Drawn::read(out)?;
    let known = match (&drawn, missing) {
        (Some(drawn), _) => drawn.images.clone(),
        (None, None) => contents(&rows),
        (None, Some(sample)) => {
            let reason = format!(
                "the images of this cross-validation are not there ({}), and it is of an earlier version, which did not \
                 note what they hold; put them back to go on",
                sample.path.display()
            );
            return Err(Error::run(&path, reason));
        }
    };
    let changed = || check_likeness(out, Likeness::OtherContents).map(drop);
    if known.len() != rows.samples.len() {
        return changed();
    }
    let source = match data {
        Some(data) => Some(data.to_path_buf()),
        None => Some(before.data.clone()).filter(|data| is_drawn_here(out) && data.exists()),
    };
    let Some(source) = source else {
        return match missing {
            Some(sample) => Err(Error::run(
                &path,
                format!("the images of this cross-validation are not there: {}", sample.path.display()),
            )),
            None if drawn.is_some() && contents(&rows) != known => changed(),
            None => Ok(()),
        };
    };
    let mut found = grouped(&source, before.group_by.as_ref(), before.skip_unreadable)?;
    // The manifests name what was readable in the beginning.
    found.leave_out(&unreadable::read(out)?);
    found.remove_unreadable();
    // Of a sample: what it holds, its class, and its group.
    type Key = (String, String, Option<String>);
    let key = |set: &Dataset, i: usize, contents: &str| -> Key {
        let sample = &set.samples[i];
        (contents.to_owned(), set.classes[sample.label].clone(), sample.group.clone())
    };
    let mut places: HashMap<Key, Vec<usize>> = HashMap::new();
    for (i, contents) in contents(&found).iter().enumerate().rev() {
        places.entry(key(&found, i, contents)).or_default().push(i);
    }
    let take = |(i, contents): (usize, &String)| places.get_mut(&key(&rows, i, contents))?.pop();
    let place: Option<Vec<usize>> = known.iter().enumerate().map(take).collect();
    let Some(place) = place.filter(|place| place.len() == found.samples.len()) else {
        let sizes = |set: &Dataset| {
            let bytes = |sample: &data::Sample| missing.map_or(sample.bytes, |_| 0);
            let size = |sample: &data::Sample| {
                (set.classes[sample.label].clone(), sample.group.clone(), bytes(sample))
            };
            let mut all: Vec<_> = set.samples.iter().map(size).collect();
            all.sort();
            all
        };
        let alike = sizes(&rows) == sizes(&found);
        let likeness = if alike { Likeness::OtherContents } else { Likeness::Other };
        return check_likeness(out, likeness).map(drop);
    };
    if data.is_some() || missing.is_some() {
        let at: HashMap<&str, usize> =
            rows.samples.iter().zip(&place).map(|(sample, &at)| (sample.name.as_str(), at)).collect();
        for fold in (1..=manifests(out)).rev() {
            let path = RunFolder(out).manifest(fold);
            let mut dataset = Dataset::open_with_missing(&path)?;
            for sample in &mut dataset.samples {
                let Some(&at) = at.get(sample.name.as_str()) else {
                    return Err(Error::run(&path, format!("{} is in no other fold", sample.name)));
                };
                sample.path.clone_from(&found.samples[at].path);
            }
            write_manifest(&path, &dataset)?;
        }
        if is_drawn_here(out) {
            Config { data: source, ..before }.write(&RunFolder(out).config())?;
        }
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
    let folds = 1..=manifests(out);
    let is_finished = |fold: &usize| RunFolder(&RunFolder(out).fold(*fold)).predictions().exists();
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
        })
    };
    let per_fold = folds.iter().enumerate().map(one).collect::<Result<Vec<Fold>, Error>>()?;
    let result = CrossValidation {
        pooled: all.summary("all folds", DRAWS, positive)?,
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

fn is_of(dataset: &Dataset, sample: &data::Sample, class: &str) -> bool {
    dataset.classes[sample.label] == class
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
        let dataset = Dataset::open_with_missing(&RunFolder(out).manifest(fold))?;
        let tested: Vec<&data::Sample> =
            dataset.part(Split::Test).into_iter().map(|i| &dataset.samples[i]).collect();
        let by_name: HashMap<&str, &data::Sample> =
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
        let (path_at, label_at) = (column("path")?, column("label")?);
        let p_at: Vec<usize> =
            dataset.classes.iter().map(|class| column(&format!("p_{class}"))).collect::<Result<_, _>>()?;
        let mut found = Self { classes: dataset.classes.clone(), ..Self::default() };
        let records: Vec<csv::StringRecord> =
            table.records().collect::<Result<_, _>>().map_err(|error| broken(error.to_string()))?;
        // Where images have moved since, the manifest has new names; its order, which is that of the table, is the same.
        let in_order = records.len() == tested.len();
        for (row, record) in records.iter().enumerate() {
            let name = &record[path_at];
            let moved =
                || tested.get(row).filter(|sample| in_order && is_of(&dataset, sample, &record[label_at]));
            let sample = by_name.get(name).or_else(moved);
            let sample = sample.ok_or_else(|| broken(format!("{name} is not tested in this fold")))?;
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
    fn summary(&self, split: &str, draws: usize, named: Option<&str>) -> Result<Summary, Error> {
        let positive = match named {
            Some(name) => predict::name_positive(&self.classes, name)?,
            None => Positive::of_names(&self.classes),
        };
        let summary = Summary::new(&Input {
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
