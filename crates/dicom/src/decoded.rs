//! What decoders of compressed pixels hand over: samples as the code has them.

/// What a decoder found.
pub(crate) struct Decoded {
    /// `[rows, columns, samples]`.
    pub values: Vec<i32>,
    /// Luma and chroma where the code says so itself.
    pub ybr: Option<bool>,
}
