//! What a run trains on while its body is frozen: features that are computed once, and batches of them.

use crate::features::Rows;
use crate::run::Run;
use crate::{Error, Event};
use data::{Augment, Batch, Loader, LoaderOptions, Remarks, Split};
use predict::Body;
use std::sync::atomic::Ordering;

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
