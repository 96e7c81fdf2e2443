//! The caches that kernels cut their blocks for.

/// Floats of a cache line.
pub(crate) const CACHE_LINE: usize = 16;
