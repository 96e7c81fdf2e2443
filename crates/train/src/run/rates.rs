//! The learning rates of a run, and the range test that finds one.

use super::Run;
use crate::range_test::{self, RangeTest};
use crate::start::new_trainer;
use crate::{Config, Error, Event, LearningRate};

impl Run<'_, '_> {
    /// The learning rate of what trains in the step after `step`: of the classifier alone, its own.
    pub(super) fn rate_of(&self, step: u64) -> f64 {
        let rate = self.rates.rate(step);
        match self.config.head_lr.filter(|_| self.trainer.network.is_body_frozen()) {
            Some(of_head) => of_head * (rate / self.rates.base),
            None => rate,
        }
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
                let batch = batch.map_err(|error| self.unreadable(error))?;
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
}
