//! Named settings: what a run starts from where its name says more than its numbers do.
//!
//! A recipe sets a few fields of a [`Config`] and leaves the others as they are. It is laid under the options of the
//! command line, so that each of them wins over it, and leaves no trace of its name: `config.toml` holds the settings
//! themselves, so a run goes on without it, and a later version may change a recipe but not a run.

use crate::{Config, Error};
use serde::Deserialize;

/// A named set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// Four epochs at 224 pixels from the ImageNet weights that --init names: what repeats the published result on the
    /// spine set for every seed that was tried (docs/REPRODUCTION.md)
    Described,
}

impl Recipe {
    /// `config` with the settings of this recipe.
    pub fn over(self, config: Config) -> Config {
        match self {
            Self::Described => {
                let Config { lr, optimizer, beta1, beta2, epsilon, momentum, .. } = Config::default();
                let Config { weight_decay, schedule, warmup, average, .. } = Config::default();
                Config {
                    image_size: 224.into(),
                    epochs: 4,
                    lr,
                    optimizer,
                    beta1,
                    beta2,
                    epsilon,
                    momentum,
                    weight_decay,
                    schedule,
                    warmup,
                    average,
                    ..config
                }
            }
        }
    }

    /// That `config` has what the recipe cannot give.
    ///
    /// # Errors
    /// Without first weights.
    pub fn check(self, config: &Config) -> Result<(), Error> {
        if config.init.is_some() {
            return Ok(());
        }
        let found = "none: from random weights this recipe repeats nothing";
        Err(Error::config("recipe", "--init with a MobileNet trained on ImageNet beside it", found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LearningRate;

    #[test]
    fn a_recipe_wins_over_what_is_below_and_needs_weights() {
        let before = Config {
            image_size: 64.into(),
            lr: LearningRate::Fixed(0.5),
            epochs: 3,
            seed: 7,
            width: 0.25,
            optimizer: crate::OptimizerKind::AdamW,
            weight_decay: 0.05,
            warmup: 1.0,
            ..Config::default()
        };
        let described = Recipe::Described.over(before);
        let expected = Config { epochs: 4, seed: 7, width: 0.25, ..Config::default() };
        assert_eq!(described, expected);
        let told = Recipe::Described.check(&described).unwrap_err().to_string();
        assert!(told.contains("--init"), "{told}");
        let begun = Config { init: Some("imagenet.safetensors".into()), ..described };
        Recipe::Described.check(&begun).unwrap();
    }
}
