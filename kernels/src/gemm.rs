//! GEMM: the matrix product `out = left * right`, the hot loop of the whole program. A microkernel of one register tile,
//! and the blocks around it (Goto and van de Geijn 2008; Van Zee and van de Geijn 2015, "BLIS").
//!
//! The microkernel's tile is MR = [`rows`] by NR = 2 vectors of accumulators. A step loads two vectors of the right
//! matrix, broadcasts one float of each row of the left, and multiplies them all: 28 multiply-adds for 16 loads on
//! AVX-512. The loop nest, from the outside:
//!
//! ```text
//! for each block of KC steps of k             KC = STEPS: what follows fits a cache
//!   for each block of NC columns              its panels fit L2: right_block() floats
//!     for each block of MC rows               its rows fit L1
//!       for each panel of NR columns          packed beforehand; panels stream through
//!         for each tile of MR rows            the microkernel: KC steps, then the epilogue
//! ```
//!
//! Rows are divided evenly among tiles, so there is no slow remainder. The epilogue of a tile, its [`TileEpilogue`], happens in
//! registers. Meanwhile what will be needed next is prefetched: the rows of the output that the tiles below write, and
//! what the caller names, the [`Ahead`].
//!
//! Strides make one product of all that a convolution needs. Forward: left is the input, right the packed weights.
//! Gradient of the input: left is the gradient, right the packed transposed weights. Gradient of the weights: left is
//! the input read by columns, right the gradient as it lies, whose panels are 2 vectors wide and not packed.

use crate::block::{Act, add_up_to};
use crate::cache::CACHE_LINE;
use crate::cache::Caches;
use crate::epilogue::TileEpilogue;
use crate::level::Level;
use crate::output::Output;
use crate::prefetch::{Ahead, Requests};
use crate::simd::{Kernel, Simd};
use crate::sink::{PRODUCTS_STREAM, Sink};
use crate::view::Write;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Steps of a block of `k`. The same on every CPU, because where blocks meet decides how a sum is rounded.
const STEPS: usize = 512;
/// Floats of the right matrix that a block of columns may hold: three eighths of L2.
fn right_block() -> usize {
    Caches::current().l2 / size_of::<f32>() / 8 * 3
}

/// Rows of the largest register tile of any level.
const MAX_TILE_ROWS: usize = 14;

/// Rows of a level's register tile.
pub(crate) fn rows(level: Level) -> usize {
    level.tile_rows()
}

/// Where products of `n` columns write: past the caches where the tensor is large, but not where a tile of the level is
/// less than a cache line wide.
pub(crate) fn sink(level: Level, to: Write, n: usize) -> Sink {
    if columns(level) < CACHE_LINE {
        return Sink::cached(to);
    }
    Sink::new(to, n, PRODUCTS_STREAM)
}

/// Columns of a level's register tile, which is the width of a packed panel.
pub(crate) fn columns(level: Level) -> usize {
    2 * level.lanes()
}

/// The left matrix: element `(i, p)` is at `i * row + (p / len) * segment + (p % len) * step`, for `p` below
/// `segments * len`. Segments are what make a window of an image a row of a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    pub ptr: *const f32,
    pub row: usize,
    pub step: usize,
    pub len: usize,
    pub segment: usize,
    pub segments: usize,
    /// Floats from one register tile's rows to the next one's, where they are packed as panels; else zero.
    pub panel: usize,
}

impl Left {
    /// A matrix of one segment.
    pub fn new(ptr: *const f32, row: usize, step: usize, len: usize) -> Self {
        Self { ptr, row, step, len, segment: 0, segments: 1, panel: 0 }
    }

    /// The first element of row `row`, where tiles have `tile` rows.
    #[inline(always)]
    fn at(&self, row: usize, tile: usize) -> *const f32 {
        let start = if self.panel == 0 { row * self.row } else { row / tile * self.panel };
        self.ptr.wrapping_add(start)
    }
}

/// The right matrix: element `(p, j)` is at `(j / columns) * panel + p * row + j % columns`. Panels are readable in
/// whole vectors.
#[derive(Clone, Copy)]
pub(crate) struct Right {
    pub ptr: *const f32,
    pub panel: usize,
    pub row: usize,
}

/// The product `out: [m, n]`, rows `n` apart.
#[derive(Clone, Copy)]
pub(crate) struct Gemm<'a> {
    pub m: usize,
    pub n: usize,
    pub left: Left,
    pub right: Right,
    /// Written past the caches where it may be and the product is one block of `k`.
    pub out: Output<'a>,
    /// Whether the product is added to what `out` holds.
    pub accumulate: bool,
    pub epilogue: TileEpilogue,
}

