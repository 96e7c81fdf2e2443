//! Depthwise convolution, backward: the gradients of its input and of its weights in one pass over the rows.
//!
//! Two rings run down the image, one of inputs and one of output gradients, so that every tensor is read from memory
//! once. At output row `oy` both are where its weight gradient needs them, and the input rows `oy * stride ..
//! (oy + 1) * stride` follow: each is the correlation of gradient rows with the flipped kernel. At stride `s` the input
//! columns fall into `s` phases, and a phase sees every `s`-th tap: within it, all is as at stride 1.
//!
//! The weight gradient of a tile is that of the output rows that begin in it, so tiles add up to the whole.

use crate::block::{Act, ChannelBlock, PIXELS};
use crate::cache::Caches;
use crate::depthwise::{MAX_KERNEL, check_shape, split_rows};
use crate::level::Level;
use crate::output::Output;
use crate::ring::{Ring, RingShape};
use crate::rows::{check_grad, check_read};
use crate::scratch;
use crate::simd::{Kernel, Simd};
use crate::sink::{ROWS_STREAM, Sink};
use crate::view::{ConvShape, Deferred, Grad, Read, Write};
use std::ops::Range;

/// Taps whose sums stay in registers along a row: all of a 3x3 kernel.
const TAPS: usize = 9;

/// Input rows a tile for [`depthwise_backward`], by the rule of [`crate::depthwise::tile_rows`]; whole strides.
pub fn backward_tile_rows(shape: &ConvShape, images: usize) -> usize {
    split_rows(shape.h, images).next_multiple_of(shape.stride)
}

/// Backward of [`crate::depthwise::depthwise`] for input rows `rows` of one image: from `x: [h, w, c]`, the gradient
/// `g: [out_h, out_w, c]` and `weights: [kernel, kernel, c]`, writes `dx: [rows, w, c]` where wanted and adds to
/// `dw: [kernel, kernel, c]`.
///
/// Where `x` is deferred, `dx` is masked by the derivative of its activation and its sums are added to `sums: [2, c]`
/// (see [`crate::scalar::finish_input_gradient`]); otherwise `sums` is left alone.
///
/// # Panics
/// When a length does not fit the shape.
pub fn depthwise_backward(
    level: Level,
    shape: &ConvShape,
    x: Read,
    g: Grad,
    weights: &[f32],
    rows: Range<usize>,
    dx: Option<Write>,
    dw: &mut [f32],
    sums: &mut [f32],
) {
    check_shape(shape, weights);
    let &ConvShape { h, w, inputs: channels, kernel, stride, pad_left, out_h, out_w, .. } = shape;
    check_read(&x, channels, shape.input_len());
    check_grad(&g, channels, shape.output_len());
    assert!(rows.start <= rows.end && rows.end <= h, "rows {rows:?} of {h}");
    assert!(dx.as_ref().is_none_or(|dx| dx.to.len() == rows.len() * w * channels), "dx: [rows, w, c]");
    assert_eq!(dw.len(), weights.len(), "dw: [kernel, kernel, c]");
    assert!(matches!(x, Read::Plain(_)) || sums.len() == 2 * channels, "sums: [2, c]");
    let inputs = RingShape {
        slots: kernel,
        height: h,
        width: w,
        left: pad_left,
        columns: out_w.saturating_sub(1) * stride + kernel,
    };
    // The first input column sees outputs down to (pad_left - (kernel - 1)) / stride, the last one up to the second
    // term of `max`.
    let left = (kernel - 1 - pad_left).div_ceil(stride);
    let gradients = RingShape {
        slots: kernel + 1,
        height: out_h,
        width: out_w,
        left,
        columns: left + out_w.max((w + pad_left).div_ceil(stride)),
    };
    // Both rings stay in L2 beside what streams through; narrower blocks, for L1, would make runs too short for memory.
    let bytes = (inputs.len(1) + gradients.len(1)) * size_of::<f32>();
    let width = ChannelBlock::width(channels, bytes, Caches::current().l2 / 2);
    let taps = kernel * kernel * width;
    let lens = [inputs.len(width), gradients.len(width), taps, taps, 2 * width, 2 * width];
    let mut sink = dx.map(|dx| Sink::new(dx, channels, ROWS_STREAM));
    let dx = sink.as_mut().map(Output::of);
    scratch::with(lens, |memory| {
        let [x_memory, g_memory, taps, dw_taps, row_sums, total_sums] = memory.map(<[f32]>::as_mut_ptr);
        level.dispatch(Backward {
            shape,
            x,
            g,
            weights,
            rows,
            dx,
            dw,
            sums,
            inputs,
            gradients,
            width,
            x_memory,
            g_memory,
            taps,
            dw_taps,
            row_sums,
            total_sums,
        });
    });
}

