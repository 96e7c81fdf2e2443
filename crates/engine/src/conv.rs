//! The one convolution: what training, inference and benches compute, over the same tiles.
//!
//! A [`Conv`] is one layer of a [`model::Network`] at one size of its input. It knows which kernel computes it
//! ([`Conv::rows`]), how a batch is cut into tiles, and what those leave behind: moments for the norm that follows, and
//! partial gradients of the weights, both merged in the order of the tiles.

use crate::bands::Bands;
use crate::{Tensor, par};
use kernels::norm::Moments;
use kernels::pointwise_backward::{backward_tiles, pointwise_backward};
use kernels::{ConvShape, Epilogue, Grad, Level, Packed, Read, Rectifier, Write};
use kernels::{conv, conv_backward, depthwise, depthwise_backward, elementwise, pointwise};
use model::{Activation, ConvKind, ConvLayer};
use std::ops::Range;

/// One convolution of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// How channels connect. A pointwise one with a stride counts as full, for its pixels are no longer one row.
    pub kind: ConvKind,
    /// Of one image.
    pub shape: ConvShape,
    /// What follows.
    pub activation: Rectifier,
    /// Whether pixels of the input, and of the output, lie [`pointwise::spacing`] floats apart: see [`Conv::space`].
    pub spaced: [bool; 2],
}

/// Weights as a kernel reads them.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// Depthwise, at a level: `[kernel * kernel, c]`, as the engine keeps them.
    Taps(Level, &'a [f32]),
    /// Of a matrix product: panels of `[kernel * kernel * inputs, outputs]`, or of that transposed for backward.
    Panels(&'a Packed),
}

/// What becomes of the outputs of [`Conv::forward_into`].
pub enum Ending<'a> {
    /// Training: they are stored raw, with what tiles leave of their moments, `[tiles, 3, outputs]`.
    Moments(&'a mut [f32]),
    /// Inference: `activation(z + bias)`.
    Activate {
        /// `[outputs]`
        bias: &'a [f32],
    },
}

/// Where [`Conv::backward_into`] writes; what is not wanted is none.
pub struct Gradients<'a> {
    /// As the batch that was read.
    pub dx: Option<&'a mut [f32]>,
    /// What tiles leave of the gradient of the weights: [`Conv::partials`] times the length of the weights.
    pub dw: Option<&'a mut [f32]>,
    /// `[tiles, 2, inputs]`: what tiles leave of the sums that the norm below needs, where the input was deferred.
    pub sums: &'a mut [f32],
}

/// What backward of a batch returns.
pub struct Backward {
    /// The gradient of the input, if wanted, masked by the derivative of its activation where that was deferred.
    pub dx: Option<Tensor>,
    /// The gradient of the weights, if wanted, as the engine keeps them.
    pub dw: Option<Tensor>,
    /// `[2, inputs]`: sums over all pixels of `dx` and of `dx * (z - center)`, where the input was deferred.
    pub sums: Vec<f64>,
}

/// An activation of a description, as kernels compute it.
pub fn rectifier(activation: Activation) -> Rectifier {
    match activation {
        Activation::Identity => Rectifier::IDENTITY,
        Activation::Relu => Rectifier::RELU,
        Activation::Relu6 => Rectifier::RELU6,
        Activation::LeakyRelu(slope) => Rectifier::leaky_relu(slope),
    }
}

impl Conv {
    /// The layer, for an input of `[height, width]`.
    pub fn new(layer: &ConvLayer, [h, w]: [usize; 2]) -> Self {
        let [out_h, out_w] = layer.output_size([h, w]);
        let &ConvLayer { inputs, outputs, kernel, stride, .. } = layer;
        let (pad_top, pad_left) = (layer.pad(h).0, layer.pad(w).0);
        let shape = ConvShape { h, w, inputs, outputs, kernel, stride, pad_top, pad_left, out_h, out_w };
        let kind = match layer.kind {
            ConvKind::Pointwise if stride > 1 => ConvKind::Full,
            kind => kind,
        };
        Self { kind, shape, activation: rectifier(layer.activation), spaced: [false; 2] }
    }

