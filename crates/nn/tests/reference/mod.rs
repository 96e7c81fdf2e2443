//! A network in f64, built from the kernels' specification alone: no tape, no deferral, no tiles.

use kernels::{ConvShape, Read, scalar};
use model::{Activation, ConvKind, ConvLayer};

/// A network's loss on one batch as a function of its values.
pub struct Reference {
    spec: model::Network,
    images: Vec<f64>,
    labels: Vec<usize>,
}

impl Reference {
    pub fn new(spec: model::Network, images: Vec<f64>, labels: Vec<usize>) -> Self {
        Self { spec, images, labels }
    }

    /// The training loss for `values`, in the order of [`model::Network::tensors`], in the engine's layout.
    pub fn loss(&self, values: &[Vec<f64>]) -> f64 {
        let images = self.labels.len();
        let mut values = values.iter();
        let mut next = || values.next().unwrap();
        let (mut x, mut size) = (self.images.clone(), self.spec.image_size);
        for block in &self.spec.blocks {
            let input = x.clone();
            for conv in &block.convs {
                let weights = next();
                x = convolve(&x, weights, conv, size, images);
                size = conv.output_size(size);
                let norm = conv.norm.as_ref().expect("the networks here have norms");
                let (gamma, beta, _, _) = (next(), next(), next(), next());
                normalise(&mut x, gamma, beta, f64::from(norm.epsilon), conv.activation);
            }
            if block.residual {
                x.iter_mut().zip(&input).for_each(|(x, input)| *x += input);
            }
        }
        let (features, classes) = (self.spec.features, self.spec.classes);
        let (weights, bias) = (next(), next());
        let mut logits = vec![];
        for image in x.chunks_exact(x.len() / images) {
            let mut pooled = vec![0.0; features];
            scalar::global_average_pool(&Read::Plain(image), features, &mut pooled);
            logits.extend((0..classes).map(|o| {
                bias[o] + pooled.iter().enumerate().map(|(i, p)| p * weights[i * classes + o]).sum::<f64>()
            }));
        }
        let mut unused = vec![0.0; logits.len()];
        scalar::softmax_cross_entropy(&logits, &self.labels, &vec![1.0; classes], 0.0, &mut unused)
    }
}

/// One convolution of a batch: `x: [images, h, w, inputs]`.
pub fn convolve(x: &[f64], weights: &[f64], conv: &ConvLayer, [h, w]: [usize; 2], images: usize) -> Vec<f64> {
    let [out_h, out_w] = conv.output_size([h, w]);
    let shape = ConvShape {
        h,
        w,
        inputs: conv.inputs,
        outputs: conv.outputs,
        kernel: conv.kernel,
        stride: conv.stride,
        pad_top: conv.pad(h).0,
        pad_left: conv.pad(w).0,
        out_h,
        out_w,
    };
    let mut z = vec![0.0; images * shape.output_len()];
    for (x, z) in x.chunks_exact(shape.input_len()).zip(z.chunks_exact_mut(shape.output_len())) {
        match conv.kind {
            ConvKind::Depthwise => scalar::depthwise_forward(&shape, &Read::Plain(x), weights, z),
            ConvKind::Full | ConvKind::Pointwise => scalar::conv_forward(&shape, &Read::Plain(x), weights, z),
        }
    }
    z
}

fn normalise(z: &mut [f64], gamma: &[f64], beta: &[f64], epsilon: f64, activation: Activation) {
    let channels = gamma.len();
    let act = match activation {
        Activation::Identity => kernels::Rectifier::IDENTITY,
        Activation::Relu => kernels::Rectifier::RELU,
        Activation::Relu6 => kernels::Rectifier::RELU6,
        Activation::LeakyRelu(slope) => kernels::Rectifier::leaky_relu(slope),
    };
    let pixels = (z.len() / channels) as f64;
    for c in 0..channels {
        let of =
            |f: &dyn Fn(f64) -> f64| z.iter().skip(c).step_by(channels).map(|&z| f(z)).sum::<f64>() / pixels;
        let mean = of(&|z| z);
        let variance = of(&|z| (z - mean).powi(2));
        let scale = gamma[c] / (variance + epsilon).sqrt();
        for z in z.iter_mut().skip(c).step_by(channels) {
            *z = scalar::activate(act, scale * (*z - mean) + beta[c]);
        }
    }
}
