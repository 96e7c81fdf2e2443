//! What a terminal shows of a run while it goes: the curves of the loss, where the run is, and how long it takes.
//!
//! It is text only: [`super::Progress`] puts it on the screen.

use super::loss_curve::LossCurve;
use crate::figures::{clock, number};
use crate::terminal::within;
use std::time::{Duration, Instant};
use train::{Epoch, Event};

/// The smallest terminal (rows, columns) that the curves are shown on; a smaller one gets a line.
const LARGE_ENOUGH: (u16, u16) = (20, 60);
/// The columns that a curve has beside it: its labels, and the last one, which stays free.
const BESIDE: usize = 10;
/// What a step counts in a figure that is smoothed so that it can be read.
const SHARE: f64 = 0.1;

/// A run so far.
pub struct Dashboard {
    began: Instant,
    /// Epochs, steps, and images and steps an epoch, of the whole run.
    epochs: u64,
    steps: u64,
    images: usize,
    epoch_steps: u64,
    /// Steps done, and those done before this session.
    step: u64,
    from: u64,
    loss: f64,
    curve: LossCurve,
    /// Smoothed.
    images_per_second: f64,
    /// Seconds that a step waits for its images, smoothed.
    waited: f64,
    last: Option<Validation>,
    best: Option<Validation>,
}

#[derive(Clone, Copy)]
struct Validation {
    epoch: u64,
    loss: f64,
    auroc: Option<f64>,
}

impl Dashboard {
    /// For a run of `epochs` epochs at most.
    pub fn new(epochs: u64) -> Self {
        Self {
            began: Instant::now(),
            epochs,
            steps: 0,
            images: 0,
            epoch_steps: 1,
            step: 0,
            from: 0,
            loss: f64::NAN,
            curve: LossCurve::default(),
            images_per_second: 0.0,
            waited: 0.0,
            last: None,
            best: None,
        }
    }

