//! The small square picture that stands for an image of any shape.

use crate::SIDE;
use crate::void::{hide_corners, inside};
use model::resize;
use sha2::{Digest, Sha256};

/// An image reduced to [`SIDE`] pixels in its longer side, in the middle of a square.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// `[SIDE, SIDE]`: around the image its edge is repeated, so that no line appears there that all images share.
    pub(crate) pixels: Vec<u8>,
    /// Columns and rows of the image in the square.
    size: [usize; 2],
}

/// The values of a part, `[left, top, columns, rows]`, of an image `width` pixels wide.
fn part(gray: &[f32], width: usize, [left, top, columns, rows]: [usize; 4]) -> Vec<f32> {
    gray.chunks_exact(width)
        .skip(top)
        .take(rows)
        .flat_map(|row| &row[left..left + columns])
        .copied()
        .collect()
}

impl Thumbnail {
    /// Of `gray: [height, width]`, in `0..=255`, without even bars at its edges.
    pub fn new(gray: &[f32], (height, width): (usize, usize)) -> Self {
        let place = inside(gray, (height, width));
        let gray = &part(gray, width, place);
        let [_, _, width, height] = place;
        let longer = height.max(width);
        let [columns, rows] = [width, height].map(|side| ((side * SIDE + longer / 2) / longer).max(1));
        let small = resize(gray, (height, width), (rows, columns), 1);
        let [left, top] = [columns, rows].map(|side| (SIDE - side) / 2);
        let pixel = |i: usize| {
            let (x, y) = (i % SIDE, i / SIDE);
            let (x, y) = (x.saturating_sub(left).min(columns - 1), y.saturating_sub(top).min(rows - 1));
            small[y * columns + x].round() as u8
        };
        Self { pixels: (0..SIDE * SIDE).map(pixel).collect(), size: [columns, rows] }
    }

    /// The same for equal images.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let size = self.size.map(|side| side as u8);
        Sha256::new().chain_update(size).chain_update(&self.pixels).finalize().into()
    }

    /// Columns, rows and pixels of the image alone.
    pub fn image(&self) -> (usize, usize, Vec<u8>) {
        let [columns, rows] = self.size;
        let rows_of = self.pixels.chunks_exact(SIDE).skip((SIDE - rows) / 2).take(rows);
        let pixels = rows_of.flat_map(|row| &row[(SIDE - columns) / 2..][..columns]).copied().collect();
        (columns, rows, pixels)
    }

    /// `[SIDE, SIDE]`: where the image lies and is not an empty corner.
    pub(crate) fn shown(&self) -> Vec<bool> {
        let mut shown: Vec<bool> = (0..SIDE * SIDE).map(|i| self.shows(i % SIDE, i / SIDE, SIDE)).collect();
        hide_corners(&self.pixels, &mut shown);
        shown
    }

    /// Columns and rows of the image, as parts of the square.
    pub(crate) fn aspect(&self) -> [f32; 2] {
        self.size.map(|side| side as f32 / SIDE as f32)
    }

    /// Whether column `x` and row `y` of a square of `side` pixels show the image and nothing else.
    fn shows(&self, x: usize, y: usize, side: usize) -> bool {
        let inside = |at: usize, size: usize| (2 * at + 1).abs_diff(side) * SIDE < size * side;
        inside(x, self.size[0]) && inside(y, self.size[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_image_lies_in_the_middle() {
        let gray: Vec<f32> = (0..448 * 112).map(|i| (50 + i / 448) as f32).collect();
        let found = Thumbnail::new(&gray, (112, 448));
        let (columns, rows, pixels) = found.image();
        assert_eq!((columns, rows, pixels.len()), (SIDE, SIDE / 4, SIDE * SIDE / 4));
        assert_eq!((found.pixels[0], found.pixels[SIDE * SIDE - 1]), (pixels[0], pixels[pixels.len() - 1]));
        let rows: Vec<usize> = (0..SIDE).filter(|&y| found.shows(0, y, SIDE)).collect();
        assert_eq!((rows[0], rows.len()), (SIDE * 3 / 8, SIDE / 4));
        assert_eq!((0..28).filter(|&y| found.shows(0, y, 28)).count(), 6);
    }
}
