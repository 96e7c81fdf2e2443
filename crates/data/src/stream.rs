//! Work done ahead of its reader, in order and bounded, for items whose number nobody need know.
//!
//! One thread draws items from their source, which may wait for a person who types; a few others work on them. For each
//! item the drawing thread puts down a place for its result: the places form the queue, so results come in order, and
//! as a queue has a bound, memory does not grow with the number of items, however slow one of them is. These are not the
//! threads of the tensor pool: they mostly sleep, and must not wait behind a convolution. They are not joined, as one that
//! waits for stdin can only be left behind; without a reader they end with what they have begun.
//!
//! Invariant: the n-th result is `work` of the n-th item, or `None` if `work` panicked, whatever the number of threads; and
//! beside the result that the reader has or waits for, at most `ahead` are made or being made.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Results in the order of their items.
pub struct Stream<T> {
    places: Receiver<Receiver<T>>,
}

impl<T: Send + 'static> Stream<T> {
    /// Works on the items that `source` gives with `threads` threads, at most `ahead` (and at least one) beyond the reader.
    ///
    /// # Errors
    /// When a thread cannot start.
    pub fn new<I, S>(
        source: impl FnOnce() -> S + Send + 'static,
        threads: usize,
        ahead: usize,
        work: impl Fn(I) -> T + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        I: Send + 'static,
        S: Iterator<Item = I>,
    {
        let (tasks, queue) = sync_channel::<(I, SyncSender<T>)>(0);
        let (queue, work) = (Arc::new(Mutex::new(queue)), Arc::new(work));
        for _ in 0..threads.max(1) {
            let (queue, work) = (queue.clone(), work.clone());
            let next = move || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let run = move || {
                while let Ok((item, place)) = next() {
                    let _ = place.send(work(item)); // The reader may have left.
                }
            };
            thread::Builder::new().name("decoder".into()).spawn(run)?;
        }
        let (sender, places) = sync_channel(ahead.max(1));
        let draw = move || {
            for item in source() {
                let (place, result) = sync_channel(1);
                // A reader that left, or workers that all panicked: then each place stays empty, which is a result too.
                if sender.send(result).is_err() {
                    break;
                }
                let _ = tasks.send((item, place));
            }
        };
        thread::Builder::new().name("source".into()).spawn(draw)?;
        Ok(Self { places })
    }

    /// The next results, at least one and at most `most`: as many as there are, and those that are being worked on.
    /// Does not wait for the source to give more than one item. Empty at the end.
    pub fn batch(&self, most: usize) -> Vec<Option<T>> {
        let Ok(first) = self.places.recv() else { return vec![] };
        let mut batch = vec![first.recv().ok()];
        while batch.len() < most {
            match self.places.try_recv() {
                Ok(place) => batch.push(place.recv().ok()),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn results_come_in_order_and_batches_fill() {
        for threads in [1, 3] {
            let slow = |n: usize| {
                if n.is_multiple_of(7) {
                    thread::sleep(Duration::from_micros(500));
                }
                n * n
            };
            let stream = Stream::new(|| 0..200, threads, 16, slow).unwrap();
            let mut all = vec![];
            loop {
                let batch = stream.batch(8);
                if batch.is_empty() {
                    break;
                }
                assert!(batch.len() <= 8);
                all.extend(batch);
            }
            assert_eq!(all, (0..200).map(|n| Some(n * n)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_source_is_not_drained_before_the_reader_reads() {
        static DRAWN: AtomicUsize = AtomicUsize::new(0);
        let count = |_: &i32| {
            DRAWN.fetch_add(1, Ordering::SeqCst);
        };
        let source = move || (0..1000).inspect(count);
        let stream = Stream::new(source, 2, 4, |n| n).unwrap();
        assert_eq!(stream.batch(1), [Some(0)]);
        thread::sleep(Duration::from_millis(30));
        let drawn = DRAWN.load(Ordering::SeqCst);
        assert!((2..=8).contains(&drawn), "{drawn} of 1000");
    }

    #[test]
    fn no_more_than_ahead_is_made_before_it_is_read() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let work = |n: usize| {
            if n == 0 {
                thread::sleep(Duration::from_millis(20));
            }
            MADE.fetch_add(1, Ordering::SeqCst);
            n
        };
        let stream = Stream::new(|| 0..100, 3, 4, work).unwrap();
        for taken in 0..5 {
            while MADE.load(Ordering::SeqCst) < taken + 4 {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(5));
            assert_eq!(MADE.load(Ordering::SeqCst), taken + 4);
            assert_eq!(stream.batch(1), [Some(taken)]);
        }
    }

    #[test]
    fn a_result_does_not_wait_for_the_next_item() {
        let (typed, line) = std::sync::mpsc::channel();
        let stream = Stream::new(|| line.into_iter(), 2, 8, |n: i32| n).unwrap();
        typed.send(1).unwrap();
        assert_eq!(stream.batch(8), [Some(1)], "while the source waits");
        typed.send(2).unwrap();
        drop(typed);
        assert_eq!(stream.batch(8), [Some(2)]);
        assert!(stream.batch(8).is_empty());
    }

    #[test]
    fn a_panic_is_a_missing_result() {
        let work = |n| match n {
            1 => std::panic::resume_unwind(Box::new("as it should")),
            n => n,
        };
        let stream = Stream::new(|| 0..3, 1, 8, work).unwrap();
        let all: Vec<_> = (0..3).flat_map(|_| stream.batch(1)).collect();
        assert_eq!(all, [Some(0), None, None]);
    }
}
