//! One convolution, folded and packed, ready to compute any of its output rows from the input rows that they see.

use crate::fold::Folded;
use engine::{Conv, Weights, rectifier};
use kernels::{Buffer, Epilogue, Level, Packed, Read};
use model::{Activation, ConvKind, ConvLayer, layout};
use std::ops::Range;

/// A convolution with its weights, and the bias that its epilogue adds.
pub(crate) struct PackedLayer {
    /// Of one image.
    pub conv: Conv,
    weights: LayerWeights,
    bias: Buffer,
}

enum LayerWeights {
    Taps(Level, Buffer),
    Panels(Packed),
}

impl PackedLayer {
    /// The layer `layer`, whose weights are `folded`, for an input of `size`, `[height, width]`.
    pub fn new(level: Level, layer: &ConvLayer, size: [usize; 2], folded: &Folded) -> Self {
        let conv = Conv::new(layer, size);
        if conv.kind == ConvKind::Pointwise {
            return Self::of_rows(level, conv, &folded.weights, &folded.bias);
        }
        let weights = layout::to_engine(&layer.weight_shape(), &folded.weights);
        let packed = match conv.pack(level, &weights) {
            Some(packed) => LayerWeights::Panels(packed),
            None => LayerWeights::Taps(level, Buffer::from_slice(&weights)),
        };
        Self { conv, weights: packed, bias: Buffer::from_slice(&folded.bias) }
    }

    /// Output channels `outputs` of a pointwise convolution over `pixels` pixels, which lie in one column.
    pub fn columns(
        level: Level,
        folded: &Folded,
        pixels: usize,
        activation: Activation,
        outputs: Range<usize>,
    ) -> Self {
        let k = folded.weights.len() / folded.bias.len();
        let conv = Conv::of_pixels(pixels, k, outputs.len(), rectifier(activation));
        let weights = &folded.weights[outputs.start * k..outputs.end * k];
        Self::of_rows(level, conv, weights, &folded.bias[outputs])
    }

    /// Of a pointwise convolution with `weights: [outputs, inputs]`, as they are stored.
    fn of_rows(level: Level, conv: Conv, weights: &[f32], bias: &[f32]) -> Self {
        let mut packed = Packed::new(level, conv.shape.inputs, conv.shape.outputs);
        packed.pack_transposed(weights);
        Self { conv, weights: LayerWeights::Panels(packed), bias: Buffer::from_slice(bias) }
    }

    /// A pointwise convolution of the same pixels in one column, which can be divided anywhere.
    pub fn in_one_column(self) -> Self {
        let Conv { kind, shape, activation, .. } = self.conv;
        assert_eq!(kind, ConvKind::Pointwise, "only a pointwise convolution sees single pixels");
        let pixels = shape.out_h * shape.out_w;
        Self { conv: Conv::of_pixels(pixels, shape.inputs, shape.outputs, activation), ..self }
    }

    /// The input rows that output rows `rows` see.
    pub fn input_rows(&self, rows: Range<usize>) -> Range<usize> {
        let shape = &self.conv.shape;
        let clip = |row: usize| row.saturating_sub(shape.pad_top).min(shape.h);
        clip(rows.start * shape.stride)..clip((rows.end - 1) * shape.stride + shape.kernel)
    }

    /// Input rows that `rows` output rows see inside the image.
    pub fn seen(&self, rows: usize) -> usize {
        (rows - 1) * self.conv.shape.stride + self.conv.shape.kernel
    }

    /// Computes output rows `rows` into `y: [rows, out_w, outputs]`, and adds `residual`, which lies as `y` does.
    /// `x: [.., w, inputs]` (of both, pixels may be [`spaced`](Conv::space)) holds the input rows from `first` on, at
    /// least those that `rows` see.
    pub fn rows(&self, x: &[f32], first: usize, rows: Range<usize>, y: &mut [f32], residual: Option<&[f32]>) {
        let epilogue = Epilogue::Activate { bias: &self.bias, act: self.conv.activation, residual };
        // The rows are convolved as an image of their own, padded only where the whole one is.
        let seen = self.input_rows(rows.clone());
        let mut conv = self.conv;
        let row = conv.shape.w * conv.pitches()[0];
        let x = &x[(seen.start - first) * row..(seen.end - first) * row];
        (conv.shape.h, conv.shape.out_h) = (seen.len(), rows.len());
        conv.shape.pad_top = conv.shape.pad_top.saturating_sub(rows.start * conv.shape.stride);
        let weights = match &self.weights {
            LayerWeights::Taps(level, taps) => Weights::Taps(*level, taps),
            LayerWeights::Panels(packed) => Weights::Panels(packed),
        };
        let tensor = y.len();
        conv.rows(Read::Plain(x), weights, 0..rows.len(), y, tensor, epilogue);
    }

    /// Floats of one output row.
    pub fn row_len(&self) -> usize {
        self.conv.shape.out_w * self.conv.pitches()[1]
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.conv.weights() + self.bias.len()
    }

    /// Multiply-adds of one image.
    pub fn multiply_adds(&self) -> u64 {
        self.conv.multiply_adds()
    }

    /// Bytes of weights and biases as they are held.
    pub fn bytes(&self) -> usize {
        let weights = match &self.weights {
            LayerWeights::Panels(packed) => packed.bytes(),
            LayerWeights::Taps(_, weights) => weights.capacity() * size_of::<f32>(),
        };
        weights + self.bias.capacity() * size_of::<f32>()
    }

    /// Floats of working memory that its kernel takes for up to `rows` output rows.
    pub fn scratch(&self, rows: usize) -> usize {
        match &self.weights {
            LayerWeights::Taps(level, _) => self.conv.scratch(*level, rows),
            LayerWeights::Panels(packed) => self.conv.scratch(packed.level(), rows),
        }
    }
}
