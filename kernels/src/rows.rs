//! What the kernels over image rows share: channel blocks, activations in registers, and a ring of transformed rows.
//!
//! A deferred value is worked out once, when its row enters a [`Ring`]: the last few rows of the image, each between
//! columns of zeros and with its channels padded to whole vectors. A stencil over the ring therefore has no border to
//! check, no channel tail to load, and reads memory that stays in the cache. Rows outside the image are one shared row
//! of zeros.

use crate::simd::Simd;
use crate::view::{Activation, Grad, Read};

/// Adds `v` to the first `n` floats at `p`, at most `LANES`.
///
/// # Safety
/// `p` must be valid for reading and writing that many floats.
#[inline(always)]
pub(crate) unsafe fn add_up_to<S: Simd>(s: S, p: *mut f32, v: S::V, n: usize) {
    // SAFETY: as the caller promises.
    unsafe { s.store_up_to(p, s.add(s.load_up_to(p, n), v), n) }
}

/// An [`Activation`] with its constants in registers.
#[derive(Clone, Copy)]
pub(crate) struct Act<S: Simd> {
    slope: S::V,
    cap: S::V,
    zero: S::V,
}

impl<S: Simd> Act<S> {
    #[inline(always)]
    pub(crate) fn new(s: S, act: Activation) -> Self {
        Self { slope: s.splat(act.slope), cap: s.splat(act.cap), zero: s.splat(0.0) }
    }

    /// `min(max(v, slope * v), cap)`, with the data second so that a NaN survives.
    #[inline(always)]
    pub(crate) fn apply(self, s: S, v: S::V) -> S::V {
        s.min(self.cap, s.max(s.mul(self.slope, v), v))
    }

    /// `g` times the derivative of the activation at `u`.
    #[inline(always)]
    pub(crate) fn mask(self, s: S, g: S::V, u: S::V) -> S::V {
        let below_cap = s.select_lt(self.zero, u, g, s.mul(self.slope, g));
        s.select_lt(u, self.cap, below_cap, self.zero)
    }
}

/// A run of channels that a kernel takes through its whole tile before the next one.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    /// Channels of the tensors: floats from one pixel to the next.
    pub(crate) channels: usize,
    /// First channel.
    pub(crate) start: usize,
    /// Channels in the block.
    pub(crate) len: usize,
    /// Floats from one pixel to the next in the ring: whole vectors.
    pub(crate) pitch: usize,
}

/// A view that can be read row by row, transformed.
pub(crate) trait Rows {
    /// Writes the block's channels of `count` pixels from `pixel` on to `to: [count, pitch]`.
    ///
    /// # Safety
    /// The pixels must lie in the view, the block in its channels, and `to` must be valid for writing.
    unsafe fn read<S: Simd>(&self, s: S, block: Block, pixel: usize, count: usize, to: *mut f32);
}

impl Rows for Read<'_> {
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, s: S, block: Block, pixel: usize, count: usize, to: *mut f32) {
        let Block { channels, start, len, pitch } = block;
        // SAFETY: every access is inside what the caller promises: pixel * channels + start + c with c < len.
        unsafe {
            let from = self.stored().as_ptr().add(pixel * channels + start);
            match self {
                Read::Plain(_) => {
                    for i in 0..count {
                        let (from, to) = (from.add(i * channels), to.add(i * pitch));
                        let mut c = 0;
                        while c < len {
                            let n = len - c;
                            s.store(to.add(c), s.load_up_to(from.add(c), n));
                            c += S::LANES;
                        }
                    }
                }
                Read::Norm(deferred) => {
                    let act = Act::new(s, deferred.act);
                    let (scale, shift) =
                        (deferred.scale.as_ptr().add(start), deferred.shift.as_ptr().add(start));
                    for i in 0..count {
                        let (from, to) = (from.add(i * channels), to.add(i * pitch));
                        let mut c = 0;
                        while c < len {
                            let n = len - c;
                            let z = s.load_up_to(from.add(c), n);
                            let scale = s.load_up_to(scale.add(c), n);
                            let u = s.mul_add(scale, z, s.load_up_to(shift.add(c), n));
                            s.store(to.add(c), act.apply(s, u));
                            c += S::LANES;
                        }
                    }
                }
            }
        }
    }
}

