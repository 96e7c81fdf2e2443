//! Batch norm folded into the convolution before it.
//!
//! At inference a norm is `gamma * (z - mean) / sqrt(variance + epsilon) + beta`, which is linear in `z`: so it scales
//! the weights of each output channel and moves its bias. The work is done in f64 and rounded once. Trained models have
//! channels whose variance is a denormal; there epsilon alone is under the root, which f64 holds exactly.

use model::{ConvLayer, Weights};

/// A convolution without a norm.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// In the stored layout: `[outputs, inputs, kernel, kernel]`, depthwise `[c, 1, kernel, kernel]`.
    pub weights: Vec<f32>,
    /// `[outputs]`
    pub bias: Vec<f32>,
}

/// The convolution `conv` of `weights`, with its norm, if it has one, folded in.
///
/// # Panics
/// When `weights` are not those of a network with this layer, which [`Weights::check`] tells.
pub fn fold(conv: &ConvLayer, weights: &Weights) -> Folded {
    fold_into(conv, weights[format!("{}.weight", conv.name).as_str()].data().to_vec(), weights)
}

/// The same into `kernel`, the weights of the convolution; the other tensors are in `weights`.
pub(crate) fn fold_into(conv: &ConvLayer, mut kernel: Vec<f32>, weights: &Weights) -> Folded {
    let tensor = |prefix: &str, suffix: &str| weights[format!("{prefix}.{suffix}").as_str()].data();
    let mut bias = if conv.bias { tensor(&conv.name, "bias").to_vec() } else { vec![0.0; conv.outputs] };
    if let Some(norm) = &conv.norm {
        let [gamma, beta, mean, variance] =
            ["weight", "bias", "running_mean", "running_var"].map(|suffix| tensor(&norm.name, suffix));
        let per_output = kernel.len() / conv.outputs;
        for (o, weights) in kernel.chunks_exact_mut(per_output).enumerate() {
            let deviation = (f64::from(variance[o]) + f64::from(norm.epsilon)).sqrt();
            let scale = f64::from(gamma[o]) / deviation;
            for w in weights {
                *w = (f64::from(*w) * scale) as f32;
            }
            let centered = f64::from(bias[o]) - f64::from(mean[o]);
            bias[o] = (f64::from(beta[o]) + centered * scale) as f32;
        }
    }
    Folded { weights: kernel, bias }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Activation, Array, ConvKind, Norm, Padding};

    fn layer(norm: bool) -> ConvLayer {
        ConvLayer {
            name: "c".into(),
            norm: norm.then(|| Norm { name: "n".into(), epsilon: 1e-3 }),
            kind: ConvKind::Pointwise,
            kernel: 1,
            stride: 1,
            padding: Padding::Same,
            inputs: 2,
            outputs: 3,
            bias: true,
            activation: Activation::Relu6,
        }
    }

    fn weights(variance: [f32; 3]) -> Weights {
        let vector = |values: [f32; 3]| Array::new([3], values.to_vec()).unwrap();
        [
            ("c.weight", Array::new([3, 2, 1, 1], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap()),
            ("c.bias", vector([0.5, 0.0, -0.5])),
            ("n.weight", vector([1.0, 2.0, -3.0])),
            ("n.bias", vector([0.1, 0.2, 0.3])),
            ("n.running_mean", vector([1.0, -1.0, 0.25])),
            ("n.running_var", vector(variance)),
        ]
        .map(|(name, array)| (name.to_owned(), array))
        .into_iter()
        .collect()
    }

    #[test]
    fn a_folded_convolution_does_what_the_norm_did() {
        let variance = [4.0, 1e-38, 5e-45];
        let weights = weights(variance);
        let folded = fold(&layer(true), &weights);
        let x = [0.3f64, -0.7];
        for o in 0..3 {
            let dot = |w: [f32; 2]| x[0] * f64::from(w[0]) + x[1] * f64::from(w[1]);
            let at = |name: &str, i: usize| f64::from(weights[name].data()[i]);
            let z = dot([2 * o, 2 * o + 1].map(|i| weights["c.weight"].data()[i])) + at("c.bias", o);
            let root = (f64::from(variance[o]) + f64::from(1e-3f32)).sqrt();
            let want = at("n.weight", o) * (z - at("n.running_mean", o)) / root + at("n.bias", o);
            let got = dot([folded.weights[2 * o], folded.weights[2 * o + 1]]) + f64::from(folded.bias[o]);
            assert!((got - want).abs() < 1e-6 * want.abs().max(1.0), "channel {o}: {got} for {want}");
        }
    }

    #[test]
    fn without_a_norm_nothing_changes() {
        let folded = fold(&layer(false), &weights([1.0; 3]));
        assert_eq!(folded.weights, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(folded.bias, [0.5, 0.0, -0.5]);
    }
}
