//! The choice of a level at run time: what the CPU has, what `VERTEBRA_LEVEL` asks for, and the way into its code.

use crate::isa;
use crate::level::Level;
use crate::simd::{Kernel, Simd};
use std::sync::OnceLock;

impl Level {
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
            Some(level) if level.is_available() => Ok(level),
            Some(level) => Err(format!(
                "VERTEBRA_LEVEL={}: this machine has no {}; its best level is {}",
                name,
                level.name(),
                best.name()
            )),
            None => Err(format!("VERTEBRA_LEVEL={name}: expected portable, neon, avx2 or avx512")),
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
        Level::ALL.into_iter().filter(|level| level.is_available())
    }

    /// Whether this machine has the level: all up to its best, but for those of other architectures.
    #[inline]
    fn is_available(self) -> bool {
        self <= Level::best() && (self != Level::Neon || cfg!(target_arch = "aarch64"))
    }

    /// Floats a vector holds.
    pub fn lanes(self) -> usize {
        match self {
            Level::Portable => isa::Portable::LANES,
            Level::Neon => 4,
            Level::Avx2 => 8,
            Level::Avx512 => 16,
        }
    }

    /// See [`Simd::TILE_ROWS`].
    pub(crate) const fn tile_rows(self) -> usize {
        match self {
            Level::Portable => isa::Portable::TILE_ROWS,
            Level::Neon => 12,
            Level::Avx2 => 6,
            Level::Avx512 => 14,
        }
    }

    /// Runs a kernel with this level's instructions.
    ///
    /// # Panics
    /// When the machine does not have the level.
    #[inline]
    pub fn dispatch<K: Kernel>(self, kernel: K) -> K::Output {
        assert!(self.is_available(), "this machine has no {}", self.name());
        match self {
            Level::Portable => kernel.run(isa::Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is at most the best one that detection found on this CPU.
            Level::Avx2 => unsafe { isa::avx2::enter(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { isa::avx512::enter(kernel) },
            #[cfg(target_arch = "aarch64")]
            Level::Neon => isa::neon::enter(kernel),
            #[allow(unreachable_patterns, reason = "all levels of another architecture")]
            _ => unreachable!("the level is available"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shape;

    impl Kernel for Shape {
        type Output = (usize, usize, Level);
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> Self::Output {
            (S::LANES, S::TILE_ROWS, S::LEVEL)
        }
    }

    /// Callers lay memory out by what a level says, kernels read it by what its vectors say.
    #[test]
    fn a_level_says_what_its_code_does() {
        for level in Level::available() {
            assert_eq!(level.dispatch(Shape), (level.lanes(), level.tile_rows(), level));
        }
    }
}
