//! The report of a run or an evaluation: one HTML file without a script and without a request, and a model card.
//!
//! A report is read by people who were not there. So it opens with what the data are worth, every figure has its interval
//! and its meaning in words, and what the program cannot know is a marked blank and not an invention.
//!
//! Invariant: every text that comes from outside (class names, file names, settings) is escaped.
#![forbid(unsafe_code)]

mod card;
mod charts;
mod curves;
mod findings;
mod folds;
mod html;
mod keep;
mod page;
mod plot;
mod sections;

pub use card::{model_card, refreshed_card};
pub use folds::{FoldRow, cross_validation};
pub use html::{base64, escape, table};
pub use page::{document, html};

use eval::{Subgroup, Summary};
use model::Metadata;
use serde_json::Value;

/// Everything that a report is made of.
#[derive(Clone, Debug)]
pub struct Contents<'a> {
    /// What is reported: the run's folder name, or that of the evaluated data.
    pub title: String,
    /// The model.
    pub metadata: &'a Metadata,
    /// The evaluation.
    pub summary: &'a Summary,
    /// The true class of each image.
    pub labels: &'a [usize],
    /// `[n, classes]`
    pub probabilities: &'a [f64],
    /// The group of each image, if groups are known.
    pub groups: Option<&'a [usize]>,
    /// How many groups the whole data set has, if groups are known.
    pub groups_in_data: Option<usize>,
    /// Where images have several findings: each of them; `labels` and `probabilities` are not looked at then.
    pub findings: Vec<Finding>,
    /// The evaluation by parts.
    pub subgroups: &'a [Subgroup],
    /// What an audit says of these data: its document, of which `verdict` and `leaks` are shown; none if they were not
    /// audited.
    pub audit: Option<Value>,
    /// What is known of the training; none for a model file alone.
    pub training: Option<Training>,
    /// How often these images were opened by this run; none if nobody counted.
    pub openings: Option<usize>,
    /// The images that are wrong with the highest confidence, the worst first.
    pub errors: Vec<WorstError>,
    /// How their maps were made, in words.
    pub map_method: &'static str,
}

/// A finding, over the images of which it is known.
#[derive(Clone, Debug)]
pub struct Finding {
    /// 1 for each image that has it, 0 for each that has not.
    pub labels: Vec<usize>,
    /// `[n, 2]`: of its absence and its presence.
    pub probabilities: Vec<f64>,
    /// The group of each image, if groups are known.
    pub groups: Option<Vec<usize>>,
    /// The worst errors: misses, then false alarms, each with the probability of the finding and its map; none if nobody
    /// looked for them.
    pub errors: Option<Vec<WorstError>>,
}

/// A training run as its folder remembers it.
#[derive(Clone, Debug, Default)]
pub struct Training {
    /// `epochs.csv`.
    pub epochs: Vec<EpochRow>,
    /// Train, val and test.
    pub splits: Vec<SplitRow>,
    /// The range test that found the learning rate, if there was one: learning rate, loss and smoothed loss of each step.
    pub range_test: Vec<(f64, f64, f64)>,
}

/// What a split has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitRow {
    /// Which one.
    pub name: String,
    /// Images.
    pub images: usize,
    /// Images of each class; with each finding.
    pub per_class: Vec<usize>,
    /// Groups, if groups are known.
    pub groups: Option<usize>,
}

/// A line of `epochs.csv`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochRow {
    /// From 1.
    pub epoch: f64,
    /// Mean loss of the batches.
    pub train_loss: f64,
    /// Loss of the validation split.
    pub val_loss: f64,
    /// AUROC of the validation split.
    pub val_auroc: Option<f64>,
}

/// An image that was called wrongly.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstError {
    /// Its name in the data set.
    pub name: String,
    /// Its class.
    pub truth: String,
    /// What it was called.
    pub called: String,
    /// With this probability.
    pub probability: f64,
    /// A PNG file of the image with its map; empty if it could not be drawn.
    pub png: Vec<u8>,
}

impl Contents<'_> {
    /// The word for classes, or that for findings.
    pub(crate) fn what(&self, classes: &'static str, findings: &'static str) -> &'static str {
        if self.metadata.has_findings() { findings } else { classes }
    }

    /// The number of the positive class, with two classes.
    pub(crate) fn positive(&self) -> Option<usize> {
        let name = self.summary.positive_class.as_ref()?;
        self.metadata.classes.iter().position(|class| class == name)
    }

    /// The probability of `class` and whether it is the true one, image by image.
    pub(crate) fn of_class(&self, class: usize) -> (Vec<f64>, Vec<bool>) {
        let rows = self.probabilities.chunks_exact(self.metadata.classes.len());
        (rows.map(|row| row[class]).collect(), self.labels.iter().map(|&label| label == class).collect())
    }
}