    /// A pointwise convolution of `pixels` pixels, which lie in one column and can be divided anywhere.
    pub fn of_pixels(pixels: usize, inputs: usize, outputs: usize, activation: Rectifier) -> Self {
        let shape = ConvShape {
            h: pixels,
            w: 1,
            inputs,
            outputs,
            kernel: 1,
            stride: 1,
            pad_top: 0,
            pad_left: 0,
            out_h: pixels,
            out_w: 1,
        };
        Self { kind: ConvKind::Pointwise, shape, activation, spaced: [false; 2] }
    }

    /// Has pixels between this convolution and the `next` lie as the next reads them best, where both can.
    pub fn space(&mut self, next: &mut Conv) {
        if let (ConvKind::Depthwise, ConvKind::Pointwise) = (self.kind, next.kind)
            && depthwise::can_space(&self.shape)
        {
            (self.spaced[1], next.spaced[0]) = (true, true);
        }
    }

    /// `[kernel * kernel * inputs, outputs]`, or `[kernel * kernel, c]` of a depthwise one: the engine's layout.
    pub fn weight_shape(&self) -> [usize; 2] {
        let ConvShape { kernel, inputs, outputs, .. } = self.shape;
        let seen = if self.kind == ConvKind::Depthwise { 1 } else { inputs };
        [kernel * kernel * seen, outputs]
    }

    /// The number of weights.
    pub fn weights(&self) -> usize {
        self.weight_shape().iter().product()
    }

    /// Multiply-adds of one image.
    pub fn multiply_adds(&self) -> u64 {
        (self.shape.out_h * self.shape.out_w) as u64 * self.weights() as u64
    }

    /// Floats from one pixel of the input to the next, and of the output.
    pub fn pitches(&self) -> [usize; 2] {
        let pitch = |spaced, channels| if spaced { pointwise::spacing(channels) } else { channels };
        [pitch(self.spaced[0], self.shape.inputs), pitch(self.spaced[1], self.shape.outputs)]
    }

    /// Packs weights in the engine's layout for forward; nothing where the kernel reads them as they are.
    pub fn pack(&self, level: Level, weights: &[f32]) -> Option<Packed> {
        let [k, n] = self.weight_shape();
        self.packs().then(|| {
            let mut packed = Packed::new(level, k, n);
            par::run(packed.panels_mut().collect(), |panel| panel.pack(weights));
            packed
        })
    }

    /// The same for backward, which multiplies by the transposed weights.
    pub fn pack_transposed(&self, level: Level, weights: &[f32]) -> Option<Packed> {
        let [k, n] = self.weight_shape();
        self.packs().then(|| {
            let mut packed = Packed::new(level, n, k);
            par::run(packed.panels_mut().collect(), |panel| panel.pack_transposed(weights));
            packed
        })
    }

    fn packs(&self) -> bool {
        self.kind != ConvKind::Depthwise
    }

    /// Output rows `rows` of one image `x: [h, w, inputs]` into `y: [rows, out_w, outputs]`, a part of a tensor of
    /// `tensor` floats. Of a pointwise convolution, `x` and `rows` may be any pixels with as many outputs as `y` holds.
    pub fn rows(
        &self,
        x: Read,
        weights: Weights,
        rows: Range<usize>,
        y: &mut [f32],
        tensor: usize,
        epilogue: Epilogue,
    ) {
        let shape = &self.shape;
        match (weights, epilogue) {
            (Weights::Taps(level, taps), Epilogue::Activate { bias, act, .. }) if self.spaced[1] => {
                depthwise::depthwise_spaced(level, shape, x.stored(), taps, rows, y, bias, act);
            }
            (Weights::Taps(level, taps), epilogue) => {
                depthwise::depthwise(level, shape, x, taps, rows, Write::part(y, tensor), epilogue);
            }
            (Weights::Panels(packed), epilogue) => match self.kind {
                ConvKind::Pointwise if self.spaced[0] => {
                    pointwise::pointwise_spaced(x.stored(), packed, y, epilogue);
                }
                ConvKind::Pointwise => pointwise::pointwise(x, packed, Write::part(y, tensor), epilogue),
                _ => conv::conv(shape, x, packed, rows, Write::part(y, tensor), epilogue),
            },
        }
    }

