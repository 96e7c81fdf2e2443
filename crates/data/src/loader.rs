//! Batches of an epoch, decoded and augmented ahead of their reader.
//!
//! Invariant: batch b of epoch e is a function of (samples, preprocessing, augmentation, seed, e, b). It does not
//! depend on the number of threads, on what is cached, or on where the epoch was entered, so a resumed run reads what
//! the uninterrupted one would have read. The order of an epoch is the stream [seed, epoch]; what happens to a sample
//! is the stream [seed, epoch, index of the sample in the data set].

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::Rng;
use model::{Preprocessing, normalise, pixels};

use crate::cache::{Cache, Pixels};
use crate::{Augment, CacheUsage, Dataset, Error, Remarks, Stream, decode_through};

/// How a [`Loader`] reads.
#[derive(Clone, Debug)]
pub struct LoaderOptions {
    /// Images a batch; the last of an epoch has what is left, or with that a few more: see `least_batch`.
    pub batch_size: usize,
    /// Of fewer images than so many no batch is made at the end of an epoch: the one before has them too.
    pub least_batch: usize,
    /// Which of them are read here.
    pub shard: Shard,
    /// A new order every epoch; else the order of the samples.
    pub shuffle: bool,
    /// Names the random streams.
    pub seed: u64,
    /// None: images as they are.
    pub augment: Option<Augment>,
    /// Bytes of decoded images to keep for the next epoch; 0 keeps none.
    pub cache_bytes: usize,
    /// Threads that decode.
    pub workers: usize,
    /// Batches made before they are asked for; with the one in use, `ahead + 1` are in memory.
    pub ahead: usize,
}

impl LoaderOptions {
    /// For evaluation: in order, as they are, nothing kept.
    pub fn in_order(batch_size: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let workers = cores.min(2);
        Self {
            batch_size,
            least_batch: 1,
            shard: Shard::WHOLE,
            shuffle: false,
            seed: 0,
            augment: None,
            cache_bytes: 0,
            workers,
            ahead: 4,
        }
    }

    /// For training: shuffled and augmented from `seed`, with up to 1 GiB of decoded images kept.
    pub fn training(batch_size: usize, seed: u64) -> Self {
        let augment = Some(Augment::default());
        Self { shuffle: true, seed, augment, cache_bytes: 1 << 30, ..Self::in_order(batch_size) }
    }
}

/// Images and labels for one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[n, height, width, channels]`.
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<usize>,
    /// The index of each image in the data set.
    pub indices: Vec<usize>,
    /// Images of the batch that come before these, in the shards of others.
    pub before: usize,
    /// Images of the batch in all shards.
    pub whole: usize,
    /// How long the reader waited for this batch: time that decoding cost the training.
    pub waited: Duration,
}

/// One of several shards, into which images are divided in their order, as evenly as can be; the first ones have the
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0.
    pub rank: usize,
    /// How many there are, at least 1.
    pub ranks: usize,
    /// So many images go together, at least 1: of fewer than two times as many, the first shard has all.
    pub least: usize,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { rank: 0, ranks: 1, least: 1 };

    /// What it has of `images`; nothing, if they are fewer than the shards before.
    pub fn range(self, images: usize) -> Range<usize> {
        let shards = (images / self.least.max(1)).clamp(1, self.ranks);
        if self.rank >= shards {
            return images..images;
        }
        let (each, more) = (images / shards, images % shards);
        let first = self.rank * each + self.rank.min(more);
        first..first + each + usize::from(self.rank < more)
    }
}

struct Item {
    index: usize,
    label: usize,
    path: PathBuf,
}

struct Source {
    items: Vec<Item>,
    prep: Preprocessing,
    options: LoaderOptions,
    cache: Cache,
    /// Used buffers, for the next batches.
    buffers: Mutex<Vec<Vec<f32>>>,
    remarks: Remarks,
    /// Images of which remarks were kept: without room for their pixels, they are decoded in every epoch.
    noted: Mutex<BTreeSet<usize>>,
}

/// A part of a data set, read in batches.
pub struct Loader {
    source: Arc<Source>,
}

impl Loader {
    /// Reads the samples of `dataset` at the indices `part`.
    pub fn new(dataset: &Dataset, part: &[usize], prep: &Preprocessing, options: LoaderOptions) -> Self {
        let item = |&index: &usize| {
            let sample = &dataset.samples[index];
            Item { index, label: sample.label, path: sample.path.clone() }
        };
        let cache = Cache::new(part.len(), options.cache_bytes);
        let options = LoaderOptions { batch_size: options.batch_size.max(1), ..options };
        let items = part.iter().map(item).collect();
        let source = Source {
            items,
            prep: prep.clone(),
            options,
            cache,
            buffers: Mutex::default(),
            remarks: Remarks::default(),
            noted: Mutex::default(),
        };
        Self { source: Arc::new(source) }
    }

    /// Keeps in `remarks` what the reader says of files; before the first batch.
    pub fn with_remarks(mut self, remarks: &Remarks) -> Self {
        if let Some(source) = Arc::get_mut(&mut self.source) {
            source.remarks = remarks.clone();
        }
        self
    }

    /// The number of images in an epoch.
    pub fn images(&self) -> usize {
        self.source.items.len()
    }

    /// The number of batches in an epoch.
    pub fn batches_per_epoch(&self) -> usize {
        self.source.batches()
    }

    /// The batches of `epoch` from batch `first` on. Decoding begins with this call, so an epoch that is asked for
    /// early is ready early. A file that cannot be decoded is an error that names it, and the last item.
    pub fn batches(&self, epoch: u64, first: usize) -> Batches {
        let source = self.source.clone();
        let order = source.order(epoch);
        let (workers, ahead) = (source.options.workers, source.options.ahead);
        let (numbers, reader) = (first..self.batches_per_epoch(), Arc::new(()));
        let (all, is_read) = (numbers.clone(), Arc::downgrade(&reader));
        let make = move |number| source.batch(epoch, &order, number, &|| is_read.strong_count() > 0);
        Batches { numbers, stream: Stream::new(|| all, workers, ahead, make).ok(), _reader: reader }
    }

