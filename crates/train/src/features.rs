//! What a frozen body says of images, computed once, so that the classifier trains on features alone.
//!
//! While the body is frozen its features of an image change only with the augmentation. So an epoch shows one of a few
//! views of each image, in turn: view 0 is the image as it is, view V > 0 is augmented as in epoch V of any run. The
//! features are those of inference, whose bits depend neither on the batch nor on the number of threads, and they are
//! computed again, to the same bits, by a run that goes on.

use crate::run::Run;
use crate::{Error, Event, Predictions};
use data::{Augment, Batch, Loader, LoaderOptions, Remarks, Split};
use predict::{Body, Classifier};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The features of some images, `[n, length]`, in the order of their loader.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// The indices of the images in the data set.
    pub indices: Vec<usize>,
    /// The features.
    pub values: Arc<Vec<f32>>,
}

impl Rows {
    /// Of what `loader` reads in `epoch`. `go_on` hears how many images are done; none, if it said no.
    pub(crate) fn read(
        body: &mut Body,
        loader: &Loader,
        epoch: u64,
        go_on: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Self>, Error> {
        let (mut indices, mut values) = (vec![], vec![]);
        for batch in loader.batches(epoch, 0) {
            let batch = batch.map_err(Error::batch)?;
            values.extend(body.features(&batch.images));
            indices.extend(&batch.indices);
            loader.recycle(batch);
            if !go_on(indices.len()) {
                return Ok(None);
            }
        }
        Ok(Some(Self { indices, values: values.into() }))
    }

    /// What a classifier of features says of them.
    pub(crate) fn predict(&self, classifier: &mut Classifier) -> Predictions {
        Predictions::new(self.indices.clone(), classifier.log_probabilities(&self.values))
    }
}

/// The features that a run has computed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Features {
    /// Of the training images, by view.
    pub training: Vec<Option<Rows>>,
    /// Of the validation images.
    pub validation: Option<Rows>,
}

impl Run<'_, '_> {
    /// The batches of an epoch, from one on; of features, where they are known.
    pub fn batches(&self, epoch: u64, first: usize) -> Box<dyn Iterator<Item = Result<Batch, data::Error>>> {
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
    pub fn prepare_features(&mut self, epoch: u64) -> Result<bool, Error> {
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
}
