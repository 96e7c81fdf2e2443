//! A training run, as `vertebra train` makes it, with an observer in Python.
//!
//! The work is done by a thread of its own. The one that called waits, and sees to signals and to the observer;
//! either may ask the run to stop, which it does after the step that it is in, with all saved.

use crate::error::{argument, detached, fault, raise};
use crate::ranks::PythonRanks;
use ::train::{
    Basis, Config, Epoch, Event, Outcome, Ranks, Recipe, RunLock, init_of, on_threads, settings_file,
};
use engine::par;
use model::Model;
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// How often signals are looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `work` with the interpreter free. A signal (Ctrl-C) sets the flag that it is given, and is raised when it has
/// ended.
pub(crate) fn watched<T: Send>(py: Python, work: impl FnOnce(&AtomicBool) -> T + Send) -> PyResult<T> {
    observed(py, |stop, _| work(stop), |_| Ok(()))
}

/// The same with a channel, whose messages reach `hear` on the thread that called; an error of it stops the work too.
fn observed<T: Send>(
    py: Python,
    work: impl FnOnce(&AtomicBool, Sender<String>) -> T + Send,
    hear: impl Fn(String) -> PyResult<()> + Send,
) -> PyResult<T> {
    let (stop, (sender, messages)) = (&AtomicBool::new(false), mpsc::channel());
    let (done, error) = py.detach(move || {
        thread::scope(|scope| {
            // A process that was forked has threads of its own.
            let working = scope.spawn(move || par::in_this_process(|| work(stop, sender)));
            let mut error = None;
            let mut check = |result: PyResult<()>| {
                if let Err(raised) = result {
                    stop.store(true, Ordering::Relaxed);
                    error.get_or_insert(raised);
                }
            };
            loop {
                match messages.recv_timeout(PAUSE) {
                    Ok(message) => check(hear(message)),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                check(Python::attach(|py| py.check_signals()));
            }
            (working.join(), error)
        })
    });
    match (done, error) {
        (_, Some(error)) => Err(error),
        (Ok(done), None) => Ok(done),
        (Err(panic), None) => Err(fault(&*panic)),
    }
}

/// Trains as the JSON object `settings` says, see [`configured`]: the document of `train --json`. `observer` is called
/// with JSON texts: of every epoch, and of every warning. One of several `ranks` has a document only if it is the
/// first.
#[pyfunction]
pub fn train(
    py: Python,
    settings: &str,
    resume: bool,
    observer: Option<Py<PyAny>>,
    ranks: Option<&Bound<PyAny>>,
) -> PyResult<String> {
    let mut ranks = ranks.map(PythonRanks::new).transpose()?;
    let settings = beginning(py, settings, resume, ranks.as_ref());
    // What is wrong before the ranks meet, the others must hear too: they wait.
    let give_up = |ranks: Option<&mut PythonRanks>, error| {
        ranks.into_iter().for_each(|ranks| ranks.give_up(py, &error));
        error
    };
    let beginning = settings.map_err(|error| give_up(ranks.as_mut(), error))?;
    let (config, notes, ranks) = match (beginning, ranks.as_mut()) {
        (Beginning::Leads(config, notes), ranks) => (config, notes, ranks),
        (Beginning::Follows(_), None) => unreachable!("nobody follows alone"),
        (Beginning::Follows(threads), Some(ranks)) => {
            return watched(py, |stop| follow(stop, threads, ranks))?.map_err(raise);
        }
    };
    let work = |stop: &AtomicBool, sender: Sender<String>| {
        notes.into_iter().for_each(|note| drop(sender.send(json!({ "warning": note }).to_string())));
        on_threads(config.threads, || run(&config, resume, stop, &sender, ranks))
    };
    let done = observed(py, work, hearing(observer));
    // Who stopped it hears that nothing is lost.
    match done {
        Err(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) => {
            let out = config.out.display();
            Err(PyKeyboardInterrupt::new_err(format!(
                "everything is saved; vertebra.train(out={:?}, resume=True) goes on",
                out.to_string()
            )))
        }
        done => done?.map_err(raise),
    }
}

/// What a process begins with.
enum Beginning {
    /// The first of all ranks: the settings of the run, and what is to be known of them.
    Leads(Box<Config>, Vec<String>),
    /// Another, to which the first says what the settings are: how many threads were asked for here.
    Follows(Option<usize>),
}

fn beginning(py: Python, settings: &str, resume: bool, ranks: Option<&PythonRanks>) -> PyResult<Beginning> {
    let mut settings: Map<String, Value> =
        serde_json::from_str(settings).map_err(|error| argument("settings", error))?;
    if ranks.is_some_and(|ranks| ranks.rank() > 0) {
        let threads = settings.remove("threads").map(|threads| Map::from_iter([("threads".into(), threads)]));
        let threads = threads.map(|said| Config::default().with(said)).transpose().map_err(raise)?;
        return Ok(Beginning::Follows(threads.map(|config| config.threads)));
    }
    if let Some(ranks) = ranks.filter(|_| !resume) {
        settings.insert("ranks".into(), ranks.count().into());
    }
    detached(py, || configured(settings, resume))
        .map(|(config, notes)| Beginning::Leads(config.into(), notes))
}

/// What gives messages to an `observer` in Python.
fn hearing(observer: Option<Py<PyAny>>) -> impl Fn(String) -> PyResult<()> {
    move |message| match &observer {
        Some(observer) => Python::attach(|py| observer.call1(py, (message,)).map(drop)),
        None => Ok(()),
    }
}

/// A cross-validation whose folds are trained one by one, here or by other processes; its folder is locked as long as
/// it lives.
#[pyclass(frozen, module = "vertebra._vertebra")]
pub struct Folds {
    config: Config,
    /// What is to be known of the settings.
    notes: Vec<String>,
    /// How many they are, numbered from 1.
    #[pyo3(get)]
    count: usize,
    _lock: RunLock,
}

#[pymethods]
impl Folds {
    /// Draws `folds` or, with `resume`, takes those in the folder; `settings` as for [`train`].
    #[new]
    fn new(py: Python, settings: &str, folds: Option<&str>, resume: bool) -> PyResult<Self> {
        let settings = serde_json::from_str(settings).map_err(|error| argument("settings", error))?;
        let folds = folds.map(str::parse).transpose().map_err(|reason: String| argument("folds", reason))?;
        let (mut config, notes) = detached(py, || configured(settings, resume))?;
        // Other processes may work elsewhere.
        for path in [&mut config.data, &mut config.out] {
            *path = std::path::absolute(&*path).map_err(|error| argument("out", error))?;
        }
        let (count, lock) =
            watched(py, |stop| ::train::begin_folds(&config, folds, resume, stop, &mut |_| {}))?
                .map_err(raise)?;
        Ok(Self { config, notes, count, _lock: lock })
    }

    /// The settings, for [`train_fold`].
    fn settings(&self) -> String {
        json!(self.config).to_string()
    }

    /// Pools what the folds have predicted and writes the report: the document of `train --folds --json`, and what
    /// was said.
    fn finish(&self, py: Python) -> PyResult<(String, Vec<String>)> {
        let out = &self.config.out;
        watched(py, |_| {
            let mut said = self.notes.clone();
            let result = ::train::pool_folds(&self.config)?;
            workflow::count_looks_at_folds(out, &result, "vertebra.train (Python)", &mut |text| {
                said.push(text.to_owned());
            });
            if let Err(error) = workflow::report_of_folds(out, None) {
                said.push(format!(
                    "warning: all folds are finished, but their report could not be written: {error}"
                ));
            }
            Ok((json!(result).to_string(), said))
        })?
        .map_err(|error: workflow::Error| raise(error))
    }
}

/// Trains a fold of a cross-validation with the settings that it gives, on so many threads (0: those of the
/// settings): what became of the classifier of `init`, in JSON. `observer` as for [`train`].
#[pyfunction]
pub fn train_fold(
    py: Python,
    settings: &str,
    fold: usize,
    threads: usize,
    observer: Option<Py<PyAny>>,
) -> PyResult<String> {
    let config: Config = serde_json::from_str(settings).map_err(|error| argument("settings", error))?;
    let threads = if threads == 0 { config.threads } else { threads };
    let work = |stop: &AtomicBool, sender: Sender<String>| {
        on_threads(threads, || -> Result<_, workflow::Error> {
            let mut init = None;
            let say = |message: Value| drop(sender.send(message.to_string()));
            ::train::train_fold(&config, fold, stop, &mut |event| match event {
                Event::Initialised(head) => init = Some((*head).clone()),
                Event::Warned(text) => say(json!({ "warning": text })),
                Event::Epoch(epoch) => say(of_epoch(epoch)),
                _ => {}
            })?;
            Ok(json!(init).to_string())
        })
    };
    observed(py, work, hearing(observer))?.map_err(raise)
}

/// An epoch for an observer.
fn of_epoch(epoch: &Epoch) -> Value {
    json!({
        "epoch": epoch.epoch,
        "train_loss": epoch.train_loss,
        "val_loss": epoch.val_loss,
        "val_accuracy": epoch.val_accuracy,
        "val_auroc": epoch.val_auroc,
        "lr": epoch.lr,
        "seconds": epoch.seconds,
        "images_per_second": epoch.images_per_second,
        "best": epoch.best,
    })
}

/// Whether a folder holds a cross-validation.
#[pyfunction]
pub fn is_cross_validation(folder: PathBuf) -> bool {
    ::train::is_cross_validation(&folder)
}

/// Whether a folder holds a run or a cross-validation that can go on.
#[pyfunction]
pub fn has_begun(folder: PathBuf) -> bool {
    ::train::has_begun(&folder)
}

/// Every setting with its default, as JSON.
#[pyfunction]
pub fn defaults() -> String {
    json!(Config::default()).to_string()
}

/// The settings of the run: those of the one to resume, of the file or run folder under `config`, or the defaults; the
/// recipe under `recipe` over them, and over that the others of `settings`. And what is to be known of them.
fn configured(mut settings: Map<String, Value>, resume: bool) -> PyResult<(Config, Vec<String>)> {
    let file = taken::<PathBuf>(&mut settings, "config")?.map(|path| settings_file(&path));
    let recipe = taken::<Recipe>(&mut settings, "recipe")?;
    let beside = [("config", file.is_some()), ("recipe", recipe.is_some())];
    if let Some((name, _)) = beside.into_iter().find(|(_, is_said)| resume && *is_said) {
        return Err(argument(
            name,
            "expected none beside resume, which goes on with the settings of the run",
        ));
    }
    let mut typed = Config::default().with(settings.clone()).map_err(raise)?;
    typed.init = typed.init.map(first_weights).transpose()?;
    let init = typed.init.filter(|_| !resume).map(Model::read).transpose().map_err(raise)?;
    let of_file = match file.as_deref().filter(|_| init.is_none()) {
        // What is not beside the package is said below.
        Some(file) => init_of(file, |init| Ok(first_weights(init.clone()).unwrap_or(init))).map_err(raise)?,
        None => None,
    };
    let basis = Basis {
        resumed: resume.then_some(typed.out.as_path()),
        file: file.as_deref(),
        init: init.as_ref().map(|init| &init.metadata),
        init_of_file: of_file.as_ref(),
        recipe,
    };
    let mut config =
        basis.config(&Config::default()).and_then(|config| config.with(settings)).map_err(raise)?;
    recipe.map_or(Ok(()), |recipe| recipe.check(&config)).map_err(raise)?;
    config.init = config.init.map(first_weights).transpose()?;
    let checked = if resume { config.check_run() } else { config.check() };
    checked.map_err(|error| match error {
        // Of the network that the settings describe.
        ::train::Error::Model(error) => PyValueError::new_err(error.to_string()),
        error => raise(error),
    })?;
    if config.data.as_os_str().is_empty() {
        return Err(argument("data", "expected a folder or CSV manifest, found none"));
    }
    if config.out.as_os_str().is_empty() {
        config.out = ::train::new_run(&config.data);
    }
    let notes = basis.notes(&config);
    Ok((config, notes))
}

/// The value of `name`, which is then no setting; none if it is null.
fn taken<T: DeserializeOwned>(settings: &mut Map<String, Value>, name: &str) -> PyResult<Option<T>> {
    let value = settings.remove(name).unwrap_or_default();
    serde_json::from_value(value).map_err(|error| argument(name, error))
}

/// The file that `init` means; the weights that come with the program may lie beside the package.
fn first_weights(init: PathBuf) -> PyResult<PathBuf> {
    let package = Python::attach(|py| py.import("vertebra")?.getattr("__file__")?.extract::<PathBuf>())?;
    ::train::first_weights(init, &package).map_err(raise)
}

/// Works for the run of rank 0.
fn follow(
    stop: &AtomicBool,
    threads: Option<usize>,
    ranks: &mut PythonRanks,
) -> Result<String, workflow::Error> {
    let is_whole = ::train::follow(stop, threads, ranks)?;
    Ok(json!({ "interrupted": !is_whole }).to_string())
}

fn run(
    config: &Config,
    resume: bool,
    stop: &AtomicBool,
    sender: &Sender<String>,
    ranks: Option<&mut PythonRanks>,
) -> Result<String, workflow::Error> {
    let say = |message: Value| drop(sender.send(message.to_string()));
    let warn = |text: &str| say(json!({ "warning": text }));
    let mut known = json!({ "audit": null, "init": null, "passed_over": null, "unreadable": null });
    let mut observe = |event: &Event| match event {
        Event::Started { dataset, .. } => {
            let (audit, written) = workflow::glance(dataset, config);
            if let Err(error) = written {
                warn(&error.to_string());
            }
            if audit.needs_warning() {
                audit.verdict.iter().for_each(|line| warn(line));
            }
            known["audit"] = json!(audit);
            known["passed_over"] = json!(dataset.passed_over);
            known["unreadable"] = workflow::unreadable(dataset).into();
        }
        Event::Initialised(head) => known["init"] = json!(head),
        Event::Warned(text) => warn(text),
        Event::Epoch(epoch) => say(of_epoch(epoch)),
        _ => {}
    };
    let outcome = match ranks {
        Some(ranks) => ::train::fit_with(config, resume, stop, &mut observe, ranks)?,
        None => ::train::fit(config, resume, stop, &mut observe)?,
    };
    // The lock of the run folder is held until all is written.
    let (report, _lock) = match outcome {
        Outcome::Finished(report, lock) => (report, lock),
        Outcome::Interrupted { .. } => return Ok(json!({ "interrupted": true }).to_string()),
    };
    let said = &mut |text: &str| warn(text.strip_prefix("warning: ").unwrap_or(text));
    let looks = workflow::count_closing(&config.out, &report, "vertebra.train (Python)", said);
    if let Err(error) = workflow::report_of_run(&config.out, None) {
        warn(&format!("the run is finished, but its report could not be written: {error}"));
    }
    let threshold = report.threshold.as_ref();
    known["run"] = json!(config.out.display().to_string());
    known["best_epoch"] = json!(report.best_epoch);
    // What a range test found, if there was one.
    known["lr"] = json!(Config::of_run(&config.out)?.lr);
    known["result"] = json!(report.summary);
    known["test_openings"] = json!(looks.map(|looks| looks.times));
    known["threshold_evidence"] = json!(threshold.and_then(|threshold| threshold.evidence.as_ref()));
    known["warnings"] = json!(report.warnings);
    Ok(known.to_string())
}
