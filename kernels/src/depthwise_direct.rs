//! Depthwise 3x3 convolution of a plain image, as inference has it: read where it lies, without a copy.
//!
//! There is nothing to transform, and next to nothing to pad: rows outside the image are one stretch of zeros that is
//! never walked along, and the few outputs that see columns outside it leave those out. In between, a vector of channels
//! of `ROWS` by [`PIXELS`] outputs is worked out at once: the input rows that they share are loaded once, and the sums
//! are as many as hide the latency of a multiply-add. The order in which an output's nine products are added depends on
//! its column alone, so tiles do not show in the result.

use crate::block::{Act, ChannelBlock, PIXELS};
use crate::level::Level;
use crate::scratch;
use crate::simd::{Kernel, Simd};
use crate::view::{ConvShape, Rectifier};
use std::ops::Range;

/// Rows and columns of the kernel.
const KERNEL: usize = 3;
const TAPS: usize = KERNEL * KERNEL;
/// The largest stride.
const MAX_STRIDE: usize = 2;
/// Output rows that are worked out together.
const ROWS: usize = 2;

/// Input rows or columns that `outputs` neighbours see.
const fn seen(outputs: usize, stride: usize) -> usize {
    (outputs - 1) * stride + KERNEL
}

const MAX_ROWS: usize = seen(ROWS, MAX_STRIDE);
const MAX_COLUMNS: usize = seen(PIXELS, MAX_STRIDE);

/// Whether there is a body for the shape.
pub(crate) fn fits(shape: &ConvShape) -> bool {
    shape.kernel == KERNEL && (1..=MAX_STRIDE).contains(&shape.stride)
}

/// Floats of [`scratch`] for the row of zeros, and for a block's weights.
pub(crate) fn lens(shape: &ConvShape) -> [usize; 2] {
    let width = ChannelBlock::widest(shape.inputs);
    [seen(PIXELS, shape.stride) * shape.inputs + width, TAPS * width]
}

/// `y = act(depthwise(x) + bias)` for output rows `rows`, whose pixels begin `pitch` floats apart; the lengths were
/// checked by [`crate::depthwise::depthwise`].
pub(crate) fn depthwise(
    level: Level,
    shape: &ConvShape,
    x: &[f32],
    weights: &[f32],
    rows: Range<usize>,
    (y, pitch): (&mut [f32], usize),
    bias: &[f32],
    act: Rectifier,
) {
    scratch::with(lens(shape), |[zeros, taps]| {
        let (zeros, taps) = (zeros.as_mut_ptr(), taps.as_mut_ptr());
        level.dispatch(Direct { shape, x, weights, rows, y, pitch, bias, act, zeros, taps });
    });
}

struct Direct<'a> {
    shape: &'a ConvShape,
    x: &'a [f32],
    weights: &'a [f32],
    rows: Range<usize>,
    y: &'a mut [f32],
    /// Floats from one pixel of `y` to the next.
    pitch: usize,
    bias: &'a [f32],
    act: Rectifier,
    /// What a group of outputs sees of a row outside the image: as many pixels, of which a block's channels are zeroed.
    zeros: *mut f32,
    /// `[vectors, 9, LANES]`: the block's weights.
    taps: *mut f32,
}

impl Kernel for Direct<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.shape.stride == 1 { self.tile(s, 1) } else { self.tile(s, MAX_STRIDE) }
    }
}

