//! What kernels are compared with: the naive loop, and im2col with somebody else's matrix product.
//!
//! Both get an easier task: plain inputs and plain outputs, without norms, moments and activations.

use crate::case::{BenchCase, CaseKind, ConvPass};
use crate::{ADAM, random};
use engine::{Conv, par};
use kernels::comparison::{self, Layout};
use kernels::{Buffer, ConvShape, Grad, Read, scalar};
use model::ConvKind;

/// One image of a case through the loops of [`kernels::scalar`], on one thread.
pub struct Naive {
    case: BenchCase,
    x: Buffer,
    y: Buffer,
    dx: Buffer,
    w: Buffer,
    dw: Buffer,
}

impl Naive {
    /// Random data for one image.
    pub fn new(case: BenchCase) -> Self {
        let (x, y, w) = (case.conv.shape.input_len(), case.conv.shape.output_len(), case.weights());
        Self { case, x: random(x), y: random(y), dx: random(x), w: random(w), dw: random(w) }
    }

    /// Runs it once. Where both gradients come from one loop, the loop makes both.
    pub fn run(&mut self) {
        let Self { case: BenchCase { kind: kernel, conv: Conv { shape, .. }, .. }, x, y, dx, w, dw } = self;
        let c = shape.inputs;
        match kernel {
            CaseKind::Conv(kind, ConvPass::Forward | ConvPass::Inference) => match kind {
                ConvKind::Depthwise => scalar::depthwise_forward(shape, &Read::Plain(x), w, y),
                ConvKind::Full | ConvKind::Pointwise => scalar::conv_forward(shape, &Read::Plain(x), w, y),
            },
            CaseKind::Conv(kind, _) => {
                let backward = match kind {
                    ConvKind::Depthwise => scalar::depthwise_backward,
                    ConvKind::Full | ConvKind::Pointwise => scalar::conv_backward,
                };
                backward(shape, &Read::Plain(x), &Grad::Plain(y), w, dx, dw, &mut []);
            }
            CaseKind::Pool => scalar::global_average_pool(&Read::Plain(x), c, &mut y[..c]),
            CaseKind::PoolBackward => {
                scalar::global_average_pool_backward(&Read::Plain(x), c, &y[..c], dx, &mut []);
            }
            CaseKind::Adam => {
                let gradient = vec![1e-3; x.len()];
                scalar::adam(&ADAM, &gradient, x, y, dx);
            }
        }
    }
}

/// A matrix product `c = a * b`, whichever library it comes from.
pub type Product<'a> = &'a dyn Fn((&[f32], Layout), (&[f32], Layout), (&mut [f32], Layout));

/// The product by the crate `matrixmultiply`; each thread of the pool makes its share of the rows of `c`.
pub fn matrixmultiply(a: (&[f32], Layout), b: (&[f32], Layout), c: (&mut [f32], Layout)) {
    let (rows, n) = (c.1.rows.div_ceil(par::threads()), c.1.columns);
    if rows == c.1.rows || c.1 != Layout::row_major(c.1.rows, n) {
        return comparison::matrixmultiply(a, b, c);
    }
    par::chunks_mut(c.0, rows * n, |i, c| {
        let count = c.len() / n;
        let a = (&a.0[i * rows * a.1.row_stride..], Layout { rows: count, ..a.1 });
        comparison::matrixmultiply(a, b, (c, Layout::row_major(count, n)));
    });
}

/// A convolution as other libraries compute it: the window of every output laid out as a row (unless it is a pixel),
/// then one matrix product, or one a channel for a depthwise convolution.
pub struct Im2col {
    kind: ConvKind,
    pass: ConvPass,
    shape: ConvShape,
    /// A pointwise convolution takes the batch as one image.
    images: usize,
    x: Buffer,
    y: Buffer,
    dx: Buffer,
    w: Buffer,
    dw: Buffer,
    /// The windows of one image, `[out_h * out_w, kernel * kernel, inputs]`.
    windows: Buffer,
}

impl Im2col {
    /// Random data for `case`; none where it is no convolution.
    pub fn new(case: &BenchCase) -> Option<Self> {
        let CaseKind::Conv(kind, pass) = case.kind else { return None };
        let (mut shape, mut images) = (case.conv.shape, case.batch);
        if kind == ConvKind::Pointwise {
            (shape.h, shape.out_h) = (shape.h * images, shape.out_h * images);
            images = 1;
        }
        let (x, y, w) = (images * shape.input_len(), images * shape.output_len(), case.weights());
        let window = shape.kernel * shape.kernel * shape.inputs;
        let windows = if kind == ConvKind::Pointwise { 0 } else { shape.out_h * shape.out_w * window };
        let [x, y, dx, w, dw, windows] = [x, y, x, w, w, windows].map(random);
        Some(Self { kind, pass, shape, images, x, y, dx, w, dw, windows })
    }

    /// Runs it once with `product`.
    pub fn run(&mut self, product: Product) {
        let (forward, input, weights) = match self.pass {
            ConvPass::Forward | ConvPass::Inference => (true, false, false),
            ConvPass::Input => (false, true, false),
            ConvPass::Weights => (false, false, true),
            ConvPass::Backward => (false, true, true),
        };
        for image in 0..self.images {
            if forward || weights {
                self.lay_out(image);
            }
            if forward {
                self.forward(image, product);
            }
            if weights {
                self.weights(image, product);
            }
            if input {
                self.input(image, product);
            }
        }
    }

