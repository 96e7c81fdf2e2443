//! `vertebra evaluate`: a model on a split of a data set.

use crate::counter::Counter;
use crate::failure::Failure;
use crate::figures::{number, with_interval};
use crate::labelled::DataArgs;
use crate::localise::{Localised, localise};
use crate::members::ModelArgs;
use crate::openings;
use crate::outputs::{FileKind, Force, OutputFile};
use crate::terminal::{json, note, say_lines};
use audit::Quick;
use data::{PassedOver, Remarks};
use eval::{Subgroup, Summary, ThresholdRule};
use model::{Metadata, StoredThreshold, ThresholdEvidence};
use predict::Classifier;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use train::{LabelledPredictions, Looks, MAX_DRAWS, Predictions, Question, RunLock};
use workflow::{ERRORS, Labelled, Page, glance_beside, is_of, is_same, unreadable};

/// Evaluate a model on labelled images, with an interval for every number
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra evaluate runs/mine DATA                  the test split of a folder or CSV manifest
  vertebra evaluate runs/mine DATA --split val --json
  vertebra evaluate runs/mine DATA --prevalence 0.02 --subgroup sex --subgroup age
  vertebra evaluate runs/mine DATA --tta --predictions predictions.csv
  vertebra evaluate runs/mine OTHER-DATA --subgroup hospital --report report.html
  vertebra evaluate runs/phantom PHANTOM/manifest.csv --truth PHANTOM/truth.csv
  vertebra evaluate model.safetensors DATA --threshold 0.5
  vertebra evaluate runs/mine DATA --split val --threshold 0.2 --write
  vertebra evaluate runs/findings annotations.csv --truth annotations.csv       boxes and findings in one table
  vertebra evaluate runs/mine CONFIRMED-CASES       images of one class: how often it is found
  vertebra evaluate runs/cv OTHER-DATA              the folds of train --folds together
  vertebra evaluate runs/a DATA --with runs/b --with runs/c

DATA without splits: if it is the data set that the model was trained on, the split drawn then is drawn again; if not,
all of it is evaluated. Threshold and temperature are the model's, fixed on its validation split; --threshold with
--write puts another threshold into the model file. DATA may hold images of one class of the model only. With a run folder,
each look at a test split is counted in its test-openings.json, and the count is shown. Subgroups are the values of a
manifest column (quartiles, if it has more than ten numbers), or of the column group. --tta averages the probabilities
of five small turns of each image, and of their mirror images if the model was trained with --flip. Several models answer
by the mean of their probabilities, each after its own temperature, from the mean of their thresholds on; the column spread
of --predictions is the standard deviation of the called class's probability over them. All folds of a cross-validation but
one were trained with each of its images, so they are for other data: what they reach on their own the cross-validation says.
Research use only, not a medical device.")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    labelled: DataArgs,
    /// Decision threshold instead of the model's (two classes, or all findings)
    #[arg(long, value_name = "P")]
    threshold: Option<f64>,
    /// Write --threshold into the model file, for all that use it
    #[arg(long, requires = "threshold")]
    write: bool,
    /// Positive class instead of the model's (two classes)
    #[arg(long, value_name = "CLASS")]
    positive: Option<String>,
    /// Predictive values at this prevalence too (two classes)
    #[arg(long, value_name = "P")]
    prevalence: Option<f64>,
    /// Evaluate each value of a column by itself; may be given more than once
    #[arg(long, value_name = "COLUMN")]
    subgroup: Vec<String>,
    /// Bootstrap draws, by group; 0 leaves the bootstrap intervals out
    #[arg(long, value_name = "N", default_value_t = train::DRAWS)]
    bootstrap: usize,
    /// Average over small turns of each image (test-time augmentation)
    #[arg(long)]
    tta: bool,
    /// Score heatmaps against the boxes of a CSV table with columns path,x0,y0,x1,y1 and perhaps finding, such as the phantom's
    /// truth.csv, or of VinDr-CXR or ChestX-ray14 as they were published
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// How heatmaps are made, for --truth: by what the logit loses where a part is hidden, or as class activation maps (cam)
    #[arg(long, value_name = "METHOD", default_value = "occlusion")]
    heatmap_method: heatmap::Method,
    /// Write a CSV table with a line an image
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Write a report as one HTML file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluated {
    #[serde(flatten)]
    summary: Summary,
    /// What the model's threshold reached where it was chosen; none if it is not in use, or unknown.
    threshold_evidence: Option<ThresholdEvidence>,
    /// The same in words.
    #[serde(skip)]
    promise: Option<String>,
    subgroups: Vec<Subgroup>,
    /// Views of an image that were averaged; 1 without `--tta`.
    views: usize,
    /// Each model by itself, where several answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<Member>,
    /// The standard deviation of a probability over the models, in the mean of all images and classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<f64>,
    /// How well heatmaps find the boxes of `--truth`.
    localisation: Option<Localised>,
    /// What the data are worth, at a glance.
    audit: Quick,
    /// What lies in the folder and is none of its images.
    passed_over: PassedOver,
    /// Its images that were left out, with the reasons.
    unreadable: Vec<serde_json::Value>,
    /// How often the run has opened this test split, with this time; none for a model file or another split.
    test_openings: Option<usize>,
    /// The same for people.
    #[serde(skip)]
    looks: Option<Looks>,
}

