//! `vertebra evaluate`: a model on a split of a data set.

use crate::counter::Counter;
use crate::failure::Failure;
use crate::figures::{number, with_interval};
use crate::labelled::DataArgs;
use crate::localise;
use crate::members::{Members, ModelArgs};
use crate::outputs::{FileKind, Force, OutputFile, check_distinct};
use crate::shell;
use crate::terminal::{json, note, say_lines};
use eval::{Subgroup, ThresholdRule};
use model::{Model, StoredThreshold};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use train::{RunFolder, RunLock};
use workflow::{Asked, ERRORS, Evaluated, Judged, Labelled, Member, Page, is_of, is_same};

/// Evaluate a model on labelled images, with intervals
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
    /// Bootstrap draws, by group, at least 100; 0 leaves the bootstrap intervals out
    #[arg(long, value_name = "N", default_value_t = train::DRAWS)]
    bootstrap: usize,
    /// Average over small turns of each image (test-time augmentation)
    #[arg(long)]
    tta: bool,
    /// Score heatmaps against the boxes of a CSV table with columns path,x0,y0,x1,y1 and perhaps finding, such as the
    /// phantom's truth.csv, or of VinDr-CXR or ChestX-ray14 as they were published
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// How heatmaps are made, for --truth: by what the logit loses where a part is hidden, or as class activation maps
    /// (cam)
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

pub fn run(args: Args) -> Result<(), Failure> {
    check_distinct(&[("--predictions", args.predictions.as_ref()), ("--report", args.report.as_ref())])?;
    let members = args.model.read()?;
    for (option, is_given) in
        [("--write", args.write), ("--truth", args.truth.is_some()), ("--report", args.report.is_some())]
    {
        members.only_one(option, is_given)?;
    }
    let asked = Asked {
        models: &members.models,
        names: &members.names,
        paths: &members.paths,
        positive: args.positive.as_deref(),
        threshold: args.threshold,
        prevalence: args.prevalence,
        subgroups: &args.subgroup,
        draws: args.bootstrap,
        tta: args.tta,
        stop: &AtomicBool::new(false),
    };
    let (metadata, _) = asked.agree()?;
    let labelled = args.labelled.open(&metadata)?;
    let Labelled { dataset, name, .. } = &labelled;
    let kind = FileKind::predictions(dataset, &metadata.classes);
    let table = args.output("--predictions", &args.predictions, &kind, (&members, dataset))?;
    let report = args.output("--report", &args.report, &FileKind::ReportPage, (&members, dataset))?;
    let busy = Counter::busy("evaluating");
    let say = &mut |text: &str| note(text);
    let judged = asked.judge(&labelled, say)?;
    // A file that cannot be written, or boxes that cannot be, must not cost the figures: images were read for them, and a look
    // is counted.
    let mut is_whole = true;
    if let Some(table) = table {
        let Judged { predictions, spread, summary, .. } = &judged;
        let write = |path: &Path| {
            train::write_averaged(path, &metadata.classes, summary, predictions, spread, dataset)
        };
        is_whole &= table.try_write(write);
    }
    let model = &members.models[0];
    let mut localise = |truth: &PathBuf| judged.localise(model, &labelled, truth, args.heatmap_method, say);
    let localisation = match args.truth.as_ref().map(&mut localise).transpose() {
        Ok(found) => found,
        Err(error) => {
            Failure::from(error).report();
            is_whole = false;
            None
        }
    };
    let evaluated = asked.conclude(&labelled, &judged, &shell::typed(), &mut |text| note(text))?;
    let evaluated = Evaluated { localisation, ..evaluated };
    if evaluated.audit.trained_on.is_some_and(|images| images > 0) && args.model.has_folds() {
        note!(
            "each image of a cross-validation trained all folds but one: its folder has the honest figures"
        );
    }
    let evaluation = judged.evaluation(dataset)?;
    if let Some(report) = report {
        let page = Page {
            model,
            dataset,
            predictions: &judged.predictions,
            evaluation: &evaluation,
            summary: &judged.summary,
            subgroups: &judged.subgroups,
            run: members.paths[0].is_dir().then_some((members.paths[0].as_path(), labelled.is_training_data)),
            audit: Some(serde_json::to_value(&evaluated.audit)?),
            openings: evaluated.test_openings,
            worst: ERRORS,
        };
        is_whole &= report.try_write(|path| page.write(path, None));
    }
    drop(busy);
    if let Some(value) = args.threshold.filter(|_| args.write) {
        let place = format!("seen on the {name} images of {} in `evaluate`", evaluation.data_name());
        let rule = ThresholdRule::Value(value);
        let of_findings = |at| evaluation.choose_finding(at, rule, name, &place);
        let thresholds: Result<Vec<StoredThreshold>, String> = match metadata.has_findings() {
            true => (0..metadata.classes.len()).map(of_findings).collect(),
            false => evaluation.choose(rule, name, &place).map(|threshold| vec![threshold]),
        };
        write_thresholds(&members.paths[0], model, thresholds.map_err(Failure::Failed)?)?;
    }
    if args.json { json(&evaluated) } else { print(&evaluated) }?;
    if is_whole { Ok(()) } else { Err(Failure::Reported) }
}

