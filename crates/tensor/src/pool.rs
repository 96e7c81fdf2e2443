//! Recycled buffers: memory that a tensor gives back is kept for the next tensor of the same size.
//!
//! A training step asks for the same sizes every time, so after the first step it allocates nothing. Handing memory
//! back to the system and faulting it in again costs a framework a third of its step; here no page is faulted twice.
//! Recycled content is stale, which is why only kernels that write every element ask for it.

use kernels::Buffer;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// What the pool holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Buffers that came from the system.
    pub allocations: usize,
    /// Bytes of them.
    pub allocated_bytes: usize,
    /// Buffers that were reused.
    pub reuses: usize,
    /// Bytes that lie in the pool now, ready for reuse.
    pub idle_bytes: usize,
}

#[derive(Default)]
struct Pool {
    idle: HashMap<usize, Vec<Buffer>>,
    statistics: Statistics,
}

static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

fn lock() -> MutexGuard<'static, Pool> {
    // A panic elsewhere cannot leave the lists half-changed, so a poisoned lock is as good as a clean one.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

const FLOAT: usize = size_of::<f32>();

/// A buffer of `len` floats with unspecified content.
pub fn take(len: usize) -> Buffer {
    let capacity = len.next_multiple_of(16);
    let mut pool = lock();
    if let Some(mut buffer) = pool.idle.get_mut(&capacity).and_then(Vec::pop) {
        pool.statistics.reuses += 1;
        pool.statistics.idle_bytes -= capacity * FLOAT;
        buffer.resize(len);
        return buffer;
    }
    pool.statistics.allocations += 1;
    pool.statistics.allocated_bytes += capacity * FLOAT;
    drop(pool);
    Buffer::zeros(len)
}

/// Gives a buffer back.
pub fn give(buffer: Buffer) {
    let capacity = buffer.capacity();
    if capacity > 0 {
        let mut pool = lock();
        pool.statistics.idle_bytes += capacity * FLOAT;
        pool.idle.entry(capacity).or_default().push(buffer);
    }
}

/// Returns all idle memory to the system.
pub fn clear() {
    let mut pool = lock();
    pool.statistics.idle_bytes = 0;
    pool.idle.clear();
}

/// What the pool holds and has done so far.
pub fn statistics() -> Statistics {
    lock().statistics
}
