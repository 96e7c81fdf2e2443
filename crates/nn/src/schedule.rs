//! How the learning rate changes over a run.

use serde::{Deserialize, Serialize};

/// How the learning rate goes on after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// It stays.
    Constant,
    /// It falls to zero along half a cosine, at the end of the last epoch.
    Cosine,
}

/// Learning rate by step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The rate after the warm-up.
    pub base: f64,
    /// What follows it.
    pub decay: Decay,
    /// Steps over which the rate rises linearly from `base / warmup_steps`; 0 for none.
    pub warmup_steps: u64,
    /// Steps of the whole run, where the cosine ends.
    pub total_steps: u64,
}

impl Schedule {
    /// The rate of a step, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.base * (step + 1) as f64 / self.warmup_steps as f64;
        }
        match self.decay {
            Decay::Constant => self.base,
            // Loshchilov and Hutter 2017, eq. 5, one cycle.
            Decay::Cosine => {
                let span = self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
                let done = ((step - self.warmup_steps) as f64 / span).min(1.0);
                self.base * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_and_decays() {
        let schedule = Schedule { base: 0.1, decay: Decay::Cosine, warmup_steps: 4, total_steps: 104 };
        let rates = [0, 3, 4, 54, 104, 1000].map(|step| schedule.rate(step));
        let expected = [0.025, 0.1, 0.1, 0.05, 0.0, 0.0];
        for (rate, expected) in rates.into_iter().zip(expected) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
        let constant = Schedule { decay: Decay::Constant, ..schedule };
        assert_eq!(constant.rate(1000), 0.1);
    }
}
