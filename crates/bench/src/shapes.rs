//! The layers of the networks, from the tables in `benches/shapes`.

use kernels::ConvShape;

/// How a convolution connects channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every input with every output: the first layer.
    Full,
    /// Each channel with itself.
    Depthwise,
    /// 1 x 1: a matrix product.
    Pointwise,
}

/// One convolution, however often the network has it.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// How channels connect.
    pub kind: Kind,
    /// Of one image.
    pub shape: ConvShape,
    /// Layers of this shape in the network.
    pub count: usize,
}

/// The different convolutions of a network.
#[derive(Clone, Debug)]
pub struct Shapes {
    /// `v1` or `v2`: how names of cases begin.
    pub prefix: &'static str,
    /// In order of execution.
    pub layers: Vec<Layer>,
}

impl Shapes {
    /// Those of `mobilenet-v1` or `mobilenet-v2`, at 224 x 224; none for another name.
    pub fn named(network: &str) -> Option<Self> {
        let (prefix, table) = match network {
            "mobilenet-v1" => ("v1", include_str!("../../../benches/shapes/mobilenet-v1.txt")),
            "mobilenet-v2" => ("v2", include_str!("../../../benches/shapes/mobilenet-v2.txt")),
            _ => return None,
        };
        Some(Self { prefix, layers: parse(table) })
    }
}

/// # Panics
/// When the table, which is part of the program, is not as its head says.
fn parse(table: &str) -> Vec<Layer> {
    let symmetric = table.contains("symmetric padding");
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| layer(line, symmetric).unwrap_or_else(|| panic!("not a layer: {line}"))).collect()
}

fn layer(line: &str, symmetric: bool) -> Option<Layer> {
    let (kind, sizes) = line.split_once(' ')?;
    let kind = match kind {
        "full" => Kind::Full,
        "depthwise" => Kind::Depthwise,
        "pointwise" => Kind::Pointwise,
        _ => return None,
    };
    let sizes: Vec<usize> = sizes.split_whitespace().map(|size| size.parse().ok()).collect::<Option<_>>()?;
    let [h, w, inputs, outputs, stride, kernel, count] = sizes[..] else { return None };
    let (out_h, out_w) = (h.div_ceil(stride), w.div_ceil(stride));
    let pad = |size: usize, out: usize| {
        let same = ((out - 1) * stride + kernel).saturating_sub(size) / 2;
        if symmetric { kernel / 2 } else { same }
    };
    let (pad_top, pad_left) = (pad(h, out_h), pad(w, out_w));
    let shape = ConvShape { h, w, inputs, outputs, kernel, stride, pad_top, pad_left, out_h, out_w };
    Some(Layer { kind, shape, count })
}

/// A small layer of every kind, with channels that no vector divides.
#[cfg(test)]
pub(crate) fn small() -> Shapes {
    let layer = |kind, inputs, outputs, kernel, stride| {
        let out = 9usize.div_ceil(stride);
        let shape = ConvShape {
            h: 9,
            w: 9,
            inputs,
            outputs,
            kernel,
            stride,
            pad_top: kernel / 2,
            pad_left: kernel / 2,
            out_h: out,
            out_w: out,
        };
        Layer { kind, shape, count: 1 }
    };
    let layers = vec![
        layer(Kind::Full, 3, 19, 3, 2),
        layer(Kind::Depthwise, 19, 19, 3, 2),
        layer(Kind::Depthwise, 19, 19, 3, 1),
        layer(Kind::Pointwise, 19, 35, 1, 1),
    ];
    Shapes { prefix: "small", layers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_the_multiply_adds_of_the_networks() {
        // As published for three channels (0.569 and 0.301 billion), less the classifiers of 1000 classes.
        let gray = 2 * 112 * 112 * 9 * 32;
        for (name, expected) in
            [("mobilenet-v1", 568_740_352 - 1_024_000), ("mobilenet-v2", 300_774_272 - 1_280_000)]
        {
            let of = |layer: &Layer| {
                let ConvShape { inputs, outputs, kernel, out_h, out_w, .. } = layer.shape;
                let seen = if layer.kind == Kind::Depthwise { 1 } else { inputs };
                layer.count * out_h * out_w * kernel * kernel * seen * outputs
            };
            assert_eq!(
                Shapes::named(name).unwrap().layers.iter().map(of).sum::<usize>() + gray,
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn padding_is_that_of_the_table() {
        let stem = |name| Shapes::named(name).unwrap().layers[0].shape;
        assert_eq!((stem("mobilenet-v1").pad_top, stem("mobilenet-v2").pad_top), (0, 1));
        let depthwise = Shapes::named("mobilenet-v1").unwrap().layers[1].shape;
        assert_eq!((depthwise.stride, depthwise.pad_left, depthwise.out_w), (1, 1, 112));
    }
}
