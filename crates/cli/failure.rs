//! How a command ends when it does not end well.

use crate::interrupt;
use crate::terminal::note;
use std::fmt::Display;
use std::io;

/// Why a command did not do what it was asked.
pub enum Failure {
    /// The command line, or an environment variable, is wrong: status 2.
    Usage(String),
    /// Something failed: status 1. What to type may follow, in lines that begin with two spaces.
    Failed(String),
    /// Something failed and was reported where it happened: status 1.
    Reported,
    /// A run was stopped, and said so: the status tells by what.
    Stopped,
    /// Whoever read the output wants no more: status 0, as `head` expects.
    OutputClosed,
}

/// A failure with a message: what `format!` takes.
macro_rules! failed {
    ($($text:tt)*) => { $crate::failure::Failure::Failed(format!($($text)*)) };
}

/// A wrong command line with a message: what `format!` takes.
macro_rules! usage {
    ($($text:tt)*) => { $crate::failure::Failure::Usage(format!($($text)*)) };
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
            Self::Usage(message) => say_error(&message, 2),
            Self::Failed(message) => say_error(&message, 1),
            Self::Reported => 1,
            Self::Stopped => interrupt::status(),
            Self::OutputClosed => 0,
        }
    }
}

/// How the further lines of a message begin. A line break before anything else is part of a name.
const CONTINUED: [&str; 2] = ["  ", "Then: "];

/// Says what went wrong, and gives `status`.
fn say_error(message: &str, status: u8) -> u8 {
    let message = format!("error: {message}");
    let continues = |at: &usize| CONTINUED.iter().any(|next| message[at + 1..].starts_with(next));
    let ends = message.match_indices('\n').map(|(at, _)| at).filter(continues);
    let mut begin = 0;
    for end in ends.chain([message.len()]) {
        note(&message[begin..end]);
        begin = end + 1;
    }
    status
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

impl From<workflow::Error> for Failure {
    fn from(error: workflow::Error) -> Self {
        use workflow::Error;
        match error {
            Error::Option { .. } => Self::usage(error),
            Error::Failed(text) => Self::Failed(text),
            Error::Data(error) => error.into(),
            Error::Model(error) => error.into(),
            Error::Plan(error) => error.into(),
            Error::Predict(error) => error.into(),
            Error::Train(error) => error.into(),
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
