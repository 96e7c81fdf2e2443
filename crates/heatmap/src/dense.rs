//! From a few cells to every pixel: where a cell lies, and what is between two cells.
//!
//! A cell of the last feature map stands for the centre of its receptive field, and that is not the centre of the
//! square that it would be in a grid laid over the image: with TensorFlow's padding each convolution of stride 2 looks
//! half a step down and right, with PyTorch's half a step up and left, and five of them add up to half a cell.
//!
//! Cells are far apart (32 pixels). What lies between them is not interpolated but computed: the network looks at the
//! image again, shifted by a quarter of that distance and its multiples, and the maps are laid into one another
//! (shift-and-stitch: Long et al. 2015, "Fully Convolutional Networks for Semantic Segmentation", section 3.2). Only the
//! last step, of a few pixels, is bilinear.

use model::Network;

/// Shifts of the image along an axis, that is, how many points are computed for every cell.
const SHIFTS: usize = 4;

/// Where the cells of the last feature map lie along the height or the width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    /// Pixels.
    pub size: usize,
    /// Cells.
    pub cells: usize,
    /// Pixels from a cell to the next.
    pub stride: usize,
    /// The pixel at the centre of the first cell's receptive field.
    pub first: f32,
}

impl Axis {
    /// The height (0) or width (1) of `network`.
    pub(crate) fn of(network: &Network, axis: usize) -> Self {
        let (mut stride, mut first) = (1, 0.0);
        for (conv, size) in network.layers() {
            let (before, _) = conv.pad(size[axis]);
            first += stride as f32 * ((conv.kernel - 1) as f32 / 2.0 - before as f32);
            stride *= conv.stride;
        }
        Self { size: network.image_size[axis], cells: network.feature_size()[axis], stride, first }
    }

    /// Pixels from a computed point to the next.
    fn step(&self) -> usize {
        self.stride.div_ceil(SHIFTS)
    }

    /// Shifts along this axis, in pixels, symmetric about 0 but for one step.
    fn shifts(&self) -> impl Iterator<Item = isize> {
        let (step, count) = (self.step(), self.stride / self.step());
        (0..count).map(move |i| (i * step) as isize - (count / 2 * step) as isize)
    }

    /// The computed points, as pixels of the image.
    fn points(&self) -> Points {
        let (step, count) = (self.step(), self.stride / self.step());
        let first = self.first - (count / 2 * step) as f32;
        Points { first, step: step as f32, count: self.cells * count }
    }
}

/// Points along an axis at which a value is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Points {
    /// Where the first lies, in pixels.
    pub first: f32,
    /// From one to the next.
    pub step: f32,
    /// How many.
    pub count: usize,
}

impl Points {
    /// Where a point lies.
    pub(crate) fn at(&self, point: usize) -> f32 {
        self.first + point as f32 * self.step
    }

    /// For a pixel: the points before and after it, and the weight of the second.
    fn around(&self, pixel: usize) -> (usize, usize, f32) {
        let position = ((pixel as f32 - self.first) / self.step).clamp(0.0, (self.count - 1) as f32);
        let before = position as usize;
        (before, (before + 1).min(self.count - 1), position - before as f32)
    }
}

/// The map of `size` pixels through `values` at the `points` of both axes: bilinear between them, constant outside.
pub(crate) fn interpolate(values: &[f32], points: [Points; 2], [height, width]: [usize; 2]) -> Heatmap {
    let [rows, columns] = points;
    let mut pixels = Vec::with_capacity(height * width);
    for y in 0..height {
        let (above, below, v) = rows.around(y);
        for x in 0..width {
            let (left, right, u) = columns.around(x);
            let row = |y: usize| {
                let (a, b) = (values[y * columns.count + left], values[y * columns.count + right]);
                a + u * (b - a)
            };
            pixels.push(row(above) + v * (row(below) - row(above)));
        }
    }
    Heatmap { size: [height, width], values: pixels }
}

/// A value for every pixel of the network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// Height and width in pixels.
    pub size: [usize; 2],
    /// `[h, w]`, in units of the logit: above 0 speaks for the class.
    pub values: Vec<f32>,
}

