//! Depthwise convolution, backward: the gradients of its input and of its weights in one pass over the rows.
//!
//! Two rings run down the image, one of inputs and one of output gradients, so that every tensor is read from memory
//! once. At output row `oy` both are where its weight gradient needs them, and the input rows `oy * stride ..
//! (oy + 1) * stride` follow: each is the correlation of gradient rows with the flipped kernel. At stride `s` the input
//! columns fall into `s` phases, and a phase sees every `s`-th tap: within it, all is as at stride 1.
//!
//! The weight gradient of a tile is that of the output rows that begin in it, so tiles add up to the whole.

use crate::depthwise::{MAX_KERNEL, check_shape, pad_channels, split_rows};
use crate::rows::{Act, Block, Ring, RingShape, add_up_to, check_grad, check_read};
use crate::scratch;
use crate::simd::{Kernel, Level, Simd};
use crate::view::{ConvShape, Grad, Read};
use std::ops::Range;

/// Input columns of one phase that are worked out together.
const PIXELS: usize = 4;

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
    dx: Option<&mut [f32]>,
    dw: &mut [f32],
    sums: &mut [f32],
) {
    check_shape(shape, weights);
    let &ConvShape { h, w, inputs: channels, kernel, stride, pad_left, out_h, out_w, .. } = shape;
    check_read(&x, channels, shape.input_len());
    check_grad(&g, channels, shape.output_len());
    assert!(rows.start <= rows.end && rows.end <= h, "rows {rows:?} of {h}");
    assert!(dx.as_ref().is_none_or(|dx| dx.len() == rows.len() * w * channels), "dx: [rows, w, c]");
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
    let pitch = channels.next_multiple_of(level.lanes());
    let lens = [inputs.len(pitch), gradients.len(pitch), kernel * kernel * pitch];
    scratch::with(lens, |[x_memory, g_memory, padded]| {
        let weights = pad_channels(weights, channels, pitch, padded);
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
            pitch,
            x_memory,
            g_memory,
        });
    });
}

