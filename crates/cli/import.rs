//! `vertebra import`: another program's weights become a model file.

use crate::failure::Failure;
use crate::outputs::{FileKind, Force, OutputFile};
use crate::shell::{place, program};
use model::{
    Activation, Architecture, Colours, ForeignFile, Hints, ImageSize, ImportOptions, Imported, Naming,
    Origin, Padding, Preprocessing,
};
use std::io::Read;
use std::path::{Path, PathBuf};
use workflow::is_same;

/// Make a model of another program's MobileNet weights
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra import mobilenet_v2-b0353104.pth --labels imagenet.txt --out imagenet.safetensors
  vertebra import mobilenet_v1.safetensors --naming tf --image-size 160 --out v1.safetensors
  vertebra import face.pth --activation leaky-relu:0.1 \\
      --preprocessing unit --out face.safetensors
  vertebra import checkpoint.pth.tar --key state_dict --out plain.safetensors

FILE is a safetensors file, a state dict or checkpoint that torch.save wrote
(.pth, .pt, .ckpt), or what Keras saved (.h5, .weights.h5, .keras); the content
tells which, and pickles are read without executing anything. Names of
torchvision, timm, transformers, Keras and TensorFlow-slim are known, under any
prefix; other networks are taken if their layers are a MobileNet's in order.

Width, classes, channels and layout follow from the tensors. The size of the
input, padding, epsilon, activation, preprocessing and class names do not: they
are read where the file tells them, else they are those that --naming publishes.
Each is printed as `in file` or `assumed`. A wrong one is not an error but wrong
predictions. A head of one output is taken for a sigmoid, whose class is the
second of two.")]
pub struct Args {
    /// Weights
    file: PathBuf,
    /// Model file to write
    #[arg(long, value_name = "MODEL")]
    out: PathBuf,
    /// Whose conventions hold [default: those of the program whose names the tensors have]
    #[arg(long)]
    naming: Option<Naming>,
    /// File with the name of a class on each line [default: class 0, class 1, ...]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The positive class, with two classes [default: the one whose name is no negation]
    #[arg(long, value_name = "CLASS")]
    positive: Option<String>,
    /// Zeros around 3x3 convolutions: TensorFlow's SAME, or PyTorch's symmetric padding [default: the naming's]
    #[arg(long)]
    padding: Option<Padding>,
    /// Epsilon of the batch norms [default: the naming's]
    #[arg(long)]
    epsilon: Option<f32>,
    /// relu, relu6 or leaky-relu:SLOPE [default: relu6]
    #[arg(long)]
    activation: Option<Activation>,
    /// tf (x / 127.5 - 1), torch (ImageNet's mean and deviation) or unit (x / 255) [default: the naming's]
    #[arg(long, value_parser = Preprocessing::NAMES)]
    preprocessing: Option<String>,
    /// Side of a square input in pixels, or height x width, such as 320x256 [default: the file's, else 224]
    #[arg(long, value_name = "PIXELS|HxW")]
    image_size: Option<ImageSize>,
    /// Order in which the network takes colours [default: rgb]
    #[arg(long)]
    colours: Option<Colours>,
    /// Of several networks in the file, the one under this name [default: a
    /// moving average, else the weights]
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    #[command(flatten)]
    force: Force,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let is_read = |out: &Path| {
        is_same(out, &args.file) || args.labels.as_ref().is_some_and(|labels| is_same(out, labels))
    };
    let output = OutputFile::check("--out", &args.out, &FileKind::Weights, is_read, args.force.force)?;
    let mut repeated = vec![];
    let classes = args.labels.as_deref().map(|path| labels(path, &mut repeated)).transpose()?;
    let asked = ImportOptions {
        naming: args.naming,
        padding: args.padding,
        told: None,
        hints: Hints::default(),
        colours: args.colours,
        image_size: args.image_size.map(Into::into),
        classes,
        epsilon: args.epsilon,
        activation: args.activation,
        preprocessing: args.preprocessing.clone(),
    };
    asked.check().map_err(Failure::usage)?;
    let ForeignFile { tensors, told, hints } = ForeignFile::read_one(&args.file, args.key.as_deref())?;
    let options = ImportOptions { told, hints, ..asked };
    let mut imported =
        model::import_explained(tensors, &options).map_err(|error| error.in_file(&args.file))?;
    if let Some(name) = &args.positive {
        let metadata = &mut imported.model.metadata;
        predict::name_positive(&metadata.classes, name)?;
        (metadata.positive, metadata.positive_was_set) = (Some(name.clone()), true);
    }
    imported.model.write(&args.out)?;
    let done = output.done();
    if let Some(first) = repeated.first() {
        let more = repeated.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        note!("labels that occur twice got their number: {first}{more}");
    }
    summary(&args, &imported, done)
}

