//! The fit loop. It knows no terminal: it tells an observer what happens, and asks a flag whether to stop.
//!
//! Invariant: a run stopped after any step, by whatever means, and resumed leaves the files that an uninterrupted run
//! leaves, bit for bit but for columns of speed. That holds because a step depends on the checkpoint only (see
//! [`crate::Trainer`]), batches on their number only (see [`data::Loader`]), and tables are cut back to the checkpoint.

use crate::checkpoint::{self, Position};
use crate::evaluate::{truth, write_predictions};
use crate::features::{Features, Rows};
use crate::figures::EpochFigures;
use crate::log::{Log, nine_digits};
use crate::predictions::predict_loader;
use crate::range_test::{self, RangeTest};
use crate::ranks::{Alone, Group, Welcome};
use crate::start::{First, first_model, loss, open_to_train};
use crate::stopper::Stopper;
use crate::tensorboard::EventFile;
use crate::unreadable::{self, open_run_data};
use crate::{
    BestBy, Config, Epoch, Error, Event, Input, LearningRate, Ranks, Report, RunFolder, RunLock, Trainer,
    Truth, has_begun, trouble,
};
use data::{Augment, Batch, Dataset, Likeness, Loader, LoaderOptions, Remarks, Split};
use engine::{Rng, Tensor};
use kernels::Level;
use model::{Metadata, Model, Weights};
use nn::Learner;
use predict::{Body, Classifier};
use std::path::Path;
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

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// To its end. Its folder stays locked until the lock is dropped, so that what belongs to the end can be written.
    Finished(Box<Report>, RunLock),
    /// The flag was set; the checkpoint holds everything up to `step`.
    Interrupted {
        /// Steps done.
        step: u64,
    },
}

