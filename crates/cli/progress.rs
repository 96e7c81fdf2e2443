//! What a run says while it goes: curves, speed and time left on a terminal, one plain line an epoch elsewhere.

mod curve;
mod dashboard;
mod screen;

pub use screen::{above, clear};

use crate::failure::note;
use crate::labelled::announce;
use dashboard::{Dashboard, clock};
use data::{Split, SplitOrigin};
use screen::Lines;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use train::{Epoch, Event};

/// Follows a training run.
pub struct Progress {
    lines: Option<Lines>,
    epochs: u64,
    dashboard: Dashboard,
}

impl Progress {
    /// For a run of `epochs` epochs at most.
    pub fn new(epochs: u64) -> Self {
        Self { lines: None, epochs, dashboard: Dashboard::new(epochs) }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event) {
        self.dashboard.observe(event);
        match event {
            Event::Checking { images } => {
                note(format_args!("reading {images} images once, to leave out those that cannot be read"));
            }
            Event::Started { dataset, origin, network, from, steps, images, .. } => {
                describe_data(dataset, *origin);
                let (parameters, width) = (network.total_parameters(), network.width);
                let [height, wide] = network.image_size;
                let channels = network.channels;
                note(format_args!(
                    "network: {}, width {width}, input {height}x{wide}x{channels}, {parameters} parameters",
                    network.arch
                ));
                let at = if *from > 0 { format!(", from step {from}") } else { String::new() };
                note(format_args!("training: {images} images an epoch, {steps} steps at most{at}"));
                self.lines = Some(Lines::default());
            }
            Event::Step { .. } => {
                if let Some(lines) = &self.lines {
                    // What stands there when an epoch ends is seen until the validation is done.
                    lines.show(self.dashboard.is_validating(), |size| self.dashboard.text(size));
                }
            }
            Event::Cached(usage) => note(format_args!("kept in memory for the next epochs: {usage}")),
            Event::Epoch(epoch) => self.epoch(epoch),
            Event::StoppedEarly { best_epoch } => {
                self.lines = None;
                note(format_args!("stopped early: the weights of epoch {best_epoch} are the best"));
            }
            Event::Evaluating => self.lines = None,
            _ => {}
        }
    }

    fn epoch(&self, row: &Epoch) {
        let &Epoch { epoch, train_loss, val_loss, val_accuracy, val_auroc, seconds, best, .. } = row;
        let auroc = val_auroc.map_or("-".to_owned(), |auroc| format!("{auroc:.3}"));
        let mark = if best { "  best" } else { "" };
        let (epochs, speed) = (self.epochs, self.dashboard.images_per_second());
        note(format_args!(
            "epoch {epoch:>3}/{epochs}  loss {train_loss:.4}  val loss {val_loss:.4}  accuracy {val_accuracy:.3}  \
             AUROC {auroc}  {seconds:.1} s  {speed:.1} images/s{mark}"
        ));
    }
}

fn describe_data(dataset: &data::Dataset, origin: SplitOrigin) {
    let part = |split: Split| {
        let images = dataset.class_counts(split).iter().sum::<usize>();
        format!("{split} {images} images ({} groups)", dataset.group_count(split))
    };
    let parts = Split::ALL.map(part).join(", ");
    let how = match origin {
        SplitOrigin::Given => "given",
        SplitOrigin::ValFromTrain => "val set aside from train, by group",
        SplitOrigin::Drawn => "drawn by group",
    };
    note(format_args!("data: {}, classes {}", dataset.source.display(), dataset.classes.join(", ")));
    note(format_args!("splits ({how}): {parts}"));
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

/// Counts images on a terminal, from any thread, until it is dropped.
pub struct Counter {
    lines: Lines,
    total: usize,
    /// What is being done, and since when.
    stage: Mutex<(&'static str, Instant)>,
}

impl Counter {
    /// For `total` images.
    pub fn new(total: usize) -> Self {
        crate::interrupt::watch();
        Self { lines: Lines::default(), total, stage: Mutex::new(("", Instant::now())) }
    }

    /// Shows that something was done to so many images.
    pub fn show(&self, done: usize, what: &'static str) {
        let since = {
            let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            if stage.0 != what {
                *stage = (what, Instant::now());
            }
            stage.1
        };
        self.lines.show(done == 0, |(_, columns)| {
            let total = self.total;
            let left = since.elapsed().mul_f64((total - done.min(total)) as f64 / done.max(1) as f64);
            let left = clock((done > 0).then_some(left));
            let text = format!("{done} of {total} {what}, {left} left");
            text.chars().take(usize::from(columns).saturating_sub(1)).collect()
        });
    }
}

/// Seconds since `start`, for a line of words.
pub fn seconds(start: Instant) -> String {
    format!("{:.1} s", start.elapsed().as_secs_f64())
}
