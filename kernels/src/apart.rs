//! The arena as memory checkers want it (feature `memory-check`, for tests alone): every span is an allocation of its
//! own, exactly as long as was asked for and never zeroed. In a slab, a read beyond a buffer is a read of its neighbour
//! and what was never written looks written; here valgrind and the address sanitizer see both.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::hint::black_box;
use std::ptr::NonNull;

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// What the arena holds and has done: nothing is counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes that live buffers hold.
    pub live_bytes: usize,
    /// The most bytes that they held.
    pub peak_bytes: usize,
    /// Bytes below the highest address that was ever given out.
    pub touched_bytes: usize,
}

/// Zeros.
pub fn statistics() -> Statistics {
    Statistics::default()
}

/// Exclusive use of some floats.
pub(crate) struct Span {
    start: NonNull<f32>,
    floats: usize,
}

// SAFETY: a span is the only way to its memory, like a Box.
unsafe impl Send for Span {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Span {}

impl Span {
    /// `floats` floats that nobody has written.
    pub fn new(floats: usize) -> Self {
        if floats == 0 {
            return Self { start: NonNull::dangling(), floats };
        }
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { alloc(layout(floats)) });
        let start = start.unwrap_or_else(|| handle_alloc_error(layout(floats))).cast();
        // The compiler must not know that nothing was written, or it would choose the values itself.
        Self { start: black_box(start), floats }
    }

    /// Floats it holds.
    pub fn capacity(&self) -> usize {
        self.floats
    }

    /// The first of them, on a cache line.
    pub fn as_ptr(&self) -> *mut f32 {
        self.start.as_ptr()
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.floats > 0 {
            // SAFETY: it was allocated so, and nobody else has it.
            unsafe { dealloc(self.start.as_ptr().cast(), layout(self.floats)) }
        }
    }
}

fn layout(floats: usize) -> Layout {
    let bytes = floats.checked_mul(size_of::<f32>());
    let layout = bytes.and_then(|bytes| Layout::from_size_align(bytes, LINE_BYTES).ok());
    layout.expect("a request for more than the address space")
}
