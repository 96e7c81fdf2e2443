//! Where buffers live: a few large slabs, given out first fit and taken back.
//!
//! Training asks for the same sizes every step, in an order like a stack's, so first fit with coalescing settles after
//! one step: no page is faulted in twice (which costs a framework a third of its step), and what a large tensor left
//! serves many small ones. A slab is reserved at once but costs only the pages that are touched, and the lowest
//! addresses are reused first. Slabs ask for large pages: with small ones, what streams through memory (depthwise
//! layers above all) waits for address translation, and hardware prefetch ends with the page.
//!
//! Invariant: the ranges of live `Span`s never overlap, each other or a free range; free ranges never touch.

use std::alloc::{Layout, alloc_zeroed};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Floats in a cache line; blocks are whole lines.
pub(crate) const LINE: usize = 16;
const LINE_BYTES: usize = LINE * size_of::<f32>();

/// Bytes of a slab; a larger request gets a slab of its own size.
const SLAB_BYTES: usize = 1 << 30;

/// What the arena holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes that live buffers hold.
    pub live_bytes: usize,
    /// The most bytes that they held.
    pub peak_bytes: usize,
    /// Bytes below the highest address that was ever given out: what the process can have touched.
    pub touched_bytes: usize,
}

/// Memory of one reservation. Never given back: blocks point into it.
struct Slab {
    base: NonNull<f32>,
    /// Start to length, in lines.
    free: BTreeMap<usize, usize>,
    /// Lines below the highest that was ever given out.
    touched: usize,
}

// SAFETY: a slab is plain memory; who may access which part is decided by the blocks.
unsafe impl Send for Slab {}

#[derive(Default)]
struct Arena {
    slabs: Vec<Slab>,
    statistics: Statistics,
}

static ARENA: Mutex<Arena> = Mutex::new(Arena {
    slabs: Vec::new(),
    statistics: Statistics { live_bytes: 0, peak_bytes: 0, touched_bytes: 0 },
});

fn lock() -> MutexGuard<'static, Arena> {
    // No step of the bookkeeping can panic halfway, so a poisoned lock is as good as a clean one.
    ARENA.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the arena holds and has done so far.
pub fn statistics() -> Statistics {
    lock().statistics
}

/// Exclusive use of some lines of a slab.
pub(crate) struct Span {
    start: NonNull<f32>,
    slab: usize,
    line: usize,
    lines: usize,
}

// SAFETY: a block is the only way to its memory, like a Box.
unsafe impl Send for Span {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Span {}

impl Span {
    /// At least `floats` floats of unspecified (but initialised) content.
    pub fn new(floats: usize) -> Self {
        let lines = floats.div_ceil(LINE);
        if lines == 0 {
            return Self { start: NonNull::dangling(), slab: 0, line: 0, lines: 0 };
        }
        let mut arena = lock();
        let found = arena.slabs.iter().enumerate().find_map(|(at, slab)| Some((at, slab.first_fit(lines)?)));
        let (slab, line) = found.unwrap_or_else(|| {
            arena.slabs.push(Slab::reserve(lines));
            (arena.slabs.len() - 1, 0)
        });
        let Slab { base, free, touched, .. } = &mut arena.slabs[slab];
        let len = free.remove(&line).expect("a free range starts here");
        if len > lines {
            free.insert(line + lines, len - lines);
        }
        // SAFETY: the line is inside the slab.
        let start = unsafe { base.add(line * LINE) };
        let grown = (line + lines).saturating_sub(*touched);
        *touched += grown;
        let statistics = &mut arena.statistics;
        statistics.touched_bytes += grown * LINE_BYTES;
        statistics.live_bytes += lines * LINE_BYTES;
        statistics.peak_bytes = statistics.peak_bytes.max(statistics.live_bytes);
        Self { start, slab, line, lines }
    }

    /// Floats it holds.
    pub fn capacity(&self) -> usize {
        self.lines * LINE
    }

