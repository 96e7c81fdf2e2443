//! Named settings: what a run starts from where its name says more than its numbers do.
//!
//! A recipe sets a few fields of a [`Config`] and leaves the others as they are. It is applied before the options of the
//! command line, so that each of them wins over it, and it leaves no trace of its name: `config.toml` holds the
//! settings themselves, so a run goes on without it, and a later version may change a recipe but not a run.

use crate::{Config, ScheduleKind};

/// A named set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// For the published split of the spine set: eight epochs, over which the rate falls to zero along a cosine, and no
    /// early stop. What it gives there, seed by seed, is in `docs/REPRODUCTION.md`.
    ///
    /// At a constant rate, early stopping has to pick an epoch, and it picks among validation losses near zero, which
    /// differ by noise. A rate that falls to zero is meant to end at a quiet point, where little depends on which epoch is
    /// kept. The length was chosen on the training rows alone, by five folds over their slices, at 112 pixels and width
    /// 0.5: 63 of 3,800 images were called wrong after four epochs, and 15 after eight.
    Described,
}

impl Recipe {
    /// `config` with the settings of this recipe.
    pub fn over(self, config: Config) -> Config {
        match self {
            Self::Described => Config { schedule: ScheduleKind::Cosine, epochs: 8, patience: 0, ..config },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_the_options_that_it_stands_for() {
        let described = Recipe::Described.over(Config::default());
        described.check().unwrap();
        let mut options = described.options();
        options.sort();
        let mut asked = ["--schedule", "cosine", "--epochs", "8", "--patience", "0"];
        asked.sort();
        assert_eq!(options, asked);
        // What it does not set stays as it was.
        let other = Config { lr: 0.5, seed: 7, epochs: 3, ..Config::default() };
        assert_eq!(Recipe::Described.over(other), Config { lr: 0.5, seed: 7, ..described });
    }

    #[test]
    fn its_rate_ends_at_zero() {
        let rates = Recipe::Described.over(Config::default()).rates(119);
        assert_eq!(rates.total_steps, 8 * 119);
        assert!(rates.rate(8 * 119 - 1) < 1e-4 * rates.rate(0), "{}", rates.rate(8 * 119 - 1));
    }
}
