//! A model in the hands of Python: what it is, what it predicts, where it looks.

use crate::error::{Error, Unreadable, argument, detached, raise};
use crate::images::Given;
use data::{Passed, Remarks};
use heatmap::{Caption, Explainer, Method, overlay, overlay_file};
use model::{Model, Placement, StoredThreshold, preprocess};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use predict::{Decision, Prediction, Predictor, finding_thresholds};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use workflow::{Images, Preprocessed, images_at_once};

/// The longer side of an overlay, at least and at most: that of `predict --heatmap`.
const SIDE: [usize; 2] = [512, 1024];

/// A model that is ready.
#[pyclass(frozen, module = "vertebra._vertebra")]
pub struct Core {
    pub(crate) model: Arc<Model>,
    /// Where it was read; none: from memory.
    pub(crate) path: Option<PathBuf>,
    /// The class that is to be the positive one, and the threshold, where they are not the model's.
    pub(crate) positive: Option<String>,
    pub(crate) threshold: Option<f64>,
    /// One call at a time; the others wait, and never with the interpreter in their hands.
    predictor: Mutex<Predictor>,
    threads: usize,
    /// What [`Core::metadata`] says.
    described: String,
    /// Made when the first map is asked for.
    explainer: Mutex<Option<(Method, Explainer)>>,
}

/// What `predict` gives: names, probabilities `[n, classes]` (NaN without an answer), the numbers of the called
/// classes (-1), what is positive, which findings are called, errors, and remarks on files.
type Answer<'py> = (
    Vec<OsString>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray1<i64>>,
    Vec<Option<bool>>,
    Bound<'py, PyArray2<bool>>,
    Vec<Option<String>>,
    Vec<String>,
);

/// What `heatmap` gives: values `[height, width]` of the network's input in logits, the number of the class, its
/// probability, and the overlay as a PNG file.
type Mapped<'py> = (Bound<'py, PyArray2<f32>>, usize, f64, Bound<'py, PyBytes>);

/// An image with its answer, or why there is none.
type Answered = (PathBuf, Result<Prediction, String>);

#[pymethods]
impl Core {
    /// From a file or run folder, or from the bytes of a file. Without `threads`, those of the process are used.
    #[new]
    #[pyo3(signature = (path, content, threads, positive, threshold))]
    fn new(
        py: Python,
        path: Option<PathBuf>,
        content: Option<&[u8]>,
        threads: Option<usize>,
        positive: Option<String>,
        threshold: Option<f64>,
    ) -> PyResult<Self> {
        detached(py, || {
            let model = match (&path, content) {
                (Some(path), _) => Model::read(path),
                (None, content) => Model::from_bytes(content.unwrap_or_default()),
            };
            let model = Arc::new(model.map_err(raise)?);
            let predictor = match threads {
                Some(threads) => Predictor::with_threads((*model).clone(), threads),
                None => Predictor::new((*model).clone()),
            };
            let predictor = predictor
                .and_then(|predictor| predictor.decide_by(positive.as_deref(), threshold))
                .map_err(raise)?;
            let (threads, described) = (predictor.threads(), describe(&predictor));
            let (predictor, explainer) = (Mutex::new(predictor), Mutex::new(None));
            Ok(Self { model, path, positive, threshold, predictor, threads, described, explainer })
        })
    }

    /// What the model file says of itself, and how it decides, as JSON.
    fn metadata(&self) -> &str {
        &self.described
    }

