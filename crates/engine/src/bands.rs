//! Every image of a batch cut into bands of rows: the tiles that threads work on.
//!
//! Bands follow from shapes, never from the number of threads, and what they leave behind is merged in their order: so
//! any number of threads gives the same bits.

use std::ops::Range;

/// `images` of `height` rows each, cut into bands of `rows`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bands {
    images: usize,
    height: usize,
    /// Rows of a band; the last one of an image may have fewer.
    pub rows: usize,
}

impl Bands {
    pub fn new(images: usize, height: usize, rows: usize) -> Self {
        Self { images, height, rows: rows.clamp(1, height.max(1)) }
    }

    /// Bands of `share` of these each, as far as an image has them.
    pub fn joined(self, share: usize) -> Self {
        Self { rows: share * self.rows, ..self }
    }

    pub fn count(self) -> usize {
        self.images * self.height.div_ceil(self.rows)
    }

    /// The image and the rows of each band.
    pub fn iter(self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let Self { images, height, rows } = self;
        let bands =
            move |image| (0..height).step_by(rows).map(move |start| (image, start..height.min(start + rows)));
        (0..images).flat_map(bands)
    }

    /// The pieces of a batch that the bands write, `row` floats a row; none of an empty slice.
    pub fn split(self, data: &mut [f32], row: usize) -> impl Iterator<Item = &mut [f32]> {
        data.chunks_mut(self.height * row).flat_map(move |image| image.chunks_mut(self.rows * row))
    }
}