struct Backward<'a> {
    shape: &'a ConvShape,
    x: Read<'a>,
    g: Grad<'a>,
    weights: &'a [f32],
    rows: Range<usize>,
    dx: Option<Output<'a>>,
    dw: &'a mut [f32],
    sums: &'a mut [f32],
    inputs: RingShape,
    gradients: RingShape,
    /// Channels of a block.
    width: usize,
    /// The rings'.
    x_memory: *mut f32,
    g_memory: *mut f32,
    /// `[vectors, kernel * kernel, LANES]`: the block's weights, and their gradient.
    taps: *mut f32,
    dw_taps: *mut f32,
    /// `[vectors, 2, LANES]`: the block's sums over a row, and over the rows before.
    row_sums: *mut f32,
    total_sums: *mut f32,
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match (self.shape.kernel, self.shape.stride) {
            (3, 1) => self.tile(s, 3, 1),
            (3, 2) => self.tile(s, 3, 2),
            (kernel, stride) => self.tile(s, kernel, stride),
        }
    }
}

impl Backward<'_> {
    /// All rows of the tile, block after block.
    #[inline(always)]
    fn tile<S: Simd>(self, s: S, kernel: usize, stride: usize) {
        let &ConvShape { h, inputs: channels, pad_top, out_h, .. } = self.shape;
        let Range { start, end } = self.rows;
        // The output rows whose weight gradient is this tile's.
        let own = start.div_ceil(stride)..if end == h { out_h } else { end.div_ceil(stride) };
        let dx = self.dx;
        let mask = match self.x {
            Read::Plain(_) => None,
            Read::Norm(x) => Some(Mask { x, act: Act::new(s, x.act), sums: self.row_sums }),
        };
        for block in ChannelBlock::split(s, channels, self.width) {
            // SAFETY: the lengths were checked: x, g and dx cover their images, weights and channel vectors all
            // channels; the scratch was cut for blocks of `width`. A step looks at no more than the last `slots` rows
            // of either ring.
            unsafe {
                block.gather(s, kernel * kernel, self.weights.as_ptr(), self.taps);
                block.clear(s, kernel * kernel, self.dw_taps);
                block.clear(s, 2, self.row_sums);
                block.clear(s, 2, self.total_sums);
                let mut inputs = Ring::new(s, self.inputs, block, self.x_memory);
                let mut gradients = Ring::new(s, self.gradients, block, self.g_memory);
                for step in start / stride..end.div_ceil(stride).max(own.end) {
                    // What the input rows of this step see of the output: `first` up to `last`, `step` among them.
                    let top = step * stride;
                    let first = (top + pad_top + 1).saturating_sub(kernel).div_ceil(stride);
                    let last = (top + stride - 1 + pad_top) / stride;
                    gradients.read(s, &self.g, first, last + 1, 1);
                    if own.contains(&step) {
                        let bottom = top + kernel;
                        inputs.read(
                            s,
                            &self.x,
                            top.saturating_sub(pad_top),
                            bottom.saturating_sub(pad_top),
                            stride,
                        );
                        self.weight_row(s, block, kernel, stride, step, &inputs, &gradients);
                    }
                    let Some(dx) = dx else { continue };
                    for iy in start.max(top)..end.min(top + stride) {
                        self.input_row(s, block, kernel, stride, iy, &inputs, &gradients, mask.as_ref(), dx);
                    }
                }
                block.scatter(s, kernel * kernel, self.dw_taps, self.dw.as_mut_ptr());
                if mask.is_some() {
                    block.scatter(s, 2, self.total_sums, self.sums.as_mut_ptr());
                }
            }
        }
    }

    /// Adds the share of output row `oy` to the block's weight gradient.
    ///
    /// # Safety
    /// The rings must have the rows.
    #[inline(always)]
    unsafe fn weight_row<S: Simd>(
        &self,
        s: S,
        block: ChannelBlock,
        kernel: usize,
        stride: usize,
        oy: usize,
        inputs: &Ring,
        gradients: &Ring,
    ) {
        let &ConvShape { pad_top, out_w, .. } = self.shape;
        // SAFETY: as the caller promises.
        unsafe {
            let mut rows = [inputs.row(-1); MAX_KERNEL];
            for (ky, row) in rows.iter_mut().enumerate().take(kernel) {
                *row = inputs.row((oy * stride + ky) as isize - pad_top as isize);
            }
            let gradient = gradients.row(oy as isize).add(self.gradients.left * S::LANES);
            for v in 0..block.vectors(s) {
                let rows = rows.map(|row| row.wrapping_add(v * inputs.plane()));
                let gradient = gradient.add(v * gradients.plane());
                let dw = self.dw_taps.add(v * kernel * kernel * S::LANES);
                add_weight_gradient(s, kernel, stride, out_w, &rows, gradient, dw);
            }
        }
    }

    /// Writes the gradient of input row `iy`, while memory fetches a row that a later step will read.
    ///
    /// # Safety
    /// The rings must have the rows, `dx` the tile.
    #[inline(always)]
    unsafe fn input_row<S: Simd>(
        &self,
        s: S,
        block: ChannelBlock,
        kernel: usize,
        stride: usize,
        iy: usize,
        inputs: &Ring,
        gradients: &Ring,
        mask: Option<&Mask<S>>,
        dx: Output<'_>,
    ) {
        let &ConvShape { w, pad_top, pad_left, .. } = self.shape;
        // SAFETY: columns up to w, as the caller promises.
        unsafe {
            let below = (iy + pad_top) / stride;
            let mut rows = [gradients.row(-1); MAX_KERNEL];
            for (i, row) in rows.iter_mut().enumerate().take((kernel - 1) / stride + 1) {
                *row = gradients.row(below as isize - i as isize);
            }
            let row = InputRow {
                rows,
                plane: gradients.plane(),
                left: self.gradients.left,
                taps: self.taps,
                kernel,
                stride,
                ky: (iy + pad_top) % stride,
                pad_left,
                pixel: iy * w,
                tile_pixel: (iy - self.rows.start) * w,
                dx,
            };
            let mut column = 0;
            while column + PIXELS * stride <= w {
                inputs.prefetch(s, &self.x, iy % stride, column, PIXELS * stride);
                if iy.is_multiple_of(stride) {
                    gradients.prefetch(s, &self.g, 0, column / stride, PIXELS);
                }
                for phase in 0..stride {
                    row.inputs::<S, PIXELS>(s, block, column + phase, mask);
                }
                column += PIXELS * stride;
            }
            if column + 2 * stride <= w {
                for phase in 0..stride {
                    row.inputs::<S, 2>(s, block, column + phase, mask);
                }
                column += 2 * stride;
            }
            while column < w {
                row.inputs::<S, 1>(s, block, column, mask);
                column += 1;
            }
            block.carry(s, 2, self.row_sums, self.total_sums);
        }
    }
}

