//! Why a plan cannot be made.

/// The most bytes of activations and working memory, so that a few bytes of a hostile file cannot claim all memory: fewer
/// images are worked at the same time, and a network that needs more for one is refused.
pub(crate) const MAX_ARENA: usize = 2 << 30;

/// Why a plan cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The weights are not those of the network.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// A network that no [`model::Architecture`] makes.
    #[error("{layer}: {problem}")]
    Layer {
        /// Name of the layer at fault.
        layer: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A batch of no images.
    #[error("batch size: expected at least 1, found 0")]
    EmptyBatch,
    /// A network whose activations no machine should be asked to hold.
    #[error("activations of one image: expected at most {MAX_ARENA} bytes, found {0}")]
    TooLarge(usize),
}
