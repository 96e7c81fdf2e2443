//! Where the kernels over image rows write: through the caches, or past them where the next reader would not find it.

use crate::block::CACHE_LINE;
use crate::simd::Simd;

/// Where a kernel's outputs go.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    to: *mut f32,
    stream: bool,
}

/// Floats of an image from which on whole images are written past the caches. A tile is a whole image where a batch has
/// at least 16 ([`crate::depthwise::tile_rows`]), so the tensor then is 8 MB or more and would push out what is needed
/// next, after having been read only to be overwritten. Measured at batch 32: 112x112x32 forward 77 us an image instead
/// of 159 us, backward 336 us instead of 460 us.
const STREAMED: usize = 1 << 17;

impl Output {
    /// `to: [.., channels]`, `whole` if it is a whole image of a batch that is not needed at once.
    pub(crate) fn new(to: &mut [f32], channels: usize, whole: bool) -> Self {
        let lines =
            channels.is_multiple_of(CACHE_LINE) && (to.as_ptr() as usize).is_multiple_of(4 * CACHE_LINE);
        Self { to: to.as_mut_ptr(), stream: whole && lines && to.len() >= STREAMED }
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
    pub(crate) fn finish<S: Simd>(self, s: S) {
        if self.stream {
            s.fence();
        }
    }
}
