//! `vertebra export`: a model for other programs.

use crate::failure::Failure;
use crate::outputs::{FileKind, Force, OutputFile};
use crate::terminal::note;
use clap::ValueEnum;
use model::{Activation, Architecture, Model, Padding, write_atomic};
use std::io::Write;
use std::path::{Path, PathBuf};
use workflow::is_same;

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
    to: ExportTarget,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    force: Force,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ExportTarget {
    Onnx,
    Torch,
    KerasNames,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let path = model::resolve(&args.model)?;
    let model = Model::read(&path)?;
    let kind = if args.to == ExportTarget::Onnx { FileKind::Onnx } else { FileKind::Weights };
    let is_read = |out: &Path| is_same(out, &path);
    let output = OutputFile::check("--out", &args.out, &kind, is_read, args.force.force)?;
    output.write::<Failure>(|path| match args.to {
        ExportTarget::Onnx => {
            let bytes = onnx::to_bytes(&model)?;
            Ok(write_atomic(path, |file| file.write_all(&bytes))?)
        }
        ExportTarget::Torch => {
            model.to_torch()?.write(path)?;
            torch_differs(&model.metadata.architecture).iter().for_each(note);
            Ok(())
        }
        ExportTarget::KerasNames => Ok(model.to_keras()?.write(path)?),
    })?;
    Ok(say!("{}", args.out.display())?)
}

/// What a PyTorch network needs besides the tensors, to compute the same.
fn torch_differs(arch: &Architecture) -> Vec<String> {
    if arch.name != "mobilenet-v2" {
        let names = "note: torchvision has no MobileNetV1; the names are those of tools/parity_pytorch.py";
        return vec![names.to_owned()];
    }
    let Architecture { width, classes, channels, activation, epsilon, .. } = arch;
    let lines = [
        Some(format!(
            "note: load into torchvision.models.mobilenet_v2(num_classes={classes}, width_mult={width})"
        )),
        (*channels != 3).then(|| format!("note: its first convolution has to take {channels} channel")),
        (arch.padding != Padding::Symmetric)
            .then(|| "note: this model pads as TensorFlow does, and torchvision does not".to_owned()),
        (*activation != Activation::Relu6)
            .then(|| format!("note: this model's activation is {activation}, torchvision's is relu6")),
        (*epsilon != 1e-5).then(|| format!("note: this model's epsilon is {epsilon}, torchvision's is 1e-5")),
    ];
    lines.into_iter().flatten().collect()
}
