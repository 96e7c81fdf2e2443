//! Data sets: what is wrong with them, and their division.

use crate::error::{argument, raise};
use crate::train::watched;
use data::{Dataset, FRACTIONS, Folds, GroupBy, Labelling, Labels, Readers, Uncertain};
use pyo3::prelude::*;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use workflow::{Error, Selection, check_no_input, is_of};

/// Audits a data set: the document of `audit --json`, and what was assumed.
#[pyfunction]
pub fn audit(
    py: Python,
    data: PathBuf,
    group_by: Option<&str>,
    positive: Option<&str>,
    labels: Option<&str>,
    uncertain: &str,
    readers: &str,
) -> PyResult<(String, Vec<String>)> {
    let labelling = labelling(labels, uncertain, readers)?;
    let group_by = group_by.map(|text| parsed::<GroupBy>("group_by", text)).transpose()?;
    watched(py, |stop| {
        let mut dataset = Dataset::open_with_missing(&data, &labelling).map_err(raise)?;
        if let Some(by) = &group_by {
            dataset.group_readable_by(by).map_err(raise)?;
        }
        let positive = workflow::positive_of_data(&dataset, positive).map_err(raise)?;
        let found = ::audit::audit(&dataset, group_by.as_ref(), positive, None, &|_, _| match stop
            .load(Ordering::Relaxed)
        {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        Ok((json!(found.map_err(raise)?).to_string(), dataset.notes))
    })?
}

/// Which labelled images are meant. Without `max_unreadable` it is that of the command line.
pub(crate) fn selection(
    data: PathBuf,
    split: String,
    group_by: Option<&str>,
    skip_unreadable: bool,
    max_unreadable: Option<f64>,
) -> PyResult<Selection> {
    let group_by = group_by.map(|text| parsed::<GroupBy>("group_by", text)).transpose()?;
    let max_unreadable = max_unreadable.unwrap_or(::train::MAX_UNREADABLE);
    Ok(Selection { data, split, group_by, skip_unreadable, max_unreadable })
}

/// Divides a data set by group: its manifest as a JSON list of rows, and what was assumed.
#[pyfunction]
pub fn split(
    py: Python,
    data: PathBuf,
    by: &str,
    fractions: Option<[f64; 3]>,
    folds: Option<&str>,
    labels: Option<&str>,
    uncertain: &str,
    readers: &str,
    seed: u64,
    out: Option<PathBuf>,
) -> PyResult<(String, Vec<String>)> {
    let by = parsed::<GroupBy>("by", by)?;
    let folds = folds.map(|text| parsed::<Folds>("folds", text)).transpose()?;
    let labelling = labelling(labels, uncertain, readers)?;
    let fractions = fractions.unwrap_or(FRACTIONS);
    if !fractions.iter().all(|share| share.is_finite() && *share > 0.0) {
        return Err(argument("fractions", format!("expected three numbers above 0, found {fractions:?}")));
    }
    watched(py, |stop| {
        let divide = || -> Result<Dataset, Error> {
            let mut dataset = Dataset::open_labelled(&data, false, &labelling)?.with_two_classes()?;
            if let Some(out) = &out {
                check_no_input(out, |out| is_of(&dataset, out))
                    .map_err(|reason| Error::Option { name: "out", reason })?;
            }
            dataset.group_by(&by)?;
            match folds {
                Some(folds) => drop(dataset.draw_folds(folds, seed)?),
                None => dataset.draw_splits(&fractions, seed)?,
            }
            // Who stops it wants no file.
            let out = out.as_deref().filter(|_| !stop.load(Ordering::Relaxed));
            out.map_or(Ok(()), |out| data::write_manifest(out, &dataset))?;
            Ok(dataset)
        };
        let dataset = divide().map_err(raise)?;
        let keeps = labelling.uncertain == Uncertain::Ignore;
        Ok((rows(&dataset, keeps).to_string(), dataset.notes))
    })?
}

/// The columns and rows of a manifest, with paths as they are from here; with -1 where nobody was sure, if that is kept.
fn rows(dataset: &Dataset, keeps_unsure: bool) -> Value {
    let has_split = dataset.samples.iter().any(|sample| sample.split.is_some());
    let mut columns = vec!["path"];
    match dataset.has_findings() {
        true => columns.extend(dataset.classes.iter().map(String::as_str)),
        false => columns.push("label"),
    }
    columns.extend(has_split.then_some("split"));
    columns.push("group");
    columns.extend(dataset.columns.iter().map(String::as_str));
    let row = |sample: &data::Sample| {
        let mut row = vec![json!(sample.path.to_string_lossy())];
        match dataset.has_findings() {
            true => row.extend(sample.findings.iter().enumerate().map(|(at, is)| {
                if keeps_unsure && sample.unsure.get(at) == Some(&true) { json!(-1) } else { json!(is) }
            })),
            false => row.push(json!(dataset.classes[sample.label])),
        }
        row.extend(has_split.then(|| json!(sample.split.map(|split| split.to_string()))));
        row.push(json!(sample.group));
        row.extend(sample.extra.iter().map(|value| json!(value)));
        Value::Array(row)
    };
    let rows: Vec<Value> = dataset.samples.iter().map(row).collect();
    json!({ "columns": columns, "rows": rows })
}

/// How labels are read: one class an image, or the findings that `labels` names.
fn labelling(labels: Option<&str>, uncertain: &str, readers: &str) -> PyResult<Labelling> {
    Ok(Labelling {
        labels: labels.map(|text| parsed::<Labels>("labels", text)).transpose()?,
        uncertain: parsed::<Uncertain>("uncertain", uncertain)?,
        readers: parsed::<Readers>("readers", readers)?,
        may_lack: false,
    })
}

pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> PyResult<T> {
    text.parse().map_err(|reason| argument(name, reason))
}
