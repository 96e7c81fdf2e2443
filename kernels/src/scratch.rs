//! Working memory of kernels: one growing block a thread, so that a tile allocates nothing after its first run.

use crate::buffer::Buffer;
#[cfg(not(feature = "memory-check"))]
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(feature = "memory-check"))]
thread_local! {
    static BLOCKS: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes that all threads' scratch holds by now.
pub fn bytes() -> usize {
    BYTES.load(Ordering::Relaxed)
}

/// Floats that slices of these lengths take together: each begins on a cache line.
pub fn len<const N: usize>(lens: [usize; N]) -> usize {
    lens.iter().map(|len| len.next_multiple_of(16)).sum()
}

/// Gives `f` `N` scratch slices of the given lengths, each aligned to a cache line. Their content is unspecified.
/// Calls may nest.
#[cfg(not(feature = "memory-check"))]
pub fn with<const N: usize, R>(lens: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    // The block is taken out while in use, so a nested call gets another one and nothing is borrowed twice.
    let mut block = BLOCKS.with_borrow_mut(Vec::pop).unwrap_or_default();
    let total = len(lens);
    if total > block.capacity() {
        let before = block.capacity();
        block = Buffer::recycled(total);
        BYTES.fetch_add((block.capacity() - before) * size_of::<f32>(), Ordering::Relaxed);
    }
    block.resize(total);
    let mut rest: &mut [f32] = &mut block;
    let slices = lens.map(|len| {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(len.next_multiple_of(16));
        rest = tail;
        &mut head[..len]
    });
    let result = f(slices);
    BLOCKS.with_borrow_mut(|blocks| blocks.push(block));
    result
}

/// The same for memory checkers: every slice is an allocation of its own, and nothing is kept for the next call.
#[cfg(feature = "memory-check")]
pub fn with<const N: usize, R>(lens: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    f(lens.map(Buffer::recycled).each_mut().map(|buffer| &mut buffer[..]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn slices_are_aligned_and_nest() {
        super::with([3, 100], |[a, b]| {
            assert_eq!((a.len(), b.len()), (3, 100));
            assert_eq!(b.as_ptr() as usize % 64, 0);
            a.fill(1.0);
            super::with([50], |[c]| c.fill(2.0));
            assert_eq!(a, [1.0; 3]);
        });
    }
}
