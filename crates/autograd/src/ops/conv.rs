//! General convolution: the stem of a network, and whatever is neither pointwise nor depthwise.

use super::depthwise::Bands;
use super::partials;
use crate::{Gradient, Op, Tape, Value, Var};
use kernels::conv::{conv as kernel, tile_rows};
use kernels::conv_backward::conv_backward;
use kernels::norm::Moments;

use engine::{Tensor, par};
use kernels::{ConvShape, Epilogue, Level, Packed, Write};
use std::sync::Arc;

/// `x: [n, h, w, inputs]`, `weights: [kernel * kernel * inputs, outputs]`; the result is
/// `[n, out_h, out_w, outputs]`, with its moments. `shape` describes one image.
pub fn conv(tape: &mut Tape, x: &Var, weights: &Var, shape: ConvShape) -> Var {
    let (level, images) = (tape.level(), x.shape()[0]);
    let expected = [images, shape.h, shape.w, shape.inputs];
    assert_eq!(x.shape()[..], expected, "x: expected {expected:?}, found {:?}", x.shape());
    let w = weights.tensor().clone();
    let depth = shape.kernel * shape.kernel * shape.inputs;
    assert_eq!(w.shape()[..], [depth, shape.outputs], "weights follow the shape");
    let mut packed = Packed::new(level, depth, shape.outputs);
    packed.pack(w.data());

    let bands = Bands::new(images, shape.out_h, tile_rows(&shape, images));
    let mut z = Tensor::recycled([images, shape.out_h, shape.out_w, shape.outputs]);
    let mut sums = Tensor::recycled([bands.count(), 3 * shape.outputs]);
    let read = x.value().read();
    let len = z.data().len();
    let pieces = bands.split(z.data_mut(), shape.out_w * shape.outputs);
    let tasks: Vec<_> =
        pieces.into_iter().zip(sums.data_mut().chunks_mut(3 * shape.outputs)).enumerate().collect();
    par::run(tasks, |(tile, (z, sums))| {
        let (image, rows) = bands.tile(tile);
        let x = read.part(image * shape.input_len()..(image + 1) * shape.input_len());
        kernel(&shape, x, &packed, rows, Write::part(z, len), Epilogue::Moments(sums));
    });
    let counts = (0..bands.count()).map(|tile| bands.tile(tile).1.len() * shape.out_w);
    let moments = Moments::merge(sums.data(), shape.outputs, counts);
    let kept = x.value().clone();
    let mut out = tape.record(&[x, weights], Value::Plain(z), || Conv { x: kept, weights: w, shape });
    out.moments = Some(Arc::new(moments));
    out
}

struct Conv {
    x: Value,
    weights: Tensor,
    shape: ConvShape,
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>> {
        let (shape, images) = (&self.shape, self.x.shape()[0]);
        let [depth, outputs] = [self.weights.shape()[0], self.weights.shape()[1]];
        let transposed = wanted[0].then(|| {
            let mut packed = Packed::new(level, outputs, depth);
            packed.pack_transposed(self.weights.data());
            packed
        });
        let mut dx = wanted[0].then(|| Tensor::recycled(*self.x.shape()));
        let mut dw = Tensor::zeros([images, depth * outputs]);
        let mut sums = Tensor::zeros([images, 2 * shape.inputs]);
        let (x, g) = (self.x.read(), gradient.read());
        let mut dx_pieces = dx.iter_mut().flat_map(|dx| dx.data_mut().chunks_mut(shape.input_len()));
        let tasks: Vec<_> = dw
            .data_mut()
            .chunks_mut(depth * outputs)
            .zip(sums.data_mut().chunks_mut(2 * shape.inputs))
            .enumerate()
            .map(|(image, (dw, sums))| (image, dx_pieces.next(), dw, sums))
            .collect();
        par::run(tasks, |(image, dx, dw, sums)| {
            let x = x.part(image * shape.input_len()..(image + 1) * shape.input_len());
            let g = g.part(image * shape.output_len()..(image + 1) * shape.output_len());
            conv_backward(level, shape, x, g, transposed.as_ref(), 0..shape.out_h, dx, dw, sums);
        });
        drop(dx_pieces);
        vec![
            dx.map(|dx| partials::input_gradient(&self.x, dx, &sums)),
            wanted[1].then(|| Gradient::Plain(partials::sum(level, &dw, *self.weights.shape()))),
        ]
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::depthwise::check::shapes;
    use super::super::gradient_check::{Case, convolution_cases};
    use kernels::{ConvShape, scalar};

    /// Images in a case: three, because a norm over two values is a step function without a gradient to speak of.
    const IMAGES: usize = 3;

    pub fn cases() -> Vec<Case> {
        let narrow = shapes().into_iter().filter(|shape| shape.inputs <= 3);
        narrow.flat_map(|shape| of(ConvShape { outputs: 5, ..shape })).collect()
    }

    fn of(shape: ConvShape) -> Vec<Case> {
        let spec = move |x: &kernels::Read<f64>, weights: &[f64]| {
            let mut z = vec![0.0; IMAGES * shape.output_len()];
            for (i, z) in z.chunks_mut(shape.output_len()).enumerate() {
                let x = x.part(i * shape.input_len()..(i + 1) * shape.input_len());
                scalar::conv_forward(&shape, &x, weights, z);
            }
            z
        };
        let forward =
            move |tape: &mut crate::Tape, x: &crate::Var, w: &crate::Var| super::conv(tape, x, w, shape);
        let weights = [shape.kernel * shape.kernel * shape.inputs, shape.outputs];
        let x = [IMAGES, shape.h, shape.w, shape.inputs];
        convolution_cases("conv", &x, &weights, shape.outputs, forward, spec)
    }
}
