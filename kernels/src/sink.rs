//! Where kernels write: through the caches, or past them by non-temporal (streaming) stores, where the next reader would
//! not find it in a cache anyway.
//!
//! A non-temporal store reaches memory in any order, so it has to be fenced before another thread is told of
//! it. Nobody needs to remember that. A driver makes a [`Sink`] of where it writes, of which a kernel gets an `Output`; only
//! such an output has the permission that [`Simd::stream`](crate::simd::Simd::stream) asks for, and it cannot outlive the
//! sink, which fences where it ends, on every way out and once a call.

use crate::cache::CACHE_LINE;
use crate::view::Write;
use std::marker::PhantomData;

/// Floats of a tensor from which on the kernels over rows write past the caches: 2 MiB. They take less time than memory
/// does, so every byte that moves counts.
pub(crate) const ROWS_STREAM: usize = 1 << 19;
/// The same for products, whose arithmetic hides some of it: 8 MiB.
pub(crate) const PRODUCTS_STREAM: usize = 1 << 21;

/// What one call of a kernel writes.
pub(crate) struct Sink<'a> {
    to: &'a mut [f32],
    streams: bool,
}

/// The permission for non-temporal stores, from a [`Sink`] that fences after `'a`.
#[derive(Clone, Copy)]
pub struct Streaming<'a>(PhantomData<&'a ()>);

impl<'a> Sink<'a> {
    /// Of `to: [.., channels]`, written past the caches if its tensor has `least` floats or more. Only whole lines can be.
    pub(crate) fn new(Write { to, tensor }: Write<'a>, channels: usize, least: usize) -> Self {
        let lines = channels.is_multiple_of(CACHE_LINE) && to.as_ptr().addr().is_multiple_of(4 * CACHE_LINE);
        Self { to, streams: lines && tensor >= least }
    }

    /// Of `to`, written through the caches.
    pub(crate) fn cached(Write { to, .. }: Write<'a>) -> Self {
        Self { to, streams: false }
    }

    /// What a kernel writes to, and the permission to stream if there is one.
    pub(crate) fn lend(&mut self) -> (*mut f32, Option<Streaming<'_>>) {
        (self.to.as_mut_ptr(), self.streams.then_some(Streaming(PhantomData)))
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        if self.streams {
            fence();
        }
    }
}

#[cfg(test)]
thread_local!(static FENCES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });

/// How often this thread has fenced.
#[cfg(test)]
pub(crate) fn fences() -> usize {
    FENCES.get()
}