    /// Answers for images; see [`Given::new`]. With `stop` it ends at the first that has no answer; without `search`
    /// a path is a file, whatever it looks like, so that there are as many answers as images.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        images: Vec<(String, PathBuf, Bound<'py, PyAny>)>,
        stop: bool,
        search: bool,
    ) -> PyResult<Answer<'py>> {
        let given: Vec<Given> = images
            .iter()
            .map(|(kind, name, value)| Given::new(kind, name.clone(), value))
            .collect::<PyResult<_>>()?;
        let (passed, remarks) = (search.then(Passed::default), Remarks::default());
        let mut answers = vec![];
        for run in given.chunk_by(|a, b| a.is_array() == b.is_array()) {
            let before = answers.len();
            match run[0].is_array() {
                true => self.predict_arrays(py, run, &remarks, stop, &mut answers)?,
                false => self.predict_files(py, run, passed.as_ref(), &remarks, stop, &mut answers)?,
            }
            if stop && answers[before..].iter().any(|(_, answer)| answer.is_err()) {
                break;
            }
        }
        let mut notes = remarks.lines();
        let passed = passed.map(|passed| passed.get()).filter(|passed| !passed.is_empty());
        notes.extend(passed.map(|passed| passed.to_string()));
        self.answer(py, answers, notes)
    }

    /// The map of a class over an image.
    #[pyo3(signature = (image, label, method))]
    fn heatmap<'py>(
        &self,
        py: Python<'py>,
        image: (String, PathBuf, Bound<'py, PyAny>),
        label: Option<&str>,
        method: &str,
    ) -> PyResult<Mapped<'py>> {
        let method = method_of("method", method)?;
        let (metadata, (kind, name, value)) = (&self.model.metadata, image);
        let find = |name: &str| metadata.classes.iter().position(|class| class == name);
        let class = match label {
            None => None,
            Some(name) => Some(find(name).ok_or_else(|| {
                let known = model::list_names(&metadata.classes);
                argument("label", format!("expected one of the model's classes ({known}), found {name}"))
            })?),
        };
        let given = Given::new(&kind, name, &value)?;
        let picture = given
            .picture(metadata.preprocessing.window)
            .map_err(|reason| Unreadable::new_err(format!("{}: {reason}", given.name().display())))?;
        // The file is that of `predict --heatmap`.
        let source = given.name().clone();
        let (map, class, probability, bytes) = detached(py, || -> PyResult<_> {
            let prep = &metadata.preprocessing;
            let pixels = preprocess(&picture, prep);
            let mut predictor = self.predictor();
            let found = predictor.classify(&[&pixels]).remove(0).map_err(raise)?;
            // With two classes the positive one, so that maps of different images compare.
            let positive = predictor.decision().map(|decision| decision.positive.class);
            let class = class.or(positive).unwrap_or(found.class);
            let mut explainer = self.explainer.lock().unwrap_or_else(PoisonError::into_inner);
            let explainer = &mut *explainer;
            // On the threads of the model, which is nobody else's meanwhile.
            let map = predictor.install(|| -> PyResult<_> {
                if explainer.as_ref().is_none_or(|(of, _)| *of != method) {
                    *explainer = Some((method, Explainer::new(&self.model, method).map_err(raise)?));
                }
                let (_, explainer) = explainer.as_mut().expect("it was made");
                Ok(explainer.heatmap(&pixels, class))
            })?;
            drop(predictor);
            let probability = found.probabilities[class];
            let caption = Caption { class: metadata.classes[class].clone(), probability, method };
            let placement = Placement::new([picture.height, picture.width], prep);
            let canvas = overlay(&picture, &map, &placement, SIDE, Some(&caption));
            let bytes = overlay_file(&canvas, &source).map_err(|error| Error::new_err(error.to_string()))?;
            Ok((map, class, probability, bytes))
        })?;
        let values = map.values.into_pyarray(py).reshape(map.size)?;
        Ok((values, class, probability, PyBytes::new(py, &bytes)))
    }
}

/// How maps are made, as the argument `name` says it.
pub(crate) fn method_of(name: &str, text: &str) -> PyResult<Method> {
    match text {
        "occlusion" => Ok(Method::Occlusion),
        "cam" => Ok(Method::Cam),
        other => Err(argument(name, format!("expected occlusion or cam, found {other}"))),
    }
}

impl Core {
    /// The model with the operating point that it was loaded with, where that is not its own.
    pub(crate) fn as_it_decides(&self) -> Model {
        let mut model = (*self.model).clone();
        let predictor = self.predictor();
        if decides_as_stored(&predictor) {
            return model;
        }
        let stored = |positive: &str, value: f64, rule: &str| StoredThreshold {
            value: value as f32,
            rule: rule.to_owned(),
            positive: positive.to_owned(),
            evidence: None,
        };
        let metadata = &mut model.metadata;
        if let Some(decision) = predictor.decision() {
            let positive = metadata.classes[decision.positive.class].clone();
            let threshold = &decision.threshold;
            train::set_threshold(metadata, stored(&positive, threshold.value, &threshold.rule));
        }
        for (name, &value) in metadata.classes.clone().iter().zip(predictor.thresholds()) {
            train::set_finding_threshold(metadata, stored(name, value, "fixed"));
        }
        model
    }

    /// The predictor, when no other call has it. A call that panicked left it as good as before: it holds no answer.
    pub(crate) fn predictor(&self) -> MutexGuard<'_, Predictor> {
        self.predictor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Classifies files and their contents, which are read ahead; folders and patterns too if there is a place for
    /// what is `passed` over.
    fn predict_files(
        &self,
        py: Python,
        run: &[Given],
        passed: Option<&Passed>,
        remarks: &Remarks,
        stop: bool,
        answers: &mut Vec<Answered>,
    ) -> PyResult<()> {
        let given: Vec<_> = run.iter().filter_map(Given::input).collect();
        let search = passed.cloned();
        // A path may be a folder or a pattern, but never stdin.
        let inputs = move || {
            given.into_iter().flat_map(move |input| -> Box<dyn Iterator<Item = data::Input>> {
                match (input, &search) {
                    (data::Input::File(path), Some(passed)) if path.as_os_str() != "-" => {
                        Box::new(data::inputs(vec![path], passed.clone()))
                    }
                    (other, _) => Box::new(std::iter::once(other)),
                }
            })
        };
        detached(py, || -> PyResult<()> {
            let mut predictor = self.predictor();
            let prep = &self.model.metadata.preprocessing;
            let images = Images::new(inputs, vec![prep.clone()], self.threads, remarks)?;
            loop {
                let batch = images.batch()?;
                if batch.is_empty() {
                    return Ok(());
                }
                let failed = classify(&mut predictor, batch, answers);
                Python::attach(|py| py.check_signals())?;
                if stop && failed {
                    return Ok(());
                }
            }
        })
    }

