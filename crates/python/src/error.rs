//! Errors as exceptions, with the words of the library. What the command line calls an option is an argument here.

use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

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

/// An argument that cannot be.
pub(crate) fn argument(name: &str, reason: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(format!("{}: {reason}", name.replace('-', "_")))
}
