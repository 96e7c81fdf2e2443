//! Depthwise convolution, backward, of one input row: the gradient rows that it sees, correlated with the flipped kernel,
//! then masked by the derivative of the input's activation.
//!
//! As in `depthwise`: a function of its own, one vector of channels at a time, whose weights, constants and sums then stay
//! in registers along the row. At stride `s` the columns fall into `s` phases, each of which sees every `s`-th tap.

use crate::block::{Act, ChannelBlock, PIXELS, Taps};
use crate::cache::CACHE_LINE;
use crate::depthwise::MAX_KERNEL;
use crate::depthwise_epilogue::{Store, Target};
use crate::prefetch::SHARED;
use crate::simd::{Kernel, Simd};
use crate::view::Deferred;

/// One input row whose gradient is worked out.
pub(crate) struct InputRow<'a> {
    pub(crate) block: ChannelBlock,
    /// The gradient rows that it sees, `[vectors, columns, LANES]` each: the first through tap row `ky`, the next through
    /// `ky + stride`, ...
    pub(crate) rows: [*const f32; MAX_KERNEL],
    /// Floats from one vector of a gradient row to the next.
    pub(crate) plane: usize,
    /// Zero columns left of the gradient.
    pub(crate) left: usize,
    /// `[vectors, kernel, kernel, LANES]`
    pub(crate) taps: *const f32,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) ky: usize,
    pub(crate) pad_left: usize,
    /// Columns.
    pub(crate) w: usize,
    /// Its first pixel in the image.
    pub(crate) pixel: usize,
    /// Its first float in the tile.
    pub(crate) start: usize,
    /// The tile's gradient.
    pub(crate) dx: &'a Target<'a>,
    pub(crate) mask: Option<Mask<'a>>,
    pub(crate) ahead: Ahead,
}

/// A deferred input, as its gradient needs it: see [`crate::scalar::finish_input_gradient`].
#[derive(Clone, Copy)]
pub(crate) struct Mask<'a> {
    pub(crate) x: Deferred<'a>,
    /// `[vectors, 2, LANES]`: the sums of the rows so far.
    pub(crate) sums: *mut f32,
}

/// Rows to ask memory for, at the block's first channel: one of the input, and at every `stride`-th row one of each tensor
/// of the gradient.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    pub(crate) input: *const f32,
    pub(crate) gradients: Option<[*const f32; 2]>,
    /// Columns of the gradient.
    pub(crate) out_w: usize,
}

impl Kernel for InputRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: `Backward::tile` made it of rows that the ring has, for a row that the tile has.
        unsafe {
            match (self.kernel, self.stride, self.ky, self.mask) {
                (3, 1, _, Some(mask)) => self.vectors(s, 3, 1, 0, mask),
                (3, 2, 0, Some(mask)) => self.vectors(s, 3, 2, 0, mask),
                (3, 2, _, Some(mask)) => self.vectors(s, 3, 2, 1, mask),
                (kernel, stride, ky, mask) => {
                    // One body with a tail to look for, for what no network of ours asks: there, what a depthwise
                    // convolution reads is deferred.
                    for v in 0..self.block.vectors(s) {
                        let (c, n) = self.block.vector(s, v);
                        self.vector(s, kernel, stride, ky, mask, v, n);
                        self.dx.flush(s, self.start, c, self.w);
                    }
                }
            }
        }
    }
}