/// What was found in the file, and what was not and had to be assumed.
fn summary(args: &Args, imported: &Imported, done: &str) -> Result<(), Failure> {
    let model = &imported.model;
    let arch = &model.metadata.architecture;
    let (prep, origin) = (&model.metadata.preprocessing, &model.metadata.provenance.config);
    let Architecture { name, width, channels, classes, .. } = arch;
    let norm = if arch.folded { "batch norm folded" } else { "with batch norm" };
    let names = origin["imported"].as_str().map_or(String::new(), |program| format!("; names: {program}"));
    say!("found     {name}, width {width}, {channels} channels, {classes} classes, {norm}{names}")?;
    let padding = match arch.padding {
        Padding::Same => "same",
        Padding::Symmetric => "symmetric",
    };
    let word = |origin: Origin| match origin {
        Origin::Given => "given  ",
        Origin::InFile => "in file",
        Origin::Assumed => "assumed",
    };
    let size = ImageSize::from(arch.image_size);
    say!("{}   --image-size {size}", word(imported.image_size))?;
    say!("{}   --padding {padding}", word(imported.padding))?;
    if !arch.folded {
        say!("{}   --epsilon {}", word(imported.epsilon), arch.epsilon)?;
    }
    say!("{}   --activation {}", word(imported.activation), arch.activation)?;
    let (scale, offset) = (&prep.scale, &prep.offset);
    say!("{}   --preprocessing: x * {scale:?} + {offset:?}", word(imported.preprocessing))?;
    if arch.channels == 3 {
        let order = if args.colours == Some(Colours::Bgr) { "bgr" } else { "rgb" };
        say!("{}   --colours {order}", word(imported.colours))?;
    }
    let classes = &model.metadata.classes;
    let some = classes.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if classes.len() > 3 { format!(" and {} more", classes.len() - 3) } else { String::new() };
    say!("{}   --labels: {some}{more}", word(imported.classes))?;
    for line in origin["notes"].as_array().into_iter().flatten() {
        say!("note      {}", line.as_str().unwrap_or_default())?;
    }
    let written = if done == "replaced" { "replaced " } else { "written  " };
    say!("{written} {}", args.out.display())?;
    Ok(say!("next: {} predict {} IMAGE --top 5", program(), place(&args.out))?)
}

/// The names in a file, one a line. ImageNet has two cranes; a model's classes are distinct, so each repeated name gets
/// its number.
fn labels(path: &Path, repeated: &mut Vec<String>) -> Result<Vec<String>, Failure> {
    /// No list of classes is longer.
    const MOST: u64 = 16 << 20;
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(MOST).read_to_string(&mut text)?;
        Ok(text)
    };
    let text: String =
        read().map_err(|error: std::io::Error| failed!("cannot read {}: {error}", path.display()))?;
    // A mark of UTF-8 and empty lines at the end are no names.
    let text = text.trim_start_matches('\u{feff}').trim_end();
    let mut names: Vec<String> = text.lines().map(|line| line.trim().trim_matches('\'').to_owned()).collect();
    if let Some(at) = names.iter().position(String::is_empty) {
        return Err(failed!("{}: line {}: expected a name, found none", path.display(), at + 1));
    }
    for at in 1..names.len() {
        if names[..at].contains(&names[at]) {
            repeated.push(names[at].clone());
            names[at] = format!("{} ({at})", names[at]);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::labels;

    #[test]
    fn labels_are_distinct() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.txt");
        std::fs::write(&path, "\u{feff}'crane, bird'\nhen\r\ncrane, bird\n\n").unwrap();
        let mut repeated = vec![];
        let found = labels(&path, &mut repeated).ok().unwrap();
        assert_eq!(
            (found, repeated.len()),
            (vec!["crane, bird".into(), "hen".into(), "crane, bird (2)".into()], 1)
        );
    }
}
