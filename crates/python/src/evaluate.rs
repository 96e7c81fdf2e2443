//! A model on labelled images, as `vertebra evaluate` does it.

use crate::data::selection;
use crate::error::{detached, raise};
use crate::model::{Core, method_of};
use crate::train::watched;
use ::model::Model;
use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use workflow::{Asked, Error, Evaluated, Judged, Labelled, Page};

/// An evaluation: the document of `evaluate --json`, what shows its report, the notes, and of each image its name,
/// class (with findings: `[n, findings]` of 1, 0 and NaN instead) and probabilities.
type Answer<'py> = (
    String,
    Shown,
    Vec<String>,
    Vec<String>,
    Vec<String>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray2<f64>>,
);

/// What a report is made of, which is made when somebody asks for it.
#[pyclass(frozen, module = "vertebra._vertebra")]
pub struct Shown {
    model: Arc<Model>,
    labelled: Labelled,
    judged: Judged,
    audit: serde_json::Value,
    looks: Option<usize>,
}

#[pymethods]
impl Shown {
    /// The report as one HTML page.
    fn html(&self, py: Python) -> PyResult<String> {
        detached(py, || {
            let Self { model, labelled, judged, audit, looks } = self;
            let page = Page {
                model,
                dataset: &labelled.dataset,
                predictions: &judged.predictions,
                evaluation: &judged.evaluation(&labelled.dataset).map_err(raise)?,
                summary: &judged.summary,
                subgroups: &judged.subgroups,
                run: None,
                audit: Some(audit.clone()),
                openings: *looks,
                worst: 0,
            };
            page.html().map_err(raise)
        })
    }
}

/// Evaluates the model on labelled images. Without `draws` or `max_unreadable` they are those of the command line.
#[pyfunction]
pub fn evaluate<'py>(
    py: Python<'py>,
    core: &Core,
    data: PathBuf,
    split: String,
    group_by: Option<&str>,
    prevalence: Option<f64>,
    subgroups: Vec<String>,
    draws: Option<usize>,
    tta: bool,
    skip_unreadable: bool,
    max_unreadable: Option<f64>,
    truth: Option<PathBuf>,
    heatmap_method: &str,
) -> PyResult<Answer<'py>> {
    let method = method_of("heatmap_method", heatmap_method)?;
    let selection = selection(data, split, group_by, skip_unreadable, max_unreadable)?;
    let model = core.model.clone();
    let names = [core.path.as_ref().map_or("memory".to_owned(), |path| path.display().to_string())];
    let asked = Asked {
        models: std::slice::from_ref(&*model),
        names: &names,
        paths: core.path.as_slice(),
        positive: core.positive.as_deref(),
        threshold: core.threshold,
        prevalence,
        subgroups: &subgroups,
        draws: draws.unwrap_or(::train::DRAWS),
        tta,
        stop: &AtomicBool::new(false),
    };
    let judge = |stop: &AtomicBool| -> Result<_, Error> {
        let (asked, mut notes) = (Asked { stop, ..asked }, vec![]);
        let say = &mut |text: &str| notes.push(text.to_owned());
        let (metadata, _) = asked.agree()?;
        let labelled = selection.open(&metadata, say, stop, &mut |_, _| {})?;
        let judged = asked.judge(&labelled, say)?;
        let localise =
            |truth: &PathBuf| judged.localise(&model, &labelled, truth, method, &mut |text| say(text));
        let localisation = truth.as_ref().map(localise).transpose()?;
        Ok((labelled, judged, localisation, notes))
    };
    // On the threads of the model, which is nobody else's meanwhile.
    let judged = watched(py, |stop| core.predictor().install(|| judge(stop)))?;
    let (labelled, judged, localisation, mut notes) = judged.map_err(raise)?;
    // A signal that came too late for the work comes before the look is counted.
    py.check_signals()?;
    let say = &mut |text: &str| notes.push(text.to_owned());
    let mut conclude = |stop: &AtomicBool| {
        let asked = Asked { stop, ..asked };
        asked.conclude(&labelled, &judged, "vertebra.Model.evaluate (Python)", say)
    };
    let evaluated = watched(py, |stop| core.predictor().install(|| conclude(stop)))?.map_err(raise)?;
    if let Some(looks) = evaluated.looks {
        notes.push(looks.sentence("this run"));
    }
    let (audit, looks) = (json!(evaluated.audit), evaluated.test_openings);
    let evaluated = Evaluated { localisation, ..evaluated };
    let shown = Shown { model: model.clone(), labelled, judged, audit, looks };
    let Judged { metadata, predictions, .. } = &shown.judged;
    let dataset = &shown.labelled.dataset;
    let class = |&i: &usize| match metadata.has_findings() {
        true => String::new(),
        false => dataset.classes[dataset.samples[i].label].clone(),
    };
    let known = |is: &Option<bool>| is.map_or(f64::NAN, |is| f64::from(u8::from(is)));
    let labels = predictions.indices.iter().map(class).collect();
    let truth: Vec<f64> = shown.judged.evaluation(dataset).map_err(raise)?.truth.iter().map(known).collect();
    let names: Vec<String> = predictions.indices.iter().map(|&i| dataset.samples[i].name.clone()).collect();
    let (images, classes) = (names.len(), metadata.classes.len());
    let findings = truth.len() / images.max(1);
    let truth = truth.into_pyarray(py).reshape([images, findings])?;
    let probabilities = predictions.probabilities.clone().into_pyarray(py).reshape([images, classes])?;
    Ok((json!(evaluated).to_string(), shown, notes, names, labels, truth, probabilities))
}
