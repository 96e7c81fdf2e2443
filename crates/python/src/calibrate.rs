//! The operating point of a model, fixed on labelled images as `vertebra calibrate` does it.

use crate::data::{parsed, selection};
use crate::error::{detached, raise};
use crate::export::not_over;
use crate::model::Core;
use crate::train::watched;
use eval::ThresholdRule;
use model::Model;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use workflow::{Calibration, count_look, is_of, is_same};

/// Writes the model with another operating point as `out`: the document of `calibrate --json`, and the notes.
#[pyfunction]
pub fn calibrate(
    py: Python,
    core: &Core,
    data: PathBuf,
    out: PathBuf,
    rule: Option<&str>,
    split: String,
    group_by: Option<&str>,
    positive: Option<String>,
    temperature: bool,
    findings: Vec<String>,
    skip_unreadable: bool,
    max_unreadable: Option<f64>,
) -> PyResult<(String, Vec<String>)> {
    let rule = rule.map(|text| parsed::<ThresholdRule>("rule", text)).transpose()?;
    let selection = selection(data, split, group_by, skip_unreadable, max_unreadable)?;
    let positive = positive.or_else(|| core.positive.clone());
    let fix = |stop: &AtomicBool| -> PyResult<_> {
        let mut notes = vec![];
        let say = &mut |text: &str| notes.push(text.to_owned());
        let path = core.path.as_deref();
        let asked =
            Calibration { rule, positive: positive.as_deref(), temperature, findings: &findings, path, stop };
        let mut model: Model = (*core.model).clone();
        asked.check(&model.metadata).map_err(raise)?;
        let labelled = selection.open(&model.metadata, say, stop, &mut |_, _| {}).map_err(raise)?;
        let read = core.path.as_ref().and_then(|path| model::resolve(path).ok());
        not_over(&out, |out| read.is_some_and(|read| is_same(out, &read)) || is_of(&labelled.dataset, out))?;
        let calibrated = asked.calibrate(&mut model, &labelled, say).map_err(raise)?;
        calibrated.warnings.iter().for_each(|text| say(&format!("warning: {text}")));
        Ok((model, labelled, calibrated, notes))
    };
    // On the threads of the model, which is nobody else's meanwhile.
    let fixed = watched(py, |stop| core.predictor().install(|| fix(stop)))?;
    let (model, labelled, calibrated, mut notes) = fixed?;
    // A signal that came too late for the work comes before the look is counted.
    py.check_signals()?;
    detached(py, || {
        if let Some(run) = &core.path {
            let (is_own, command) = (labelled.is_training_data, "vertebra.Model.calibrate (Python)");
            count_look(run, &labelled, is_own, command, &mut |text| notes.push(text.to_owned()));
        }
        model.write(&out).map_err(raise)
    })?;
    let document = calibrated.document(&model.metadata, &out.display().to_string());
    Ok((document.to_string(), notes))
}