    /// Floats of working memory that [`Conv::rows`] takes for up to `rows` output rows.
    pub fn scratch(&self, level: Level, rows: usize) -> usize {
        let shape = &self.shape;
        match self.kind {
            ConvKind::Full => conv::scratch_len(shape, rows),
            ConvKind::Depthwise => depthwise::scratch_len(shape),
            ConvKind::Pointwise if self.spaced[0] => 0,
            ConvKind::Pointwise => pointwise::scratch_len(level, rows * shape.out_w, shape.inputs),
        }
    }

    /// The tiles of forward. Pixels of a pointwise convolution know no image: the batch is one.
    fn tiles(&self, level: Level, images: usize) -> Bands {
        let shape = &self.shape;
        match self.kind {
            ConvKind::Full => Bands::new(images, shape.out_h, conv::tile_rows(shape, images)),
            ConvKind::Depthwise => Bands::new(images, shape.out_h, depthwise::tile_rows(shape, images)),
            ConvKind::Pointwise => {
                let pixels = images * shape.out_h * shape.out_w;
                let rows = pointwise::tile_rows(level, pixels, shape.inputs, shape.outputs);
                Bands::new(1, pixels, rows)
            }
        }
    }

    /// Pixels of a row of the tiles: of the input, and of the output.
    fn row(&self) -> [usize; 2] {
        if self.kind == ConvKind::Pointwise { [1, 1] } else { [self.shape.w, self.shape.out_w] }
    }

    /// Where tile (`image`, `rows`) reads its input, whose pixels are `pitch` floats: its image, or its pixels.
    fn read_range(&self, image: usize, rows: &Range<usize>, pitch: usize) -> Range<usize> {
        if self.kind == ConvKind::Pointwise {
            return rows.start * pitch..rows.end * pitch;
        }
        of_image(image, self.shape.h * self.shape.w * pitch)
    }

    /// The number of tiles of [`Conv::forward_into`].
    pub fn tile_count(&self, level: Level, images: usize) -> usize {
        self.tiles(level, images).count()
    }

    /// Forward of a batch `x: [n, h, w, inputs]` into `z: [n, out_h, out_w, outputs]`, a part of a tensor of `tensor`
    /// floats.
    pub fn forward_into(
        &self,
        level: Level,
        images: usize,
        x: Read,
        weights: Weights,
        (z, tensor): (&mut [f32], usize),
        ending: Ending,
    ) {
        let tiles = self.tiles(level, images);
        let [pitch, out_pitch] = self.pitches();
        let pieces = tiles.split(z, self.row()[1] * out_pitch);
        let tasks = tiles.iter().zip(pieces);
        let run = |(image, rows): (usize, Range<usize>), z: &mut [f32], epilogue: Epilogue| {
            let x = x.part(self.read_range(image, &rows, pitch));
            self.rows(x, weights, rows, z, tensor, epilogue);
        };
        match ending {
            Ending::Moments(sums) => {
                let sums = sums.chunks_mut(3 * self.shape.outputs);
                par::run(tasks.zip(sums).collect(), |((tile, z), sums)| {
                    run(tile, z, Epilogue::Moments(sums));
                });
            }
            Ending::Activate { bias } => {
                let activate = || Epilogue::Activate { bias, act: self.activation, residual: None };
                par::run(tasks.collect(), |(tile, z)| run(tile, z, activate()));
            }
        }
    }

