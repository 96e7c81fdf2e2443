//! The one small vector trait, the levels that implement it, and the choice between them at run time.
//!
//! A [`Simd`] value is a proof: it exists only where the CPU has the instruction set, so its operations are safe to
//! call. It is made in one place a level (`enter` in `isa/`), inside a function with that level's `#[target_feature]`;
//! everything a kernel calls must be `#[inline(always)]`, so that the whole kernel is compiled inside that function.
//! One missed inline costs 10x and no error, which is why the generated code is checked (tools/).

use crate::isa;
use crate::output::Streaming;
use std::sync::OnceLock;

/// An instruction set, from what every machine has to the widest. The order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Whatever the compiler's target has (SSE2, NEON, simd128), through the crate `wide`.
    Portable,
    /// AVX2 and FMA, 8 lanes.
    Avx2,
    /// AVX-512 F, VL, BW and DQ, 16 lanes.
    Avx512,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// The name that `VERTEBRA_LEVEL` and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// The best level of this machine.
    pub fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(isa::detect)
    }

    /// The level that this process computes with: the best one, or what `VERTEBRA_LEVEL` lowers it to.
    ///
    /// # Errors
    /// When the variable names no level, or one that this machine does not have.
    pub fn from_env() -> Result<Level, String> {
        let best = Level::best();
        let Ok(name) = std::env::var("VERTEBRA_LEVEL") else { return Ok(best) };
        let known = Level::ALL.into_iter().find(|level| level.name() == name.trim().to_ascii_lowercase());
        match known {
            Some(level) if level <= best => Ok(level),
            Some(level) => Err(format!(
                "VERTEBRA_LEVEL={}: this machine has no {}; its best level is {}",
                name,
                level.name(),
                best.name()
            )),
            None => Err(format!("VERTEBRA_LEVEL={name}: expected portable, avx2 or avx512")),
        }
    }

    /// [`Level::from_env`], read once; falls back to the best level where the variable is wrong (the command line
    /// reports that before any work).
    pub fn current() -> Level {
        static CURRENT: OnceLock<Level> = OnceLock::new();
        *CURRENT.get_or_init(|| Level::from_env().unwrap_or_else(|_| Level::best()))
    }

    /// The levels that this machine has, lowest first.
    pub fn available() -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(|&level| level <= Level::best())
    }

    /// Floats a vector holds.
    pub fn lanes(self) -> usize {
        match self {
            Level::Portable => isa::Portable::LANES,
            Level::Avx2 => 8,
            Level::Avx512 => 16,
        }
    }

    /// Runs a kernel with this level's instructions.
    ///
    /// # Panics
    /// When the machine does not have the level.
    #[inline]
    pub fn dispatch<K: Kernel>(self, kernel: K) -> K::Output {
        assert!(self <= Level::best(), "this machine has no {}", self.name());
        match self {
            Level::Portable => kernel.run(isa::Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is at most the best one that detection found on this CPU.
            Level::Avx2 => unsafe { isa::avx2::enter(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { isa::avx512::enter(kernel) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("detection offers only the portable level here"),
        }
    }
}

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
    /// Vector registers that the instruction set has: what a register tile is cut from.
    const REGISTERS: usize;
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