impl InputRow<'_> {
    /// Vector after vector.
    ///
    /// # Safety
    /// The rows must have the columns that the inputs see, the tile the inputs.
    #[inline(always)]
    unsafe fn vectors<S: Simd>(&self, s: S, kernel: usize, stride: usize, ky: usize, mask: Mask) {
        // SAFETY: as the caller promises.
        unsafe {
            for v in 0..self.block.len / S::LANES {
                self.vector(s, kernel, stride, ky, Some(mask), v, S::LANES);
                self.dx.flush(s, self.start, self.block.start + v * S::LANES, self.w);
            }
            if let Some((v, n)) = self.block.tail(s) {
                self.vector(s, kernel, stride, ky, Some(mask), v, n);
            }
        }
    }

    /// The `n` channels of vector `v`, while memory fetches rows that are read later.
    ///
    /// # Safety
    /// As for [`InputRow::vectors`].
    #[inline(always)]
    unsafe fn vector<S: Simd>(
        &self,
        s: S,
        kernel: usize,
        stride: usize,
        ky: usize,
        mask: Option<Mask>,
        v: usize,
        n: usize,
    ) {
        let c = self.block.start + v * S::LANES;
        // SAFETY: columns up to w, as the caller promises.
        unsafe {
            let mut line = Line {
                rows: self.rows.map(|row| row.wrapping_add(v * self.plane + self.left * S::LANES)),
                taps: Taps::new(s, kernel, self.taps.add(v * kernel * kernel * S::LANES)),
                kernel,
                stride,
                ky,
                pad_left: self.pad_left,
                store: self.dx.store(self.start, c, n),
                mask: mask.map(|mask| MaskedLine::new(s, mask, self.block, self.pixel, c, n, v)),
            };
            let mut column = 0;
            while column + PIXELS * stride <= self.w {
                if (v * S::LANES).is_multiple_of(CACHE_LINE) {
                    self.ask(s, column, stride, v * S::LANES);
                }
                for kx in 0..stride {
                    line.inputs::<PIXELS>(s, column + line.first(kx), kx);
                }
                column += PIXELS * stride;
            }
            if column + 2 * stride <= self.w {
                for kx in 0..stride {
                    line.inputs::<2>(s, column + line.first(kx), kx);
                }
                column += 2 * stride;
            }
            while column < self.w {
                for kx in 0..stride {
                    let ix = column + line.first(kx);
                    if ix < self.w {
                        line.inputs::<1>(s, ix, kx);
                    }
                }
                column += stride;
            }
            if let Some(mask) = line.mask {
                mask.end(s);
            }
        }
    }

    /// Asks for the pixels of the rows ahead that lie beside `PIXELS` outputs from `column` on: for every second one,
    /// since reading a row asks for the others.
    #[inline(always)]
    fn ask<S: Simd>(&self, s: S, column: usize, stride: usize, c: usize) {
        let Ahead { input, gradients, out_w } = self.ahead;
        for i in (0..PIXELS * stride).step_by(SHARED) {
            s.prefetch(input.wrapping_add((column + i) * self.block.channels + c));
        }
        let Some(gradients) = gradients else { return };
        for ox in (column / stride..out_w.min(column / stride + PIXELS)).step_by(SHARED) {
            for gradient in gradients {
                s.prefetch(gradient.wrapping_add(ox * self.block.channels + c));
            }
        }
    }
}

/// One vector of channels of the row.
struct Line<'a, S: Simd> {
    /// `[columns, LANES]` each, from the gradient's first column on.
    rows: [*const f32; MAX_KERNEL],
    taps: Taps<S>,
    kernel: usize,
    stride: usize,
    ky: usize,
    pad_left: usize,
    store: Store<'a>,
    mask: Option<MaskedLine<'a, S>>,
}

