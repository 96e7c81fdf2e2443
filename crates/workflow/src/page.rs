//! The report of a run or an evaluation, from the data, the model and what it predicted.

use crate::Error;
use data::{Dataset, Remarks, Split, decode_through};
use eval::known::as_two_classes;
use eval::{Known, Subgroup, Summary};
use heatmap::{Explainer, Method, overlay, png};
use model::{Metadata, Model, Placement, preprocess, write_atomic};
use predict::{Classifier, predicted_class};
use report::{Contents, EpochRow, SplitRow, Training, WorstError};
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use train::{
    Config, EpochLine, LabelledPredictions, Opening, Openings, Predictions, Question, RangeStep, RunFolder,
    open_run_data,
};

/// Worst errors that a report shows.
pub const ERRORS: usize = 8;
/// The same of findings, of all together, but two of each at least.
const PICTURES: usize = 24;
/// The most findings that have some.
const FINDINGS: usize = 16;
/// The longer side of their pictures, at least and at most.
const SIDE: [usize; 2] = [256, 256];

/// Writes the report and the model card of a finished run into its folder: where they are. `data` says where its data
/// are now, if they were moved; the caller holds the lock of the folder.
pub fn report_of_run(run: &Path, data: Option<&Path>) -> Result<[PathBuf; 2], Error> {
    let (files, model) = (RunFolder(run), Model::read(run)?);
    let mut config = Config::of_run(run)?;
    if let Some(data) = data {
        config.data = data.to_path_buf();
    }
    let (dataset, _) = open_run_data(&config, run)?;
    if !dataset.compare_fingerprint(&model.metadata.provenance.data_fingerprint).is_same() {
        let data = config.data.display();
        return Err(Error::Failed(format!(
            "{data}: expected the data set that the run in {} was trained on, found another (files, their contents, \
             labels or splits have changed)",
            run.display()
        )));
    }
    train::check_groups(&model.metadata, &dataset)
        .map_err(|reason| Error::Failed(format!("{}: {reason}", config.data.display())))?;
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
    let quick = serde_json::to_value(audit::quick(&dataset, config.group_by.as_ref())).ok();
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
        worst: ERRORS,
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
    /// How many of the worst errors are shown, with their maps, which take time.
    pub worst: usize,
}

impl Page<'_> {
    /// The page for a browser.
    ///
    /// # Errors
    /// When the model's parts do not agree.
    pub fn html(&self) -> Result<String, Error> {
        Ok(report::html(&self.contents()?))
    }

    /// Writes the report, and the model card if a path for it is given.
    ///
    /// # Errors
    /// When a file cannot be written, or the card is no text.
    pub fn write(&self, path: &Path, card: Option<&Path>) -> Result<(), Error> {
        let contents = self.contents()?;
        write_atomic(path, |file| file.write_all(report::html(&contents).as_bytes()))?;
        if let Some(card) = card {
            let before = match std::fs::read_to_string(card) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => {
                    return Err(Error::Failed(format!(
                        "{}: expected a text, which would be kept where people wrote it, found otherwise ({error}); \
                         move it away",
                        card.display()
                    )));
                }
                Ok(text) => Some(text),
            };
            let text = report::refreshed_card(&contents, before.as_deref());
            write_atomic(card, |file| file.write_all(text.as_bytes()))?;
        }
        Ok(())
    }

    fn contents(&self) -> Result<Contents<'_>, Error> {
        let data = &self.dataset.source;
        let title = match self.run {
            Some((run, true)) => name_of(run),
            Some((run, false)) => format!("{} on {}", name_of(run), name_of(data)),
            None => name_of(data),
        };
        Ok(Contents {
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
        })
    }

    /// What the run folder remembers. A file that is not there, or cannot be read, leaves its part of the page out.
    fn training(&self, run: &Path, same_data: bool) -> Training {
        let splits = Split::ALL.iter().filter(|_| same_data).map(|&split| {
            let groups = self.dataset.has_groups().then(|| self.dataset.group_count(split));
            let (images, per_class) = (self.dataset.part(split).len(), self.dataset.class_counts(split));
            SplitRow { name: split.to_string(), images, per_class, groups }
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
    fn findings(&self) -> Result<Vec<report::Finding>, Error> {
        let all = &self.summary.findings;
        let (truth, probabilities) = (&self.evaluation.truth, &self.predictions.probabilities);
        let mut found = findings(truth, probabilities, self.evaluation.groups.as_deref(), all.len());
        if self.worst == 0 {
            return Ok(found);
        }
        let mut worst: Vec<usize> = (0..all.len()).collect();
        eval::sort_by_number(&mut worst, &|at| all[at].auroc.unwrap_or(1.0));
        worst.truncate(FINDINGS);
        let mut explainer = Explainer::new(self.model, Method::default())?;
        for at in worst {
            found[at].errors = Some(self.worst_of_finding(&mut explainer, at));
        }
        Ok(found)
    }

    /// The images whose call of the finding `at` is wrong: those that miss it with the lowest probability, then the
    /// false alarms with the highest.
    fn worst_of_finding(&self, explainer: &mut Explainer, at: usize) -> Vec<WorstError> {
        let (of, count) = (&self.summary.findings[at], self.summary.findings.len());
        let p = |image: usize| self.predictions.probabilities[image * count + at];
        let (known, _) = self.evaluation.known(at);
        let wrong = |is: bool| {
            let all = known.images.iter().zip(&known.is);
            let mut wrong: Vec<usize> = all
                .filter(|&(&image, &has)| has == is && of.calls(p(image)) != is)
                .map(|(&image, _)| image)
                .collect();
            eval::sort_by_number(&mut wrong, &|image| if is { p(image) } else { -p(image) });
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

    fn worst_errors(&self) -> Result<Vec<WorstError>, Error> {
        let metadata = &self.model.metadata;
        if metadata.has_findings() || self.worst == 0 {
            return Ok(vec![]);
        }
        let rows: Vec<&[f64]> = self.predictions.probabilities.chunks_exact(metadata.classes.len()).collect();
        let called = |i: usize| self.called(metadata, rows[i]);
        let mut wrong: Vec<usize> =
            (0..rows.len()).filter(|&i| called(i) != self.evaluation.labels[i]).collect();
        eval::sort_by_number(&mut wrong, &|i| -rows[i][called(i)]);
        wrong.truncate(self.worst);
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

/// What a report shows of each of `count` findings, over the images of which it is known: `truth` and `probabilities`
/// are `[n, count]`.
pub fn findings(
    truth: &[Option<bool>],
    probabilities: &[f64],
    groups: Option<&[usize]>,
    count: usize,
) -> Vec<report::Finding> {
    let of = |at: usize| {
        let known = Known::of(truth, at, count);
        report::Finding {
            labels: known.labels(),
            probabilities: as_two_classes(&known.scores(probabilities, at, count)),
            groups: groups.map(|groups| known.pick(groups)),
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
pub fn name_of(path: &Path) -> String {
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