impl Args {
    /// A file to be written, looked at before the work begins.
    fn output<'a>(
        &'a self,
        option: &str,
        path: &'a Option<PathBuf>,
        kind: &FileKind,
        (members, dataset): (&Members, &data::Dataset),
    ) -> Result<Option<OutputFile<'a>>, Failure> {
        let is_other = |out: &Path| members.files().chain(self.truth.clone()).any(|read| is_same(&read, out));
        let is_read = |out: &Path| is_of(dataset, out) || is_other(out);
        OutputFile::check_if_given(option, path, kind, is_read, self.force.force)
    }
}

/// Writes what a user set into the model file, with what it reaches on these images: a threshold, or those of all
/// findings.
fn write_thresholds(path: &Path, model: &Model, thresholds: Vec<StoredThreshold>) -> Result<(), Failure> {
    // Nobody else writes into a run meanwhile; what was written since the model was read is found out.
    let _lock = RunLock::of_model(path)?;
    let mut metadata = model.metadata.clone();
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
    model::rewrite_metadata(path, (&model.metadata, &model.weights), &metadata)?;
    lines.iter().for_each(note);
    say_of_predictions(&written);
    Ok(())
}

/// Says that the table of predictions beside a model file is of the operating point that it had.
pub fn say_of_predictions(model: &Path) {
    let table = model.parent().map(|run| RunFolder(run).predictions());
    if let Some(table) = table.filter(|table| table.exists()) {
        note!(
            "{} keeps the calls of the training; `evaluate --predictions FILE` writes others",
            table.display()
        );
    }
}

/// A threshold that was replaced.
pub fn in_words(threshold: Option<&StoredThreshold>) -> String {
    threshold.map_or("none".to_owned(), |t| format!("{} from p = {:.4} ({})", t.positive, t.value, t.rule))
}

fn print(evaluated: &Evaluated) -> io::Result<()> {
    say_lines(&evaluated.summary)?;
    say!()?;
    if let Some(promise) = &evaluated.promise {
        say!("  {promise}\n")?;
    }
    evaluated.audit.verdict.iter().try_for_each(|line| say!("  {line}\n"))?;
    if let Some(spread) = evaluated.spread {
        let count = evaluated.members.len();
        say!(
            "  The mean of {count} models, whose probabilities spread by {spread:.3} in the mean. By itself:\n"
        )?;
        say!("  {:>8}  {:>6}  model", "accuracy", "AUROC")?;
        for Member { model, accuracy, auroc } in &evaluated.members {
            say!("  {:>8}  {:>6}  {model}", number(*accuracy), number(*auroc))?;
        }
        say!()?;
    }
    if evaluated.views > 1 {
        let views = evaluated.views;
        let without = match (evaluated.summary.threshold, evaluated.summary.threshold_rule.as_str()) {
            (None, _) | (_, "fixed" | "largest probability") => "",
            _ => "; the threshold was chosen without",
        };
        say!("  Probabilities are means over {views} views of each image{without}.")?;
    }
    if !evaluated.subgroups.is_empty() {
        print_subgroups(&evaluated.subgroups)?;
    }
    evaluated.localisation.as_ref().map_or(Ok(()), localise::print)?;
    if let Some(looks) = evaluated.looks {
        say!("  {}", looks.sentence("this run"))?;
    }
    say!("\nResearch use only, not a medical device.")
}

fn print_subgroups(subgroups: &[Subgroup]) -> io::Result<()> {
    let name = |group: &Subgroup| format!("{} = {}", group.column, group.value);
    let width = subgroups.iter().map(|group| name(group).chars().count()).max().unwrap_or(0).max(8);
    let line = |name: &str, images: &str, groups: &str, cells: [String; 4]| {
        let cells = cells.map(|cell| format!("{cell:<20}")).concat();
        say!("  {name:<width$}  {images:>6}  {groups:>6}  {}", cells.trim_end())
    };
    let heads = ["accuracy", "sensitivity", "specificity", "AUROC"].map(str::to_owned);
    line("subgroup", "images", "groups", heads)?;
    for group in subgroups {
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
