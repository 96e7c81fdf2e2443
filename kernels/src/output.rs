//! A sink's floats, as a kernel writes them.

use crate::simd::Simd;
use crate::sink::{Sink, Streaming};

/// A sink's floats, for the kernel: a pointer that knows whether it may stream.
#[derive(Clone, Copy)]
pub(crate) struct Output<'a> {
    to: *mut f32,
    streaming: Option<Streaming<'a>>,
}

impl<'a> Output<'a> {
    /// What a sink lends.
    pub(crate) fn of(sink: &'a mut Sink) -> Self {
        let (to, streaming) = sink.lend();
        Self { to, streaming }
    }

    /// Floats that are written through the caches.
    pub(crate) fn plain(to: &'a mut [f32]) -> Self {
        Self { to: to.as_mut_ptr(), streaming: None }
    }

    /// The same, written through the caches.
    #[inline(always)]
    pub(crate) fn cached(self) -> Self {
        Self { streaming: None, ..self }
    }

    /// Working memory at `to`, through the caches.
    #[inline(always)]
    pub(crate) fn cached_at(self, to: *mut f32) -> Self {
        Self { to, streaming: None }
    }

    /// The output from float `at` on.
    #[inline(always)]
    pub(crate) fn from(self, at: usize) -> Self {
        Self { to: self.at(at), ..self }
    }

    /// Where float `at` is.
    #[inline(always)]
    pub(crate) fn at(self, at: usize) -> *mut f32 {
        self.to.wrapping_add(at)
    }

    /// The permission to stream. Pixels are then whole cache lines, so vectors from the start of a pixel are aligned.
    #[inline(always)]
    pub(crate) fn streaming(self) -> Option<Streaming<'a>> {
        self.streaming
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
            match self.streaming {
                Some(permission) => s.stream(to, v, permission),
                None => s.store_up_to(to, v, n),
            }
        }
    }
}