impl<S: Simd> Line<'_, S> {
    /// The first column that tap `kx` sees first.
    #[inline(always)]
    fn first(&self, kx: usize) -> usize {
        (kx + self.stride * MAX_KERNEL - self.pad_left) % self.stride
    }

    /// `P` inputs from column `ix` on, `stride` apart, which tap column `kx` sees first.
    ///
    /// # Safety
    /// The row must have the columns.
    #[inline(always)]
    unsafe fn inputs<const P: usize>(&mut self, s: S, ix: usize, kx: usize) {
        let Self { kernel, stride, .. } = *self;
        // Tap kx sees gradient column `column`, the next tap of the phase the column before, ...
        let column = (ix + self.pad_left) / stride;
        // SAFETY: column + P - 1 is in the gradient rows, and so is `column` minus the taps of a phase, by the number of
        // zero columns left of them; a phase has no more rows than a kernel.
        unsafe {
            let mut dx = [s.splat(0.0); P];
            for (i, ky) in (self.ky..kernel).step_by(stride).enumerate() {
                let row = self.rows.get_unchecked(i).add(column * S::LANES);
                for (j, kx) in (kx..kernel).step_by(stride).enumerate() {
                    let w = self.taps.get(s, ky * kernel + kx);
                    for p in 0..P {
                        dx[p] = s.mul_add(s.load(row.add(p * S::LANES).sub(j * S::LANES)), w, dx[p]);
                    }
                }
            }
            if let Some(mask) = &mut self.mask {
                mask.apply(s, ix, stride, &mut dx);
            }
            for p in 0..P {
                self.store.put(s, ix + p * stride, [dx[p]]);
            }
        }
    }
}

/// [`Mask`] along one vector of channels of a row, in registers. The row's sums begin at zero: a sum over an image is one of
/// sums over rows, which loses less than one long one.
struct MaskedLine<'a, S: Simd> {
    act: Act<S>,
    scale: S::V,
    shift: S::V,
    center: S::V,
    /// The input's row, as it is stored, from the vector's first channel on.
    z: &'a [f32],
    at: usize,
    channels: usize,
    n: usize,
    sum: S::V,
    moment: S::V,
    sums: *mut f32,
}

impl<'a, S: Simd> MaskedLine<'a, S> {
    /// Of the `n` channels from `c` on, vector `v` of the block, in the row that begins with `pixel`.
    ///
    /// # Safety
    /// The image must have the row and the channels, and `mask` two sums for each of the block's vectors.
    #[inline(always)]
    unsafe fn new(
        s: S,
        mask: Mask<'a>,
        block: ChannelBlock,
        pixel: usize,
        c: usize,
        n: usize,
        v: usize,
    ) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let Mask { x, sums } = mask;
            Self {
                act: Act::new(s, x.act),
                scale: s.load_up_to(x.scale.as_ptr().add(c), n),
                shift: s.load_up_to(x.shift.as_ptr().add(c), n),
                center: s.load_up_to(x.center.as_ptr().add(c), n),
                z: x.z,
                at: pixel * block.channels + c,
                channels: block.channels,
                n,
                sum: s.splat(0.0),
                moment: s.splat(0.0),
                sums: sums.add(v * 2 * S::LANES),
            }
        }
    }

    /// Masks the gradients of the `P` inputs from column `ix` on, `step` apart, and sums them.
    ///
    /// # Safety
    /// The row must have the columns.
    #[inline(always)]
    unsafe fn apply<const P: usize>(&mut self, s: S, ix: usize, step: usize, dx: &mut [S::V; P]) {
        for p in 0..P {
            // SAFETY: as the caller promises.
            let z = unsafe {
                let at = self.at + (ix + p * step) * self.channels;
                s.load_up_to(self.z.as_ptr().add(at), self.n)
            };
            dx[p] = self.act.mask(s, dx[p], s.mul_add(self.scale, z, self.shift));
            self.sum = s.add(self.sum, dx[p]);
            self.moment = s.mul_add(dx[p], s.sub(z, self.center), self.moment);
        }
    }

    /// Adds the row's sums to those of the rows before.
    ///
    /// # Safety
    /// As for [`MaskedLine::new`].
    #[inline(always)]
    unsafe fn end(self, s: S) {
        // SAFETY: as the caller promises.
        unsafe {
            let moments = self.sums.add(S::LANES);
            s.store(self.sums, s.add(s.load(self.sums), self.sum));
            s.store(moments, s.add(s.load(moments), self.moment));
        }
    }
}
