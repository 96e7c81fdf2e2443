//! What a run says while it goes: curves, speed and time left on a terminal, one plain line an epoch elsewhere.

mod dashboard;
mod loss_curve;

use crate::counter::{Counter, LINES};
use crate::dataset::describe;
use crate::figures::{clock, count, number};
use crate::terminal::{self, Lines, note};
use dashboard::Dashboard;
use std::time::{Duration, Instant};
use train::{Epoch, Event};

/// A terminal that has place for a line of a run: rows and columns.
const ONE_LINE: (u16, u16) = (1, 80);

/// Follows a training run.
pub struct Progress {
    lines: Option<Lines>,
    epochs: u64,
    /// Whether the run is a fold's.
    of_fold: bool,
    dashboard: Dashboard,
    /// When a line was written last, without a terminal.
    said: Instant,
    /// While there is no step to tell of.
    busy: Option<Counter>,
}

impl Progress {
    /// For a run of `epochs` epochs at most.
    pub fn new(epochs: u64) -> Self {
        let (dashboard, said) = (Dashboard::new(epochs), Instant::now());
        Self { lines: None, epochs, of_fold: false, dashboard, said, busy: None }
    }

    /// The same of a fold.
    pub fn of_fold(epochs: u64) -> Self {
        Self { of_fold: true, ..Self::new(epochs) }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event) {
        self.dashboard.observe(event);
        match event {
            Event::Checking { done: 0, images } => {
                self.busy = Some(Counter::new(*images));
                let images = count(*images, "image");
                note!("reading {images} once, to find those that cannot be read");
            }
            Event::Checking { done, .. } => {
                if let Some(counter) = &self.busy {
                    counter.show(*done, "images checked");
                }
            }
            Event::Read { .. } => self.busy = None,
            Event::Features { done: 0, images } => {
                self.lines = None;
                self.busy = Some(Counter::new(*images));
                let images = count(*images, "image");
                note!("--freeze: computing the features of {images}, once");
            }
            Event::Features { done, images } => {
                if let Some(counter) = &self.busy {
                    counter.show(*done, "images");
                }
                if done == images {
                    self.show_steps();
                }
            }
            Event::RangeTest { step, steps } => {
                if *step == 1 {
                    self.lines = None;
                    self.busy = Some(Counter::new(*steps));
                    note!("--lr auto: a range test of at most {steps} steps");
                }
                if let Some(counter) = &self.busy {
                    counter.show(*step, "steps");
                }
            }
            Event::RateFound { lr, steps, is_default } => {
                self.show_steps();
                match is_default {
                    false => note!("--lr auto: {lr}, found in {} (lr-range.csv)", count(*steps, "step")),
                    true => note!(
                        "warning: --lr auto: no rate lowered the loss in {}, so the default is taken: {lr}",
                        count(*steps, "step")
                    ),
                }
            }
            Event::Started { dataset, origin, network, from, steps, images, unknown_contents, .. } => {
                self.busy = None;
                describe(dataset, *origin, self.of_fold);
                if *unknown_contents {
                    note!(
                        "this run was begun by an earlier version, which noted names and sizes of its files: those are \
                         the same; whether the files hold the same is not known",
                    );
                }
                let (parameters, width) = (network.total_parameters(), network.width);
                let [height, wide] = network.image_size;
                let channels = network.channels;
                note!(
                    "network: {}, width {width}, input {height}x{wide}x{channels}, {parameters} parameters",
                    network.arch
                );
                let at = if *from > 0 { format!(", from step {from}") } else { String::new() };
                let (images, steps) = (count(*images, "image"), count(*steps as usize, "step"));
                note!("training: {images} an epoch, {steps} at most{at}");
                note!(
                    "of each epoch: loss in training and validation, accuracy, AUROC, images a second, time",
                );
                self.lines = Some(Lines::default());
            }
            Event::Initialised(head) => note!("--init: {head}"),
            Event::Step { .. } => {
                if let Some(lines) = &self.lines {
                    // What stands there when an epoch ends is seen until the validation is done.
                    lines.show(self.dashboard.is_validating(), |size| self.dashboard.text(size));
                }
                if !terminal::is_terminal() && self.said.elapsed() >= LINES {
                    self.said = Instant::now();
                    note(self.dashboard.text(ONE_LINE));
                }
            }
            Event::Cached(usage) => note!("kept in memory for the next epochs: {usage}"),
            Event::Remarked(remarks) => remarks.lines().iter().for_each(note),
            Event::Epoch(epoch) => {
                self.said = Instant::now();
                note(epoch_line(epoch, self.epochs));
            }
            Event::Warned(warning) => note!("warning: {warning}"),
            Event::StoppedEarly { best_epoch } => {
                self.lines = None;
                note!("stopped early: the weights of epoch {best_epoch} are the best");
            }
            Event::Evaluating => {
                self.lines = None;
                self.busy = Some(Counter::busy("evaluating the best weights"));
            }
            _ => {}
        }
    }
}

impl Progress {
    /// Steps are to be shown again.
    fn show_steps(&mut self) {
        self.busy = None;
        self.lines = Some(Lines::default());
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
        format!("AUROC {}", number(val_auroc)),
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
