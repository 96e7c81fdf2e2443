//! What a run says while it goes: a bar with speed and time left on a terminal, one plain line an epoch elsewhere.

use crate::failure::note;
use data::{Split, SplitOrigin};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Instant;
use train::{Epoch, Event};

/// Follows a training run.
pub struct Progress {
    bar: ProgressBar,
    epochs: u64,
    best: Option<f64>,
    images_per_second: f64,
}

/// A bar that is drawn on a terminal only. Templates are indicatif's.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(length), target).with_style(style)
}

impl Progress {
    /// For a run of `epochs` epochs at most.
    pub fn new(epochs: u64) -> Self {
        Self { bar: ProgressBar::hidden(), epochs, best: None, images_per_second: 0.0 }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Started { dataset, origin, network, from, steps, images } => {
                describe_data(dataset, *origin);
                let (parameters, width) = (network.total_parameters(), network.width);
                let [height, wide] = network.image_size;
                let channels = network.channels;
                self.say(&format!(
                    "network: {}, width {width}, input {height}x{wide}x{channels}, {parameters} parameters",
                    network.arch
                ));
                let at = if *from > 0 { format!(", from step {from}") } else { String::new() };
                self.say(&format!("training: {images} images an epoch, {steps} steps at most{at}"));
                self.bar = bar(*steps, "{bar:20} {pos}/{len}, {eta} left, {wide_msg}");
                self.bar.set_position(*from);
                self.bar.reset_eta();
            }
            Event::Step { step, epoch, loss, images_per_second } => {
                // Smoothed over some ten steps, so that the figure can be read.
                let share = if self.images_per_second == 0.0 { 1.0 } else { 0.1 };
                self.images_per_second += share * (images_per_second - self.images_per_second);
                let best = self.best.map_or(String::new(), |best| format!(", best val loss {best:.4}"));
                let (epochs, speed) = (self.epochs, self.images_per_second);
                let message = format!("loss {loss:.4}, {speed:.0} images/s, epoch {epoch}/{epochs}{best}");
                self.bar.set_message(message);
                self.bar.set_position(*step);
            }
            Event::Cached(usage) => self.say(&format!("kept in memory for the next epochs: {usage}")),
            Event::Epoch(epoch) => self.epoch(epoch),
            Event::StoppedEarly { best_epoch } => {
                self.bar.finish_and_clear();
                self.say(&format!("stopped early: the weights of epoch {best_epoch} are the best"));
            }
            Event::Evaluating => self.bar.finish_and_clear(),
            _ => {}
        }
    }

    fn epoch(&mut self, row: &Epoch) {
        let &Epoch { epoch, train_loss, val_loss, val_accuracy, val_auroc, seconds, best, .. } = row;
        if best {
            self.best = Some(val_loss);
        }
        let auroc = val_auroc.map_or("-".to_owned(), |auroc| format!("{auroc:.3}"));
        let mark = if best { "  best" } else { "" };
        let (epochs, speed) = (self.epochs, self.images_per_second);
        self.say(&format!(
            "epoch {epoch:>3}/{epochs}  loss {train_loss:.4}  val loss {val_loss:.4}  accuracy {val_accuracy:.3}  \
             AUROC {auroc}  {seconds:.1} s  {speed:.1} images/s{mark}"
        ));
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| note(line));
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
