//! Work done ahead of its reader, by a few threads, in order and bounded.
//!
//! Threads take the next number, make its item and put it down; the reader picks items up in order. A thread may begin
//! number n only while n < taken + ahead, so what is being made and what is ready never exceed `ahead` items, however
//! slow one of them is. (A channel would not do: while the reader waits for a slow item it would have to drain all the
//! later ones.) These are not the threads of the tensor pool: they mostly sleep, and must not wait behind a convolution.
//!
//! Invariant: item n is `make(n)`, whatever the number of threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::Error;

struct State<T> {
    /// The number that the next free thread begins.
    begin: usize,
    /// The number that the reader takes next.
    take: usize,
    ready: BTreeMap<usize, Result<T, Error>>,
    threads: usize,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    cancelled: AtomicBool,
    end: usize,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The next number to make, once there is room for it; none at the end.
    fn begin(&self, ahead: usize) -> Option<usize> {
        let mut state = self.lock();
        while !self.is_cancelled() && state.begin < self.end {
            if state.begin < state.take + ahead {
                state.begin += 1;
                return Some(state.begin - 1);
            }
            state = self.wait(state);
        }
        None
    }
}

/// Counts a thread while it lives, also if it panics or never starts, so that the reader cannot wait for the dead.
struct Alive<T>(Arc<Shared<T>>);

impl<T> Drop for Alive<T> {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.changed.notify_all();
    }
}

/// The items `first..end`, in order; see [`read_ahead`].
pub(crate) struct ReadAhead<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

/// Begins making items `first..end` with `threads` threads, at most `ahead` before the reader.
///
/// `make(n, cancelled)` may give up with any error once `cancelled()`: nobody reads it.
pub(crate) fn read_ahead<T: Send + 'static>(
    (first, end): (usize, usize),
    threads: usize,
    ahead: usize,
    make: impl Fn(usize, &dyn Fn() -> bool) -> Result<T, Error> + Send + Sync + 'static,
) -> ReadAhead<T> {
    let (threads, ahead) = (threads.max(1), ahead.max(1));
    let state = State { begin: first, take: first, ready: BTreeMap::new(), threads };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        changed: Condvar::new(),
        cancelled: AtomicBool::new(false),
        end,
    });
    let make = Arc::new(make);
    let start = |_| {
        let (alive, make) = (Alive(shared.clone()), make.clone());
        let work = move || {
            let shared = &alive.0;
            while let Some(number) = shared.begin(ahead) {
                let item = make(number, &|| shared.is_cancelled());
                shared.lock().ready.insert(number, item);
                shared.changed.notify_all();
            }
        };
        thread::Builder::new().name("loader".into()).spawn(work).ok()
    };
    let threads = (0..threads).filter_map(start).collect();
    ReadAhead { shared, threads }
}

impl<T> Iterator for ReadAhead<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut state = self.shared.lock();
        let number = state.take;
        if number >= self.shared.end {
            return None;
        }
        let item = loop {
            if let Some(item) = state.ready.remove(&number) {
                break item;
            }
            if state.threads == 0 {
                break Err(Error::Worker(number));
            }
            state = self.shared.wait(state);
        };
        // After an error there is nothing more to read.
        state.take = if item.is_ok() { number + 1 } else { self.shared.end };
        drop(state);
        self.shared.changed.notify_all();
        Some(item)
    }
}

impl<T> Drop for ReadAhead<T> {
    fn drop(&mut self) {
        // Under the lock, so that no thread misses the call between its check and its sleep.
        let state = self.shared.lock();
        self.shared.cancelled.store(true, Ordering::Relaxed);
        drop(state);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // A panic was reported where it happened.
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[test]
    fn items_come_in_order_from_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let items = read_ahead((3, 200), threads, 4, |n, _| {
                if n % 7 == 0 {
                    thread::sleep(Duration::from_micros(200));
                }
                Ok(n)
            });
            assert_eq!(items.map(Result::unwrap).collect::<Vec<_>>(), (3..200).collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_more_than_ahead_is_made_before_it_is_read() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let mut items = read_ahead((0, 100), 3, 4, move |n, _| {
            if n == 0 {
                thread::sleep(Duration::from_millis(20));
            }
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(n)
        });
        for taken in 0..5 {
            while made.load(Ordering::SeqCst) < taken + 4 {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(5));
            assert_eq!(made.load(Ordering::SeqCst), taken + 4);
            assert_eq!(items.next().unwrap().unwrap(), taken);
        }
    }

    #[test]
    fn an_error_ends_the_items_and_dropping_ends_the_threads() {
        let mut items =
            read_ahead((0, 9), 2, 2, |n, _| if n == 2 { Err(Error::Split("x".into())) } else { Ok(n) });
        assert!(items.next().unwrap().is_ok() && items.next().unwrap().is_ok());
        assert!(items.next().unwrap().is_err());
        assert!(items.next().is_none());

        let endless = read_ahead((0, 9), 2, 2, |n, cancelled| {
            while !cancelled() {
                thread::yield_now();
            }
            Ok(n)
        });
        drop(endless);
    }

    #[test]
    fn a_dead_thread_is_an_error() {
        let mut items: ReadAhead<usize> =
            read_ahead((0, 3), 1, 1, |_, _| std::panic::resume_unwind(Box::new("")));
        assert!(matches!(items.next(), Some(Err(Error::Worker(0)))));
        assert!(items.next().is_none());
    }
}
