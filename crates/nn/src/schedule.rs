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
    /// It rises from a 25th over 30 % of the steps, and falls to a 250,000th by the last; it has no warm-up beside its own.
    #[serde(rename = "one-cycle")]
    OneCycle,
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
    /// Steps of the whole run, where the cosine or the cycle ends.
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
            Decay::OneCycle => self.one_cycle((step - self.warmup_steps) as f64),
        }
    }

    /// Smith and Topin 2018 (arXiv 1708.07120), section 3, in the form and with the constants of PyTorch's `OneCycleLR`:
    /// both ways along half a cosine.
    fn one_cycle(&self, step: f64) -> f64 {
        let last = self.total_steps.saturating_sub(self.warmup_steps).saturating_sub(1) as f64;
        let top = (RISE * (last + 1.0) - 1.0).max(0.0);
        let (low, lowest) = (self.base / START, self.base / START / END);
        // From `a` at 0 to `b` at 1.
        let ease =
            |a: f64, b: f64, x: f64| b + (a - b) * 0.5 * (1.0 + (std::f64::consts::PI * x.min(1.0)).cos());
        match step < top {
            true => ease(low, self.base, step / top),
            false => ease(self.base, lowest, (step - top) / (last - top).max(1.0)),
        }
    }
}

/// The share of a cycle in which the rate rises.
const RISE: f64 = 0.3;
/// How many times lower than its top it begins, and how many times lower than that it ends.
const START: f64 = 25.0;
const END: f64 = 1e4;

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

    /// By step, what the formulas in the source of PyTorch's `OneCycleLR(optimizer, max_lr=0.1, total_steps=N)` give.
    const PYTORCH: [(u64, &[(u64, f64)]); 2] = [
        (
            100,
            &[
                (0, 0.004),
                (10, 0.0295163948464),
                (29, 0.1),
                (30, 0.0999496535285),
                (64, 0.0500002),
                (99, 4e-07),
            ],
        ),
        (
            37,
            &[
                (0, 0.004),
                (5, 0.0512535130278),
                (10, 0.09997678155),
                (11, 0.0997023594105),
                (30, 0.0126677678032),
                (36, 4e-07),
            ],
        ),
    ];

    #[test]
    fn one_cycle_is_that_of_pytorch() {
        for (total_steps, expected) in PYTORCH {
            let schedule = Schedule { base: 0.1, decay: Decay::OneCycle, warmup_steps: 0, total_steps };
            for &(step, rate) in expected {
                let found = schedule.rate(step);
                assert!((found - rate).abs() < 1e-9, "{step} of {total_steps}: {found}, not {rate}");
            }
        }
        // Longer than it was planned, and too short for a rise.
        let schedule = Schedule { base: 0.1, decay: Decay::OneCycle, warmup_steps: 0, total_steps: 1 };
        assert!([0, 1, 9].iter().all(|&step| (0.0..=0.1).contains(&schedule.rate(step))));
    }
}
