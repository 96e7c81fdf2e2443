//! `vertebra inspect`: what is in a model file, and what running it takes on this machine; or how a DICOM image is
//! read.

mod dicom;

use crate::failure::Failure;
use crate::terminal;
use engine::par;
use infer::{Plan, StepInfo};
use kernels::Level;
use model::{ConvKind, Model, Network};
use serde::Serialize;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Show a model (its layers, sizes and cost, and where it comes from) or how a DICOM image is read
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra inspect runs/mine
  vertebra inspect model.safetensors --json
  vertebra inspect model.safetensors --batch-size 1 --threads 1
  vertebra inspect image.dcm

The plan is how the network runs on this machine: which convolutions run together, and the memory that is allocated
before the first image and is all that a process needs beside its code (some MiB) and the images.

Of a DICOM file: transfer syntax, bits, modality transform, window, what is shown,
and what was assumed or not applied; no element that names a person.")]
pub struct Args {
    /// Model file, run folder, or DICOM file
    file: PathBuf,
    /// Images a call that the plan is for
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// A line of the table.
#[derive(Serialize)]
struct TableLine {
    name: String,
    kind: &'static str,
    /// `[height, width, channels]`
    output: [usize; 3],
    parameters: usize,
    multiply_adds: u64,
}

pub fn run(args: Args) -> Result<(), Failure> {
    if begins_as_dicom(&args.file) {
        return dicom::run(&args.file, args.json);
    }
    let path = model::resolve(&args.file)?;
    let model = Model::read(&path)?;
    let network = model.network()?;
    let layers = layers(&network);
    let plan = Plan::new(&model, Level::current(), args.batch_size as usize)?;
    if args.json {
        let document = json!({
            "file": path.display().to_string(),
            "parameters": network.total_parameters(),
            "trainable_parameters": network.trainable_parameters(),
            "multiply_adds": network.multiply_adds(),
            "layers": layers,
            "plan": plan_json(&plan),
            "metadata": model.metadata,
        });
        return Ok(terminal::json(&document)?);
    }
    say!("{}\n", path.display())?;
    say!("layer                    kind                             output   parameters  multiply-adds")?;
    for TableLine { name, kind, output: [h, w, c], parameters, multiply_adds } in &layers {
        let output = format!("{h}x{w}x{c}");
        say!("{name:<24} {kind:<22} {output:>16} {parameters:>12} {multiply_adds:>14}")?;
    }
    let (all, trainable) = (network.total_parameters(), network.trainable_parameters());
    say!("\nparameters     {all}, {trainable} of them trained")?;
    say!("multiply-adds  {} for one image", network.multiply_adds())?;
    print_plan(&plan)?;
    print_metadata(&model)
}

/// Whether the file is DICOM. One that cannot be read is left to the reader of models, which says why.
fn begins_as_dicom(path: &Path) -> bool {
    let mut start = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(::dicom::SNIFFED_BYTES as u64).read_to_end(&mut start));
    read.is_ok() && ::dicom::is_dicom(&start)
}

/// Bytes of activations, weights and working memory, and their sum.
fn memory(plan: &Plan) -> [usize; 4] {
    let parts = [plan.bytes(), plan.weight_bytes(), plan.scratch_bytes(par::threads())];
    let [activations, weights, scratch] = parts;
    [activations, weights, scratch, activations + weights + scratch]
}

fn plan_json(plan: &Plan) -> Value {
    let [arena, weights, scratch, total] = memory(plan);
    let step = |step: &StepInfo| {
        let StepInfo { name, op, input, output, parameters, multiply_adds, weight_bytes } = step;
        json!({
            "name": name, "op": op, "input": input, "output": output, "parameters": parameters,
            "multiply_adds": multiply_adds, "weight_bytes": weight_bytes,
        })
    };
    json!({
        "level": Level::current().name(),
        "threads": par::threads(),
        "batch_size": plan.max_batch(),
        "arena_bytes": arena,
        "weight_bytes": weights,
        "scratch_bytes": scratch,
        "total_bytes": total,
        "steps": plan.layers().iter().map(step).collect::<Vec<_>>(),
    })
}

