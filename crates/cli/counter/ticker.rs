//! Something that is said again and again while work goes on, whether or not the work tells how far it is.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Ticks until it is dropped.
pub struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Calls `tick` after `first`, and then every `interval`. A system that has no thread to spare is no reason to
    /// stop.
    pub fn new(first: Duration, interval: Duration, tick: impl Fn() + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            let mut wait = first;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(wait) {
                tick();
                wait = interval;
            }
        };
        let thread = thread::Builder::new().name("ticker".into()).spawn(run).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn it_ticks_until_it_is_dropped() {
        let count = Arc::new(AtomicUsize::new(0));
        let ticker = |first, every| {
            let count = count.clone();
            let tick = move || {
                count.fetch_add(1, Ordering::Relaxed);
            };
            Ticker::new(Duration::from_millis(first), Duration::from_millis(every), tick)
        };
        let fast = ticker(1, 1);
        while count.load(Ordering::Relaxed) < 3 {
            thread::yield_now();
        }
        drop(fast);
        let ticked = count.load(Ordering::Relaxed);
        // What is over before the first tick says nothing, and does not wait for it.
        drop(ticker(3_600_000, 1));
        assert_eq!(count.load(Ordering::Relaxed), ticked);
    }
}
