//! The lines of `vertebra predict`, one an image: for people, as CSV or as JSON.

use crate::terminal::{object, raw, record};
use clap::ValueEnum;
use model::Metadata;
use predict::{Decision, predicted_class};
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// How they are written.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum Format {
    Table,
    Csv,
    Jsonl,
}

/// The most classes that a line for people shows, unless --top says otherwise.
pub(super) const SHOWN: usize = 10;

/// Writes lines in one of the formats.
pub(super) struct Printer<'a> {
    pub format: Format,
    /// Classes that a line shows.
    pub top: usize,
    /// Whether lines name a heatmap.
    pub with_heatmaps: bool,
    /// Whether several models answer.
    pub with_spread: bool,
    pub metadata: &'a Metadata,
    /// With two classes.
    pub decision: Option<Decision>,
    /// Of each finding; empty with classes.
    pub thresholds: Vec<eval::Threshold>,
    pub lines: usize,
    pub failed: usize,
}

impl Printer<'_> {
    pub fn begin(&self) -> io::Result<()> {
        if !self.thresholds.is_empty() {
            return self.begin_findings();
        }
        match (self.format, &self.decision) {
            (Format::Table, Some(Decision { positive, threshold })) => {
                let eval::Threshold { value, rule } = threshold;
                note!("positive: {}, from p = {value:.4} ({rule})", self.metadata.classes[positive.class]);
                Ok(())
            }
            (Format::Csv, decision) => {
                let mut header = ["path", "label", "probability"].map(str::to_owned).to_vec();
                header.extend(self.metadata.classes.iter().map(|class| format!("p_{class}")));
                header.extend(self.with_heatmaps.then(|| "heatmap".into()));
                header.push("error".into());
                if decision.is_some() {
                    header.extend(["decision".into(), "larger".into()]);
                }
                header.extend(self.with_spread.then(|| "spread".into()));
                csv_line(Path::new("path"), &header[1..])
            }
            _ => Ok(()),
        }
    }

    /// `spread` is that of each probability, where several models answer. `heatmap` is where it was written, or why
    /// not; none if none was asked for.
    pub fn prediction(
        &mut self,
        path: &Path,
        row: &[f64],
        spread: Option<&[f64]>,
        heatmap: Option<Result<Vec<PathBuf>, String>>,
    ) -> io::Result<()> {
        self.lines += 1;
        let (heatmaps, error) = match heatmap {
            Some(Err(reason)) => (vec![], format!("no heatmap: {reason}")),
            written => (written.and_then(Result::ok).unwrap_or_default(), String::new()),
        };
        self.failed += usize::from(!error.is_empty());
        if !self.thresholds.is_empty() {
            return self.findings(path, row, spread, &heatmaps, error);
        }
        let heatmap = heatmaps.first().map(|path| path.display().to_string());
        let classes = &self.metadata.classes;
        let predicted = match &self.decision {
            Some(decision) => decision.class(row),
            None => predicted_class(self.metadata, row),
        };
        let larger = &classes[eval::argmax(row)];
        let spread = spread.map(|spread| spread[predicted]);
        let decision = self.decision.as_ref().map(|decision| match predicted == decision.positive.class {
            true => "positive",
            false => "negative",
        });
        let mut order: Vec<usize> = (0..row.len()).collect();
        eval::sort_by_number(&mut order, &|class| -row[class]);
        // A threshold may call a class that is not the most probable: a line that names it shows its probability.
        if self.top < order.len() {
            eval::sort_by_number(&mut order, &|class| f64::from(class != predicted));
        }
        let shown = &order[..self.top];
        let (file, path, label) = (path, path.display().to_string(), &classes[predicted]);
        match self.format {
            Format::Table => {
                let all: Vec<_> = shown.iter().map(|&i| format!("{} {:.4}", classes[i], row[i])).collect();
                let more = match classes.len() - shown.len() {
                    more if more > 0 && classes.len() > SHOWN => format!(", and {more} more"),
                    _ => String::new(),
                };
                let but =
                    if larger == label { String::new() } else { format!(", though {larger} is larger") };
                let decision = decision.map_or(String::new(), |decision| format!("  {decision}{but}"));
                let arrow = heatmap.map_or(String::new(), |heatmap| format!("  -> {heatmap}"));
                let error = if error.is_empty() { error } else { format!("  error: {error}") };
                let spread = spread.map_or(String::new(), |spread| format!("  spread {spread:.4}"));
                say!("{path}  {label}  ({}{more}){decision}{spread}{arrow}{error}", all.join(", "))
            }
            Format::Csv => {
                let mut line = vec![label.clone(), data::exact(row[predicted])];
                let cell = |i: usize| if shown.contains(&i) { data::exact(row[i]) } else { String::new() };
                line.extend((0..row.len()).map(cell));
                line.extend(self.with_heatmaps.then(|| heatmap.unwrap_or_default()));
                line.push(error);
                line.extend(decision.into_iter().flat_map(|decision| [decision.to_owned(), larger.clone()]));
                line.extend(spread.map(data::exact));
                csv_line(file, &line)
            }
            Format::Jsonl => {
                let probabilities = object(shown.iter().map(|&i| (classes[i].clone(), json!(row[i]))));
                let mut line = json!({
                    "path": path,
                    "label": label,
                    "probability": row[predicted],
                    "probabilities": probabilities,
                });
                add_bytes(&mut line, file);
                if let (Some(decision), Some(rule)) = (decision, &self.decision) {
                    line["decision"] = json!(decision);
                    line["larger"] = json!(larger);
                    line["positive"] = json!(classes[rule.positive.class]);
                    line["threshold"] = json!(rule.threshold.value);
                }
                if let Some(spread) = spread {
                    line["spread"] = json!(spread);
                }
                if self.with_heatmaps {
                    line["heatmap"] = json!(heatmap);
                }
                if !error.is_empty() {
                    line["error"] = json!(error);
                }
                raw(line)
            }
        }
    }

    pub fn error(&mut self, path: &Path, reason: &str) -> io::Result<()> {
        self.lines += 1;
        self.failed += 1;
        match self.format {
            Format::Table => say!("{}  error: {reason}", path.display()),
            Format::Csv => {
                let (classes, findings) = (self.metadata.classes.len(), self.thresholds.len());
                let (before, after) = match findings {
                    0 => {
                        let of_decision = 2 * usize::from(self.decision.is_some());
                        (2 + classes, of_decision + usize::from(self.with_spread))
                    }
                    _ => (2 * findings, if self.with_spread { findings } else { 0 }),
                };
                let mut line = vec![String::new(); before + usize::from(self.with_heatmaps)];
                line.push(reason.to_owned());
                line.resize(line.len() + after, String::new());
                csv_line(path, &line)
            }
            Format::Jsonl => {
                let mut line = json!({ "path": path.display().to_string(), "error": reason });
                add_bytes(&mut line, path);
                raw(line)
            }
        }
    }
}

/// Adds the bytes of a path that is no text, in hexadecimal: by its text two files may be one.
pub(super) fn add_bytes(line: &mut Value, path: &Path) {
    if path.to_str().is_none() {
        line["path_bytes"] = json!(data::hexadecimal(&data::bytes_of_path(path)));
    }
}

/// Prints one line of CSV: a path, whose name need not be text, and cells.
pub(super) fn csv_line(path: &Path, cells: &[String]) -> io::Result<()> {
    record(&data::bytes_of_path(path), cells)
}