/// One of several models, by itself.
#[derive(Serialize)]
struct Member {
    /// Its file or run folder.
    model: String,
    accuracy: Option<f64>,
    auroc: Option<f64>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    args.check()?;
    let members = args.model.read()?;
    for (option, is_given) in
        [("--write", args.write), ("--truth", args.truth.is_some()), ("--report", args.report.is_some())]
    {
        members.only_one(option, is_given)?;
    }
    let each: Vec<&Metadata> = members.models.iter().map(|model| &model.metadata).collect();
    let (metadata, orders) = predict::agree(&each, &members.names)?;
    let (model, metadata) = (&members.models[0], &metadata);
    let positive = predict::positive_of(metadata, args.positive.as_deref())?;
    let classes = metadata.classes.len();
    if args.threshold.is_some() && classes > 2 && !metadata.has_findings() {
        return Err(usage!(
            "--threshold: expected a model of two classes, found {classes}: the largest probability decides"
        ));
    }
    let labelled = args.labelled.open(metadata)?;
    let Labelled { dataset, part, name, .. } = &labelled;
    let columns = FileKind::Table(vec!["path", "label", "predicted"]);
    let table = args.output("--predictions", &args.predictions, &columns, dataset)?;
    let report = args.output("--report", &args.report, &FileKind::ReportPage, dataset)?;
    let busy = Counter::busy("evaluating");
    let views = if args.tta { train::views(metadata) } else { vec![] };
    let remarks = Remarks::default();
    let mut all = vec![];
    for model in &members.models {
        let mut classifier = Classifier::new(model)?;
        let prep = &model.metadata.preprocessing;
        // What readers say of images they say to every model.
        let remarks = if all.is_empty() { remarks.clone() } else { Remarks::default() };
        all.push(match args.tta {
            true => {
                let views = train::views(&model.metadata);
                train::predict_views(&mut classifier, dataset, part, prep, &views, &remarks)?
            }
            false => train::predict_all(&mut classifier, dataset, part, prep, &remarks)?,
        });
    }
    remarks.lines().iter().for_each(note);
    let question = Question {
        split: name,
        threshold: args.threshold,
        prevalence: args.prevalence,
        draws: args.bootstrap,
    };
    let mut by_itself = vec![];
    if members.count() > 1 {
        for ((name, of), own) in members.names.iter().zip(&each).zip(&all) {
            let positive = predict::positive_of(of, args.positive.as_deref())?;
            let evaluation = LabelledPredictions::new(of, own, dataset)?.with_positive(positive);
            let Summary { accuracy, auroc, .. } = evaluation.summary(&Question { draws: 0, ..question })?;
            by_itself.push(Member { model: name.clone(), accuracy, auroc });
        }
    }
    let in_order: Vec<Predictions> =
        all.iter().zip(&orders).map(|(own, order)| own.reordered(order)).collect();
    let (predictions, spread) = Predictions::mean(&in_order);
    let evaluation = LabelledPredictions::new(metadata, &predictions, dataset)?.with_positive(positive);
    let mut subgroups = Vec::new();
    for column in &args.subgroup {
        subgroups.extend(evaluation.subgroups(&question, column).map_err(Failure::of_settings)?);
    }
    let summary = evaluation.summary(&question)?;
    if let Some(table) = table {
        let write = |path: &Path| {
            train::write_averaged(path, &metadata.classes, &summary, &predictions, &spread, dataset)
        };
        table.write(write)?;
    }
    let localise = |truth: &PathBuf| {
        localise(model, &labelled, &evaluation, &predictions, &summary, truth, args.heatmap_method)
    };
    let localisation = args.truth.as_ref().map(localise).transpose()?;
    let count = |(run, of): (&PathBuf, &&Metadata)| {
        let trained_on = &of.provenance.data_fingerprint;
        openings::count(run, &labelled, labelled.dataset.compare_fingerprint(trained_on).is_same())
    };
    let looks = members.paths.iter().zip(&each).map(count);
    // The first of several says it; all count it.
    let looks = looks.collect::<Vec<_>>()[0];
    let audit = glance_beside(&labelled, &members.paths, &mut |text| note(text));
    if audit.trained_on.is_some_and(|images| images > 0) && args.model.has_folds() {
        note!(
            "each image of a cross-validation trained all folds but one: its folder has the honest figures"
        );
    }
    if let Some(report) = report {
        let page = Page {
            model,
            dataset,
            predictions: &predictions,
            evaluation: &evaluation,
            summary: &summary,
            subgroups: &subgroups,
            run: members.paths[0].is_dir().then_some((members.paths[0].as_path(), labelled.is_training_data)),
            audit: Some(serde_json::to_value(&audit)?),
            openings: looks.map(|looks| looks.times),
            worst: ERRORS,
        };
        report.write(|path| page.write(path, None))?;
    }
    drop(busy);
    let (passed_over, unreadable) = (dataset.passed_over.clone(), unreadable(dataset));
    let stored = metadata.threshold.as_ref().filter(|_| args.threshold.is_none());
    if let Some(value) = args.threshold.filter(|_| args.write) {
        let place = format!("seen on the {name} images of {} in `evaluate`", evaluation.data_name());
        let rule = ThresholdRule::Value(value);
        let of_findings = |at| evaluation.choose_finding(at, rule, name, &place);
        let thresholds: Result<Vec<StoredThreshold>, String> = match metadata.has_findings() {
            true => (0..classes).map(of_findings).collect(),
            false => evaluation.choose(rule, name, &place).map(|threshold| vec![threshold]),
        };
        write_thresholds(&members.paths[0], metadata, thresholds.map_err(Failure::Failed)?)?;
    }
    let evaluated = Evaluated {
        threshold_evidence: stored.and_then(|threshold| threshold.evidence.clone()),
        promise: stored.and_then(train::promise),
        summary,
        subgroups,
        views: views.len().max(1),
        members: by_itself,
        spread: (!spread.is_empty()).then(|| spread.iter().sum::<f64>() / spread.len() as f64),
        localisation,
        audit,
        passed_over,
        unreadable,
        test_openings: looks.map(|looks| looks.times),
        looks,
    };
    Ok(if args.json { json(&evaluated) } else { evaluated.print() }?)
}

