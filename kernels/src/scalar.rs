//! The specification: every kernel as a plain loop, generic over f32 and f64, without a thought for speed.
//!
//! Tests compare every level of every kernel with these, and the gradient checks take finite differences of these in
//! f64. Padding is zero *after* the activation: a pixel outside the image contributes nothing.

use crate::view::{ConvShape, Deferred, Grad, Read, Rectifier};
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// f32 or f64.
pub trait Float:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
{
    /// The nearest value.
    fn of(x: f64) -> Self;
    /// As f64.
    fn f64(self) -> f64;
}

impl Float for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
}

impl Float for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn f64(self) -> f64 {
        self
    }
}

fn constant<T: Float>(x: f32) -> T {
    T::of(f64::from(x))
}

/// `min(max(v, slope * v), cap)`
pub fn activate<T: Float>(act: Rectifier, v: T) -> T {
    let (slope, cap) = (constant::<T>(act.slope), constant::<T>(act.cap));
    let rectified = if v < T::default() { slope * v } else { v };
    if cap < rectified { cap } else { rectified }
}

/// The derivative of [`activate`]: 1 where `0 < v < cap`, `slope` where `v <= 0`, 0 where `v >= cap`.
pub fn activate_derivative<T: Float>(act: Rectifier, v: T) -> T {
    if constant::<T>(act.cap) <= v {
        T::default()
    } else if T::default() < v {
        T::of(1.0)
    } else {
        constant(act.slope)
    }
}

/// Element `i` of a view whose channel is `c`.
pub fn read<T: Float>(x: &Read<T>, i: usize, c: usize) -> T {
    match x {
        Read::Plain(x) => x[i],
        Read::Norm(d) => activate(d.act, d.scale[c] * d.z[i] + d.shift[c]),
    }
}

/// Element `i` of a gradient whose channel is `c`.
pub fn read_grad<T: Float>(g: &Grad<T>, i: usize, c: usize) -> T {
    match g {
        Grad::Plain(g) => g[i],
        Grad::Norm { dy, z, a, b, c: constant } => a[c] * dy[i] + b[c] * z[i] + constant[c],
    }
}

/// What every backward kernel does with the gradient of its input `dx: [.., c]`. Where the input was deferred, `dx`
/// becomes the gradient with respect to `u = scale * z + shift` (masked by the derivative of the activation), and
/// `sums: [2, c]` gets the sum of `du` and the sum of `du * (z - center)` added.
pub fn finish_input_gradient<T: Float>(x: &Read<T>, channels: usize, dx: &mut [T], sums: &mut [T]) {
    let Read::Norm(Deferred { z, scale, shift, center, act }) = x else { return };
    for (i, dx) in dx.iter_mut().enumerate() {
        let c = i % channels;
        *dx = *dx * activate_derivative(*act, scale[c] * z[i] + shift[c]);
        sums[c] += *dx;
        sums[channels + c] += *dx * (z[i] - center[c]);
    }
}

/// Calls `f(output pixel, input pixel, tap)` for every pair that a `kernel x kernel` window connects, in one image.
fn for_each_tap(s: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    for oy in 0..s.out_h {
        for ox in 0..s.out_w {
            for ky in 0..s.kernel {
                for kx in 0..s.kernel {
                    let (y, x) = (oy * s.stride + ky, ox * s.stride + kx);
                    if y >= s.pad_top && y < s.h + s.pad_top && x >= s.pad_left && x < s.w + s.pad_left {
                        f(oy * s.out_w + ox, (y - s.pad_top) * s.w + x - s.pad_left, ky * s.kernel + kx);
                    }
                }
            }
        }
    }
}

/// Convolution of one image. `x: [h, w, inputs]`, `weights: [kernel, kernel, inputs, outputs]`,
/// `z: [out_h, out_w, outputs]`. A pointwise convolution is this with `kernel` 1.
pub fn conv_forward<T: Float>(s: &ConvShape, x: &Read<T>, weights: &[T], z: &mut [T]) {
    z.fill(T::default());
    for_each_tap(s, |out, pixel, tap| {
        for i in 0..s.inputs {
            let value = read(x, pixel * s.inputs + i, i);
            for o in 0..s.outputs {
                z[out * s.outputs + o] += value * weights[(tap * s.inputs + i) * s.outputs + o];
            }
        }
    });
}

