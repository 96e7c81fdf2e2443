//! A network as data: blocks of convolutions, then global average pooling, dropout and one dense classifier.
//!
//! Everything that a reader of the network needs follows from the layers' numbers: output sizes, padding, cost and the
//! name and shape of every stored tensor. Invariant: a `Network` made by [`crate::Architecture::network`] has positive
//! sizes at every layer, matching channel counts, and products that fit in `usize`.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where a convolution puts the zeros around its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// TensorFlow's "SAME": the output is `ceil(size / stride)`, and an odd zero goes after. At stride 2 an even size
    /// gets 0 before and 1 after.
    Same,
    /// PyTorch's `padding = kernel / 2`: as much before as after, at any stride.
    Symmetric,
}

/// The function after a convolution (and its norm, if it has one).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Activation {
    /// `x`
    Identity,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x` where positive, `slope * x` elsewhere; `0 <= slope < 1`.
    LeakyRelu(f32),
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Activation::Identity => f.write_str("identity"),
            Activation::Relu => f.write_str("relu"),
            Activation::Relu6 => f.write_str("relu6"),
            Activation::LeakyRelu(slope) => write!(f, "leaky-relu:{slope}"),
        }
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let slope = |text: &str| text.parse().ok().filter(|slope| (0.0..1.0).contains(slope));
        match text {
            "identity" => Some(Activation::Identity),
            "relu" => Some(Activation::Relu),
            "relu6" => Some(Activation::Relu6),
            _ => text.strip_prefix("leaky-relu:").and_then(slope).map(Activation::LeakyRelu),
        }
        .ok_or_else(|| {
            let expected = "identity, relu, relu6 or leaky-relu:SLOPE with a slope in [0, 1)";
            Error::invalid("activation", expected, text)
        })
    }
}

impl TryFrom<String> for Activation {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Activation> for String {
    fn from(activation: Activation) -> String {
        activation.to_string()
    }
}

/// How a convolution connects channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvKind {
    /// Every output channel sees every input channel, over a square of the input.
    Full,
    /// Each channel by itself; `inputs == outputs`.
    Depthwise,
    /// 1x1: a matrix product over channels.
    Pointwise,
}

/// Batch normalisation after a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Prefix of its tensors: `{name}.weight` (gamma), `.bias` (beta), `.running_mean`, `.running_var`.
    pub name: String,
    /// Added to the variance.
    pub epsilon: f32,
}

/// One convolution, with the norm and the activation that follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvLayer {
    /// Prefix of its tensors: `{name}.weight`, `{name}.bias`.
    pub name: String,
    /// `None` where the norm was folded into the convolution.
    pub norm: Option<Norm>,
    /// How channels connect.
    pub kind: ConvKind,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step, in both directions.
    pub stride: usize,
    /// Where the zeros go.
    pub padding: Padding,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Whether the convolution itself has a bias.
    pub bias: bool,
    /// What follows.
    pub activation: Activation,
}

impl ConvLayer {
    /// Zeros (before, after) along a dimension of `size` inputs.
    pub fn pad(&self, size: usize) -> (usize, usize) {
        match self.padding {
            Padding::Symmetric => (self.kernel / 2, self.kernel / 2),
            Padding::Same => {
                let outputs = size.div_ceil(self.stride);
                let covered = (outputs.max(1) - 1) * self.stride + self.kernel;
                let total = covered.saturating_sub(size);
                (total / 2, total - total / 2)
            }
        }
    }

    /// `[height, width]` of the output for an input of `[height, width]`; 0 where the input is smaller than the kernel.
    pub fn output_size(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        [height, width].map(|size| {
            let (before, after) = self.pad(size);
            (before + size + after).checked_sub(self.kernel).map_or(0, |room| room / self.stride + 1)
        })
    }

    /// Input channels that one output channel sees.
    pub fn fan_in_channels(&self) -> usize {
        if self.kind == ConvKind::Depthwise { 1 } else { self.inputs }
    }

    /// Shape of the stored weight: `[outputs, inputs, kernel, kernel]` (OIHW), with one input channel for depthwise.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.outputs, self.fan_in_channels(), self.kernel, self.kernel]
    }
}

/// Convolutions in sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// In order of execution.
    pub convs: Vec<ConvLayer>,
    /// Whether the block's input is added to its output (after the last activation).
    pub residual: bool,
}

/// What a stored tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weight of a convolution or of the classifier.
    ConvWeight,
    /// Bias of a convolution or of the classifier.
    Bias,
    /// Scale of a batch norm.
    Gamma,
    /// Shift of a batch norm.
    Beta,
    /// Running mean of a batch norm; not trained.
    Mean,
    /// Running variance of a batch norm; not trained.
    Variance,
}

impl Role {
    /// Whether an optimizer changes it (running statistics are measured, not trained).
    pub fn trainable(self) -> bool {
        !matches!(self, Role::Mean | Role::Variance)
    }
}

/// Name, stored shape and purpose of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// As in the file.
    pub name: String,
    /// As in the file: OIHW for convolutions, `[classes, features]` for the classifier.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

impl TensorSpec {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A whole image classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Name of the architecture, `mobilenet-v1`.
    pub arch: String,
    /// Width multiplier.
    pub width: f32,
    /// `[height, width]` of the input image.
    pub image_size: [usize; 2],
    /// Channels of the input image.
    pub channels: usize,
    /// Number of classes.
    pub classes: usize,
    /// The convolutions, in order of execution.
    pub blocks: Vec<Block>,
    /// Probability with which a pooled feature is dropped in training.
    pub dropout: f32,
    /// Prefix of the classifier's tensors: `{classifier}.weight`, `{classifier}.bias`.
    pub classifier: String,
    /// Inputs of the classifier: channels of the last block.
    pub features: usize,
    /// Momentum of the running statistics as Keras counts it: `running = momentum * running + (1 - momentum) * batch`.
    pub momentum: f32,
}

impl Network {
    /// Every convolution with the `[height, width]` of its input, in order of execution.
    pub fn layers(&self) -> impl Iterator<Item = (&ConvLayer, [usize; 2])> {
        self.blocks.iter().flat_map(|block| &block.convs).scan(self.image_size, |size, conv| {
            let input = *size;
            *size = conv.output_size(input);
            Some((conv, input))
        })
    }

    /// `[height, width]` of the last feature map, which is averaged to one vector.
    pub fn feature_size(&self) -> [usize; 2] {
        self.layers().last().map_or(self.image_size, |(conv, size)| conv.output_size(size))
    }

    /// Every stored tensor, in order of execution.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors = Vec::new();
        let mut push = |prefix: &str, suffix: &str, shape: &[usize], role| {
            tensors.push(TensorSpec { name: format!("{prefix}.{suffix}"), shape: shape.to_vec(), role });
        };
        for (conv, _) in self.layers() {
            push(&conv.name, "weight", &conv.weight_shape(), Role::ConvWeight);
            let vector = [conv.outputs];
            if conv.bias {
                push(&conv.name, "bias", &vector, Role::Bias);
            }
            if let Some(norm) = &conv.norm {
                push(&norm.name, "weight", &vector, Role::Gamma);
                push(&norm.name, "bias", &vector, Role::Beta);
                push(&norm.name, "running_mean", &vector, Role::Mean);
                push(&norm.name, "running_var", &vector, Role::Variance);
            }
        }
        push(&self.classifier, "weight", &[self.classes, self.features], Role::ConvWeight);
        push(&self.classifier, "bias", &[self.classes], Role::Bias);
        tensors
    }

    /// Number of stored values, running statistics included (Keras' "total params").
    pub fn total_parameters(&self) -> usize {
        self.tensors().iter().map(TensorSpec::elements).sum()
    }

    /// Number of values that training changes (Keras' "trainable params", what PyTorch counts).
    pub fn trainable_parameters(&self) -> usize {
        self.tensors().iter().filter(|tensor| tensor.role.trainable()).map(TensorSpec::elements).sum()
    }

    /// Multiply-adds of one forward pass over one image: convolutions and classifier.
    pub fn multiply_adds(&self) -> u64 {
        let convs = self.layers().map(|(conv, size)| {
            let [height, width] = conv.output_size(size);
            let per_pixel: usize = conv.weight_shape().iter().product();
            (height * width) as u64 * per_pixel as u64
        });
        convs.sum::<u64>() + (self.features * self.classes) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv3x3(stride: usize, padding: Padding) -> ConvLayer {
        ConvLayer {
            name: "conv".into(),
            norm: None,
            kind: ConvKind::Full,
            kernel: 3,
            stride,
            padding,
            inputs: 1,
            outputs: 1,
            bias: false,
            activation: Activation::Relu6,
        }
    }

    #[test]
    fn same_pads_after_and_symmetric_pads_both() {
        assert_eq!(conv3x3(2, Padding::Same).pad(224), (0, 1));
        assert_eq!(conv3x3(2, Padding::Same).pad(7), (1, 1));
        assert_eq!(conv3x3(1, Padding::Same).pad(224), (1, 1));
        assert_eq!(conv3x3(1, Padding::Same).pad(1), (1, 1));
        assert_eq!(conv3x3(2, Padding::Symmetric).pad(224), (1, 1));
        for size in 1..=17 {
            for stride in [1, 2] {
                for padding in [Padding::Same, Padding::Symmetric] {
                    let output = conv3x3(stride, padding).output_size([size, size]);
                    assert_eq!(output, [size.div_ceil(stride); 2], "size {size} stride {stride} {padding:?}");
                }
            }
        }
    }

    #[test]
    fn activations_are_read_as_they_are_written() {
        for activation in
            [Activation::Identity, Activation::Relu, Activation::Relu6, Activation::LeakyRelu(0.1)]
        {
            assert_eq!(activation.to_string().parse::<Activation>().unwrap(), activation);
            let json = serde_json::to_string(&activation).unwrap();
            assert_eq!(serde_json::from_str::<Activation>(&json).unwrap(), activation);
        }
        for text in
            ["", "gelu", "leaky-relu", "leaky-relu:", "leaky-relu:nan", "leaky-relu:1", "leaky-relu:-0.1"]
        {
            assert!(text.parse::<Activation>().is_err(), "{text:?}");
        }
    }
}