/// Adds one output row's share to the weight gradient `dw: [kernel, kernel, LANES]` of one vector of channels. The sums
/// of a row stay in registers, which also keeps them short: many small sums lose less than one long one.
///
/// # Safety
/// `rows: [columns, LANES]` must have the columns that the row's `out_w` outputs see, `gradient: [out_w, LANES]` those.
#[inline(always)]
unsafe fn add_weight_gradient<S: Simd>(
    s: S,
    kernel: usize,
    stride: usize,
    out_w: usize,
    rows: &[*const f32; MAX_KERNEL],
    gradient: *const f32,
    dw: *mut f32,
) {
    let taps = kernel * kernel;
    let mut tap = 0;
    while tap < taps {
        let count = TAPS.min(taps - tap);
        // SAFETY: column ox * stride + kx is in the rows; tap + t < kernel^2 where stored.
        unsafe {
            let mut columns = [rows[0]; TAPS];
            for (t, column) in columns.iter_mut().enumerate().take(count) {
                *column = rows[(tap + t) / kernel].add((tap + t) % kernel * S::LANES);
            }
            let mut sums = [s.splat(0.0); TAPS];
            for ox in 0..out_w {
                let g = s.load(gradient.add(ox * S::LANES));
                for t in 0..TAPS {
                    sums[t] = s.mul_add(s.load(columns[t].add(ox * stride * S::LANES)), g, sums[t]);
                }
            }
            for t in 0..count {
                let dw = dw.add((tap + t) * S::LANES);
                s.store(dw, s.add(s.load(dw), sums[t]));
            }
        }
        tap += TAPS;
    }
}

