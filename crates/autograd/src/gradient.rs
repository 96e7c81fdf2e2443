//! Gradients as they travel back: by value, in the form that is cheapest for whoever reads them.

use crate::Value;
use engine::{Shape, Tensor, par};
use kernels::{Grad, Level, elementwise};

/// Elements a task of an element-wise pass works on; divided into whole pixels by the caller.
pub(crate) const CHUNK: usize = 1 << 16;

/// The gradient of one value.
#[derive(Debug)]
pub enum Gradient {
    /// Of a stored value, as it is.
    Plain(Tensor),
    /// Of a raw output `z`, through a norm: `a * dy + b * z + c`, per channel.
    Norm {
        /// `[.., c]`
        dy: Tensor,
        /// `[.., c]`
        z: Tensor,
        /// `[c]`
        a: Tensor,
        /// `[c]`
        b: Tensor,
        /// `[c]`
        c: Tensor,
    },
    /// Of a deferred value: with respect to `u = scale * z + shift`, already masked by the activation's derivative.
    Deferred {
        /// `[.., c]`
        du: Tensor,
        /// `[2, c]`: the sums over all pixels of `du` and of `du * (z - center)`.
        sums: Vec<f64>,
    },
}

impl Gradient {
    /// Of an input that kernels read as `x`: they made `dx`, and its sums where `x` was deferred.
    pub(crate) fn of_input(x: &Value, dx: Tensor, sums: Vec<f64>) -> Self {
        match x {
            Value::Plain(_) => Gradient::Plain(dx),
            Value::Deferred(_) => Gradient::Deferred { sums, du: dx },
        }
    }

    /// The dimensions of the value that this is the gradient of.
    pub fn shape(&self) -> &Shape {
        match self {
            Gradient::Plain(g) => g.shape(),
            Gradient::Norm { dy, .. } => dy.shape(),
            Gradient::Deferred { du, .. } => du.shape(),
        }
    }

    /// The view that kernels read.
    ///
    /// # Panics
    /// For the gradient of a deferred value, which only norms and activations receive.
    pub fn read(&self) -> Grad<'_> {
        match self {
            Gradient::Plain(g) => Grad::Plain(g.data()),
            Gradient::Norm { dy, z, a, b, c } => {
                Grad::Norm { dy: dy.data(), z: z.data(), a: a.data(), b: b.data(), c: c.data() }
            }
            Gradient::Deferred { .. } => {
                panic!("the gradient of a deferred value reached an op that stores its value")
            }
        }
    }

    /// The stored gradient; computes it where it was deferred.
    pub fn into_plain(self, level: Level) -> Tensor {
        match self {
            Gradient::Plain(g) => g,
            Gradient::Deferred { du, .. } => du,
            Gradient::Norm { ref dy, .. } => {
                let mut out = Tensor::recycled(*dy.shape());
                let channels = dy.shape().channels();
                let chunk = whole_pixels(channels);
                let read = self.read();
                par::chunks_mut(out.data_mut(), chunk, |i, out| {
                    let part = read.part(i * chunk..i * chunk + out.len());
                    elementwise::materialise_gradient(level, part, channels, out);
                });
                out
            }
        }
    }

    /// Adds another gradient of the same value.
    pub fn accumulate(self, other: Gradient, level: Level) -> Gradient {
        match (self, other) {
            (Gradient::Deferred { du, sums }, Gradient::Deferred { du: more, sums: more_sums }) => {
                Gradient::Deferred {
                    du: add(level, du, &more),
                    sums: sums.iter().zip(&more_sums).map(|(a, b)| a + b).collect(),
                }
            }
            (a, b) => Gradient::Plain(add(level, a.into_plain(level), &b.into_plain(level))),
        }
    }
}

/// [`CHUNK`] rounded to whole pixels.
pub(crate) fn whole_pixels(channels: usize) -> usize {
    (CHUNK / channels).max(1) * channels
}

fn add(level: Level, mut a: Tensor, b: &Tensor) -> Tensor {
    assert_eq!(a.shape(), b.shape(), "two gradients of one value differ in shape");
    par::chunks_mut(a.data_mut(), CHUNK, |i, a| {
        elementwise::accumulate(level, &b.data()[i * CHUNK..i * CHUNK + a.len()], a);
    });
    a
}
