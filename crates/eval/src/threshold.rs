//! The decision threshold and the rule that chooses it.
//!
//! A threshold is chosen on the validation split, or on a site's own images, and carried, with its rule in words, to every
//! other: chosen on the split that it is judged on, it flatters. It stands midway between the last score that is called
//! positive and the next, so the classification of these images does not hang on the last bit of one of their scores. A
//! model file stores it in single precision, so it is chosen in single precision: what no such number stands between is
//! called alike, and the rule holds for what is stored.

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

/// How a threshold is chosen; as text `youden`, `sensitivity:0.95`, `specificity:0.9`, `ppv:0.8`, `cost:FN=10,FP=1` or
/// `value:0.3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ThresholdRule {
    /// The largest sensitivity + specificity - 1 (Youden 1950).
    #[default]
    Youden,
    /// The highest threshold whose sensitivity is this or more: the most specific one that finds enough.
    Sensitivity(f64),
    /// The lowest threshold whose specificity is this or more: the most sensitive one that spares enough.
    Specificity(f64),
    /// The lowest threshold whose positive predictive value, at the prevalence of the samples, is this or more.
    Ppv(f64),
    /// The least cost, at the prevalence of the samples.
    Cost {
        /// Of a positive that is not called so.
        miss: f64,
        /// Of a negative that is called positive.
        false_alarm: f64,
    },
    /// This threshold, by hand.
    Value(f64),
}

/// How the words of a threshold begin that no images chose.
pub const BY_HAND: &str = "set by hand";

impl ThresholdRule {
    /// The texts that are read as a rule.
    pub const TEXTS: &str = "youden|sensitivity:S|specificity:S|ppv:P|cost:FN=10,FP=1|value:T";

    /// The threshold that the rule chooses for samples with these probabilities of the positive class, `positive` saying
    /// which are of it.
    ///
    /// Where 0.5 is as good as any for [`Youden`](Self::Youden) and [`Cost`](Self::Cost), it stays 0.5: what was minimised
    /// in training puts the boundary there, and between scores that no sample lies between, a chosen number would be
    /// chance. Of other equals, they take the one with the higher sensitivity.
    ///
    /// # Errors
    /// What is missing: samples of a class, or a threshold that reaches what is asked for, with the best that is reached.
    pub fn choose(self, probabilities: &[f64], positive: &[bool]) -> Result<Threshold, String> {
        let positives = positive.iter().filter(|&&is| is).count();
        let negatives = positive.len() - positives;
        let [needs_positives, needs_negatives] = match self {
            Self::Value(_) => [false; 2],
            Self::Sensitivity(_) => [true, false],
            Self::Specificity(_) => [false, true],
            _ => [true; 2],
        };
        if needs_positives && positives == 0 || needs_negatives && negatives == 0 {
            let expected = match (needs_positives, needs_negatives) {
                (true, false) => "images of the positive class",
                (false, true) => "images of the other class",
                _ => "images of both classes",
            };
            return Err(format!(
                "expected {expected}, found {positives} of the positive class and {negatives} others"
            ));
        }
        let points = points(probabilities, positive);
        let (all, others) = (positives as f64, negatives as f64);
        // A quotient of whole numbers is the nearest double, as is a decimal that was read: equals are equal.
        let reached = |cut: &Cut| match self {
            Self::Sensitivity(_) => cut.positives / all,
            Self::Specificity(_) => (others - cut.negatives) / others,
            // Of nothing there is no share.
            _ if cut.positives == 0.0 => 0.0,
            _ => cut.positives / (cut.positives + cut.negatives),
        };
        let value = match self {
            // Whole numbers in f64, so equals are exactly equal.
            Self::Youden => Some(cheapest(probabilities, positive, &points, [others, all])),
            Self::Cost { miss, false_alarm } => {
                Some(cheapest(probabilities, positive, &points, [miss, false_alarm]))
            }
            Self::Value(value) => Some(f64::from(value as f32)),
            Self::Sensitivity(least) => points.iter().find(|cut| reached(cut) >= least).map(|cut| cut.score),
            Self::Specificity(least) | Self::Ppv(least) => {
                points.iter().rfind(|cut| reached(cut) >= least).map(|cut| cut.score)
            }
        };
        let rule = self.words();
        value.map(|value| Threshold { value, rule: rule.clone() }).ok_or_else(|| {
            let best = points.iter().max_by(|a, b| reached(a).total_cmp(&reached(b)));
            let best = best.map_or("none".to_owned(), |cut| {
                let (value, at) = (reached(cut), cut.score);
                format!(
                    "at most {value:.4} (from p = {at:.4} on, with {} of {positives} found)",
                    cut.positives
                )
            });
            format!("expected a threshold with a {rule}, found {best}")
        })
    }

    /// The rule in words.
    fn words(self) -> String {
        match self {
            Self::Youden => "largest sensitivity + specificity - 1 (Youden)".to_owned(),
            Self::Sensitivity(least) => format!("sensitivity of at least {least}"),
            Self::Specificity(least) => format!("specificity of at least {least}"),
            Self::Ppv(least) => {
                format!("positive predictive value of at least {least} at the prevalence of these images")
            }
            Self::Cost { miss, false_alarm } => {
                format!("least cost where a miss is {miss} and a false alarm {false_alarm}")
            }
            Self::Value(_) => BY_HAND.to_owned(),
        }
    }
}