/// Backward of [`conv_forward`]: writes `dx: [h, w, inputs]` (see [`finish_input_gradient`] for `sums`) and adds to
/// `dw: [kernel, kernel, inputs, outputs]`.
pub fn conv_backward<T: Float>(
    s: &ConvShape,
    x: &Read<T>,
    g: &Grad<T>,
    weights: &[T],
    dx: &mut [T],
    dw: &mut [T],
    sums: &mut [T],
) {
    dx.fill(T::default());
    for_each_tap(s, |out, pixel, tap| {
        for i in 0..s.inputs {
            let at = pixel * s.inputs + i;
            let value = read(x, at, i);
            for o in 0..s.outputs {
                let g = read_grad(g, out * s.outputs + o, o);
                let w = (tap * s.inputs + i) * s.outputs + o;
                dx[at] += g * weights[w];
                dw[w] += value * g;
            }
        }
    });
    finish_input_gradient(x, s.inputs, dx, sums);
}

/// Depthwise convolution of one image. `x: [h, w, c]`, `weights: [kernel, kernel, c]`, `z: [out_h, out_w, c]`.
pub fn depthwise_forward<T: Float>(s: &ConvShape, x: &Read<T>, weights: &[T], z: &mut [T]) {
    let channels = s.inputs;
    z.fill(T::default());
    for_each_tap(s, |out, pixel, tap| {
        for c in 0..channels {
            z[out * channels + c] += read(x, pixel * channels + c, c) * weights[tap * channels + c];
        }
    });
}

/// Backward of [`depthwise_forward`]: writes `dx: [h, w, c]` (see [`finish_input_gradient`] for `sums`) and adds to
/// `dw: [kernel, kernel, c]`.
pub fn depthwise_backward<T: Float>(
    s: &ConvShape,
    x: &Read<T>,
    g: &Grad<T>,
    weights: &[T],
    dx: &mut [T],
    dw: &mut [T],
    sums: &mut [T],
) {
    let channels = s.inputs;
    dx.fill(T::default());
    for_each_tap(s, |out, pixel, tap| {
        for c in 0..channels {
            let (at, w) = (pixel * channels + c, tap * channels + c);
            let g = read_grad(g, out * channels + c, c);
            dx[at] += g * weights[w];
            dw[w] += read(x, at, c) * g;
        }
    });
    finish_input_gradient(x, channels, dx, sums);
}

/// The tile sums of [`crate::Epilogue::Moments`]: `z: [pixels, c]` to `[3, c]`.
pub fn moments<T: Float>(z: &[T], channels: usize, out: &mut [T]) {
    out[..channels].copy_from_slice(&z[..channels]);
    out[channels..].fill(T::default());
    for (i, &value) in z.iter().enumerate() {
        let c = i % channels;
        let d = value - out[c];
        out[channels + c] += d;
        out[2 * channels + c] += d * d;
    }
}

/// Mean over all pixels: `x: [pixels, c]` to `y: [c]`.
pub fn global_average_pool<T: Float>(x: &Read<T>, channels: usize, y: &mut [T]) {
    let pixels = x.stored().len() / channels;
    y.fill(T::default());
    for i in 0..pixels * channels {
        y[i % channels] += read(x, i, i % channels);
    }
    for y in y {
        *y = *y / T::of(pixels as f64);
    }
}

/// Backward of [`global_average_pool`]: `g: [c]` to `dx: [pixels, c]`; `sums` as [`finish_input_gradient`].
pub fn global_average_pool_backward<T: Float>(
    x: &Read<T>,
    channels: usize,
    g: &[T],
    dx: &mut [T],
    sums: &mut [T],
) {
    let pixels = T::of((dx.len() / channels) as f64);
    for (i, dx) in dx.iter_mut().enumerate() {
        *dx = g[i % channels] / pixels;
    }
    finish_input_gradient(x, channels, dx, sums);
}

/// The sum of two activations, `[.., c]`: what a residual connection is.
pub fn add<T: Float>(a: &Read<T>, b: &Read<T>, channels: usize, y: &mut [T]) {
    for (i, y) in y.iter_mut().enumerate() {
        *y = read(a, i, i % channels) + read(b, i, i % channels);
    }
}

