//! The instruction sets that kernels are compiled for, by name.

/// An instruction set, from what every machine has to the widest. The order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Whatever the compiler's target has (SSE2, NEON, simd128), through the crate `wide`.
    Portable,
    /// NEON of 64-bit ARM, 4 lanes.
    Neon,
    /// AVX2 and FMA, 8 lanes.
    Avx2,
    /// AVX-512 F, VL, BW and DQ, 16 lanes.
    Avx512,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Level; 4] = [Level::Portable, Level::Neon, Level::Avx2, Level::Avx512];

    /// The name that `VERTEBRA_LEVEL` and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Neon => "neon",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }
}
