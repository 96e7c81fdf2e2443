//! How a command ends when it does not end well, and the words that go to the person at the terminal.

use std::fmt::Display;
use std::io::{self, Write};

/// Why a command did not do what it was asked.
pub enum Failure {
    /// The command line, or an environment variable, is wrong: status 2.
    Usage(String),
    /// Something failed: status 1.
    Failed(String),
    /// Something failed and was reported where it happened: status 1.
    Reported,
    /// A run was stopped, and said so: the status tells by what.
    Stopped,
    /// Whoever read the output wants no more: status 0, as `head` expects.
    OutputClosed,
}

impl Failure {
    /// A wrong command line.
    pub fn usage(error: impl Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// A setting that no run can have is a wrong command line; any other error is a failure.
    pub fn of_settings(error: train::Error) -> Self {
        match error {
            train::Error::Config { .. } => Self::usage(error),
            error => error.into(),
        }
    }

    /// As [`Failure::of_settings`] for the option `--positive`, whose value only the data or the model can judge.
    pub fn of_positive(error: train::Error) -> Self {
        match error {
            train::Error::Config { field: "positive", .. } => Self::usage(error),
            error => error.into(),
        }
    }

    /// Prints the message, and gives the exit status.
    pub fn report(self) -> u8 {
        match self {
            Self::Usage(message) => {
                note(format_args!("error: {message}"));
                2
            }
            Self::Failed(message) => {
                note(format_args!("error: {message}"));
                1
            }
            Self::Reported => 1,
            Self::Stopped => crate::interrupt::status(),
            Self::OutputClosed => 0,
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
            Self::Reported | Self::Stopped | Self::OutputClosed => Ok(()),
        }
    }
}

/// Says something to people: on stderr, which may be closed, above a bar that is on the screen.
pub fn note(text: impl Display) {
    crate::progress::above(|| {
        let _ = writeln!(io::stderr(), "{text}");
    });
}

impl From<io::Error> for Failure {
    /// For errors of stdout; files have errors that name them.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

macro_rules! failed_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Failed(error.to_string())
            }
        }
    )*};
}

failed_from!(train::Error, model::Error, infer::Error, phantom::Error);

impl From<predict::Error> for Failure {
    /// A choice that the model cannot follow is a wrong command line.
    fn from(error: predict::Error) -> Self {
        match error {
            predict::Error::Choice { .. } => Self::usage(error),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<data::Error> for Failure {
    fn from(error: data::Error) -> Self {
        match error {
            data::Error::Stopped(_) => {
                note(error);
                Self::Stopped
            }
            error => Self::Failed(error.to_string()),
        }
    }
}
