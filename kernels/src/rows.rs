//! What the kernels over image rows share: activations in registers, channel blocks, and views that are read row by row.
//!
//! A deferred value is worked out once, when its row is read into working memory, and then used by every tap or panel of
//! weights. What a kernel finds there are whole vectors: channels beyond the last are zeros.

use crate::simd::Simd;
use crate::view::{Activation, Deferred, Grad, Read};

/// Floats of a cache line.
pub(crate) const CACHE_LINE: usize = 16;

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

/// Channels of a block. The rings of small images then fit L1, while images that memory must bring are read row by row:
/// large images have few channels, and runs of eight cache lines are long enough for the rest. Measured, microseconds an
/// image, forward: all channels of 7x7x1024 at once 20, blocks of 128 12; blocks of 64 of 56x56x128 174, of 128 116.
const BLOCK: usize = 128;

/// A run of channels that a kernel takes through its whole tile before the next one.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    /// Channels of the tensors: floats from one pixel to the next.
    pub(crate) channels: usize,
    /// First channel.
    pub(crate) start: usize,
    /// Channels in the block.
    pub(crate) len: usize,
    /// Floats from one pixel to the next where its rows are written to.
    pub(crate) pitch: usize,
}

impl Block {
    /// The channels `0..channels`, cut into blocks for a ring.
    #[inline(always)]
    pub(crate) fn split<S: Simd>(_: S, channels: usize, width: usize) -> impl Iterator<Item = Block> {
        let block = move |start| Block { channels, start, len: width.min(channels - start), pitch: S::LANES };
        (0..channels).step_by(width).map(block)
    }

    /// The largest block's channels, filled up to whole vectors.
    pub(crate) fn width(channels: usize, lanes: usize) -> usize {
        channels.next_multiple_of(lanes).min(BLOCK)
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

    /// Adds `from: [vectors, rows, LANES]` to `to`, which is the same, and zeros it: so that a sum over an image is one
    /// of sums over rows, which loses less than one long one.
    ///
    /// # Safety
    /// Both must be valid for that.
    #[inline(always)]
    pub(crate) unsafe fn carry<S: Simd>(self, s: S, rows: usize, from: *mut f32, to: *mut f32) {
        for i in 0..self.vectors(s) * rows {
            // SAFETY: as the caller promises.
            unsafe {
                let (from, to) = (from.add(i * S::LANES), to.add(i * S::LANES));
                s.store(to, s.add(s.load(to), s.load(from)));
                s.store(from, s.splat(0.0));
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

/// A view whose vectors can be read: first what its channels have in common, then pixel after pixel.
pub(crate) trait View<S: Simd>: Copy {
    /// Constants of one vector of channels.
    type Constants: Copy;
    /// The constants of channels `c..c + n`.
    ///
    /// # Safety
    /// The view must have the channels.
    unsafe fn constants(self, s: S, c: usize, n: usize) -> Self::Constants;
    /// The value of the `n` floats at `at`.
    ///
    /// # Safety
    /// The view must have the floats.
    unsafe fn value(self, s: S, constants: Self::Constants, at: usize, n: usize) -> S::V;
}

#[derive(Clone, Copy)]
struct Plain<'a>(&'a [f32]);

impl<S: Simd> View<S> for Plain<'_> {
    type Constants = ();
    #[inline(always)]
    unsafe fn constants(self, _: S, _: usize, _: usize) {}
    #[inline(always)]
    unsafe fn value(self, s: S, (): (), at: usize, n: usize) -> S::V {
        // SAFETY: as the caller promises.
        unsafe { s.load_up_to(self.0.as_ptr().add(at), n) }
    }
}

impl<S: Simd> View<S> for Deferred<'_> {
    type Constants = (S::V, S::V, Act<S>);
    #[inline(always)]
    unsafe fn constants(self, s: S, c: usize, n: usize) -> Self::Constants {
        // SAFETY: as the caller promises.
        unsafe {
            let scale = s.load_up_to(self.scale.as_ptr().add(c), n);
            (scale, s.load_up_to(self.shift.as_ptr().add(c), n), Act::new(s, self.act))
        }
    }
    #[inline(always)]
    unsafe fn value(self, s: S, (scale, shift, act): Self::Constants, at: usize, n: usize) -> S::V {
        // SAFETY: as the caller promises.
        let z = unsafe { s.load_up_to(self.z.as_ptr().add(at), n) };
        act.apply(s, s.mul_add(scale, z, shift))
    }
}

/// [`Grad::Norm`]
#[derive(Clone, Copy)]
struct NormGrad<'a> {
    dy: &'a [f32],
    z: &'a [f32],
    coefficients: [&'a [f32]; 3],
}

impl<S: Simd> View<S> for NormGrad<'_> {
    type Constants = [S::V; 3];
    #[inline(always)]
    unsafe fn constants(self, s: S, c: usize, n: usize) -> [S::V; 3] {
        let [a, b, constant] = self.coefficients;
        // SAFETY: as the caller promises.
        unsafe {
            [
                s.load_up_to(a.as_ptr().add(c), n),
                s.load_up_to(b.as_ptr().add(c), n),
                s.load_up_to(constant.as_ptr().add(c), n),
            ]
        }
    }
    #[inline(always)]
    unsafe fn value(self, s: S, [a, b, constant]: [S::V; 3], at: usize, n: usize) -> S::V {
        // SAFETY: as the caller promises.
        unsafe {
            let dy = s.load_up_to(self.dy.as_ptr().add(at), n);
            let z = s.load_up_to(self.z.as_ptr().add(at), n);
            s.mul_add(a, dy, s.mul_add(b, z, constant))
        }
    }
}

/// A view that can be read row by row, transformed.
pub(crate) trait Rows {
    /// Writes the block's channels of `count` pixels from `pixel` on to `to: [count, pitch]`.
    ///
    /// # Safety
    /// The view must have the pixels and channels, and `to` must be valid for writing whole vectors.
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, s: S, block: Block, pixel: usize, count: usize, to: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { self.read_apart(s, block, pixel, count, to, S::LANES) }
    }

