//! `vertebra predict`: a line for every image. A bad file is an error in its own line and never ends the batch.
//!
//! A line is written as soon as its batch is done.

mod findings;
mod lines;
mod shard;

use crate::counter::Counter;
use crate::failure::Failure;
use crate::heatmaps::Heatmaps;
use crate::members::ModelArgs;
use crate::options::probability;
use crate::terminal::note;
use data::{Passed, Remarks};
use engine::par;
use heatmap::Method;
use lines::{Format, Printer, SHOWN};
use model::Metadata;
use predict::{Decision, Ensemble};
use shard::Shard;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use workflow::{Images, Preprocessed, picture};

/// Classify images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra predict runs/mine scan.png
  vertebra predict runs/mine scans/ --format csv > predictions.csv
  vertebra predict runs/mine 'scans/**/*.png' --format jsonl
  find scans -name '*.jpg' | vertebra predict runs/mine - --top 3
  vertebra predict runs/mine - < scan.dcm
  vertebra predict runs/mine scan.png --heatmap maps
  vertebra predict runs/mine scans/ --threshold 0.2
  vertebra predict runs/mine scans/ --format jsonl --shard 2/8     the second of eight jobs
  vertebra predict runs/cv scans/                   the folds of train --folds together
  vertebra predict runs/a scans/ --with runs/b --with c.safetensors

INPUT is an image (PNG, JPEG or DICOM, 8 to 16 bit), a folder (searched
through), a pattern with *, ?, [] and **, or - for stdin, which holds a path a
line or the bytes of one image. In folders and patterns, what is hidden is passed over, and said, and so is what is no
image by its content, unless it is named as one (a.png), which is an error of that file. csv has path, label,
probability, a column p_CLASS for every class, and error; jsonl has path, label,
probability and probabilities, or path and error; and path_bytes, in hexadecimal, where the path is no UTF-8 (csv has the bytes as they are). With two
classes, label is the
class by the threshold; decision (positive or negative) and larger (the class of
the larger probability) are there too, at the end of a csv line. With --top, only
K classes are there: the label, which a threshold may have chosen, and the most probable
others. A model of findings (train --labels) has no label, and --top for tables only: every finding has its
probability and is called by its own threshold, csv has p_FINDING and
called_FINDING (0 or 1) of each, jsonl a list findings, and --heatmap writes a
map of each that is called, or of the most probable. --heatmap writes DIR/NAME.png for every image (NAME is its path
with _ for /, numbered where two are alike): what speaks for the
positive class (red) and against it (blue); with more than two classes, for the
predicted one. Lines then name the file (csv: a column heatmap). The exit status
is 1 if any image failed. Several models (the folds of a cross-validation, or
--with) answer by the mean of their probabilities, each after its own
temperature, from the mean of their thresholds on; spread is the standard
deviation of the label's probability over the models, at the end of a line
(csv: a column spread; of findings spread_FINDING). Research use only, not a medical device.")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Images, folders, patterns, or -
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// How lines are written
    #[arg(long, default_value = "table")]
    format: Format,
    /// Only every N-th input, from the I-th on: the work of job I of N, which together do all
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Show only the label and the K - 1 most probable other classes
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    top: Option<u16>,
    /// Decision threshold instead of the model's (two classes, or all findings)
    #[arg(long, value_name = "P", value_parser = probability)]
    threshold: Option<f64>,
    /// Positive class instead of the model's (two classes)
    #[arg(long, value_name = "CLASS")]
    positive: Option<String>,
    /// Write an overlay of where the class is seen for every image, as PNG
    #[arg(long, value_name = "DIR")]
    heatmap: Option<PathBuf>,
    /// How heatmaps are made: by what the logit loses where a part is hidden, or as class activation maps (cam), which are
    /// faster and may point beside the place
    #[arg(long, value_name = "METHOD", default_value = "occlusion")]
    heatmap_method: Method,
    /// With --heatmap: replace files that are no overlays of the same picture
    #[arg(long, requires = "heatmap")]
    force: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let members = args.model.read()?;
    members.only_one("--heatmap", args.heatmap.is_some())?;
    let each: Vec<&Metadata> = members.models.iter().map(|model| &model.metadata).collect();
    let (metadata, _) = predict::agree(&each, &members.names)?;
    let decision = Decision::of(&metadata, args.positive.as_deref(), args.threshold)?;
    let positive = decision.as_ref().map(|decision| decision.positive.class);
    let thresholds = predict::finding_thresholds(&metadata, args.threshold);
    let from: Vec<f64> = thresholds.iter().map(|threshold| threshold.value).collect();
    if let Some(top) = args.top.filter(|_| metadata.has_findings() && args.format != Format::Table) {
        let expected = "--format table beside it: for programs every finding has its place";
        return Err(usage!("--top: expected {expected}, found {top}"));
    }
    let mut heatmaps = args
        .heatmap
        .map(|folder| {
            Heatmaps::new(folder, &members.models[0], args.heatmap_method, positive, from, args.force)
        })
        .transpose()?;
    let (passed, remarks) = (Passed::default(), Remarks::default());
    let (input, search, shard) = (args.input, passed.clone(), args.shard.unwrap_or_default());
    let inputs = move || shard.of(data::inputs(input, search));
    let images = Images::new(inputs, predict::inputs(each.into_iter()), par::threads(), &remarks)
        .map_err(|error| failed!("cannot start a thread: {error}"))?;
    // The first images are decoded meanwhile.
    let mut ensemble = Ensemble::new(members.models, &members.names)?;
    if ensemble.count() > 1 {
        note!("{} models: the mean of their probabilities, and its spread over them", ensemble.count());
    }

    let (format, classes, with_heatmaps) = (args.format, metadata.classes.len(), heatmaps.is_some());
    // A line for people is a line, however many classes there are.
    let all = if format == Format::Table { classes.min(SHOWN) } else { classes };
    let top = args.top.map_or(all, |top| classes.min(top.into()));
    let mut printer = Printer {
        format,
        top,
        with_heatmaps,
        with_spread: ensemble.count() > 1,
        metadata: &metadata,
        decision,
        thresholds,
        lines: 0,
        failed: 0,
    };
    printer.begin()?;
    // Lines that go to a terminal show by themselves how far it is.
    let counter = (!io::stdout().is_terminal()).then(|| Counter::busy("images classified"));
    loop {
        let decoded = images.batch().map_err(|error| failed!("{error}"))?;
        if decoded.is_empty() {
            break;
        }
        classify(&mut ensemble, &mut printer, heatmaps.as_mut(), decoded)?;
        if let Some(counter) = &counter {
            counter.show(printer.lines, "images classified");
        }
    }
    drop(counter);
    let passed = passed.get();
    if !passed.is_empty() {
        note(passed);
    }
    remarks.lines().iter().for_each(note);
    note!("Research use only, not a medical device.");
    match printer.failed {
        0 => Ok(()),
        failed => {
            note!("{failed} of {} inputs failed", printer.lines);
            Err(Failure::Reported)
        }
    }
}