impl Args {
    /// A file to be written, looked at before the work begins.
    fn output<'a>(
        &'a self,
        option: &str,
        path: &'a Option<PathBuf>,
        kind: &FileKind,
        dataset: &data::Dataset,
    ) -> Result<Option<OutputFile<'a>>, Failure> {
        let others = self.model.paths().chain(self.truth.as_ref());
        let is_other = |out: &Path| others.clone().any(|read| is_same(read, out));
        let is_read = |out: &Path| is_of(dataset, out) || is_other(out);
        OutputFile::check_if_given(option, path, kind, is_read, self.force.force)
    }

    fn check(&self) -> Result<(), Failure> {
        match (self.threshold, self.prevalence, self.bootstrap) {
            (Some(p), ..) if !(0.0..=1.0).contains(&p) => {
                Err(usage!("--threshold: expected a probability, found {p}"))
            }
            (_, Some(p), _) if !(p > 0.0 && p < 1.0) => {
                Err(usage!("--prevalence: expected a number between 0 and 1, neither of them, found {p}"))
            }
            (.., draws) if draws > MAX_DRAWS => {
                Err(usage!("--bootstrap: expected at most {MAX_DRAWS} draws, found {draws}"))
            }
            _ => Ok(()),
        }
    }
}

/// Writes what a user set into the model file, with what it reaches on these images: a threshold, or those of all findings.
fn write_thresholds(
    path: &Path,
    metadata: &Metadata,
    thresholds: Vec<StoredThreshold>,
) -> Result<(), Failure> {
    // Nobody else writes into a run meanwhile.
    let _lock = path.is_dir().then(|| RunLock::acquire(path)).transpose()?;
    let mut metadata = metadata.clone();
    let set = match metadata.has_findings() {
        true => train::set_finding_threshold,
        false => train::set_threshold,
    };
    let written = model::resolve(path)?;
    let lines: Vec<String> = thresholds
        .into_iter()
        .map(|threshold| {
            let (positive, value) = (threshold.positive.clone(), threshold.value);
            let before = set(&mut metadata, threshold);
            let was = in_words(before.as_ref());
            format!("wrote {positive} from p = {value} into {}; it was {was}", written.display())
        })
        .collect();
    model::rewrite_metadata(path, &metadata)?;
    lines.iter().for_each(note);
    Ok(())
}

