//! `vertebra report`: the report of a run, made again; and how `train` and `evaluate --report` make theirs.

mod folds;

use crate::counter::Counter;
use crate::failure::Failure;
use crate::lost;
use crate::shell::quote;
use crate::terminal;
use data::{Dataset, Remarks, Split, decode_through};
use eval::{Subgroup, Summary};
use heatmap::{Explainer, Method, overlay, png};
use model::{Metadata, Model, Placement, preprocess, write_atomic};
use predict::{Classifier, predicted_class};
use report::{Contents, EpochRow, Training, WorstError};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use train::{
    Config, EpochLine, LabelledPredictions, Opening, Openings, Predictions, Question, RangeStep, RunFolder,
    RunLock, open_run_data,
};

/// Write the report of a run again: report.html and model-card.md in its folder
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra report runs/mine
  vertebra report runs/mine --json
  vertebra report runs/mine NEW-PLACE     after its data were moved
  vertebra report runs/cv                 of `train --folds`: one page for all folds, and the report of each

`train` writes the report when it ends; this makes it again from the run folder and the data, with the figures of the
test split (of the validation split, if there is no other). The page is one file: no script, nothing is loaded.
What people wrote into model-card.md stays: only lines of the program are made anew, and where somebody changed one,
the new value is noted beneath. `evaluate --report FILE` writes a page for other data. Research use only, not a medical device.")]
pub struct Args {
    /// Run folder
    run: PathBuf,
    /// Where the data of the run are now, if they were moved; written into config.toml
    data: Option<PathBuf>,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub use folds::of_folds;

/// Worst errors that are shown.
const ERRORS: usize = 8;
/// The same of findings, of all together.
const PICTURES: usize = 24;
/// The most findings that have some.
const FINDINGS: usize = 16;
/// The longer side of their pictures, at least and at most.
const SIDE: [usize; 2] = [256, 256];

pub fn run(args: Args) -> Result<(), Failure> {
    let is_cross_validation = train::is_cross_validation(&args.run);
    if !is_cross_validation {
        Model::read(&args.run)?;
    }
    let _lock = RunLock::acquire(&args.run)?;
    if args.data.is_none() {
        lost::refuse(&args.run, &format!("report {} NEW-PLACE", quote(&args.run)))?;
    }
    let busy = Counter::busy("writing the report");
    let data = args.data.as_deref();
    let written = match is_cross_validation {
        true => vec![("report", of_folds(&args.run, data)?)],
        false => ["report", "model_card"].into_iter().zip(of_run(&args.run, data)?).collect(),
    };
    drop(busy);
    if args.json {
        let shown = written.iter().map(|(name, path)| (*name, path.display().to_string()));
        return Ok(terminal::json(&shown.collect::<BTreeMap<_, _>>())?);
    }
    written.iter().try_for_each(|(_, path)| say!("{}", path.display()))?;
    Ok(say!("Research use only, not a medical device.")?)
}

/// Writes the report and the model card of a finished run into its folder: where they are. `data` says where its data are
/// now, if they were moved; the caller holds the lock of the folder.
pub fn of_run(run: &Path, data: Option<&Path>) -> Result<[PathBuf; 2], Failure> {
    let (files, model) = (RunFolder(run), Model::read(run)?);
    let mut config = Config::of_run(run)?;
    if let Some(data) = data {
        config.data = data.to_path_buf();
    }
    let (dataset, _) = open_run_data(&config, run)?;
    if !dataset.compare_fingerprint(&model.metadata.provenance.data_fingerprint).is_same() {
        let data = config.data.display();
        return Err(failed!(
            "{data}: expected the data set that the run in {} was trained on, found another (files, their contents, \
             labels or splits have changed)",
            run.display()
        ));
    }
    if data.is_some() {
        config.save()?;
    }
    let test = dataset.part(Split::Test);
    let (split, part) =
        if test.is_empty() { (Split::Val, dataset.part(Split::Val)) } else { (Split::Test, test) };
    let prep = &model.metadata.preprocessing;
    let predictions =
        train::predict_all(&mut Classifier::new(&model)?, &dataset, &part, prep, &Remarks::default())?;
    let evaluation = LabelledPredictions::new(&model.metadata, &predictions, &dataset)?;
    let summary = evaluation.summary(&Question::of(&split.to_string()))?;
    let openings = Openings::of_run(run)?.looks(&Opening::now(String::new(), &dataset, &part)).times;
    let quick = serde_json::to_value(audit::quick(&dataset)).ok();
    let page = Page {
        model: &model,
        dataset: &dataset,
        predictions: &predictions,
        evaluation: &evaluation,
        summary: &summary,
        subgroups: &[],
        run: Some((run, true)),
        audit: read(&files.audit()).and_then(|text| serde_json::from_str(&text).ok()).or(quick),
        openings: (split == Split::Test && openings > 0).then_some(openings),
    };
    let paths = [files.report(), files.card()];
    page.write(&paths[0], Some(&paths[1]))?;
    Ok(paths)
}

/// What a page is made of.
pub struct Page<'a> {
    /// The model.
    pub model: &'a Model,
    /// The data set that was evaluated.
    pub dataset: &'a Dataset,
    /// The model's predictions for a part of it.
    pub predictions: &'a Predictions,
    /// Beside the truth.
    pub evaluation: &'a LabelledPredictions<'a>,
    /// In figures.
    pub summary: &'a Summary,
    /// In parts.
    pub subgroups: &'a [Subgroup],
    /// The run folder that the model is from, and whether `dataset` is what it was trained on.
    pub run: Option<(&'a Path, bool)>,
    /// What an audit says of the data set.
    pub audit: Option<serde_json::Value>,
    /// How often these images were opened.
    pub openings: Option<usize>,
}

impl Page<'_> {
    /// Writes the report, and the model card if a path for it is given.
    pub fn write(&self, path: &Path, card: Option<&Path>) -> Result<(), Failure> {
        let data = &self.dataset.source;
        let title = match self.run {
            Some((run, true)) => name_of(run),
            Some((run, false)) => format!("{} on {}", name_of(run), name_of(data)),
            None => name_of(data),
        };
        let contents = Contents {
            title,
            metadata: &self.model.metadata,
            summary: self.summary,
            labels: &self.evaluation.labels,
            probabilities: &self.predictions.probabilities,
            groups: self.evaluation.groups.as_deref(),
            groups_in_data: self.evaluation.groups.as_ref().map(|_| groups(self.dataset)),
            findings: self.findings()?,
            subgroups: self.subgroups,
            audit: self.audit.clone(),
            training: self.run.map(|(run, same_data)| self.training(run, same_data)),
            openings: self.openings,
            errors: self.worst_errors()?,
            map_method: Method::default().describe(),
        };
        write_atomic(path, |file| file.write_all(report::html(&contents).as_bytes()))?;
        if let Some(card) = card {
            let before = match std::fs::read_to_string(card) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => {
                    return Err(failed!(
                        "{}: expected a text, which would be kept where people wrote it, found otherwise ({error}); \
                         move it away",
                        card.display()
                    ));
                }
                Ok(text) => Some(text),
            };
            let text = report::refreshed_card(&contents, before.as_deref());
            write_atomic(card, |file| file.write_all(text.as_bytes()))?;
        }
        Ok(())
    }

    /// What the run folder remembers. A file that is not there, or cannot be read, leaves its part of the page out.
    fn training(&self, run: &Path, same_data: bool) -> Training {
        let splits = Split::ALL.iter().filter(|_| same_data).map(|&split| {
            let groups = self.dataset.has_groups().then(|| self.dataset.group_count(split));
            (split.to_string(), self.dataset.class_counts(split), groups)
        });
        let table = read(&RunFolder(run).lr_range()).unwrap_or_default();
        let range_test = RangeStep::all_of(&table).into_iter();
        Training {
            epochs: epochs(&read(&RunFolder(run).epochs()).unwrap_or_default()),
            splits: splits.collect(),
            range_test: range_test.map(|step| (step.lr, step.loss, step.smoothed)).collect(),
        }
    }

    /// Of images with findings: each, and the worst errors of those with the lowest AUROC.
    fn findings(&self) -> Result<Vec<report::Finding>, Failure> {
        let all = &self.summary.findings;
        let (truth, probabilities) = (&self.evaluation.truth, &self.predictions.probabilities);
        let mut found = findings(truth, probabilities, self.evaluation.groups.as_deref(), all.len());
        let mut worst: Vec<usize> = (0..all.len()).collect();
        worst.sort_by(|&a, &b| all[a].auroc.unwrap_or(1.0).total_cmp(&all[b].auroc.unwrap_or(1.0)));
        worst.truncate(FINDINGS);
        let mut explainer = Explainer::new(self.model, Method::default())?;
        for at in worst {
            found[at].errors = Some(self.worst_of_finding(&mut explainer, at));
        }
        Ok(found)
    }

    /// The images whose call of the finding `at` is wrong: those that miss it with the lowest probability, then the false
    /// alarms with the highest.
    fn worst_of_finding(&self, explainer: &mut Explainer, at: usize) -> Vec<WorstError> {
        let (of, count) = (&self.summary.findings[at], self.summary.findings.len());
        let p = |image: usize| self.predictions.probabilities[image * count + at];
        let wrong = |is: bool| {
            let known = self.evaluation.truth.iter().skip(at).step_by(count).enumerate();
            let mut wrong: Vec<usize> = known
                .filter(|&(image, truth)| *truth == Some(is) && of.calls(p(image)) != is)
                .map(|(image, _)| image)
                .collect();
            wrong.sort_by(|&a, &b| if is { p(a).total_cmp(&p(b)) } else { p(b).total_cmp(&p(a)) });
            wrong.truncate((PICTURES / count).clamp(2, 6) / 2);
            wrong.into_iter().map(move |image| (image, is))
        };
        let name = of.finding.clone().unwrap_or_default();
        let error = |(image, is): (usize, bool)| {
            let sample = &self.dataset.samples[self.predictions.indices[image]];
            let [truth, called] = [is, !is].map(|is| if is { name.clone() } else { format!("no {name}") });
            let png = self.picture(explainer, &sample.path, at).unwrap_or_default();
            WorstError { name: sample.name.clone(), truth, called, probability: p(image), png }
        };
        wrong(true).chain(wrong(false)).map(error).collect()
    }

    fn worst_errors(&self) -> Result<Vec<WorstError>, Failure> {
        let metadata = &self.model.metadata;
        if metadata.has_findings() {
            return Ok(vec![]);
        }
        let rows: Vec<&[f64]> = self.predictions.probabilities.chunks_exact(metadata.classes.len()).collect();
        let called = |i: usize| self.called(metadata, rows[i]);
        let mut wrong: Vec<usize> =
            (0..rows.len()).filter(|&i| called(i) != self.evaluation.labels[i]).collect();
        wrong.sort_by(|&a, &b| rows[b][called(b)].total_cmp(&rows[a][called(a)]));
        wrong.truncate(ERRORS);
        let mut explainer = Explainer::new(self.model, Method::default())?;
        let error = |i: usize| {
            let sample = &self.dataset.samples[self.predictions.indices[i]];
            WorstError {
                name: sample.name.clone(),
                truth: metadata.classes[self.evaluation.labels[i]].clone(),
                called: metadata.classes[called(i)].clone(),
                probability: rows[i][called(i)],
                png: self.picture(&mut explainer, &sample.path, called(i)).unwrap_or_default(),
            }
        };
        Ok(wrong.into_iter().map(error).collect())
    }

    /// The class by the threshold of the summary, which may be another than the model's.
    fn called(&self, metadata: &Metadata, row: &[f64]) -> usize {
        match (row.len(), self.summary.threshold) {
            (2, Some(threshold)) => {
                let positive = self.evaluation.positive();
                if row[positive] >= threshold { positive } else { 1 - positive }
            }
            _ => predicted_class(metadata, row),
        }
    }

    /// An image with the map of `class` over it, as PNG; none if it cannot be drawn.
    fn picture(&self, explainer: &mut Explainer, path: &Path, class: usize) -> Option<Vec<u8>> {
        let prep = &self.model.metadata.preprocessing;
        let (picture, _) = decode_through(path, prep.window).ok()?;
        let map = explainer.heatmap(&preprocess(&picture, prep), class);
        let placement = Placement::new([picture.height, picture.width], prep);
        png(&overlay(&picture, &map, &placement, SIDE, None)).ok()
    }
}