    /// Classifies arrays, a few at a time.
    fn predict_arrays(
        &self,
        py: Python,
        run: &[Given],
        remarks: &Remarks,
        stop: bool,
        answers: &mut Vec<Answered>,
    ) -> PyResult<()> {
        let prep = &self.model.metadata.preprocessing;
        for some in run.chunks(images_at_once(std::slice::from_ref(prep), self.threads)) {
            let arrays = some.iter().filter_map(|given| match given {
                Given::Array(name, array) => Some(array.borrow().map(|array| (name.clone(), array))),
                _ => None,
            });
            let arrays: Vec<_> = arrays.collect::<PyResult<_>>()?;
            let failed = detached(py, || {
                let mut predictor = self.predictor();
                let pictures = predictor.install(|| {
                    engine::par::map(arrays.len(), |at| {
                        let (name, array) = &arrays[at];
                        let (picture, notes) = array.picture(prep.window)?;
                        if !notes.is_empty() {
                            remarks.add(&name.display().to_string(), notes);
                        }
                        Ok(vec![preprocess(&picture, prep)])
                    })
                });
                let named = arrays.iter().zip(pictures);
                let batch = named.map(|((name, _), pixels)| (data::Input::File(name.clone()), pixels));
                Ok(classify(&mut predictor, batch.collect(), answers))
            })?;
            py.check_signals()?;
            if stop && failed {
                break;
            }
        }
        Ok(())
    }

    fn answer<'py>(
        &self,
        py: Python<'py>,
        answers: Vec<Answered>,
        notes: Vec<String>,
    ) -> PyResult<Answer<'py>> {
        let (metadata, images) = (&self.model.metadata, answers.len());
        let classes = metadata.classes.len();
        let findings = if metadata.has_findings() { classes } else { 0 };
        let (mut names, mut probabilities, mut labels) =
            (vec![], Vec::with_capacity(images * classes), vec![]);
        let (mut positive, mut called, mut errors) = (vec![], vec![], vec![]);
        for (name, answer) in answers {
            names.push(name.into_os_string());
            match answer {
                Ok(found) => {
                    probabilities.extend(found.probabilities);
                    labels.push(found.class as i64);
                    positive.push(found.positive);
                    called.extend(found.findings);
                    errors.push(None);
                }
                Err(reason) => {
                    probabilities.resize(probabilities.len() + classes, f64::NAN);
                    labels.push(-1);
                    positive.push(None);
                    called.resize(called.len() + findings, false);
                    errors.push(Some(reason));
                }
            }
        }
        let probabilities = probabilities.into_pyarray(py).reshape([images, classes])?;
        let called = called.into_pyarray(py).reshape([images, findings])?;
        Ok((names, probabilities, labels.into_pyarray(py), positive, called, errors, notes))
    }
}

/// Whether a model decides as its file says.
fn decides_as_stored(predictor: &Predictor) -> bool {
    let metadata = predictor.metadata();
    let point = |decision: &Decision| (decision.positive.class, decision.threshold.value);
    let stored = Decision::of(metadata, None, None).ok().flatten();
    let thresholds = finding_thresholds(metadata, None);
    predictor.decision().map(point) == stored.as_ref().map(point)
        && thresholds.iter().map(|of| of.value).eq(predictor.thresholds().iter().copied())
}

/// What a model says of itself and how it decides, as JSON.
fn describe(predictor: &Predictor) -> String {
    let metadata = predictor.metadata();
    let decision = predictor.decision().map(|decision| {
        serde_json::json!({
            "positive": metadata.classes[decision.positive.class],
            "positive_source": decision.positive.source.to_string(),
            "threshold": decision.threshold.value,
            "rule": decision.threshold.rule,
        })
    });
    serde_json::json!({
        "metadata": metadata,
        "decision": decision,
        "promise": metadata.threshold.as_ref().filter(|_| decides_as_stored(predictor)).and_then(train::promise),
        "thresholds": predictor.thresholds(),
        "threads": predictor.threads(),
    })
    .to_string()
}

/// Answers for a batch; whether any of it has no answer.
fn classify(predictor: &mut Predictor, batch: Vec<Preprocessed>, answers: &mut Vec<Answered>) -> bool {
    let images = batch.iter().filter_map(|(_, pixels)| pixels.as_ref().ok());
    let images: Vec<&[f32]> = images.map(|of_model| of_model[0].as_slice()).collect();
    let mut found = predictor.classify(&images).into_iter();
    let before = answers.len();
    answers.extend(batch.into_iter().map(|(input, pixels)| {
        let answer = pixels.and_then(|_| {
            found.next().expect("an answer for every image").map_err(|error| error.to_string())
        });
        (input.path().to_owned(), answer)
    }));
    answers[before..].iter().any(|(_, answer)| answer.is_err())
}
