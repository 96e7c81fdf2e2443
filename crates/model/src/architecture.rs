//! The choices that define a network, and the tables that expand them.
//!
//! MobileNetV1: Howard et al. 2017, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
//! Applications", table 1. MobileNetV2: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
//! table 2, with the channel rounding and the tensor names of torchvision.
//!
//! Invariant: [`Architecture::network`] checks every choice first, so hostile metadata cannot make a network whose sizes
//! overflow or whose buffers are absurd.

use crate::Error;
use crate::network::{Activation, Block, ConvKind, ConvLayer, Network, Norm, Padding};
use serde::{Deserialize, Serialize};

/// The architectures that [`Architecture::named`] knows.
pub const NAMES: [&str; 2] = ["mobilenet-v1", "mobilenet-v2"];

/// MobileNetV1's separable blocks: (channels at width 1, stride).
const V1: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

/// MobileNetV2's bottlenecks: (expansion, channels at width 1, repeats, stride of the first).
const V2: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// Channels of the first convolution of both, and of V2's last, at width 1.
const STEM: usize = 32;
const V2_HEAD: usize = 1280;

/// Both halve the image five times: below this the last feature map would be mostly padding.
const MIN_IMAGE: usize = 32;
const MAX_IMAGE: usize = 4096;
const MAX_WIDTH: f32 = 4.0;
const MAX_CLASSES: usize = 65_536;

/// Everything that must be known to build the network: this is what a model file stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// `mobilenet-v1` or `mobilenet-v2`.
    pub name: String,
    /// Width multiplier, in (0, 4].
    pub width: f32,
    /// `[height, width]` of the input, each in 32..=4096.
    pub image_size: [usize; 2],
    /// Channels of the input: 1 or 3.
    pub channels: usize,
    /// Number of outputs: classes, at least 2, or findings, at least 1.
    pub classes: usize,
    /// Padding of every 3x3 convolution.
    pub padding: Padding,
    /// Epsilon of every batch norm.
    pub epsilon: f32,
    /// Momentum of the running statistics, as Keras counts it.
    pub momentum: f32,
    /// After every convolution that has a nonlinearity.
    pub activation: Activation,
    /// Probability with which a pooled feature is dropped in training.
    pub dropout: f32,
    /// Whether batch norm was folded into the convolutions: each has a bias and no norm follows.
    #[serde(default)]
    pub folded: bool,
}

impl Architecture {
    /// An architecture with its published defaults, for one gray channel of 224x224 and two classes: Keras' for
    /// `mobilenet-v1`, torchvision's for `mobilenet-v2`.
    pub fn named(name: &str) -> Result<Self, Error> {
        let (padding, epsilon, momentum, dropout) = match name {
            "mobilenet-v1" => (Padding::Same, 1e-3, 0.99, 1e-3),
            "mobilenet-v2" => (Padding::Symmetric, 1e-5, 0.9, 0.2),
            _ => return Err(unknown(name)),
        };
        Ok(Architecture {
            name: name.to_owned(),
            width: 1.0,
            image_size: [224, 224],
            channels: 1,
            classes: 2,
            padding,
            epsilon,
            momentum,
            activation: Activation::Relu6,
            dropout,
            folded: false,
        })
    }

    /// The network, layer by layer; an error names the choice that cannot be.
    pub fn network(&self) -> Result<Network, Error> {
        self.check()?;
        let blocks = match self.name.as_str() {
            "mobilenet-v1" => self.v1_blocks(),
            "mobilenet-v2" => self.v2_blocks(),
            _ => return Err(unknown(&self.name)),
        };
        let convs = blocks.iter().flat_map(|block: &Block| &block.convs);
        if let Some(conv) = convs.clone().find(|conv| conv.outputs == 0) {
            let expected = format!("at least {} so that {} keeps a channel", 1.0 / STEM as f32, conv.name);
            return Err(Error::invalid("width", expected, self.width));
        }
        let features = convs.last().map_or(self.channels, |conv| conv.outputs);
        Ok(Network {
            arch: self.name.clone(),
            width: self.width,
            image_size: self.image_size,
            channels: self.channels,
            classes: self.classes,
            blocks,
            dropout: self.dropout,
            classifier: if self.name == "mobilenet-v2" { "classifier.1" } else { "classifier" }.to_owned(),
            features,
            momentum: self.momentum,
        })
    }