    /// Forward of a batch `x: [n, h, w, inputs]` with `weights` in the engine's layout, for training: the raw output
    /// `[n, out_h, out_w, outputs]` and its moments.
    pub fn forward(&self, level: Level, images: usize, x: Read, weights: &[f32]) -> (Tensor, Moments) {
        let ConvShape { out_h, out_w, outputs, .. } = self.shape;
        let packed = self.pack(level, weights);
        let weights = packed.as_ref().map_or(Weights::Taps(level, weights), Weights::Panels);
        let tiles = self.tiles(level, images);
        let mut z = Tensor::recycled([images, out_h, out_w, outputs]);
        let mut sums = Tensor::recycled([tiles.count(), 3 * outputs]);
        let len = z.data().len();
        self.forward_into(level, images, x, weights, (z.data_mut(), len), Ending::Moments(sums.data_mut()));
        let counts = tiles.iter().map(|(_, rows)| rows.len() * self.row()[1]);
        let moments = Moments::merge(sums.data(), outputs, counts);
        (z, moments)
    }

    /// The tiles of backward, over input rows, and how many neighbouring ones share a partial gradient of the weights.
    fn backward_tiles(&self, level: Level, images: usize) -> (Bands, usize) {
        let shape = &self.shape;
        match self.kind {
            ConvKind::Full => (Bands::new(images, shape.h, shape.h), 1),
            ConvKind::Depthwise => {
                let rows = depthwise_backward::backward_tile_rows(shape, images);
                (Bands::new(images, shape.h, rows), 1)
            }
            ConvKind::Pointwise => {
                let pixels = images * shape.h * shape.w;
                let tiles = backward_tiles(level, pixels, shape.inputs, shape.outputs);
                let bands = Bands::new(1, pixels, tiles.rows);
                (bands, bands.count().div_ceil(tiles.partials))
            }
        }
    }

    /// The number of tiles of [`Conv::backward_into`], and of partial gradients of the weights that they leave.
    pub fn partials(&self, level: Level, images: usize) -> [usize; 2] {
        let (tiles, share) = self.backward_tiles(level, images);
        [tiles.count(), tiles.count().div_ceil(share)]
    }

    /// Backward of a batch: from `x: [n, h, w, inputs]` and the gradient `g: [n, out_h, out_w, outputs]`. `weights` are
    /// those of [`Conv::pack_transposed`], or taps; none where no gradient of the input is wanted and the kernel needs
    /// them for nothing else.
    ///
    /// Depthwise and full kernels work out the gradient of the weights in any case, so `into.dw` must be there for them.
    pub fn backward_into(
        &self,
        level: Level,
        images: usize,
        x: Read,
        g: Grad,
        weights: Option<Weights>,
        into: Gradients,
    ) {
        let inputs = self.shape.inputs;
        let (tiles, share) = self.backward_tiles(level, images);
        let parts = tiles.joined(share);
        let row = self.row()[0] * inputs;
        let len = x.stored().len();
        let mut dx = into.dx.into_iter().flat_map(|dx| parts.split(dx, row));
        let mut dw = into.dw.into_iter().flat_map(|dw| dw.chunks_mut(self.weights()));
        let sums = into.sums.chunks_mut(share * 2 * inputs);
        let tasks = parts.iter().zip(sums).map(|(part, sums)| (part, dx.next(), dw.next(), sums)).collect();
        par::run(tasks, |((image, rows), mut dx, mut dw, sums)| {
            sums.fill(0.0);
            let bands = rows.clone().step_by(tiles.rows).zip(sums.chunks_mut(2 * inputs));
            for (start, sums) in bands {
                let band = start..rows.end.min(start + tiles.rows);
                let own = (band.start - rows.start) * row..(band.end - rows.start) * row;
                let dx = dx.as_deref_mut().map(|dx| &mut dx[own]);
                let begins = start == rows.start;
                self.backward_rows(
                    level,
                    x,
                    g,
                    weights,
                    (image, band),
                    (dx, len),
                    dw.as_deref_mut(),
                    begins,
                    sums,
                );
            }
        });
    }

