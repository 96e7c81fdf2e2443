//! What a depthwise convolution does with outputs that are still in registers: store them, take their moments, or
//! activate them.

use crate::block::{Act, ChannelBlock};
use crate::output::Output;
use crate::simd::Simd;
use crate::view::Rectifier;

/// What happens to outputs that are still in registers.
pub(crate) trait RowEpilogue {
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
    /// Takes the `P` pixels from float `at` of the row on.
    ///
    /// # Safety
    /// The row must have the pixels.
    unsafe fn outputs<S: Simd, const P: usize>(&self, s: S, row: &mut Self::Row<S>, at: usize, z: [S::V; P]);
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
}

/// Where one vector of channels of a row goes.
#[derive(Clone, Copy)]
pub(crate) struct Store<'a> {
    y: Output<'a>,
    channels: usize,
    n: usize,
}

impl Store<'_> {
    /// Writes the vector of the `P` pixels from float `at` of the row on.
    ///
    /// # Safety
    /// The row must have the pixels.
    #[inline(always)]
    unsafe fn put<S: Simd, const P: usize>(self, s: S, at: usize, y: [S::V; P]) {
        for p in 0..P {
            // SAFETY: as the caller promises.
            unsafe { self.y.put(s, at + p * self.channels, y[p], self.n) };
        }
    }
}

pub(crate) struct Plain<'a> {
    pub(crate) y: Output<'a>,
    pub(crate) channels: usize,
}

impl<'a> RowEpilogue for Plain<'a> {
    type Row<S: Simd> = Store<'a>;
    #[inline(always)]
    unsafe fn begin_row<S: Simd>(&self, _: S, start: usize, c: usize, n: usize, _: usize) -> Store<'a> {
        Store { y: self.y.from(start + c), channels: self.channels, n }
    }
    #[inline(always)]
    unsafe fn outputs<S: Simd, const P: usize>(&self, s: S, row: &mut Store<'a>, at: usize, z: [S::V; P]) {
        // SAFETY: as the caller promises.
        unsafe { row.put(s, at, z) };
    }
}

pub(crate) struct Moments<'a> {
    pub(crate) y: Output<'a>,
    pub(crate) channels: usize,
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

impl<'a> RowEpilogue for Moments<'a> {
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
        let store = Store { y: self.y.from(start + c), channels: self.channels, n };
        // SAFETY: there is a pivot for each of the block's vectors.
        let pivot = unsafe { s.load(self.pivots.add(v * S::LANES)) };
        RowMoments { store, first: start == 0, pivot, sum: s.splat(0.0), squares: s.splat(0.0) }
    }
    #[inline(always)]
    unsafe fn outputs<S: Simd, const P: usize>(
        &self,
        s: S,
        row: &mut RowMoments<'a, S>,
        at: usize,
        z: [S::V; P],
    ) {
        if row.first && at == 0 {
            row.pivot = z[0];
        }
        // SAFETY: as the caller promises.
        unsafe { row.store.put(s, at, z) };
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
}

pub(crate) struct Activate<'a> {
    pub(crate) y: Output<'a>,
    pub(crate) channels: usize,
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
                store: Store { y: self.y.from(start + c), channels: self.channels, n },
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
        at: usize,
        mut z: [S::V; P],
    ) {
        for p in 0..P {
            z[p] = row.act.apply(s, s.add(z[p], row.bias));
            if let Some(residual) = row.residual {
                // SAFETY: as the caller promises.
                let residual = unsafe { s.load_up_to(residual.add(at + p * self.channels), row.store.n) };
                z[p] = s.add(z[p], residual);
            }
        }
        // SAFETY: as the caller promises.
        unsafe { row.store.put(s, at, z) };
    }
}

pub(crate) struct ActivatedRow<'a, S: Simd> {
    store: Store<'a>,
    bias: S::V,
    act: Act<S>,
    residual: Option<*const f32>,
}
