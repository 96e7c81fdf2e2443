//! One convolution, folded and packed, ready to compute any of its output rows.

use crate::fold::{Folded, fold};
use kernels::{Buffer, ConvShape, Epilogue, Level, Packed, Read, conv, depthwise, pointwise};
use model::{Activation, ConvKind, ConvLayer, Weights};
use std::ops::Range;

/// A convolution with the bias and the activation that its epilogue applies.
pub(crate) struct Layer {
    /// Of one image. A pointwise layer has all pixels in one column, so that its rows are pixels.
    pub shape: ConvShape,
    kernel: Kernel,
    bias: Buffer,
    activation: kernels::Activation,
}

enum Kernel {
    Full(Packed),
    Depthwise(Level, Buffer),
    Pointwise(Packed),
}

impl Layer {
    /// The layer `conv` of `weights` for an input of `[height, width]`.
    pub fn new(level: Level, conv: &ConvLayer, size: [usize; 2], weights: &Weights) -> Self {
        let folded = fold(conv, weights);
        let [out_h, out_w] = conv.output_size(size);
        let [(pad_top, _), (pad_left, _)] = size.map(|size| conv.pad(size));
        let (inputs, outputs) = (conv.inputs, conv.outputs);
        let shape = ConvShape {
            h: size[0],
            w: size[1],
            inputs,
            outputs,
            kernel: conv.kernel,
            stride: conv.stride,
            pad_top,
            pad_left,
            out_h,
            out_w,
        };
        let kernel = match conv.kind {
            ConvKind::Depthwise => Kernel::Depthwise(level, Buffer::from_slice(&folded.weights)),
            ConvKind::Pointwise if conv.stride == 1 => {
                return Self::pointwise(level, &folded, out_h * out_w, conv.activation, 0..outputs);
            }
            ConvKind::Full | ConvKind::Pointwise => {
                let taps = conv.kernel * conv.kernel * inputs;
                Kernel::Full(pack(level, taps, outputs, &folded.weights))
            }
        };
        let activation = kernel_activation(conv.activation);
        Layer { shape, kernel, bias: Buffer::from_slice(&folded.bias), activation }
    }

    /// Output channels `outputs` of a pointwise convolution `[inputs, folded.bias.len()]` over `pixels` pixels.
    pub fn pointwise(
        level: Level,
        folded: &Folded,
        pixels: usize,
        activation: Activation,
        outputs: Range<usize>,
    ) -> Self {
        let all = folded.bias.len();
        let inputs = folded.weights.len() / all;
        let rows = folded.weights.chunks_exact(all);
        let weights: Vec<f32> = rows.flat_map(|row| &row[outputs.clone()]).copied().collect();
        let shape = ConvShape {
            h: pixels,
            w: 1,
            inputs,
            outputs: outputs.len(),
            kernel: 1,
            stride: 1,
            pad_top: 0,
            pad_left: 0,
            out_h: pixels,
            out_w: 1,
        };
        Layer {
            shape,
            kernel: Kernel::Pointwise(pack(level, inputs, outputs.len(), &weights)),
            bias: Buffer::from_slice(&folded.bias[outputs]),
            activation: kernel_activation(activation),
        }
    }

    /// Computes output rows `rows` of the image `x: [h, w, inputs]` into `y: [rows, out_w, outputs]`, and adds
    /// `residual`, which lies as `y` does.
    pub fn rows(&self, x: &[f32], rows: Range<usize>, y: &mut [f32], residual: Option<&[f32]>) {
        let epilogue = Epilogue::Activate { bias: &self.bias, act: self.activation, residual };
        match &self.kernel {
            Kernel::Full(packed) => conv::conv(&self.shape, Read::Plain(x), packed, rows, y, epilogue),
            Kernel::Depthwise(level, weights) => {
                depthwise::depthwise(*level, &self.shape, Read::Plain(x), weights, rows, y, epilogue);
            }
            Kernel::Pointwise(packed) => {
                let inputs = self.shape.inputs;
                let x = &x[rows.start * inputs..rows.end * inputs];
                pointwise::pointwise(Read::Plain(x), packed, y, epilogue);
            }
        }
    }

    /// Floats of one output row.
    pub fn row_len(&self) -> usize {
        self.shape.out_w * self.shape.outputs
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

    /// Floats of working memory that its kernel takes for `rows` output rows, at most: padded input rows, and for a
    /// depthwise layer padded weights and per-channel state.
    pub fn scratch(&self, rows: usize) -> usize {
        let ConvShape { inputs, kernel, stride, out_w, .. } = self.shape;
        let span = |outputs: usize| (outputs - 1) * stride + kernel;
        match &self.kernel {
            Kernel::Full(_) => span(out_w) * inputs * span(rows) + 64,
            Kernel::Depthwise(level, _) => {
                let pitch = inputs.next_multiple_of(level.lanes());
                ((kernel + 1) * span(out_w) + kernel * kernel + 5) * pitch + 64
            }
            Kernel::Pointwise(_) => 0,
        }
    }
}

fn pack(level: Level, k: usize, n: usize, weights: &[f32]) -> Packed {
    let mut packed = Packed::new(level, k, n);
    packed.pack(weights);
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