    fn check(&self) -> Result<(), Error> {
        let [height, width] = self.image_size;
        if !self.image_size.iter().all(|size| (MIN_IMAGE..=MAX_IMAGE).contains(size)) {
            let expected =
                format!("sides of {MIN_IMAGE} to {MAX_IMAGE} (the network halves the image five times)");
            return Err(Error::invalid("image size", expected, format!("{height}x{width}")));
        }
        let fails = |bad: bool, what: &str, expected: &str, found: &dyn std::fmt::Display| {
            if bad { Err(Error::invalid(what, expected, found)) } else { Ok(()) }
        };
        fails(!(self.width > 0.0 && self.width <= MAX_WIDTH), "width", "above 0, at most 4", &self.width)?;
        fails(!matches!(self.channels, 1 | 3), "channels", "1 (gray) or 3 (colour)", &self.channels)?;
        fails(!(1..=MAX_CLASSES).contains(&self.classes), "classes", "1 to 65536", &self.classes)?;
        fails(!(self.epsilon >= 1e-12 && self.epsilon <= 1.0), "epsilon", "1e-12 to 1", &self.epsilon)?;
        fails(!(0.0..1.0).contains(&self.momentum), "momentum", "in [0, 1)", &self.momentum)?;
        fails(!(0.0..1.0).contains(&self.dropout), "dropout", "in [0, 1)", &self.dropout)
    }

    /// Width as the decimal that was meant: 0.35 and not 0.349999994, which would round channels another way.
    fn multiplier(&self) -> f64 {
        (f64::from(self.width) * 1e6).round() / 1e6
    }

    fn conv(
        &self,
        name: String,
        norm: String,
        kind: ConvKind,
        stride: usize,
        (i, o): (usize, usize),
    ) -> ConvLayer {
        ConvLayer {
            name,
            norm: (!self.folded).then_some(Norm { name: norm, epsilon: self.epsilon }),
            kind,
            kernel: if kind == ConvKind::Pointwise { 1 } else { 3 },
            stride,
            padding: self.padding,
            inputs: i,
            outputs: o,
            bias: self.folded,
            activation: self.activation,
        }
    }

    /// Channels scale as in Keras: `int(filters * alpha)`, without a minimum.
    fn v1_blocks(&self) -> Vec<Block> {
        let scaled = |channels: usize| (channels as f64 * self.multiplier()) as usize;
        let layer = |name: String, kind, stride, io| {
            let norm = format!("{name}_bn");
            self.conv(name, norm, kind, stride, io)
        };
        let mut inputs = scaled(STEM);
        let stem = layer("conv1".to_owned(), ConvKind::Full, 2, (self.channels, inputs));
        let mut blocks = vec![Block { convs: vec![stem], residual: false }];
        for (n, (channels, stride)) in V1.into_iter().enumerate() {
            let outputs = scaled(channels);
            let depthwise =
                layer(format!("blocks.{n}.depthwise"), ConvKind::Depthwise, stride, (inputs, inputs));
            let pointwise = layer(format!("blocks.{n}.pointwise"), ConvKind::Pointwise, 1, (inputs, outputs));
            blocks.push(Block { convs: vec![depthwise, pointwise], residual: false });
            inputs = outputs;
        }
        blocks
    }

    /// A bottleneck expands (not at expansion 1), filters depthwise, and projects without an activation; it adds its
    /// input where the shapes allow.
    fn v2_blocks(&self) -> Vec<Block> {
        let width = self.multiplier();
        let scaled = |channels: usize| make_divisible(channels as f64 * width);
        let pair = |prefix: String, kind, stride, io| {
            self.conv(format!("{prefix}.0"), format!("{prefix}.1"), kind, stride, io)
        };
        let mut inputs = scaled(STEM);
        let stem = pair("features.0".to_owned(), ConvKind::Full, 2, (self.channels, inputs));
        let mut blocks = vec![Block { convs: vec![stem], residual: false }];
        for (expansion, channels, repeats, first_stride) in V2 {
            let outputs = scaled(channels);
            for repeat in 0..repeats {
                let stride = if repeat == 0 { first_stride } else { 1 };
                let hidden = inputs * expansion;
                let prefix = format!("features.{}.conv", blocks.len());
                let mut convs = Vec::new();
                if expansion != 1 {
                    convs.push(pair(format!("{prefix}.0"), ConvKind::Pointwise, 1, (inputs, hidden)));
                }
                let step = convs.len();
                convs.push(pair(format!("{prefix}.{step}"), ConvKind::Depthwise, stride, (hidden, hidden)));
                let (project, norm) = (format!("{prefix}.{}", step + 1), format!("{prefix}.{}", step + 2));
                let project = self.conv(project, norm, ConvKind::Pointwise, 1, (hidden, outputs));
                convs.push(ConvLayer { activation: Activation::Identity, ..project });
                blocks.push(Block { convs, residual: stride == 1 && inputs == outputs });
                inputs = outputs;
            }
        }
        let head = make_divisible(V2_HEAD as f64 * width.max(1.0));
        let head = pair(format!("features.{}", blocks.len()), ConvKind::Pointwise, 1, (inputs, head));
        blocks.push(Block { convs: vec![head], residual: false });
        blocks
    }
}

