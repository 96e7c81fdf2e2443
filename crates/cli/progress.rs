//! What a run says while it goes: curves, speed and time left on a terminal, one plain line an epoch elsewhere.

mod curve;
mod dashboard;
mod screen;
mod ticker;

pub use screen::{above, clear};

use crate::failure::note;
use crate::grouping::{counted, say_alone};
use crate::labelled::announce;
use dashboard::{Dashboard, clock};
use data::{Split, SplitOrigin};
use screen::Lines;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ticker::Ticker;
use train::{Epoch, Event};

/// Without a terminal, work that takes longer than this says what it is,
const FIRST_LINE: Duration = Duration::from_secs(2);
/// and then so often how far it is.
const LINES: Duration = Duration::from_secs(30);
/// A terminal that has place for a line of a run: rows and columns.
const ONE_LINE: (u16, u16) = (1, 80);
/// On a terminal, a line is drawn anew so often, whether or not the work said something.
const REDRAWN: Duration = Duration::from_secs(1);

/// Follows a training run.
pub struct Progress {
    lines: Option<Lines>,
    epochs: u64,
    dashboard: Dashboard,
    /// When a line was written last, without a terminal.
    said: Instant,
    /// While there is no step to tell of.
    busy: Option<Counter>,
}

impl Progress {
    /// For a run of `epochs` epochs at most.
    pub fn new(epochs: u64) -> Self {
        Self { lines: None, epochs, dashboard: Dashboard::new(epochs), said: Instant::now(), busy: None }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event) {
        self.dashboard.observe(event);
        match event {
            Event::Checking { done: 0, images } => {
                self.busy = Some(Counter::new(*images));
                let images = count(*images, "image");
                note(format_args!("reading {images} once, to leave out those that cannot be read"));
            }
            Event::Checking { done, .. } => {
                if let Some(counter) = &self.busy {
                    counter.show(*done, "images checked");
                }
            }
            Event::Read { .. } => self.busy = None,
            Event::Started { dataset, origin, network, from, steps, images, unknown_contents, .. } => {
                self.busy = None;
                describe_data(dataset, *origin);
                if *unknown_contents {
                    note(
                        "this run was begun by an earlier version, which noted names and sizes of its files: those are the \
                         same; whether the files hold the same is not known",
                    );
                }
                let (parameters, width) = (network.total_parameters(), network.width);
                let [height, wide] = network.image_size;
                let channels = network.channels;
                note(format_args!(
                    "network: {}, width {width}, input {height}x{wide}x{channels}, {parameters} parameters",
                    network.arch
                ));
                let at = if *from > 0 { format!(", from step {from}") } else { String::new() };
                let (images, steps) = (count(*images, "image"), count(*steps as usize, "step"));
                note(format_args!("training: {images} an epoch, {steps} at most{at}"));
                note(
                    "of each epoch: loss in training and validation, accuracy, AUROC, images a second, time",
                );
                self.lines = Some(Lines::default());
            }
            Event::Initialised(head) => note(format_args!("--init: {head}")),
            Event::Step { .. } => {
                if let Some(lines) = &self.lines {
                    // What stands there when an epoch ends is seen until the validation is done.
                    lines.show(self.dashboard.is_validating(), |size| self.dashboard.text(size));
                }
                if !screen::is_terminal() && self.said.elapsed() >= LINES {
                    self.said = Instant::now();
                    note(self.dashboard.text(ONE_LINE));
                }
            }
            Event::Cached(usage) => note(format_args!("kept in memory for the next epochs: {usage}")),
            Event::Remarked(remarks) => remarks.lines().iter().for_each(note),
            Event::Epoch(epoch) => {
                self.said = Instant::now();
                self.epoch(epoch);
            }
            Event::StoppedEarly { best_epoch } => {
                self.lines = None;
                note(format_args!("stopped early: the weights of epoch {best_epoch} are the best"));
            }
            Event::Evaluating => {
                self.lines = None;
                self.busy = Some(Counter::busy("evaluating the best weights"));
            }
            _ => {}
        }
    }

    fn epoch(&self, row: &Epoch) {
        note(epoch_line(row, self.epochs));
    }
}

/// An epoch in a line of at most 80 columns: where that is too little, time and then accuracy are left to epochs.csv.
fn epoch_line(row: &Epoch, epochs: u64) -> String {
    const COLUMNS: usize = 80;
    let &Epoch {
        epoch, train_loss, val_loss, val_accuracy, val_auroc, seconds, images_per_second, best, ..
    } = row;
    let digits = epochs.to_string().len();
    let loss = |loss: f64| if loss < 100.0 { format!("{loss:.4}") } else { format!("{loss:.1e}") };
    let speed = match images_per_second {
        speed if speed < 10.0 => format!("{speed:.1}/s"),
        speed => format!("{speed:.0}/s"),
    };
    let parts = [
        format!("epoch {epoch:>digits$}/{epochs}"),
        format!("loss {}", loss(train_loss)),
        format!("val {}", loss(val_loss)),
        format!("acc {val_accuracy:.3}"),
        format!("AUROC {}", val_auroc.map_or("-".to_owned(), |auroc| format!("{auroc:.3}"))),
        speed,
        clock(Duration::try_from_secs_f64(seconds).ok()),
        if best { "best".to_owned() } else { String::new() },
    ];
    let with = |left_out: &[usize]| {
        let kept = parts.iter().enumerate().filter(|(i, part)| !left_out.contains(i) && !part.is_empty());
        kept.map(|(_, part)| part.as_str()).collect::<Vec<_>>().join("  ")
    };
    let lines = [with(&[]), with(&[6]), with(&[6, 3])];
    let [.., shortest] = &lines;
    lines.iter().find(|line| line.chars().count() <= COLUMNS).unwrap_or(shortest).clone()
}