impl Direct<'_> {
    /// All rows of the tile, block after block.
    #[inline(always)]
    fn tile<S: Simd>(self, s: S, stride: usize) {
        let channels = self.shape.inputs;
        let act = Act::new(s, self.act);
        let y = self.y.as_mut_ptr();
        let width = ChannelBlock::widest(channels);
        for column in 0..seen(PIXELS, stride) {
            for at in (0..width).step_by(S::LANES) {
                // SAFETY: the pixels are `channels` floats apart, and `width` floats follow the last one's start.
                unsafe { s.store(self.zeros.add(column * channels + at), s.splat(0.0)) };
            }
        }
        for block in ChannelBlock::split(s, channels, width) {
            // SAFETY: x covers the image, y the tile, weights and bias all channels; the scratch was cut for `width`.
            unsafe {
                block.gather(s, TAPS, self.weights.as_ptr(), self.taps);
                let taps = self.taps.cast_const();
                let bias = self.bias.as_ptr().add(block.start);
                let group = Group { block, stride, taps, bias, act, pitches: [channels, self.pitch] };
                let mut oy = self.rows.start;
                while oy < self.rows.end {
                    let at = (oy - self.rows.start) * self.shape.out_w * self.pitch + block.start;
                    if oy + ROWS <= self.rows.end {
                        self.row::<S, ROWS>(s, &group, oy, y.add(at));
                        oy += ROWS;
                    } else {
                        self.row::<S, 1>(s, &group, oy, y.add(at));
                        oy += 1;
                    }
                }
            }
        }
    }

    /// Output rows `oy..oy + R` of a block, to `y`.
    ///
    /// # Safety
    /// The image must have the block, `y` be valid for writing the rows.
    #[inline(always)]
    unsafe fn row<S: Simd, const R: usize>(&self, s: S, group: &Group<S>, oy: usize, y: *mut f32) {
        let &ConvShape { h, w, inputs: channels, pad_top, pad_left, out_w, .. } = self.shape;
        let stride = group.stride;
        let rows = Rows {
            // SAFETY: rows of the image, where they are inside.
            first: std::array::from_fn(|i| match (oy * stride + i).checked_sub(pad_top) {
                Some(iy) if iy < h => unsafe { self.x.as_ptr().add(iy * w * channels + group.block.start) },
                _ => self.zeros.cast_const(),
            }),
            step: std::array::from_fn(|i| match (oy * stride + i).checked_sub(pad_top) {
                Some(iy) if iy < h => channels,
                _ => 0,
            }),
        };
        // The outputs that see columns of the image only.
        let inner = pad_left.div_ceil(stride).min(out_w);
        let end = (w + pad_left + stride).saturating_sub(KERNEL) / stride;
        let end = end.clamp(inner, out_w);
        let to = |ox: usize| y.wrapping_add(ox * self.pitch);
        let below = out_w * self.pitch;
        // SAFETY: columns from ox * stride - pad_left on are in the image, those of the edges where they are used.
        unsafe {
            for ox in (0..inner).chain(end..out_w) {
                let columns = pad_left.saturating_sub(ox * stride).min(KERNEL)
                    ..(w + pad_left).saturating_sub(ox * stride).min(KERNEL);
                let first = (ox * stride + columns.start).saturating_sub(pad_left);
                group.edge::<R>(s, &rows.from(first), columns, to(ox), below);
            }
            let mut ox = inner;
            while ox + PIXELS <= end {
                group.outputs::<R, PIXELS>(s, &rows.from(ox * stride - pad_left), to(ox), below);
                ox += PIXELS;
            }
            while ox < end {
                group.outputs::<R, 1>(s, &rows.from(ox * stride - pad_left), to(ox), below);
                ox += 1;
            }
        }
    }
}

/// The input rows that a few output rows see.
struct Rows {
    /// Column 0 of each.
    first: [*const f32; MAX_ROWS],
    /// Floats from one column to the next: none where a row is outside the image.
    step: [usize; MAX_ROWS],
}

impl Rows {
    /// Where the rows have `column`.
    #[inline(always)]
    fn from(&self, column: usize) -> [*const f32; MAX_ROWS] {
        std::array::from_fn(|i| self.first[i].wrapping_add(column * self.step[i]))
    }
}

/// What the outputs of a block share.
struct Group<S: Simd> {
    block: ChannelBlock,
    stride: usize,
    /// `[vectors, 9, LANES]`
    taps: *const f32,
    /// The block's.
    bias: *const f32,
    act: Act<S>,
    /// Floats from one pixel to the next of the input, and of the output.
    pitches: [usize; 2],
}

