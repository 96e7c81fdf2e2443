//! `vertebra compare`: two models on the same images, by paired tests.

mod findings;

use crate::counter::Counter;
use crate::failure::Failure;
use crate::figures::{count, p_value, with_interval};
use crate::labelled::DataArgs;
use crate::openings;
use crate::terminal::{json, note};
use data::{PassedOver, Remarks};
use eval::{
    AurocDifference, Interval, McNemar, MeanAurocDifference, PositiveSource, Proportion, compare_auroc,
    mcnemar, summary::LEVEL,
};
use findings::Compared;
use model::{Model, list_names};
use predict::Classifier;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use train::{LabelledPredictions, Looks, Predictions};
use workflow::{Labelled, unreadable};

/// Compare two models on the same labelled images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra compare runs/a runs/b DATA
  vertebra compare runs/a other.safetensors DATA --split val --json

The areas under the ROC curves are compared by DeLong's paired test, by group where groups are known; the decisions, each
by its own model's threshold, by McNemar's exact test, which with groups counts sign patterns of groups. Models of findings
are compared finding by finding, over the images of which it is known, with p-values as they are among all findings (Holm),
and by the mean AUROC, whose interval is drawn by group. DATA without
splits is divided as the first model's training divided it. Research use only, not a medical device.")]
pub struct Args {
    /// Model file, or run folder
    first: PathBuf,
    /// Another one, for the same classes or findings
    second: PathBuf,
    #[command(flatten)]
    labelled: DataArgs,
    /// Positive class instead of the first model's (two classes)
    #[arg(long, value_name = "CLASS")]
    positive: Option<String>,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints. Pairs are the first model's value and the second's.
#[derive(Serialize)]
struct Comparison {
    models: [String; 2],
    split: String,
    images: usize,
    groups: Option<usize>,
    level: f64,
    /// None of findings.
    accuracy: [Option<f64>; 2],
    /// Exact, by group where groups are known.
    accuracy_ci: [Option<Interval>; 2],
    /// With two classes.
    positive: Option<String>,
    positive_source: Option<PositiveSource>,
    /// Of the positive class; of every class against the rest, if there are more than two; of every finding.
    auroc: Vec<ClassAuroc>,
    /// Why there is none of some classes.
    not_defined: BTreeMap<&'static str, String>,
    /// None of findings.
    mcnemar: Option<McNemar>,
    /// Where images have several findings: each of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Compared>,
    /// Their mean AUROC.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_auroc: Option<MeanAurocDifference>,
    test_openings: [Option<usize>; 2],
    /// What lies in the folder and is none of its images.
    passed_over: PassedOver,
    /// Its images that were left out, with the reasons.
    unreadable: Vec<serde_json::Value>,
    /// The same for people.
    #[serde(skip)]
    looks: [Option<Looks>; 2],
}

#[derive(Serialize)]
struct ClassAuroc {
    class: String,
    #[serde(flatten)]
    difference: AurocDifference,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let models = [Model::read(&args.first)?, Model::read(&args.second)?];
    let [a, b] = &models;
    check_classes(a, b, &args)?;
    let positive = predict::positive_of(&a.metadata, args.positive.as_deref())?;
    let labelled = args.labelled.open(&a.metadata)?;
    let is_own_of_b = labelled.dataset.compare_fingerprint(&b.metadata.provenance.data_fingerprint).is_same();
    if labelled.is_training_data && !is_own_of_b {
        note!(
            "warning: {} was not trained on this data set with these splits; if it has seen some of these images, it \
             looks better than it is",
            args.second.display()
        );
    }
    let busy = Counter::busy("comparing");
    let (first, remarks) = predict(a, &labelled)?;
    // The second reads the same files.
    let predictions = [first, predict(b, &labelled)?.0];
    remarks.lines().iter().for_each(note);
    drop(busy);
    let first =
        LabelledPredictions::new(&a.metadata, &predictions[0], &labelled.dataset)?.with_positive(positive);
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
        let scores = [(a, &predictions[0]), (b, &predictions[1])].map(|(model, p)| scores(model, p, name));
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
    let binary = classes.len() == 2 && !of_findings;
    let right = if of_findings { [vec![], vec![]] } else { [first.right(), second.right()] };
    let images = labelled.part.len();
    let looks = [(&args.first, labelled.is_training_data), (&args.second, is_own_of_b)]
        .map(|(run, is_own)| openings::count(run, &labelled, is_own));
    let comparison = Comparison {
        split: labelled.name.clone(),
        images,
        groups: groups.map(|groups| groups.iter().max().map_or(0, |last| last + 1)),
        level: LEVEL,
        accuracy: [0, 1].map(|i| {
            let hits = right[i].iter().filter(|&&right| right).count();
            (!of_findings).then(|| hits as f64 / images as f64)
        }),
        accuracy_ci: [0, 1].map(|i| Proportion::new(&right[i], groups, LEVEL).map(|share| share.interval)),
        positive: binary.then(|| classes[positive.class].clone()),
        positive_source: binary.then_some(positive.source),
        auroc,
        not_defined,
        mcnemar: (!of_findings).then(|| mcnemar(&right[0], &right[1], groups)),
        findings: compared,
        mean_auroc,
        test_openings: looks.map(|looks| looks.map(|looks| looks.times)),
        looks,
        passed_over: labelled.dataset.passed_over.clone(),
        unreadable: unreadable(&labelled.dataset),
        models: [args.first, args.second].map(|path| path.display().to_string()),
    };
    Ok(if args.json { json(&comparison) } else { comparison.print() }?)
}

/// The most classes whose AUROCs are compared for people.
const CLASSES: usize = 10;

/// That both answer the same question.
fn check_classes(a: &Model, b: &Model, args: &Args) -> Result<(), Failure> {
    if a.metadata.has_findings() != b.metadata.has_findings() {
        return Err(failed!(
            "expected two models of classes or two of findings, found one of each: {} and {}",
            args.first.display(),
            args.second.display()
        ));
    }
    let sorted = |model: &Model| {
        let mut classes = model.metadata.classes.clone();
        classes.sort();
        classes
    };
    if sorted(a) == sorted(b) {
        return Ok(());
    }
    let (expected, found) = (list_names(&a.metadata.classes), list_names(&b.metadata.classes));
    let (first, second) = (args.first.display(), args.second.display());
    Err(failed!("{second}: expected the classes of {first} ({expected}), found {found}"))
}

/// What a model says, and what the reader of files said.
fn predict(model: &Model, labelled: &Labelled) -> Result<(Predictions, Remarks), Failure> {
    let (prep, remarks) = (&model.metadata.preprocessing, Remarks::default());
    let (dataset, part) = (&labelled.dataset, &labelled.part);
    let predictions = train::predict_all(&mut Classifier::new(model)?, dataset, part, prep, &remarks)?;
    Ok((predictions, remarks))
}

/// The probability of `class` for every image.
fn scores(model: &Model, predictions: &Predictions, class: &str) -> Vec<f64> {
    let classes = &model.metadata.classes;
    let column = classes.iter().position(|known| known == class).expect("both models have the same classes");
    predictions.probabilities.chunks_exact(classes.len()).map(|row| row[column]).collect()
}

impl Comparison {
    fn print(&self) -> io::Result<()> {
        let [a, b] = &self.models;
        let groups = match self.groups {
            Some(groups) => count(groups, "independent group"),
            None => "groups unknown, images taken as independent".to_owned(),
        };
        say!("{}: {}, {groups}", self.split, count(self.images, "image"))?;
        if let (Some(class), Some(source)) = (&self.positive, self.positive_source) {
            say!("positive: {class} ({source})")?;
        }
        say!("  A  {a}")?;
        say!("  B  {b}\n")?;
        let by_group = if self.groups.is_some() { ", by group" } else { "" };
        if let Some(McNemar { only_first, only_second, p_value: p }) = self.mcnemar {
            let [first, second] = [0, 1].map(|i| with_interval(self.accuracy[i], self.accuracy_ci[i]));
            say!("  accuracy  A {first}  B {second}")?;
            let right = format!("only A right on {only_first}, only B right on {only_second}");
            say!("            {right}; p = {} (McNemar, exact{by_group})", p_value(p))?;
        }
        if !self.findings.is_empty() {
            return self.print_findings(by_group);
        }
        for reason in self.not_defined.values() {
            say!("  AUROC     not defined: {reason}")?;
        }
        let mut shown: Vec<&ClassAuroc> = self.auroc.iter().collect();
        if shown.len() > CLASSES {
            shown.sort_by(|a, b| b.difference.difference.abs().total_cmp(&a.difference.difference.abs()));
            shown.truncate(CLASSES);
        }
        for ClassAuroc { class, difference } in &shown {
            let [first, second] = difference.auroc;
            let apart = difference.difference;
            let interval =
                difference.interval.map_or(String::new(), |i| format!(" [{:+.3}, {:+.3}]", i.low, i.high));
            let test = difference.p_value.map(|p| format!("p = {}", p_value(p)));
            let test = test.unwrap_or_else(|| "no test: no spread".to_owned());
            say!("  AUROC     A {first:.3}  B {second:.3}  of {class}")?;
            say!("            A - B = {apart:+.3}{interval}; {test} (DeLong, paired{by_group})")?;
        }
        if let more @ 1.. = self.auroc.len() - shown.len() {
            say!("  the largest differences, and {more} more classes (--json has all)")?;
        }
        self.closing()
    }

    fn print_findings(&self, by_group: &str) -> io::Result<()> {
        findings::print(&self.findings, self.mean_auroc.as_ref(), by_group)?;
        self.closing()
    }

    fn closing(&self) -> io::Result<()> {
        for (name, looks) in ["A", "B"].iter().zip(self.looks) {
            looks.map_or(Ok(()), |looks| say!("  {}", looks.sentence(name)))?;
        }
        say!("\nResearch use only, not a medical device.")
    }
}
