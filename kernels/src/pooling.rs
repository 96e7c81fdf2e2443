//! Global average pooling, forward and backward.
//!
//! It is a hundredth of a network's work, so it is the plain loop with vectors over the channels. Backward first writes
//! the gradient with respect to the values it read; where those were deferred, [`elementwise::mask`] then carries it
//! through the activation while it is still in the cache.

use crate::elementwise::{self, read};
use crate::level::Level;
use crate::rows::check_read;
use crate::simd::{Kernel, Simd};
use crate::view::Read;

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

fn through_activation(level: Level, x: Read, dx: &mut [f32], sums: &mut [f32]) {
    if let Read::Norm(deferred) = x {
        elementwise::mask(level, deferred, dx, sums);
    }
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
