//! Weights in the order in which the GEMM reads them.
//!
//! A panel holds `gemm::columns` neighbouring columns of a `k x n` matrix, row by row, so that the inner loop reads
//! one contiguous stream. The last panel is padded with zeros: every panel is whole, and only stores know about tails.
//! Packing costs one pass over the weights and is done once a step (training) or once a model (inference).

use crate::buffer::Buffer;
use crate::gemm;
use crate::level::Level;

/// A `k x n` matrix as panels `[ceil(n / width)][k][width]` of one level's width.
#[derive(Clone, Debug)]
pub struct Packed {
    level: Level,
    k: usize,
    n: usize,
    data: Buffer,
}

impl Packed {
    /// Room for a `k x n` matrix; what it holds is unspecified until it is packed.
    pub fn new(level: Level, k: usize, n: usize) -> Self {
        let width = gemm::columns(level);
        Self { level, k, n, data: Buffer::recycled(n.div_ceil(width) * k * width) }
    }

    /// Packs `w: [k, n]`.
    pub fn pack(&mut self, w: &[f32]) {
        self.panels_mut().for_each(|panel| panel.pack(w));
    }

    /// Packs the transpose of `w: [n, k]`: for the gradient of the input, from the same weights.
    pub fn pack_transposed(&mut self, w: &[f32]) {
        self.panels_mut().for_each(|panel| panel.pack_transposed(w));
    }

    /// The panels, so that a caller with threads can pack them side by side.
    pub fn panels_mut(&mut self) -> impl Iterator<Item = Panel<'_>> {
        let (k, n, width) = (self.k, self.n, gemm::columns(self.level));
        let panels = self.data.chunks_exact_mut((k * width).max(1)).zip((0..n).step_by(width));
        panels.map(move |(data, start)| Panel { data, start, k, n, width })
    }

    /// The level whose panel width this has.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Rows: what a convolution sums over.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns: what a convolution puts out.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.data.capacity() * size_of::<f32>()
    }

    /// The panels as the right matrix of a [`gemm::Gemm`].
    pub(crate) fn right(&self) -> gemm::Right {
        let width = gemm::columns(self.level);
        gemm::Right { ptr: self.data.as_ptr(), panel: self.k * width, row: width }
    }
}

/// One panel of a [`Packed`] matrix.
pub struct Panel<'a> {
    /// `[k, width]`
    data: &'a mut [f32],
    /// Its first column.
    start: usize,
    k: usize,
    n: usize,
    width: usize,
}

impl Panel<'_> {
    /// Packs its part of `w: [k, n]`.
    ///
    /// # Panics
    /// When the length does not fit.
    pub fn pack(self, w: &[f32]) {
        let Self { data, start, k, n, width } = self;
        assert_eq!(w.len(), k * n, "w: expected [{k}, {n}]");
        let columns = width.min(n - start);
        for (to, from) in data.chunks_exact_mut(width).zip(w.chunks_exact(n)) {
            to[..columns].copy_from_slice(&from[start..start + columns]);
            to[columns..].fill(0.0);
        }
    }

    /// Packs its part of the transpose of `w: [n, k]`.
    ///
    /// # Panics
    /// When the length does not fit.
    pub fn pack_transposed(self, w: &[f32]) {
        let Self { data, start, k, n, width } = self;
        assert_eq!(w.len(), n * k, "w: expected [{n}, {k}]");
        let rows = &w[start * k..n.min(start + width) * k];
        // Eight rows at a time, so that the writes, `width` apart, share cache lines.
        for (block, rows) in rows.chunks(8 * k).enumerate() {
            for p in 0..k {
                let to = &mut data[p * width + 8 * block..];
                for (to, row) in to.iter_mut().zip(rows.chunks_exact(k)) {
                    *to = row[p];
                }
            }
        }
        let columns = width.min(n - start);
        for to in data.chunks_exact_mut(width) {
            to[columns..].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_pack_the_same_panels() {
        for level in Level::available() {
            let width = gemm::columns(level);
            for (k, n) in [(1, 1), (3, width), (7, width + 1), (5, 3 * width - 1)] {
                let w: Vec<f32> = (0..k * n).map(|i| i as f32 + 1.0).collect();
                let transposed: Vec<f32> = (0..n * k).map(|i| w[i % k * n + i / k]).collect();
                let mut packed = Packed::new(level, k, n);
                packed.data.fill(f32::NAN);
                packed.pack(&w);
                for (i, &value) in packed.data.iter().enumerate() {
                    let (p, j) = (i / width % k, i / (width * k) * width + i % width);
                    assert_eq!(value, if j < n { w[p * n + j] } else { 0.0 }, "{} {k}x{n}", level.name());
                }
                let mut other = Packed::new(level, k, n);
                other.data.fill(f32::NAN);
                other.pack_transposed(&transposed);
                assert_eq!(packed.data[..], other.data[..]);
            }
        }
    }
}
