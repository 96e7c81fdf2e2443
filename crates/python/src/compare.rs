//! Two models on the same labelled images, as `vertebra compare` does it.

use crate::data::selection;
use crate::error::raise;
use crate::model::Core;
use crate::train::watched;
use pyo3::prelude::*;
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use workflow::{Error, Pair};

/// Compares two models: the document of `compare --json`, and the notes. It works on the threads of the first.
#[pyfunction]
pub fn compare(
    py: Python,
    first: &Core,
    second: &Core,
    data: PathBuf,
    split: String,
    group_by: Option<&str>,
    positive: Option<String>,
    skip_unreadable: bool,
    max_unreadable: Option<f64>,
) -> PyResult<(String, Vec<String>)> {
    let selection = selection(data, split, group_by, skip_unreadable, max_unreadable)?;
    let positive = positive.or_else(|| first.positive.clone());
    let both = [first, second];
    let pair = Pair {
        models: both.map(|core| &*core.model),
        names: both.map(|core| {
            core.path.as_ref().map_or_else(|| "memory".into(), |path| path.display().to_string())
        }),
        paths: both.map(|core| core.path.as_deref()),
        positive: positive.as_deref(),
        stop: &AtomicBool::new(false),
    };
    let find = |stop: &AtomicBool| -> Result<_, Error> {
        let mut notes = vec![];
        let (say, pair) = (&mut |text: &str| notes.push(text.to_owned()), Pair { stop, ..pair.clone() });
        pair.check()?;
        let labelled = selection.open(&first.model.metadata, say, stop, &mut |_, _| {})?;
        let compared = pair.compare(&labelled, say)?;
        Ok((labelled, compared, notes))
    };
    let found = watched(py, |stop| first.predictor().install(|| find(stop)))?;
    let (labelled, mut compared, mut notes) = found.map_err(raise)?;
    // A signal that came too late for the work comes before the look is counted.
    py.check_signals()?;
    let say = &mut |text: &str| notes.push(text.to_owned());
    py.detach(|| pair.count(&labelled, "vertebra.compare (Python)", &mut compared, say));
    for (name, looks) in ["the first model", "the second model"].iter().zip(compared.looks) {
        looks.into_iter().for_each(|looks| notes.push(looks.sentence(name)));
    }
    Ok((json!(compared).to_string(), notes))
}
