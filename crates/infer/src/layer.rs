//! One convolution, folded and packed, ready to compute any of its output rows from the input rows that they see.

use crate::fold::Folded;
use kernels::{Buffer, ConvShape, Epilogue, Level, Packed, Read, conv, depthwise, pointwise};
use model::{Activation, ConvKind, ConvLayer, layout};
use std::ops::Range;

/// A convolution with the bias and the activation that its epilogue applies.
pub(crate) struct Layer {
    /// Of one image.
    pub shape: ConvShape,
    kernel: Kernel,
    bias: Buffer,
    activation: kernels::Activation,
    /// Whether pixels lie as [`pointwise::pointwise_spaced`] reads them: those of the input, and of the output.
    spaced: [bool; 2],
}

enum Kernel {
    Full(Packed),
    Depthwise(Level, Buffer),
    Pointwise(Packed),
}

impl Layer {
    /// The layer `conv`, whose weights are `folded`, for an input of `[height, width]`.
    pub fn new(level: Level, conv: &ConvLayer, [h, w]: [usize; 2], folded: &Folded) -> Self {
        let [out_h, out_w] = conv.output_size([h, w]);
        let &ConvLayer { inputs, outputs, kernel, stride, .. } = conv;
        let (pad_top, pad_left) = (conv.pad(h).0, conv.pad(w).0);
        let shape = ConvShape { h, w, inputs, outputs, kernel, stride, pad_top, pad_left, out_h, out_w };
        let engine = || layout::to_engine(&conv.weight_shape(), &folded.weights);
        let kernel = match conv.kind {
            ConvKind::Depthwise => Kernel::Depthwise(level, Buffer::from_slice(&engine())),
            ConvKind::Pointwise if stride == 1 => {
                Kernel::Pointwise(pack_rows(level, inputs, outputs, &folded.weights))
            }
            ConvKind::Full | ConvKind::Pointwise => {
                let mut packed = Packed::new(level, kernel * kernel * inputs, outputs);
                packed.pack(&engine());
                Kernel::Full(packed)
            }
        };
        let activation = kernel_activation(conv.activation);
        Layer { shape, kernel, bias: Buffer::from_slice(&folded.bias), activation, spaced: [false; 2] }
    }

    /// Output channels `outputs` of a pointwise convolution over `pixels` pixels, which lie in one column.
    pub fn columns(
        level: Level,
        folded: &Folded,
        pixels: usize,
        activation: Activation,
        outputs: Range<usize>,
    ) -> Self {
        let (n, k) = (outputs.len(), folded.weights.len() / folded.bias.len());
        let weights = &folded.weights[outputs.start * k..outputs.end * k];
        let shape = ConvShape {
            h: pixels,
            w: 1,
            inputs: k,
            outputs: n,
            kernel: 1,
            stride: 1,
            pad_top: 0,
            pad_left: 0,
            out_h: pixels,
            out_w: 1,
        };
        Layer {
            shape,
            kernel: Kernel::Pointwise(pack_rows(level, k, n, weights)),
            bias: Buffer::from_slice(&folded.bias[outputs]),
            activation: kernel_activation(activation),
            spaced: [false; 2],
        }
    }

    /// A pointwise convolution of the same pixels in one column, which can be divided anywhere.
    pub fn in_one_column(mut self) -> Layer {
        assert!(
            matches!(self.kernel, Kernel::Pointwise(_)),
            "only a pointwise convolution sees single pixels"
        );
        let pixels = self.shape.out_h * self.shape.out_w;
        self.shape = ConvShape { h: pixels, w: 1, out_h: pixels, out_w: 1, ..self.shape };
        self
    }

    /// Has pixels between this layer and the `next` lie as the next reads them best, where both can.
    pub fn space(&mut self, next: &mut Layer) {
        if let (Kernel::Depthwise(..), Kernel::Pointwise(_)) = (&self.kernel, &next.kernel)
            && depthwise::can_space(&self.shape)
        {
            (self.spaced[1], next.spaced[0]) = (true, true);
        }
    }

    /// The input rows that output rows `rows` see.
    pub fn input_rows(&self, rows: Range<usize>) -> Range<usize> {
        let ConvShape { h, kernel, stride, pad_top, .. } = self.shape;
        let clip = |row: usize| row.saturating_sub(pad_top).min(h);
        clip(rows.start * stride)..clip((rows.end - 1) * stride + kernel)
    }