    /// Takes note of an event.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Started { from, steps, images, epoch_steps, best, .. } => {
                (self.began, self.step, self.from) = (Instant::now(), *from, *from);
                (self.steps, self.images, self.epoch_steps) = (*steps, *images, (*epoch_steps).max(1));
                self.best = best.map(|(epoch, loss)| Validation { epoch, loss, auroc: None });
            }
            Event::Step { step, loss, images_per_second, waited, .. } => {
                let share = if self.step == self.from { 1.0 } else { SHARE };
                self.images_per_second += share * (images_per_second - self.images_per_second);
                self.waited += share * (waited.as_secs_f64() - self.waited);
                (self.step, self.loss) = (*step, *loss);
                self.curve.step(*loss);
            }
            Event::Epoch(row) => {
                let &&Epoch { epoch, val_loss, val_auroc, best, .. } = row;
                let validation = Validation { epoch, loss: val_loss, auroc: val_auroc };
                self.curve.validation(val_loss);
                self.last = Some(validation);
                if best {
                    self.best = self.last;
                }
            }
            _ => {}
        }
    }

    /// Whether an epoch has just come to its end.
    pub fn is_validating(&self) -> bool {
        self.step > self.from && self.step.is_multiple_of(self.epoch_steps)
    }

    /// The text for a terminal of this many rows and columns. No line of it is longer than the terminal is wide.
    pub fn text(&self, (rows, columns): (u16, u16)) -> String {
        let since = self.began.elapsed();
        let lines = if rows >= LARGE_ENOUGH.0 && columns >= LARGE_ENOUGH.1 {
            self.block(since, usize::from(columns) - BESIDE)
        } else {
            vec![format!("{}, {} left", self.place(), clock(self.run_left(since)))]
        };
        lines.iter().map(|line| within(line, (rows, columns))).collect::<Vec<_>>().join("\n")
    }

    /// The curves, `width` columns wide, and what belongs to them; the clock of this session shows `since`.
    fn block(&self, since: Duration, width: usize) -> Vec<String> {
        let mut lines = self.curve.lines(width);
        if !lines.is_empty() {
            let (first, last) = (format!("step {}", self.from + 1), format!("step {}", self.step));
            let (middle, side) = (16, (width - 16) / 2);
            let left = width - middle - side;
            lines.push(format!("{:>8} {first:<left$}{:^middle$}{last:>side$}", "loss", "o validation"));
        }
        lines.push(self.place());
        for (name, validation) in [("last", self.last), ("best", self.best)] {
            lines.push(match validation {
                Some(Validation { epoch, loss, auroc }) => {
                    let auroc = number(auroc);
                    format!("{name}   epoch {epoch:>3}  val loss {loss:.4}  AUROC {auroc}")
                }
                None => format!("{name}   no epoch yet"),
            });
        }
        let (speed, waiting) = (self.images_per_second, 100.0 * self.waiting());
        lines.push(format!("speed  {speed:.1} images/s, {waiting:.0} % of the time waiting for images"));
        let of_epoch = match self.is_validating() {
            true => "validating".to_owned(),
            false => format!("{} of this epoch", clock(self.epoch_left())),
        };
        lines.push(format!("left   {of_epoch}, {} of the run at most", clock(self.run_left(since))));
        lines
    }

    fn place(&self) -> String {
        let epoch = self.step.saturating_sub(1) / self.epoch_steps + 1;
        let loss = if self.loss.is_nan() { String::new() } else { format!("  loss {:.4}", self.loss) };
        format!("now    epoch {epoch:>3}/{}  step {}/{}{loss}", self.epochs, self.step, self.steps)
    }

    /// The share of a step that waits for its images.
    fn waiting(&self) -> f64 {
        let images = self.images as f64 / self.epoch_steps as f64;
        (self.waited * self.images_per_second / images.max(1.0)).min(1.0)
    }

    /// None before the first step.
    fn epoch_left(&self) -> Option<Duration> {
        let share = 1.0 - (self.step % self.epoch_steps) as f64 / self.epoch_steps as f64;
        Duration::try_from_secs_f64(share * self.images as f64 / self.images_per_second).ok()
    }

    /// At the pace of this session, validations included; none before its first step.
    fn run_left(&self, since: Duration) -> Option<Duration> {
        let left = self.steps.saturating_sub(self.step) as f64;
        let done = (self.step - self.from) as f64;
        Duration::try_from_secs_f64(left * since.as_secs_f64() / done).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten steps an epoch of 80 images, five epochs, one and a half of them done.
    fn halfway() -> Dashboard {
        let mut dashboard = Dashboard { steps: 50, images: 80, epoch_steps: 10, ..Dashboard::new(5) };
        for step in 1..=15 {
            let waited = Duration::from_millis(20);
            let epoch = (step - 1) / 10 + 1;
            let loss = 1.0 / step as f64;
            dashboard.observe(&Event::Step { step, epoch, loss, lr: 0.1, images_per_second: 40.0, waited });
            if step == 10 {
                assert!(dashboard.is_validating());
                dashboard.observe(&Event::Epoch(&Epoch {
                    epoch: 1,
                    train_loss: 0.3,
                    val_loss: 0.25,
                    val_accuracy: 0.9,
                    val_auroc: Some(0.95),
                    lr: 0.1,
                    seconds: 2.0,
                    images_per_second: 40.0,
                    best: true,
                }));
            }
        }
        dashboard
    }

    #[test]
    fn the_block_says_where_the_run_is() {
        let block = halfway().block(Duration::from_secs(30), 60);
        assert_eq!(
            block[8..],
            [
                "    loss step 1                  o validation                 step 15",
                "now    epoch   2/5  step 15/50  loss 0.0667",
                "last   epoch   1  val loss 0.2500  AUROC 0.950",
                "best   epoch   1  val loss 0.2500  AUROC 0.950",
                "speed  40.0 images/s, 10 % of the time waiting for images",
                "left   0:01 of this epoch, 1:10 of the run at most",
            ]
        );
        assert!(block[..8].iter().any(|line| line.contains('o')));
    }

    #[test]
    fn every_terminal_gets_what_it_has_room_for() {
        let dashboard = halfway();
        for (size, lines) in
            [((24, 80), 14), ((50, 200), 14), ((24, 60), 14), ((24, 40), 1), ((10, 200), 1), ((1, 1), 1)]
        {
            let text = dashboard.text(size);
            if lines > 1 {
                let widest = text.split('\n').map(|line| line.chars().count()).max();
                assert_eq!(widest, Some(usize::from(size.1) - 1), "the width that there is");
            }
            assert_eq!(text.split('\n').count(), lines);
            assert!(text.split('\n').all(|line| line.chars().count() < usize::from(size.1)));
        }
    }

    #[test]
    fn before_the_first_step_nothing_is_known() {
        let block = Dashboard::new(5).block(Duration::from_secs(1), 60);
        assert_eq!(block.last().unwrap(), "left   -:-- of this epoch, -:-- of the run at most");
    }
}
