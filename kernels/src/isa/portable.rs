//! The portable level: four lanes through `wide`, which picks SSE2, NEON or simd128 when compiled.
//!
//! Four lanes and not eight, because a register tile is counted in hardware registers and those hold four floats here.

use crate::level::Level;
use crate::simd::{Kernel, Simd};
use crate::sink::Streaming;
use wide::f32x4;

/// The token of the portable level: every machine has it.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Runs `kernel` in a function of its own.
#[inline(never)]
fn enter<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Portable)
}

impl Simd for Portable {
    const LANES: usize = 4;
    const TILE_ROWS: usize = 6;
    const LEVEL: Level = Level::Portable;
    const STREAMS: bool = false;
    type V = f32x4;

    #[inline(always)]
    fn apart<K: Kernel>(self, kernel: K) -> K::Output {
        enter(kernel)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> f32x4 {
        f32x4::splat(x)
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> f32x4 {
        // SAFETY: the caller promises four readable floats; an array of floats asks no more alignment than a float.
        f32x4::new(unsafe { p.cast::<[f32; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: f32x4) {
        // SAFETY: the caller promises four writable floats.
        unsafe { p.cast::<[f32; 4]>().write(v.to_array()) }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> f32x4 {
        let mut lanes = [0.0; 4];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: i < n, and the caller promises n readable floats.
            *lane = unsafe { p.add(i).read() };
        }
        f32x4::new(lanes)
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: f32x4, n: usize) {
        for (i, lane) in v.to_array().into_iter().enumerate().take(n) {
            // SAFETY: i < n, and the caller promises n writable floats.
            unsafe { p.add(i).write(lane) }
        }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, v: f32x4, _: Streaming) {
        // SAFETY: the caller's promise covers a plain store.
        unsafe { self.store(p, v) }
    }
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    #[inline(always)]
    fn add(self, a: f32x4, b: f32x4) -> f32x4 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f32x4, b: f32x4) -> f32x4 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f32x4, b: f32x4) -> f32x4 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f32x4, b: f32x4) -> f32x4 {
        a / b
    }
    #[inline(always)]
    fn mul_add(self, a: f32x4, b: f32x4, c: f32x4) -> f32x4 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn min(self, a: f32x4, b: f32x4) -> f32x4 {
        self.select_lt(a, b, a, b)
    }
    #[inline(always)]
    fn max(self, a: f32x4, b: f32x4) -> f32x4 {
        self.select_lt(b, a, a, b)
    }
    #[inline(always)]
    fn select_lt(self, a: f32x4, b: f32x4, yes: f32x4, no: f32x4) -> f32x4 {
        a.simd_lt(b).select(yes, no)
    }
    #[inline(always)]
    fn sqrt(self, a: f32x4) -> f32x4 {
        a.sqrt()
    }
    #[inline(always)]
    fn sum(self, a: f32x4) -> f32 {
        let [a, b, c, d] = a.to_array();
        (a + c) + (b + d)
    }
}
