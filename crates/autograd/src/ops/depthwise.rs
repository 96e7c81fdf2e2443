//! Depthwise convolution: one k x k filter a channel.

use super::partials;
use crate::{Gradient, Op, Tape, Value, Var};
use engine::{Tensor, par};
use kernels::depthwise::{depthwise as kernel, tile_rows};
use kernels::depthwise_backward::{backward_tile_rows, depthwise_backward};
use kernels::norm::Moments;
use kernels::{ConvShape, Epilogue, Level, Write};
use std::ops::Range;
use std::sync::Arc;

/// `x: [n, h, w, c]`, `weights: [kernel * kernel, c]`; the result is `[n, out_h, out_w, c]`, with its moments.
/// `shape` describes one image.
pub fn depthwise(tape: &mut Tape, x: &Var, weights: &Var, shape: ConvShape) -> Var {
    let (level, images, c) = (tape.level(), x.shape()[0], shape.inputs);
    let expected = [images, shape.h, shape.w, c];
    assert_eq!(x.shape()[..], expected, "x: expected {expected:?}, found {:?}", x.shape());
    let w = weights.tensor().clone();
    assert_eq!(w.shape()[..], [shape.kernel * shape.kernel, c], "weights follow the shape");

    let bands = Bands::new(images, shape.out_h, tile_rows(&shape, images));
    let mut z = Tensor::recycled([images, shape.out_h, shape.out_w, c]);
    let mut sums = Tensor::recycled([bands.count(), 3 * c]);
    let read = x.value().read();
    let len = z.data().len();
    let pieces = bands.split(z.data_mut(), shape.out_w * c);
    let tasks: Vec<_> = pieces.into_iter().zip(sums.data_mut().chunks_mut(3 * c)).enumerate().collect();
    par::run(tasks, |(tile, (z, sums))| {
        let (image, rows) = bands.tile(tile);
        let x = read.part(image * shape.input_len()..(image + 1) * shape.input_len());
        kernel(level, &shape, x, w.data(), rows, Write::part(z, len), Epilogue::Moments(sums));
    });
    let counts = (0..bands.count()).map(|tile| bands.tile(tile).1.len() * shape.out_w);
    let moments = Moments::merge(sums.data(), c, counts);
    let kept = x.value().clone();
    let mut out = tape.record(&[x, weights], Value::Plain(z), || Depthwise { x: kept, weights: w, shape });
    out.moments = Some(Arc::new(moments));
    out
}

struct Depthwise {
    x: Value,
    weights: Tensor,
    shape: ConvShape,
}

impl Op for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>> {
        let (shape, c, images) = (&self.shape, self.shape.inputs, self.x.shape()[0]);
        let taps = shape.kernel * shape.kernel;
        let bands = Bands::new(images, shape.h, backward_tile_rows(shape, images));
        let mut dx = wanted[0].then(|| Tensor::recycled(*self.x.shape()));
        let mut dw = Tensor::zeros([bands.count(), taps * c]);
        let mut sums = Tensor::zeros([bands.count(), 2 * c]);
        let (x, g) = (self.x.read(), gradient.read());
        let len = x.stored().len();
        let mut dx_pieces =
            dx.as_mut().map_or(vec![], |dx| bands.split(dx.data_mut(), shape.w * c)).into_iter();
        let dw_pieces = dw.data_mut().chunks_mut(taps * c);
        let tasks: Vec<_> = dw_pieces
            .zip(sums.data_mut().chunks_mut(2 * c))
            .enumerate()
            .map(|(tile, (dw, sums))| (tile, dx_pieces.next(), dw, sums))
            .collect();
        par::run(tasks, |(tile, dx, dw, sums)| {
            let (image, rows) = bands.tile(tile);
            let x = x.part(image * shape.input_len()..(image + 1) * shape.input_len());
            let g = g.part(image * shape.output_len()..(image + 1) * shape.output_len());
            let dx = dx.map(|dx| Write::part(dx, len));
            depthwise_backward(level, shape, x, g, self.weights.data(), rows, dx, dw, sums);
        });
        vec![
            dx.map(|dx| partials::input_gradient(&self.x, dx, &sums)),
            wanted[1].then(|| Gradient::Plain(partials::sum(level, &dw, *self.weights.shape()))),
        ]
    }
}

/// Every image of a batch cut into bands of rows.
pub(super) struct Bands {
    images: usize,
    height: usize,
    rows: usize,
}

impl Bands {
    pub(super) fn new(images: usize, height: usize, rows: usize) -> Self {
        Self { images, height, rows: rows.clamp(1, height) }
    }

    pub(super) fn count(&self) -> usize {
        self.images * self.height.div_ceil(self.rows)
    }

    /// The image and the rows of a band.
    pub(super) fn tile(&self, tile: usize) -> (usize, Range<usize>) {
        let per_image = self.height.div_ceil(self.rows);
        let start = tile % per_image * self.rows;
        (tile / per_image, start..(start + self.rows).min(self.height))
    }

    /// The pieces of a batch that the bands write, `row` elements a row.
    pub(super) fn split<'a>(&self, data: &'a mut [f32], row: usize) -> Vec<&'a mut [f32]> {
        let images = data.chunks_mut(self.height * row);
        images.flat_map(|image| image.chunks_mut(self.rows * row)).collect()
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{Case, convolution_cases};
    use kernels::{ConvShape, scalar};

    /// Images in a case: three, because a norm over two values is a step function without a gradient to speak of.
    const IMAGES: usize = 3;

    /// Shapes with each stride, kernel, and kind of padding, one of them with a channel count no vector divides.
    pub fn shapes() -> Vec<ConvShape> {
        let shape = |h, w, c, kernel, stride, pad: usize, out_h, out_w| ConvShape {
            h,
            w,
            inputs: c,
            outputs: c,
            kernel,
            stride,
            pad_top: pad,
            pad_left: pad,
            out_h,
            out_w,
        };
        vec![
            shape(4, 5, 3, 3, 1, 1, 4, 5),
            shape(4, 6, 3, 3, 2, 0, 2, 3),
            shape(5, 4, 17, 3, 2, 1, 3, 2),
            shape(1, 1, 2, 3, 1, 1, 1, 1),
            shape(5, 5, 2, 5, 2, 2, 3, 3),
        ]
    }

    pub fn cases() -> Vec<Case> {
        shapes().into_iter().flat_map(of).collect()
    }

    fn of(shape: ConvShape) -> Vec<Case> {
        let c = shape.inputs;
        let spec = move |x: &kernels::Read<f64>, weights: &[f64]| {
            let mut z = vec![0.0; IMAGES * shape.output_len()];
            for (i, z) in z.chunks_mut(shape.output_len()).enumerate() {
                let x = x.part(i * shape.input_len()..(i + 1) * shape.input_len());
                scalar::depthwise_forward(&shape, &x, weights, z);
            }
            z
        };
        let forward =
            move |tape: &mut crate::Tape, x: &crate::Var, w: &crate::Var| super::depthwise(tape, x, w, shape);
        let weights = [shape.kernel * shape.kernel, c];
        convolution_cases("depthwise", &[IMAGES, shape.h, shape.w, c], &weights, c, forward, spec)
    }
}
