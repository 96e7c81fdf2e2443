//! The instruction sets behind [`crate::simd::Simd`], one thin file each, and their detection.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
mod portable;

pub use portable::Portable;

use crate::simd::Level;

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

/// The best level that this CPU (and its operating system) can run.
pub(crate) fn detect() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        if avx2 && avx512 {
            return Level::Avx512;
        }
        if avx2 {
            return Level::Avx2;
        }
    }
    Level::Portable
}
