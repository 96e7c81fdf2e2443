//! The only file that names rayon: tiles in, results out, in order.
//!
//! Invariant: what a tile computes depends on its index and its inputs only, and results come back in tile order, so a
//! caller that merges them in that order gets the same bits for any number of threads.
//!
//! Work comes to rayon as `dyn Fn`, and tasks and results lie in slots, which a tile does not notice: its splitting and
//! stealing is then compiled once for all of them (and once for a kind of piece), and not for every caller.

use rayon::prelude::*;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Sets the number of threads for the whole process; 0 means one a core. Call it once, before any parallel work; where threads
/// run already, they stay as they are.
///
/// # Errors
/// When a thread cannot start.
pub fn set_threads(threads: usize) -> io::Result<()> {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        // Its other errors have no source.
        Err(error) if std::error::Error::source(&error).is_some() => Err(io::Error::other(error)),
        _ => Ok(()),
    }
}

/// The number of threads that parallel work uses.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// The process in which threads were first asked for.
static BEGUN: LazyLock<u32> = LazyLock::new(std::process::id);

/// Runs `f` with the threads of the process; in a child that was forked from it, which has none of them and would wait for
/// them for ever, with as many of its own. A library that others may fork calls [`note_process`] first.
pub fn in_this_process<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    if std::process::id() == *BEGUN { f() } else { of_this_process(threads()).install(f) }
}

/// So many threads of this process, which was forked: they are made once, and never dropped, for a child of it could not
/// wait for their end.
fn of_this_process(threads: usize) -> &'static Pool {
    static OWN: Mutex<Vec<(u32, usize, &'static Pool)>> = Mutex::new(vec![]);
    let process = std::process::id();
    let own = || OWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = own().iter().find(|(of, count, _)| (*of, *count) == (process, threads)).map(|found| found.2);
    known.unwrap_or_else(|| {
        let pool = Pool::new(threads).expect("a forked process may start threads");
        let pool: &'static Pool = Box::leak(Box::new(pool));
        own().push((process, threads, pool));
        pool
    })
}

/// Notes that this process is the one whose threads are used: see [`in_this_process`].
pub fn note_process() {
    LazyLock::force(&BEGUN);
}

/// Threads beside those of the process, for a program that links this one and says how many each of its models may have. They
/// have ended when it is dropped.
pub struct Pool {
    pool: Option<rayon::ThreadPool>,
    threads: Vec<JoinHandle<()>>,
    /// Which has them: a child that was forked has not.
    process: u32,
    count: usize,
}

impl Pool {
    /// So many threads; 0 means one a core.
    ///
    /// # Errors
    /// When a thread cannot start.
    pub fn new(threads: usize) -> io::Result<Self> {
        let mut started = vec![];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).spawn_handler(|thread| {
            started.push(thread::Builder::new().name("vertebra".into()).spawn(|| thread.run())?);
            Ok(())
        });
        let pool = pool.build().map_err(io::Error::other)?;
        let count = pool.current_num_threads();
        Ok(Self { pool: Some(pool), threads: started, process: std::process::id(), count })
    }

    /// Runs `f` on one of its threads, with the others for parallel work; in a child that was forked, with as many of the
    /// child.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        if self.process != std::process::id() {
            return of_this_process(self.count).install(f);
        }
        self.pool.as_ref().expect("it is there until it is dropped").install(f)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget((self.pool.take(), std::mem::take(&mut self.threads)));
            return;
        }
        self.pool = None;
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// Runs `f` with exactly `threads` threads, for tests and benches that compare thread counts in one process.
pub fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("a thread pool of a given size starts").install(f)
}

/// Runs `f` on a thread of the pool, from where parallel work starts without a queue between threads; nothing is
/// allocated for a call that is on such a thread already.
pub fn install<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    if threads() == 1 {
        return f();
    }
    let (mut f, mut result) = (Some(f), None);
    in_pool(&mut || result = f.take().map(|f| f()));
    result.expect("work that was installed has run")
}

fn in_pool(f: &mut (dyn FnMut() + Send)) {
    rayon::scope(|_| f());
}

/// As [`install`], while the pool's other threads look for the parallel work of `f` without a pause. By itself the pool
/// lets a thread sleep after some microseconds, and waking it takes longer than a small piece of work does; so this is
/// for `f` of many short pieces that together take milliseconds. One call at a time has the effect, others just run.
pub fn install_awake<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let helpers = threads() - 1;
    if helpers == 0 || TAKEN.swap(true, Ordering::Acquire) {
        return install(f);
    }
    let _free = OnDrop(|| TAKEN.store(false, Ordering::Release));
    let (mut f, mut result) = (Some(f), None);
    in_pool(&mut || {
        let watch = Watch {
            owner: rayon::current_thread_index(),
            helpers,
            awake: AtomicUsize::new(0),
            done: AtomicBool::new(false),
        };
        watch.call_with(helpers, &mut || result = f.take().map(|f| f()));
    });
    result.expect("work that was installed has run")
}

/// The helpers of one [`install_awake`].
struct Watch {
    /// The thread that runs the work.
    owner: Option<usize>,
    helpers: usize,
    awake: AtomicUsize,
    done: AtomicBool,
}

