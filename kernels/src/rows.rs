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
    /// Whether the slope is zero, which saves a multiplication.
    rectifies: bool,
}

impl<S: Simd> Act<S> {
    #[inline(always)]
    pub(crate) fn new(s: S, act: Activation) -> Self {
        let Activation { slope, cap } = act;
        Self { slope: s.splat(slope), cap: s.splat(cap), zero: s.splat(0.0), rectifies: slope == 0.0 }
    }

    /// [`Act::apply`] to all, with one branch.
    #[inline(always)]
    pub(crate) fn apply_all<const N: usize>(self, s: S, values: &mut [S::V; N]) {
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
        // SAFETY: as the caller promises.
        if self.kernel == 3 { self.first[tap] } else { unsafe { s.load(self.all.add(tap * S::LANES)) } }
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
    /// As many as tensors are read.
    type Streams: Copy + IntoIterator<Item = *const f32>;

    /// Writes the block's channels of `count` pixels from `pixel` on to `to: [count, pitch]`.
    ///
    /// # Safety
    /// The view must have the pixels and channels, and `to` must be valid for writing whole vectors.
    unsafe fn read<S: Simd>(&self, s: S, block: Block, pixel: usize, count: usize, to: *mut f32);

    /// As [`Rows::read`], but to `[vectors, plane / LANES, LANES]`: the vectors of a channel group lie side by side.
    ///
    /// # Safety
    /// As there.
    unsafe fn read_planes<S: Simd>(
        &self,
        s: S,
        block: Block,
        pixel: usize,
        count: usize,
        to: *mut f32,
        plane: usize,
    );

    /// Where what is stored lies, from float `at` on: for prefetching, so any place will do.
    fn streams(&self, at: usize) -> Self::Streams;
}

impl Rows for Read<'_> {
    type Streams = [*const f32; 1];
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, s: S, block: Block, pixel: usize, count: usize, to: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe {
            match *self {
                Read::Plain(x) => read_pixels(s, Plain(x), block, pixel, count, to),
                Read::Norm(deferred) => read_pixels(s, deferred, block, pixel, count, to),
            }
        }
    }
    #[inline(always)]
    unsafe fn read_planes<S: Simd>(
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
                Read::Plain(x) => read_planes(s, Plain(x), block, pixel, count, to, plane),
                Read::Norm(deferred) => read_planes(s, deferred, block, pixel, count, to, plane),
            }
        }
    }
    #[inline(always)]
    fn streams(&self, at: usize) -> [*const f32; 1] {
        [self.stored().as_ptr().wrapping_add(at)]
    }
}

impl Rows for Grad<'_> {
    type Streams = [*const f32; 2];
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, s: S, block: Block, pixel: usize, count: usize, to: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe {
            match *self {
                Grad::Plain(g) => read_pixels(s, Plain(g), block, pixel, count, to),
                Grad::Norm { dy, z, a, b, c } => {
                    read_pixels(s, NormGrad { dy, z, coefficients: [a, b, c] }, block, pixel, count, to);
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn read_planes<S: Simd>(
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
                Grad::Plain(g) => read_planes(s, Plain(g), block, pixel, count, to, plane),
                Grad::Norm { dy, z, a, b, c } => {
                    let view = NormGrad { dy, z, coefficients: [a, b, c] };
                    read_planes(s, view, block, pixel, count, to, plane);
                }
            }
        }
    }
    #[inline(always)]
    fn streams(&self, at: usize) -> [*const f32; 2] {
        match *self {
            Grad::Plain(g) => [g.as_ptr().wrapping_add(at); 2],
            Grad::Norm { dy, z, .. } => [dy, z].map(|tensor| tensor.as_ptr().wrapping_add(at)),
        }
    }
}

/// [`Rows::read`] of one view: pixel after pixel, as it lies in memory, constants loaded once for a few pixels.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn read_pixels<S: Simd, R: View<S>>(
    s: S,
    view: R,
    block: Block,
    pixel: usize,
    count: usize,
    to: *mut f32,
) {
    let mut i = 0;
    // SAFETY: pixels below `count`, as the caller promises.
    unsafe {
        while i + PIXELS <= count {
            read_few::<S, R, PIXELS>(s, view, block, pixel + i, to.add(i * block.pitch));
            i += PIXELS;
        }
        while i < count {
            read_few::<S, R, 1>(s, view, block, pixel + i, to.add(i * block.pitch));
            i += 1;
        }
    }
}

/// `P` pixels of [`read_pixels`].
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn read_few<S: Simd, R: View<S>, const P: usize>(
    s: S,
    view: R,
    block: Block,
    pixel: usize,
    to: *mut f32,
) {
    for v in 0..block.vectors(s) {
        let (c, n) = block.vector(s, v);
        // SAFETY: as the caller promises.
        unsafe {
            let constants = view.constants(s, c, n);
            for p in 0..P {
                let value = view.value(s, constants, (pixel + p) * block.channels + c, n);
                s.store(to.add(v * S::LANES + p * block.pitch), value);
            }
        }
    }
}

/// [`Rows::read_planes`] of one view: vector after vector, all constants in registers.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn read_planes<S: Simd, R: View<S>>(
    s: S,
    view: R,
    block: Block,
    pixel: usize,
    count: usize,
    to: *mut f32,
    plane: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        for v in 0..block.len / S::LANES {
            read_plane(s, view, block, v, S::LANES, pixel, count, to.add(v * plane));
        }
        if let Some((v, n)) = block.tail(s) {
            read_plane(s, view, block, v, n, pixel, count, to.add(v * plane));
        }
    }
}

/// The `n` channels of vector `v` of [`read_planes`].
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn read_plane<S: Simd, R: View<S>>(
    s: S,
    view: R,
    block: Block,
    v: usize,
    n: usize,
    pixel: usize,
    count: usize,
    to: *mut f32,
) {
    let c = block.start + v * S::LANES;
    // SAFETY: as the caller promises.
    unsafe {
        let constants = view.constants(s, c, n);
        for i in 0..count {
            let value = view.value(s, constants, (pixel + i) * block.channels + c, n);
            s.store(to.add(i * S::LANES), value);
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