struct Backward<'a> {
    shape: &'a ConvShape,
    x: Read<'a>,
    g: Grad<'a>,
    weights: &'a [f32],
    rows: Range<usize>,
    dx: Option<&'a mut [f32]>,
    dw: &'a mut [f32],
    sums: &'a mut [f32],
    inputs: RingShape,
    gradients: RingShape,
    pitch: usize,
    x_memory: &'a mut [f32],
    g_memory: &'a mut [f32],
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
    /// All rows of the tile.
    #[inline(always)]
    fn tile<S: Simd>(mut self, s: S, kernel: usize, stride: usize) {
        let &ConvShape { h, w, inputs: channels, pad_top, out_h, .. } = self.shape;
        let block = Block { channels, start: 0, len: channels, pitch: self.pitch };
        let Range { start, end } = self.rows;
        // The output rows whose weight gradient is this tile's.
        let own = start.div_ceil(stride)..if end == h { out_h } else { end.div_ceil(stride) };
        let dx = self.dx.as_mut().map(|dx| dx.as_mut_ptr());
        let mask = match self.x {
            Read::Plain(_) => None,
            Read::Norm(d) => Some(Mask {
                z: d.z.as_ptr(),
                scale: d.scale.as_ptr(),
                shift: d.shift.as_ptr(),
                center: d.center.as_ptr(),
                act: Act::new(s, d.act),
                sums: self.sums.as_mut_ptr(),
            }),
        };
        // SAFETY: the lengths were checked: x, g and dx cover their images, the memory the rings, and the weights and
        // channel vectors all channels. A step looks at no more than the last `slots` rows of either ring.
        unsafe {
            let mut inputs = Ring::new(self.inputs, block, self.x_memory.as_mut_ptr(), 0);
            let mut gradients = Ring::new(self.gradients, block, self.g_memory.as_mut_ptr(), 0);
            for step in start / stride..end.div_ceil(stride).max(own.end) {
                // What the input rows of this step see of the output: `first` up to `last`, `step` among them.
                let top = step * stride;
                let first = (top + pad_top + 1).saturating_sub(kernel).div_ceil(stride);
                let last = (top + stride - 1 + pad_top) / stride;
                gradients.read(s, &self.g, block, first, last + 1);
                if own.contains(&step) {
                    inputs.read(
                        s,
                        &self.x,
                        block,
                        top.saturating_sub(pad_top),
                        (top + kernel).saturating_sub(pad_top),
                    );
                    let mut rows = [inputs.row(-1); MAX_KERNEL];
                    for ky in 0..kernel {
                        rows[ky] = inputs.row((top + ky) as isize - pad_top as isize);
                    }
                    let gradient = gradients.row(step as isize);
                    self.weight_gradient(s, block, kernel, stride, &rows, gradient);
                }
                let Some(dx) = dx else { continue };
                for iy in start.max(top)..end.min(top + stride) {
                    let ky = (iy + pad_top) % stride;
                    let mut rows = [gradients.row(-1); MAX_KERNEL];
                    for (i, _) in (ky..kernel).step_by(stride).enumerate() {
                        rows[i] = gradients.row(((iy + pad_top) / stride) as isize - i as isize);
                    }
                    let row = InputRow { rows, ky, z: iy * w, dx: dx.add((iy - start) * w * channels) };
                    self.input_row(s, block, kernel, stride, &row, mask.as_ref());
                }
            }
        }
    }

    /// Adds one output row's share to the weight gradient.
    ///
    /// # Safety
    /// `rows` and `gradient` must be ring rows.
    #[inline(always)]
    unsafe fn weight_gradient<S: Simd>(
        &mut self,
        s: S,
        block: Block,
        kernel: usize,
        stride: usize,
        rows: &[*const f32; MAX_KERNEL],
        gradient: *const f32,
    ) {
        let taps = kernel * kernel;
        let dw = self.dw.as_mut_ptr();
        let mut c = 0;
        while c < block.len {
            let mut tap = 0;
            while tap < taps {
                // SAFETY: ring rows hold columns ox * stride + kx and left + ox; tap + t < kernel^2 where stored.
                unsafe {
                    let mut columns = [rows[0]; TAPS];
                    for t in 0..TAPS.min(taps - tap) {
                        columns[t] = rows[(tap + t) / kernel].add((tap + t) % kernel * block.pitch + c);
                    }
                    let mut sums = [s.splat(0.0); TAPS];
                    let gradient = gradient.add(self.gradients.left * block.pitch + c);
                    for ox in 0..self.shape.out_w {
                        let g = s.load(gradient.add(ox * block.pitch));
                        for t in 0..TAPS {
                            sums[t] =
                                s.mul_add(s.load(columns[t].add(ox * stride * block.pitch)), g, sums[t]);
                        }
                    }
                    for t in 0..TAPS.min(taps - tap) {
                        add_up_to(s, dw.add((tap + t) * block.channels + c), sums[t], block.len - c);
                    }
                }
                tap += TAPS;
            }
            c += S::LANES;
        }
    }

    /// The gradient of one input row.
    ///
    /// # Safety
    /// `row` must have the ring rows that the input row sees, and its place in `dx`.
    #[inline(always)]
    unsafe fn input_row<S: Simd>(
        &self,
        s: S,
        block: Block,
        kernel: usize,
        stride: usize,
        row: &InputRow,
        mask: Option<&Mask<S>>,
    ) {
        let w = self.shape.w;
        let mut column = 0;
        // SAFETY: columns up to w, as the caller promises.
        unsafe {
            while column + PIXELS * stride <= w {
                for phase in 0..stride {
                    self.inputs::<S, PIXELS>(s, block, kernel, stride, row, mask, column + phase);
                }
                column += PIXELS * stride;
            }
            while column < w {
                self.inputs::<S, 1>(s, block, kernel, stride, row, mask, column);
                column += 1;
            }
        }
    }

    /// The gradient of `P` inputs of one phase, from column `ix` on.
    ///
    /// # Safety
    /// As [`Self::input_row`], and the row must have the columns.
    #[inline(always)]
    unsafe fn inputs<S: Simd, const P: usize>(
        &self,
        s: S,
        block: Block,
        kernel: usize,
        stride: usize,
        row: &InputRow,
        mask: Option<&Mask<S>>,
        ix: usize,
    ) {
        let pitch = block.pitch;
        let weights = self.weights.as_ptr();
        // Tap kx0 sees gradient column `last`, the next tap of the phase the column before, ...
        let kx0 = (ix + self.shape.pad_left) % stride;
        let last = self.gradients.left + (ix + self.shape.pad_left) / stride;
        let mut c = 0;
        while c < block.len {
            // SAFETY: last + P - 1 < ring columns, and column `last` of the first pixel minus the taps of a phase is
            // at least 0 by the choice of `left`.
            unsafe {
                let mut dx = [s.splat(0.0); P];
                let (mut i, mut ky) = (0, row.ky);
                while ky < kernel {
                    let (mut column, mut kx) = (row.rows[i].add(last * pitch + c), kx0);
                    while kx < kernel {
                        let w = s.load(weights.add((ky * kernel + kx) * pitch + c));
                        for p in 0..P {
                            dx[p] = s.mul_add(s.load(column.add(p * pitch)), w, dx[p]);
                        }
                        column = column.wrapping_sub(pitch);
                        kx += stride;
                    }
                    i += 1;
                    ky += stride;
                }
                if let Some(mask) = mask {
                    mask.apply(s, block, row.z + ix, stride, c, &mut dx);
                }
                for p in 0..P {
                    let at = (ix + p * stride) * block.channels + c;
                    s.store_up_to(row.dx.add(at), dx[p], block.len - c);
                }
            }
            c += S::LANES;
        }
    }
}

