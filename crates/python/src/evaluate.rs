//! A model on labelled images, as `vertebra evaluate` does it.

use crate::error::raise;
use crate::model::Core;
use crate::train::watched;
use data::{GroupBy, Remarks};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use predict::Classifier;
use pyo3::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use train::{LabelledPredictions, Question};
use workflow::{Error, Page, Selection, count_look, glance_beside};

/// An evaluation: the document of `evaluate --json`, the page of the report, the notes, and of each image its name, class
/// (with findings: `[n, findings]` of 1, 0 and NaN instead) and probabilities.
type Evaluated<'py> = (
    String,
    String,
    Vec<String>,
    Vec<String>,
    Vec<String>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray2<f64>>,
);

/// What an evaluation is before it is Python's.
struct Found {
    document: Value,
    page: String,
    notes: Vec<String>,
    names: Vec<String>,
    labels: Vec<String>,
    truth: Vec<f64>,
    probabilities: Vec<f64>,
}

/// Evaluates the model on labelled images.
#[pyfunction]
pub fn evaluate<'py>(
    py: Python<'py>,
    core: &Core,
    data: PathBuf,
    split: String,
    group_by: Option<&str>,
    prevalence: Option<f64>,
    subgroups: Vec<String>,
    draws: usize,
    tta: bool,
    skip_unreadable: bool,
    max_unreadable: f64,
) -> PyResult<Evaluated<'py>> {
    let by = |text: &str| {
        text.parse::<GroupBy>()
            .map_err(|reason| Error::Option { name: "group-by", reason: reason.to_string() })
    };
    let group_by = group_by.map(by).transpose().map_err(raise)?;
    let selection = Selection { data, split, group_by, skip_unreadable, max_unreadable };
    // On the threads of the model, which is nobody else's meanwhile.
    let find = || find(core, &selection, prevalence, &subgroups, draws, tta);
    let found = watched(py, |_| core.predictor().install(find))?.map_err(raise)?;
    let Found { document, page, notes, names, labels, truth, probabilities } = found;
    let (images, classes) = (names.len(), core.model.metadata.classes.len());
    let findings = truth.len() / images.max(1);
    Ok((
        document.to_string(),
        page,
        notes,
        names,
        labels,
        truth.into_pyarray(py).reshape([images, findings])?,
        probabilities.into_pyarray(py).reshape([images, classes])?,
    ))
}

fn find(
    core: &Core,
    selection: &Selection,
    prevalence: Option<f64>,
    columns: &[String],
    draws: usize,
    tta: bool,
) -> Result<Found, Error> {
    let (model, mut notes) = (&*core.model, vec![]);
    let metadata = &model.metadata;
    let positive = predict::positive_of(metadata, core.positive.as_deref())?;
    let mut say = |text: &str| notes.push(text.to_owned());
    let labelled = selection.open(metadata, &mut say, &mut |_, _| {})?;
    let (dataset, part, name) = (&labelled.dataset, &labelled.part, &labelled.name);
    let (mut classifier, prep, remarks) =
        (Classifier::new(model)?, &metadata.preprocessing, Remarks::default());
    let views = if tta { train::views(metadata) } else { vec![] };
    let predictions = match tta {
        true => train::predict_views(&mut classifier, dataset, part, prep, &views, &remarks)?,
        false => train::predict_all(&mut classifier, dataset, part, prep, &remarks)?,
    };
    let question = Question { split: name, threshold: core.threshold, prevalence, draws };
    let evaluation = LabelledPredictions::new(metadata, &predictions, dataset)?.with_positive(positive);
    let mut subgroups = vec![];
    for column in columns {
        subgroups.extend(evaluation.subgroups(&question, column)?);
    }
    let summary = evaluation.summary(&question)?;
    let looks = core.path.as_deref().and_then(|run| {
        count_look(run, &labelled, labelled.is_training_data, "vertebra.Model.evaluate (Python)")
    });
    let looks = match looks {
        Some(Err(error)) => {
            say(&format!("warning: this look at the test split is not counted: {error}"));
            None
        }
        Some(Ok(looks)) => {
            say(&looks.sentence("this run"));
            Some(looks.times)
        }
        None => None,
    };
    let audit = match &core.path {
        Some(path) => glance_beside(&labelled, std::slice::from_ref(path), &mut say),
        None => audit::quick(dataset),
    };
    let audit = serde_json::to_value(audit).unwrap_or_default();
    let page = Page {
        model,
        dataset,
        predictions: &predictions,
        evaluation: &evaluation,
        summary: &summary,
        subgroups: &subgroups,
        run: None,
        audit: Some(audit.clone()),
        openings: looks,
        worst: 0,
    };
    let page = page.html()?;
    let stored = metadata.threshold.as_ref().filter(|_| core.threshold.is_none());
    let mut document = serde_json::to_value(&summary).unwrap_or_default();
    for (name, value) in [
        ("threshold_evidence", json!(stored.and_then(|threshold| threshold.evidence.as_ref()))),
        ("subgroups", json!(subgroups)),
        ("views", json!(views.len().max(1))),
        ("audit", audit),
        ("passed_over", json!(dataset.passed_over)),
        ("unreadable", json!(workflow::unreadable(dataset))),
        ("test_openings", json!(looks)),
    ] {
        document[name] = value;
    }
    let class = |&i: &usize| match metadata.has_findings() {
        true => String::new(),
        false => dataset.classes[dataset.samples[i].label].clone(),
    };
    let known = |is: &Option<bool>| is.map_or(f64::NAN, |is| f64::from(u8::from(is)));
    let (labels, truth) =
        (predictions.indices.iter().map(class).collect(), evaluation.truth.iter().map(known).collect());
    let names = predictions.indices.iter().map(|&i| dataset.samples[i].name.clone()).collect();
    notes.extend(remarks.lines());
    notes.extend(dataset.notes.iter().cloned());
    notes.extend((!dataset.passed_over.is_empty()).then(|| dataset.passed_over.to_string()));
    let probabilities = predictions.probabilities;
    Ok(Found { document, page, notes, names, labels, truth, probabilities })
}