/// Classifies a batch and prints its lines in order.
fn classify(
    ensemble: &mut Ensemble,
    printer: &mut Printer,
    mut heatmaps: Option<&mut Heatmaps>,
    batch: Vec<Preprocessed>,
) -> Result<(), Failure> {
    let images: Vec<&[Vec<f32>]> = batch.iter().filter_map(|(_, image)| image.as_deref().ok()).collect();
    let answer = ensemble.answer(&images);
    let probabilities: Vec<f64> = answer.log_probabilities.into_iter().map(f64::exp).collect();
    let classes = printer.metadata.classes.len();
    let (mut rows, mut spreads) = (probabilities.chunks_exact(classes), answer.spread.chunks_exact(classes));
    for (input, image) in batch {
        match image {
            Ok(pixels) => {
                let row = rows.next().expect("a row for every image");
                if row.iter().any(|p| !p.is_finite()) {
                    printer.error(input.path(), &predict::Error::NoNumber.to_string())?;
                    continue;
                }
                let draw = |maps: &mut &mut Heatmaps| {
                    let seen = picture(&input, printer.metadata.preprocessing.window)?.0;
                    maps.write(input.path(), &seen, &pixels[0], printer.metadata, row)
                };
                let drawn = heatmaps.as_mut().map(draw);
                printer.prediction(input.path(), row, spreads.next(), drawn)?;
            }
            Err(reason) => printer.error(input.path(), &reason)?,
        }
    }
    Ok(())
}
