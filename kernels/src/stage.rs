//! Puts the pixels of a view into working memory as the plain floats that the GEMM reads, at a row pitch that avoids
//! cache-set conflicts.
//!
//! A deferred value is computed once here and then used by every panel of weights; done for a block of pixels that
//! fits L2, this is a few percent of the product and replaces a pass over memory.

use crate::block::ChannelBlock;
use crate::cache::CACHE_LINE;
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

/// Pixels that are put into panels together: enough to make a page worth its entry in the TLB.
const GROUP: usize = 8;

/// Floats from one panel of `pixels` pixels, `width` channels each, to the next: a cache line more than it has, which
/// takes what the last vector spills, and keeps panels out of each other's cache sets.
pub(crate) fn panel_pitch(pixels: usize, width: usize) -> usize {
    (pixels * width).next_multiple_of(CACHE_LINE) + CACHE_LINE
}

/// Floats of the panels of `pixels` pixels of `channels`.
pub(crate) fn panels_len(channels: usize, pixels: usize, width: usize) -> usize {
    channels.div_ceil(width) * panel_pitch(pixels, width)
}

/// Whether vectors of the level can write panels of `width`: parts of one, or whole ones.
pub(crate) fn can_panel(level: Level, width: usize) -> bool {
    width <= level.lanes() || width.is_multiple_of(level.lanes())
}

/// As [`stage`], to panels `out: [ceil(channels / width), pixels, width]`, [`panel_pitch`] apart. A product reads a panel
/// from front to back, where rows of `width` floats that lie `channels` apart would each be on a page of their own.
/// Channels beyond the last are unspecified.
///
/// # Safety
/// As there.
pub(crate) unsafe fn stage_panels(
    level: Level,
    view: &impl Rows,
    channels: usize,
    first: usize,
    pixels: usize,
    width: usize,
    out: &mut [f32],
) {
    let len = panels_len(channels, pixels, width);
    assert!(out.len() >= len, "working memory: expected {len}, found {}", out.len());
    assert!(can_panel(level, width), "panels of {width} channels at {}", level.name());
    level.dispatch(StagePanels { view, channels, first, pixels, width, out });
}

struct StagePanels<'a, R> {
    view: &'a R,
    channels: usize,
    first: usize,
    pixels: usize,
    width: usize,
    out: &'a mut [f32],
}

impl<R: Rows> Kernel for StagePanels<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { channels, width, pixels, .. } = self;
        let pitch = panel_pitch(pixels, width);
        for group in (0..pixels).step_by(GROUP) {
            let count = GROUP.min(pixels - group);
            for start in (0..channels).step_by(width) {
                // Whole vectors where the tensor has them: a pixel's spill is the next one's place.
                let len = width.next_multiple_of(S::LANES).min(channels - start);
                let block = ChannelBlock { channels, start, len, pitch: width };
                let to = self.out[start / width * pitch + group * width..].as_mut_ptr();
                // SAFETY: `stage_panels` promises the pixels and has checked `out`. A vector that is wider than the panel
                // spills into the place of the next pixel, which is written later, or behind the last one.
                unsafe { self.view.read(s, block, self.first + group, count, to) }
            }
        }
    }
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
