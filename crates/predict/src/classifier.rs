//! Probabilities from a model: folded weights, planned once, and its calibration: a temperature of all classes, or slope and
//! intercept of each finding.

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
    /// Slope and intercept of each finding; none: one class an image.
    findings: Option<Vec<[f64; 2]>>,
}

impl Classifier {
    /// For a model file.
    pub fn new(model: &Model) -> Result<Self, Error> {
        Self::at_level(model, Level::current())
    }

    /// The same with the kernels of `level`.
    pub fn at_level(model: &Model, level: Level) -> Result<Self, Error> {
        Ok(Self::with(Plan::new(model, level, BATCH)?, &model.metadata))
    }

    /// For a model that is needed no more but for its metadata, without holding the weights twice.
    pub fn consume(model: Model) -> Result<(Self, Metadata), Error> {
        let (plan, metadata) = Plan::consume(model, Level::current(), BATCH)?;
        Ok((Self::with(plan, &metadata), metadata))
    }

    /// For the weights of a network in training, which is not calibrated.
    pub fn of(network: &Network, weights: &Weights, metadata: &Metadata) -> Result<Self, Error> {
        Ok(Self::with(Plan::of(network, weights, Level::current(), BATCH)?, metadata))
    }

    fn with(plan: Plan, metadata: &Metadata) -> Self {
        let temperature = metadata.calibration.map_or(1.0, |c| f64::from(c.temperature));
        let each = || (0..metadata.classes.len()).map(|at| recalibration(metadata, at)).collect();
        Self { plan, temperature, findings: metadata.has_findings().then(each) }
    }

    /// What logits are divided by.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Log-probabilities `[n, classes]`, or of the findings, of preprocessed `images: [n, h, w, channels]`.
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
        let rows = logits.chunks_exact(classes);
        match &self.findings {
            None => rows.flat_map(|row| log_softmax(row, self.temperature)).collect(),
            Some(findings) => rows.flat_map(|row| log_sigmoids(row, findings)).collect(),
        }
    }
}

/// Slope and intercept of a finding.
pub fn recalibration(metadata: &Metadata, finding: usize) -> [f64; 2] {
    let stored = metadata.finding(finding);
    [stored.slope.into(), stored.intercept.into()]
}

/// Log-probabilities of findings from a row of logits, each with its slope and intercept, in f64 and without overflow.
fn log_sigmoids(logits: &[f32], findings: &[[f64; 2]]) -> Vec<f64> {
    logits
        .iter()
        .zip(findings)
        .map(|(&z, [slope, intercept])| log_sigmoid(intercept + slope * f64::from(z)))
        .collect()
}

/// The logarithm of `1 / (1 + e^-z)`; that of the complement is `log_sigmoid(-z)`.
pub fn log_sigmoid(z: f64) -> f64 {
    z.min(0.0) - (-z.abs()).exp().ln_1p()
}

/// The logit whose [`log_sigmoid`] this is.
pub fn logit_of_log(log_probability: f64) -> f64 {
    log_probability - (-log_probability.exp_m1()).ln()
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
    fn a_logit_survives_its_logarithm() {
        for z in [-700.0, -30.0, -1.0, 0.0, 1e-9, 0.5, 20.0, 300.0] {
            let log = log_sigmoid(z);
            assert!((log.exp() + log_sigmoid(-z).exp() - 1.0).abs() < 1e-15);
            assert!((logit_of_log(log) - z).abs() < 1e-9 * z.abs().max(1.0), "{z}");
        }
        let found = log_sigmoids(&[2.0, -1.0], &[[1.0, 0.0], [2.0, 2.0]]);
        assert!((found[0].exp() - 1.0 / (1.0 + (-2f64).exp())).abs() < 1e-15 && found[1].exp() == 0.5);
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
