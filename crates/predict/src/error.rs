//! Why there is no prediction. Messages are printed as they are; those of a user's choice name the option.

/// An error of a prediction.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A choice of the user's that the model cannot follow.
    #[error("--{option}: expected {expected}, found {found}")]
    Choice {
        /// The option of the command line, without its dashes.
        option: &'static str,
        /// What would be accepted.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Of several models, one that has other classes.
    #[error("{name}: expected {expected}, found {found}")]
    Disagree {
        /// What the model is called: its file.
        name: String,
        /// What would be accepted.
        expected: String,
        /// What it has.
        found: String,
    },
    /// An ensemble of nothing.
    #[error("expected a model or more, found none")]
    NoModel,
    /// A network that gives no number for a picture: no decision follows from that.
    #[error("expected a probability, found none that is a number: are the weights damaged?")]
    NoNumber,
    /// A model file or a picture that is not right.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// Weights that cannot be run.
    #[error(transparent)]
    Plan(#[from] infer::Error),
    /// Threads that cannot start.
    #[error("cannot start a thread: {0}")]
    Threads(std::io::Error),
}