    /// Backward of input rows `rows` of `image`, or of the pixels `rows` of the batch.
    fn backward_rows(
        &self,
        level: Level,
        x: Read,
        g: Grad,
        weights: Option<Weights>,
        (image, rows): (usize, Range<usize>),
        (dx, tensor): (Option<&mut [f32]>, usize),
        dw: Option<&mut [f32]>,
        begins: bool,
        sums: &mut [f32],
    ) {
        let ConvShape { inputs, outputs, out_h, out_w, .. } = self.shape;
        let x = x.part(self.read_range(image, &rows, inputs));
        let panels = match weights {
            Some(Weights::Panels(packed)) => Some(packed),
            _ => None,
        };
        if self.kind == ConvKind::Pointwise {
            let g = g.part(rows.start * outputs..rows.end * outputs);
            let dx = dx.map(|dx| Write::part(dx, tensor));
            pointwise_backward(level, x, g, outputs, panels, dx, dw, begins, sums);
            return;
        }
        let g = g.part(of_image(image, out_h * out_w * outputs));
        let dw = dw.expect("the kernel works out the gradient of the weights");
        if begins {
            dw.fill(0.0);
        }
        match weights {
            Some(Weights::Taps(_, taps)) => {
                let dx = dx.map(|dx| Write::part(dx, tensor));
                depthwise_backward::depthwise_backward(level, &self.shape, x, g, taps, rows, dx, dw, sums);
            }
            _ => conv_backward::conv_backward(level, &self.shape, x, g, panels, 0..out_h, dx, dw, sums),
        }
    }

    /// Backward of a batch with `weights` in the engine's layout: the gradients of the input and of the weights, as
    /// far as they are `wanted`.
    pub fn backward(
        &self,
        level: Level,
        images: usize,
        x: Read,
        g: Grad,
        weights: &[f32],
        wanted: [bool; 2],
    ) -> Backward {
        let ConvShape { h, w, inputs, .. } = self.shape;
        let packed = if wanted[0] { self.pack_transposed(level, weights) } else { None };
        let prepared = match self.kind {
            ConvKind::Depthwise => Some(Weights::Taps(level, weights)),
            _ => packed.as_ref().map(Weights::Panels),
        };
        let [tiles, partials] = self.partials(level, images);
        let needs_dw = wanted[1] || self.kind != ConvKind::Pointwise;
        let mut dx = wanted[0].then(|| Tensor::recycled([images, h, w, inputs]));
        let mut parts = needs_dw.then(|| Tensor::recycled([partials, weights.len()]));
        let mut sums = Tensor::recycled([tiles, 2 * inputs]);
        let into = Gradients {
            dx: dx.as_mut().map(Tensor::data_mut),
            dw: parts.as_mut().map(Tensor::data_mut),
            sums: sums.data_mut(),
        };
        self.backward_into(level, images, x, g, prepared, into);
        let dw = parts.filter(|_| wanted[1]).map(|parts| {
            let mut dw = Tensor::recycled(self.weight_shape());
            merge(level, parts.data(), dw.data_mut());
            dw
        });
        Backward { dx, dw, sums: merge_sums(sums.data(), inputs) }
    }
}

fn of_image(image: usize, len: usize) -> Range<usize> {
    image * len..(image + 1) * len
}

/// Adds `partials: [count, total]` up, in order.
pub fn merge(level: Level, partials: &[f32], total: &mut [f32]) {
    const CHUNK: usize = 1 << 14;
    let len = total.len();
    par::chunks_mut(total, CHUNK, |i, out| {
        let range = i * CHUNK..i * CHUNK + out.len();
        let mut parts = partials.chunks_exact(len).map(|part| &part[range.clone()]);
        out.copy_from_slice(parts.next().expect("there is at least one partial result"));
        parts.for_each(|part| elementwise::accumulate(level, part, out));
    });
}

/// Adds per-tile sums, `tiles: [t, 2, c]`, up in f64, in order.
pub fn merge_sums(tiles: &[f32], channels: usize) -> Vec<f64> {
    let mut sums = vec![0.0; 2 * channels];
    for tile in tiles.chunks_exact(2 * channels) {
        for (sum, &part) in sums.iter_mut().zip(tile) {
            *sum += f64::from(part);
        }
    }
    sums
}
