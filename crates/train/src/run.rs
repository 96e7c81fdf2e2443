//! The loop of a training: epochs of steps, validations, checkpoints and the end, of one process or, of several ranks,
//! of one of them. Where it begins is [`fit()`](crate::fit)'s to say.

mod rates;
mod validation;

use crate::checkpoint::{self, Position};
use crate::evaluate::truth;
use crate::features::Features;
use crate::log::{Log, nine_digits};
use crate::ranks::Group;
use crate::tensorboard::EventFile;
use crate::{Config, Error, Event, Input, RunFolder, Trainer, Truth};
use data::{Augment, Batch, Dataset, Loader, LoaderOptions, Remarks, Split};
use engine::{Rng, Tensor};
use model::Metadata;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A checkpoint is written when training has gone on for this long without one, so that a killed run loses little.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Batches over which the running statistics are measured before a validation.
const STATISTICS_BATCHES: usize = 16;

/// Names the random stream that chooses their images.
const STATISTICS_STREAM: u64 = u64::from_be_bytes(*b"statistc");

const STEPS: &str = "step,epoch,loss,lr,images_per_second,data_wait_ms";
const EPOCHS: &str = "epoch,train_loss,val_loss,val_accuracy,val_auroc,lr,seconds,best";

/// A run; of several ranks, as one of them sees it.
pub(crate) struct Run<'a, 'r> {
    pub config: &'a Config,
    folder: RunFolder<'a>,
    pub dataset: &'a Dataset,
    pub metadata: Metadata,
    pub trainer: Trainer,
    rates: nn::Schedule,
    pub training: Loader,
    /// Training images as they are, for the running statistics.
    unvaried: Loader,
    validation: Loader,
    /// While the body is frozen and its features are computed once.
    pub features: Option<Features>,
    /// Of the images for training and validation.
    pub remarks: Remarks,
    pub position: Position,
    /// The tables and the file of curves, which rank 0 writes.
    steps: Option<Log>,
    epochs: Option<Log>,
    tensorboard: Option<EventFile>,
    saved: Instant,
    /// The gradient of a step, as ranks exchange it.
    flat: Vec<f32>,
    /// Whether it was said that the loss has exploded.
    has_exploded: bool,
    pub stop: &'a AtomicBool,
    /// Whether all ranks have agreed to stop.
    stops: bool,
    pub observe: &'a mut dyn FnMut(&Event),
    pub ranks: &'a mut Group<'r>,
}

impl<'a, 'r> Run<'a, 'r> {
    pub fn new(
        config: &'a Config,
        dataset: &'a Dataset,
        metadata: Metadata,
        trainer: Trainer,
        mut position: Position,
        stop: &'a AtomicBool,
        observe: &'a mut dyn FnMut(&Event),
        ranks: &'a mut Group<'r>,
    ) -> Result<Self, Error> {
        let (folder, leads) = (RunFolder(&config.out), ranks.leads());
        let loader = |part: &[usize], options: LoaderOptions| {
            let cache_bytes = config.cache_mib.saturating_mul(1 << 20);
            let options = LoaderOptions { cache_bytes, ..options };
            Loader::new(dataset, part, &metadata.preprocessing, options)
        };
        let network = trainer.network.spec();
        let images = dataset.part(Split::Train).len();
        let all = images.div_ceil(config.batch_size) as u64;
        // A run of an earlier version goes on with the batches that it had.
        let is_earlier = position.step > 0 && [0, all].contains(&position.batches);
        let least_batch = if is_earlier { 1 } else { config.least_batch(network.feature_size()) };
        let options = LoaderOptions {
            least_batch,
            shard: ranks.shard(config.least_shard()),
            shuffle: config.shuffle,
            augment: config.augment.then(|| Augment { flip: config.flip, ..Augment::default() }),
            ..LoaderOptions::training(config.batch_size, config.seed)
        };
        let in_order = || LoaderOptions::in_order(config.batch_size);
        let mut part = dataset.part(Split::Train);
        if images < least_batch {
            let expected = "a larger one: a last feature map of 1x1 has no variance of one image, and there is one to train on";
            let [height, width] = network.image_size;
            return Err(Error::config("image-size", expected, format!("{height}x{width}")));
        }
        let remarks = Remarks::default();
        let training = loader(&part, options).with_remarks(&remarks);
        let validation = loader(&dataset.part(Split::Val), in_order()).with_remarks(&remarks);
        // Whole batches: the rest may be a single image, whose last feature maps have no variance.
        let whole = (part.len() / config.batch_size).clamp(1, STATISTICS_BATCHES);
        Rng::derive(&[config.seed, STATISTICS_STREAM]).shuffle(&mut part);
        part.truncate(whole * config.batch_size);
        let unvaried = loader(&part, in_order());
        position.batches = training.batches_per_epoch() as u64;
        let rates = config.rates(training.batches_per_epoch() as u64);
        let log = |path, header, keep| leads.then(|| Log::open(path, header, keep)).transpose();
        let (steps, some) = log(folder.steps(), STEPS, position.step)?.unzip();
        let (epochs, others) = log(folder.epochs(), EPOCHS, position.epoch)?.unzip();
        for lacking in some.into_iter().chain(others).flatten() {
            observe(&Event::Warned(&lacking));
        }
        let has_curves = config.tensorboard && leads;
        let tensorboard = has_curves.then(|| EventFile::create(folder.0, position.step)).transpose()?;
        let saved = Instant::now();
        Ok(Self {
            config,
            folder,
            dataset,
            metadata,
            trainer,
            rates,
            training,
            unvaried,
            validation,
            features: None,
            remarks,
            position,
            steps,
            epochs,
            tensorboard,
            saved,
            flat: vec![],
            has_exploded: false,
            stop,
            stops: false,
            observe,
            ranks,
        })
    }

