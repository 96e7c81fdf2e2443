//! SIMD kernels: slices in, slices out.
