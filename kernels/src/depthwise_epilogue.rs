//! What a depthwise convolution does with outputs that are still in registers: store them, take their moments, or
//! activate them.

use crate::block::{Act, ChannelBlock};
use crate::cache::CACHE_LINE;
use crate::output::Output;
use crate::simd::Simd;
use crate::view::Rectifier;

/// What happens to outputs that are still in registers.
pub(crate) trait RowEpilogue {
    /// Whether 3x3 kernels have bodies of their own with it, as training's have. What inference runs is `depthwise_direct`,
    /// so here such bodies would be code that nobody reaches.
    const UNROLLED: bool = false;
    /// What a row of one vector of channels has in registers.
    type Row<S: Simd>;
    /// Before the first output of a block.
    ///
    /// # Safety
    /// The tile must have the block.
    #[inline(always)]
    unsafe fn begin<S: Simd>(&self, _: S, _: ChannelBlock) {}
    /// Before the `n` channels from `c` on, vector `v` of the block, of the row that begins at float `start` of the tile.
    ///
    /// # Safety
    /// The tile must have the row and the channels.
    unsafe fn begin_row<S: Simd>(&self, s: S, start: usize, c: usize, n: usize, v: usize) -> Self::Row<S>;
    /// Takes the `P` pixels from column `ox` of the row on.
    ///
    /// # Safety
    /// The row must have the pixels.
    unsafe fn outputs<S: Simd, const P: usize>(&self, s: S, row: &mut Self::Row<S>, ox: usize, z: [S::V; P]);
    /// After each row of vector `v`.
    ///
    /// # Safety
    /// The tile must have the block.
    #[inline(always)]
    unsafe fn end_row<S: Simd>(&self, _: S, _: Self::Row<S>, _: usize) {}
    /// After the last output of a block.
    ///
    /// # Safety
    /// The tile must have the block.
    #[inline(always)]
    unsafe fn end<S: Simd>(&self, _: S, _: ChannelBlock) {}
    /// Where the outputs go.
    fn target(&self) -> &Target<'_>;
}

/// Where the outputs of a tile go.
///
/// A row is worked out vector by vector, so where a vector is less than a cache line, non-temporal stores would send half
/// lines to memory, which takes several times as long as whole ones. There a row's line of channels is put together in
/// working memory first, and streamed when it is whole.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    y: Output<'a>,
    channels: usize,
    /// `[out_w, CACHE_LINE]`, where lines are put together; null where they need not be.
    lines: *mut f32,
}

impl<'a> Target<'a> {
    /// To `y`, whose lines may be put together at `lines: [out_w, CACHE_LINE]`.
    #[inline(always)]
    pub(crate) fn new<S: Simd>(_: S, y: Output<'a>, channels: usize, lines: *mut f32) -> Self {
        let assembles = S::STREAMS && S::LANES < CACHE_LINE && y.streaming().is_some();
        Self { y, channels, lines: if assembles { lines } else { std::ptr::null_mut() } }
    }

    /// Where the `n` channels from `c` on go, of the row that begins at float `start` of the tile.
    #[inline(always)]
    pub(crate) fn store(&self, start: usize, c: usize, n: usize) -> Store<'a> {
        if self.lines.is_null() {
            Store { y: self.y.from(start + c), pitch: self.channels, n }
        } else {
            let line = self.lines.wrapping_add(c % CACHE_LINE);
            Store { y: self.y.cached_at(line), pitch: CACHE_LINE, n }
        }
    }

    /// Streams the lines of the `out_w` pixels of the row at float `start`, if they end with the vector at channel `c`.
    ///
    /// # Safety
    /// The row must have been worked out, up to that vector.
    #[inline(always)]
    pub(crate) unsafe fn flush<S: Simd>(&self, s: S, start: usize, c: usize, out_w: usize) {
        let Some(permission) = self.y.streaming() else { return };
        if self.lines.is_null() || !(c + S::LANES).is_multiple_of(CACHE_LINE) {
            return;
        }
        let first = c + S::LANES - CACHE_LINE;
        for ox in 0..out_w {
            for at in (0..CACHE_LINE).step_by(S::LANES) {
                // SAFETY: lines of out_w pixels, as the caller promises; where it streams, pixels are whole lines.
                unsafe {
                    let vector = s.load(self.lines.add(ox * CACHE_LINE + at));
                    s.stream(self.y.at(start + ox * self.channels + first + at), vector, permission);
                }
            }
        }
    }
}

/// Where one vector of channels of a row goes.
#[derive(Clone, Copy)]
pub(crate) struct Store<'a> {
    y: Output<'a>,
    /// Floats from one pixel to the next.
    pitch: usize,
    n: usize,
}

impl Store<'_> {
    /// Writes the vector of the `P` pixels from column `ox` of the row on.
    ///
    /// # Safety
    /// The row must have the pixels.
    #[inline(always)]
    pub(crate) unsafe fn put<S: Simd, const P: usize>(self, s: S, ox: usize, y: [S::V; P]) {
        for p in 0..P {
            // SAFETY: as the caller promises.
            unsafe { self.y.put(s, (ox + p) * self.pitch, y[p], self.n) };
        }
    }
}

pub(crate) struct Plain<'a> {
    pub(crate) target: Target<'a>,
}

