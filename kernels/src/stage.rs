//! Puts the pixels of a view into working memory as the plain floats that the GEMM reads: one after the other, at a row
//! pitch that avoids cache-set conflicts, or as panels of some channels, which a product reads from front to back.
//!
//! Rows of a register tile that lie a whole pixel apart are each on a page of their own where a pixel has many
//! channels, so a product over the pixels (the gradient of the weights) may want panels. One over the channels
//! reads whole pixels.
//!
//! A deferred value is computed once here and then used by every panel of weights; done for a block of pixels that
//! fits L2, this is a few percent of the product and replaces a pass over memory.

use crate::block::ChannelBlock;
use crate::cache::CACHE_LINE;
use crate::gemm::{Left, Right};
use crate::level::Level;
use crate::rows::Rows;
use crate::simd::{Kernel, Simd};

/// Floats from one pixel of `channels` to the next in working memory: whole cache lines, and one more where pixels
/// would otherwise lie a multiple of 1 KiB apart and the rows of a register tile compete for the same few cache sets.
pub fn spacing(channels: usize) -> usize {
    let lines = channels.next_multiple_of(CACHE_LINE);
    if lines.is_multiple_of(256) { lines + CACHE_LINE } else { lines }
}

/// How a block of pixels lies in working memory.
#[derive(Clone, Copy)]
pub(crate) struct Staged {
    /// Channels of a pixel.
    channels: usize,
    /// Channels of a panel: all, where there are no panels.
    width: usize,
    /// Floats from one pixel to the next, of a panel if there are any.
    row: usize,
}

/// Pixels that are put into panels together: enough to make a page worth its entry in the TLB.
const GROUP: usize = 8;

impl Staged {
    /// Pixel after pixel: `[pixels, spacing(channels)]`.
    pub(crate) fn pixels(channels: usize) -> Self {
        Self { channels, width: channels, row: spacing(channels) }
    }

    /// `[ceil(channels / width), pixels, width]`; what a last panel has beyond the channels is unspecified. Pixel
    /// after pixel where the level's vectors cannot write such panels, neither parts of a vector nor whole ones.
    pub(crate) fn panels(level: Level, channels: usize, width: usize) -> Self {
        let can = width <= level.lanes() || width.is_multiple_of(level.lanes());
        if can && width < channels { Self { channels, width, row: width } } else { Self::pixels(channels) }
    }

    /// Whether there are panels.
    #[inline(always)]
    fn has_panels(&self) -> bool {
        self.width < self.channels
    }

    /// Floats from one panel of `pixels` pixels to the next: a cache line more than it has, which takes what the
    /// last vector spills, and keeps panels out of each other's cache sets.
    #[inline(always)]
    fn pitch(&self, pixels: usize) -> usize {
        let floats = pixels * self.row;
        if self.has_panels() { floats.next_multiple_of(CACHE_LINE) + CACHE_LINE } else { floats }
    }

    /// Floats of working memory for `pixels` pixels.
    pub(crate) fn len(&self, pixels: usize) -> usize {
        self.channels.div_ceil(self.width) * self.pitch(pixels)
    }

    /// Writes `pixels` pixels of `view: [.., channels]`, from `first` on, to `out`.
    ///
    /// # Safety
    /// The pixels must lie in the view, whose channel vectors must hold `channels` floats.
    pub(crate) unsafe fn write(
        self,
        level: Level,
        view: &impl Rows,
        first: usize,
        pixels: usize,
        out: &mut [f32],
    ) {
        let len = self.len(pixels);
        assert!(out.len() >= len, "working memory: expected {len}, found {}", out.len());
        level.dispatch(Stage { staged: self, view, first, pixels, out });
    }

    /// Pixels at `memory`, one after the other, as a left matrix `[pixels, channels]`.
    pub(crate) fn by_pixel(&self, memory: &[f32]) -> Left {
        assert!(!self.has_panels(), "a product over the channels reads whole pixels");
        Left::new(memory.as_ptr(), self.row, 1, self.channels)
    }

    /// The same as a right matrix, for register tiles of `columns`.
    pub(crate) fn right(&self, memory: &[f32], columns: usize) -> Right {
        assert!(!self.has_panels(), "a right matrix is read pixel after pixel");
        Right { ptr: memory.as_ptr(), panel: columns, row: self.row }
    }

    /// The `pixels` pixels at `memory` as a left matrix `[channels, pixels]`; panels must be the rows of a register
    /// tile.
    pub(crate) fn by_channel(&self, memory: &[f32], pixels: usize) -> Left {
        let panel = if self.has_panels() { self.pitch(pixels) } else { 0 };
        Left { panel, ..Left::new(memory.as_ptr(), 1, self.row, pixels) }
    }
}

struct Stage<'a, R> {
    staged: Staged,
    view: &'a R,
    first: usize,
    pixels: usize,
    out: &'a mut [f32],
}

impl<R: Rows> Kernel for Stage<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Staged { channels, width, row } = self.staged;
        let pitch = self.staged.pitch(self.pixels);
        for group in (0..self.pixels).step_by(GROUP) {
            let count = GROUP.min(self.pixels - group);
            for start in (0..channels).step_by(width) {
                // Whole vectors where the tensor has them: a pixel's spill is the next one's place.
                let len = width.next_multiple_of(S::LANES).min(channels - start);
                let block = ChannelBlock { channels, start, len, pitch: row };
                let to = self.out[start / width * pitch + group * row..].as_mut_ptr();
                // SAFETY: `Staged::write` promises the pixels and has checked `out`. A vector that is wider than a panel
                // spills into the place of the next pixel, which is written later, or behind the last one.
                unsafe { self.view.read(s, block, self.first + group, count, to) }
            }
        }
    }
}
