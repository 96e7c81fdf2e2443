//! Pooling: averages and maxima over windows or whole images, forward and backward.
//!
//! In these networks pooling is a hundredth of the work, so each is the plain loop with vectors over the channels. A
//! backward kernel first writes the gradient with respect to the values it read; where those were deferred,
//! [`elementwise::mask`] then carries it through the activation while it is still in the cache.

use crate::block::add_up_to;
use crate::elementwise::{self, read};
use crate::rows::check_read;
use crate::simd::{Kernel, Level, Simd};
use crate::view::{ConvShape, Read};
use std::ops::Range;

/// Mean over all pixels: `x: [pixels, c]` to `y: [c]`.
///
/// # Panics
/// When `x` is not whole pixels of `y.len()` channels.
pub fn global_average_pool(level: Level, x: Read, y: &mut [f32]) {
    assert!(!y.is_empty() && x.stored().len().is_multiple_of(y.len()), "x: [pixels, c], y: [c]");
    check_read(&x, y.len(), x.stored().len());
    level.dispatch(GlobalAverage { x, y });
}

/// Backward of [`global_average_pool`]: `g: [c]` to `dx: [pixels, c]`; `sums: [2, c]` as
/// [`crate::scalar::finish_input_gradient`].
///
/// # Panics
/// When a length does not fit the others.
pub fn global_average_pool_backward(level: Level, x: Read, g: &[f32], dx: &mut [f32], sums: &mut [f32]) {
    assert!(!g.is_empty() && dx.len().is_multiple_of(g.len()), "dx: [pixels, c], g: [c]");
    check_read(&x, g.len(), dx.len());
    let pixels = (dx.len() / g.len()) as f32;
    for pixel in dx.chunks_exact_mut(g.len()) {
        for (dx, g) in pixel.iter_mut().zip(g) {
            *dx = g / pixels;
        }
    }
    through_activation(level, x, dx, sums);
}

/// Average over windows of one image, `x: [h, w, c]` to `y: [out_h, out_w, c]`; a window counts only its pixels inside
/// the image, as in TensorFlow.
///
/// # Panics
/// When a length does not fit the shape.
pub fn average_pool(level: Level, shape: &ConvShape, x: Read, y: &mut [f32]) {
    check(shape, &x, y.len());
    level.dispatch(Average { shape, x, y });
}

/// Backward of [`average_pool`]: `g: [out_h, out_w, c]` to `dx: [h, w, c]`; `sums: [2, c]` as
/// [`crate::scalar::finish_input_gradient`].
///
/// # Panics
/// When a length does not fit the shape.
pub fn average_pool_backward(
    level: Level,
    shape: &ConvShape,
    x: Read,
    g: &[f32],
    dx: &mut [f32],
    sums: &mut [f32],
) {
    check(shape, &x, g.len());
    assert_eq!(dx.len(), shape.input_len(), "dx: [h, w, c]");
    dx.fill(0.0);
    level.dispatch(AverageBackward { shape, g, dx });
    through_activation(level, x, dx, sums);
}

/// Maximum over windows of one image, `x: [h, w, c]` to `y: [out_h, out_w, c]`, over the pixels inside the image.
///
/// # Panics
/// When a length does not fit the shape.
pub fn max_pool(level: Level, shape: &ConvShape, x: Read, y: &mut [f32]) {
    check(shape, &x, y.len());
    level.dispatch(Max { shape, x, y });
}

/// Backward of [`max_pool`]: the gradient `g: [out_h, out_w, c]` goes to the first of the largest values of a window,
/// in `dx: [h, w, c]`; `sums: [2, c]` as [`crate::scalar::finish_input_gradient`].
///
/// # Panics
/// When a length does not fit the shape.
pub fn max_pool_backward(
    level: Level,
    shape: &ConvShape,
    x: Read,
    g: &[f32],
    dx: &mut [f32],
    sums: &mut [f32],
) {
    check(shape, &x, g.len());
    assert_eq!(dx.len(), shape.input_len(), "dx: [h, w, c]");
    dx.fill(0.0);
    level.dispatch(MaxBackward { shape, x, g, dx });
    through_activation(level, x, dx, sums);
}

fn check(shape: &ConvShape, x: &Read, outputs: usize) {
    assert_eq!(shape.inputs, shape.outputs, "pooling keeps its channels");
    assert!(shape.inputs > 0 && shape.stride > 0, "{shape:?} is empty");
    check_read(x, shape.inputs, shape.input_len());
    assert_eq!(outputs, shape.output_len(), "y and g: [out_h, out_w, c]");
}

fn through_activation(level: Level, x: Read, dx: &mut [f32], sums: &mut [f32]) {
    if let Read::Norm(deferred) = x {
        elementwise::mask(level, deferred, dx, sums);
    }
}

/// The windows of an image: for each output pixel, the input rows and columns that it sees.
#[inline(always)]
fn window(shape: &ConvShape, out: usize) -> (Range<usize>, Range<usize>) {
    let clip = |o: usize, pad: usize, size: usize| {
        let start = o * shape.stride;
        start.saturating_sub(pad).min(size)..(start + shape.kernel).saturating_sub(pad).min(size)
    };
    (clip(out / shape.out_w, shape.pad_top, shape.h), clip(out % shape.out_w, shape.pad_left, shape.w))
}

struct GlobalAverage<'a> {
    x: Read<'a>,
    y: &'a mut [f32],
}