impl<'a> RowEpilogue for Plain<'a> {
    type Row<S: Simd> = Store<'a>;
    #[inline(always)]
    unsafe fn begin_row<S: Simd>(&self, _: S, start: usize, c: usize, n: usize, _: usize) -> Store<'a> {
        self.target.store(start, c, n)
    }
    #[inline(always)]
    fn target(&self) -> &Target<'a> {
        &self.target
    }
    #[inline(always)]
    unsafe fn outputs<S: Simd, const P: usize>(&self, s: S, row: &mut Store<'a>, ox: usize, z: [S::V; P]) {
        // SAFETY: as the caller promises.
        unsafe { row.put(s, ox, z) };
    }
}

pub(crate) struct MomentSums<'a> {
    pub(crate) target: Target<'a>,
    /// `[vectors, LANES]`: the block's pivots.
    pub(crate) pivots: *mut f32,
    /// `[vectors, 2, LANES]`: the sums of the rows so far.
    pub(crate) sums: *mut f32,
    /// `[3, c]`, zeros before.
    pub(crate) moments: *mut f32,
}

/// A row's moments. They begin at zero: a sum over an image is one of sums over rows, which loses less than one long one.
pub(crate) struct RowMoments<'a, S: Simd> {
    store: Store<'a>,
    /// Whether it is the tile's first, which begins with the pivot.
    first: bool,
    pivot: S::V,
    sum: S::V,
    squares: S::V,
}

impl<'a> RowEpilogue for MomentSums<'a> {
    const UNROLLED: bool = true;
    type Row<S: Simd> = RowMoments<'a, S>;
    #[inline(always)]
    unsafe fn begin<S: Simd>(&self, s: S, block: ChannelBlock) {
        // SAFETY: as the caller promises.
        unsafe {
            block.clear(s, 1, self.pivots);
            block.clear(s, 2, self.sums);
        }
    }
    #[inline(always)]
    unsafe fn begin_row<S: Simd>(
        &self,
        s: S,
        start: usize,
        c: usize,
        n: usize,
        v: usize,
    ) -> RowMoments<'a, S> {
        let store = self.target.store(start, c, n);
        // SAFETY: there is a pivot for each of the block's vectors.
        let pivot = unsafe { s.load(self.pivots.add(v * S::LANES)) };
        RowMoments { store, first: start == 0, pivot, sum: s.splat(0.0), squares: s.splat(0.0) }
    }
    #[inline(always)]
    unsafe fn outputs<S: Simd, const P: usize>(
        &self,
        s: S,
        row: &mut RowMoments<'a, S>,
        ox: usize,
        z: [S::V; P],
    ) {
        if row.first && ox == 0 {
            row.pivot = z[0];
        }
        // SAFETY: as the caller promises.
        unsafe { row.store.put(s, ox, z) };
        for p in 0..P {
            let d = s.sub(z[p], row.pivot);
            row.sum = s.add(row.sum, d);
            row.squares = s.mul_add(d, d, row.squares);
        }
    }
    #[inline(always)]
    unsafe fn end_row<S: Simd>(&self, s: S, row: RowMoments<'a, S>, v: usize) {
        // SAFETY: there are a pivot and two sums for each of the block's vectors.
        unsafe {
            s.store(self.pivots.add(v * S::LANES), row.pivot);
            let sums = self.sums.add(v * 2 * S::LANES);
            s.store(sums, s.add(s.load(sums), row.sum));
            let squares = sums.add(S::LANES);
            s.store(squares, s.add(s.load(squares), row.squares));
        }
    }
    #[inline(always)]
    unsafe fn end<S: Simd>(&self, s: S, block: ChannelBlock) {
        // SAFETY: as the caller promises.
        unsafe {
            block.scatter(s, 1, self.pivots, self.moments);
            block.scatter(s, 2, self.sums, self.moments.add(block.channels));
        }
    }
    #[inline(always)]
    fn target(&self) -> &Target<'a> {
        &self.target
    }
}

pub(crate) struct Activate<'a> {
    pub(crate) target: Target<'a>,
    pub(crate) bias: *const f32,
    pub(crate) act: Rectifier,
    pub(crate) residual: Option<*const f32>,
}

impl<'a> RowEpilogue for Activate<'a> {
    type Row<S: Simd> = ActivatedRow<'a, S>;
    #[inline(always)]
    unsafe fn begin_row<S: Simd>(
        &self,
        s: S,
        start: usize,
        c: usize,
        n: usize,
        _: usize,
    ) -> ActivatedRow<'a, S> {
        // SAFETY: as the caller promises; a residual is as the output.
        unsafe {
            ActivatedRow {
                store: self.target.store(start, c, n),
                bias: s.load_up_to(self.bias.add(c), n),
                act: Act::new(s, self.act),
                residual: self.residual.map(|residual| residual.add(start + c)),
            }
        }
    }
    #[inline(always)]
    unsafe fn outputs<S: Simd, const P: usize>(
        &self,
        s: S,
        row: &mut ActivatedRow<'a, S>,
        ox: usize,
        mut z: [S::V; P],
    ) {
        for p in 0..P {
            z[p] = row.act.apply(s, s.add(z[p], row.bias));
            if let Some(residual) = row.residual {
                // SAFETY: as the caller promises.
                let residual =
                    unsafe { s.load_up_to(residual.add((ox + p) * self.target.channels), row.store.n) };
                z[p] = s.add(z[p], residual);
            }
        }
        // SAFETY: as the caller promises.
        unsafe { row.store.put(s, ox, z) };
    }
    #[inline(always)]
    fn target(&self) -> &Target<'a> {
        &self.target
    }
}

pub(crate) struct ActivatedRow<'a, S: Simd> {
    store: Store<'a>,
    bias: S::V,
    act: Act<S>,
    residual: Option<*const f32>,
}
