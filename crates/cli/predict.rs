//! `vertebra predict`: a line for every image. A bad file is an error in its own line and never ends the batch.

use crate::failure::{Failure, note};
use clap::ValueEnum;
use data::{decode, preprocess};
use model::{Metadata, Model};
use serde_json::{Map, Value, json};
use std::io::{self, StdoutLock, Write};
use std::path::{Path, PathBuf};
use tensor::par;
use train::{Classifier, predicted_class};

/// Classify images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra predict runs/mine scan.png
  vertebra predict runs/mine scans/ --format csv > predictions.csv
  vertebra predict runs/mine 'scans/*.png' --format jsonl
  find scans -name '*.jpg' | vertebra predict runs/mine - --top 3

INPUT is an image (PNG or JPEG, 8 or 16 bit), a folder (searched through), a pattern with * and ?, or - for paths on
stdin. The exit status is 1 if any image failed. Research use only, not a medical device.")]
pub struct Args {
    /// Model file, or run folder
    model: PathBuf,
    /// Images, folders, patterns, or -
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// How lines are written
    #[arg(long, default_value = "table")]
    format: Format,
    /// Show only the K most probable classes
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    top: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Jsonl,
}

/// Images that are decoded and classified together.
const BATCH: usize = 32;

pub fn run(args: Args) -> Result<(), Failure> {
    let model = Model::read(&args.model)?;
    let mut classifier = Classifier::new(&model)?;
    let mut printer = Printer::new(args.format, args.top, &model.metadata);
    printer.begin()?;
    let mut batch = Vec::with_capacity(BATCH);
    for input in inputs(&args.input)? {
        batch.push(input);
        if batch.len() == BATCH {
            classify(&mut classifier, &mut printer, &batch)?;
            batch.clear();
        }
    }
    classify(&mut classifier, &mut printer, &batch)?;
    if args.format == Format::Table {
        note("Research use only, not a medical device.");
    }
    match printer.failed {
        0 => Ok(()),
        failed => {
            note(format_args!("{failed} of {} inputs failed", printer.lines));
            Err(Failure::Reported)
        }
    }
}

/// A path to classify, or why there is none.
type Input = Result<PathBuf, (PathBuf, String)>;

/// Every image that the arguments mean. Paths on stdin are read as they are asked for.
fn inputs(arguments: &[PathBuf]) -> Result<Box<dyn Iterator<Item = Input>>, Failure> {
    let mut all: Vec<Box<dyn Iterator<Item = Input>>> = Vec::new();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            all.push(Box::new(io::stdin().lines().filter_map(|line| match line {
                Ok(line) if line.is_empty() => None,
                Ok(line) => Some(Ok(line.into())),
                Err(error) => Some(Err(("-".into(), error.to_string()))),
            })));
            continue;
        }
        let found = expand(argument).map_err(|reason| (argument.clone(), reason));
        all.push(match found {
            Ok(paths) => Box::new(paths.into_iter().map(Ok)),
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
    }
    Ok(Box::new(all.into_iter().flatten()))
}

/// The images of a folder, or of a pattern in the file name; any other path is itself.
fn expand(argument: &Path) -> Result<Vec<PathBuf>, String> {
    let name = argument.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut found = Vec::new();
    if argument.is_dir() {
        search(argument, &mut found).map_err(|error| error.to_string())?;
    } else if name.contains(['*', '?']) && !argument.exists() {
        let folder = argument.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            let matched =
                path.file_name().and_then(|name| name.to_str()).is_some_and(|file| matches(name, file));
            if path.is_file() && matched {
                found.push(argument.with_file_name(path.file_name().unwrap_or_default()));
            }
        }
    } else {
        return Ok(vec![argument.to_owned()]);
    }
    if found.is_empty() {
        return Err("expected images, found none".into());
    }
    found.sort();
    Ok(found)
}

/// Adds every image below `folder`, by its extension.
fn search(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        // The entry's own type: a link to a folder could lead back here.
        if entry.file_type()?.is_dir() {
            search(&path, found)?;
        } else if data::EXTENSIONS.contains(&extension.as_str()) {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether `name` fits `pattern`, where `*` is any text and `?` any character.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.chars();
    match pieces.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = pieces.as_str();
            let starts = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            starts.into_iter().any(|at| matches(rest, &name[at..]))
        }
        Some(wanted) => {
            let mut characters = name.chars();
            let fits = characters.next().is_some_and(|found| wanted == '?' || wanted == found);
            fits && matches(pieces.as_str(), characters.as_str())
        }
    }
}

