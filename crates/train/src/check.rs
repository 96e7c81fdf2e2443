//! Which settings a run can have, each by itself and together: what would be without effect is refused, with the option
//! that gives it one.

use std::fmt::Display;

use crate::config::{FROZEN_VIEWS, MAX_THREADS, MAX_UNREADABLE};
use crate::{Config, Error, LearningRate, OptimizerKind};
use data::{Readers, Uncertain};
use nn::Decay;

const MAX_BATCH: usize = 4096;
/// More than anyone waits for; its product with the batches of an epoch is a number of steps.
const MAX_EPOCHS: u64 = 1_000_000_000;

/// What must hold of a setting, the option, what is expected, and what is found.
type Rule<'a> = (bool, &'static str, &'a str, &'a dyn Display);

fn hold(rules: &[Rule]) -> Result<(), Error> {
    match rules.iter().find(|rule| !rule.0) {
        Some((_, field, expected, found)) => Err(Error::config(field, *expected, found)),
        None => Ok(()),
    }
}

fn below_one(x: f64) -> bool {
    (0.0..1.0).contains(&x)
}

fn above_zero(x: f64) -> bool {
    x > 0.0 && x.is_finite()
}

fn from_zero(x: f64) -> bool {
    x >= 0.0 && x.is_finite()
}

impl Config {
    /// That every setting is one a run can have, and has an effect; the error names the option.
    pub fn check(&self) -> Result<(), Error> {
        self.check_run()?;
        self.check_effects()
    }

    /// The same of a run that goes on, whose settings stay what they are: earlier versions took some that have no effect.
    pub fn check_run(&self) -> Result<(), Error> {
        self.check_ranges()?;
        self.check_together()?;
        let network = self.architecture(2)?.network()?;
        let least = self.least_batch(network.feature_size());
        if self.batch_size < least {
            let expected = "2 images or more, for norms that train: a last feature map of 1x1 has no variance of one image";
            return Err(Error::config("batch-size", expected, self.batch_size));
        }
        self.check_shards()
    }

    /// Each setting by itself.
    fn check_ranges(&self) -> Result<(), Error> {
        let share = "in [0, 1)";
        let positive = "a finite number above 0";
        let not_negative = "a finite number, 0 or more";
        let (thawed, steps) = (self.unfreeze_after.unwrap_or_default(), self.max_steps.unwrap_or_default());
        let most = &self.max_unreadable;
        hold(&[
            ((1..=MAX_BATCH).contains(&self.batch_size), "batch-size", "1 to 4096 images", &self.batch_size),
            (self.lr.fixed().is_none_or(above_zero), "lr", positive, &self.lr),
            (self.head_lr.is_none_or(above_zero), "head-lr", positive, &self.head_lr.unwrap_or_default()),
            (below_one(self.beta1), "beta1", share, &self.beta1),
            (below_one(self.beta2), "beta2", share, &self.beta2),
            (above_zero(self.epsilon), "epsilon", positive, &self.epsilon),
            (below_one(self.momentum), "momentum", share, &self.momentum),
            (from_zero(self.weight_decay), "weight-decay", not_negative, &self.weight_decay),
            (from_zero(self.warmup), "warmup", not_negative, &self.warmup),
            (below_one(self.label_smoothing.into()), "label-smoothing", share, &self.label_smoothing),
            (below_one(self.average), "average", share, &self.average),
            ((0.0..=1.0).contains(most), "max-unreadable", "a share from 0 to 1", most),
            (self.threads <= MAX_THREADS, "threads", "at most 1024", &self.threads),
            ((1..=MAX_EPOCHS).contains(&self.epochs), "epochs", "1 to 1000000000", &self.epochs),
            (self.patience <= MAX_EPOCHS, "patience", "at most 1000000000", &self.patience),
            (thawed <= MAX_EPOCHS, "unfreeze-after", "at most 1000000000", &thawed),
            (self.frozen_views <= MAX_EPOCHS, "frozen-views", "at most 1000000000", &self.frozen_views),
            // The largest integer that TOML holds.
            (i64::try_from(steps).is_ok(), "max-steps", "a number below 2^63", &steps),
            (i64::try_from(self.seed).is_ok(), "seed", "a number below 2^63", &self.seed),
        ])
    }