impl Watch {
    /// Calls `f` beside `helpers` threads that stay awake. Everything is on the stack: nothing is allocated.
    fn call_with(&self, helpers: usize, f: &mut (dyn FnMut() + Send)) {
        if helpers > 0 {
            rayon::join(|| self.call_with(helpers - 1, f), || self.stay_awake());
            return;
        }
        let _done = OnDrop(|| self.done.store(true, Ordering::Release));
        f()
    }

    /// Works for the pool until the work is done. At once over on the owner, which would wait for itself.
    fn stay_awake(&self) {
        const SPINS: usize = 256;
        if rayon::current_thread_index() == self.owner {
            return;
        }
        let done = || self.done.load(Ordering::Acquire);
        // First to come leaves the others a moment to take their places, which it would otherwise take itself.
        self.awake.fetch_add(1, Ordering::Relaxed);
        for _ in 0..16 * SPINS {
            if done() || self.awake.load(Ordering::Relaxed) >= self.helpers {
                break;
            }
            std::hint::spin_loop();
        }
        let mut idle = 0;
        while !done() {
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                idle = 0;
            } else if idle < SPINS {
                idle += 1;
                std::hint::spin_loop();
            } else {
                idle = 0;
                std::thread::yield_now();
            }
        }
    }
}

/// Calls a function when it goes out of scope, also where a panic passes.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Runs `f` once on every thread that works for an [`install`] from here: the pool's, or this one alone.
pub fn on_every_thread(f: impl Fn() + Sync) {
    if threads() == 1 {
        f();
    } else {
        rayon::broadcast(|_| f());
    }
}

/// `f(i)` for `i` in `0..n`; the results in order.
pub fn map<R: Send>(n: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    fn map<R: Send>(n: usize, f: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
        let results: Vec<Slot<R>> = (0..n).map(|_| Slot::new(None)).collect();
        for_each(n, &|i| results[i].put(f(i)));
        results.into_iter().map(|result| result.take()).collect()
    }
    map(n, &f)
}

/// `f(task)` for every task; the results in order. A task may own `&mut` pieces of an output.
pub fn run<T: Send, R: Send>(tasks: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    let tasks: Vec<Slot<T>> = tasks.into_iter().map(|task| Slot::new(Some(task))).collect();
    map(tasks.len(), |i| f(tasks[i].take()))
}

/// Where a task waits for its thread, or a result for the caller.
struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    fn new(content: Option<T>) -> Self {
        Self(Mutex::new(content))
    }

    fn put(&self, content: T) {
        *self.lock() = Some(content);
    }

    fn take(&self) -> T {
        self.lock().take().expect("each tile runs once")
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().expect("no tile runs under the lock")
    }
}

/// `f(i)` for `i` in `0..n`.
fn for_each(n: usize, f: &(dyn Fn(usize) + Sync)) {
    (0..n).into_par_iter().with_max_len(1).for_each(f);
}

/// `f(i, piece)` for every piece of `len` elements (the last may be shorter).
pub fn chunks_mut<T: Send>(data: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    fn chunks<T: Send>(data: &mut [T], len: usize, f: &(dyn Fn(usize, &mut [T]) + Sync + Send)) {
        data.par_chunks_mut(len.max(1)).enumerate().with_max_len(1).for_each(|(i, piece)| f(i, piece));
    }
    chunks(data, len, &f);
}

/// `f(i, a_piece, b_piece)` over two slices cut into the same number of pieces.
pub fn chunks_mut2<T: Send, U: Send>(
    (a, a_len): (&mut [T], usize),
    (b, b_len): (&mut [U], usize),
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
) {
    type Work<'f, T, U> = &'f (dyn Fn(usize, &mut [T], &mut [U]) + Sync + Send);
    fn chunks<T: Send, U: Send>(a: (&mut [T], usize), b: (&mut [U], usize), f: Work<T, U>) {
        let pieces = a.0.par_chunks_mut(a.1.max(1)).zip(b.0.par_chunks_mut(b.1.max(1)));
        pieces.enumerate().with_max_len(1).for_each(|(i, (a, b))| f(i, a, b));
    }
    chunks((a, a_len), (b, b_len), &f);
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

    #[test]
    fn a_pool_has_its_threads_until_it_is_dropped() {
        use std::{cell::RefCell, sync::Arc};
        thread_local!(static HELD: RefCell<Option<Arc<()>>> = const { RefCell::new(None) });
        let held = Arc::new(());
        for threads in [1, 3] {
            let pool = super::Pool::new(threads).unwrap();
            assert_eq!(pool.install(super::threads), threads);
            pool.install(|| super::on_every_thread(|| HELD.set(Some(held.clone()))));
            assert_eq!(Arc::strong_count(&held), 1 + threads);
            drop(pool);
            assert_eq!(Arc::strong_count(&held), 1, "what a thread holds goes when it ends");
        }
    }

    #[test]
    fn awake_threads_change_nothing_and_go_when_the_work_ends_or_panics() {
        let squares = || super::map(100, |i| i * i);
        for threads in [1, 2, 4] {
            super::with_threads(threads, || {
                let nested = || (squares(), super::install_awake(squares));
                assert_eq!(super::install_awake(nested), (squares(), squares()));
                let panics = || super::install_awake(|| -> usize { panic!("as it should") });
                assert!(std::panic::catch_unwind(panics).is_err());
                assert_eq!(super::install_awake(squares), squares());
            });
        }
    }
}