/// A threshold that was replaced.
pub fn in_words(threshold: Option<&StoredThreshold>) -> String {
    threshold.map_or("none".to_owned(), |t| format!("{} from p = {:.4} ({})", t.positive, t.value, t.rule))
}

impl Evaluated {
    fn print(&self) -> io::Result<()> {
        say_lines(&self.summary)?;
        say!()?;
        if let Some(promise) = &self.promise {
            say!("  {promise}\n")?;
        }
        self.audit.verdict.iter().try_for_each(|line| say!("  {line}\n"))?;
        if let Some(spread) = self.spread {
            let count = self.members.len();
            say!(
                "  The mean of {count} models, whose probabilities spread by {spread:.3} in the mean. By itself:\n"
            )?;
            say!("  {:>8}  {:>6}  model", "accuracy", "AUROC")?;
            for Member { model, accuracy, auroc } in &self.members {
                say!("  {:>8}  {:>6}  {model}", number(*accuracy), number(*auroc))?;
            }
            say!()?;
        }
        if self.views > 1 {
            let views = self.views;
            let without = match (self.summary.threshold, self.summary.threshold_rule.as_str()) {
                (None, _) | (_, "fixed" | "largest probability") => "",
                _ => "; the threshold was chosen without",
            };
            say!("  Probabilities are means over {views} views of each image{without}.")?;
        }
        if !self.subgroups.is_empty() {
            self.print_subgroups()?;
        }
        self.localisation.as_ref().map_or(Ok(()), Localised::print)?;
        if let Some(looks) = self.looks {
            say!("  {}", looks.sentence("this run"))?;
        }
        say!("\nResearch use only, not a medical device.")
    }

    fn print_subgroups(&self) -> io::Result<()> {
        let name = |group: &Subgroup| format!("{} = {}", group.column, group.value);
        let width = self.subgroups.iter().map(|group| name(group).chars().count()).max().unwrap_or(0).max(8);
        let line = |name: &str, images: &str, groups: &str, cells: [String; 4]| {
            let cells = cells.map(|cell| format!("{cell:<20}")).concat();
            say!("  {name:<width$}  {images:>6}  {groups:>6}  {}", cells.trim_end())
        };
        let heads = ["accuracy", "sensitivity", "specificity", "AUROC"].map(str::to_owned);
        line("subgroup", "images", "groups", heads)?;
        for group in &self.subgroups {
            let values = [
                (group.accuracy, group.accuracy_ci),
                (group.sensitivity, group.sensitivity_ci),
                (group.specificity, group.specificity_ci),
                (group.auroc, group.auroc_ci),
            ];
            let groups = group.groups.map_or("-".to_owned(), |groups| groups.to_string());
            let cells = values.map(|(value, interval)| with_interval(value, interval));
            line(&name(group), &group.images.to_string(), &groups, cells)?;
        }
        say!()
    }
}