/// `1 image`, `2 images`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn describe_data(dataset: &data::Dataset, origin: SplitOrigin) {
    let known = dataset.has_groups();
    let part = |split: Split| {
        let images = count(dataset.class_counts(split).iter().sum(), "image");
        let groups = counted(dataset, &dataset.part(split));
        if known { format!("{split} {images} ({groups})") } else { format!("{split} {images}") }
    };
    let parts = Split::ALL.map(part).join(", ");
    let how = match (origin, known) {
        (SplitOrigin::Given, true) => "given",
        (SplitOrigin::Given, false) => "given; no groups are known",
        (SplitOrigin::ValFromTrain, true) => "val set aside from train, by group",
        (SplitOrigin::ValFromTrain, false) => "val set aside from train by image: no groups are known",
        (SplitOrigin::Drawn, true) => "drawn by group",
        (SplitOrigin::Drawn, false) => "drawn by image: no groups are known",
    };
    note(format_args!("data: {}, classes {}", dataset.source.display(), model::list_names(&dataset.classes)));
    note(format_args!("splits ({how}): {parts}"));
    say_alone(dataset);
    let divided = dataset.divided_groups();
    if let [(group, splits), ..] = &divided[..] {
        let splits: Vec<String> = splits.iter().map(Split::to_string).collect();
        note(format_args!(
            "warning: groups that lie in more than one split: {} ({group} in {}); the result will look better than it is",
            divided.len(),
            splits.join(" and ")
        ));
    }
    announce(dataset);
}

/// What is said of work that a person waits for, until this is dropped: a line that changes on a terminal, a line now and
/// then elsewhere. It may be told from any thread how far the work is.
pub struct Counter {
    // Dropped first, so that nothing is drawn after the lines are cleared.
    _ticker: Ticker,
    _lines: Lines,
    state: Arc<Mutex<State>>,
}

/// What is being done, since when, and how much of it.
struct State {
    what: &'static str,
    since: Instant,
    done: usize,
    total: usize,
}

impl Counter {
    /// For `total` images.
    pub fn new(total: usize) -> Self {
        Self::of(State { what: "working", since: Instant::now(), done: 0, total })
    }

    /// For work that cannot tell how far it is.
    pub fn busy(what: &'static str) -> Self {
        Self::of(State { what, since: Instant::now(), done: 0, total: 0 })
    }

    fn of(state: State) -> Self {
        crate::interrupt::watch();
        let state = Arc::new(Mutex::new(state));
        let seen = state.clone();
        let ticker = if screen::is_terminal() {
            let redraw = move || screen::show(true, |(_, columns)| within(&lock(&seen).text(), columns));
            Ticker::new(REDRAWN, REDRAWN, redraw)
        } else {
            Ticker::new(FIRST_LINE, LINES, move || {
                let text = lock(&seen).text();
                note(text);
            })
        };
        Self { _ticker: ticker, _lines: Lines::default(), state }
    }

    /// Shows that something was done to so many images.
    pub fn show(&self, done: usize, what: &'static str) {
        let mut state = lock(&self.state);
        if state.what != what {
            (state.what, state.since, state.done) = (what, Instant::now(), 0);
        }
        state.done = state.done.max(done);
        let text = state.text();
        drop(state);
        screen::show(done == 0, |(_, columns)| within(&text, columns));
    }
}

impl State {
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

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As much of a line as a terminal of so many columns shows.
fn within(text: &str, columns: u16) -> String {
    text.chars().take(usize::from(columns).saturating_sub(1)).collect()
}

/// Seconds since `start`, for a line of words.
pub fn seconds(start: Instant) -> String {
    format!("{:.1} s", start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Epoch {
        Epoch {
            epoch: 7,
            train_loss: 0.6925,
            val_loss: 0.68,
            val_accuracy: 0.5,
            val_auroc: Some(0.4996),
            lr: 0.002,
            seconds: 12.3,
            images_per_second: 112.4,
            best: true,
        }
    }

    #[test]
    fn an_epoch_is_a_line_of_eighty_columns() {
        let line = epoch_line(&row(), 30);
        assert_eq!(line, "epoch  7/30  loss 0.6925  val 0.6800  acc 0.500  AUROC 0.500  112/s  0:12  best");
        assert!(line.len() <= 80);
        let plain = Epoch { best: false, val_auroc: None, images_per_second: 3.25, ..row() };
        assert_eq!(
            epoch_line(&plain, 100),
            "epoch   7/100  loss 0.6925  val 0.6800  acc 0.500  AUROC -  3.2/s  0:12"
        );
        for (epochs, loss, seconds, speed) in
            [(1000, 12.3456, 4000.0, 11_234.0), (1_000_000, 1e30, 1e6, 1e5), (5, f64::MAX, 0.0, 0.0)]
        {
            let large = Epoch {
                epoch: epochs,
                train_loss: loss,
                val_loss: loss,
                seconds,
                images_per_second: speed,
                ..row()
            };
            let line = epoch_line(&large, epochs);
            assert!(line.len() <= 80 && line.contains("AUROC 0.500") && line.ends_with("best"), "{line}");
        }
    }
}
