//! A training run, as `vertebra train` makes it, with an observer in Python.
//!
//! The work is done by a thread of its own. The one that called waits, and sees to signals and to the observer; either may ask
//! the run to stop, which it does after the step that it is in, with all saved.

use crate::error::{Error, argument, raise};
use crate::ranks::PythonRanks;
use ::train::{Config, Event, Opening, Outcome, Ranks, Report};
use model::Model;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// How often signals are looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `work` with the interpreter free. A signal (Ctrl-C) sets the flag that it is given, and is raised when it has ended.
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
            let working = scope.spawn(move || work(stop, sender));
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
        (Err(_), None) => Err(Error::new_err("a fault of this program's")),
    }
}

/// Trains as the JSON object `settings` says, over the defaults or, with `resume`, those of the run: the document of
/// `train --json`. `observer` is called with JSON texts: of every epoch, and of every warning. One of several `ranks` has a
/// document only if it is the first.
#[pyfunction]
pub fn train(
    py: Python,
    settings: &str,
    resume: bool,
    observer: Option<Py<PyAny>>,
    ranks: Option<&Bound<PyAny>>,
) -> PyResult<String> {
    let mut settings: Map<String, Value> =
        serde_json::from_str(settings).map_err(|error| argument("settings", error))?;
    let mut ranks = ranks.map(PythonRanks::new).transpose()?;
    if let Some(ranks) = ranks.as_ref().filter(|_| !resume) {
        settings.insert("ranks".into(), ranks.count().into());
    }
    if let Some(ranks) = ranks.as_mut().filter(|ranks| ranks.rank() > 0) {
        // All else of the settings is what rank 0 says.
        let threads = Config::default().with(settings).map_err(raise)?.threads;
        return watched(py, |stop| on_threads(threads, || follow(stop, ranks)))?.map_err(raise);
    }
    let config = py.detach(|| configured(settings, resume))?;
    let hear = |message: String| match &observer {
        Some(observer) => Python::attach(|py| observer.call1(py, (message,)).map(drop)),
        None => Ok(()),
    };
    let work = |stop: &AtomicBool, sender| {
        on_threads(config.threads, || run(&config, resume, stop, &sender, ranks.as_mut()))
    };
    let done = observed(py, work, hear);
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

/// The settings of the run: those of the one to resume or the defaults, and what was said laid over them.
fn configured(settings: Map<String, Value>, resume: bool) -> PyResult<Config> {
    let typed = Config::default().with(settings.clone()).map_err(raise)?;
    let mut config = match (resume, &typed.init) {
        // A run that is resumed without a limit goes on to its last epoch.
        (true, _) => Config { max_steps: None, ..::train::settings(&typed.out).map_err(raise)? },
        (false, Some(init)) => {
            let found = Model::read(init).map_err(raise)?.metadata.architecture;
            Config { arch: found.name, width: found.width, ..Config::default() }
        }
        (false, None) => Config::default(),
    };
    config = config.with(settings).map_err(raise)?;
    config.check().map_err(raise)?;
    if config.data.as_os_str().is_empty() {
        return Err(argument("data", "expected a folder or CSV manifest, found none"));
    }
    if config.out.as_os_str().is_empty() {
        config.out = ::train::new_run(&config.data);
    }
    Ok(config)
}

/// Runs `work` on so many threads; 0 are those of the process.
fn on_threads<T: Send>(
    threads: usize,
    work: impl FnOnce() -> Result<T, workflow::Error> + Send,
) -> Result<T, workflow::Error> {
    match threads {
        0 => work(),
        threads => engine::par::Pool::new(threads).map_err(predict::Error::Threads)?.install(work),
    }
}

/// Works for the run of rank 0.
fn follow(stop: &AtomicBool, ranks: &mut PythonRanks) -> Result<String, workflow::Error> {
    let is_whole = ::train::follow(stop, ranks)?;
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
            let (audit, written) = workflow::glance(dataset, &config.out);
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
        Event::Epoch(epoch) => say(json!({
            "epoch": epoch.epoch,
            "train_loss": epoch.train_loss,
            "val_loss": epoch.val_loss,
            "val_accuracy": epoch.val_accuracy,
            "val_auroc": epoch.val_auroc,
            "lr": epoch.lr,
            "seconds": epoch.seconds,
            "images_per_second": epoch.images_per_second,
            "best": epoch.best,
        })),
        _ => {}
    };
    let outcome = match ranks {
        Some(ranks) => ::train::fit_with(config, resume, stop, &mut observe, ranks)?,
        None => ::train::fit(config, resume, stop, &mut observe)?,
    };
    // The lock of the run folder is held until all is written.
    let (report, _lock) = match outcome {
        Outcome::Finished(report, lock) => (report, lock),
        Outcome::Interrupted { step } => return Ok(json!({ "interrupted": step }).to_string()),
    };
    let looks = count_look(config, &report, &warn);
    if let Err(error) = workflow::report_of_run(&config.out, None) {
        warn(&format!("the run is finished, but its report could not be written: {error}"));
    }
    let threshold = report.threshold.as_ref();
    known["run"] = json!(config.out.display().to_string());
    known["best_epoch"] = json!(report.best_epoch);
    // What a range test found, if there was one.
    known["lr"] = json!(Config::of_run(&config.out)?.lr);
    known["result"] = json!(report.summary);
    known["test_openings"] = json!(looks);
    known["threshold_evidence"] = json!(threshold.and_then(|threshold| threshold.evidence.as_ref()));
    known["warnings"] = json!(report.warnings);
    Ok(known.to_string())
}

/// Counts the closing table as a look at the test split, if it is one.
fn count_look(config: &Config, report: &Report, warn: &impl Fn(&str)) -> Option<usize> {
    if report.split != data::Split::Test {
        return None;
    }
    let opening = Opening { command: "vertebra.train (Python)".into(), ..report.opening.clone() };
    let looks = ::train::record_opening(&config.out, opening);
    looks
        .inspect_err(|error| warn(&format!("this look is not counted: {error}")))
        .ok()
        .map(|looks| looks.times)
}
