//! Batch normalisation, frozen normalisation and bias: three ways to fill `scale` and `shift` of a deferred value.
//!
//! None of them touches an activation. Forward turns the moments that a convolution took into two vectors; backward
//! turns the sums that the reader took into three.

use crate::kept::Kept;
use crate::value::DeferredNorm;
use crate::{DeferredTensor, Gradient, Op, Tape, Value, Var};
use engine::Tensor;
use kernels::norm::{BackwardCoefficients, Moments, backward_coefficients, forward_coefficients};
use kernels::{Level, Rectifier, scalar};
use std::sync::Arc;

/// Batch norm with the statistics of this batch (Ioffe and Szegedy 2015). `z: [.., c]`, `gamma` and `beta: [c]`.
/// Returns the deferred result and the moments, from which the caller updates its running statistics.
pub fn norm(tape: &mut Tape, z: &Var, gamma: &Var, beta: &Var, epsilon: f64) -> (Var, Arc<Moments>) {
    let moments = z.moments.clone().unwrap_or_else(|| Arc::new(moments_of(z.tensor())));
    let g = gamma.tensor().clone();
    let center = to_tensor(&moments.mean);
    let value = deferred(z, &moments.mean, &moments.variance, &g, beta.tensor(), epsilon, center);
    let stats = moments.clone();
    let out =
        tape.record(&[z, gamma, beta], value, || Norm { z: kept(z), gamma: g, moments: stats, epsilon });
    (out, moments)
}

/// Normalisation with given statistics, for evaluation and frozen layers. All vectors are `[c]`.
pub fn frozen_norm(
    tape: &mut Tape,
    z: &Var,
    gamma: &Var,
    beta: &Var,
    (mean, variance): (&[f32], &[f32]),
    epsilon: f64,
) -> Var {
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let (mean, variance) = (wide(mean), wide(variance));
    let inverse = to_tensor(&variance.iter().map(|v| 1.0 / (v + epsilon).sqrt()).collect::<Vec<_>>());
    let value = deferred(z, &mean, &variance, gamma.tensor(), beta.tensor(), epsilon, to_tensor(&mean));
    let scale = match &value {
        Value::Deferred(d) => d.norm.scale.clone(),
        Value::Plain(_) => unreachable!("a norm is deferred"),
    };
    tape.record(&[z, gamma, beta], value, || FrozenNorm { z: kept(z), scale, inverse })
}

/// Adds `b: [c]` to every pixel of `z: [.., c]`.
pub fn bias(tape: &mut Tape, z: &Var, b: &Var) -> Var {
    let channels = [z.shape().channels()];
    let norm = DeferredNorm {
        scale: Tensor::full(channels, 1.0),
        shift: b.tensor().clone(),
        center: Tensor::zeros(channels),
        act: Rectifier::IDENTITY,
    };
    tape.record(&[z, b], Value::Deferred(through(z, norm)), || Bias)
}

fn kept(z: &Var) -> Kept {
    Kept::of(z.tensor(), &z.again)
}

fn through(z: &Var, norm: DeferredNorm) -> DeferredTensor {
    DeferredTensor { z: z.tensor().clone(), norm, again: z.again.clone() }
}

fn deferred(
    z: &Var,
    mean: &[f64],
    variance: &[f64],
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f64,
    center: Tensor,
) -> Value {
    let channels = [z.shape().channels()];
    assert_eq!(gamma.shape()[..], channels, "gamma has one value a channel");
    assert_eq!(beta.shape()[..], channels, "beta has one value a channel");
    let (mut scale, mut shift) = (Tensor::recycled(channels), Tensor::recycled(channels));
    let (gamma, beta) = (gamma.data(), beta.data());
    forward_coefficients(mean, variance, gamma, beta, epsilon, scale.data_mut(), shift.data_mut());
    Value::Deferred(through(z, DeferredNorm { scale, shift, center, act: Rectifier::IDENTITY }))
}

fn to_tensor(values: &[f64]) -> Tensor {
    let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
    Tensor::from_slice([values.len()], &values)
}

/// The moments of a tensor that no convolution wrote.
fn moments_of(z: &Tensor) -> Moments {
    let channels = z.shape().channels();
    let mut sums = vec![0.0; 3 * channels];
    scalar::moments(z.data(), channels, &mut sums);
    Moments::merge(&sums, channels, [z.shape().rows()])
}

/// The gradient with respect to `u` and its sums.
fn parts(gradient: Gradient) -> (Tensor, Vec<f64>) {
    match gradient {
        Gradient::Deferred { du, sums } => (du, sums),
        other => panic!("a norm's result is deferred, but its gradient came as {other:?}"),
    }
}

struct Norm {
    z: Kept,
    gamma: Tensor,
    moments: Arc<Moments>,
    epsilon: f64,
}

