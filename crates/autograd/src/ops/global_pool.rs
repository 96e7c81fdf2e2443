//! Global average pooling: what a MobileNet's head reads.

use crate::{Gradient, Op, Tape, Value, Var};
use engine::{Tensor, merge_sums, par};
use kernels::{Level, pooling};

/// The mean over the pixels of each image: `x: [n, h, w, c]` to `[n, c]`.
pub fn global_average_pool(tape: &mut Tape, x: &Var) -> Var {
    let (level, shape) = (tape.level(), *x.shape());
    let (images, channels) = (shape[0], shape.channels());
    let image = shape.elements() / images;
    let read = x.value().read();
    let mut y = Tensor::recycled([images, channels]);
    par::chunks_mut(y.data_mut(), channels, |i, y| {
        pooling::global_average_pool(level, read.part(i * image..(i + 1) * image), y);
    });
    let kept = x.value().clone();
    tape.record(&[x], Value::Plain(y), || GlobalAveragePool { x: kept })
}

struct GlobalAveragePool {
    x: Value,
}

impl Op for GlobalAveragePool {
    fn name(&self) -> &'static str {
        "global_average_pool"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, _: &[bool]) -> Vec<Option<Gradient>> {
        let g = gradient.into_plain(level);
        let shape = *self.x.shape();
        let (images, channels) = (shape[0], shape.channels());
        let image = shape.elements() / images;
        let read = self.x.read();
        let mut dx = Tensor::recycled(shape);
        let mut sums = Tensor::zeros([images, 2 * channels]);
        par::chunks_mut2((dx.data_mut(), image), (sums.data_mut(), 2 * channels), |i, dx, sums| {
            let x = read.part(i * image..(i + 1) * image);
            pooling::global_average_pool_backward(
                level,
                x,
                &g.data()[i * channels..(i + 1) * channels],
                dx,
                sums,
            );
        });
        vec![Some(Gradient::of_input(&self.x, dx, merge_sums(sums.data(), channels)))]
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{GradientCase, Source};
    use engine::Rng;
    use kernels::scalar;

    pub fn cases() -> Vec<GradientCase> {
        let mut rng = Rng::new(5);
        let (images, image, channels) = (2, 2 * 3 * 17, 17);
        let case = |source: Source| GradientCase {
            op: "global_average_pool",
            name: format!("{source:?}"),
            inputs: source.inputs(&[images, 2, 3, channels], &mut rng),
            forward: Box::new(move |tape, inputs| {
                let x = source.var(tape, inputs);
                super::global_average_pool(tape, &x)
            }),
            spec: Box::new(move |inputs| {
                let mut y = vec![0.0; images * channels];
                source.read(inputs, |x| {
                    for (i, y) in y.chunks_mut(channels).enumerate() {
                        scalar::global_average_pool(&x.part(i * image..(i + 1) * image), channels, y);
                    }
                });
                y
            }),
        };
        Source::ALL.into_iter().map(case).collect()
    }
}
