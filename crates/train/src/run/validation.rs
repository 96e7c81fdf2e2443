//! What ends an epoch, and the run: statistics, validation, the weights that are kept, the evaluation of the best.

use std::time::Instant;

use model::{Model, Weights};
use predict::Classifier;

use super::Run;
use crate::documents::read_text;
use crate::evaluate::write_predictions;
use crate::figures::EpochFigures;
use crate::operating::Fixed;
use crate::predictions::predict_loader;
use crate::{BestBy, Epoch, Error, Event, Report, trouble};

impl Run<'_, '_> {
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
            let batch = batch.map_err(|error| self.unreadable(error))?;
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
    pub(super) fn end_epoch(&mut self, begun: Instant, images: usize) -> Result<(), Error> {
        if !self.ranks.leads() {
            self.position = self.ranks.hear()?;
            return Ok(());
        }
        self.validate(begun, images)?;
        if self.ranks.count() > 1 {
            self.ranks.tell(&self.position)?;
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
            lr: self.rate_of(step - 1),
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
        let lacks_auroc = epoch == 1 && self.config.best_by == BestBy::Auroc && row.val_auroc.is_none();
        (self.position.batch, self.position.loss_sum, self.position.images) = (0, 0.0, 0);
        self.save()?;
        self.tell(&Event::Epoch(&row))?;
        if lacks_auroc {
            self.tell(&Event::Warned(&trouble::no_auroc(self.dataset.has_findings())))?;
        }
        match warns {
            true => {
                let cure = self.config.cure(epoch);
                self.tell(&Event::Warned(&trouble::words(epoch, loss, classes, row.lr, &cure)))
            }
            false => Ok(()),
        }
    }

    /// Restores the best weights (the last ones, if no epoch was validated), fixes temperature and threshold,
    /// evaluates, and writes the finished model. What was `fixed` after an earlier end stays with the same weights.
    pub fn finish(&mut self, fixed: Option<Fixed>) -> Result<Report, Error> {
        self.tell(&Event::Evaluating)?;
        let best_epoch = self.position.stopper.best_epoch;
        let model = match best_epoch {
            0 => Model::new(self.metadata.clone(), self.trainer.network.weights())?,
            _ => {
                let weights = Model::read(self.folder.best())?.weights;
                Model::new(self.metadata.clone(), weights)?
            }
        };
        let table = read_text(&self.folder.epochs())?;
        let cure = |epoch| self.config.cure(epoch);
        let exploded = trouble::exploded(&table, self.answers(), best_epoch, &cure);
        let lacks_auroc = best_epoch > 0 && !trouble::has_auroc(&table);
        let best_by = if lacks_auroc { BestBy::Loss } else { self.config.best_by };
        let by_loss =
            (best_by != self.config.best_by).then(|| trouble::no_auroc(self.dataset.has_findings()));
        let rule = self.config.threshold_rule;
        let warnings = exploded.into_iter().chain(by_loss).collect();
        let (mut report, mut model) =
            Report::new(model, self.dataset, &self.validation, rule, (best_epoch, best_by), warnings)?;
        let fixed = fixed.map(|fixed| fixed.restore(&mut model));
        report.warnings.extend(fixed);
        model.write(self.folder.best())?;
        let path = self.folder.predictions();
        write_predictions(&path, &report.classes, &report.summary, &report.predictions, self.dataset)?;
        self.tell(&Event::Remarked(&report.remarks))?;
        Ok(report)
    }
}
