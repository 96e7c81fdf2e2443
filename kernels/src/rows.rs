//! Views that are read row by row.
//!
//! A deferred value is worked out once, when its row is read into working memory, and then used by every tap or panel of
//! weights. What a kernel finds there are whole vectors: channels beyond the last are zeros.

use crate::block::{Act, ChannelBlock, PIXELS};
use crate::prefetch::SHARED;
use crate::simd::Simd;
use crate::view::{Deferred, Grad, Read};

/// A view whose vectors can be read: first what its channels have in common, then pixel after pixel.
pub(crate) trait ReadVector<S: Simd>: Copy {
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

impl<S: Simd> ReadVector<S> for Plain<'_> {
    type Constants = ();
    #[inline(always)]
    unsafe fn constants(self, _: S, _: usize, _: usize) {}
    #[inline(always)]
    unsafe fn value(self, s: S, (): (), at: usize, n: usize) -> S::V {
        // SAFETY: as the caller promises.
        unsafe { s.load_up_to(self.0.as_ptr().add(at), n) }
    }
}

impl<S: Simd> ReadVector<S> for Deferred<'_> {
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

impl<S: Simd> ReadVector<S> for NormGrad<'_> {
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

/// Places to prefetch from, as many as tensors are read.
pub(crate) trait Streams: Copy + IntoIterator<Item = *const f32> {}

impl<const N: usize> Streams for [*const f32; N] {}

/// A view that can be read row by row, transformed.
pub(crate) trait Rows {
    /// Where the tensors lie.
    type Streams: Streams;

    /// Writes the block's channels of `count` pixels from `pixel` on to `to: [count, pitch]`.
    ///
    /// # Safety
    /// The view must have the pixels and channels, and `to` must be valid for writing whole vectors.
    unsafe fn read<S: Simd>(&self, s: S, block: ChannelBlock, pixel: usize, count: usize, to: *mut f32);

    /// As [`Rows::read`], but to `[vectors, plane / LANES, LANES]`: the vectors of a channel group lie side by side. Asks
    /// for as many pixels of `ahead`, whose first floats those are, but for those that whoever computes asks for: see
    /// [`SHARED`].
    ///
    /// # Safety
    /// As there.
    unsafe fn read_planes<S: Simd>(
        &self,
        s: S,
        block: ChannelBlock,
        pixel: usize,
        count: usize,
        to: *mut f32,
        plane: usize,
        ahead: Self::Streams,
    );

    /// Where what is stored lies, from float `at` on: for prefetching, so any place will do.
    fn streams(&self, at: usize) -> Self::Streams;
}

impl Rows for Read<'_> {
    type Streams = [*const f32; 1];
    #[inline(always)]
    unsafe fn read<S: Simd>(&self, s: S, block: ChannelBlock, pixel: usize, count: usize, to: *mut f32) {
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
        block: ChannelBlock,
        pixel: usize,
        count: usize,
        to: *mut f32,
        plane: usize,
        ahead: Self::Streams,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match *self {
                Read::Plain(x) => read_planes(s, Plain(x), block, pixel, count, to, plane, ahead),
                Read::Norm(deferred) => read_planes(s, deferred, block, pixel, count, to, plane, ahead),
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
    unsafe fn read<S: Simd>(&self, s: S, block: ChannelBlock, pixel: usize, count: usize, to: *mut f32) {
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
        block: ChannelBlock,
        pixel: usize,
        count: usize,
        to: *mut f32,
        plane: usize,
        ahead: Self::Streams,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match *self {
                Grad::Plain(g) => read_planes(s, Plain(g), block, pixel, count, to, plane, ahead),
                Grad::Norm { dy, z, a, b, c } => {
                    let view = NormGrad { dy, z, coefficients: [a, b, c] };
                    read_planes(s, view, block, pixel, count, to, plane, ahead);
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
unsafe fn read_pixels<S: Simd, R: ReadVector<S>>(
    s: S,
    view: R,
    block: ChannelBlock,
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
unsafe fn read_few<S: Simd, R: ReadVector<S>, const P: usize>(
    s: S,
    view: R,
    block: ChannelBlock,
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
unsafe fn read_planes<S: Simd, R: ReadVector<S>, P: Streams>(
    s: S,
    view: R,
    block: ChannelBlock,
    pixel: usize,
    count: usize,
    to: *mut f32,
    plane: usize,
    ahead: P,
) {
    // SAFETY: as the caller promises.
    unsafe {
        for v in 0..block.len / S::LANES {
            read_plane(s, view, block, v, S::LANES, pixel, count, to.add(v * plane), ahead);
        }
        if let Some((v, n)) = block.tail(s) {
            read_plane(s, view, block, v, n, pixel, count, to.add(v * plane), ahead);
        }
    }
}

/// The `n` channels of vector `v` of [`read_planes`].
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn read_plane<S: Simd, R: ReadVector<S>, P: Streams>(
    s: S,
    view: R,
    block: ChannelBlock,
    v: usize,
    n: usize,
    pixel: usize,
    count: usize,
    to: *mut f32,
    ahead: P,
) {
    let c = block.start + v * S::LANES;
    // SAFETY: as the caller promises.
    unsafe {
        let constants = view.constants(s, c, n);
        for i in 0..count {
            let at = (pixel + i) * block.channels + c;
            if !i.is_multiple_of(SHARED) {
                for stream in ahead {
                    s.prefetch(stream.wrapping_add(i * block.channels + c));
                }
            }
            s.store(to.add(i * S::LANES), view.value(s, constants, at, n));
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