    /// As [`Rows::read`], but the vectors of a pixel are `plane` floats apart.
    ///
    /// # Safety
    /// As there.
    unsafe fn read_apart<S: Simd>(
        &self,
        s: S,
        block: Block,
        pixel: usize,
        count: usize,
        to: *mut f32,
        plane: usize,
    );

    /// Asks for the block's channels of a pixel.
    fn prefetch<S: Simd>(&self, s: S, block: Block, pixel: usize);
}

/// Asks for the block's channels of pixel `pixel` of `tensor: [.., channels]`.
#[inline(always)]
fn prefetch<S: Simd>(s: S, tensor: &[f32], block: Block, pixel: usize) {
    let start = tensor.as_ptr().wrapping_add(pixel * block.channels + block.start);
    let mut c = 0;
    while c < block.len {
        s.prefetch(start.wrapping_add(c));
        c += CACHE_LINE;
    }
}

impl Rows for Read<'_> {
    #[inline(always)]
    fn prefetch<S: Simd>(&self, s: S, block: Block, pixel: usize) {
        prefetch(s, self.stored(), block, pixel);
    }
    #[inline(always)]
    unsafe fn read_apart<S: Simd>(
        &self,
        s: S,
        block: Block,
        pixel: usize,
        count: usize,
        to: *mut f32,
        plane: usize,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match *self {
                Read::Plain(x) => read_row(s, Plain(x), block, pixel, count, to, plane),
                Read::Norm(deferred) => read_row(s, deferred, block, pixel, count, to, plane),
            }
        }
    }
}

impl Rows for Grad<'_> {
    #[inline(always)]
    fn prefetch<S: Simd>(&self, s: S, block: Block, pixel: usize) {
        match self {
            Grad::Plain(g) => prefetch(s, g, block, pixel),
            Grad::Norm { dy, z, .. } => {
                prefetch(s, dy, block, pixel);
                prefetch(s, z, block, pixel);
            }
        }
    }
    #[inline(always)]
    unsafe fn read_apart<S: Simd>(
        &self,
        s: S,
        block: Block,
        pixel: usize,
        count: usize,
        to: *mut f32,
        plane: usize,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match *self {
                Grad::Plain(g) => read_row(s, Plain(g), block, pixel, count, to, plane),
                Grad::Norm { dy, z, a, b, c } => {
                    let view = NormGrad { dy, z, coefficients: [a, b, c] };
                    read_row(s, view, block, pixel, count, to, plane);
                }
            }
        }
    }
}

/// [`Rows::read_apart`] of one view.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn read_row<S: Simd, R: View<S>>(
    s: S,
    view: R,
    block: Block,
    pixel: usize,
    count: usize,
    to: *mut f32,
    plane: usize,
) {
    let mut i = 0;
    // SAFETY: pixels below `count`, as the caller promises.
    unsafe {
        while i + PIXELS <= count {
            read_pixels::<S, R, PIXELS>(s, view, block, pixel + i, to.add(i * block.pitch), plane);
            i += PIXELS;
        }
        while i < count {
            read_pixels::<S, R, 1>(s, view, block, pixel + i, to.add(i * block.pitch), plane);
            i += 1;
        }
    }
}

/// `P` pixels of [`read_row`].
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn read_pixels<S: Simd, R: View<S>, const P: usize>(
    s: S,
    view: R,
    block: Block,
    pixel: usize,
    to: *mut f32,
    plane: usize,
) {
    for v in 0..block.vectors(s) {
        let (c, n) = block.vector(s, v);
        // SAFETY: as the caller promises.
        unsafe {
            let constants = view.constants(s, c, n);
            for p in 0..P {
                let value = view.value(s, constants, (pixel + p) * block.channels + c, n);
                s.store(to.add(v * plane + p * block.pitch), value);
            }
        }
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
