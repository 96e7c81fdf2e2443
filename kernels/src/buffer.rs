//! Memory for floats, aligned to a cache line (what streamed stores and whole-line vectors want) and recycled.

use crate::arena::Span;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// `len` floats on 64-byte alignment. Dropping it leaves the memory for the next buffer.
pub struct Buffer {
    block: Span,
    len: usize,
}

impl Buffer {
    /// `len` floats of unspecified content (what an earlier buffer left there, never uninitialised memory), for
    /// whoever writes all of it.
    pub fn recycled(len: usize) -> Self {
        Self { block: Span::new(len), len }
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::recycled(len);
        buffer.fill(0.0);
        buffer
    }

    /// A copy of `data`.
    pub fn from_slice(data: &[f32]) -> Self {
        let mut buffer = Self::recycled(data.len());
        buffer.copy_from_slice(data);
        buffer
    }

    /// Floats that fit without a new block.
    pub fn capacity(&self) -> usize {
        self.block.capacity()
    }

    /// Makes it `len` floats long; the content after that is unspecified.
    pub fn resize(&mut self, len: usize) {
        if len > self.capacity() {
            self.block = Span::new(len);
        }
        self.len = len;
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::recycled(0)
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
        // SAFETY: the block is ours alone, holds at least `len` initialised floats, and lives as long as the borrow.
        unsafe { std::slice::from_raw_parts(self.block.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`; the borrow of the buffer is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.block.as_ptr(), self.len) }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            assert_eq!(buffer.as_ptr() as usize % if len == 0 { 4 } else { 64 }, 0);
            assert!(buffer.iter().all(|&x| x == 0.0));
            buffer.resize(len + 40);
            buffer.fill(1.0);
            assert_eq!(buffer.len(), len + 40);
        }
    }
}