impl Rows for Grad<'_> {
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, s: S, block: Block, pixel: usize, count: usize, to: *mut f32) {
        let Block { channels, start, len, pitch } = block;
        match *self {
            // SAFETY: as the caller promises.
            Grad::Plain(g) => unsafe { Read::Plain(g).read(s, block, pixel, count, to) },
            // SAFETY: every access is inside what the caller promises: pixel * channels + start + c with c < len.
            Grad::Norm { dy, z, a, b, c: constant } => unsafe {
                let at = pixel * channels + start;
                let (dy, z) = (dy.as_ptr().add(at), z.as_ptr().add(at));
                let (a, b) = (a.as_ptr().add(start), b.as_ptr().add(start));
                let constant = constant.as_ptr().add(start);
                for i in 0..count {
                    let (dy, z, to) = (dy.add(i * channels), z.add(i * channels), to.add(i * pitch));
                    let mut c = 0;
                    while c < len {
                        let n = len - c;
                        let (a, b) = (s.load_up_to(a.add(c), n), s.load_up_to(b.add(c), n));
                        let from_z =
                            s.mul_add(b, s.load_up_to(z.add(c), n), s.load_up_to(constant.add(c), n));
                        s.store(to.add(c), s.mul_add(a, s.load_up_to(dy.add(c), n), from_z));
                        c += S::LANES;
                    }
                }
            },
        }
    }
}

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
    /// Floats of memory for blocks of `pitch`.
    pub(crate) fn len(&self, pitch: usize) -> usize {
        (self.slots + 1) * self.columns * pitch
    }
}

/// The last rows of an image, transformed.
pub(crate) struct Ring {
    shape: RingShape,
    memory: *mut f32,
    row_len: usize,
    /// The first row that was not read yet.
    next: usize,
}

impl Ring {
    /// An empty ring that begins with row `first`.
    ///
    /// # Safety
    /// `memory` must be valid for writing `shape.len(block.pitch)` floats as long as the ring is used.
    #[inline(always)]
    pub(crate) unsafe fn new(shape: RingShape, block: Block, memory: *mut f32, first: usize) -> Self {
        let row_len = shape.columns * block.pitch;
        let (left, right) = (shape.left, shape.columns.min(shape.left + shape.width));
        // SAFETY: all inside `shape.len(pitch)`: slots + 1 rows of `columns` pixels.
        unsafe {
            for slot in 0..shape.slots {
                let row = memory.add(slot * row_len);
                row.write_bytes(0, left.min(shape.columns) * block.pitch);
                row.add(right * block.pitch).write_bytes(0, (shape.columns - right) * block.pitch);
            }
            memory.add(shape.slots * row_len).write_bytes(0, row_len);
        }
        Self { shape, memory, row_len, next: first }
    }

    /// Reads rows until `end` is the first that was not, but none below `start` and none below the image.
    ///
    /// # Safety
    /// As [`Rows::read`] for the whole image.
    #[inline(always)]
    pub(crate) unsafe fn read<S: Simd, R: Rows>(
        &mut self,
        s: S,
        source: &R,
        block: Block,
        start: usize,
        end: usize,
    ) {
        let RingShape { slots, height, width, left, columns } = self.shape;
        self.next = self.next.max(start);
        while self.next < end.min(height) {
            let count = width.min(columns.saturating_sub(left));
            // SAFETY: the slot is one of `slots`, and left + count <= columns.
            unsafe {
                let to = self.memory.add(self.next % slots * self.row_len + left.min(columns) * block.pitch);
                source.read(s, block, self.next * width, count, to);
            }
            self.next += 1;
        }
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
        unsafe { self.memory.add(slot * self.row_len) }
    }
}

/// That a view `[.., channels]` has `len` floats, and channel vectors.
pub(crate) fn check_read(x: &Read, channels: usize, len: usize) {
    assert_eq!(x.stored().len(), len, "x: [h, w, c]");
    if let Read::Norm(d) = x {
        let lens = [d.scale.len(), d.shift.len(), d.center.len()];
        assert_eq!(lens, [channels; 3], "scale, shift and center: [c]");
    }
}

/// That a gradient `[.., channels]` has `len` floats, and channel vectors.
pub(crate) fn check_grad(g: &Grad, channels: usize, len: usize) {
    assert_eq!(g.len(), len, "g: [out_h, out_w, c]");
    if let Grad::Norm { z, a, b, c, .. } = g {
        assert_eq!(z.len(), len, "z: as dy");
        assert_eq!([a.len(), b.len(), c.len()], [channels; 3], "a, b and c: [c]");
    }
}
