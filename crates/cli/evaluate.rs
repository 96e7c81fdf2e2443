//! `vertebra evaluate`: a model on a split of a data set.

use crate::failure::{Failure, note};
use data::{Dataset, Split};
use model::Model;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use train::{Classifier, open_data, summarise};

/// Evaluate a model on labelled images, with an interval for every number
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra evaluate runs/mine DATA                  the test split of a folder or CSV manifest
  vertebra evaluate runs/mine DATA --split val --json
  vertebra evaluate model.safetensors DATA --threshold 0.5

DATA without splits: if it is the data set that the model was trained on, the split drawn then is drawn again; if not,
all of it is evaluated. Research use only, not a medical device.")]
pub struct Args {
    /// Model file, or run folder
    model: PathBuf,
    /// Folder or CSV manifest
    data: PathBuf,
    /// train, val, test or all
    #[arg(long, default_value = "test")]
    split: String,
    /// What is not independent: a column, a pattern of the file name such as 'person*_', or
    /// PatientID or StudyInstanceUID of DICOM files
    #[arg(long, value_name = "COLUMN|PATTERN")]
    group_by: Option<String>,
    /// Decision threshold instead of the model's (two classes)
    #[arg(long, value_name = "P")]
    threshold: Option<f64>,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    if let Some(found) = args.threshold.filter(|p| !(0.0..=1.0).contains(p)) {
        return Err(Failure::Usage(format!("--threshold: expected a probability, found {found}")));
    }
    let split = match args.split.as_str() {
        "all" => None,
        name => {
            Some(name.parse::<Split>().map_err(|reason| Failure::usage(format_args!("--split: {reason}")))?)
        }
    };
    let model = Model::read(&args.model)?;
    let dataset = open(&args, &model)?;
    let whole = split.is_none() || dataset.samples.iter().all(|sample| sample.split.is_none());
    let part = match split {
        Some(split) if !whole => dataset.part(split),
        _ => (0..dataset.samples.len()).collect(),
    };
    if part.is_empty() {
        let (data, split) = (args.data.display(), &args.split);
        return Err(Failure::Failed(format!(
            "{data}: the {split} split has no images; choose another --split"
        )));
    }
    let name = if whole { "all" } else { &args.split };
    let predictions = Classifier::new(&model)?.predict_all(&dataset, &part, &model.metadata.preprocessing)?;
    let summary = summarise(&model.metadata, &predictions, &dataset, name, args.threshold)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &summary)?;
        return Ok(writeln!(out)?);
    }
    Ok(writeln!(out, "{summary}\nResearch use only, not a medical device.")?)
}

/// The data set, with the splits that it gives or that the model's training drew from it.
fn open(args: &Args, model: &Model) -> Result<Dataset, Failure> {
    let provenance = &model.metadata.provenance;
    let trained_by = provenance.config.get("group_by").and_then(|by| by.as_str());
    let group_by = args.group_by.as_deref().or(trained_by);
    let plain = grouped(&args.data, args.group_by.as_deref())?;
    if let Ok((drawn, _)) = open_data(&args.data, group_by, provenance.seed.unwrap_or(0))
        && drawn.fingerprint() == provenance.data_fingerprint
    {
        note("this is the data set that the model was trained on, with the splits of that run");
        return Ok(drawn);
    }
    if plain.samples.iter().all(|sample| sample.split.is_none()) {
        note(format_args!("{} has no splits: all of it is evaluated", args.data.display()));
    }
    Ok(plain)
}

fn grouped(data: &Path, group_by: Option<&str>) -> Result<Dataset, Failure> {
    let mut dataset = Dataset::open(data)?;
    if let Some(by) = group_by {
        dataset
            .group_by(&by.parse().map_err(|reason| Failure::usage(format_args!("--group-by: {reason}")))?)?;
    }
    Ok(dataset)
}
