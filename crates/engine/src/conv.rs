//! The one convolution: what training, inference and benches compute, over the same tiles.
//!
//! A [`Conv`] is one layer of a [`model::Network`] at one size of its input. It knows which kernel computes it
//! ([`Conv::rows`]), how a batch is cut into tiles, and what those leave behind: moments for the norm that follows, merged
//! in the order of the tiles. Its gradients are in `conv_backward`.

use crate::bands::Bands;
use crate::{Tensor, par};
use kernels::norm::Moments;
use kernels::{ConvShape, Epilogue, Level, Packed, Read, Rectifier, Write, conv, depthwise, pointwise};
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
    pub(crate) fn row(&self) -> [usize; 2] {
        if self.kind == ConvKind::Pointwise { [1, 1] } else { [self.shape.w, self.shape.out_w] }
    }

    /// Where tile (`image`, `rows`) reads its input, whose pixels are `pitch` floats: its image, or its pixels.
    pub(crate) fn read_range(&self, image: usize, rows: &Range<usize>, pitch: usize) -> Range<usize> {
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
}

pub(crate) fn of_image(image: usize, len: usize) -> Range<usize> {
    image * len..(image + 1) * len
}
