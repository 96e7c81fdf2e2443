//! The only file that names rayon: tiles in, results out, in order.
//!
//! Invariant: what a tile computes depends on its index and its inputs only, and results come back in tile order, so a
//! caller that merges them in that order gets the same bits for any number of threads.

use rayon::prelude::*;

/// Sets the number of threads for the whole process; 0 means one a core. Call it once, before any parallel work;
/// returns false if the pool was already running (and stays as it is).
pub fn set_threads(threads: usize) -> bool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().is_ok()
}

/// The number of threads that parallel work uses.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Runs `f` with exactly `threads` threads, for tests and benches that compare thread counts in one process.
pub fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("a thread pool of a given size starts").install(f)
}

/// Runs `f` on a thread of the pool, from where parallel work starts without a queue between threads; nothing is
/// allocated for a call that is on such a thread already.
pub fn install<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    if threads() == 1 { f() } else { rayon::scope(|_| f()) }
}

/// Runs `f` once on every thread: the pool's, and this one if it is not of the pool.
pub fn on_every_thread(f: impl Fn() + Sync) {
    rayon::broadcast(|_| f());
    if rayon::current_thread_index().is_none() {
        f();
    }
}

/// `f(i)` for `i` in `0..n`; the results in order.
pub fn map<R: Send>(n: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    (0..n).into_par_iter().with_max_len(1).map(f).collect()
}

/// `f(task)` for every task; the results in order. A task may own `&mut` pieces of an output.
pub fn run<T: Send, R: Send>(tasks: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    tasks.into_par_iter().with_max_len(1).map(f).collect()
}

/// `f(i, piece)` for every piece of `len` elements (the last may be shorter).
pub fn chunks_mut<T: Send>(data: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    data.par_chunks_mut(len.max(1)).enumerate().with_max_len(1).for_each(|(i, piece)| f(i, piece));
}

/// `f(i, a_piece, b_piece)` over two slices cut into the same number of pieces.
pub fn chunks_mut2<T: Send, U: Send>(
    (a, a_len): (&mut [T], usize),
    (b, b_len): (&mut [U], usize),
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
) {
    let pieces = a.par_chunks_mut(a_len.max(1)).zip(b.par_chunks_mut(b_len.max(1)));
    pieces.enumerate().with_max_len(1).for_each(|(i, (a, b))| f(i, a, b));
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_order() {
        let want: Vec<usize> = (0..1000).map(|i| i * i).collect();
        for threads in [1, 3] {
            assert_eq!(super::with_threads(threads, || super::map(1000, |i| i * i)), want);
        }
    }
}
