//! One fused pass over parameter, gradient and state for each optimizer step.

use crate::level::Level;
use crate::simd::{Kernel, Simd};

/// One step of Adam (Kingma and Ba 2015, algorithm 1), with PyTorch's placement of epsilon, and AdamW's decoupled
/// decay (Loshchilov and Hutter 2019).
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Learning rate.
    pub rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// L2 penalty, added to the gradient (Adam).
    pub l2: f64,
    /// Decay of the weights themselves, times the learning rate (AdamW).
    pub decay: f64,
    /// Steps taken including this one, from 1.
    pub step: u64,
}

impl Adam {
    /// Updates `weights`, `m` and `v` in place from `gradient`; all of one length.
    pub fn update(&self, level: Level, gradient: &[f32], weights: &mut [f32], m: &mut [f32], v: &mut [f32]) {
        let n = weights.len();
        assert_eq!([gradient.len(), m.len(), v.len()], [n; 3], "gradient and state follow the weights");
        level.dispatch(AdamKernel { adam: self, gradient, weights, m, v });
    }
}

struct AdamKernel<'a> {
    adam: &'a Adam,
    gradient: &'a [f32],
    weights: &'a mut [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
}

impl Kernel for AdamKernel<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let adam = self.adam;
        let power = |beta: f64| 1.0 - beta.powf(adam.step as f64);
        let splat = |x: f64| s.splat(x as f32);
        let (beta1, rest1) = (splat(adam.beta1), splat(1.0 - adam.beta1));
        let (beta2, rest2) = (splat(adam.beta2), splat(1.0 - adam.beta2));
        let rate = splat(-adam.rate / power(adam.beta1));
        let root = splat(1.0 / power(adam.beta2).sqrt());
        let (epsilon, l2, keep) = (splat(adam.epsilon), splat(adam.l2), splat(1.0 - adam.rate * adam.decay));
        let mut at = 0;
        while at < self.weights.len() {
            let n = self.weights.len() - at;
            // SAFETY: all four slices have the same length (checked by the caller), of which n floats are left.
            unsafe {
                let [w, m, v] =
                    [&mut *self.weights, &mut *self.m, &mut *self.v].map(|x| x.as_mut_ptr().add(at));
                let weight = s.load_up_to(w, n);
                let g = s.mul_add(l2, weight, s.load_up_to(self.gradient.as_ptr().add(at), n));
                let first = s.mul_add(beta1, s.load_up_to(m, n), s.mul(rest1, g));
                let second = s.mul_add(beta2, s.load_up_to(v, n), s.mul(rest2, s.mul(g, g)));
                s.store_up_to(m, first, n);
                s.store_up_to(v, second, n);
                let denominator = s.mul_add(s.sqrt(second), root, epsilon);
                s.store_up_to(w, s.mul_add(rate, s.div(first, denominator), s.mul(keep, weight)), n);
            }
            at += S::LANES;
        }
    }
}

/// One step of stochastic gradient descent with momentum, as PyTorch defines it (no dampening).
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Learning rate.
    pub rate: f64,
    /// Decay of the velocity; 0 for none.
    pub momentum: f64,
    /// L2 penalty, added to the gradient.
    pub l2: f64,
}

impl Sgd {
    /// Updates `weights` and `velocity` (empty without momentum) in place from `gradient`.
    pub fn update(&self, level: Level, gradient: &[f32], weights: &mut [f32], velocity: &mut [f32]) {
        assert_eq!(gradient.len(), weights.len(), "the gradient follows the weights");
        let expected = if self.momentum == 0.0 { 0 } else { weights.len() };
        assert_eq!(velocity.len(), expected, "the velocity follows the weights");
        level.dispatch(SgdKernel { sgd: self, gradient, weights, velocity });
    }
}

struct SgdKernel<'a> {
    sgd: &'a Sgd,
    gradient: &'a [f32],
    weights: &'a mut [f32],
    velocity: &'a mut [f32],
}

impl Kernel for SgdKernel<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let splat = |x: f64| s.splat(x as f32);
        let (rate, momentum, l2) = (splat(-self.sgd.rate), splat(self.sgd.momentum), splat(self.sgd.l2));
        let mut at = 0;
        while at < self.weights.len() {
            let n = self.weights.len() - at;
            // SAFETY: n floats are left in weights and gradient, and in velocity where there is one (checked by the
            // caller).
            unsafe {
                let w = self.weights.as_mut_ptr().add(at);
                let weight = s.load_up_to(w, n);
                let mut step = s.mul_add(l2, weight, s.load_up_to(self.gradient.as_ptr().add(at), n));
                if !self.velocity.is_empty() {
                    let v = self.velocity.as_mut_ptr().add(at);
                    step = s.mul_add(momentum, s.load_up_to(v, n), step);
                    s.store_up_to(v, step, n);
                }
                s.store_up_to(w, s.mul_add(rate, step, weight), n);
            }
            at += S::LANES;
        }
    }
}

/// Moves an exponential moving average of weights by `rate` towards `weights`: `average += rate * (weights - average)`
/// (Polyak and Juditsky 1992, in the form of Tarvainen and Valpola 2017).
pub fn average(level: Level, weights: &[f32], rate: f64, average: &mut [f32]) {
    assert_eq!(weights.len(), average.len(), "the average follows the weights");
    level.dispatch(AverageKernel { weights, rate: rate as f32, average });
}

struct AverageKernel<'a> {
    weights: &'a [f32],
    rate: f32,
    average: &'a mut [f32],
}

impl Kernel for AverageKernel<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rate = s.splat(self.rate);
        let mut at = 0;
        while at < self.average.len() {
            let n = self.average.len() - at;
            // SAFETY: n floats are left in both (checked by the caller).
            unsafe {
                let p = self.average.as_mut_ptr().add(at);
                let (weights, old) = (s.load_up_to(self.weights.as_ptr().add(at), n), s.load_up_to(p, n));
                s.store_up_to(p, s.mul_add(rate, s.sub(weights, old), old), n);
            }
            at += S::LANES;
        }
    }
}
