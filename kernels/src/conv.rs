//! General convolution of some output rows of one image: the network's first layer.
//!
//! The input rows that the window touches are put into working memory once, with their zero padding. There a window's
//! row is `kernel * inputs` contiguous floats, and the windows of neighbouring outputs lie `stride * inputs` apart: so
//! the rows of the product's left matrix exist already, as overlapping segments, and nothing is copied nine times.

use crate::block::ChannelBlock;
use crate::depthwise::split_rows;
use crate::epilogue::{Epilogue, TileEpilogue};
use crate::gemm::{self, Gemm, Left};
use crate::level::Level;
use crate::output::Output;
use crate::pack::Packed;
use crate::prefetch::Ahead;
use crate::rows::{Rows, check_read};
use crate::scratch;
use crate::simd::{Kernel, Simd};
use crate::view::{ConvShape, Read, Write};
use std::ops::Range;

/// The padded input rows below some output rows, in working memory.
#[derive(Clone, Copy)]
pub(crate) struct PaddedRows {
    /// Floats of a padded row.
    pub row: usize,
    /// Padded rows.
    pub rows: usize,
}

impl PaddedRows {
    /// For `rows` output rows.
    pub fn new(shape: &ConvShape, rows: usize) -> Self {
        let span = |outputs: usize| (outputs - 1) * shape.stride + shape.kernel;
        Self { row: span(shape.out_w) * shape.inputs, rows: span(rows) }
    }

    /// Floats of working memory: the rows, and what the last whole vector may spill.
    pub fn len(&self) -> usize {
        self.row * self.rows + 16
    }

    /// Fills the window whose first output row is `first`, from `x` that [`check`] accepted.
    pub fn fill(self, level: Level, shape: &ConvShape, x: Read, first: usize, out: &mut [f32]) {
        assert!(out.len() >= self.len(), "working memory: expected {}, found {}", self.len(), out.len());
        level.dispatch(Fill { window: self, shape, x, first, out });
    }
}

struct Fill<'a> {
    window: PaddedRows,
    shape: &'a ConvShape,
    x: Read<'a>,
    first: usize,
    out: &'a mut [f32],
}

impl Kernel for Fill<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let PaddedRows { row, rows } = self.window;
        let ConvShape { h, w, inputs, stride, pad_top, pad_left, .. } = *self.shape;
        let left = (pad_left * inputs).min(row);
        let used = (w * inputs).min(row - left);
        let block = ChannelBlock { channels: inputs, start: 0, len: inputs, pitch: inputs };
        for i in 0..rows {
            let out = &mut self.out[i * row..];
            match (self.first * stride + i).checked_sub(pad_top) {
                Some(y) if y < h => {
                    out[..left].fill(0.0);
                    match self.x {
                        Read::Plain(x) => {
                            out[left..left + used].copy_from_slice(&x[y * w * inputs..][..used])
                        }
                        // One by one, because a pixel's last vector spills into the next pixel, which overwrites it.
                        // SAFETY: the pixels are in the image, and 16 floats are left behind the last one.
                        Read::Norm(_) => unsafe {
                            for pixel in 0..used / inputs {
                                let to = out[left + pixel * inputs..].as_mut_ptr();
                                self.x.read(s, block, y * w + pixel, 1, to);
                            }
                        },
                    }
                    out[left + used..row].fill(0.0);
                }
                _ => out[..row].fill(0.0),
            }
        }
    }
}

/// Checks what every convolution of some rows relies on.
pub(crate) fn check(shape: &ConvShape, x: &Read, rows: &Range<usize>) {
    check_read(x, shape.inputs, shape.input_len());
    assert!(rows.start < rows.end && rows.end <= shape.out_h, "rows {rows:?} of {shape:?}");
    let sizes = [shape.out_w, shape.kernel, shape.stride, shape.inputs, shape.outputs];
    assert!(sizes.iter().all(|&size| size > 0), "a size is zero in {shape:?}");
}

/// Output rows of a tile that a caller should hand out, of a batch of `images`: whole images where there are at least
/// 16, else parts that make about 16 tiles. Depends on shapes only.
pub fn tile_rows(shape: &ConvShape, images: usize) -> usize {
    split_rows(shape.out_h, images)
}

/// Output rows, of `rows`, that are worked on at once: their input and output fit any L2. The same on every CPU, because
/// backward's gradient of the weights is rounded where they meet.
pub(crate) fn band_rows(shape: &ConvShape, rows: usize) -> usize {
    const BAND: usize = 64 * 1024;
    let row = shape.stride * PaddedRows::new(shape, 1).row + shape.out_w * shape.outputs;
    (BAND / row).clamp(1, rows)
}

/// Floats of [`scratch`] that [`conv`] takes for `rows` output rows; fewer rows take no more.
pub fn scratch_len(shape: &ConvShape, rows: usize) -> usize {
    scratch::len([PaddedRows::new(shape, band_rows(shape, rows)).len()])
}

/// Convolution of output rows `rows` of one image: `x: [h, w, inputs]`, `weights` packed from
/// `[kernel * kernel * inputs, outputs]`, `y: [rows, out_w, outputs]`. What the epilogue needs covers the rows too.
pub fn conv(shape: &ConvShape, x: Read, weights: &Packed, rows: Range<usize>, y: Write, epilogue: Epilogue) {
    check(shape, &x, &rows);
    let n = shape.outputs;
    let taps = shape.kernel * shape.inputs;
    assert_eq!((weights.k(), weights.n()), (shape.kernel * taps, n), "weights do not fit {shape:?}");
    let pixels = rows.len() * shape.out_w;
    assert_eq!(y.to.len(), pixels * n, "y: expected [{}, {}, {n}]", rows.len(), shape.out_w);
    let epilogue = TileEpilogue::of(epilogue, pixels, n);
    let band = band_rows(shape, rows.len());
    let row = shape.out_w * n;
    let mut sink = gemm::sink(weights.level(), y, n);
    let y = Output::of(&mut sink);
    scratch::with([PaddedRows::new(shape, band).len()], |[input]| {
        for first in (0..rows.len()).step_by(band) {
            let count = band.min(rows.len() - first);
            let window = PaddedRows::new(shape, count);
            window.fill(weights.level(), shape, x, rows.start + first, input);
            for j in 0..count {
                let product = Gemm {
                    m: shape.out_w,
                    n,
                    left: Left {
                        segment: window.row,
                        segments: shape.kernel,
                        ..Left::new(
                            input[j * shape.stride * window.row..].as_ptr(),
                            shape.stride * shape.inputs,
                            1,
                            taps,
                        )
                    },
                    right: weights.right(),
                    out: y.from((first + j) * row),
                    accumulate: false,
                    epilogue: epilogue.skip((first + j) * row),
                };
                // The image comes from memory: what the same row of the next window is the first to see.
                let seen = shape.kernel.saturating_sub(shape.stride);
                let next = (rows.start + first + band + j) * shape.stride + seen;
                let next = next.saturating_sub(shape.pad_top);
                let image_row = shape.w * shape.inputs;
                let ahead = Ahead::one(x.stored(), next * image_row, shape.stride * image_row);
                // SAFETY: the window covers every tap of every output of its rows; all lengths were checked above.
                unsafe { gemm::gemm_ahead(weights.level(), product, ahead) }
            }
        }
    });
}
