//! `vertebra export`: a model for other programs.

use crate::failure::{Failure, note};
use crate::outputs::{Force, Kind, Output, is_same};
use clap::ValueEnum;
use model::{Activation, Architecture, Model, Padding, write_atomic};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Write a model for other programs
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra export runs/mine --to onnx --out mine.onnx
  vertebra export runs/mine --to torch --out mine.safetensors
  vertebra export runs/mine --to keras-names --out mine-keras.safetensors

onnx: input `input` [N, channels, height, width], preprocessed; outputs `logits`
and `probabilities` [N, classes]; classes, preprocessing (with the filter that
resizes), threshold and positive class are JSON in the metadata. torch: a state
dict that torchvision's mobilenet_v2 loads with strict=True. keras-names: Keras'
names and layout. The last two come back exactly with `vertebra import`.")]
pub struct Args {
    /// Model file, or run folder
    model: PathBuf,
    /// For whom
    #[arg(long)]
    to: Target,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    force: Force,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Target {
    Onnx,
    Torch,
    KerasNames,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let path = model::resolve(&args.model)?;
    let model = Model::read(&path)?;
    let kind = if args.to == Target::Onnx { Kind::Onnx } else { Kind::Weights };
    let is_read = |out: &Path| is_same(out, &path);
    let output = Output::check("--out", &args.out, &kind, is_read, args.force.force)?;
    match args.to {
        Target::Onnx => {
            let bytes = onnx::to_bytes(&model)?;
            write_atomic(&args.out, |file| file.write_all(&bytes))?;
        }
        Target::Torch => {
            model.to_torch()?.write(&args.out)?;
            torch_differs(&model.metadata.architecture).iter().for_each(note);
        }
        Target::KerasNames => model.to_keras()?.write(&args.out)?,
    }
    output.written();
    Ok(writeln!(io::stdout(), "{}", args.out.display())?)
}

/// What a PyTorch network needs besides the tensors, to compute the same.
fn torch_differs(arch: &Architecture) -> Vec<String> {
    let mut lines = Vec::new();
    if arch.name != "mobilenet-v2" {
        lines.push(
            "note: torchvision has no MobileNetV1; the names are those of tools/parity_pytorch.py".to_owned(),
        );
    } else {
        let (width, classes) = (arch.width, arch.classes);
        lines.push(format!(
            "note: load into torchvision.models.mobilenet_v2(num_classes={classes}, width_mult={width})"
        ));
        if arch.channels != 3 {
            lines.push(format!("note: its first convolution has to take {} channel", arch.channels));
        }
        if arch.padding != Padding::Symmetric {
            lines.push("note: this model pads as TensorFlow does, and torchvision does not".to_owned());
        }
        if arch.activation != Activation::Relu6 {
            lines.push(format!(
                "note: this model's activation is {}, torchvision's is relu6",
                arch.activation
            ));
        }
        if arch.epsilon != 1e-5 {
            lines.push(format!("note: this model's epsilon is {}, torchvision's is 1e-5", arch.epsilon));
        }
    }
    lines
}