/// One input row whose gradient is worked out.
struct InputRow {
    /// The gradient rows that it sees: the first through tap row `ky`, the next through `ky + stride`, ...
    rows: [*const f32; MAX_KERNEL],
    ky: usize,
    /// Its first pixel in the image.
    z: usize,
    /// Where its gradient goes.
    dx: *mut f32,
}

/// A deferred input, as its gradient needs it: see [`crate::scalar::finish_input_gradient`].
struct Mask<S: Simd> {
    z: *const f32,
    scale: *const f32,
    shift: *const f32,
    center: *const f32,
    act: Act<S>,
    sums: *mut f32,
}

impl<S: Simd> Mask<S> {
    /// Masks the gradient of channels `c..` of the `P` pixels `pixel`, `pixel + step`, ..., and sums it.
    ///
    /// # Safety
    /// The image must have the pixels and the channels.
    #[inline(always)]
    unsafe fn apply<const P: usize>(
        &self,
        s: S,
        block: Block,
        pixel: usize,
        step: usize,
        c: usize,
        dx: &mut [S::V; P],
    ) {
        let n = block.len - c;
        // SAFETY: as the caller promises.
        unsafe {
            let (scale, shift) = (s.load_up_to(self.scale.add(c), n), s.load_up_to(self.shift.add(c), n));
            let center = s.load_up_to(self.center.add(c), n);
            let (mut sum, mut moment) = (s.splat(0.0), s.splat(0.0));
            for p in 0..P {
                let z = s.load_up_to(self.z.add((pixel + p * step) * block.channels + c), n);
                dx[p] = self.act.mask(s, dx[p], s.mul_add(scale, z, shift));
                sum = s.add(sum, dx[p]);
                moment = s.mul_add(dx[p], s.sub(z, center), moment);
            }
            add_up_to(s, self.sums.add(c), sum, n);
            add_up_to(s, self.sums.add(block.channels + c), moment, n);
        }
    }
}