/// Classifies a batch and prints its lines in order.
fn classify(classifier: &mut Classifier, printer: &mut Printer, batch: &[Input]) -> Result<(), Failure> {
    let prep = &printer.metadata.preprocessing;
    let decoded = par::map(batch.len(), |i| match &batch[i] {
        Ok(path) => match decode(path) {
            Ok(picture) => Ok(preprocess(&picture, prep)),
            Err(error) => Err(without_path(&error, path)),
        },
        Err((_, reason)) => Err(reason.clone()),
    });
    let images: Vec<f32> = decoded.iter().flatten().flatten().copied().collect();
    let probabilities: Vec<f64> = match images.is_empty() {
        true => vec![],
        false => classifier.log_probabilities(&images).into_iter().map(f64::exp).collect(),
    };
    let mut rows = probabilities.chunks_exact(printer.metadata.classes.len());
    for (input, decoded) in batch.iter().zip(decoded) {
        let path = input.as_ref().unwrap_or_else(|(path, _)| path);
        match decoded {
            Ok(_) => printer.prediction(path, rows.next().expect("a row for every image"))?,
            Err(reason) => printer.error(path, &reason)?,
        }
    }
    Ok(())
}

/// The reason alone: the line says the path already.
fn without_path(error: &data::Error, path: &Path) -> String {
    let message = error.to_string();
    let prefix = format!("{}: ", path.display());
    message.strip_prefix(&prefix).unwrap_or(&message).to_owned()
}

/// Writes lines in one of the formats.
struct Printer<'a> {
    out: StdoutLock<'static>,
    format: Format,
    top: usize,
    metadata: &'a Metadata,
    lines: usize,
    failed: usize,
}

impl<'a> Printer<'a> {
    fn new(format: Format, top: Option<u16>, metadata: &'a Metadata) -> Self {
        let classes = metadata.classes.len();
        let top = top.map_or(classes, |top| classes.min(top.into()));
        Self { out: io::stdout().lock(), format, top, metadata, lines: 0, failed: 0 }
    }

    fn begin(&mut self) -> io::Result<()> {
        match self.format {
            Format::Jsonl => Ok(()),
            Format::Table => {
                if let Some(threshold) = &self.metadata.threshold {
                    let model::Threshold { value, rule, positive } = threshold;
                    note(format_args!("{positive} from p = {value:.4} ({rule})"));
                }
                Ok(())
            }
            Format::Csv => {
                let mut header = vec!["path".to_owned(), "predicted".into(), "probability".into()];
                header.extend(self.metadata.classes.iter().map(|class| format!("p_{class}")));
                header.push("error".into());
                self.csv(&header)
            }
        }
    }

    fn prediction(&mut self, path: &Path, row: &[f64]) -> io::Result<()> {
        self.lines += 1;
        let classes = &self.metadata.classes;
        let predicted = predicted_class(self.metadata, row);
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let shown = &order[..self.top];
        let path = path.display().to_string();
        match self.format {
            Format::Table => {
                let all: Vec<_> = shown.iter().map(|&i| format!("{} {:.4}", classes[i], row[i])).collect();
                writeln!(self.out, "{path}  {}  ({})", classes[predicted], all.join(", "))
            }
            Format::Csv => {
                let mut line = vec![path, classes[predicted].clone(), format!("{:.6}", row[predicted])];
                let cell =
                    |i: usize| if shown.contains(&i) { format!("{:.6}", row[i]) } else { String::new() };
                line.extend((0..row.len()).map(cell));
                line.push(String::new());
                self.csv(&line)
            }
            Format::Jsonl => {
                let probabilities: Map<String, Value> =
                    shown.iter().map(|&i| (classes[i].clone(), json!(row[i]))).collect();
                let line = json!({
                    "path": path,
                    "predicted": classes[predicted],
                    "probability": row[predicted],
                    "probabilities": probabilities,
                });
                writeln!(self.out, "{line}")
            }
        }
    }

    fn error(&mut self, path: &Path, reason: &str) -> io::Result<()> {
        self.lines += 1;
        self.failed += 1;
        let path = path.display().to_string();
        match self.format {
            Format::Table => writeln!(self.out, "{path}  error: {reason}"),
            Format::Csv => {
                let mut line = vec![path];
                line.resize(3 + self.metadata.classes.len(), String::new());
                line.push(reason.to_owned());
                self.csv(&line)
            }
            Format::Jsonl => writeln!(self.out, "{}", json!({ "path": path, "error": reason })),
        }
    }

    /// One line of CSV (RFC 4180).
    fn csv(&mut self, cells: &[String]) -> io::Result<()> {
        let quote = |cell: &String| match cell.contains(['"', ',', '\n', '\r']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        };
        writeln!(self.out, "{}", cells.iter().map(quote).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_a_shell_does() {
        for (pattern, name, want) in [
            ("*.png", "a.png", true),
            ("*.png", "a.png.txt", false),
            ("a?c*", "abcd", true),
            ("a?c*", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*é?", "déf", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
