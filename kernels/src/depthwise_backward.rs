//! Depthwise convolution, backward: the gradients of its input and of its weights in one pass over the rows.
//!
//! Two rings run down the image, one of inputs and one of output gradients, so that every tensor is read from memory
//! once. At output row `oy` both are where its weight gradient needs them, and the input rows `oy * stride ..
//! (oy + 1) * stride` follow: each is the correlation of gradient rows with the flipped kernel. At stride `s` the input
//! columns fall into `s` phases, and a phase sees every `s`-th tap: within it, all is as at stride 1.
//!
//! The weight gradient of a tile is that of the output rows that begin in it, so tiles add up to the whole.

use crate::block::ChannelBlock;
use crate::cache::{CACHE_LINE, Caches};
use crate::depthwise::{MAX_KERNEL, check_shape, split_rows};
use crate::depthwise_epilogue::Target;
use crate::depthwise_input_gradient::{Ahead, InputRow, Mask};
use crate::depthwise_weight_gradient::WeightRow;
use crate::level::Level;
use crate::output::Output;
use crate::ring::{Ring, RingShape};
use crate::rows::{check_grad, check_read};
use crate::scratch;
use crate::simd::{Kernel, Simd};
use crate::sink::{ROWS_STREAM, Sink};
use crate::view::{ConvShape, Grad, Read, Write};
use std::ops::Range;

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
    let lens = [inputs.len(width), gradients.len(width), taps, taps, 2 * width, w * CACHE_LINE];
    let mut sink = dx.map(|dx| Sink::new(dx, channels, ROWS_STREAM));
    let dx = sink.as_mut().map(Output::of);
    scratch::with(lens, |memory| {
        let [x_memory, g_memory, taps, dw_taps, sums_so_far, lines] = memory.map(<[f32]>::as_mut_ptr);
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
            sums_so_far,
            lines,
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
    /// `[vectors, 2, LANES]`: the block's sums over the rows so far.
    sums_so_far: *mut f32,
    /// See [`Target`].
    lines: *mut f32,
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let ConvShape { h, inputs: channels, kernel, stride, pad_top, out_h, .. } = *self.shape;
        let Range { start, end } = self.rows;
        // The output rows whose weight gradient is this tile's.
        let own = start.div_ceil(stride)..if end == h { out_h } else { end.div_ceil(stride) };
        let dx = self.dx.map(|dx| Target::new(s, dx, channels, self.lines));
        for block in ChannelBlock::split(s, channels, self.width) {
            // SAFETY: the lengths were checked: x, g and dx cover their images, weights and channel vectors all
            // channels; the scratch was cut for blocks of `width`. A step looks at no more than the last `slots` rows
            // of either ring.
            unsafe {
                block.gather(s, kernel * kernel, self.weights.as_ptr(), self.taps);
                block.clear(s, kernel * kernel, self.dw_taps);
                block.clear(s, 2, self.sums_so_far);
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
                        s.apart(self.weight_row(s, block, kernel, stride, step, &inputs, &gradients));
                    }
                    let Some(dx) = &dx else { continue };
                    for iy in start.max(top)..end.min(top + stride) {
                        s.apart(self.input_row(block, kernel, stride, iy, &inputs, &gradients, dx));
                    }
                }
                block.scatter(s, kernel * kernel, self.dw_taps, self.dw.as_mut_ptr());
                if matches!(self.x, Read::Norm(_)) {
                    block.scatter(s, 2, self.sums_so_far, self.sums.as_mut_ptr());
                }
            }
        }
    }
}

impl Backward<'_> {
    /// Output row `oy` for the block's weight gradient.
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
    ) -> WeightRow {
        let &ConvShape { pad_top, out_w, .. } = self.shape;
        // SAFETY: as the caller promises.
        unsafe {
            let mut rows = [inputs.row(-1); MAX_KERNEL];
            for (ky, row) in rows.iter_mut().enumerate().take(kernel) {
                *row = inputs.row((oy * stride + ky) as isize - pad_top as isize);
            }
            WeightRow {
                rows,
                plane: inputs.plane(),
                gradient: gradients.row(oy as isize).add(self.gradients.left * S::LANES),
                gradient_plane: gradients.plane(),
                kernel,
                stride,
                out_w,
                vectors: block.vectors(s),
                dw: self.dw_taps,
            }
        }
    }

    /// Input row `iy`, whose gradient goes to `dx`.
    ///
    /// # Safety
    /// The rings must have the rows, `dx` the tile.
    #[inline(always)]
    unsafe fn input_row<'s>(
        &'s self,
        block: ChannelBlock,
        kernel: usize,
        stride: usize,
        iy: usize,
        inputs: &Ring,
        gradients: &Ring,
        dx: &'s Target<'s>,
    ) -> InputRow<'s> {
        let &ConvShape { w, pad_top, pad_left, out_w, .. } = self.shape;
        let below = (iy + pad_top) / stride;
        let mut rows = [std::ptr::null(); MAX_KERNEL];
        for (i, row) in rows.iter_mut().enumerate().take((kernel - 1) / stride + 1) {
            // SAFETY: as the caller promises.
            *row = unsafe { gradients.row(below as isize - i as isize) };
        }
        let [input] = inputs.ahead(&self.x, block.start, iy % stride);
        let ahead = iy.is_multiple_of(stride).then(|| gradients.ahead(&self.g, block.start, 0));
        InputRow {
            block,
            rows,
            plane: gradients.plane(),
            left: self.gradients.left,
            taps: self.taps,
            kernel,
            stride,
            ky: (iy + pad_top) % stride,
            pad_left,
            w,
            pixel: iy * w,
            start: (iy - self.rows.start) * w * block.channels,
            dx,
            mask: match self.x {
                Read::Plain(_) => None,
                Read::Norm(x) => Some(Mask { x, sums: self.sums_so_far }),
            },
            ahead: Ahead { input, gradients: ahead, out_w },
        }
    }
}