impl Op for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn backward(self: Box<Self>, _: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>> {
        let (dy, sums) = parts(gradient);
        let vector = || Tensor::recycled(*self.gamma.shape());
        let (mut a, mut b, mut c, mut dgamma, mut dbeta) = (vector(), vector(), vector(), vector(), vector());
        let mut out = BackwardCoefficients {
            a: a.data_mut(),
            b: b.data_mut(),
            c: c.data_mut(),
            dgamma: dgamma.data_mut(),
            dbeta: dbeta.data_mut(),
        };
        backward_coefficients(&self.moments, &sums, self.gamma.data(), self.epsilon, &mut out);
        vec![
            wanted[0].then_some(Gradient::Norm { dy, z: self.z.tensor(), a, b, c }),
            wanted[1].then_some(Gradient::Plain(dgamma)),
            wanted[2].then_some(Gradient::Plain(dbeta)),
        ]
    }
}

struct FrozenNorm {
    z: Kept,
    scale: Tensor,
    inverse: Tensor,
}

impl Op for FrozenNorm {
    fn name(&self) -> &'static str {
        "frozen_norm"
    }

    fn backward(self: Box<Self>, _: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>> {
        let (dy, sums) = parts(gradient);
        let (sum, dot) = sums.split_at(self.scale.len());
        let dgamma: Vec<f64> = dot.iter().zip(self.inverse.data()).map(|(d, &i)| d * f64::from(i)).collect();
        let zeros = Tensor::zeros(*self.scale.shape());
        vec![
            wanted[0].then(|| {
                let z = self.z.tensor();
                Gradient::Norm { dy, z, a: self.scale, b: zeros.clone(), c: zeros }
            }),
            wanted[1].then(|| Gradient::Plain(to_tensor(&dgamma))),
            wanted[2].then(|| Gradient::Plain(to_tensor(sum))),
        ]
    }
}

struct Bias;

impl Op for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn backward(self: Box<Self>, _: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>> {
        let (du, sums) = parts(gradient);
        let channels = sums.len() / 2;
        vec![
            wanted[0].then_some(Gradient::Plain(du)),
            wanted[1].then(|| Gradient::Plain(to_tensor(&sums[..channels]))),
        ]
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{EPSILON, GradientCase, batch_norm, random, wide};
    use engine::Rng;

    const SHAPE: [usize; 4] = [2, 3, 2, 17];
    const CHANNELS: usize = 17;

    fn affine(z: &[f64], scale: impl Fn(usize) -> f64, shift: impl Fn(usize) -> f64) -> Vec<f64> {
        z.iter().enumerate().map(|(i, z)| scale(i % CHANNELS) * z + shift(i % CHANNELS)).collect()
    }

    pub fn cases() -> Vec<GradientCase> {
        let mut rng = Rng::new(11);
        let mut inputs =
            || vec![random(&SHAPE, &mut rng), random(&[CHANNELS], &mut rng), random(&[CHANNELS], &mut rng)];
        let (batch, frozen, biased) = (inputs(), inputs(), inputs());
        let mut statistics = Rng::new(12);
        let mean = random(&[CHANNELS], &mut statistics);
        let mut variance = random(&[CHANNELS], &mut statistics);
        variance.data_mut().iter_mut().for_each(|v| *v = v.abs() + 0.1);
        let (mean64, variance64) = (wide(&mean), wide(&variance));
        vec![
            GradientCase {
                op: "norm",
                name: "batch statistics".into(),
                inputs: batch,
                forward: Box::new(|tape, x| super::norm(tape, &x[0], &x[1], &x[2], EPSILON).0),
                spec: Box::new(|x| {
                    let [scale, shift, _] = batch_norm(&x[0], &x[1], &x[2]);
                    affine(&x[0], |c| scale[c], |c| shift[c])
                }),
            },
            GradientCase {
                op: "frozen_norm",
                name: "given statistics".into(),
                inputs: frozen,
                forward: Box::new(move |tape, x| {
                    let statistics = (mean.data(), variance.data());
                    super::frozen_norm(tape, &x[0], &x[1], &x[2], statistics, EPSILON)
                }),
                spec: Box::new(move |x| {
                    let scale = |c: usize| x[1][c] / (variance64[c] + EPSILON).sqrt();
                    affine(&x[0], scale, |c| x[2][c] - scale(c) * mean64[c])
                }),
            },
            GradientCase {
                op: "bias",
                name: "one value a channel".into(),
                inputs: biased[..2].to_vec(),
                forward: Box::new(|tape, x| super::bias(tape, &x[0], &x[1])),
                spec: Box::new(|x| affine(&x[0], |_| 1.0, |c| x[1][c])),
            },
        ]
    }
}
