//! The learning rate of a run: a number, or one that a range test is to find.

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// A learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LearningRate {
    /// Found by a range test (see `range_test`) before the first step, and then written into the settings as a number.
    Auto,
    /// This one.
    Fixed(f64),
}

impl LearningRate {
    /// The number, where there is one.
    pub fn fixed(self) -> Option<f64> {
        match self {
            Self::Auto => None,
            Self::Fixed(rate) => Some(rate),
        }
    }
}

/// The word for [`LearningRate::Auto`].
const AUTO: &str = "auto";
const EXPECTED: &str = "a number or auto";

impl FromStr for LearningRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            AUTO => Ok(Self::Auto),
            _ => text.parse().map(Self::Fixed).map_err(|_| format!("expected {EXPECTED}")),
        }
    }
}

impl Display for LearningRate {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => AUTO.fmt(f),
            Self::Fixed(rate) => rate.fmt(f),
        }
    }
}

impl Serialize for LearningRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::Fixed(rate) => serializer.serialize_f64(*rate),
        }
    }
}

impl<'de> Deserialize<'de> for LearningRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = LearningRate;

            fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_f64<E: serde::de::Error>(self, rate: f64) -> Result<LearningRate, E> {
                Ok(LearningRate::Fixed(rate))
            }

            fn visit_i64<E: serde::de::Error>(self, rate: i64) -> Result<LearningRate, E> {
                Ok(LearningRate::Fixed(rate as f64))
            }

            fn visit_u64<E: serde::de::Error>(self, rate: u64) -> Result<LearningRate, E> {
                Ok(LearningRate::Fixed(rate as f64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LearningRate, E> {
                let auto = (text == AUTO).then_some(LearningRate::Auto);
                auto.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Settings {
        lr: LearningRate,
    }

    #[test]
    fn a_number_or_a_word_is_read_as_it_is_written() {
        for (text, lr) in [
            ("lr = 0.002\n", LearningRate::Fixed(0.002)),
            ("lr = 1.0\n", LearningRate::Fixed(1.0)),
            ("lr = \"auto\"\n", LearningRate::Auto),
        ] {
            assert_eq!(toml::from_str::<Settings>(text).unwrap(), Settings { lr });
            assert_eq!(toml::to_string(&Settings { lr }).unwrap(), text);
            assert_eq!(lr.to_string().parse(), Ok(lr));
        }
        assert_eq!(toml::from_str::<Settings>("lr = 1").unwrap().lr, LearningRate::Fixed(1.0));
        let error = toml::from_str::<Settings>("lr = \"fast\"").unwrap_err().to_string();
        assert!(error.contains("expected a number or auto"), "{error}");
        assert_eq!("fast".parse::<LearningRate>(), Err("expected a number or auto".into()));
    }
}
