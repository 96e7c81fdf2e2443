//! `vertebra calibrate`: the operating point of a site, fixed on its own labelled images.

mod findings;

use crate::counter::Counter;
use crate::evaluate::in_words;
use crate::failure::Failure;
use crate::labelled::DataArgs;
use crate::openings;
use crate::outputs::{FileKind, Force, OutputFile};
use crate::shell::{program, quote};
use crate::terminal::{self, note};
use data::{Remarks, Split};
use eval::ThresholdRule;
use model::{Metadata, Model};
use predict::Classifier;
use serde_json::json;
use std::path::PathBuf;
use train::{LabelledPredictions, RunLock};
use workflow::{Labelled, is_of, is_same};

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
    let _lock = (is_itself && args.model.is_dir()).then(|| RunLock::acquire(&args.model)).transpose()?;
    let mut model = Model::read(&source)?;
    let before = model.metadata.clone();
    let positive = predict::positive_of(&before, args.positive.as_deref())?;
    let which = findings::which(&before, &args.finding)?;
    match (before.classes.len(), args.rule) {
        _ if before.has_findings() => {}
        (2, _) => {}
        (classes, None) if args.temperature && classes > 2 => {}
        (classes, _) => {
            return Err(usage!(
                "--rule: expected a model of two classes, found {classes}: the largest probability decides; \
                 --temperature without --rule fits the temperature"
            ));
        }
    }
    let labelled = args.labelled.open(&before)?;
    let Labelled { dataset, part, name, .. } = &labelled;
    let is_read = |out: &std::path::Path| is_of(dataset, out);
    let output = match is_itself {
        true => None,
        false => Some(OutputFile::check("--out", &args.out, &FileKind::Weights, is_read, args.force.force)?),
    };
    openings::count(&args.model, &labelled, labelled.is_training_data);
    let mut warnings = vec![];
    if labelled.is_training_data && name != "val" {
        warnings.push(format!(
            "{name} images of the data that trained this model: what is chosen on them flatters, and so does what is \
             measured on them from now on"
        ));
    }

    let busy = Counter::busy("calibrating");
    if args.temperature {
        model.metadata.calibration = None;
        findings::without_slopes(&mut model.metadata, &which);
    }
    let remarks = Remarks::default();
    let mut classifier = Classifier::new(&model)?;
    let mut predictions =
        train::predict_all(&mut classifier, dataset, part, &before.preprocessing, &remarks)?;
    if args.temperature && before.has_findings() {
        let metadata = &mut model.metadata;
        predictions = findings::fit_slopes(metadata, &predictions, dataset, &which, &before, &mut warnings)?;
    } else if args.temperature {
        predictions = train::fit_temperature(&mut model.metadata, &predictions, dataset, before.calibration)?;
        if model.metadata.calibration == before.calibration {
            // Where it comes from stays, too.
            warnings.push("no temperature fits these images better, so it stays as it was".to_owned());
        }
    }
    drop(busy);
    remarks.lines().iter().for_each(note);

    let evaluation = LabelledPredictions::new(&before, &predictions, dataset)?.with_positive(positive);
    let date = train::utc_now()[..10].to_owned();
    let data = evaluation.data_name();
    let groups = evaluation.groups.as_ref().map(|groups| groups.iter().max().map_or(0, |most| most + 1));
    let mut origin = json!({
        "data": data,
        "data_fingerprint": dataset.fingerprint(),
        "split": name,
        "images": part.len(),
        "groups": groups,
        "date": date,
    });
    let mut origins = before.calibrated.as_object().cloned().unwrap_or_default();
    if model.metadata.calibration != before.calibration {
        origins.insert("temperature".into(), origin.clone());
    }
    let rule = args.rule.unwrap_or_default();
    let place = format!("on {name} images of {data} ({date})");
    if before.has_findings() {
        let now = &mut model.metadata;
        let at = [name, place.as_str()];
        let chosen = findings::choose(now, &before, &evaluation, &which, rule, at, &mut warnings)?;
        findings::keep_origin(&mut origins, "temperature", &origin, &before, &findings::moved(&before, now));
        origin["rule"] = String::from(rule).into();
        findings::keep_origin(&mut origins, "threshold", &origin, &before, &chosen);
    } else if before.classes.len() == 2 {
        let threshold = evaluation.choose(rule, name, &place).map_err(|reason| {
            failed!("{}: --rule {}: {reason}", dataset.source.display(), String::from(rule))
        })?;
        warnings.extend(train::doubts(&threshold));
        origin["positives"] = threshold.evidence.as_ref().map(|found| found.positives).into();
        origin["rule"] = String::from(rule).into();
        train::set_threshold(&mut model.metadata, threshold);
        origins.insert("threshold".into(), origin);
    }
    model.metadata.calibrated = origins.into();
    match output {
        Some(output) => output.write(|path| model.write(path))?,
        None => {
            let written = model::rewrite_metadata(&source, &model.metadata)?;
            note!("wrote the operating point into {}", written.display());
        }
    }
    if args.json {
        let now = &model.metadata;
        let threshold = now.threshold.as_ref();
        let temperature = |metadata: &Metadata| metadata.calibration.map(|found| found.temperature);
        return Ok(terminal::json(&json!({
            "model": args.out.display().to_string(),
            "split": name,
            "images": part.len(),
            "positive": threshold.map(|threshold| &threshold.positive),
            "threshold": threshold.map(|threshold| threshold.value),
            "threshold_rule": threshold.map(|threshold| &threshold.rule),
            "threshold_evidence": threshold.and_then(|threshold| threshold.evidence.as_ref()),
            "threshold_before": before.threshold,
            "temperature": temperature(now),
            "temperature_before": temperature(&before),
            "findings": findings::in_json(&before, now, &which),
            "calibrated": now.calibrated,
            "warnings": warnings,
        }))?);
    }
    print(&args, &labelled, &before, &model.metadata, &warnings)
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
    let (out, data) = (quote(&args.out), quote(&args.labelled.data));
    say!("These images chose it, so it looks better on them than on others.")?;
    match labelled.name != "val" || labelled.dataset.part(Split::Test).is_empty() {
        true => say!("next: {} predict {out} IMAGE...", program())?,
        false => say!("next: {} evaluate {out} {data} --split test", program())?,
    }
    Ok(say!("Research use only, not a medical device.")?)
}
