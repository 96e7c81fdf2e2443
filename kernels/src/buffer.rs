//! Memory for floats, aligned to a cache line: what streamed stores and whole-line vectors want.

use bytemuck::{Pod, Zeroable};
use std::ops::{Deref, DerefMut};

/// One cache line of floats.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

// SAFETY: sixteen floats of four bytes fill the 64 bytes exactly, so there is no padding; all zero bits are zeros.
unsafe impl Zeroable for Line {}
// SAFETY: as above, and every bit pattern is a float.
unsafe impl Pod for Line {}

/// `len` floats on 64-byte alignment. Fresh memory is zero, and untouched pages cost nothing.
#[derive(Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { lines: bytemuck::zeroed_vec(len.div_ceil(LINE)), len }
    }

    /// A copy of `data`.
    pub fn from_slice(data: &[f32]) -> Self {
        let mut buffer = Self::zeros(data.len());
        buffer.copy_from_slice(data);
        buffer
    }

    /// Floats that fit without a new allocation.
    pub fn capacity(&self) -> usize {
        self.lines.len() * LINE
    }

    /// Makes it `len` floats long. The content after it is unspecified (stale floats, never uninitialised memory).
    pub fn resize(&mut self, len: usize) {
        let lines = len.div_ceil(LINE);
        if lines > self.lines.len() {
            self.lines = bytemuck::zeroed_vec(lines);
        }
        self.len = len;
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::from_slice(self)
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} floats)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;

    #[test]
    fn aligned_zeroed_and_resizable() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let mut buffer = Buffer::zeros(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            assert!(buffer.iter().all(|&x| x == 0.0));
            buffer.resize(len + 40);
            assert_eq!(buffer.len(), len + 40);
        }
    }
}
