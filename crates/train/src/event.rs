//! What a run tells whoever watches it: the terminal, and TensorBoard's file.

use crate::log::nine_digits;
use crate::{Head, Report};
use data::{CacheUsage, Dataset, Remarks, SplitOrigin};
use std::time::Duration;

/// What happens in a run, as it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The folds of a cross-validation are drawn from this.
    Read {
        /// All of it.
        dataset: &'a Dataset,
    },
    /// Images are read once before training, to find those that cannot be.
    Checking {
        /// How many were read.
        done: usize,
        /// How many images there are.
        images: usize,
    },
    /// Everything is read and checked; training begins at step `from`.
    Started {
        /// The data, with its splits.
        dataset: &'a Dataset,
        /// Where the splits came from.
        origin: SplitOrigin,
        /// The network.
        network: &'a model::Network,
        /// Steps done before.
        from: u64,
        /// Steps that the run has, if it does not stop early.
        steps: u64,
        /// Images a full epoch.
        images: usize,
        /// Steps a full epoch.
        epoch_steps: u64,
        /// The best epoch before, and its validation loss.
        best: Option<(u64, f64)>,
        /// Whether a run goes on whose beginning noted names and sizes of its files but not what they hold, as earlier
        /// versions did: then only those are known to be the same.
        unknown_contents: bool,
    },
    /// The first weights are those of another model; what became of its classifier.
    Initialised(&'a Head),
    /// The features of a frozen body are computed, once.
    Features {
        /// How many images are done.
        done: usize,
        /// How many there are.
        images: usize,
    },
    /// A step of the range test was done.
    RangeTest {
        /// Its number, from 1.
        step: usize,
        /// How many there are at most.
        steps: usize,
    },
    /// The range test is over.
    RateFound {
        /// The learning rate of the run.
        lr: f64,
        /// Steps that the test took.
        steps: usize,
        /// Whether no rate lowered the loss, so that this is the default.
        is_default: bool,
    },
    /// A step was done.
    Step {
        /// Its number, from 1.
        step: u64,
        /// Its epoch, from 1.
        epoch: u64,
        /// Its loss.
        loss: f64,
        /// Its learning rate.
        lr: f64,
        /// Images a second since the last.
        images_per_second: f64,
        /// How much of that time was spent waiting for the images.
        waited: Duration,
    },
    /// An epoch has read every training image, and kept as many as there is memory for.
    Cached(CacheUsage),
    /// What the reader assumed of the images for training and validation, or did not apply; once, after the first
    /// epoch.
    Remarked(&'a Remarks),
    /// An epoch was validated.
    Epoch(&'a Epoch),
    /// Something is wrong, and the run goes on.
    Warned(&'a str),
    /// Early stopping ended the training.
    StoppedEarly {
        /// The epoch whose weights are used.
        best_epoch: u64,
    },
    /// The result is being computed.
    Evaluating,
    /// The run is over and everything is written.
    Finished(&'a Report),
}

/// A line of epochs.csv.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub epoch: u64,
    /// Mean loss of the epoch's batches.
    pub train_loss: f64,
    /// Cross-entropy of the validation split.
    pub val_loss: f64,
    /// Accuracy on the validation split: of the largest probability; of findings, called from one half on.
    pub val_accuracy: f64,
    /// AUROC of the validation split, of several classes or findings the mean; none with one class only.
    pub val_auroc: Option<f64>,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Time the epoch took (since a resume, if that is later).
    pub seconds: f64,
    /// Images trained a second, over the epoch (since a resume, if that is later), validation not counted.
    pub images_per_second: f64,
    /// Whether it is the best so far, by [`BestBy`](crate::BestBy).
    pub best: bool,
}

impl Epoch {
    /// The columns of epochs.csv.
    pub(crate) fn to_csv(&self) -> String {
        let auroc = self.val_auroc.map_or(String::new(), |auroc| format!("{auroc:.6}"));
        format!(
            "{},{},{},{:.6},{auroc},{},{:.2},{}",
            self.epoch,
            nine_digits(self.train_loss),
            nine_digits(self.val_loss),
            self.val_accuracy,
            self.lr,
            self.seconds,
            u8::from(self.best)
        )
    }
}

/// What is read again of a line of epochs.csv.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochLine {
    /// From 1.
    pub epoch: u64,
    /// Mean loss of the epoch's batches.
    pub train_loss: f64,
    /// Cross-entropy of the validation split.
    pub val_loss: f64,
    /// AUROC of the validation split.
    pub val_auroc: Option<f64>,
    /// Learning rate of the last step.
    pub lr: f64,
}

impl EpochLine {
    /// The lines of an epochs.csv, by the names of its columns; one that is not whole is passed over.
    pub fn all_of(table: &str) -> Vec<Self> {
        let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().unwrap_or_default();
        let line = |cells: Vec<&str>| {
            let cell = |name: &str| cells.get(header.iter().position(|column| *column == name)?).copied();
            let number = |name: &str| cell(name)?.parse::<f64>().ok();
            Some(Self {
                epoch: cell("epoch")?.parse().ok()?,
                train_loss: number("train_loss")?,
                val_loss: number("val_loss")?,
                val_auroc: number("val_auroc"),
                lr: number("lr")?,
            })
        };
        lines.filter_map(line).collect()
    }
}