    /// Writes an event into TensorBoard's file, if there is one, and shows it to the observer.
    pub fn tell(&mut self, event: &Event) -> Result<(), Error> {
        if let Some(file) = &mut self.tensorboard {
            file.add(event)?;
        }
        (self.observe)(event);
        Ok(())
    }

    /// The number of the last step, if training does not stop early.
    pub fn last_step(&self) -> u64 {
        let all = self.config.epochs.saturating_mul(self.training.batches_per_epoch() as u64);
        self.config.max_steps.map_or(all, |most| most.min(all))
    }

    /// Trains to the end; false if it was interrupted.
    pub fn train(&mut self) -> Result<bool, Error> {
        self.save()?;
        let (last_step, first_epoch) = (self.last_step(), self.position.epoch);
        while self.position.step < last_step {
            if self.is_exhausted() {
                break;
            }
            if !self.epoch(last_step)? {
                return Ok(false);
            }
            if self.position.epoch == first_epoch + 1 {
                if self.features.is_none() {
                    self.tell(&Event::Cached(self.training.cache_usage()))?;
                }
                self.tell(&Event::Remarked(&self.remarks.clone()))?;
            }
        }
        if self.position.epoch == first_epoch {
            // Shorter than an epoch.
            self.tell(&Event::Remarked(&self.remarks.clone()))?;
        }
        if self.is_exhausted() {
            self.tell(&Event::StoppedEarly { best_epoch: self.position.stopper.best_epoch })?;
        }
        Ok(true)
    }

    /// Whether to stop early: what is frozen at first trains for as many epochs as the patience has in any case.
    fn is_exhausted(&self) -> bool {
        let thawed = self.config.unfreeze_after.unwrap_or_default();
        let since = self.position.epoch.saturating_sub(thawed);
        since >= self.config.patience && self.position.stopper.exhausted(self.config.patience)
    }

    /// Trains what is left of an epoch and validates; false if it was interrupted. Steps end at `last_step`, and an
    /// epoch that this cuts short is not validated, so that the run can be prolonged.
    fn epoch(&mut self, last_step: u64) -> Result<bool, Error> {
        let begun = Instant::now();
        let batches = self.training.batches_per_epoch();
        // By the position alone, so that a resumed run does the same.
        if let Some(after) = self.config.unfreeze_after.filter(|after| self.position.epoch >= *after) {
            self.trainer.network.thaw_body(after * batches as u64);
        }
        if !self.prepare_features(self.position.epoch)? {
            self.save()?;
            return Ok(false);
        }
        let mut clock = Instant::now();
        let mut images = 0;
        for batch in self.batches(self.position.epoch, self.position.batch) {
            match batch {
                Ok(batch) => {
                    images += batch.whole;
                    self.step(batch, &mut clock)?;
                }
                Err(error) => {
                    self.save()?;
                    return Err(self.unreadable(error));
                }
            }
            let stopped = self.stops;
            let cut = self.position.step == last_step && self.position.batch < batches;
            if stopped || cut || self.saved.elapsed() >= SAVE_EVERY {
                self.save()?;
            }
            if stopped || cut {
                return Ok(cut && !stopped);
            }
        }
        self.end_epoch(begun, images)?;
        Ok(true)
    }

