//! `vertebra calibrate`: the operating point of a site, fixed on its own labelled images.

mod findings;

use crate::counter::Counter;
use crate::evaluate::{in_words, say_of_predictions};
use crate::failure::Failure;
use crate::labelled::DataArgs;
use crate::outputs::{FileKind, Force, OutputFile};
use crate::shell::{self, place, program};
use crate::terminal::{self, note};
use data::Split;
use eval::ThresholdRule;
use model::{Metadata, Model};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use train::RunLock;
use workflow::{Calibration, Labelled, count_look, is_of, is_same};

/// Fix the threshold of a model (and its temperature) on a site's own labelled images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra calibrate runs/mine site.csv --rule sensitivity:0.95 --out site.safetensors
  vertebra calibrate runs/mine SITE --split all --temperature --out site.safetensors
  vertebra calibrate model.safetensors SITE --rule cost:FN=10,FP=1 --out site.safetensors
  vertebra calibrate runs/mine SITE --rule value:0.2 --out runs/mine
  vertebra calibrate runs/findings site.csv --temperature --out site.safetensors       every finding by itself
  vertebra calibrate site.safetensors site.csv --finding Pneumothorax --rule sensitivity:0.95 --out site.safetensors

A RULE is youden (the largest sensitivity + specificity - 1), sensitivity:S (the
highest threshold whose sensitivity is at least S), specificity:S (the lowest whose specificity is), ppv:P (the lowest
whose positive predictive value is), cost:FN=10,FP=1 (the least cost of misses and false alarms) or value:T. ppv and cost
hold at the prevalence of these images. --temperature is fitted first. What is reached is
shown with its exact interval, by group where groups are known. Data without splits are used as a whole. The model file says
where its operating point comes from: data, split, rule, numbers of images, date. --out may be MODEL itself; its weights
stay. Models of more than two classes have a temperature, but no threshold. Of a model of findings, each gets a threshold by
the rule, over the images of which it is known; --temperature fits a slope and an intercept of each, for class weights and
prevalence move every finding by another amount. A finding that cannot be fitted keeps what it has. Research use only, not a medical device.")]
pub struct Args {
    /// Model file, or run folder
    model: PathBuf,
    #[command(flatten)]
    labelled: DataArgs,
    /// How the threshold is chosen (two classes, or each finding) [default: youden]
    #[arg(long, value_name = "RULE")]
    rule: Option<ThresholdRule>,
    /// Positive class instead of the model's (two classes)
    #[arg(long, value_name = "CLASS")]
    positive: Option<String>,
    /// Fit the temperature too; of findings, the slope and the intercept of each
    #[arg(long)]
    temperature: bool,
    /// Only this finding, the others stay; may be given more than once
    #[arg(long, value_name = "NAME")]
    finding: Vec<String>,
    /// Model file to write
    #[arg(long, value_name = "MODEL2")]
    out: PathBuf,
    #[command(flatten)]
    force: Force,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let source = model::resolve(&args.model)?;
    let is_itself = model::resolve(&args.out).is_ok_and(|out| is_same(&out, &source));
    // Nobody else writes into a run meanwhile.
    let _lock = if is_itself { RunLock::of_model(&source)? } else { None };
    let mut model = Model::read(&source)?;
    let asked = Calibration {
        rule: args.rule,
        positive: args.positive.as_deref(),
        temperature: args.temperature,
        findings: &args.finding,
        path: Some(&args.model),
        stop: &AtomicBool::new(false),
    };
    asked.check(&model.metadata)?;
    let labelled = args.labelled.open(&model.metadata)?;
    let is_read = |out: &std::path::Path| is_of(&labelled.dataset, out);
    let output = match is_itself {
        true => None,
        false => Some(OutputFile::check("--out", &args.out, &FileKind::Weights, is_read, args.force.force)?),
    };
    let mut notes = vec![];
    let busy = Counter::busy("calibrating");
    let say = &mut |text: &str| notes.push(text.to_owned());
    let calibrated = asked.calibrate(&mut model, &labelled, say);
    if calibrated.is_ok() {
        count_look(&args.model, &labelled, labelled.is_training_data, &shell::typed(), say);
    }
    drop(busy);
    notes.iter().for_each(note);
    let calibrated = calibrated?;
    match output {
        Some(output) => output.write(|path| model.write(path))?,
        None => {
            let written =
                model::rewrite_metadata(&source, (&calibrated.before, &model.weights), &model.metadata)?;
            note!("wrote the operating point into {}", written.display());
            say_of_predictions(&written);
        }
    }
    if args.json {
        let name = args.out.display().to_string();
        return Ok(terminal::json(&calibrated.document(&model.metadata, &name))?);
    }
    print(&args, &labelled, &calibrated.before, &model.metadata, &calibrated.warnings)
}

fn print(
    args: &Args,
    labelled: &Labelled,
    before: &Metadata,
    now: &Metadata,
    warnings: &[String],
) -> Result<(), Failure> {
    if let Some(threshold) = &now.threshold {
        say!(
            "operating point: {}; it was {}",
            in_words(Some(threshold)),
            in_words(before.threshold.as_ref())
        )?;
        train::promise(threshold).map_or(Ok(()), |promise| say!("{promise}"))?;
    }
    findings::print(before, now, &labelled.name)?;
    let [was, is] = [before, now].map(|metadata| metadata.calibration.map_or(1.0, |c| c.temperature));
    if before.calibration != now.calibration {
        say!("temperature: {is:.3}, {}; it was {was:.3}", now.temperature_origin())?;
    }
    warnings.iter().try_for_each(|warning| say!("warning: {warning}"))?;
    let (out, data) = (place(&args.out), place(&args.labelled.data));
    if !matches!(args.rule, Some(ThresholdRule::Value(_))) || args.temperature {
        say!("These images chose it, so it looks better on them than on others.")?;
    }
    match labelled.name != "val" || labelled.dataset.part(Split::Test).is_empty() {
        true => say!("next: {} predict {out} IMAGE...", program())?,
        false => say!("next: {} evaluate {out} {data} --split test", program())?,
    }
    Ok(say!("Research use only, not a medical device.")?)
}
