//! Probabilities from a model: folded weights, planned once, and the temperature of its calibration.

use crate::Error;
use infer::Plan;
use kernels::Level;
use model::{Metadata, Model, Network, Weights};

/// Images a batch: enough to fill the threads, whatever the batch size of training was.
const BATCH: usize = 32;

/// A model that is ready to predict.
pub struct Classifier {
    plan: Plan,
    temperature: f64,
}

impl Classifier {
    /// For a model file.
    pub fn new(model: &Model) -> Result<Self, Error> {
        Self::at_level(model, Level::current())
    }

    /// The same with the kernels of `level`.
    pub fn at_level(model: &Model, level: Level) -> Result<Self, Error> {
        Ok(Self { plan: Plan::new(model, level, BATCH)?, temperature: temperature(&model.metadata) })
    }

    /// For a model that is needed no more but for its metadata, without holding the weights twice.
    pub fn consume(model: Model) -> Result<(Self, Metadata), Error> {
        let (plan, metadata) = Plan::consume(model, Level::current(), BATCH)?;
        Ok((Self { plan, temperature: temperature(&metadata) }, metadata))
    }

    /// For the weights of a network in training, which is not calibrated.
    pub fn of(network: &Network, weights: &Weights) -> Result<Self, Error> {
        Ok(Self { plan: Plan::of(network, weights, Level::current(), BATCH)?, temperature: 1.0 })
    }

    /// What logits are divided by.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Log-probabilities `[n, classes]` of preprocessed `images: [n, h, w, channels]`.
    pub fn log_probabilities(&mut self, images: &[f32]) -> Vec<f64> {
        let images: Vec<_> = images.chunks_exact(self.plan.image_len()).collect();
        self.log_probabilities_each(&images)
    }

    /// The same for images that lie apart.
    pub fn log_probabilities_each(&mut self, images: &[&[f32]]) -> Vec<f64> {
        let classes = self.plan.classes();
        let mut logits = vec![0.0; images.len() * classes];
        let pieces = images.chunks(BATCH).zip(logits.chunks_mut(BATCH * classes));
        pieces.for_each(|(images, logits)| self.plan.run_each(images, logits));
        logits.chunks_exact(classes).flat_map(|row| log_softmax(row, self.temperature)).collect()
    }
}

fn temperature(metadata: &Metadata) -> f64 {
    metadata.calibration.map_or(1.0, |c| f64::from(c.temperature))
}

/// Log-probabilities of one row of logits at a temperature (Guo et al. 2017; 1 where the model is not calibrated), in f64
/// and without overflow. The sum of their exponentials is 1 to the last digits.
pub fn log_softmax<T: Copy + Into<f64>>(logits: &[T], temperature: f64) -> Vec<f64> {
    let scaled: Vec<f64> = logits.iter().map(|&x| x.into() / temperature).collect();
    let largest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scaled.iter().map(|x| (x - largest).exp()).sum();
    scaled.iter().map(|x| x - largest - sum.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_logarithms_stay_finite() {
        for temperature in [1.0, 2.5] {
            let row = log_softmax(&[2000.0f32, -2000.0, 1999.0], temperature);
            assert!((row.iter().map(|p| p.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
            assert!(row.iter().all(|p| p.is_finite()));
            assert!((row[0] - row[2] - 1.0 / temperature).abs() < 1e-9);
        }
    }

    #[test]
    fn softmax_by_hand_and_at_the_extremes() {
        let probabilities = |row: &[f32], temperature: f64| -> Vec<f64> {
            log_softmax(row, temperature).into_iter().map(f64::exp).collect()
        };
        let near = |found: &[f64], want: [f64; 2]| found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-7);
        assert!(near(&probabilities(&[0.0, 3f32.ln()], 1.0), [0.25, 0.75]));
        assert!(near(&probabilities(&[0.0, 2.0 * 3f32.ln()], 2.0), [0.25, 0.75]));
        assert!(near(&probabilities(&[1000.0, 1000.0], 1.0), [0.5, 0.5]));
        assert!(near(&probabilities(&[-1e30, 1e30], 1.0), [0.0, 1.0]));
        assert!(probabilities(&[0.0, f32::NAN], 1.0)[1].is_nan(), "a broken logit shows");
    }
}
