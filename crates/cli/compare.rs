//! `vertebra compare`: two models on the same images, by paired tests.

mod findings;

use crate::counter::Counter;
use crate::failure::Failure;
use crate::figures::{count, p_value, with_interval};
use crate::labelled::DataArgs;
use crate::shell;
use crate::terminal::{json, note};
use eval::McNemar;
use model::Model;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use workflow::{ClassAuroc, Comparison, Pair};

/// Compare two models on the same labelled images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra compare runs/a runs/b DATA
  vertebra compare runs/a other.safetensors DATA --split val --json

The areas under the ROC curves are compared by DeLong's paired test, by group where groups are known; the decisions, each
by its own model's threshold, by McNemar's exact test, which with groups counts sign patterns of groups. Models of findings
are compared finding by finding, over the images of which it is known, with p-values as they are among all findings (Holm),
and by the mean AUROC, whose interval is drawn by group. DATA without
splits: if it is the data set that the first model was trained on, the split drawn then is drawn again; if not, all of it is
compared. What either model was trained or validated with is counted and said. Research use only, not a medical device.")]
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

pub fn run(args: Args) -> Result<(), Failure> {
    let models = [Model::read(&args.first)?, Model::read(&args.second)?];
    let paths = [&args.first, &args.second];
    let pair = Pair {
        models: models.each_ref(),
        names: paths.map(|path| path.display().to_string()),
        paths: paths.map(|path| Some(path.as_path())),
        positive: args.positive.as_deref(),
        stop: &AtomicBool::new(false),
    };
    pair.check()?;
    let labelled = args.labelled.open(&models[0].metadata)?;
    let mut notes = vec![];
    let busy = Counter::busy("comparing");
    let say = &mut |text: &str| notes.push(text.to_owned());
    let mut compared = pair.compare(&labelled, say);
    if let Ok(compared) = &mut compared {
        pair.count(&labelled, &shell::typed(), compared, say);
    }
    drop(busy);
    notes.iter().for_each(note);
    let comparison = compared?;
    Ok(if args.json { json(&comparison) } else { print(&comparison) }?)
}

/// The most classes whose AUROCs are compared for people.
const CLASSES: usize = 10;

/// For people.
fn print(of: &Comparison) -> io::Result<()> {
    let [a, b] = &of.models;
    let groups = match of.groups {
        Some(groups) => count(groups, "independent group"),
        None => "groups unknown, images taken as independent".to_owned(),
    };
    say!("{}: {}, {groups}", of.split, count(of.images, "image"))?;
    if let (Some(class), Some(source)) = (&of.positive, of.positive_source) {
        say!("positive: {class} ({source})")?;
    }
    say!("  A  {a}")?;
    say!("  B  {b}\n")?;
    let by_group = if of.groups.is_some() { ", by group" } else { "" };
    if let Some(McNemar { only_first, only_second, p_value: p }) = of.mcnemar {
        let [first, second] = [0, 1].map(|i| with_interval(of.accuracy[i], of.accuracy_ci[i]));
        say!("  accuracy  A {first}  B {second}")?;
        let right = format!("only A right on {only_first}, only B right on {only_second}");
        say!("            {right}; p = {} (McNemar, exact{by_group})", p_value(p))?;
    }
    if !of.findings.is_empty() {
        return print_findings(of, by_group);
    }
    if let Some(reason) = of.not_defined.get("auroc") {
        say!("  AUROC     not defined: {reason}")?;
    }
    let mut shown: Vec<usize> = (0..of.auroc.len()).collect();
    if shown.len() > CLASSES {
        eval::sort_by_number(&mut shown, &|at| -of.auroc[at].difference.difference.abs());
        shown.truncate(CLASSES);
    }
    for ClassAuroc { class, difference } in shown.iter().map(|&at| &of.auroc[at]) {
        let [first, second] = difference.auroc;
        let apart = difference.difference;
        let interval =
            difference.interval.map_or(String::new(), |i| format!(" [{:+.3}, {:+.3}]", i.low, i.high));
        let test = difference.p_value.map(|p| format!("p = {}", p_value(p)));
        let test = test.unwrap_or_else(|| "no test: no spread".to_owned());
        say!("  AUROC     A {first:.3}  B {second:.3}  of {class}")?;
        say!("            A - B = {apart:+.3}{interval}; {test} (DeLong, paired{by_group})")?;
    }
    if let more @ 1.. = of.auroc.len() - shown.len() {
        say!("  the largest differences, and {more} more classes (--json has all)")?;
    }
    closing(of)
}

fn print_findings(of: &Comparison, by_group: &str) -> io::Result<()> {
    findings::print(&of.findings, of.mean_auroc.as_ref(), by_group)?;
    closing(of)
}

fn closing(of: &Comparison) -> io::Result<()> {
    for (name, looks) in ["A", "B"].iter().zip(of.looks) {
        looks.map_or(Ok(()), |looks| say!("  {}", looks.sentence(name)))?;
    }
    say!("\nResearch use only, not a medical device.")
}
