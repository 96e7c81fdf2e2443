//! The line buffer: the last few rows of an image, transformed, which a stencil runs over.
//!
//! Each row lies between columns of zeros, its channels filled up to whole vectors, so a stencil has no border to check
//! and no tail to load. The vectors of one channel group lie side by side, `[vectors, columns, LANES]`: neighbours are a
//! constant away (an address needs no arithmetic), and no two of them compete for the same set of the cache, as the
//! pixels of a row of 512 channels do. Rows outside the image are one row of zeros.

use crate::block::ChannelBlock;
use crate::rows::Rows;
use crate::simd::{Kernel, Simd};

/// How a [`Ring`] lies in memory, and which rows it takes.
#[derive(Clone, Copy)]
pub(crate) struct RingShape {
    /// Rows it holds at once; one more is the row of zeros.
    pub(crate) slots: usize,
    /// Rows of the image.
    pub(crate) height: usize,
    /// Columns of the image.
    pub(crate) width: usize,
    /// Zero columns left of the image.
    pub(crate) left: usize,
    /// Columns of a ring row, zeros included; what of the image is right of them is not read.
    pub(crate) columns: usize,
}

impl RingShape {
    /// Floats of memory for blocks of `width` channels.
    pub(crate) fn len(&self, width: usize) -> usize {
        (self.slots + 1) * self.columns * width
    }
}

/// The last rows of an image, transformed.
pub(crate) struct Ring {
    shape: RingShape,
    block: ChannelBlock,
    memory: *mut f32,
    /// Floats from one vector of a row to the next.
    plane: usize,
    /// Floats from one row to the next.
    row: usize,
    /// The first row that was not read yet.
    next: usize,
}

impl Ring {
    /// An empty ring.
    ///
    /// # Safety
    /// `memory` must be valid for writing `shape.len(width)` floats, where the block fits `width`, as long as the ring
    /// is used.
    #[inline(always)]
    pub(crate) unsafe fn new<S: Simd>(s: S, shape: RingShape, block: ChannelBlock, memory: *mut f32) -> Self {
        let RingShape { slots, width, left, columns, .. } = shape;
        let vectors = block.vectors(s);
        for row in 0..=slots {
            // The columns of the image, which reading a row will fill; the row of zeros has none.
            let image = if row == slots { columns..columns } else { left..columns.min(left + width) };
            for v in 0..vectors {
                for column in (0..image.start).chain(image.end..columns) {
                    // SAFETY: slots + 1 rows of `vectors` times `columns` vectors.
                    unsafe {
                        let at = (row * vectors + v) * columns + column;
                        s.store(memory.add(at * S::LANES), s.splat(0.0));
                    }
                }
            }
        }
        let plane = columns * S::LANES;
        Self { shape, block, memory, plane, row: vectors * plane, next: 0 }
    }

    /// Reads rows until `end` is the first that was not, but none above `start` and none below the image. Meanwhile it
    /// asks for its share of those that lie `ahead` rows below.
    ///
    /// # Safety
    /// The source must have the image.
    #[inline(always)]
    pub(crate) unsafe fn read<S: Simd, R: Rows>(
        &mut self,
        s: S,
        source: &R,
        start: usize,
        end: usize,
        ahead: usize,
    ) {
        let RingShape { slots, height, width, left, columns } = self.shape;
        self.next = self.next.max(start);
        while self.next < end.min(height) {
            let count = width.min(columns - left);
            // SAFETY: the slot is one of `slots`, and left + count <= columns.
            unsafe {
                let to = self.memory.add(self.next % slots * self.row + left * S::LANES);
                let (block, pixel, plane) = (self.block, self.next * width, self.plane);
                let ahead = source.streams((pixel + ahead * width) * block.channels);
                s.apart(Fill { source, block, pixel, count, to, plane, ahead });
            }
            self.next += 1;
        }
    }

    /// Where channel `c` begins in the row that will be read as the `ahead`-th from now, or in the last row.
    #[inline(always)]
    pub(crate) fn ahead<R: Rows>(&self, source: &R, c: usize, ahead: usize) -> R::Streams {
        let row = (self.next + ahead).min(self.shape.height.saturating_sub(1));
        source.streams(row * self.shape.width * self.block.channels + c)
    }

    /// Row `y` of the image, or zeros outside it.
    ///
    /// # Safety
    /// A row inside the image must be one of the last `slots` that were read.
    #[inline(always)]
    pub(crate) unsafe fn row(&self, y: isize) -> *const f32 {
        let RingShape { slots, height, .. } = self.shape;
        let slot = if y >= 0 && (y as usize) < height { y as usize % slots } else { slots };
        // SAFETY: there are slots + 1 rows.
        unsafe { self.memory.add(slot * self.row) }
    }

    /// Floats from one vector of a row to the next.
    #[inline(always)]
    pub(crate) fn plane(&self) -> usize {
        self.plane
    }
}

/// Reads a row: a function of its own, whose loop has all registers to itself.
struct Fill<'a, R: Rows> {
    source: &'a R,
    block: ChannelBlock,
    pixel: usize,
    count: usize,
    to: *mut f32,
    plane: usize,
    ahead: R::Streams,
}

impl<R: Rows> Kernel for Fill<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: as the caller of `Ring::read` promises, which made the row's place.
        unsafe {
            self.source.read_planes(s, self.block, self.pixel, self.count, self.to, self.plane, self.ahead)
        }
    }
}