impl Kernel for GlobalAverage<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (len, channels) = (self.x.stored().len(), self.y.len());
        let pixels = s.splat((len / channels) as f32);
        let mut c = 0;
        while c < channels {
            // SAFETY: at is a pixel of x and c a channel, n channels follow.
            unsafe {
                let n = channels - c;
                let mut sum = s.splat(0.0);
                let mut at = 0;
                while at < len {
                    sum = s.add(sum, read(s, &self.x, at, c, n));
                    at += channels;
                }
                s.store_up_to(self.y.as_mut_ptr().add(c), s.div(sum, pixels), n);
            }
            c += S::LANES;
        }
    }
}

struct Average<'a> {
    shape: &'a ConvShape,
    x: Read<'a>,
    y: &'a mut [f32],
}

impl Kernel for Average<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let &ConvShape { w, inputs: channels, out_h, out_w, .. } = self.shape;
        for out in 0..out_h * out_w {
            let (rows, columns) = window(self.shape, out);
            let count = s.splat((rows.len() * columns.len()).max(1) as f32);
            let mut c = 0;
            while c < channels {
                // SAFETY: windows are clipped to the image; n channels follow c.
                unsafe {
                    let n = channels - c;
                    let mut sum = s.splat(0.0);
                    for y in rows.start..rows.end {
                        for x in columns.start..columns.end {
                            sum = s.add(sum, read(s, &self.x, (y * w + x) * channels, c, n));
                        }
                    }
                    s.store_up_to(self.y.as_mut_ptr().add(out * channels + c), s.div(sum, count), n);
                }
                c += S::LANES;
            }
        }
    }
}

struct AverageBackward<'a> {
    shape: &'a ConvShape,
    g: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for AverageBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let &ConvShape { w, inputs: channels, out_h, out_w, .. } = self.shape;
        for out in 0..out_h * out_w {
            let (rows, columns) = window(self.shape, out);
            let count = s.splat((rows.len() * columns.len()).max(1) as f32);
            let mut c = 0;
            while c < channels {
                // SAFETY: windows are clipped to the image; n channels follow c.
                unsafe {
                    let n = channels - c;
                    let share = s.div(s.load_up_to(self.g.as_ptr().add(out * channels + c), n), count);
                    for y in rows.start..rows.end {
                        for x in columns.start..columns.end {
                            add_up_to(s, self.dx.as_mut_ptr().add((y * w + x) * channels + c), share, n);
                        }
                    }
                }
                c += S::LANES;
            }
        }
    }
}

/// The largest value of a window and the number of the first tap that has it, for channels `c..`.
///
/// # Safety
/// The window must lie in the image, `c` in its channels.
#[inline(always)]
unsafe fn largest<S: Simd>(
    s: S,
    x: &Read,
    shape: &ConvShape,
    (rows, columns): (&Range<usize>, &Range<usize>),
    c: usize,
) -> (S::V, S::V) {
    let (mut best, mut winner, mut tap) = (s.splat(0.0), s.splat(0.0), 0.0);
    for iy in rows.start..rows.end {
        for ix in columns.start..columns.end {
            // SAFETY: as the caller promises.
            let value = unsafe { read(s, x, (iy * shape.w + ix) * shape.inputs, c, shape.inputs - c) };
            if tap == 0.0 {
                best = value;
            } else {
                winner = s.select_lt(best, value, s.splat(tap), winner);
                best = s.select_lt(best, value, value, best);
            }
            tap += 1.0;
        }
    }
    (best, winner)
}

struct Max<'a> {
    shape: &'a ConvShape,
    x: Read<'a>,
    y: &'a mut [f32],
}

impl Kernel for Max<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let &ConvShape { inputs: channels, out_h, out_w, .. } = self.shape;
        for out in 0..out_h * out_w {
            let (rows, columns) = window(self.shape, out);
            let mut c = 0;
            while c < channels {
                // SAFETY: windows are clipped to the image; channels - c channels follow c.
                unsafe {
                    let (best, _) = largest(s, &self.x, self.shape, (&rows, &columns), c);
                    s.store_up_to(self.y.as_mut_ptr().add(out * channels + c), best, channels - c);
                }
                c += S::LANES;
            }
        }
    }
}

struct MaxBackward<'a> {
    shape: &'a ConvShape,
    x: Read<'a>,
    g: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for MaxBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let &ConvShape { w, inputs: channels, out_h, out_w, .. } = self.shape;
        let zero = s.splat(0.0);
        for out in 0..out_h * out_w {
            let (rows, columns) = window(self.shape, out);
            let mut c = 0;
            while c < channels {
                // SAFETY: windows are clipped to the image; n channels follow c.
                unsafe {
                    let n = channels - c;
                    let (_, winner) = largest(s, &self.x, self.shape, (&rows, &columns), c);
                    let g = s.load_up_to(self.g.as_ptr().add(out * channels + c), n);
                    let mut tap = 0.0;
                    for iy in rows.start..rows.end {
                        for ix in columns.start..columns.end {
                            // Taps are whole numbers: this is winner == tap.
                            let up_to = s.select_lt(winner, s.splat(tap + 0.5), g, zero);
                            let share = s.select_lt(winner, s.splat(tap - 0.5), zero, up_to);
                            add_up_to(s, self.dx.as_mut_ptr().add((iy * w + ix) * channels + c), share, n);
                            tap += 1.0;
                        }
                    }
                }
                c += S::LANES;
            }
        }
    }
}
