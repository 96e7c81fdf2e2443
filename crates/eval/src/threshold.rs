//! The decision threshold and the rule that chose it.
//!
//! A threshold is chosen on the validation split and carried, with its rule in words, to every other: chosen on the
//! split that it is judged on, it flatters. It stands midway between the last score that is called positive and the
//! next, so the classification of the validation split does not hang on the last bit of one of its scores.

use crate::ranking::{Cut, Ranking};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A sample is called positive if its probability of the positive class is `value` or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The probability at which positive begins.
    pub value: f64,
    /// The rule that chose it, in words.
    pub rule: String,
}

/// How a threshold is chosen; as text `youden`, or `sensitivity:0.95`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ThresholdRule {
    /// [`Threshold::youden`].
    #[default]
    Youden,
    /// [`Threshold::at_sensitivity`].
    Sensitivity(f64),
}

impl ThresholdRule {
    /// The threshold that the rule chooses; `None` where it has nothing to choose from.
    pub fn choose(self, probabilities: &[f64], positive: &[bool]) -> Option<Threshold> {
        match self {
            Self::Youden => Threshold::youden(probabilities, positive),
            Self::Sensitivity(least) => Threshold::at_sensitivity(probabilities, positive, least),
        }
    }
}

impl FromStr for ThresholdRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sensitivity = || text.strip_prefix("sensitivity:")?.parse().ok();
        match sensitivity() {
            Some(least) if least > 0.0 && least <= 1.0 => Ok(Self::Sensitivity(least)),
            None if text == "youden" => Ok(Self::Youden),
            _ => Err(format!("expected youden, or sensitivity:S with S above 0 and at most 1, found {text}")),
        }
    }
}

impl TryFrom<String> for ThresholdRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ThresholdRule> for String {
    fn from(rule: ThresholdRule) -> Self {
        match rule {
            ThresholdRule::Youden => "youden".to_owned(),
            ThresholdRule::Sensitivity(least) => format!("sensitivity:{least}"),
        }
    }
}

impl Threshold {
    /// A threshold given by the user.
    pub fn fixed(value: f64) -> Self {
        Self { value, rule: "fixed".to_owned() }
    }

    /// The same decision as a threshold on the probability of the other class, which is then the positive one: an image is
    /// called so wherever this one does not call it `positive`.
    pub fn complement(&self, positive: &str) -> Self {
        let value = (1.0 - self.value).next_up();
        Self { value, rule: format!("the rest of {positive} from p = {:.4}: {}", self.value, self.rule) }
    }

    /// The threshold with the largest sensitivity + specificity - 1 (Youden 1950). Where 0.5 is as good as any, it stays
    /// 0.5: what was minimised in training puts the boundary there, and between scores that no sample lies between, a
    /// chosen number would be chance. Of other equals, the one with the higher sensitivity. `None` with one class only.
    pub fn youden(probabilities: &[f64], positive: &[bool]) -> Option<Self> {
        let cuts: Vec<Cut> = Ranking::new(probabilities, positive).cuts().collect();
        let total = cuts.last()?;
        if total.positives == 0.0 || total.negatives == 0.0 {
            return None;
        }
        // Compared as whole numbers in f64, so equals are exactly equal.
        let index = |cut: &Cut| cut.positives * total.negatives - cut.negatives * total.positives;
        let best = (0..cuts.len()).max_by(|&a, &b| index(&cuts[a]).total_cmp(&index(&cuts[b])))?;
        let at_half = cuts.iter().rfind(|cut| cut.score >= 0.5).map_or(0.0, index);
        let value = if at_half == index(&cuts[best]) { 0.5 } else { below(&cuts, best) };
        Some(Self { value, rule: "largest sensitivity + specificity - 1 (Youden)".to_owned() })
    }

    /// The highest threshold whose sensitivity is `sensitivity` or more: the most specific one that finds enough.
    /// `None` without positives.
    pub fn at_sensitivity(probabilities: &[f64], positive: &[bool], sensitivity: f64) -> Option<Self> {
        let cuts: Vec<Cut> = Ranking::new(probabilities, positive).cuts().collect();
        let positives = cuts.last()?.positives;
        let found =
            cuts.iter().position(|cut| positives > 0.0 && cut.positives >= sensitivity * positives)?;
        Some(Self { value: below(&cuts, found), rule: format!("sensitivity of at least {sensitivity}") })
    }
}

/// Midway between the score of cut `index` and the next lower one (0 below the last).
fn below(cuts: &[Cut], index: usize) -> f64 {
    let score = cuts[index].score;
    let next = cuts.get(index + 1).map_or(0.0, |cut| cut.score);
    let middle = f64::midpoint(next, score);
    if middle > next { middle } else { score }
}

#[cfg(test)]
mod tests {
    use super::ThresholdRule::{self, Sensitivity, Youden};

    #[test]
    fn rules_are_read_as_they_are_written() {
        for (text, rule) in [("youden", Youden), ("sensitivity:0.95", Sensitivity(0.95))] {
            assert_eq!(text.parse(), Ok(rule));
            assert_eq!(String::from(rule), text);
        }
        for text in ["Youden's", "sensitivity", "sensitivity:0", "sensitivity:1.1", "sensitivity:NaN", ""] {
            assert!(text.parse::<ThresholdRule>().is_err(), "{text}");
        }
    }
}
