//! Puts the pixels of a view into working memory as the plain floats that the GEMM reads, at a row pitch that avoids
//! cache-set conflicts.
//!
//! A deferred value is computed once here and then used by every panel of weights; done for a block of pixels that
//! fits L2, this is a few percent of the product and replaces a pass over memory.

use crate::block::ChannelBlock;
use crate::level::Level;
use crate::rows::Rows;
use crate::simd::{Kernel, Simd};

/// Floats from one pixel of `channels` to the next in working memory: whole cache lines, and one more where pixels
/// would otherwise lie a multiple of 1 KiB apart and the rows of a register tile compete for the same few cache sets.
pub fn spacing(channels: usize) -> usize {
    let lines = channels.next_multiple_of(16);
    if lines.is_multiple_of(256) { lines + 16 } else { lines }
}

/// Writes `pixels` pixels of `view: [.., channels]`, from `first` on, to `out: [pixels, spacing(channels)]`.
///
/// # Safety
/// The pixels must lie in the view, whose channel vectors must hold `channels` floats.
pub(crate) unsafe fn stage(
    level: Level,
    view: &impl Rows,
    channels: usize,
    first: usize,
    pixels: usize,
    out: &mut [f32],
) {
    let pitch = spacing(channels);
    assert!(out.len() >= pixels * pitch, "working memory: expected [{pixels}, {pitch}], found {}", out.len());
    level.dispatch(Stage {
        view,
        block: ChannelBlock { channels, start: 0, len: channels, pitch },
        first,
        pixels,
        out,
    });
}

struct Stage<'a, R> {
    view: &'a R,
    block: ChannelBlock,
    first: usize,
    pixels: usize,
    out: &'a mut [f32],
}

impl<R: Rows> Kernel for Stage<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: `stage` promises the pixels and has checked `out`, whose pitch is whole vectors at every level.
        unsafe { self.view.read(s, self.block, self.first, self.pixels, self.out.as_mut_ptr()) }
    }
}
