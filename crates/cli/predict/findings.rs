//! Lines of a model of findings: a probability and a decision for each.

use super::lines::{Format, Printer, SHOWN, add_bytes, csv_line};
use crate::terminal::raw;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

impl Printer<'_> {
    pub(super) fn begin_findings(&self) -> io::Result<()> {
        let names = &self.metadata.classes;
        match self.format {
            Format::Table => {
                let each = names
                    .iter()
                    .zip(&self.thresholds)
                    .map(|(name, from)| format!("{name} {:.4}", from.value));
                note!(
                    "a finding is called from its own p on: {}",
                    model::list_names(&each.collect::<Vec<_>>())
                );
                Ok(())
            }
            Format::Csv => {
                let columns = names.iter().flat_map(|name| [format!("p_{name}"), format!("called_{name}")]);
                let mut header: Vec<String> = std::iter::once("path".to_owned()).chain(columns).collect();
                header.extend(self.with_heatmaps.then(|| "heatmaps".into()));
                header.push("error".into());
                header.extend(names.iter().filter(|_| self.with_spread).map(|name| format!("spread_{name}")));
                csv_line(Path::new("path"), &header[1..])
            }
            Format::Jsonl => Ok(()),
        }
    }

    /// The line of an image with the probabilities `row`, and their `spread` where several models answer.
    pub(super) fn findings(
        &self,
        path: &Path,
        row: &[f64],
        spread: Option<&[f64]>,
        heatmaps: &[PathBuf],
        error: String,
    ) -> io::Result<()> {
        let names = &self.metadata.classes;
        let called = |at: usize| row[at] >= self.thresholds[at].value;
        let maps: Vec<String> = heatmaps.iter().map(|path| path.display().to_string()).collect();
        let (file, path) = (path, path.display().to_string());
        match self.format {
            Format::Table => {
                let mut order: Vec<usize> = (0..row.len()).collect();
                eval::sort_by_number(&mut order, &|at| -row[at]);
                eval::sort_by_number(&mut order, &|at| f64::from(!called(at)));
                let is_called: Vec<&String> =
                    order.iter().filter(|&&at| called(at)).map(|&at| &names[at]).collect();
                let label = if is_called.is_empty() {
                    "none called".to_owned()
                } else {
                    model::list_names(&is_called)
                };
                let shown = self.top.min(SHOWN.max(is_called.len()));
                let all: Vec<_> =
                    order[..shown].iter().map(|&at| format!("{} {:.4}", names[at], row[at])).collect();
                let more = match row.len() - shown {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                let arrow = if maps.is_empty() { String::new() } else { format!("  -> {}", maps.join(", ")) };
                let error = if error.is_empty() { error } else { format!("  error: {error}") };
                let widest = |spread: &[f64]| spread.iter().copied().fold(0.0, f64::max);
                let spread = spread.map_or(String::new(), |s| format!("  spread up to {:.4}", widest(s)));
                say!("{path}  {label}  ({}{more}){spread}{arrow}{error}", all.join(", "))
            }
            Format::Csv => {
                let mut line = vec![];
                let cells = |at: usize| [data::exact(row[at]), u8::from(called(at)).to_string()];
                line.extend((0..row.len()).flat_map(cells));
                line.extend(self.with_heatmaps.then(|| maps.join(";")));
                line.push(error);
                line.extend(spread.unwrap_or_default().iter().copied().map(data::exact));
                csv_line(file, &line)
            }
            Format::Jsonl => {
                let each = |at: usize| {
                    let decision = if called(at) { "positive" } else { "negative" };
                    let mut finding = json!({
                        "finding": names[at],
                        "probability": row[at],
                        "decision": decision,
                        "threshold": self.thresholds[at].value,
                    });
                    if let Some(spread) = spread {
                        finding["spread"] = json!(spread[at]);
                    }
                    finding
                };
                let mut line =
                    json!({ "path": path, "findings": (0..row.len()).map(each).collect::<Vec<Value>>() });
                add_bytes(&mut line, file);
                if self.with_heatmaps {
                    line["heatmaps"] = json!(maps);
                }
                if !error.is_empty() {
                    line["error"] = json!(error);
                }
                raw(line)
            }
        }
    }
}
