//! Shapes of up to four dimensions, stored inline.

use std::fmt;
use std::ops::Deref;

/// The dimensions of a tensor, outermost first. Images are `[n, h, w, c]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; 4],
    rank: usize,
}

impl Shape {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.iter().product()
    }

    /// The innermost dimension: channels of an image, columns of a matrix. 1 for a scalar.
    pub fn channels(&self) -> usize {
        self.last().copied().unwrap_or(1)
    }

    /// Everything but the innermost dimension: pixels of a batch, rows of a matrix.
    pub fn rows(&self) -> usize {
        self.split_last().map_or(1, |(_, outer)| outer.iter().product())
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.dims[..self.rank]
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        assert!(dims.len() <= 4, "a tensor has at most four dimensions, not {}", dims.len());
        let mut shape = Self { dims: [1; 4], rank: dims.len() };
        shape.dims[..dims.len()].copy_from_slice(dims);
        shape
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self::from(&dims[..])
    }
}