    /// Settings that exclude each other, or need another.
    fn check_together(&self) -> Result<(), Error> {
        if self.freeze && self.init.is_none() {
            let found = "none: a frozen network with random weights cannot learn";
            return Err(Error::config("freeze", "a file of weights in --init", found));
        }
        if self.unfreeze_after.is_some() && self.lr == LearningRate::Auto {
            let expected = "a number beside --unfreeze-after, for one test finds no rate of two networks";
            return Err(Error::config("lr", expected, self.lr));
        }
        let (is_known, has_findings) = (self.lr != LearningRate::Auto, self.labels.is_some());
        let (has_no_warmup, of_findings) = (self.schedule != Decay::OneCycle, "--labels beside it");
        let (skip, most) = (self.skip_unreadable, &self.max_unreadable);
        let (views, thawed) = (self.views(), self.unfreeze_after.unwrap_or_default());
        let (uncertain, readers) = (self.uncertain, self.readers);
        hold(&[
            (is_known || self.head_lr.is_none(), "head-lr", "a number in --lr beside it", &self.lr),
            (
                has_no_warmup || self.warmup == 0.0,
                "warmup",
                "0 with one-cycle, which has its own",
                &self.warmup,
            ),
            (self.freeze || views == FROZEN_VIEWS, "frozen-views", "--freeze beside it", &views),
            (self.freeze || self.unfreeze_after.is_none(), "unfreeze-after", "--freeze beside it", &thawed),
            (skip || *most == MAX_UNREADABLE, "max-unreadable", "--skip-unreadable beside it", most),
            (has_findings || uncertain == Uncertain::Ignore, "uncertain", of_findings, &uncertain),
            (has_findings || readers == Readers::Majority, "readers", of_findings, &readers),
        ])
    }

    /// Settings that would change nothing, or not all that they say.
    fn check_effects(&self) -> Result<(), Error> {
        let default = Self::default();
        let is_adam = self.optimizer != OptimizerKind::Sgd;
        let of_sgd = "--optimizer sgd beside it, for adam has --beta1";
        let of_adam = "--optimizer adam or adamw beside it, for sgd has none";
        let epochs = self.epochs;
        let rises = self.warmup <= epochs as f64;
        let most = format!("at most the {epochs} of --epochs, or the full rate is never reached");
        let thaws = self.unfreeze_after.is_none_or(|after| (1..epochs).contains(&after));
        let thawed = self.unfreeze_after.unwrap_or_default();
        let some = format!("1 or more, and less than the {epochs} of --epochs, or nothing is unfrozen");
        let (views, frozen) = (self.views(), self.unfreeze_after.unwrap_or(epochs).min(epochs));
        let shown = format!("at most {frozen}, one for each epoch of a frozen body");
        let varies = !self.stays_frozen() || views != FROZEN_VIEWS;
        let to_vary = "--frozen-views 0, or 2 and more, beside it: of an image as it is there is one view";
        hold(&[
            (!is_adam || self.momentum == 0.0, "momentum", of_sgd, &self.momentum),
            (is_adam || self.beta1 == default.beta1, "beta1", of_adam, &self.beta1),
            (is_adam || self.beta2 == default.beta2, "beta2", of_adam, &self.beta2),
            (is_adam || self.epsilon == default.epsilon, "epsilon", of_adam, &self.epsilon),
            (rises, "warmup", &most, &self.warmup),
            (thaws, "unfreeze-after", &some, &thawed),
            (self.augment || views <= FROZEN_VIEWS, "frozen-views", "1 beside --no-augment", &views),
            (views <= frozen.max(FROZEN_VIEWS), "frozen-views", &shown, &views),
            (self.augment || !self.flip, "flip", "no --no-augment beside it", &self.flip),
            (varies || !self.flip, "flip", to_vary, &self.flip),
        ])
    }

    /// The views of an image of a frozen body. Settings that were written before there were such views have 0.
    fn views(&self) -> u64 {
        if self.frozen_views == 0 && !self.freeze { FROZEN_VIEWS } else { self.frozen_views }
    }

    /// That every process has enough of a batch.
    fn check_shards(&self) -> Result<(), Error> {
        let (each, most) = (self.least_shard(), self.batch_size / self.least_shard());
        if (1..=most.max(1)).contains(&self.ranks) {
            return Ok(());
        }
        let why = match each {
            1 => "an image of each batch for each",
            _ => "two images of each batch for each, because norms that train need more than one",
        };
        let reason = format!(
            "expected 1 to {} processes for batches of {} ({why}), found {}",
            most.max(1),
            self.batch_size,
            self.ranks
        );
        Err(Error::Setting { name: "ranks".into(), reason })
    }
}
