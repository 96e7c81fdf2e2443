//! What a run says while it goes: curves, speed and time left on a terminal, one plain line an epoch elsewhere.
//!
//! Invariant: one bar at most is on the screen, and whatever is said goes above it, from any thread. The cursor is never
//! hidden, so nothing needs to be restored when a run is cut off.

mod curve;
mod dashboard;

use crate::failure::note;
use console::Term;
use dashboard::Dashboard;
use data::{Split, SplitOrigin};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use train::{Epoch, Event};

/// The bar that was made last; it may be gone.
static ON_SCREEN: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Follows a training run.
pub struct Progress {
    bar: ProgressBar,
    epochs: u64,
    dashboard: Dashboard,
}

/// A bar that is drawn on a terminal only. Templates are indicatif's.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    // A dumb terminal cannot go back to a line to draw it anew.
    let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let target = if able && std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(length), target).with_style(style);
    *ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
    bar
}

/// Lets `write` write above the bar, if there is one.
pub fn above(write: impl FnOnce()) {
    let bar =
        ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(WeakProgressBar::upgrade);
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

impl Progress {
    /// For a run of `epochs` epochs at most.
    pub fn new(epochs: u64) -> Self {
        Self { bar: ProgressBar::hidden(), epochs, dashboard: Dashboard::new(epochs) }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event) {
        self.dashboard.observe(event);
        match event {
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
                self.bar = bar(*steps, "{msg}");
            }
            Event::Step { .. } if !self.bar.is_hidden() => {
                self.bar.set_message(self.dashboard.text(Term::stderr().size()));
                if self.dashboard.is_validating() {
                    self.bar.force_draw(); // This is seen until the validation is done.
                }
            }
            Event::Cached(usage) => note(format_args!("kept in memory for the next epochs: {usage}")),
            Event::Epoch(epoch) => self.epoch(epoch),
            Event::StoppedEarly { best_epoch } => {
                self.bar.finish_and_clear();
                note(format_args!("stopped early: the weights of epoch {best_epoch} are the best"));
            }
            Event::Evaluating => self.bar.finish_and_clear(),
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
    if dataset.skipped > 0 {
        note(format_args!("{} other files in the folder were passed over", dataset.skipped));
    }
}

/// Counts images that are being made, from any thread.
pub fn images(total: usize, what: &str) -> ProgressBar {
    let bar = bar(total as u64, "{bar:30} {pos}/{len} {msg}, {eta} left");
    bar.set_message(what.to_owned());
    bar
}

/// Seconds since `start`, for a line of words.
pub fn seconds(start: Instant) -> String {
    format!("{:.1} s", start.elapsed().as_secs_f64())
}