impl FromStr for ThresholdRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let number = |text: &str| text.parse::<f64>().ok();
        let share = || number(value).filter(|&share| share > 0.0 && share <= 1.0);
        let cost = |name: &str| {
            let parts = value.split_once(',')?;
            let of = |part: &str| number(part.strip_prefix(name)?.strip_prefix('=')?);
            of(parts.0).or_else(|| of(parts.1)).filter(|&cost| cost > 0.0 && cost.is_finite())
        };
        let rule = match name {
            "youden" => (text == name).then_some(Self::Youden),
            "sensitivity" => share().map(Self::Sensitivity),
            "specificity" => share().map(Self::Specificity),
            "ppv" => share().map(Self::Ppv),
            "cost" => cost("FN").zip(cost("FP")).map(|(miss, false_alarm)| Self::Cost { miss, false_alarm }),
            "value" => number(value).filter(|value| (0.0..=1.0).contains(value)).map(Self::Value),
            _ => None,
        };
        rule.ok_or_else(|| {
            format!(
                "expected {} (S and P above 0, T from 0, all at most 1; costs above 0), found {text}",
                Self::TEXTS
            )
        })
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
            ThresholdRule::Specificity(least) => format!("specificity:{least}"),
            ThresholdRule::Ppv(least) => format!("ppv:{least}"),
            ThresholdRule::Cost { miss, false_alarm } => format!("cost:FN={miss},FP={false_alarm}"),
            ThresholdRule::Value(value) => format!("value:{value}"),
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
}

/// What a threshold can call positive, from none of the samples to all of them; `score` is the threshold.
fn points(probabilities: &[f64], positive: &[bool]) -> Vec<Cut> {
    let none = Cut { score: f64::INFINITY, ..Cut::default() };
    let cuts: Vec<Cut> = std::iter::once(none).chain(Ranking::new(probabilities, positive).cuts()).collect();
    let point = |(i, cut): (usize, &Cut)| {
        let next = cuts.get(i + 1).map_or(f64::NEG_INFINITY, |next| next.score);
        Some(Cut { score: between(next, cut.score)?, ..*cut })
    };
    cuts.iter().enumerate().filter_map(point).collect()
}

/// The probability in single precision that is above `low`, at most `high`, and nearest to the middle of both.
fn between(low: f64, high: f64) -> Option<f64> {
    let middle = f64::midpoint(low.max(0.0), high.min(1.0)) as f32;
    let near = [middle, middle.next_down(), middle.next_up()].map(f64::from);
    near.into_iter().find(|&value| low < value && value <= high && (0.0..=1.0).contains(&value))
}

/// The threshold at which misses and false alarms cost the least.
fn cheapest(probabilities: &[f64], positive: &[bool], points: &[Cut], [miss, false_alarm]: [f64; 2]) -> f64 {
    // A miss saved is a cost saved: less the costs of missing all.
    let cost = |cut: &Cut| false_alarm * cut.negatives - miss * cut.positives;
    let called = probabilities.iter().zip(positive).filter(|(p, _)| **p >= 0.5);
    let found = called.clone().filter(|(_, is)| **is).count();
    let at_half = Cut { score: 0.5, positives: found as f64, negatives: (called.count() - found) as f64 };
    // The last of equals, which calls the most.
    let best = points.iter().rev().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(&at_half);
    if cost(&at_half) <= cost(best) { 0.5 } else { best.score }
}

#[cfg(test)]
mod tests {
    use super::ThresholdRule::{self, Cost, Ppv, Sensitivity, Specificity, Value, Youden};
    use super::between;

    #[test]
    fn rules_are_read_as_they_are_written() {
        for (text, rule) in [
            ("youden", Youden),
            ("sensitivity:0.95", Sensitivity(0.95)),
            ("specificity:0.9", Specificity(0.9)),
            ("ppv:0.8", Ppv(0.8)),
            ("cost:FN=10,FP=1", Cost { miss: 10.0, false_alarm: 1.0 }),
            ("value:0.3", Value(0.3)),
            ("value:0", Value(0.0)),
        ] {
            assert_eq!(text.parse(), Ok(rule));
            assert_eq!(String::from(rule), text);
        }
        assert_eq!("cost:FP=1,FN=2.5".parse(), Ok(Cost { miss: 2.5, false_alarm: 1.0 }));
        for text in [
            "Youden's",
            "youden:1",
            "sensitivity",
            "sensitivity:0",
            "sensitivity:1.1",
            "sensitivity:NaN",
            "",
            "specificity:x",
            "ppv:0",
            "cost:10,1",
            "cost:FN=1",
            "cost:FN=1,FN=1",
            "cost:FN=0,FP=1",
            "cost:FN=inf,FP=1",
            "value:1.5",
            "value:-0.1",
            "value:NaN",
        ] {
            assert!(text.parse::<ThresholdRule>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_threshold_is_a_number_that_the_file_can_hold() {
        for (low, high) in [(0.3, 0.7), (0.0, 1e-30), (0.25f64.next_down(), 0.25), (f64::NEG_INFINITY, 0.0)] {
            let value = between(low, high).unwrap();
            assert!(low < value && value <= high && f64::from(value as f32) == value, "{low} {high} {value}");
        }
        for (low, high) in [(0.3f64.next_down(), 0.3), (1.0, f64::INFINITY), (0.5, 0.5f64.next_up())] {
            assert_eq!(between(low, high), None, "{low} {high}");
        }
        assert!(between(0.999, f64::INFINITY).is_some_and(|value| value > 0.999 && value <= 1.0));
    }
}