/// Mean softmax cross-entropy with class weights and label smoothing, as PyTorch defines it:
/// `sum_i w[y_i] (1 - s) (-log p_i[y_i]) + s / C sum_c w_c (-log p_i[c])`, divided by `sum_i w[y_i]`.
/// `logits: [n, classes]`; writes `gradient: [n, classes]` and returns the loss.
pub fn softmax_cross_entropy<T: Float>(
    logits: &[T],
    labels: &[usize],
    class_weights: &[T],
    smoothing: T,
    gradient: &mut [T],
) -> f64 {
    let classes = class_weights.len();
    let one = T::of(1.0);
    let total: f64 = labels.iter().map(|&label| class_weights[label].f64()).sum();
    let mut loss = 0.0;
    for (row, &label) in labels.iter().enumerate() {
        let logits = &logits[row * classes..][..classes];
        let largest = logits.iter().fold(f64::NEG_INFINITY, |m, x| m.max(x.f64()));
        let log_sum = largest + logits.iter().map(|x| (x.f64() - largest).exp()).sum::<f64>().ln();
        let target: Vec<T> = (0..classes)
            .map(|c| {
                let hit = if c == label { one - smoothing } else { T::default() };
                class_weights[c] * (hit + smoothing / T::of(classes as f64))
            })
            .collect();
        let mass: f64 = target.iter().map(|t| t.f64()).sum();
        for c in 0..classes {
            let log_p = logits[c].f64() - log_sum;
            loss -= target[c].f64() * log_p;
            gradient[row * classes + c] = T::of((mass * log_p.exp() - target[c].f64()) / total);
        }
    }
    loss / total
}

/// Mean sigmoid cross-entropy over the findings that are known, each a binary problem of its own: with `y` the target,
/// smoothed to `y (1 - s) + s / 2`, a known one costs `w[1] y softplus(-z) + w[0] (1 - y) softplus(z)`, and the sum is divided
/// by their number. That is PyTorch's `binary_cross_entropy_with_logits` with `w[1] / w[0]` as `pos_weight`, averaged over
/// what is known. `logits` and `targets`: `[n, findings]`, a target that is not known is none; `weights: [findings, 2]`, of the
/// absence and of the presence. Writes `gradient: [n, findings]`, 0 where nothing is known, and returns the loss.
pub fn sigmoid_cross_entropy<T: Float>(
    logits: &[T],
    targets: &[Option<bool>],
    weights: &[T],
    smoothing: T,
    gradient: &mut [T],
) -> f64 {
    let known = targets.iter().flatten().count().max(1) as f64;
    let (mut loss, smoothing) = (0.0, smoothing.f64());
    let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
    for (i, (z, target)) in logits.iter().zip(targets).enumerate() {
        gradient[i] = T::default();
        let Some(is) = target else { continue };
        let (z, pair) = (z.f64(), 2 * i % weights.len());
        let y = f64::from(u8::from(*is)) * (1.0 - smoothing) + smoothing / 2.0;
        let [without, with] = [weights[pair].f64() * (1.0 - y), weights[pair + 1].f64() * y];
        loss += with * softplus(-z) + without * softplus(z);
        let p = 1.0 / (1.0 + (-z).exp());
        gradient[i] = T::of((without * p - with * (1.0 - p)) / known);
    }
    loss / known
}

/// One step of [`crate::optimizer::Adam`] on every element.
pub fn adam<T: Float>(
    adam: &crate::optimizer::Adam,
    gradient: &[T],
    weights: &mut [T],
    m: &mut [T],
    v: &mut [T],
) {
    let of = T::of;
    for i in 0..weights.len() {
        let g = gradient[i] + of(adam.l2) * weights[i];
        m[i] = of(adam.beta1) * m[i] + of(1.0 - adam.beta1) * g;
        v[i] = of(adam.beta2) * v[i] + of(1.0 - adam.beta2) * g * g;
        let first = m[i].f64() / (1.0 - adam.beta1.powf(adam.step as f64));
        let second = v[i].f64() / (1.0 - adam.beta2.powf(adam.step as f64));
        let decayed = of(1.0 - adam.rate * adam.decay) * weights[i];
        weights[i] = decayed - of(adam.rate * first / (second.sqrt() + adam.epsilon));
    }
}

/// One step of [`crate::optimizer::Sgd`] on every element; `velocity` is empty without momentum.
pub fn sgd<T: Float>(sgd: &crate::optimizer::Sgd, gradient: &[T], weights: &mut [T], velocity: &mut [T]) {
    for i in 0..weights.len() {
        let mut step = gradient[i] + T::of(sgd.l2) * weights[i];
        if let Some(v) = velocity.get_mut(i) {
            *v = T::of(sgd.momentum) * *v + step;
            step = *v;
        }
        weights[i] = weights[i] - T::of(sgd.rate) * step;
    }
}
