//! What the machine can do at most: the loops that a kernel's speed is measured against.
//!
//! Each does one thing and nothing else, so its rate is a limit: multiply-adds that wait for nothing, and memory that is
//! only read, or only copied.

use crate::cache::CACHE_LINE;
use crate::level::Level;
use crate::output::Output;
use crate::simd::{Kernel, Simd};
use crate::sink::Sink;
use crate::view::Write;
use std::hint::black_box;

/// Independent chains of multiply-adds: more than latency times units of any CPU, and no more than registers hold.
const CHAINS: usize = 12;
/// Vectors that a sweep over memory works on at once.
const STREAMS: usize = 8;

/// Runs multiply-adds in registers, `rounds` for each of some chains, and returns the floating-point operations done
/// (a multiply-add is two).
pub fn multiply_adds(level: Level, rounds: usize) -> usize {
    black_box(level.dispatch(MultiplyAdds(rounds)));
    2 * rounds * CHAINS * level.lanes()
}

struct MultiplyAdds(usize);

impl Kernel for MultiplyAdds {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        // They converge to 1, so that no value is ever subnormal, which would be slow.
        let (a, b) = (s.splat(black_box(0.5)), s.splat(black_box(0.5)));
        let mut chains = [s.splat(black_box(0.0)); CHAINS];
        for _ in 0..self.0 {
            for chain in &mut chains {
                *chain = s.mul_add(*chain, a, b);
            }
        }
        chains.into_iter().fold(0.0, |total, chain| total + s.sum(chain))
    }
}

/// Reads `x` and returns its sum; what is left after groups of whole vectors is not read.
pub fn read(level: Level, x: &[f32]) -> f32 {
    level.dispatch(Sum(x))
}

struct Sum<'a>(&'a [f32]);

impl Kernel for Sum<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sums = [s.splat(0.0); STREAMS];
        for group in self.0.chunks_exact(STREAMS * S::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the group has STREAMS vectors.
                *sum = s.add(*sum, unsafe { s.load(group.as_ptr().add(i * S::LANES)) });
            }
        }
        sums.into_iter().fold(0.0, |total, sum| total + s.sum(sum))
    }
}

/// Copies `x` to `y`, which have one length; `streamed` past the caches. What is left after whole vectors is not copied.
///
/// # Panics
/// When the lengths differ, or `y` does not begin on a cache line (as a [`crate::Buffer`] does).
pub fn copy(level: Level, x: &[f32], y: &mut [f32], streamed: bool) {
    assert_eq!(x.len(), y.len(), "a copy has the length of the original");
    assert!(y.as_ptr().addr().is_multiple_of(64), "streamed stores need whole cache lines");
    let to = Write::from(y);
    let mut sink = if streamed { Sink::new(to, CACHE_LINE, 0) } else { Sink::cached(to) };
    level.dispatch(Copy { x, y: Output::of(&mut sink) });
}

struct Copy<'a> {
    x: &'a [f32],
    y: Output<'a>,
}

impl Kernel for Copy<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (i, from) in self.x.chunks_exact(S::LANES).enumerate() {
            // SAFETY: both have the vector.
            unsafe { self.y.put(s, i * S::LANES, s.load(from.as_ptr()), S::LANES) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buffer;

    #[test]
    fn every_level_does_the_work_that_is_counted() {
        let mut x = Buffer::zeros(1 << 10);
        x.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 7) as f32);
        let sum: f32 = x.iter().sum();
        for level in Level::available() {
            assert_eq!(read(level, &x), sum);
            for streamed in [false, true] {
                let mut y = Buffer::zeros(x.len());
                copy(level, &x, &mut y, streamed);
                assert_eq!(x[..], y[..], "{}", level.name());
            }
            assert_eq!(multiply_adds(level, 10), 2 * 10 * CHAINS * level.lanes());
            // 1 - 2^-rounds in every lane of every chain.
            let sum = level.dispatch(MultiplyAdds(2));
            assert_eq!(sum, 0.75 * (CHAINS * level.lanes()) as f32);
        }
    }
}
