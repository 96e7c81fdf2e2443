//! Why something could not be done. Messages are printed as they are.

/// An error of what the crates below do together.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A choice of the user's that cannot be.
    #[error("--{name}: {reason}")]
    Option {
        /// The option of the command line, without its dashes.
        name: &'static str,
        /// What was expected and what was found.
        reason: String,
    },
    /// What the message says.
    #[error("{0}")]
    Failed(String),
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// A model file that is not right, or a file that cannot be written.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// Weights that cannot be run.
    #[error(transparent)]
    Plan(#[from] infer::Error),
    /// A model that cannot predict, or not as it is asked to.
    #[error(transparent)]
    Predict(#[from] predict::Error),
    /// A run or an evaluation that cannot be.
    #[error(transparent)]
    Train(#[from] train::Error),
}