    /// The same batches with rows of `rows`, one for each image in the order of the samples, in the place of images:
    /// nothing is read.
    pub fn batches_of(
        &self,
        rows: &Arc<Vec<f32>>,
        epoch: u64,
        first: usize,
    ) -> impl Iterator<Item = Batch> + use<> {
        let (source, rows) = (self.source.clone(), rows.clone());
        let (order, length) = (source.order(epoch), rows.len() / self.images().max(1));
        (first..self.batches_per_epoch()).map(move |number| {
            let (order, shard) = source.positions(&order, number);
            let of_image = |&i: &usize| &rows[i * length..][..length];
            let images = order[shard.clone()].iter().flat_map(of_image).copied().collect();
            source.labelled(order, shard, images)
        })
    }

    /// Takes back a batch that is done with, so that the next ones need no new memory.
    pub fn recycle(&self, batch: Batch) {
        let mut buffers = self.source.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() <= self.source.options.ahead {
            buffers.push(batch.images);
        }
    }

    /// What is kept of the decoded images, and the limit.
    pub fn cache_usage(&self) -> CacheUsage {
        self.source.cache.usage()
    }
}

/// The batches of an epoch, in order.
pub struct Batches {
    /// Those that are still to come.
    numbers: Range<usize>,
    /// None, if no thread could be started.
    stream: Option<Stream<Result<Batch, Error>>>,
    /// Tells the threads by its life that somebody reads.
    _reader: Arc<()>,
}

impl Iterator for Batches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let number = self.numbers.next()?;
        let made = self.stream.as_ref().and_then(|stream| stream.batch(1).pop().flatten());
        let batch = made.unwrap_or(Err(Error::Worker(number)));
        if batch.is_err() {
            self.numbers = 0..0; // There is nothing more to read.
        }
        Some(batch.map(|batch| Batch { waited: start.elapsed(), ..batch }))
    }
}

impl Source {
    /// The batches of an epoch.
    fn batches(&self) -> usize {
        let LoaderOptions { batch_size, least_batch, .. } = self.options;
        let (whole, rest) = (self.items.len() / batch_size, self.items.len() % batch_size);
        whole + usize::from(rest > 0 && (rest >= least_batch || whole == 0))
    }

    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        if self.options.shuffle {
            Rng::derive(&[self.options.seed, epoch]).shuffle(&mut order);
        }
        order
    }

    fn batch(
        &self,
        epoch: u64,
        order: &[usize],
        number: usize,
        is_read: &dyn Fn() -> bool,
    ) -> Result<Batch, Error> {
        let (batch, shard) = self.positions(order, number);
        let order = &batch[shard.clone()];
        let image = self.prep.height * self.prep.width * self.prep.channels;
        let mut images =
            self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        images.resize(order.len() * image, 0.0);
        for (&i, out) in order.iter().zip(images.chunks_exact_mut(image)) {
            if !is_read() {
                break;
            }
            self.image(epoch, i, out)?;
        }
        Ok(self.labelled(batch, shard, images))
    }

    /// The samples of batch `number` in the `order` of an epoch, and which of them are in the shard.
    fn positions<'a>(&self, order: &'a [usize], number: usize) -> (&'a [usize], Range<usize>) {
        let first = number * self.options.batch_size;
        let is_last = number + 1 == self.batches();
        let end = if is_last { order.len() } else { first + self.options.batch_size };
        let batch = &order[first..end];
        (batch, self.options.shard.range(batch.len()))
    }

    /// The samples of a shard of `batch`.
    fn labelled(&self, batch: &[usize], shard: Range<usize>, images: Vec<f32>) -> Batch {
        let (before, whole) = (shard.start, batch.len());
        let label = |&i: &usize| (self.items[i].index, self.items[i].label);
        let (indices, labels) = batch[shard].iter().map(label).unzip();
        Batch { images, labels, indices, before, whole, waited: Duration::ZERO }
    }

    /// Writes image `i` of `epoch` to `out: [height, width, channels]`.
    fn image(&self, epoch: u64, i: usize, out: &mut [f32]) -> Result<(), Error> {
        if let Some(kept) = self.cache.get(i) {
            self.finish(epoch, i, kept, out);
            return Ok(());
        }
        let path = &self.items[i].path;
        let (picture, notes) = decode_through(path, self.prep.window)?;
        if !notes.is_empty() && self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(i) {
            self.remarks.add(&path.display().to_string(), notes);
        }
        let fresh = Pixels::new(pixels(&picture, &self.prep));
        self.finish(epoch, i, &fresh, out);
        let _ = self.cache.put(i, fresh); // No room: it is decoded again next time.
        Ok(())
    }

    fn finish(&self, epoch: u64, i: usize, pixels: &Pixels, out: &mut [f32]) {
        let Some(augment) = &self.options.augment else {
            match pixels {
                Pixels::Bytes(values) => out.iter_mut().zip(values).for_each(|(o, &v)| *o = v.into()),
                Pixels::Floats(values) => out.copy_from_slice(values),
            }
            return normalise(out, &self.prep);
        };
        let mut rng = Rng::derive(&[self.options.seed, epoch, self.items[i].index as u64]);
        match pixels {
            Pixels::Bytes(values) => augment.apply(values, &self.prep, &mut rng, out),
            Pixels::Floats(values) => augment.apply(values, &self.prep, &mut rng, out),
        }
    }
}