    /// Products, and the layouts of windows, weights and outputs in each; product `i` begins `i` floats in.
    fn layouts(&self) -> (usize, [Layout; 3]) {
        let ConvShape { inputs, outputs: n, kernel, out_h, out_w, .. } = self.shape;
        let groups = if self.kind == ConvKind::Depthwise { inputs } else { 1 };
        let window = kernel * kernel * inputs;
        let (pixels, k) = (out_h * out_w, window / groups);
        let windows = Layout { rows: pixels, columns: k, row_stride: window, column_stride: groups };
        let weights = Layout { rows: k, columns: n / groups, row_stride: n, column_stride: 1 };
        let outputs = Layout { rows: pixels, columns: n / groups, row_stride: n, column_stride: 1 };
        (groups, [windows, weights, outputs])
    }

    fn forward(&mut self, image: usize, product: Product) {
        let (groups, [windows, weights, outputs]) = self.layouts();
        let y = &mut self.y[image * self.shape.output_len()..][..self.shape.output_len()];
        let from = if self.kind == ConvKind::Pointwise { &self.x } else { &self.windows };
        for g in 0..groups {
            product((&from[g..], windows), (&self.w[g..], weights), (&mut y[g..], outputs));
        }
    }

    fn weights(&mut self, image: usize, product: Product) {
        let (groups, [windows, weights, outputs]) = self.layouts();
        let dy = &self.y[image * self.shape.output_len()..][..self.shape.output_len()];
        let from = if self.kind == ConvKind::Pointwise { &self.x } else { &self.windows };
        for g in 0..groups {
            product((&from[g..], windows.transposed()), (&dy[g..], outputs), (&mut self.dw[g..], weights));
        }
    }

    fn input(&mut self, image: usize, product: Product) {
        let (groups, [windows, weights, outputs]) = self.layouts();
        let dy = &self.y[image * self.shape.output_len()..][..self.shape.output_len()];
        let to = if self.kind == ConvKind::Pointwise { &mut self.dx } else { &mut self.windows };
        for g in 0..groups {
            product((&dy[g..], outputs), (&self.w[g..], weights.transposed()), (&mut to[g..], windows));
        }
        if self.kind != ConvKind::Pointwise {
            self.add_up(image);
        }
    }

    /// Copies every window of an image; zeros outside it.
    fn lay_out(&mut self, image: usize) {
        if self.kind == ConvKind::Pointwise {
            return;
        }
        let (c, x) = (self.shape.inputs, &self.x[image * self.shape.input_len()..]);
        for (window, pixel) in self.windows.chunks_exact_mut(c).zip(pixels(&self.shape)) {
            match pixel {
                Some(pixel) => window.copy_from_slice(&x[pixel * c..][..c]),
                None => window.fill(0.0),
            }
        }
    }

    /// Adds the gradient of every window to that of the image.
    fn add_up(&mut self, image: usize) {
        let c = self.shape.inputs;
        let dx = &mut self.dx[image * self.shape.input_len()..][..self.shape.input_len()];
        dx.fill(0.0);
        for (window, pixel) in self.windows.chunks_exact(c).zip(pixels(&self.shape)) {
            if let Some(pixel) = pixel {
                dx[pixel * c..][..c].iter_mut().zip(window).for_each(|(dx, window)| *dx += window);
            }
        }
    }
}

/// The input pixel of every tap of every output; none outside the image.
fn pixels(shape: &ConvShape) -> impl Iterator<Item = Option<usize>> {
    let &ConvShape { h, w, kernel, stride, pad_top, pad_left, out_h, out_w, .. } = shape;
    let taps = kernel * kernel;
    (0..out_h * out_w * taps).map(move |i| {
        let (out, tap) = (i / taps, i % taps);
        let y = (out / out_w * stride + tap / kernel).checked_sub(pad_top)?;
        let x = (out % out_w * stride + tap % kernel).checked_sub(pad_left)?;
        (y < h && x < w).then_some(y * w + x)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::small;

    #[test]
    fn im2col_computes_what_the_naive_loop_does() {
        for threads in [1, 3] {
            for case in BenchCase::all(&small(), 1) {
                let Some(mut other) = Im2col::new(&case) else { continue };
                let mut naive = Naive::new(case.clone());
                naive.dw.fill(0.0);
                naive.run();
                let other = par::with_threads(threads, || {
                    other.run(&matrixmultiply);
                    other
                });
                let name = case.name("matrixmultiply");
                let same = |found: &[f32], expected: &[f32]| {
                    for (a, b) in found.iter().zip(expected) {
                        assert!((a - b).abs() < 1e-3, "{name}: expected {b}, found {a}");
                    }
                };
                match other.pass {
                    ConvPass::Forward | ConvPass::Inference => same(&other.y, &naive.y),
                    ConvPass::Input => same(&other.dx, &naive.dx),
                    ConvPass::Weights => same(&other.dw, &naive.dw),
                    ConvPass::Backward => {
                        same(&other.dx, &naive.dx);
                        same(&other.dw, &naive.dw);
                    }
                }
            }
        }
    }
}