/// One input row whose gradient is worked out.
struct InputRow<'a> {
    /// The gradient rows that it sees, `[vectors, columns, LANES]` each: the first through tap row `ky`, the next through
    /// `ky + stride`, ...
    rows: [*const f32; MAX_KERNEL],
    /// Floats from one vector of a gradient row to the next.
    plane: usize,
    /// Zero columns left of the gradient.
    left: usize,
    /// `[vectors, kernel, kernel, LANES]`
    taps: *const f32,
    kernel: usize,
    stride: usize,
    ky: usize,
    pad_left: usize,
    /// Its first pixel in the image, and in the tile.
    pixel: usize,
    tile_pixel: usize,
    /// The tile's gradient.
    dx: Output<'a>,
}

impl InputRow<'_> {
    /// `P` inputs of one phase, from column `ix` on.
    ///
    /// # Safety
    /// The row must have the columns, `mask` the image.
    #[inline(always)]
    unsafe fn inputs<S: Simd, const P: usize>(
        &self,
        s: S,
        block: ChannelBlock,
        ix: usize,
        mask: Option<&Mask<S>>,
    ) {
        let Self { kernel, stride, .. } = *self;
        // Tap kx sees gradient column `column`, the next tap of the phase the column before, ...
        let (kx, column) = ((ix + self.pad_left) % stride, (ix + self.pad_left) / stride + self.left);
        for v in 0..block.vectors(s) {
            let (c, n) = block.vector(s, v);
            // SAFETY: column + P - 1 is in the gradient rows, and so is `column` minus the taps of a phase, by the
            // choice of `left`.
            unsafe {
                let taps = self.taps.add(v * kernel * kernel * S::LANES);
                let mut dx = [s.splat(0.0); P];
                for (i, ky) in (self.ky..kernel).step_by(stride).enumerate() {
                    let row = self.rows[i].add(v * self.plane + column * S::LANES);
                    for (j, kx) in (kx..kernel).step_by(stride).enumerate() {
                        let w = s.load(taps.add((ky * kernel + kx) * S::LANES));
                        for p in 0..P {
                            dx[p] = s.mul_add(s.load(row.add(p * S::LANES).sub(j * S::LANES)), w, dx[p]);
                        }
                    }
                }
                if let Some(mask) = mask {
                    mask.apply(s, block, v, self.pixel + ix, stride, &mut dx);
                }
                for p in 0..P {
                    let pixel = self.tile_pixel + ix + p * stride;
                    self.dx.put(s, pixel * block.channels + c, dx[p], n);
                }
            }
        }
    }
}

/// A deferred input, as its gradient needs it: see [`crate::scalar::finish_input_gradient`].
struct Mask<'a, S: Simd> {
    x: Deferred<'a>,
    act: Act<S>,
    /// `[vectors, 2, LANES]`: the sums of a row.
    sums: *mut f32,
}

impl<S: Simd> Mask<'_, S> {
    /// Masks the gradient of vector `v` of the block, of the `P` pixels `pixel`, `pixel + step`, ..., and sums it.
    ///
    /// # Safety
    /// The image must have the pixels and the channels.
    #[inline(always)]
    unsafe fn apply<const P: usize>(
        &self,
        s: S,
        block: ChannelBlock,
        v: usize,
        pixel: usize,
        step: usize,
        dx: &mut [S::V; P],
    ) {
        let (c, n) = block.vector(s, v);
        // SAFETY: as the caller promises; there are two sums for each of the block's vectors.
        unsafe {
            let scale = s.load_up_to(self.x.scale.as_ptr().add(c), n);
            let shift = s.load_up_to(self.x.shift.as_ptr().add(c), n);
            let center = s.load_up_to(self.x.center.as_ptr().add(c), n);
            let sums = self.sums.add(v * 2 * S::LANES);
            let (mut sum, mut moment) = (s.load(sums), s.load(sums.add(S::LANES)));
            for p in 0..P {
                let z = s.load_up_to(self.x.z.as_ptr().add((pixel + p * step) * block.channels + c), n);
                dx[p] = self.act.mask(s, dx[p], s.mul_add(scale, z, shift));
                sum = s.add(sum, dx[p]);
                moment = s.mul_add(dx[p], s.sub(z, center), moment);
            }
            s.store(sums, sum);
            s.store(sums.add(S::LANES), moment);
        }
    }
}
