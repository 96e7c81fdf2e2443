//! Average and max pooling over windows.

use super::partials;
use crate::{Gradient, Op, Tape, Value, Var};
use engine::{Tensor, par};
use kernels::{ConvShape, Level, pooling};

/// What a window is reduced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of the pixels inside the image.
    Average,
    /// The largest value.
    Max,
}

/// Pools windows of `x: [n, h, w, c]` to `[n, out_h, out_w, c]`. `shape` describes one image.
pub fn pool(tape: &mut Tape, x: &Var, pooling: Pooling, shape: ConvShape) -> Var {
    let (level, images) = (tape.level(), x.shape()[0]);
    let expected = [images, shape.h, shape.w, shape.inputs];
    assert_eq!(x.shape()[..], expected, "x: expected {expected:?}, found {:?}", x.shape());
    let read = x.value().read();
    let mut y = Tensor::recycled([images, shape.out_h, shape.out_w, shape.inputs]);
    par::chunks_mut(y.data_mut(), shape.output_len(), |i, y| {
        let x = read.part(i * shape.input_len()..(i + 1) * shape.input_len());
        match pooling {
            Pooling::Average => pooling::average_pool(level, &shape, x, y),
            Pooling::Max => pooling::max_pool(level, &shape, x, y),
        }
    });
    let kept = x.value().clone();
    tape.record(&[x], Value::Plain(y), || Pool { x: kept, pooling, shape })
}

struct Pool {
    x: Value,
    pooling: Pooling,
    shape: ConvShape,
}

impl Op for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, _: &[bool]) -> Vec<Option<Gradient>> {
        let g = gradient.into_plain(level);
        let (shape, channels) = (&self.shape, self.shape.inputs);
        let read = self.x.read();
        let mut dx = Tensor::recycled(*self.x.shape());
        let mut sums = Tensor::zeros([self.x.shape()[0], 2 * channels]);
        par::chunks_mut2(
            (dx.data_mut(), shape.input_len()),
            (sums.data_mut(), 2 * channels),
            |i, dx, sums| {
                let x = read.part(i * shape.input_len()..(i + 1) * shape.input_len());
                let g = &g.data()[i * shape.output_len()..(i + 1) * shape.output_len()];
                match self.pooling {
                    Pooling::Average => pooling::average_pool_backward(level, shape, x, g, dx, sums),
                    Pooling::Max => pooling::max_pool_backward(level, shape, x, g, dx, sums),
                }
            },
        );
        vec![Some(partials::input_gradient(&self.x, dx, &sums))]
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::depthwise::check::shapes;
    use super::super::gradient_check::{Case, Source};
    use super::Pooling;
    use engine::Rng;
    use kernels::{ConvShape, scalar};

    pub fn cases() -> Vec<Case> {
        let mut rng = Rng::new(6);
        let mut cases = vec![];
        for shape in shapes() {
            for pooling in [Pooling::Average, Pooling::Max] {
                for source in Source::ALL {
                    // Clipped values tie, and the largest of a tie has no derivative.
                    let clips = matches!(source, Source::Deferred(act) if act.slope == 0.0);
                    if !(clips && pooling == Pooling::Max) {
                        cases.push(case(shape, pooling, source, &mut rng));
                    }
                }
            }
        }
        cases
    }

    fn case(shape: ConvShape, pooling: Pooling, source: Source, rng: &mut Rng) -> Case {
        Case {
            op: "pool",
            name: format!("{pooling:?} {source:?} {shape:?}"),
            inputs: source.inputs(&[2, shape.h, shape.w, shape.inputs], rng),
            forward: Box::new(move |tape, inputs| {
                let x = source.var(tape, inputs);
                super::pool(tape, &x, pooling, shape)
            }),
            spec: Box::new(move |inputs| {
                let mut y = vec![0.0; 2 * shape.output_len()];
                source.read(inputs, |x| {
                    for (i, y) in y.chunks_mut(shape.output_len()).enumerate() {
                        let x = x.part(i * shape.input_len()..(i + 1) * shape.input_len());
                        match pooling {
                            Pooling::Average => scalar::average_pool(&shape, &x, y),
                            Pooling::Max => scalar::max_pool(&shape, &x, y),
                        }
                    }
                });
                y
            }),
        }
    }
}