/// Trains as `config` says, or goes on with the run in `config.out`, until the end or until `stop` is set.
///
/// # Errors
/// Among others: another process works on the run.
pub fn fit(
    config: &Config,
    resume: bool,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<Outcome, Error> {
    fit_with(config, resume, stop, observe, &mut Alone)
}

/// The same as the first of several processes, to which `ranks` leads; the others [`follow`](crate::follow).
///
/// # Errors
/// Among others: the settings are those of another number of ranks, or one cannot be reached.
pub fn fit_with(
    config: &Config,
    resume: bool,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
    ranks: &mut dyn Ranks,
) -> Result<Outcome, Error> {
    let mut group = Group::new(ranks);
    let done = fit_in(config, resume, stop, observe, &mut group);
    group.end(done)
}

fn fit_in(
    config: &Config,
    resume: bool,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
    ranks: &mut Group,
) -> Result<Outcome, Error> {
    config.check()?;
    check_ranks(config, ranks.count())?;
    let folder = RunFolder(&config.out);
    check_folder(config, resume)?;
    // What goes on is locked before it is read, what begins when there is a folder: if it cannot begin, it leaves none.
    let held = resume.then(|| RunLock::acquire(folder.0)).transpose()?;
    let mut config = config.clone();
    if (resume, config.lr) == (true, LearningRate::Auto) {
        // What the range test has found; a test that was stopped begins again.
        config.lr = Config::of_run(folder.0)?.lr;
    }
    let config = &config;
    let (mut dataset, origin) = match resume {
        true => open_run_data(config, &config.out)?,
        false => {
            let (by, seed, unreadable) = (config.group_by.as_ref(), config.seed, config.skip_unreadable);
            open_to_train(&config.data, &config.labelling(), by, seed, unreadable)?
        }
    };
    if !resume {
        unreadable::leave_out(config, &mut dataset, observe)?;
    }
    let checkpoint = Some(folder.last()).filter(|last| resume && last.exists());
    let First { mut metadata, network, head } =
        first_model(&beginning(config, checkpoint.as_deref()), &dataset)?;
    if let Some(last) = checkpoint.as_deref().filter(|_| config.init.is_some()) {
        metadata.provenance.config["init"] = origin_of_init(last)?;
    }
    let likeness = checkpoint.as_ref().map(|_| check_data(folder, &dataset)).transpose()?;
    let mut trainer = new_trainer(config, &dataset, network);
    std::fs::create_dir_all(folder.0).map_err(Error::io(folder.0))?;
    let lock = held.map_or_else(|| RunLock::acquire(folder.0), Ok)?;
    // Whoever had the lock before may have left another run than was there before.
    check_folder(config, resume)?;
    if config.skip_unreadable {
        unreadable::write(folder.0, &dataset)?;
    }
    let position = match &checkpoint {
        Some(last) => checkpoint::load(last, &mut trainer)?,
        None => Position::default(),
    };
    // The curve of another run first: beside settings that are new, it would be taken for theirs.
    let old_test = folder.lr_range();
    if !resume && old_test.exists() {
        std::fs::remove_file(&old_test).map_err(Error::io(&old_test))?;
    }
    config.save()?;
    let mut run = Run::new(config, &dataset, metadata, trainer, position, stop, observe, ranks)?;
    Welcome::say(&mut run)?;
    let (steps, images) = (run.last_step(), run.training.images());
    let network = run.trainer.network.spec();
    let Stopper { best_epoch, best_loss, .. } = run.position.stopper;
    (run.observe)(&Event::Started {
        dataset: &dataset,
        origin,
        network,
        from: run.position.step,
        steps,
        images,
        epoch_steps: run.training.batches_per_epoch() as u64,
        best: best_loss.filter(|_| config.best_by == BestBy::Loss).map(|loss| (best_epoch, loss)),
        unknown_contents: likeness == Some(Likeness::SameSizes),
    });
    if let Some(head) = head.filter(|_| !resume) {
        (run.observe)(&Event::Initialised(&head));
    }
    let is_whole = (config.lr != LearningRate::Auto || run.find_rate()?) && run.train()?;
    run.ranks.close()?;
    if is_whole {
        let report = run.finish()?;
        run.tell(&Event::Finished(&report))?;
        Ok(Outcome::Finished(Box::new(report), lock))
    } else {
        Ok(Outcome::Interrupted { step: run.position.step })
    }
}

/// What trains `network`, before its first step.
pub(crate) fn new_trainer(config: &Config, dataset: &Dataset, network: Learner) -> Trainer {
    Trainer::new(network, config.algorithm(), loss(config, dataset), Level::current(), config.seed)
        .with_average(config.average)
}

/// The settings with the checkpoint for first weights: whoever goes on needs no `--init`, which may be gone.
fn beginning(config: &Config, checkpoint: Option<&Path>) -> Config {
    let init = config.init.as_deref().map(|init| checkpoint.unwrap_or(init).to_path_buf());
    Config { init, ..config.clone() }
}

/// What the checkpoint `last` tells of the origin of its first weights.
fn origin_of_init(last: &Path) -> Result<serde_json::Value, Error> {
    let before = Model::read(last)?.metadata.provenance.config["init"].take();
    // An earlier version told the path.
    Ok(before.as_str().and_then(|text| text.rsplit(['/', '\\']).next()).map(str::to_owned).into())
}

/// Refuses a run folder that holds another run, or none where one is to be resumed. [`fit()`] asks this first; ask it
/// before anything that takes long.
pub fn check_folder(config: &Config, resume: bool) -> Result<(), Error> {
    let folder = RunFolder(&config.out);
    match (resume, has_begun(folder.0)) {
        (true, _) => Config::of_run(folder.0)?.check_resume(config),
        (false, true) => Err(Error::run(folder.0, TAKEN)),
        (false, false) => Ok(()),
    }
}

/// That as many processes train as the settings say: the bits depend on their number.
fn check_ranks(config: &Config, found: usize) -> Result<(), Error> {
    let expected = match config.ranks {
        ranks if ranks == found => return Ok(()),
        1 => "one process, as these settings say".to_owned(),
        ranks => format!(
            "the {ranks} processes of these settings, as of `mpirun -n {ranks} python -m vertebra.mpi`"
        ),
    };
    Err(Error::Setting { name: "ranks".into(), reason: format!("expected {expected}, found {found}") })
}

/// What is said of a folder with a run that would be overwritten.
pub(crate) const TAKEN: &str =
    "holds a run already, which is not overwritten; add --resume to go on with it, or choose another --out";

/// That the data are those that the run began with, wherever they lie.
fn check_data(folder: RunFolder, dataset: &Dataset) -> Result<Likeness, Error> {
    let before = Model::read(folder.last())?.metadata.provenance.data_fingerprint;
    check_likeness(folder.0, dataset.compare_fingerprint(&before))
}

/// Refuses data that are not those of the run or cross-validation in `folder`.
pub(crate) fn check_likeness(folder: &Path, found: Likeness) -> Result<Likeness, Error> {
    let what = match found {
        Likeness::Same | Likeness::SameSizes => return Ok(found),
        Likeness::OtherContents => "what the files hold; their number, labels, splits and sizes are the same",
        Likeness::Other => "files, labels, splits or sizes",
    };
    let reason =
        format!("the data set has changed since this run began ({what}); start a new run with another --out");
    Err(Error::run(folder, reason))
}

/// A run; of several ranks, as one of them sees it.
pub(crate) struct Run<'a, 'r> {
    pub config: &'a Config,
    folder: RunFolder<'a>,
    pub dataset: &'a Dataset,
    pub metadata: Metadata,
    pub trainer: Trainer,
    rates: nn::Schedule,
    training: Loader,
    /// Training images as they are, for the running statistics.
    unvaried: Loader,
    validation: Loader,
    /// While the body is frozen and its features are computed once.
    features: Option<Features>,
    /// Of the images for training and validation.
    remarks: Remarks,
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
    stop: &'a AtomicBool,
    /// Whether all ranks have agreed to stop.
    stops: bool,
    observe: &'a mut dyn FnMut(&Event),
    pub ranks: &'a mut Group<'r>,
}

impl<'a, 'r> Run<'a, 'r> {
    pub fn new(
        config: &'a Config,
        dataset: &'a Dataset,
        metadata: Metadata,
        trainer: Trainer,
        position: Position,
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
        let options = LoaderOptions {
            shard: ranks.shard(config.least_shard()),
            shuffle: config.shuffle,
            augment: config.augment.then(|| Augment { flip: config.flip, ..Augment::default() }),
            ..LoaderOptions::training(config.batch_size, config.seed)
        };
        let in_order = || LoaderOptions::in_order(config.batch_size);
        let mut part = dataset.part(Split::Train);
        let remarks = Remarks::default();
        let training = loader(&part, options).with_remarks(&remarks);
        let validation = loader(&dataset.part(Split::Val), in_order()).with_remarks(&remarks);
        // Whole batches: the rest may be a single image, whose last feature maps have no variance.
        let whole = (part.len() / config.batch_size).clamp(1, STATISTICS_BATCHES);
        Rng::derive(&[config.seed, STATISTICS_STREAM]).shuffle(&mut part);
        part.truncate(whole * config.batch_size);
        let unvaried = loader(&part, in_order());
        let rates = config.rates(training.batches_per_epoch() as u64);
        let log = |path, header, keep| leads.then(|| Log::open(path, header, keep)).transpose();
        let steps = log(folder.steps(), STEPS, position.step)?;
        let epochs = log(folder.epochs(), EPOCHS, position.epoch)?;
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
    fn tell(&mut self, event: &Event) -> Result<(), Error> {
        if let Some(file) = &mut self.tensorboard {
            file.add(event)?;
        }
        (self.observe)(event);
        Ok(())
    }

    /// The number of the last step, if training does not stop early.
    fn last_step(&self) -> u64 {
        let all = self.config.epochs * self.training.batches_per_epoch() as u64;
        self.config.max_steps.map_or(all, |most| most.min(all))
    }

    /// Finds the learning rate by a range test, and puts all back to the first weights; false if it was interrupted.
    pub fn find_rate(&mut self) -> Result<bool, Error> {
        let first = self.trainer.network.clone();
        let mut test = RangeTest::default();
        for epoch in 0.. {
            if !self.prepare_features(epoch)? {
                return Ok(false);
            }
            for batch in self.batches(epoch, 0) {
                let Some(rate) = test.next_rate() else { break };
                let batch = batch.map_err(Error::batch)?;
                test.add(rate, self.learn(&batch, rate)?);
                self.training.recycle(batch);
                self.tell(&Event::RangeTest { step: test.steps.len(), steps: range_test::STEPS })?;
                if self.stops {
                    return Ok(false);
                }
            }
            if test.next_rate().is_none() {
                break;
            }
        }
        let (found, default) = (test.rate(), Config::default().lr.fixed());
        let lr = found.or(default).unwrap_or_default();
        let config = Config { lr: LearningRate::Fixed(lr), ..self.config.clone() };
        if self.ranks.leads() {
            test.write(&self.folder.lr_range())?;
            config.save()?;
        }
        self.metadata.provenance.config["lr"] = lr.into();
        self.rates = config.rates(self.training.batches_per_epoch() as u64);
        self.trainer = new_trainer(&config, self.dataset, first);
        self.tell(&Event::RateFound { lr, steps: test.steps.len(), is_default: found.is_none() })?;
        Ok(true)
    }

    /// Trains to the end; false if it was interrupted.
    pub fn train(&mut self) -> Result<bool, Error> {
        self.save()?;
        let (last_step, first_epoch) = (self.last_step(), self.position.epoch);
        while self.position.step < last_step {
            if self.position.stopper.exhausted(self.config.patience) {
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
        if self.position.stopper.exhausted(self.config.patience) {
            self.tell(&Event::StoppedEarly { best_epoch: self.position.stopper.best_epoch })?;
        }
        Ok(true)
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
                    return Err(Error::batch(error));
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
        let rate = self.rates.rate(self.position.step);
        let loss = self.learn(&batch, rate)?;
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

    /// The batches of an epoch, from one on; of features, where they are known.
    fn batches(&self, epoch: u64, first: usize) -> Box<dyn Iterator<Item = Result<Batch, data::Error>>> {
        let rows = self.features.as_ref().and_then(|features| features.training[self.view(epoch)].as_ref());
        match rows {
            Some(rows) => Box::new(self.training.batches_of(&rows.values, epoch, first).map(Ok)),
            None => Box::new(self.training.batches(epoch, first)),
        }
    }

    /// The view of images that an epoch shows to a frozen body.
    fn view(&self, epoch: u64) -> usize {
        if self.config.augment { (epoch % self.config.frozen_views.max(1)) as usize } else { 0 }
    }

    /// Computes the features that `epoch` needs, if the body is frozen and nobody has; else forgets those that there
    /// are. False if it was interrupted.
    fn prepare_features(&mut self, epoch: u64) -> Result<bool, Error> {
        if self.config.frozen_views == 0 || !self.trainer.network.is_body_frozen() {
            self.features = None;
            return Ok(true);
        }
        let view = self.view(epoch);
        let mut features = self.features.take().unwrap_or_default();
        features.training.resize(features.training.len().max(view + 1), None);
        if features.training[view].is_none() {
            let augment = Augment { flip: self.config.flip, ..Augment::default() };
            let options = LoaderOptions {
                seed: self.config.seed,
                augment: (view > 0).then_some(augment),
                ..LoaderOptions::in_order(self.config.batch_size)
            };
            // Of each file once, however many views there are.
            let remarks = features.training.iter().all(Option::is_none).then(|| self.remarks.clone());
            let part = self.dataset.part(Split::Train);
            features.training[view] = self.read_features(&part, options, remarks, view as u64)?;
            if features.training[view].is_none() {
                self.features = Some(features);
                return Ok(false);
            }
        }
        if features.validation.is_none() {
            let part = self.dataset.part(Split::Val);
            let options = LoaderOptions::in_order(self.config.batch_size);
            features.validation = self.read_features(&part, options, Some(self.remarks.clone()), 0)?;
        }
        let is_whole = features.validation.is_some();
        self.features = Some(features);
        Ok(is_whole)
    }

    /// The features of `part` of the data set as `options` read it in `epoch`; each of several ranks computes those
    /// of a shard. None if it was interrupted.
    fn read_features(
        &mut self,
        part: &[usize],
        options: LoaderOptions,
        remarks: Option<Remarks>,
        epoch: u64,
    ) -> Result<Option<Rows>, Error> {
        let network = &self.trainer.network;
        let (mut body, length) = (Body::new(network.spec(), &network.weights())?, network.spec().features);
        let shard = self.ranks.shard(1).range(part.len());
        let loader = Loader::new(self.dataset, &part[shard.clone()], &self.metadata.preprocessing, options);
        let loader = loader.with_remarks(&remarks.unwrap_or_default());
        let (images, stop, observe) = (loader.images(), self.stop, &mut self.observe);
        observe(&Event::Features { done: 0, images });
        let rows = Rows::read(&mut body, &loader, epoch, &mut |done| {
            observe(&Event::Features { done, images });
            !stop.load(Ordering::Relaxed)
        })?;
        if self.ranks.count() == 1 {
            return Ok(rows);
        }
        let mut values = vec![0.0; part.len() * length];
        if let Some(rows) = &rows {
            values[shard.start * length..shard.end * length].copy_from_slice(&rows.values);
        }
        let stops = self.ranks.sum(&mut values, rows.is_none())?;
        Ok((!stops).then(|| Rows { indices: part.to_vec(), values: values.into() }))
    }

    fn images(&self, batch: &Batch) -> Tensor {
        let prep = &self.metadata.preprocessing;
        Tensor::from_slice([batch.labels.len(), prep.height, prep.width, prep.channels], &batch.images)
    }

    /// Measures the running statistics of the present weights over a few batches of training images ("precise batch
    /// norm", Wu and Johnson 2021, section 3). The average that training keeps lags behind the weights by some hundred
    /// steps; on a small set that is an epoch, so validation, and with it early stopping, would judge a network that
    /// no longer exists. The images are not varied: an image that is to be classified is not varied either, and noise
    /// that is there in training only would be counted into the variance of every early channel.
    fn measure_statistics(&mut self) -> Result<(), Error> {
        if self.trainer.network.is_body_frozen() {
            return Ok(());
        }
        self.trainer.network.batches_seen = 0;
        for batch in self.unvaried.batches(0, 0) {
            let batch = batch.map_err(Error::batch)?;
            let images = self.images(&batch);
            self.trainer.measure(images);
            self.unvaried.recycle(batch);
        }
        Ok(())
    }

    /// What an epoch is validated by and what is kept of it: the average of the weights, with statistics of its own.
    /// Training goes on with the weights and statistics that it had.
    fn kept_weights(&mut self) -> Result<Weights, Error> {
        let training = self.trainer.statistics();
        self.trainer.swap_average();
        self.measure_statistics()?;
        if let Some(name) = self.trainer.broken_tensor() {
            return Err(self.diverged(format!("{name} is not finite"), self.position.step));
        }
        let weights = self.trainer.network.weights();
        self.trainer.swap_average();
        self.trainer.restore_statistics(training);
        Ok(weights)
    }

    /// Ends an epoch, of which `images` were trained since `begun`: rank 0 validates, and all hear where the run is.
    fn end_epoch(&mut self, begun: Instant, images: usize) -> Result<(), Error> {
        if self.ranks.leads() {
            self.validate(begun, images)?;
        }
        if self.ranks.count() > 1 {
            let position = self.ranks.leads().then_some(&self.position);
            self.position = self.ranks.share(position)?;
        }
        Ok(())
    }

    /// Validates, keeps the weights if they are the best so far, and saves.
    fn validate(&mut self, begun: Instant, images: usize) -> Result<(), Error> {
        let images_per_second = images as f64 / begun.elapsed().as_secs_f64().max(1e-9);
        let step = self.position.step;
        let weights = self.kept_weights()?;
        let network = self.trainer.network.spec();
        let predictions = match self.features.as_ref().and_then(|features| features.validation.as_ref()) {
            Some(rows) => rows.predict(&mut Classifier::of_features(network, &weights, &self.metadata)?),
            None => {
                predict_loader(&mut Classifier::of(network, &weights, &self.metadata)?, &self.validation)?
            }
        };
        let figures = EpochFigures::of(&predictions, self.dataset, &self.metadata);
        let val_loss = figures.loss;
        if !val_loss.is_finite() {
            return Err(self.diverged(format!("the validation loss is {val_loss}"), step));
        }
        self.position.epoch += 1;
        let epoch = self.position.epoch;
        // Whether there is an AUROC depends on the labels only, so it is the same of every epoch.
        let judged = match (self.config.best_by, figures.auroc) {
            (BestBy::Auroc, Some(auroc)) => 1.0 - auroc,
            _ => val_loss,
        };
        let best = self.position.stopper.observe(epoch, judged);
        if best {
            Model::new(self.metadata.clone(), weights)?.write(self.folder.best())?;
        }
        let row = Epoch {
            epoch,
            train_loss: self.position.loss_sum / self.position.images as f64,
            val_loss,
            val_accuracy: figures.accuracy,
            val_auroc: figures.auroc,
            lr: self.rates.rate(step - 1),
            seconds: begun.elapsed().as_secs_f64(),
            images_per_second,
            best,
        };
        if let Some(epochs) = &mut self.epochs {
            epochs.add(&row.to_csv())?;
        }
        let (classes, loss) = (self.answers(), row.train_loss.max(val_loss));
        let warns = !self.has_exploded && trouble::has_exploded(row.train_loss, val_loss, classes);
        self.has_exploded |= warns;
        (self.position.batch, self.position.loss_sum, self.position.images) = (0, 0.0, 0);
        self.save()?;
        self.tell(&Event::Epoch(&row))?;
        match warns {
            true => self.tell(&Event::Warned(&trouble::words(epoch, loss, classes, row.lr))),
            false => Ok(()),
        }
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

    fn diverged(&self, what: String, step: u64) -> Error {
        let best = self.position.stopper.best_epoch;
        let kept = match best {
            0 => "no epoch was finished".to_owned(),
            _ => format!("the best weights, of epoch {best}, are in {}", self.folder.best().display()),
        };
        let checkpoint = format!("{kept}; the last checkpoint is {}", self.folder.last().display());
        Error::Diverged { what, step, rate: self.rates.rate(step.saturating_sub(1)), checkpoint }
    }

    /// Restores the best weights (the last ones, if no epoch was validated), fixes temperature and threshold,
    /// evaluates, and writes the finished model.
    fn finish(&mut self) -> Result<Report, Error> {
        self.tell(&Event::Evaluating)?;
        let best_epoch = self.position.stopper.best_epoch;
        let model = match best_epoch {
            0 => Model::new(self.metadata.clone(), self.trainer.network.weights())?,
            _ => {
                let weights = Model::read(self.folder.best())?.weights;
                Model::new(self.metadata.clone(), weights)?
            }
        };
        let table = std::fs::read_to_string(self.folder.epochs()).unwrap_or_default();
        let exploded = trouble::exploded(&table, self.answers(), best_epoch);
        let rule = self.config.threshold_rule;
        let warnings = exploded.into_iter().collect();
        let (report, model) = Report::new(model, self.dataset, &self.validation, rule, best_epoch, warnings)?;
        model.write(self.folder.best())?;
        let path = self.folder.predictions();
        write_predictions(&path, &report.classes, &report.summary, &report.predictions, self.dataset)?;
        self.tell(&Event::Remarked(&report.remarks))?;
        Ok(report)
    }
}
