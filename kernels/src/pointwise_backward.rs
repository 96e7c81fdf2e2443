//! Backward of the pointwise convolution, one tile of pixels: both gradients from one look at the data.
//!
//! A block of the output's gradient is computed into working memory once, and of the input likewise; the gradient of
//! the input and of the weights are two products of those. The gradient of a deferred input is masked and summed while
//! it is in registers. Both products fetch the next block's tensors: read only when that block begins, these took a
//! quarter of the early layers' time.

use crate::epilogue::TileEpilogue;
use crate::gemm::{self, Gemm};
use crate::level::Level;
use crate::output::Output;
use crate::pack::Packed;
use crate::prefetch::Ahead;
use crate::rows::{check_grad, check_read};
use crate::scratch;
use crate::stage::{Staged, spacing};
use crate::view::{Grad, Read, Write};

/// How a caller divides the backward pass of `m` pixels. Depends on shapes only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackwardTiles {
    /// Pixels of a tile.
    pub rows: usize,
    /// Buffers `[k, n]` for the gradient of the weights, at most. Each belongs to a contiguous run of
    /// `ceil(tiles / partials)` tiles, and the caller adds them in order.
    pub partials: usize,
}

/// Bytes that all partial gradients of one layer may take together, before their number falls to four.
const PARTIAL_BYTES: usize = 8 << 20;
/// Floats of a block of pixels, of input and gradient together: what passes through L2 for each pass over the gradient
/// of the weights. The same on every CPU, because blocks decide how that gradient is rounded.
const BLOCK: usize = 192 * 1024;

/// Inputs from which on they are read as panels. On a Sapphire Rapids class Xeon, batch 32, the better of two
/// alternating runs: the gradient of the weights takes 0.83 to 0.97 of the time from 512 inputs on at AVX2 and
/// AVX-512, up to 1.05 below. Panels of the gradient made the gradient of the input slower at every shape.
const PANELS: usize = 512;

/// Pixels of the largest block: many, to pay for the pass over the gradient of the weights, while a block stays in L2.
fn block_rows(level: Level, k: usize, n: usize) -> usize {
    let rows = gemm::rows(level);
    (BLOCK / (spacing(k) + spacing(n))).clamp(2 * rows, 196) / rows * rows
}

/// `m` pixels divided into as few equal parts of at most `most` as there can be, of whole register tiles.
fn divide(level: Level, m: usize, most: usize) -> usize {
    m.div_ceil(m.div_ceil(most)).next_multiple_of(gemm::rows(level))
}

/// The division of `m` pixels with `k` inputs and `n` outputs.
pub fn backward_tiles(level: Level, m: usize, k: usize, n: usize) -> BackwardTiles {
    let m = m.max(1);
    let block = block_rows(level, k, n);
    let fitting = PARTIAL_BYTES / (k * n * size_of::<f32>()).max(1);
    let partials = fitting.clamp(4, 32).min(m.div_ceil(block));
    BackwardTiles { rows: divide(level, m.div_ceil(partials), 4 * block), partials }
}

/// Backward of a tile of `m` pixels: `x: [m, k]`, `g: [m, n]`.
///
/// Writes `dx: [m, k]`, for which `transposed_weights` packs the weights `[k, n]` transposed, and adds to
/// `dw: [k, n]`, or writes it where the tile is to `begin` it. Where `x` is deferred, `dx` is masked and its sums are
/// added to `sums: [2, k]`, as [`crate::scalar::finish_input_gradient`] says; otherwise `sums` is not looked at.
pub fn pointwise_backward(
    level: Level,
    x: Read,
    g: Grad,
    n: usize,
    transposed_weights: Option<&Packed>,
    dx: Option<Write>,
    mut dw: Option<&mut [f32]>,
    begin: bool,
    sums: &mut [f32],
) {
    let m = g.len() / n;
    assert!(m > 0, "g: expected [m, {n}] with at least one pixel, found {}", g.len());
    let k = x.stored().len() / m;
    check_grad(&g, n, m * n);
    check_read(&x, k, m * k);
    assert!(dw.as_ref().is_none_or(|dw| dw.len() == k * n), "dw: expected [{k}, {n}]");
    if let Some(dx) = &dx {
        assert_eq!(dx.to.len(), m * k, "dx: expected [{m}, {k}]");
        let weights = transposed_weights.expect("dx needs the transposed weights");
        let found = (weights.level(), weights.k(), weights.n());
        assert_eq!(found, (level, n, k), "transposed weights: expected [{n}, {k}]");
    }
    let mut sink = dx.map(|dx| gemm::sink(level, dx, k));
    let dx = sink.as_mut().map(Output::of);
    let epilogue = match x {
        Read::Norm(d) if dx.is_some() => TileEpilogue::mask(d, m, k, sums),
        _ => TileEpilogue::Store,
    };
    let block = divide(level, m, block_rows(level, k, n)).min(m);
    let g_staged = Staged::pixels(n);
    let x_staged = if k >= PANELS { Staged::panels(level, k, gemm::rows(level)) } else { Staged::pixels(k) };
    let x_floats = if dw.is_some() { x_staged.len(block) } else { 0 };
    scratch::with([g_staged.len(block), x_floats], |[g_block, x_block]| {
        for pixel in (0..m).step_by(block) {
            let pixels = block.min(m - pixel);
            // SAFETY: m pixels of n and k channels, as checked above. Before the first product, which reads both.
            unsafe {
                g_staged.write(level, &g, pixel, pixels, g_block);
                if x_floats > 0 {
                    x_staged.write(level, &x, pixel, pixels, x_block);
                }
            }
            let next = pixel + pixels;
            if let (Some(dx), Some(weights)) = (dx, transposed_weights) {
                let product = Gemm {
                    m: pixels,
                    n: k,
                    left: g_staged.by_pixel(g_block),
                    right: weights.right(),
                    out: dx.from(pixel * k),
                    accumulate: false,
                    epilogue: epilogue.skip(pixel * k),
                };
                let ahead = match g {
                    Grad::Plain(g) => Ahead::one(g, next * n, pixels * n),
                    Grad::Norm { dy, z, .. } => Ahead::two([dy, z], next * n, pixels * n),
                };
                // SAFETY: all lengths were checked above; the block holds `pixels` rows, panels are whole.
                unsafe { gemm::gemm_ahead(level, product, ahead) }
            }
            if let Some(dw) = &mut dw {
                let ahead = Ahead::one(x.stored(), next * k, pixels * k);
                let product = Gemm {
                    m: k,
                    n,
                    left: x_staged.by_channel(x_block, pixels),
                    right: g_staged.right(g_block, gemm::columns(level)),
                    out: Output::plain(dw),
                    accumulate: !begin || pixel > 0,
                    epilogue: TileEpilogue::Store,
                };
                // SAFETY: as above; rows of the gradient are whole vectors apart.
                unsafe { gemm::gemm_ahead(level, product, ahead) }
            }
        }
    });
}
