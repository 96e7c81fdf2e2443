//! Where the kernels over image rows write: through the caches, or past them where the next reader would not find it.

use crate::block::CACHE_LINE;
use crate::isa::fence;
use crate::simd::Simd;
use crate::view::Write;

/// Where a kernel's outputs go.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    to: *mut f32,
    stream: bool,
}

/// Floats of a tensor from which on the kernels over rows write past the caches: 2 MiB. They take less time than memory
/// does, so every byte that moves counts.
pub(crate) const ROWS_STREAM: usize = 1 << 19;
/// The same for products, whose arithmetic hides some of it: 8 MiB.
pub(crate) const PRODUCTS_STREAM: usize = 1 << 21;

/// Whether `to`, of pixels of `channels`, is written past the caches from `least` floats of its tensor on: only whole
/// lines can be.
pub(crate) fn streams(to: &Write, channels: usize, least: usize) -> bool {
    let lines = channels.is_multiple_of(CACHE_LINE) && to.to.as_ptr().addr().is_multiple_of(4 * CACHE_LINE);
    lines && to.tensor >= least
}

impl Output {
    /// `to: [.., channels]`
    pub(crate) fn new(to: Write, channels: usize) -> Self {
        let stream = streams(&to, channels, ROWS_STREAM);
        Self { to: to.to.as_mut_ptr(), stream }
    }

    /// The output from float `at` on.
    #[inline(always)]
    pub(crate) fn from(self, at: usize) -> Self {
        Self { to: self.to.wrapping_add(at), ..self }
    }

    /// Writes the first `min(n, LANES)` floats of `v` to `at`.
    ///
    /// # Safety
    /// The output must have the floats, and `at` be whole vectors from the start of a pixel.
    #[inline(always)]
    pub(crate) unsafe fn put<S: Simd>(self, s: S, at: usize, v: S::V, n: usize) {
        // SAFETY: as the caller promises; where it streams, pixels are whole cache lines, so vectors are aligned.
        unsafe {
            let to = self.to.add(at);
            if self.stream { s.stream(to, v) } else { s.store_up_to(to, v, n) }
        }
    }

    /// Orders what was written before what follows.
    #[inline(always)]
    pub(crate) fn finish(self) {
        if self.stream {
            fence();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buffer;

    #[test]
    fn whole_lines_of_large_tensors_are_streamed() {
        let mut memory = Buffer::zeros(64);
        let mut decide = |at: usize, channels: usize, tensor: usize| {
            streams(&Write::part(&mut memory[at..], tensor), channels, ROWS_STREAM)
        };
        assert!(decide(0, 32, ROWS_STREAM) && decide(16, 48, usize::MAX));
        assert!(!decide(0, 32, ROWS_STREAM - 1), "a cache may hold it");
        assert!(!decide(0, 20, usize::MAX), "a pixel is no whole line");
        assert!(!decide(1, 32, usize::MAX), "a line does not begin there");
    }
}
