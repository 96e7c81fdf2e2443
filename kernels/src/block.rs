//! What kernels that take channels in blocks share: activations and weights in registers, and the blocks themselves.
//!
//! Working memory holds whole vectors: channels beyond the last are zeros.

use crate::cache::CACHE_LINE;
use crate::simd::Simd;
use crate::view::Rectifier;

/// Neighbouring pixels that are worked out together: what is loaded for one serves all.
pub(crate) const PIXELS: usize = 4;

/// Adds `v` to the first `n` floats at `p`, at most `LANES`.
///
/// # Safety
/// `p` must be valid for reading and writing that many floats.
#[inline(always)]
pub(crate) unsafe fn add_up_to<S: Simd>(s: S, p: *mut f32, v: S::V, n: usize) {
    // SAFETY: as the caller promises.
    unsafe { s.store_up_to(p, s.add(s.load_up_to(p, n), v), n) }
}

/// An [`Rectifier`] with its constants in registers.
#[derive(Clone, Copy)]
pub(crate) struct Act<S: Simd> {
    slope: S::V,
    cap: S::V,
    zero: S::V,
    /// Whether the slope is zero, which saves a multiplication.
    rectifies: bool,
}

impl<S: Simd> Act<S> {
    #[inline(always)]
    pub(crate) fn new(s: S, act: Rectifier) -> Self {
        let Rectifier { slope, cap } = act;
        Self { slope: s.splat(slope), cap: s.splat(cap), zero: s.splat(0.0), rectifies: slope == 0.0 }
    }

    /// [`Act::apply`] to all, with one branch.
    #[inline(always)]
    pub(crate) fn apply_all(self, s: S, values: &mut [S::V]) {
        if self.rectifies {
            for v in values {
                *v = s.min(self.cap, s.max(self.zero, *v));
            }
        } else {
            for v in values {
                *v = self.apply(s, *v);
            }
        }
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

/// Channels of a block, at most: runs of eight cache lines are long enough for memory.
const BLOCK: usize = 128;

/// A run of channels that a kernel takes through its whole tile before the next one.
#[derive(Clone, Copy)]
pub(crate) struct ChannelBlock {
    /// Channels of the tensors: floats from one pixel to the next.
    pub(crate) channels: usize,
    /// First channel.
    pub(crate) start: usize,
    /// Channels in the block.
    pub(crate) len: usize,
    /// Floats from one pixel to the next where its rows are written to.
    pub(crate) pitch: usize,
}

impl ChannelBlock {
    /// The channels `0..channels`, cut into blocks for a ring.
    #[inline(always)]
    pub(crate) fn split<S: Simd>(_: S, channels: usize, width: usize) -> impl Iterator<Item = ChannelBlock> {
        let block =
            move |start| ChannelBlock { channels, start, len: width.min(channels - start), pitch: S::LANES };
        (0..channels).step_by(width).map(block)
    }

    /// The largest block's channels, in whole cache lines (which are whole vectors).
    pub(crate) fn widest(channels: usize) -> usize {
        channels.next_multiple_of(CACHE_LINE).min(BLOCK)
    }

    /// The same where rings take `bytes` a channel, and should stay within `limit`.
    pub(crate) fn width(channels: usize, bytes: usize, limit: usize) -> usize {
        let fit = limit / bytes.max(1) / CACHE_LINE * CACHE_LINE;
        fit.max(CACHE_LINE).min(Self::widest(channels))
    }

    /// Vectors that hold the block.
    #[inline(always)]
    pub(crate) fn vectors<S: Simd>(self, _: S) -> usize {
        self.len.div_ceil(S::LANES)
    }

    /// The first channel of vector `v`, and how many channels there are from it on.
    #[inline(always)]
    pub(crate) fn vector<S: Simd>(self, _: S, v: usize) -> (usize, usize) {
        (self.start + v * S::LANES, self.len - v * S::LANES)
    }

    /// The last vector and its channels, where that one is not whole: kernels have a body without a tail to look for,
    /// and this one with.
    #[inline(always)]
    pub(crate) fn tail<S: Simd>(self, _: S) -> Option<(usize, usize)> {
        let whole = self.len / S::LANES;
        let n = self.len - whole * S::LANES;
        (n > 0).then_some((whole, n))
    }

    /// Copies the block's part of `rows` channel vectors `from: [rows, channels]` to `to: [vectors, rows, LANES]`.
    ///
    /// # Safety
    /// Both must be valid for that.
    #[inline(always)]
    pub(crate) unsafe fn gather<S: Simd>(self, s: S, rows: usize, from: *const f32, to: *mut f32) {
        for v in 0..self.vectors(s) {
            let (c, n) = self.vector(s, v);
            for row in 0..rows {
                // SAFETY: as the caller promises.
                unsafe {
                    let vector = s.load_up_to(from.add(row * self.channels + c), n);
                    s.store(to.add((v * rows + row) * S::LANES), vector);
                }
            }
        }
    }

    /// Adds `from: [vectors, rows, LANES]` to the block's part of `to: [rows, channels]`.
    ///
    /// # Safety
    /// Both must be valid for that.
    #[inline(always)]
    pub(crate) unsafe fn scatter<S: Simd>(self, s: S, rows: usize, from: *const f32, to: *mut f32) {
        for v in 0..self.vectors(s) {
            let (c, n) = self.vector(s, v);
            for row in 0..rows {
                // SAFETY: as the caller promises.
                unsafe {
                    let vector = s.load(from.add((v * rows + row) * S::LANES));
                    add_up_to(s, to.add(row * self.channels + c), vector, n);
                }
            }
        }
    }

    /// Zeros `to: [vectors, rows, LANES]`.
    ///
    /// # Safety
    /// It must be valid for writing.
    #[inline(always)]
    pub(crate) unsafe fn clear<S: Simd>(self, s: S, rows: usize, to: *mut f32) {
        for i in 0..self.vectors(s) * rows {
            // SAFETY: as the caller promises.
            unsafe { s.store(to.add(i * S::LANES), s.splat(0.0)) };
        }
    }
}

/// The weights of one vector of channels: those of a 3x3 kernel in registers, as far as the level has them.
#[derive(Clone, Copy)]
pub(crate) struct Taps<S: Simd> {
    first: [S::V; 9],
    /// `[kernel * kernel, LANES]`
    all: *const f32,
    kernel: usize,
}

impl<S: Simd> Taps<S> {
    /// # Safety
    /// `all: [kernel * kernel, LANES]` must be valid for reading as long as the value is used.
    #[inline(always)]
    pub(crate) unsafe fn new(s: S, kernel: usize, all: *const f32) -> Self {
        let mut first = [s.splat(0.0); 9];
        if kernel == 3 {
            // SAFETY: as the caller promises.
            first = std::array::from_fn(|tap| unsafe { s.load(all.add(tap * S::LANES)) });
        }
        Self { first, all, kernel }
    }

    /// # Safety
    /// The kernel must have the tap.
    #[inline(always)]
    pub(crate) unsafe fn get(&self, s: S, tap: usize) -> S::V {
        // SAFETY: as the caller promises: a 3x3 kernel has nine.
        unsafe {
            if self.kernel == 3 {
                *self.first.get_unchecked(tap)
            } else {
                s.load(self.all.add(tap * S::LANES))
            }
        }
    }
}