/// Each of `count` findings, over the images of which it is known: `truth` and `probabilities` are `[n, count]`.
fn findings(
    truth: &[Option<bool>],
    probabilities: &[f64],
    groups: Option<&[usize]>,
    count: usize,
) -> Vec<report::Finding> {
    let of = |at: usize| {
        let known = || (at..truth.len()).step_by(count).filter_map(|pair| Some((pair, truth[pair]?)));
        report::Finding {
            labels: known().map(|(_, is)| usize::from(is)).collect(),
            probabilities: known().map(|(pair, _)| probabilities[pair]).flat_map(|p| [1.0 - p, p]).collect(),
            groups: groups.map(|groups| known().map(|(pair, _)| groups[pair / count]).collect()),
            errors: None,
        }
    };
    (0..count).map(of).collect()
}

/// A file of a run folder; none if it is not there, or cannot be read.
fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

/// The name of a file or folder, for a title.
fn name_of(path: &Path) -> String {
    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    canonical.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// How many groups a data set has.
fn groups(dataset: &Dataset) -> usize {
    let keys: HashSet<_> = (0..dataset.samples.len()).map(|i| dataset.group_key(i)).collect();
    keys.len()
}

/// The epochs of an `epochs.csv`.
fn epochs(table: &str) -> Vec<EpochRow> {
    let row = |EpochLine { epoch, train_loss, val_loss, val_auroc, .. }| EpochRow {
        epoch: epoch as f64,
        train_loss,
        val_loss,
        val_auroc,
    };
    EpochLine::all_of(table).into_iter().map(row).collect()
}
