//! The one small vector trait that kernels are written in.
//!
//! A [`Simd`] value is a proof: it exists only where the CPU has the instruction set, so its operations are safe to
//! call. It is made in one place a level (`enter` in `isa/`), inside a function with that level's `#[target_feature]`;
//! everything a kernel calls must be `#[inline(always)]`, so that the whole kernel is compiled inside that function.
//! One missed inline costs 10x and no error, which is why the generated code is checked (tools/).

use crate::level::Level;
use crate::sink::Streaming;

/// A kernel with its arguments, ready to run at any level. `run` must be `#[inline(always)]`.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// The kernel's one body.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The operations that kernels are written in. All are lane-wise unless said otherwise.
///
/// `min` and `max` return the second operand where either is NaN, as the hardware does; kernels put the data second,
/// so that a NaN in the data survives to the result.
pub trait Simd: Copy + Send + Sync + 'static {
    /// Floats a vector holds.
    const LANES: usize;
    /// Rows of a register tile two vectors wide: what the registers hold, less two for the right side's vectors and those
    /// that broadcasts pass through.
    const TILE_ROWS: usize;
    /// Whether [`Simd::stream`] goes past the caches.
    const STREAMS: bool = true;
    /// The level this is.
    const LEVEL: Level;
    /// The vector.
    type V: Copy;

    /// Runs a kernel in a function of its own, whose loops then have all registers to themselves.
    fn apart<K: Kernel>(self, kernel: K) -> K::Output;
    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// `LANES` floats from `p`.
    ///
    /// # Safety
    /// `p` must be valid for reading `LANES` floats; no alignment is asked.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Writes `LANES` floats to `p`.
    ///
    /// # Safety
    /// `p` must be valid for writing `LANES` floats; no alignment is asked.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// The first `n < LANES` floats from `p`, zeros after them. Reads nothing beyond them.
    ///
    /// # Safety
    /// `p` must be valid for reading `n` floats.
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V;
    /// Writes the first `n < LANES` floats to `p`, and nothing beyond them.
    ///
    /// # Safety
    /// `p` must be valid for writing `n` floats.
    unsafe fn store_first(self, p: *mut f32, v: Self::V, n: usize);
    /// The first `min(n, LANES)` floats from `p`, zeros after them: one expression for whole vectors and tails.
    ///
    /// # Safety
    /// `p` must be valid for reading `min(n, LANES)` floats.
    #[inline(always)]
    unsafe fn load_up_to(self, p: *const f32, n: usize) -> Self::V {
        // SAFETY: as promised by the caller.
        unsafe { if n >= Self::LANES { self.load(p) } else { self.load_first(p, n) } }
    }
    /// Writes the first `min(n, LANES)` floats to `p`.
    ///
    /// # Safety
    /// `p` must be valid for writing `min(n, LANES)` floats.
    #[inline(always)]
    unsafe fn store_up_to(self, p: *mut f32, v: Self::V, n: usize) {
        // SAFETY: as promised by the caller.
        unsafe { if n >= Self::LANES { self.store(p, v) } else { self.store_first(p, v, n) } }
    }
    /// Writes `LANES` floats to `p` past the caches, where the level can. Only a `Sink` gives the
    /// permission, which it outlives; where it ends, it orders these stores before what follows.
    ///
    /// # Safety
    /// `p` must be valid for writing `LANES` floats and aligned to `4 * LANES` bytes.
    unsafe fn stream(self, p: *mut f32, v: Self::V, permission: Streaming);
    /// Asks for the cache line at `p`, where the level can; any address will do.
    fn prefetch(self, p: *const f32);
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the level has FMA.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `if a < b { yes } else { no }`
    fn select_lt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// The square root.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// The sum of all lanes, in an order that is fixed for the level.
    fn sum(self, a: Self::V) -> f32;
}
