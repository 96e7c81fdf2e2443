//! `vertebra inspect`: what is in a model file.

use crate::failure::Failure;
use model::{ConvKind, Model, Network};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// Show a model: its layers, sizes and cost, and where it comes from
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra inspect runs/mine
  vertebra inspect model.safetensors --json")]
pub struct Args {
    /// Model file, or run folder
    model: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// A line of the table.
struct Layer {
    name: String,
    kind: &'static str,
    /// `[height, width, channels]`
    output: [usize; 3],
    parameters: usize,
    multiply_adds: u64,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let path = model::resolve(&args.model)?;
    let model = Model::read(&path)?;
    let network = model.network()?;
    let layers = layers(&network);
    let mut out = io::stdout().lock();
    if args.json {
        let layers: Vec<Value> = layers.iter().map(Layer::to_json).collect();
        let document = json!({
            "file": path,
            "parameters": network.total_parameters(),
            "trainable_parameters": network.trainable_parameters(),
            "multiply_adds": network.multiply_adds(),
            "layers": layers,
            "metadata": model.metadata,
        });
        serde_json::to_writer_pretty(&mut out, &document)?;
        return Ok(writeln!(out)?);
    }
    writeln!(out, "{}\n", path.display())?;
    writeln!(
        out,
        "{:<24} {:<22} {:>16} {:>12} {:>14}",
        "layer", "kind", "output", "parameters", "multiply-adds"
    )?;
    for Layer { name, kind, output: [h, w, c], parameters, multiply_adds } in &layers {
        let output = format!("{h}x{w}x{c}");
        writeln!(out, "{name:<24} {kind:<22} {output:>16} {parameters:>12} {multiply_adds:>14}")?;
    }
    let (all, trainable) = (network.total_parameters(), network.trainable_parameters());
    writeln!(out, "\nparameters     {all}, {trainable} of them trained")?;
    writeln!(out, "multiply-adds  {} for one image", network.multiply_adds())?;
    metadata(&mut out, &model)
}

fn metadata(out: &mut impl Write, model: &Model) -> Result<(), Failure> {
    let metadata = &model.metadata;
    let arch = &metadata.architecture;
    writeln!(out, "architecture   {}, width {}, activation {}", arch.name, arch.width, arch.activation)?;
    writeln!(out, "classes        {}", metadata.classes.join(", "))?;
    let prep = &metadata.preprocessing;
    let (scale, offset) = (&prep.scale, &prep.offset);
    writeln!(
        out,
        "input          {}x{}x{}, x * {scale:?} + {offset:?}",
        prep.height, prep.width, prep.channels
    )?;
    if let Some(model::Threshold { value, rule, positive }) = &metadata.threshold {
        writeln!(out, "threshold      {positive} from p = {value:.4} ({rule})")?;
    }
    if let Some(calibration) = &metadata.calibration {
        writeln!(out, "calibration    temperature {}", calibration.temperature)?;
    }
    let origin = &metadata.provenance;
    writeln!(out, "made by        {} {}", origin.program, origin.version)?;
    if !origin.data_fingerprint.is_empty() {
        writeln!(out, "data           SHA-256 {}", origin.data_fingerprint)?;
    }
    for (name, values) in [("config", &origin.config), ("metrics", &origin.metrics)] {
        if !values.is_null() {
            writeln!(out, "{name:<14} {values}")?;
        }
    }
    Ok(())
}

/// The layers in order of execution, norms counted with their convolution.
fn layers(network: &Network) -> Vec<Layer> {
    let mut layers: Vec<Layer> = network
        .layers()
        .map(|(conv, size)| {
            let [h, w] = conv.output_size(size);
            let weights: usize = conv.weight_shape().iter().product();
            let per_channel = usize::from(conv.bias) + if conv.norm.is_some() { 4 } else { 0 };
            Layer {
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
    layers.push(Layer {
        name: network.classifier.clone(),
        kind: "mean, then dense",
        output: [1, 1, classes],
        parameters: classes * (features + 1),
        multiply_adds: (classes * features) as u64,
    });
    layers
}

impl Layer {
    fn to_json(&self) -> Value {
        let Self { name, kind, output, parameters, multiply_adds } = self;
        json!({
            "name": name, "kind": kind, "output": output, "parameters": parameters, "multiply_adds": multiply_adds,
        })
    }
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