    fn step(&mut self, batch: Batch, clock: &mut Instant) -> Result<(), Error> {
        let loss = self.learn(&batch, self.rates.rate(self.position.step))?;
        let rate = self.rate_of(self.position.step);
        let (step, epoch) = (self.position.step + 1, self.position.epoch + 1);
        if !loss.is_finite() {
            return Err(self.diverged(format!("the loss is {loss}"), step));
        }
        let speed = batch.whole as f64 / clock.elapsed().as_secs_f64().max(1e-9);
        *clock = Instant::now();
        let waited = batch.waited;
        let wait = waited.as_secs_f64() * 1e3;
        if let Some(steps) = &mut self.steps {
            steps.add(&format!("{step},{epoch},{},{rate},{speed:.2},{wait:.2}", nine_digits(loss)))?;
        }
        self.position.step = step;
        self.position.batch += 1;
        self.position.loss_sum += loss * batch.whole as f64;
        self.position.images += batch.whole;
        self.position.batches_seen = self.trainer.network.batches_seen;
        self.training.recycle(batch);
        self.tell(&Event::Step { step, epoch, loss, lr: rate, images_per_second: speed, waited })
    }

    /// Learns from a batch, of several ranks together; its loss.
    fn learn(&mut self, batch: &Batch, rate: f64) -> Result<f64, Error> {
        let findings = truth(self.dataset, &batch.indices);
        let truth = match self.metadata.has_findings() {
            true => Truth::Findings(&findings),
            false => Truth::Classes(&batch.labels),
        };
        let input = match &self.features {
            None => Input::Images(self.images(batch)),
            Some(_) => {
                let length = self.trainer.network.spec().features;
                Input::Features(Tensor::from_slice([batch.labels.len(), length], &batch.images))
            }
        };
        if self.ranks.count() == 1 {
            let loss = self.trainer.step_by(input, truth, rate);
            self.stops = self.stop.load(Ordering::Relaxed);
            return Ok(loss.into());
        }
        // The last batch of an epoch may have no image for this rank.
        let has_any = !batch.labels.is_empty();
        let backward = has_any.then(|| self.trainer.backward(input, truth, batch.before));
        self.trainer.flat(backward.as_ref(), self.trainer.weight(truth), &mut self.flat);
        self.stops = self.ranks.sum(&mut self.flat, self.stop.load(Ordering::Relaxed))?;
        let mean = self.trainer.mean(&self.flat, backward);
        self.trainer.update(&mean, rate);
        Ok(mean.loss.into())
    }

    fn images(&self, batch: &Batch) -> Tensor {
        let prep = &self.metadata.preprocessing;
        Tensor::from_slice([batch.labels.len(), prep.height, prep.width, prep.channels], &batch.images)
    }

    /// What an image is guessed among: the classes, or whether a finding is there.
    fn answers(&self) -> usize {
        if self.dataset.has_findings() { 2 } else { self.dataset.classes.len() }
    }

    /// Writes the checkpoint, after the tables that belong to it; rank 0 does.
    fn save(&mut self) -> Result<(), Error> {
        let (Some(steps), Some(epochs)) = (&self.steps, &self.epochs) else { return Ok(()) };
        if let Some(name) = self.trainer.broken_tensor() {
            return Err(self.diverged(format!("{name} is not finite"), self.position.step));
        }
        steps.sync()?;
        epochs.sync()?;
        checkpoint::to_file(&self.metadata, &self.trainer, &self.position)?.write(self.folder.last())?;
        self.saved = Instant::now();
        Ok(())
    }

    /// What is to be done about a training image that cannot be read.
    fn unreadable(&self, error: data::Error) -> Error {
        match Error::batch(error) {
            Error::Unreadable(error) => Error::run(
                self.folder.0,
                format!(
                    "{error}. A run goes on only with the files that it began with. If this one can be read later, as it \
                     is, --resume goes on; if it is to be mended, or left out (--skip-unreadable), start a new run with \
                     another --out"
                ),
            ),
            other => other,
        }
    }

    fn diverged(&self, what: String, step: u64) -> Error {
        let best = self.position.stopper.best_epoch;
        let kept = match best {
            0 => "no epoch was finished".to_owned(),
            _ => format!("the best weights, of epoch {best}, are in {}", self.folder.best().display()),
        };
        let checkpoint = format!("{kept}; the last checkpoint is {}", self.folder.last().display());
        let rate = self.rate_of(step.saturating_sub(1));
        Error::Diverged {
            what,
            step,
            rate,
            cure: self.config.cure(self.position.epoch + 1).words(),
            checkpoint,
        }
    }
}