fn print_plan(plan: &Plan) -> io::Result<()> {
    let (level, threads) = (Level::current().name(), par::threads());
    say!("\nplan for {level}, {threads} threads, batches of up to {}", plan.max_batch())?;
    for StepInfo { name, op, input: [h, w, c], weight_bytes, .. } in plan.layers() {
        let (input, weights) = (format!("{h}x{w}x{c}"), mib(*weight_bytes));
        say!("  {name:<44} {op:<8} from {input:<12} {weights:>10} of weights")?;
    }
    let [arena, weights, scratch, total] = memory(plan).map(mib);
    say!("memory         {total}: activations {arena}, weights {weights}, working memory {scratch}\n")
}

fn mib(bytes: usize) -> String {
    format!("{:.3} MiB", bytes as f64 / (1 << 20) as f64)
}

fn print_metadata(model: &Model) -> Result<(), Failure> {
    let metadata = &model.metadata;
    let arch = &metadata.architecture;
    say!("architecture   {}, width {}, activation {}", arch.name, arch.width, arch.activation)?;
    let what = if metadata.has_findings() { "findings" } else { "classes " };
    say!("{what}       {}", model::list_names(&metadata.classes))?;
    let prep = &metadata.preprocessing;
    let (scale, offset) = (&prep.scale, &prep.offset);
    let [h, w, c] = [prep.height, prep.width, prep.channels];
    say!("input          {h}x{w}x{c}, x * {scale:?} + {offset:?}")?;
    if let Some(window) = prep.window {
        let [black, white] = window.ends();
        say!("window         {window} (centre, width): {black} is black, {white} is white")?;
    }
    if metadata.classes.len() == 2 && !metadata.has_findings() {
        let positive = predict::positive_of(metadata, None)?;
        say!("positive       {} ({})", metadata.classes[positive.class], positive.source)?;
    }
    let of_findings = metadata.findings.iter().filter_map(|finding| finding.threshold.as_ref());
    for threshold in metadata.threshold.iter().chain(of_findings) {
        let model::StoredThreshold { value, rule, positive, .. } = threshold;
        say!("threshold      {positive} from p = {value:.4} ({rule})")?;
        if let Some(promise) = train::promise(threshold) {
            say!("               {promise}")?;
        }
    }
    if let Some(calibration) = &metadata.calibration {
        say!("calibration    temperature {}", calibration.temperature)?;
    }
    let origin = &metadata.provenance;
    say!("made by        {} {}", origin.program, origin.version)?;
    if !origin.data_fingerprint.is_empty() {
        say!("data           SHA-256 {}", origin.data_fingerprint)?;
    }
    for (name, values) in [("config", &origin.config), ("metrics", &origin.metrics)] {
        if !values.is_null() {
            say!("{name:<14} {values}")?;
        }
    }
    Ok(())
}

/// The layers in order of execution, norms counted with their convolution.
fn layers(network: &Network) -> Vec<TableLine> {
    let mut layers: Vec<TableLine> = network
        .layers()
        .map(|(conv, size)| {
            let [h, w] = conv.output_size(size);
            let weights: usize = conv.weight_shape().iter().product();
            let per_channel = usize::from(conv.bias) + if conv.norm.is_some() { 4 } else { 0 };
            TableLine {
                name: conv.name.clone(),
                kind: match (conv.kind, conv.stride) {
                    (ConvKind::Pointwise, _) => "pointwise",
                    (ConvKind::Depthwise, 1) => "depthwise",
                    (ConvKind::Depthwise, _) => "depthwise, stride 2",
                    (ConvKind::Full, 1) => "convolution",
                    (ConvKind::Full, _) => "convolution, stride 2",
                },
                output: [h, w, conv.outputs],
                parameters: weights + per_channel * conv.outputs,
                multiply_adds: (h * w * weights) as u64,
            }
        })
        .collect();
    let (classes, features) = (network.classes, network.features);
    layers.push(TableLine {
        name: network.classifier.clone(),
        kind: "mean, then dense",
        output: [1, 1, classes],
        parameters: classes * (features + 1),
        multiply_adds: (classes * features) as u64,
    });
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up() {
        for name in model::NAMES {
            let network = model::Architecture::named(name).unwrap().network().unwrap();
            let layers = layers(&network);
            assert_eq!(
                layers.iter().map(|layer| layer.parameters).sum::<usize>(),
                network.total_parameters()
            );
            assert_eq!(layers.iter().map(|layer| layer.multiply_adds).sum::<u64>(), network.multiply_adds());
        }
    }
}