    /// The first of them, on a cache line.
    pub fn as_ptr(&self) -> *mut f32 {
        self.start.as_ptr()
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.lines == 0 {
            return;
        }
        let mut arena = lock();
        arena.statistics.live_bytes -= self.lines * LINE_BYTES;
        let free = &mut arena.slabs[self.slab].free;
        let (mut start, mut end) = (self.line, self.line + self.lines);
        if let Some(after) = free.remove(&end) {
            end += after;
        }
        if let Some((&before, &len)) = free.range(..start).next_back()
            && before + len == start
        {
            free.remove(&before);
            start = before;
        }
        free.insert(start, end - start);
    }
}

impl Slab {
    /// Reserves zeroed memory: a slab's usual size, or `lines` where that is more or the system gives no more.
    fn reserve(lines: usize) -> Self {
        let needed = lines.checked_mul(LINE_BYTES).expect("a request for more than the address space");
        for bytes in [SLAB_BYTES.max(needed), needed] {
            // The system allocator zeroes memory of a stricter alignment by writing to all of it; of this one it
            // reserves untouched pages. So one line more is asked for, and the start moved to a line.
            let layout = Layout::from_size_align(bytes + LINE_BYTES, align_of::<f32>());
            let layout = layout.expect("a request for more than the address space");
            // SAFETY: the size is not zero. Zeroed memory is initialised memory, and all bits zero is a float.
            let Some(start) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { continue };
            // SAFETY: the offset is below a line, which the request has to spare.
            let base = unsafe { start.add(start.align_offset(LINE_BYTES)) }.cast();
            ask_for_large_pages(start, bytes);
            return Self { base, free: BTreeMap::from([(0, bytes / LINE_BYTES)]), touched: 0 };
        }
        std::alloc::handle_alloc_error(Layout::from_size_align(needed, LINE_BYTES).expect("checked above"))
    }

    fn first_fit(&self, lines: usize) -> Option<usize> {
        self.free.iter().find(|&(_, &len)| len >= lines).map(|(&start, _)| start)
    }
}

/// Advises the system to back the `bytes` at `start` by large pages. It may decline, and nothing but speed depends on it.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(start: NonNull<u8>, bytes: usize) {
    use std::ffi::{c_int, c_void};
    const LARGE_PAGE: usize = 2 << 20;
    const MADV_HUGEPAGE: c_int = 14;
    unsafe extern "C" {
        /// Of the C library that the standard library is linked with.
        fn madvise(start: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    }
    let before = start.align_offset(LARGE_PAGE);
    if bytes >= before + LARGE_PAGE {
        // SAFETY: the range lies in memory that was just reserved, and the advice does not change what it holds.
        unsafe { madvise(start.as_ptr().add(before).cast(), bytes - before, MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: NonNull<u8>, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_overlap_and_neighbours_merge() {
        // Other tests share the arena, so this one looks only at its own blocks.
        let mut blocks: Vec<(Span, u32)> = vec![];
        let mut state = 1u32;
        for round in 0..2000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 0 && !blocks.is_empty() {
                let (block, mark) = blocks.swap_remove(state as usize % blocks.len());
                for i in 0..block.capacity() {
                    // SAFETY: the block is live and i is below its capacity.
                    assert_eq!(unsafe { block.as_ptr().add(i).read() }, mark as f32);
                }
            } else {
                let block = Span::new((state >> 16) as usize % 300 + 1);
                assert_eq!(block.as_ptr() as usize % LINE_BYTES, 0);
                for i in 0..block.capacity() {
                    // SAFETY: as above.
                    unsafe { block.as_ptr().add(i).write(round as f32) }
                }
                blocks.push((block, round));
            }
        }
        drop(blocks);
        let arena = lock();
        for slab in &arena.slabs {
            let mut end = None;
            for (&start, &len) in &slab.free {
                assert!(len > 0 && end.is_none_or(|end| start > end));
                end = Some(start + len);
            }
        }
    }
}
