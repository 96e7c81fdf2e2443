//! Pointwise (1 x 1) convolution: a matrix product over the pixels of a batch.
//!
//! Forward takes the norm's moments in its epilogue. Backward computes the gradient of the input and of the weights
//! from the same tiles, so that the deferred input and gradient are formed once.

use super::partials;
use crate::{Gradient, Op, Tape, Value, Var};
use engine::{Tensor, par};
use kernels::norm::Moments;
use kernels::pointwise_backward::{backward_tiles, pointwise_backward};
use kernels::{Epilogue, Level, Packed, Write, pointwise as kernel};
use std::sync::Arc;

/// `x: [n, h, w, inputs]`, `weights: [inputs, outputs]`; the result is `[n, h, w, outputs]`, with its moments.
pub fn pointwise(tape: &mut Tape, x: &Var, weights: &Var) -> Var {
    let (level, shape) = (tape.level(), *x.shape());
    let w = weights.tensor().clone();
    let (inputs, outputs) = (w.shape()[0], w.shape()[1]);
    assert_eq!(shape.channels(), inputs, "x: expected [.., {inputs}], found {shape:?}");
    let pixels = shape.rows();
    let mut packed = Packed::new(level, inputs, outputs);
    par::run(packed.panels_mut().collect(), |panel| panel.pack(w.data()));

    let rows = kernel::tile_rows(level, pixels, inputs, outputs);
    let mut z = Tensor::recycled([shape[0], shape[1], shape[2], outputs]);
    let mut sums = Tensor::recycled([pixels.div_ceil(rows), 3 * outputs]);
    let (read, len) = (x.value().read(), z.data().len());
    par::chunks_mut2((z.data_mut(), rows * outputs), (sums.data_mut(), 3 * outputs), |tile, z, sums| {
        let (start, pixels) = (tile * rows, z.len() / outputs);
        let x = read.part(start * inputs..(start + pixels) * inputs);
        kernel::pointwise(x, &packed, Write::part(z, len), Epilogue::Moments(sums));
    });
    let counts = (0..pixels.div_ceil(rows)).map(|tile| rows.min(pixels - tile * rows));
    let moments = Moments::merge(sums.data(), outputs, counts);
    let kept = x.value().clone();
    let mut out = tape.record(&[x, weights], Value::Plain(z), || Pointwise { x: kept, weights: w });
    out.moments = Some(Arc::new(moments));
    out
}

struct Pointwise {
    x: Value,
    weights: Tensor,
}

impl Op for Pointwise {
    fn name(&self) -> &'static str {
        "pointwise"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>> {
        let (inputs, outputs) = (self.weights.shape()[0], self.weights.shape()[1]);
        let (want_x, want_w) = (wanted[0], wanted[1]);
        let pixels = self.x.shape().rows();
        let mut transposed = Packed::new(level, outputs, inputs);
        par::run(transposed.panels_mut().collect(), |panel| panel.pack_transposed(self.weights.data()));

        let tiles = backward_tiles(level, pixels, inputs, outputs);
        let count = pixels.div_ceil(tiles.rows);
        let share = count.div_ceil(tiles.partials);
        let parts = count.div_ceil(share);
        let mut dx = want_x.then(|| Tensor::recycled(*self.x.shape()));
        let mut dw = want_w.then(|| Tensor::recycled([parts, inputs * outputs]));
        let mut sums = Tensor::zeros([count, 2 * inputs]);
        let (x, g) = (self.x.read(), gradient.read());
        let len = x.stored().len();
        let mut dx_parts = split(dx.as_mut(), share * tiles.rows * inputs);
        let mut dw_parts = split(dw.as_mut(), inputs * outputs);
        let sums_parts = sums.data_mut().chunks_mut(share * 2 * inputs);
        let tasks: Vec<_> =
            sums_parts.enumerate().map(|(i, sums)| (i, dx_parts.next(), dw_parts.next(), sums)).collect();
        par::run(tasks, |(part, mut dx, mut dw, sums)| {
            for (i, sums) in sums.chunks_mut(2 * inputs).enumerate() {
                let start = (part * share + i) * tiles.rows;
                let end = (start + tiles.rows).min(pixels);
                let own = i * tiles.rows * inputs;
                pointwise_backward(
                    level,
                    x.part(start * inputs..end * inputs),
                    g.part(start * outputs..end * outputs),
                    outputs,
                    want_x.then_some(&transposed),
                    dx.as_deref_mut().map(|dx| Write::part(&mut dx[own..own + (end - start) * inputs], len)),
                    dw.as_deref_mut(),
                    i == 0,
                    sums,
                );
            }
        });
        drop(dx_parts);
        drop(dw_parts);
        vec![
            dx.map(|dx| partials::input_gradient(&self.x, dx, &sums)),
            dw.map(|dw| Gradient::Plain(partials::sum(level, &dw, *self.weights.shape()))),
        ]
    }
}

/// Pieces of `len` elements of a tensor that may be absent.
fn split(tensor: Option<&mut Tensor>, len: usize) -> impl Iterator<Item = &mut [f32]> {
    tensor.into_iter().flat_map(move |tensor| tensor.data_mut().chunks_mut(len))
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{Case, convolution_cases};
    use kernels::{ConvShape, scalar};

    pub fn cases() -> Vec<Case> {
        let sizes = [(1, 1), (3, 5), (17, 33), (8, 2)];
        sizes.into_iter().flat_map(|(inputs, outputs)| of(inputs, outputs)).collect()
    }

    fn of(inputs: usize, outputs: usize) -> Vec<Case> {
        let pixels = 12;
        let (kernel, stride, pad_top, pad_left) = (1, 1, 0, 0);
        let (h, w, out_h, out_w) = (pixels, 1, pixels, 1);
        let shape = ConvShape { h, w, inputs, outputs, kernel, stride, pad_top, pad_left, out_h, out_w };
        let spec = move |x: &kernels::Read<f64>, weights: &[f64]| {
            let mut z = vec![0.0; pixels * outputs];
            scalar::conv_forward(&shape, x, weights, &mut z);
            z
        };
        convolution_cases(
            "pointwise",
            &[2, 3, 2, inputs],
            &[inputs, outputs],
            outputs,
            super::pointwise,
            spec,
        )
    }
}