/// Orders streamed stores of any level before what follows.
#[inline(always)]
pub(crate) fn fence() {
    #[cfg(test)]
    FENCES.set(FENCES.get() + 1);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 CPU has SSE.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::conv;
    use crate::depthwise::depthwise;
    use crate::depthwise_backward::depthwise_backward;
    use crate::epilogue::Epilogue;
    use crate::level::Level;
    use crate::limits::copy;
    use crate::pack::Packed;
    use crate::pointwise::pointwise;
    use crate::pointwise_backward::pointwise_backward;
    use crate::view::{ConvShape, Deferred, Grad, Read, Rectifier};
    use crate::{Buffer, gemm};

    #[test]
    fn whole_lines_of_large_tensors_are_streamed() {
        let mut memory = Buffer::zeros(64);
        let mut decide = |at: usize, channels: usize, tensor: usize| {
            Sink::new(Write::part(&mut memory[at..], tensor), channels, ROWS_STREAM).streams
        };
        assert!(decide(0, 32, ROWS_STREAM) && decide(16, 48, usize::MAX));
        assert!(!decide(0, 32, ROWS_STREAM - 1), "a cache may hold it");
        assert!(!decide(0, 20, usize::MAX), "a pixel is no whole line");
        assert!(!decide(1, 32, usize::MAX), "a line does not begin there");
    }

    /// Runs a kernel that writes `len` floats as a part of a tensor that no cache holds, and by itself: it fences once, or
    /// not at all.
    fn fenced(what: &str, streams: bool, len: usize, mut run: impl FnMut(Write)) {
        let mut memory = Buffer::zeros(len);
        for (tensor, expected) in [(usize::MAX, usize::from(streams)), (len, 0)] {
            let before = fences();
            run(Write::part(&mut memory, tensor));
            assert_eq!(fences() - before, expected, "{what}, of a tensor of {tensor} floats");
        }
    }

    /// Every public kernel that takes a [`Write`], by every way through it.
    #[test]
    fn whatever_streams_is_fenced_once() {
        const C: usize = 32;
        let shape = |inputs| ConvShape {
            h: 8,
            w: 8,
            inputs,
            outputs: C,
            kernel: 3,
            stride: 2,
            pad_top: 0,
            pad_left: 0,
            out_h: 4,
            out_w: 4,
        };
        let floats = vec![0.5; 64 * 96];
        let vector = &floats[..96];
        for level in Level::available() {
            let name = |kernel: &str| format!("{kernel} at {}", level.name());
            let products = gemm::columns(level) >= CACHE_LINE;
            let packed = |k: usize, n: usize| {
                let mut packed = Packed::new(level, k, n);
                packed.pack(&floats[..k * n]);
                packed
            };
            // Narrow pixels are read in place, wide ones through working memory.
            for k in [24, 32, 96] {
                let z = &floats[..64 * k];
                let [scale, shift, center] = [&vector[..k]; 3];
                let deferred = Read::Norm(Deferred { z, scale, shift, center, act: Rectifier::RELU6 });
                for x in [Read::Plain(z), deferred] {
                    fenced(&name("pointwise"), products, 64 * C, |y| {
                        pointwise(x, &packed(k, C), y, Epilogue::Moments(&mut [0.0; 3 * C]));
                    });
                }
                fenced(&name("pointwise_backward"), products, 64 * C, |dx| {
                    let (x, g) = (Read::Plain(&floats[..64 * C]), Grad::Plain(z));
                    let dw = &mut vec![0.0; C * k];
                    pointwise_backward(
                        level,
                        x,
                        g,
                        k,
                        Some(&packed(k, C)),
                        Some(dx),
                        Some(dw),
                        true,
                        &mut [],
                    );
                });
            }
            for colours in [1, 3] {
                let (shape, x) = (shape(colours), Read::Plain(&floats[..64 * colours]));
                fenced(&name("conv"), products, 16 * C, |y| {
                    conv(&shape, x, &packed(9 * colours, C), 0..4, y, Epilogue::None);
                });
            }
            let (shape, x, weights) = (shape(C), Read::Plain(&floats[..64 * C]), &floats[..9 * C]);
            let epilogues: [fn(&mut [f32]) -> Epilogue; 3] = [
                |_| Epilogue::None,
                |moments| Epilogue::Moments(moments),
                // With a residual: without, an image of inference goes another way, which streams nothing.
                |_| Epilogue::Activate {
                    bias: &[0.0; C],
                    act: Rectifier::RELU,
                    residual: Some(&[0.0; 16 * C]),
                },
            ];
            for epilogue in epilogues {
                fenced(&name("depthwise"), true, 16 * C, |y| {
                    depthwise(level, &shape, x, weights, 0..4, y, epilogue(&mut [0.0; 3 * C]));
                });
            }
            fenced(&name("depthwise_backward"), true, 64 * C, |dx| {
                let g = Grad::Plain(&floats[..16 * C]);
                depthwise_backward(level, &shape, x, g, weights, 0..8, Some(dx), &mut [0.0; 9 * C], &mut []);
            });
            let mut memory = Buffer::zeros(64);
            let before = fences();
            copy(level, &floats[..64], &mut memory, true);
            assert_eq!(fences() - before, 1, "{}", name("copy"));
        }
    }
}