/// Runs a product.
///
/// # Safety
/// Every element that `left`, `right`, `out` and `epilogue` describe must be valid, with `right`'s rows readable up to
/// whole vectors, and `out` and `epilogue`'s sums must overlap nothing else.
pub(crate) unsafe fn gemm(level: Level, product: Gemm) {
    level.dispatch(Task { product, ahead: Ahead::none(product.left.ptr), right_block: right_block() });
}

/// As [`gemm`], and asks for memory meanwhile.
///
/// # Safety
/// As there.
pub(crate) unsafe fn gemm_ahead(level: Level, product: Gemm, ahead: Ahead) {
    level.dispatch(Task { product, ahead, right_block: right_block() });
}

struct Task<'a> {
    product: Gemm<'a>,
    ahead: Ahead,
    /// See [`right_block`].
    right_block: usize,
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.product.run(s, self.ahead, self.right_block);
    }
}

impl Gemm<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, ahead: Ahead, right_block: usize) {
        let Left { len, segments, .. } = self.left;
        // Whole segments where they are short, parts of one where it is long.
        let (many, part) = ((STEPS / len).clamp(1, segments), len.min(STEPS));
        let mut first = 0;
        while first < segments {
            let many = many.min(segments - first);
            let mut at = 0;
            while at < len {
                let part = part.min(len - at);
                let begins = first == 0 && at == 0;
                let ends = first + many == segments && at + part == len;
                let block = Gemm {
                    left: Left {
                        ptr: self.left.ptr.wrapping_add(first * self.left.segment + at * self.left.step),
                        len: part,
                        segments: many,
                        ..self.left
                    },
                    right: Right {
                        ptr: self.right.ptr.wrapping_add((first * len + at) * self.right.row),
                        ..self.right
                    },
                    accumulate: self.accumulate || !begins,
                    out: if begins && ends { self.out } else { self.out.cached() },
                    epilogue: if ends { self.epilogue } else { TileEpilogue::Store },
                    ..self
                };
                // SAFETY: the block is part of the product, whose elements are valid.
                unsafe { block.block(s, ahead, right_block) };
                at += part;
            }
            first += many;
        }
    }

    /// One block of `k`: blocks of columns, then of rows.
    ///
    /// # Safety
    /// As [`gemm`].
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, s: S, ahead: Ahead, right_block: usize) {
        let width = 2 * S::LANES;
        let steps = self.left.len * self.left.segments;
        let columns = (right_block / steps / width).max(1) * width;
        let blocks = self.m.div_ceil(S::TILE_ROWS);
        let mut from = 0;
        while from < self.n {
            let to = self.n.min(from + columns);
            let mut row = 0;
            for block in 0..blocks {
                // The m rows divided evenly, where panels do not say how: sizes differ by one at most.
                let evenly = (self.m - row).div_ceil(blocks - block);
                let rows = if self.left.panel == 0 { evenly } else { S::TILE_ROWS.min(self.m - row) };
                // SAFETY: row + rows <= m and to <= n.
                unsafe {
                    match rows {
                        1 => self.tiles::<S, 1>(s, row, from..to, ahead),
                        2 => self.tiles::<S, 2>(s, row, from..to, ahead),
                        3 => self.tiles::<S, 3>(s, row, from..to, ahead),
                        4 => self.tiles::<S, 4>(s, row, from..to, ahead),
                        5 => self.tiles::<S, 5>(s, row, from..to, ahead),
                        6 => self.tiles::<S, 6>(s, row, from..to, ahead),
                        _ if S::TILE_ROWS == 6 => unreachable!("a tile has 6 rows at most"),
                        7 => self.tiles::<S, 7>(s, row, from..to, ahead),
                        8 => self.tiles::<S, 8>(s, row, from..to, ahead),
                        9 => self.tiles::<S, 9>(s, row, from..to, ahead),
                        10 => self.tiles::<S, 10>(s, row, from..to, ahead),
                        11 => self.tiles::<S, 11>(s, row, from..to, ahead),
                        12 => self.tiles::<S, 12>(s, row, from..to, ahead),
                        _ if S::TILE_ROWS == 12 => unreachable!("a tile has 12 rows at most"),
                        13 => self.tiles::<S, 13>(s, row, from..to, ahead),
                        _ => self.tiles::<S, 14>(s, row, from..to, ahead),
                    }
                }
                row += rows;
            }
            from = to;
        }
    }

    /// The tiles of rows `row..row + MR` and columns `from..to`.
    ///
    /// # Safety
    /// As [`gemm`]; the rows and columns must be in the output, `from` at the start of a panel.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const MR: usize>(&self, s: S, row: usize, columns: Range<usize>, ahead: Ahead) {
        let Range { start: from, end: to } = columns;
        let width = 2 * S::LANES;
        let steps = self.left.len * self.left.segments;
        let mut requests = if ahead.has_panels() && row == 0 {
            let Right { ptr, panel, row } = self.right;
            Requests::panel(ptr.wrapping_add((from / width + 1) * panel), panel, row)
        } else {
            ahead.share(from * self.m + row * (to - from), MR * width, self.m * self.n, steps)
        };
        let mut column = from;
        // SAFETY: as promised by the caller.
        unsafe {
            while column + width <= to {
                self.tile::<S, MR, 2, true>(s, row, column, requests.next());
                column += width;
            }
            if to == column + S::LANES {
                self.tile::<S, MR, 1, true>(s, row, column, requests.next());
            } else if to > column + S::LANES {
                self.tile::<S, MR, 2, false>(s, row, column, requests.next());
            } else if to > column {
                self.tile::<S, MR, 1, false>(s, row, column, requests.next());
            }
        }
    }

    /// The register tile: `MR` rows by `NV` vectors, all of them whole if `FULL`.
    ///
    /// # Safety
    /// As [`Gemm::tiles`].
    #[inline(always)]
    unsafe fn tile<S: Simd, const MR: usize, const NV: usize, const FULL: bool>(
        &self,
        s: S,
        row: usize,
        column: usize,
        requests: Requests,
    ) {
        if !self.accumulate && self.out.streaming().is_none() {
            let below = self.out.at((row + MR) * self.n + column);
            for r in 0..MR {
                for v in 0..NV {
                    s.prefetch(below.wrapping_add(r * self.n + v * S::LANES));
                }
            }
        }
        // SAFETY: the elements are in the matrices, as promised by the caller; panels are readable in whole vectors.
        unsafe {
            let Left { row: left_row, step, len, segment, segments, .. } = self.left;
            let mut acc = [[s.splat(0.0); NV]; MR];
            let mut right = self.right.ptr.add(column / (2 * S::LANES) * self.right.panel);
            let mut start = self.left.at(row, S::TILE_ROWS);
            let mut ahead = requests.runs;
            for _ in 0..segments {
                let mut left = start;
                for _ in 0..len {
                    for ahead in &mut ahead {
                        s.prefetch(*ahead);
                        *ahead = ahead.wrapping_byte_add(requests.step);
                    }
                    let mut vectors = [s.splat(0.0); NV];
                    for v in 0..NV {
                        vectors[v] = s.load(right.add(v * S::LANES));
                    }
                    for r in 0..MR {
                        let broadcast = s.splat(*left.add(r * left_row));
                        for v in 0..NV {
                            acc[r][v] = s.mul_add(broadcast, vectors[v], acc[r][v]);
                        }
                    }
                    left = left.wrapping_add(step);
                    right = right.wrapping_add(self.right.row);
                }
                start = start.wrapping_add(segment);
            }
            // What is done with tiles that the right edge cuts off, or that have few rows, is a function of its own.
            if !FULL || MR + 2 < S::TILE_ROWS {
                // Stored one by one: accumulators whose address is taken would lie in memory from the start.
                let mut values = MaybeUninit::<[[S::V; NV]; MR]>::uninit();
                let at = values.as_mut_ptr().cast::<f32>();
                for r in 0..MR {
                    for v in 0..NV {
                        s.store(at.add((r * NV + v) * S::LANES), acc[r][v]);
                    }
                }
                s.apart(Edge { product: self, values: at, rows: MR, vectors: NV, row, column });
                return;
            }
            // Not a loop: the accumulators stay in registers only where every index into them is a constant.
            let (mut first, mut last) = ([s.splat(0.0); MR], [s.splat(0.0); MR]);
            for r in 0..MR {
                first[r] = acc[r][0];
                last[r] = acc[r][NV - 1];
            }
            self.finish(s, &mut first, row, column, S::LANES);
            if NV == 2 {
                self.finish(s, &mut last, row, column + S::LANES, S::LANES);
            }
        }
    }

    /// What is done with a vector of columns of a finished tile: of `values`, one a row, the first `lanes` of each.
    ///
    /// # Safety
    /// As [`Gemm::tiles`].
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, values: &mut [S::V], row: usize, c: usize, lanes: usize) {
        let zero = s.splat(0.0);
        let rows = values.len();
        // SAFETY: the column has `lanes` floats in every row of the output and of what lies as the output does, and
        // in every per-channel vector; where it is streamed, all vectors are whole and aligned.
        unsafe {
            let start = row * self.n + c;
            let out = self.out.at(start);
            if self.accumulate {
                for r in 0..rows {
                    values[r] = s.add(s.load_up_to(out.add(r * self.n), lanes), values[r]);
                }
            }
            match self.epilogue {
                TileEpilogue::Store => {}
                TileEpilogue::Moments { sums, begin } => {
                    let pivot_at = sums.add(c);
                    let (sum_at, square_at) = (pivot_at.add(self.n), pivot_at.add(2 * self.n));
                    let (mut pivot, mut sum, mut square) = (values[0], zero, zero);
                    if begin && row == 0 {
                        s.store_up_to(pivot_at, pivot, lanes);
                    } else {
                        pivot = s.load_up_to(pivot_at, lanes);
                        sum = s.load_up_to(sum_at, lanes);
                        square = s.load_up_to(square_at, lanes);
                    }
                    for r in 0..rows {
                        let d = s.sub(values[r], pivot);
                        sum = s.add(sum, d);
                        square = s.mul_add(d, d, square);
                    }
                    s.store_up_to(sum_at, sum, lanes);
                    s.store_up_to(square_at, square, lanes);
                }
                TileEpilogue::Activate { bias, act, residual } => {
                    let (act, bias) = (Act::new(s, act), s.load_up_to(bias.add(c), lanes));
                    for r in 0..rows {
                        values[r] = s.add(values[r], bias);
                    }
                    act.apply_all(s, values);
                    if !residual.is_null() {
                        for r in 0..rows {
                            let other = s.load_up_to(residual.add(start + r * self.n), lanes);
                            values[r] = s.add(values[r], other);
                        }
                    }
                }
                TileEpilogue::Mask { z, channel: [scale, shift, center], act, sums } => {
                    let scale = s.load_up_to(scale.add(c), lanes);
                    let shift = s.load_up_to(shift.add(c), lanes);
                    let center = s.load_up_to(center.add(c), lanes);
                    let (act, mut sum, mut dot) = (Act::new(s, act), zero, zero);
                    for r in 0..rows {
                        let z = s.load_up_to(z.add(start + r * self.n), lanes);
                        values[r] = act.mask(s, values[r], s.mul_add(scale, z, shift));
                        sum = s.add(sum, values[r]);
                        dot = s.mul_add(values[r], s.sub(z, center), dot);
                    }
                    add_up_to(s, sums.add(c), sum, lanes);
                    add_up_to(s, sums.add(self.n + c), dot, lanes);
                }
            }
            if let Some(permission) = self.out.streaming() {
                for r in 0..rows {
                    s.stream(out.add(r * self.n), values[r], permission);
                }
            } else {
                for r in 0..rows {
                    s.store_up_to(out.add(r * self.n), values[r], lanes);
                }
            }
        }
    }
}

/// A finished tile that the right edge cuts off, or with three or more rows less than a whole one: what is done with it is
/// one function, where other tiles have bodies of their own. That takes some 30 ns a tile more (14 rows of one vector, EPYC of
/// the Zen 4 kind); products of many rows have no tile of few rows, one of 16 rows has no other.
struct Edge<'a> {
    product: &'a Gemm<'a>,
    /// `[rows, vectors, LANES]`
    values: *const f32,
    rows: usize,
    vectors: usize,
    row: usize,
    column: usize,
}

impl Kernel for Edge<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        const { assert!(S::TILE_ROWS <= MAX_TILE_ROWS) };
        let Self { product, values, rows, vectors, row, column } = self;
        let mut column_values = [s.splat(0.0); MAX_TILE_ROWS];
        for v in 0..vectors {
            let c = column + v * S::LANES;
            // SAFETY: `Gemm::tile` made it of its accumulators, of a tile that lies in the output.
            unsafe {
                for r in 0..rows {
                    column_values[r] = s.load(values.add((r * vectors + v) * S::LANES));
                }
                product.finish(s, &mut column_values[..rows], row, c, S::LANES.min(product.n - c));
            }
        }
    }
}
