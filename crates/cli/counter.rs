//! What is said of work that a person waits for.

mod ticker;

use crate::figures::clock;
use crate::interrupt;
use crate::terminal::{self, Lines, is_terminal, note, within};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ticker::Ticker;

/// Without a terminal, work that takes longer than this says what it is,
const FIRST_LINE: Duration = Duration::from_secs(2);
/// and then so often how far it is.
pub const LINES: Duration = Duration::from_secs(30);
/// On a terminal, a line is drawn anew so often, whether or not the work said something.
const REDRAWN: Duration = Duration::from_secs(1);

/// Says how far work is until this is dropped: a line that changes on a terminal, a line now and then elsewhere. It may
/// be told from any thread.
pub struct Counter {
    // Dropped first, so that nothing is drawn after the lines are cleared.
    _ticker: Ticker,
    _lines: Lines,
    work: Arc<Mutex<Work>>,
}

/// What is being done, since when, and how much of it.
struct Work {
    what: &'static str,
    since: Instant,
    done: usize,
    total: usize,
}

impl Counter {
    /// For `total` images.
    pub fn new(total: usize) -> Self {
        Self::of(Work { what: "working", since: Instant::now(), done: 0, total })
    }

    /// For work that cannot tell how far it is.
    pub fn busy(what: &'static str) -> Self {
        Self::of(Work { what, since: Instant::now(), done: 0, total: 0 })
    }

    fn of(work: Work) -> Self {
        interrupt::watch();
        let work = Arc::new(Mutex::new(work));
        let seen = work.clone();
        let text = move || lock(&seen).text();
        let ticker = match is_terminal() {
            true => Ticker::new(REDRAWN, REDRAWN, move || terminal::show(true, |size| within(&text(), size))),
            false => Ticker::new(FIRST_LINE, LINES, move || note(text())),
        };
        Self { _ticker: ticker, _lines: Lines::default(), work }
    }

    /// Shows that something was done to so many images.
    pub fn show(&self, done: usize, what: &'static str) {
        let mut work = lock(&self.work);
        if work.what != what {
            (work.what, work.since, work.done) = (what, Instant::now(), 0);
        }
        work.done = work.done.max(done);
        let text = work.text();
        drop(work);
        terminal::show(done == 0, |size| within(&text, size));
    }
}

impl Work {
    fn text(&self) -> String {
        let &Self { what, since, done, total } = self;
        let passed = clock(Some(since.elapsed()));
        match (done, total) {
            (0, 0) => format!("{what}: {passed} so far"),
            (done, 0) => format!("{done} {what}, {passed} so far"),
            (0, total) => format!("{what}, of {total}: {passed} so far"),
            (done, total) => {
                let left = since.elapsed().mul_f64((total - done.min(total)) as f64 / done as f64);
                format!("{done} of {total} {what}, {} left", clock(Some(left)))
            }
        }
    }
}

fn lock(work: &Mutex<Work>) -> MutexGuard<'_, Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}
