//! Errors as exceptions, with the words of the library. What the command line calls an option is an argument here.

use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

create_exception!(
    vertebra,
    Error,
    PyRuntimeError,
    "Something could not be done; the message says what was expected and found."
);
create_exception!(vertebra, Unreadable, Error, "An image cannot be read.");

/// An error of the library as an exception.
pub(crate) fn raise(error: impl Into<workflow::Error>) -> PyErr {
    use workflow::Error::{Option, Predict, Train};
    match error.into() {
        Option { name, reason } => argument(name, reason),
        Predict(predict::Error::Choice { option: name, expected, found })
        | Train(train::Error::Config { field: name, expected, found }) => {
            argument(name, format!("expected {expected}, found {found}"))
        }
        Train(error @ train::Error::Setting { .. }) => PyValueError::new_err(error.to_string()),
        Train(train::Error::Unreadable(error)) => Unreadable::new_err(error.to_string()),
        error => Error::new_err(error.to_string()),
    }
}

/// What the last panic said, and where it was.
static LAST: Mutex<Option<(String, String)>> = Mutex::new(None);

/// Keeps where panics are, and prints nothing: a decoder that panics on a damaged image is an error like any other.
/// Only panics of this library come here: an extension module has a standard library of its own.
pub(crate) fn note_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((said(panic.payload()).into(), place));
    }));
}

/// A panic as an exception, which says what it said and where it was.
pub(crate) fn fault(panic: &(dyn Any + Send)) -> PyErr {
    let words = said(panic);
    // Another thread may have panicked meanwhile.
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let place = last.filter(|(last, _)| last == words).map_or_else(String::new, |(_, at)| format!(" ({at})"));
    Error::new_err(format!("a fault of this program's: {words}{place}"))
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

/// Runs `work` with the interpreter free, and with threads that this process has, which may have been forked. A panic of it
/// is an exception like any other, and no `BaseException`.
pub(crate) fn detached<T: Send>(py: Python, work: impl FnOnce() -> PyResult<T> + Send) -> PyResult<T> {
    let work = || engine::par::in_this_process(work);
    py.detach(|| panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(fault(&*panic))))
}

/// Panics, for the test of what becomes of that.
#[pyfunction]
pub fn panics(py: Python, text: String) -> PyResult<()> {
    detached(py, || panic!("{text}"))
}

/// An argument that cannot be.
pub(crate) fn argument(name: &str, reason: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(format!("{}: {reason}", name.replace('-', "_")))
}
