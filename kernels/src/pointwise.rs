//! Pointwise (1x1) convolution and dense layers: a matrix product over a tile of pixels.
//!
//! The input is put into working memory, one block of pixels that stays in L2 at a time, where every panel of weights
//! reads it. For a deferred input that is where it is computed; a plain one is copied because a register tile reads 14
//! rows at once, too many streams for the hardware to fetch ahead, while a copy is one stream (measured at 64 and 128
//! channels: 240 GFLOP/s for 200 in place). Narrow pixels lie close together and are read in place. Either way the pixels
//! that come next, be it in the next tile, are fetched while these are multiplied. The copy costs inference 3 percent, so
//! there a depthwise kernel writes its output as this one would have copied it ([`pointwise_spaced`]).
//!
//! In inference no two calls share weights, and together they are larger than a cache that others use too. So each panel
//! is fetched while the one before is first used (measured on a whole network: 3 to 8 percent).

use crate::cache::Caches;
use crate::epilogue::{Epilogue, TileEpilogue};
use crate::gemm::{self, Gemm, Left};
use crate::level::Level;
use crate::output::Output;
use crate::pack::Packed;
use crate::prefetch::Ahead;
use crate::rows::check_read;
use crate::scratch;
use crate::stage::Staged;
use crate::view::{Read, Write};

pub use crate::stage::spacing;

/// Floats of a tile of input pixels, at most. The same on every CPU, because tiles decide how moments are rounded.
const TILE: usize = 64 * 1024;
/// Channels of the widest plain pixels that are read where they lie.
const IN_PLACE: usize = 32;
/// Register tiles by which pixels that are read in place are fetched ahead: what memory takes to answer.
const AHEAD: usize = 2;

/// Floats of a block of input pixels in working memory: a quarter of L2.
fn block_floats() -> usize {
    Caches::current().l2 / size_of::<f32>() / 4
}

/// Pixels of `floats` each that fit `most` floats, a multiple of the register tile's rows.
fn fitting(level: Level, most: usize, floats: usize) -> usize {
    let rows = gemm::rows(level);
    (most / floats / rows).clamp(1, 64) * rows
}

/// Pixels of a tile that a caller should hand out, for `m` pixels in all: at least eight tiles where there are enough
/// pixels, and large enough that weights are read from L2 rather than from beyond. Depends on shapes only, so that
/// sums over tiles do not depend on threads.
pub fn tile_rows(level: Level, m: usize, k: usize, n: usize) -> usize {
    let rows = gemm::rows(level);
    // A quarter of a million multiply-adds is some microseconds: less would be lost to handing out tiles.
    let least = (1usize << 18).div_ceil((k * n).max(1));
    let most = fitting(level, TILE, spacing(k)).max(least);
    m.div_ceil(8).clamp(least.min(most), most).next_multiple_of(rows)
}

/// Pixels of a block of `m` pixels of `k` channels in working memory.
fn block(level: Level, m: usize, k: usize) -> usize {
    fitting(level, block_floats(), spacing(k)).min(m)
}

/// Floats of [`scratch`] that [`pointwise`] takes for `m` plain pixels of `k` channels; fewer pixels take no more.
pub fn scratch_len(level: Level, m: usize, k: usize) -> usize {
    if k <= IN_PLACE { 0 } else { scratch::len([Staged::pixels(k).len(block(level, m, k))]) }
}

/// `y = epilogue(x * w)` of a tile of `m` pixels: `x: [m, k]`, `weights` packed from `[k, n]`, `y: [m, n]`.
pub fn pointwise(x: Read, weights: &Packed, y: Write, epilogue: Epilogue) {
    let (level, k, n) = (weights.level(), weights.k(), weights.n());
    assert!(k > 0 && n > 0, "weights: expected at least [1, 1], found [{k}, {n}]");
    let m = y.to.len() / n;
    assert_eq!(y.to.len(), m * n, "y: expected [m, {n}]");
    check_read(&x, k, m * k);
    let epilogue = TileEpilogue::of(epilogue, m, n);
    let mut sink = gemm::sink(level, y, n);
    let y = Output::of(&mut sink);
    let product = |left: Left, pixel: usize, pixels: usize| Gemm {
        m: pixels,
        n,
        left,
        right: weights.right(),
        out: y.from(pixel * n),
        accumulate: false,
        epilogue: epilogue.skip(pixel * n),
    };
    if let (Read::Plain(x), true) = (x, k <= IN_PLACE) {
        let product = product(Left::new(x.as_ptr(), k, 1, k), 0, m);
        let ahead = Ahead::one(x, AHEAD * gemm::rows(level) * k, m * k);
        // SAFETY: the lengths of x, y and of what the epilogue needs were checked above; panels are whole.
        unsafe { gemm::gemm_ahead(level, product, ahead) }
        return;
    }
    // In inference every call finds other weights, in training the last tile's.
    let weights_are_cold = matches!(x, Read::Plain(_));
    let staged = Staged::pixels(k);
    let block = block(level, m, k);
    scratch::with([staged.len(block)], |[a]| {
        for pixel in (0..m).step_by(block.max(1)) {
            let pixels = block.min(m - pixel);
            // SAFETY: m pixels of k channels, as checked above.
            unsafe { staged.write(level, &x, pixel, pixels, a) };
            let product = product(staged.by_pixel(a), pixel, pixels);
            let ahead = Ahead::one(x.stored(), (pixel + pixels) * k, pixels * k);
            let ahead = if weights_are_cold { ahead.and_panels() } else { ahead };
            // SAFETY: as above; the block holds `pixels` rows of `spacing >= k` floats.
            unsafe { gemm::gemm_ahead(level, product, ahead) }
        }
    });
}

/// As [`pointwise`], of a tile of plain pixels that lie `spacing(k)` floats apart: `x: [m, spacing(k)]`. It is read where
/// it lies, so it should be in the cache, where whoever wrote it has just put it.
pub fn pointwise_spaced(x: &[f32], weights: &Packed, y: &mut [f32], epilogue: Epilogue) {
    let (level, k, n) = (weights.level(), weights.k(), weights.n());
    assert!(k > 0 && n > 0, "weights: expected at least [1, 1], found [{k}, {n}]");
    let m = y.len() / n;
    assert_eq!(y.len(), m * n, "y: expected [m, {n}]");
    assert_eq!(x.len(), m * spacing(k), "x: expected [{m}, {}]", spacing(k));
    let left = Left::new(x.as_ptr(), spacing(k), 1, k);
    let product = Gemm {
        m,
        n,
        left,
        right: weights.right(),
        out: Output::plain(y),
        accumulate: false,
        epilogue: TileEpilogue::of(epilogue, m, n),
    };
    // SAFETY: the lengths of x, y and of what the epilogue needs were checked above; panels are whole.
    unsafe { gemm::gemm_ahead(level, product, Ahead::none(left.ptr).and_panels()) }
}
