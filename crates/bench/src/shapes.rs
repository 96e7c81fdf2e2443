//! The layers of the networks, as their descriptions have them.

use engine::{Conv, cases};
use model::Architecture;

/// One convolution, however often the network has it.
#[derive(Clone, Copy, Debug)]
pub struct CountedConv {
    /// Of one image.
    pub conv: Conv,
    /// Layers of this shape in the network.
    pub count: usize,
}

/// The different convolutions of a network.
#[derive(Clone, Debug)]
pub struct Shapes {
    /// `v1` or `v2`: how names of cases begin.
    pub prefix: &'static str,
    /// In order of execution.
    pub layers: Vec<CountedConv>,
}

impl Shapes {
    /// Those of `mobilenet-v1` or `mobilenet-v2`, at 224 x 224 with one channel and all of its width; none for another
    /// name.
    pub fn named(network: &str) -> Option<Self> {
        let prefix = match network {
            "mobilenet-v1" => "v1",
            "mobilenet-v2" => "v2",
            _ => return None,
        };
        let of_gray = Architecture {
            channels: 1,
            width: 1.0,
            image_size: [224; 2],
            ..Architecture::named(network).ok()?
        };
        let found = cases::of_network(&of_gray.network().ok()?);
        let layers = found.into_iter().map(|(conv, count)| CountedConv { conv, count }).collect();
        Some(Self { prefix, layers })
    }
}

/// A small layer of every kind, with channels that no vector divides.
#[cfg(test)]
pub(crate) fn small() -> Shapes {
    use kernels::{ConvShape, Rectifier};
    use model::ConvKind;
    let layer = |kind, inputs, outputs, kernel: usize, stride| {
        let (out, pad) = (9usize.div_ceil(stride), kernel / 2);
        let (h, w, pad_top, pad_left, out_h, out_w) = (9, 9, pad, pad, out, out);
        let shape = ConvShape { h, w, inputs, outputs, kernel, stride, pad_top, pad_left, out_h, out_w };
        CountedConv { conv: Conv { kind, shape, activation: Rectifier::RELU6, spaced: [false; 2] }, count: 1 }
    };
    let layers = vec![
        layer(ConvKind::Full, 3, 19, 3, 2),
        layer(ConvKind::Depthwise, 19, 19, 3, 2),
        layer(ConvKind::Depthwise, 19, 19, 3, 1),
        layer(ConvKind::Pointwise, 19, 35, 1, 1),
    ];
    Shapes { prefix: "small", layers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_have_the_multiply_adds_of_the_networks() {
        // As published for three channels (0.569 and 0.301 billion), less the classifiers of 1000 classes.
        let gray = 2 * 112 * 112 * 9 * 32;
        for (name, expected) in
            [("mobilenet-v1", 568_740_352 - 1_024_000), ("mobilenet-v2", 300_774_272 - 1_280_000)]
        {
            let of = |layer: &CountedConv| layer.count as u64 * layer.conv.multiply_adds();
            let layers = Shapes::named(name).unwrap().layers;
            assert_eq!(layers.iter().map(of).sum::<u64>() + gray, expected, "{name}");
        }
    }

    #[test]
    fn padding_is_that_of_the_network() {
        let stem = |name| Shapes::named(name).unwrap().layers[0].conv.shape;
        assert_eq!((stem("mobilenet-v1").pad_top, stem("mobilenet-v2").pad_top), (0, 1));
        let depthwise = Shapes::named("mobilenet-v1").unwrap().layers[1].conv.shape;
        assert_eq!((depthwise.stride, depthwise.pad_left, depthwise.out_w), (1, 1, 112));
    }
}