impl Heatmap {
    /// The pixel `[y, x]` that speaks most for the class.
    pub fn peak(&self) -> [usize; 2] {
        let larger = |best: usize, i: usize| if self.values[i] > self.values[best] { i } else { best };
        let best = (0..self.values.len()).fold(0, larger);
        [best / self.size[1], best % self.size[1]]
    }

    /// The largest distance from 0.
    pub fn largest(&self) -> f32 {
        self.values.iter().fold(0.0, |largest, value| value.abs().max(largest))
    }
}

/// The map of `image: [h, w, channels]` from `cells`, which gives the cells' values of a shifted image.
pub(crate) fn heatmap(
    axes: [Axis; 2],
    channels: usize,
    image: &[f32],
    mut cells: impl FnMut(&[f32]) -> Vec<f32>,
) -> Heatmap {
    let [rows, columns] = axes;
    let counts = axes.map(|axis| axis.shifts().count());
    let width = columns.cells * counts[1];
    let mut points = vec![0.0; rows.cells * counts[0] * width];
    for (i, down) in rows.shifts().enumerate() {
        for (j, right) in columns.shifts().enumerate() {
            let found = cells(&shifted(image, [rows.size, columns.size], channels, [down, right]));
            for (cell, value) in found.into_iter().enumerate() {
                let (y, x) = (cell / columns.cells * counts[0] + i, cell % columns.cells * counts[1] + j);
                points[y * width + x] = value;
            }
        }
    }
    interpolate(&points, axes.map(|axis| axis.points()), [rows.size, columns.size])
}

/// `image` such that its pixel `(y + down, x + right)` comes to lie at `(y, x)`; the border repeats.
fn shifted(
    image: &[f32],
    [height, width]: [usize; 2],
    channels: usize,
    [down, right]: [isize; 2],
) -> Vec<f32> {
    let source = |at: usize, by: isize, size: usize| at.saturating_add_signed(by).min(size - 1);
    let mut out = Vec::with_capacity(image.len());
    for y in 0..height {
        let row = &image[source(y, down, height) * width * channels..][..width * channels];
        for x in 0..width {
            out.extend_from_slice(&row[source(x, right, width) * channels..][..channels]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Architecture, Padding};

    fn axis(padding: Padding) -> Axis {
        let architecture = Architecture { padding, ..Architecture::named("mobilenet-v1").unwrap() };
        Axis::of(&architecture.network().unwrap(), 0)
    }

    /// 3x3 at stride 2 looks at pixels 2i .. 2i + 2 with TensorFlow's padding, 2i - 1 .. 2i + 1 with PyTorch's.
    #[test]
    fn cells_lie_at_the_centre_of_their_receptive_field() {
        assert_eq!(axis(Padding::Same), Axis { size: 224, cells: 7, stride: 32, first: 31.0 });
        assert_eq!(axis(Padding::Symmetric), Axis { size: 224, cells: 7, stride: 32, first: 0.0 });
    }

    /// A "network" that reads the pixel at the centre of each cell: the map is then the image, to a few pixels.
    #[test]
    fn shifted_maps_are_laid_where_they_belong() {
        let axis = Axis { size: 128, cells: 4, stride: 32, first: 31.0 };
        let mut image = vec![0.0; 128 * 128];
        image[48 * 128 + 79] = 1.0;
        // Points are at 15, 23, 31, 39, 47, 55, .. : use one that is computed.
        image[47 * 128 + 79] = 2.0;
        let centre = |cell: usize| 31 + 32 * cell;
        let read = |image: &[f32]| -> Vec<f32> {
            (0..16).map(|i| image[centre(i / 4).min(127) * 128 + centre(i % 4).min(127)]).collect()
        };
        let found = heatmap([axis; 2], 1, &image, read);
        assert_eq!(found.peak(), [47, 79]);
        assert_eq!(found.values[47 * 128 + 79], 2.0);
        assert_eq!(found.values[47 * 128 + 83], 1.0, "half way to the next point");
    }

    #[test]
    fn a_border_repeats() {
        let image = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(shifted(&image, [2, 2], 1, [1, 0]), [3.0, 4.0, 3.0, 4.0]);
        assert_eq!(shifted(&image, [2, 2], 1, [0, -1]), [1.0, 1.0, 3.0, 3.0]);
        assert_eq!(shifted(&image, [1, 2], 2, [0, 1]), [3.0, 4.0, 3.0, 4.0]);
    }
}