    /// Input rows that `rows` output rows see inside the image.
    pub fn seen(&self, rows: usize) -> usize {
        (rows - 1) * self.shape.stride + self.shape.kernel
    }

    /// Computes output rows `rows` into `y: [rows, out_w, outputs]`, and adds `residual`, which lies as `y` does.
    /// `x: [.., w, inputs]` (of both, pixels may be [`spaced`](Layer::space)) holds the input rows from `first` on, at least those that `rows` see.
    pub fn rows(&self, x: &[f32], first: usize, rows: Range<usize>, y: &mut [f32], residual: Option<&[f32]>) {
        let epilogue = Epilogue::Activate { bias: &self.bias, act: self.activation, residual };
        // The rows are convolved as an image of their own, padded only where the whole one is.
        let seen = self.input_rows(rows.clone());
        let row = self.shape.w * pitch(self.shape.inputs, self.spaced[0]);
        let x = &x[(seen.start - first) * row..(seen.end - first) * row];
        let shape = ConvShape {
            h: seen.len(),
            out_h: rows.len(),
            pad_top: self.shape.pad_top.saturating_sub(rows.start * self.shape.stride),
            ..self.shape
        };
        let (plain, all) = (Read::Plain(x), 0..rows.len());
        match (&self.kernel, self.spaced) {
            (Kernel::Full(packed), _) => conv::conv(&shape, plain, packed, all, y.into(), epilogue),
            (Kernel::Depthwise(level, weights), [_, false]) => {
                depthwise::depthwise(*level, &shape, plain, weights, all, y.into(), epilogue);
            }
            (Kernel::Depthwise(level, weights), [_, true]) => {
                let (bias, act) = (&self.bias, self.activation);
                depthwise::depthwise_spaced(*level, &shape, x, weights, all, y, bias, act);
            }
            (Kernel::Pointwise(packed), [false, _]) => {
                pointwise::pointwise(plain, packed, y.into(), epilogue)
            }
            (Kernel::Pointwise(packed), [true, _]) => pointwise::pointwise_spaced(x, packed, y, epilogue),
        }
    }

    /// Floats of one output row.
    pub fn row_len(&self) -> usize {
        self.shape.out_w * pitch(self.shape.outputs, self.spaced[1])
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.weights_per_pixel() + self.bias.len()
    }

    /// Multiply-adds of one image.
    pub fn multiply_adds(&self) -> u64 {
        (self.shape.out_h * self.shape.out_w) as u64 * self.weights_per_pixel() as u64
    }

    fn weights_per_pixel(&self) -> usize {
        match &self.kernel {
            Kernel::Full(packed) | Kernel::Pointwise(packed) => packed.k() * packed.n(),
            Kernel::Depthwise(_, weights) => weights.len(),
        }
    }

    /// Bytes of weights and biases as they are held.
    pub fn bytes(&self) -> usize {
        let weights = match &self.kernel {
            Kernel::Full(packed) | Kernel::Pointwise(packed) => packed.bytes(),
            Kernel::Depthwise(_, weights) => weights.capacity() * size_of::<f32>(),
        };
        weights + self.bias.capacity() * size_of::<f32>()
    }

    /// Floats of working memory that its kernel takes for up to `rows` output rows.
    pub fn scratch(&self, rows: usize) -> usize {
        let shape = &self.shape;
        match &self.kernel {
            Kernel::Full(_) => conv::scratch_len(shape, rows),
            Kernel::Depthwise(..) => depthwise::scratch_len(shape),
            Kernel::Pointwise(_) if self.spaced[0] => 0,
            Kernel::Pointwise(packed) => {
                pointwise::scratch_len(packed.level(), rows * shape.out_w, shape.inputs)
            }
        }
    }
}

/// Floats from one pixel to the next.
fn pitch(channels: usize, spaced: bool) -> usize {
    if spaced { pointwise::spacing(channels) } else { channels }
}

/// Packs `weights: [n, k]`, as they are stored.
fn pack_rows(level: Level, k: usize, n: usize, weights: &[f32]) -> Packed {
    let mut packed = Packed::new(level, k, n);
    packed.pack_transposed(weights);
    packed
}

fn kernel_activation(activation: Activation) -> kernels::Activation {
    match activation {
        Activation::Identity => kernels::Activation::IDENTITY,
        Activation::Relu => kernels::Activation::RELU,
        Activation::Relu6 => kernels::Activation::RELU6,
        Activation::LeakyRelu(slope) => kernels::Activation::leaky_relu(slope),
    }
}
