//! The NEON level of 64-bit ARM: 4 lanes of `std::arch`, the same operations as every level, nothing else.
//!
//! Every such CPU has NEON, so the compiler may use it everywhere and no detection is needed.

use crate::level::Level;
use crate::simd::{Kernel, Simd};
use crate::sink::Streaming;
use std::arch::aarch64::*;

/// The token of this level.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

/// Runs `kernel` in a function of its own.
#[inline(never)]
pub(crate) fn enter<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Neon(()))
}

impl Simd for Neon {
    const LANES: usize = 4;
    /// Of 32 registers; with 14 rows the compiler keeps some of them on the stack.
    const TILE_ROWS: usize = 12;
    const LEVEL: Level = Level::Neon;
    /// Its non-temporal stores write pairs of vectors, and are a hint that many CPUs ignore.
    const STREAMS: bool = false;
    type V = float32x4_t;

    #[inline(always)]
    fn apart<K: Kernel>(self, kernel: K) -> K::Output {
        enter(kernel)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the caller promises 4 readable floats.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the caller promises 4 writable floats.
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> float32x4_t {
        let mut lanes = [0.0; 4];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: i < n, and the caller promises n readable floats.
            *lane = unsafe { p.add(i).read() };
        }
        // SAFETY: an array of 4 floats is readable.
        unsafe { vld1q_f32(lanes.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: float32x4_t, n: usize) {
        let mut lanes = [0.0; 4];
        // SAFETY: an array of 4 floats is writable.
        unsafe { vst1q_f32(lanes.as_mut_ptr(), v) }
        for (i, lane) in lanes.into_iter().enumerate().take(n) {
            // SAFETY: i < n, and the caller promises n writable floats.
            unsafe { p.add(i).write(lane) }
        }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, v: float32x4_t, _: Streaming) {
        // SAFETY: the caller's promise covers a plain store.
        unsafe { self.store(p, v) }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        // SAFETY: a prefetch reads nothing and changes nothing: no address is wrong.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{p}]", p = in(reg) p, options(nostack, readonly, preserves_flags));
        }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { vfmaq_f32(c, a, b) }
    }
    /// By comparison: `fmin` gives NaN where either is one.
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.select_lt(a, b, a, b)
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.select_lt(b, a, a, b)
    }
    #[inline(always)]
    fn select_lt(self, a: float32x4_t, b: float32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { vbslq_f32(vcltq_f32(a, b), yes, no) }
    }
    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe { vsqrtq_f32(a) }
    }
    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        // SAFETY: every aarch64 CPU has NEON.
        unsafe {
            let pair = vadd_f32(vget_low_f32(a), vget_high_f32(a));
            vget_lane_f32::<0>(pair) + vget_lane_f32::<1>(pair)
        }
    }
}