impl<S: Simd> Group<S> {
    /// `R` by `P` outputs, whose first sees `rows`; `y` is the first, and output rows are `row` floats apart.
    ///
    /// # Safety
    /// The rows must have the columns that the outputs see, `y` be valid for writing.
    #[inline(always)]
    unsafe fn outputs<const R: usize, const P: usize>(
        &self,
        s: S,
        rows: &[*const f32; MAX_ROWS],
        y: *mut f32,
        row: usize,
    ) {
        let whole = self.block.len / S::LANES;
        // SAFETY: as the caller promises.
        unsafe {
            for v in 0..whole {
                self.vector::<R, P>(s, rows, v, S::LANES, y, row);
            }
            if !self.block.len.is_multiple_of(S::LANES) {
                self.vector::<R, P>(s, rows, whole, self.block.len - whole * S::LANES, y, row);
            }
        }
    }

    /// The `n` channels of vector `v` of [`Group::outputs`].
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn vector<const R: usize, const P: usize>(
        &self,
        s: S,
        rows: &[*const f32; MAX_ROWS],
        v: usize,
        n: usize,
        y: *mut f32,
        row: usize,
    ) {
        let Self { stride, pitches: [pitch, out_pitch], act, .. } = *self;
        let c = v * S::LANES;
        // SAFETY: as the caller promises; the block has the vector's weights and bias.
        unsafe {
            let taps = self.taps.add(c * TAPS);
            let mut z = [[s.load_up_to(self.bias.add(c), n); P]; R];
            for i in 0..seen(R, stride) {
                let mut x = [s.splat(0.0); MAX_COLUMNS];
                for (j, x) in x.iter_mut().enumerate().take(seen(P, stride)) {
                    *x = s.load_up_to(rows[i].add(j * pitch + c), n);
                }
                for (r, z) in z.iter_mut().enumerate() {
                    let Some(ky) = i.checked_sub(r * stride).filter(|&ky| ky < KERNEL) else { continue };
                    for kx in 0..KERNEL {
                        let w = s.load(taps.add((ky * KERNEL + kx) * S::LANES));
                        for p in 0..P {
                            z[p] = s.mul_add(x[p * stride + kx], w, z[p]);
                        }
                    }
                }
            }
            for r in 0..R {
                act.apply_all(s, &mut z[r]);
                for p in 0..P {
                    s.store_up_to(y.add(r * row + p * out_pitch + c), z[r][p], n);
                }
            }
        }
    }

    /// One output of each of `R` rows that sees only the kernel's columns `columns`, the first of which is at `rows`.
    ///
    /// # Safety
    /// The rows must have these columns, `y` be valid for writing.
    #[inline(always)]
    unsafe fn edge<const R: usize>(
        &self,
        s: S,
        rows: &[*const f32; MAX_ROWS],
        columns: Range<usize>,
        y: *mut f32,
        row: usize,
    ) {
        let Self { stride, pitches: [pitch, _], act, .. } = *self;
        for v in 0..self.block.vectors(s) {
            let (c, n) = (v * S::LANES, self.block.len - v * S::LANES);
            // SAFETY: as the caller promises; the block has the vector's weights and bias.
            unsafe {
                let taps = self.taps.add(c * TAPS);
                let mut z = [s.load_up_to(self.bias.add(c), n); R];
                for (j, kx) in columns.clone().enumerate() {
                    for i in 0..seen(R, stride) {
                        let x = s.load_up_to(rows[i].add(j * pitch + c), n);
                        for (r, z) in z.iter_mut().enumerate() {
                            let Some(ky) = i.checked_sub(r * stride).filter(|&ky| ky < KERNEL) else {
                                continue;
                            };
                            *z = s.mul_add(x, s.load(taps.add((ky * KERNEL + kx) * S::LANES)), *z);
                        }
                    }
                }
                for (r, z) in z.into_iter().enumerate() {
                    s.store_up_to(y.add(r * row + c), act.apply(s, z), n);
                }
            }
        }
    }
}
