//! Backward of the general convolution, from the same padded rows that forward reads.
//!
//! The gradient of the weights is one product a row of the window. The gradient of the input, which a network's first
//! layer never needs, is the product with the transposed weights, scattered to where the windows overlap.

use crate::conv::{PaddedRows, band_rows, check};
use crate::elementwise;
use crate::epilogue::TileEpilogue;
use crate::gemm::{self, Gemm, Left};
use crate::level::Level;
use crate::output::Output;
use crate::pack::Packed;
use crate::rows::check_grad;
use crate::scratch;
use crate::stage::{Staged, spacing};
use crate::view::{ConvShape, Grad, Read};
use std::ops::Range;

/// Backward of output rows `rows` of one image: `x: [h, w, inputs]`, `g: [rows, out_w, outputs]`.
///
/// Adds to `dw: [kernel, kernel, inputs, outputs]`. If `dx` is asked for, `rows` must be the whole image and
/// `transposed_weights` pack the weights transposed; it is written as [`crate::scalar::finish_input_gradient`] says,
/// and its sums added to `sums: [2, inputs]` where `x` is deferred.
pub fn conv_backward(
    level: Level,
    shape: &ConvShape,
    x: Read,
    g: Grad,
    transposed_weights: Option<&Packed>,
    rows: Range<usize>,
    dx: Option<&mut [f32]>,
    dw: &mut [f32],
    sums: &mut [f32],
) {
    check(shape, &x, &rows);
    let n = shape.outputs;
    let taps = shape.kernel * shape.inputs;
    let pixels = rows.len() * shape.out_w;
    check_grad(&g, n, pixels * n);
    assert_eq!(dw.len(), shape.kernel * taps * n, "dw does not fit {shape:?}");
    let weights = dx.as_ref().map(|dx| {
        assert_eq!(rows.len(), shape.out_h, "dx is made of a whole image only");
        assert_eq!(dx.len(), shape.input_len(), "dx: expected one image of {shape:?}");
        let weights = transposed_weights.expect("dx needs the transposed weights");
        let found = (weights.level(), weights.k(), weights.n());
        assert_eq!(found, (level, n, shape.kernel * taps), "transposed weights do not fit {shape:?}");
        weights
    });
    let band = band_rows(shape, rows.len());
    let (staged, g_spacing) = (Staged::pixels(n), spacing(n));
    let whole = PaddedRows::new(shape, rows.len());
    let padded_len = if dx.is_some() { whole.len() } else { 0 };
    let lens = [PaddedRows::new(shape, band).len(), band * shape.out_w * g_spacing, padded_len];
    scratch::with(lens, |[input, gradient, padded]| {
        padded.fill(0.0);
        for first in (0..rows.len()).step_by(band) {
            let count = band.min(rows.len() - first);
            let window = PaddedRows::new(shape, count);
            window.fill(level, shape, x, rows.start + first, input);
            // SAFETY: pixels of n channels among `pixels`, as checked above.
            unsafe { staged.write(level, &g, first * shape.out_w, count * shape.out_w, gradient) };
            for (ky, dw) in dw.chunks_exact_mut(taps * n).enumerate() {
                let product = Gemm {
                    m: taps,
                    n,
                    left: Left {
                        segment: shape.stride * window.row,
                        segments: count,
                        ..Left::new(
                            input[ky * window.row..].as_ptr(),
                            1,
                            shape.stride * shape.inputs,
                            shape.out_w,
                        )
                    },
                    right: staged.right(gradient, gemm::columns(level)),
                    out: Output::plain(dw),
                    accumulate: true,
                    epilogue: TileEpilogue::Store,
                };
                // SAFETY: the window covers every tap of every output of its rows; the gradient's pixels lie whole
                // vectors apart; dw was checked above.
                unsafe { gemm::gemm(level, product) }
            }
            if let Some(weights) = weights {
                let gradient = &gradient[..count * shape.out_w * g_spacing];
                scatter(shape, gradient, weights, &mut padded[first * shape.stride * whole.row..], whole.row);
            }
        }
        let Some(dx) = dx else { return };
        crop(shape, whole, padded, dx);
        if let Read::Norm(deferred) = x {
            elementwise::mask(level, deferred, dx, sums);
        }
    });
}

/// Adds every output's window of `gradient * weights` to padded image rows of `row` floats.
fn scatter(shape: &ConvShape, gradient: &[f32], weights: &Packed, padded: &mut [f32], row: usize) {
    let taps = shape.kernel * shape.inputs;
    let g_spacing = spacing(shape.outputs);
    scratch::with([shape.out_w * weights.n()], |[windows]| {
        for (oy, gradient) in gradient.chunks_exact(shape.out_w * g_spacing).enumerate() {
            let product = Gemm {
                m: shape.out_w,
                n: weights.n(),
                left: Left::new(gradient.as_ptr(), g_spacing, 1, shape.outputs),
                right: weights.right(),
                out: Output::plain(windows),
                accumulate: false,
                epilogue: TileEpilogue::Store,
            };
            // SAFETY: a row of pixels `g_spacing` apart, whole panels, and a row of windows.
            unsafe { gemm::gemm(weights.level(), product) }
            for (i, from) in windows.chunks_exact(taps).enumerate() {
                let (ox, ky) = (i / shape.kernel, i % shape.kernel);
                let at = (oy * shape.stride + ky) * row + ox * shape.stride * shape.inputs;
                for (to, from) in padded[at..at + taps].iter_mut().zip(from) {
                    *to += from;
                }
            }
        }
    });
}

/// Copies the image out of its padding; what no window touched gets zero.
fn crop(shape: &ConvShape, window: PaddedRows, padded: &[f32], dx: &mut [f32]) {
    let left = (shape.pad_left * shape.inputs).min(window.row);
    for (y, to) in dx.chunks_exact_mut(shape.w * shape.inputs).enumerate() {
        to.fill(0.0);
        if y + shape.pad_top < window.rows {
            let from = &padded[(y + shape.pad_top) * window.row..][left..window.row];
            let used = from.len().min(to.len());
            to[..used].copy_from_slice(&from[..used]);
        }
    }
}
