//! A forward pass in f64 that follows the definition: convolution by convolution and norm by norm.

use kernels::{ConvShape, Read, scalar};
use model::{Activation, ConvKind, Network, Weights, layout};

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

fn activate(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::Identity => v,
        Activation::Relu => v.max(0.0),
        Activation::Relu6 => v.clamp(0.0, 6.0),
        Activation::LeakyRelu(slope) => v.max(f64::from(slope) * v),
    }
}

/// The logits of one image, convolution by convolution and norm by norm, in f64.
pub fn reference(network: &Network, weights: &Weights, image: &[f32]) -> Vec<f64> {
    let tensor = |name: &str| {
        let array = &weights[name];
        wide(&layout::to_engine(array.shape(), array.data()))
    };
    let mut x = wide(image);
    let mut size = network.image_size;
    for block in &network.blocks {
        let input = x.clone();
        for conv in &block.convs {
            let [out_h, out_w] = conv.output_size(size);
            let shape = ConvShape {
                h: size[0],
                w: size[1],
                inputs: conv.inputs,
                outputs: conv.outputs,
                kernel: conv.kernel,
                stride: conv.stride,
                pad_top: conv.pad(size[0]).0,
                pad_left: conv.pad(size[1]).0,
                out_h,
                out_w,
            };
            let mut z = vec![0.0; shape.output_len()];
            let forward = match conv.kind {
                ConvKind::Depthwise => scalar::depthwise_forward,
                ConvKind::Full | ConvKind::Pointwise => scalar::conv_forward,
            };
            forward(&shape, &Read::Plain(&x), &tensor(&format!("{}.weight", conv.name)), &mut z);
            let bias = conv.bias.then(|| tensor(&format!("{}.bias", conv.name)));
            let norm = conv.norm.as_ref().map(|norm| {
                let parts = ["weight", "bias", "running_mean", "running_var"];
                (parts.map(|part| tensor(&format!("{}.{part}", norm.name))), f64::from(norm.epsilon))
            });
            for (i, z) in z.iter_mut().enumerate() {
                let c = i % conv.outputs;
                *z += bias.as_ref().map_or(0.0, |bias| bias[c]);
                if let Some(([gamma, beta, mean, variance], epsilon)) = &norm {
                    *z = gamma[c] * (*z - mean[c]) / (variance[c] + epsilon).sqrt() + beta[c];
                }
                *z = activate(conv.activation, *z);
            }
            (x, size) = (z, [out_h, out_w]);
        }
        if block.residual {
            x.iter_mut().zip(input).for_each(|(x, input)| *x += input);
        }
    }
    let (weight, bias) =
        (tensor(&format!("{}.weight", network.classifier)), tensor(&format!("{}.bias", network.classifier)));
    let mut pooled = vec![0.0; network.features];
    scalar::global_average_pool(&Read::Plain(&x), network.features, &mut pooled);
    (0..network.classes)
        .map(|class| {
            let dot: f64 =
                pooled.iter().zip(weight.chunks_exact(network.classes)).map(|(x, w)| x * w[class]).sum();
            dot + bias[class]
        })
        .collect()
}

/// The largest difference as a share of the largest value.
pub fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let size = want.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let worst = got.iter().zip(want).map(|(&got, want)| (f64::from(got) - want).abs());
    worst.fold(0.0, |m, d| if d.is_nan() { f64::NAN } else { m.max(d) }) / size
}