/// torchvision's `_make_divisible`: the nearest multiple of 8, but at least 8 and not more than 10 % below.
fn make_divisible(channels: f64) -> usize {
    let rounded = ((channels + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * channels { rounded + 8 } else { rounded }
}

fn unknown(name: &str) -> Error {
    Error::invalid("architecture", NAMES.join(" or "), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str, width: f32, channels: usize, classes: usize) -> Network {
        let arch = Architecture { width, channels, classes, ..Architecture::named(name).unwrap() };
        arch.network().unwrap()
    }

    /// Keras' and torchvision's published counts.
    #[test]
    fn parameter_counts_are_the_published_ones() {
        for (name, width, total, trainable) in [
            ("mobilenet-v1", 1.0, 4_253_864, 4_231_976),
            ("mobilenet-v1", 0.25, 475_544, 470_072),
            ("mobilenet-v2", 1.0, 3_538_984, 3_504_872),
        ] {
            let network = network(name, width, 3, 1000);
            assert_eq!(network.total_parameters(), total, "{name} {width}");
            assert_eq!(network.trainable_parameters(), trainable, "{name} {width}");
        }
    }

    #[test]
    fn multiply_adds_are_those_of_the_papers() {
        let millions = |name, width| (network(name, width, 3, 1000).multiply_adds() as f64 / 1e6).round();
        assert_eq!(millions("mobilenet-v1", 1.0), 569.0);
        assert_eq!(millions("mobilenet-v1", 0.25), 41.0);
        assert_eq!(millions("mobilenet-v2", 1.0), 301.0);
    }

    #[test]
    fn channels_round_as_in_torchvision() {
        assert_eq!([11.2, 12.0, 33.6, 4.0, 52.0, 1792.0].map(make_divisible), [16, 16, 32, 8, 56, 1792]);
        assert_eq!(network("mobilenet-v2", 1.4, 3, 2).features, 1792);
        assert_eq!(network("mobilenet-v2", 0.35, 3, 2).features, 1280);
    }

    #[test]
    fn channels_of_one_layer_are_those_of_the_next() {
        for (name, width) in
            [("mobilenet-v1", 0.3), ("mobilenet-v1", 1.0), ("mobilenet-v2", 0.35), ("mobilenet-v2", 4.0)]
        {
            let network = network(name, width, 1, 2);
            let mut channels = 1;
            for (conv, _) in network.layers() {
                assert_eq!(conv.inputs, channels, "{name} {width} {}", conv.name);
                channels = conv.outputs;
            }
            assert_eq!(network.features, channels);
            assert_eq!(network.feature_size(), [7, 7]);
        }
    }

    #[test]
    fn the_smallest_image_leaves_one_pixel() {
        for name in NAMES {
            let arch = Architecture { image_size: [32, 33], ..Architecture::named(name).unwrap() };
            assert_eq!(arch.network().unwrap().feature_size(), [1, 2], "{name}");
        }
    }

    #[test]
    fn impossible_choices_are_refused_by_name() {
        let base = || Architecture::named("mobilenet-v1").unwrap();
        let cases: Vec<(Architecture, &str)> = vec![
            (Architecture { name: "resnet".into(), ..base() }, "mobilenet-v1 or mobilenet-v2"),
            (Architecture { image_size: [7, 7], ..base() }, "halves the image five times"),
            (Architecture { image_size: [224, usize::MAX], ..base() }, "image size"),
            (Architecture { width: 0.0, ..base() }, "width"),
            (Architecture { width: f32::NAN, ..base() }, "width"),
            (Architecture { width: 4.5, ..base() }, "width"),
            (Architecture { width: 0.01, ..base() }, "keeps a channel"),
            (Architecture { channels: 2, ..base() }, "channels"),
            (Architecture { classes: 0, ..base() }, "classes"),
            (Architecture { classes: usize::MAX, ..base() }, "classes"),
            (Architecture { epsilon: 0.0, ..base() }, "epsilon"),
            (Architecture { momentum: 1.0, ..base() }, "momentum"),
            (Architecture { dropout: 1.0, ..base() }, "dropout"),
        ];
        for (arch, reason) in cases {
            let error = arch.network().expect_err(reason).to_string();
            assert!(error.contains(reason), "{error:?} should speak of {reason:?}");
        }
    }
}
