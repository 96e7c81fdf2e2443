//! Which of two classes is the positive one. Sensitivity, thresholds and the area under a curve all follow from it, so it is
//! decided here and nowhere else.
//!
//! Unless somebody names it, the names tell: the class that sounds like the absence of a finding (`sound`) is the negative
//! one, or the one with the code for it (`0` beside `1`). Where the names do not settle it, class 1 is taken, and said to
//! be a guess.

use crate::sound::{Camel, Sound, sound, words};
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};

/// The positive class of two, and who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positive {
    /// Its number.
    pub class: usize,
    /// Who said so.
    pub source: PositiveSource,
}

/// Who said which class is the positive one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PositiveSource {
    /// The user.
    Option,
    /// The model file.
    Model,
    /// The names of the classes: one of them is a negation.
    Names,
    /// Nobody: both names sound like a finding, or neither does.
    Guess,
}

impl Display for PositiveSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Option => "as --positive says",
            Self::Model => "stored in the model; --positive NAME changes it",
            Self::Names => "from the class names; --positive NAME changes it",
            Self::Guess => "guessed from the names; --positive NAME changes it",
        })
    }
}

impl Positive {
    /// By the names of two classes. With another number of classes, where nothing is positive, class 1.
    pub fn of_names(classes: &[String]) -> Self {
        let guess = Self { class: 1, source: PositiveSource::Guess };
        let [first, second] = classes else { return guess };
        let sounds = [sound(first, second), sound(second, first)];
        let source = |clear: bool| if clear { PositiveSource::Names } else { PositiveSource::Guess };
        match sounds[0].cmp(&sounds[1]) {
            // Two absences, one of them milder (`benign` beside `normal`): still a guess, but not a blind one.
            std::cmp::Ordering::Less => Self { class: 0, source: source(sounds[0] < Sound::Mild) },
            std::cmp::Ordering::Greater => Self { class: 1, source: source(sounds[1] < Sound::Mild) },
            std::cmp::Ordering::Equal => match coded_negative(first, second) {
                Some(negative) => Self { class: 1 - negative, source: PositiveSource::Names },
                None => guess,
            },
        }
    }

    /// The class of this name among `classes`; an error says what was expected.
    pub fn named(classes: &[String], name: &str) -> Result<Self, String> {
        if classes.len() != 2 {
            return Err(format!(
                "a model of two classes, which this is not (it has {} classes)",
                classes.len()
            ));
        }
        let class = classes.iter().position(|class| class == name);
        class
            .map(|class| Self { class, source: PositiveSource::Option })
            .ok_or_else(|| format!("one of the classes ({})", classes.join(", ")))
    }
}

/// The number of the positive class unless one is named: [`Positive::of_names`].
pub fn default_positive(classes: &[String]) -> usize {
    Positive::of_names(classes).class
}

/// Of two names that differ in a code only, the number of the negative one: 0 and 1, n and y, f and t, - and +.
fn coded_negative(first: &str, second: &str) -> Option<usize> {
    let names = [first, second].map(|name| name.trim().to_lowercase());
    let either = |is_pair: &dyn Fn(&str, &str) -> bool| {
        [0, 1].into_iter().find(|&negative| is_pair(&names[negative], &names[1 - negative]))
    };
    let letters = |a: &str, b: &str| matches!((a, b), ("n", "y") | ("f", "t"));
    let signs = |a: &str, b: &str| {
        let sign = |name: &str, sign: char| name.trim_end_matches(')').ends_with(sign);
        sign(a, '-') && sign(b, '+')
    };
    let numbers = |a: &str, b: &str| {
        let number = |text: &str| text.parse::<f64>().ok();
        number(a).zip(number(b)).is_some_and(|(a, b)| a <= 0.0 && b > 0.0)
    };
    let numbered = |a: &str, b: &str| {
        let [a, b] = [a, b].map(|name| words(name, Camel::Run));
        let apart: Vec<(&String, &String)> = a.iter().zip(&b).filter(|(a, b)| a != b).collect();
        let zero = |text: &str| text.parse::<u64>().ok().map(|number| number == 0);
        a.len() == b.len() && matches!(apart[..], [(a, b)] if zero(a) == Some(true) && zero(b) == Some(false))
    };
    either(&letters).or_else(|| either(&signs)).or_else(|| either(&numbers)).or_else(|| either(&numbered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(first: &str, second: &str) -> (usize, PositiveSource) {
        let found = Positive::of_names(&[first.to_owned(), second.to_owned()]);
        (found.class, found.source)
    }

    /// `negative` is understood as such beside `positive`, on either side.
    #[track_caller]
    fn clear(negative: &str, positive: &str) {
        assert_eq!(of(negative, positive), (1, PositiveSource::Names), "{negative} / {positive}");
        assert_eq!(of(positive, negative), (0, PositiveSource::Names), "{positive} / {negative}");
    }

    #[test]
    fn negations_are_understood_however_they_are_written() {
        for (negative, positive) in [
            ("no_fracture", "fracture"),
            ("non-covid", "covid"),
            ("Not fractured", "Fractured"),
            ("control_group", "patients"),
            ("NORMAL", "PNEUMONIA"),
            ("NoFinding", "Hernia"),
            ("NOFinding", "Hernia"),
            ("No Finding", "Cardiomegaly"),
            ("notumor", "glioma"),
            ("NOTUMOR", "TUMOR"),
            ("nonCOVID", "COVID"),
            ("noncovid19", "covid19"),
            ("unfractured", "fractured"),
            ("un-fractured", "fractured"),
            ("nocaries", "caries"),
            ("without_implant", "with_implant"),
            ("w/o implant", "with implant"),
            ("fracture_absent", "fracture_present"),
            ("fracture-negative", "fracture-positive"),
            ("COVIDnegative", "COVIDpositive"),
            ("seronegative", "seropositive"),
            ("neg", "pos"),
            ("fracture-free", "fracture"),
            ("free of fracture", "fracture"),
            ("HealthyControls", "Patients"),
            ("healthy2", "sick"),
            ("normal_chest", "effusion"),
            ("normalchest", "effusion"),
            ("no_abnormality", "abnormality"),
            ("no_finding_normal", "finding"),
            ("benign", "malignant"),
            ("clear", "opacity"),
            ("intact", "torn"),
            ("unremarkable", "remarkable"),
            ("none", "fracture"),
            ("no", "yes"),
            ("false", "true"),
            ("other", "pneumonia"),
            ("fracture_no", "fracture_yes"),
            ("no evidence of fracture", "fracture"),
            ("nofx", "fracture"),
            ("no_fx", "fx"),
            ("wildtype", "mutant"),
            ("sano", "enfermo"),
            ("sin_fractura", "fractura"),
            ("sain", "malade"),
            ("sans fracture", "fracture"),
            ("sano", "malato"),
            ("gesund", "krank"),
            ("ohne Befund", "Befund"),
            ("Kontrolle", "Patient"),
            ("gezond", "ziek"),
            ("saudável", "doente"),
            ("negatif", "positif"),
        ] {
            clear(negative, positive);
        }
    }

    #[test]
    fn codes_are_understood() {
        for (negative, positive) in [
            ("0", "1"),
            ("0", "2"),
            ("class_0", "class_1"),
            ("label0", "label1"),
            ("-1", "1"),
            ("n", "y"),
            ("F", "T"),
            ("covid-", "covid+"),
            ("TB (-)", "TB (+)"),
        ] {
            clear(negative, positive);
        }
    }

    /// A number in front orders folders; the words still count.
    #[test]
    fn words_come_before_numbers() {
        clear("1_normal", "0_fracture");
        clear("1 no fracture", "0 fracture");
    }

    #[test]
    fn negated_good_states_are_findings() {
        for (negative, positive) in [
            ("normal", "abnormal"),
            ("control", "abnormal"),
            ("union", "nonunion"),
            ("union", "non-union"),
            ("compliant", "noncompliant"),
            ("stable", "unstable"),
            ("healed", "not_healed"),
            ("healthy", "unhealthy"),
            ("normal", "not_normal"),
            ("normal", "NotNormal"),
            ("controlled", "uncontrolled"),
            ("clear", "unclear"),
        ] {
            clear(negative, positive);
        }
    }

    #[test]
    fn what_only_begins_like_a_negation_is_none() {
        let plain = [
            "node",
            "notch",
            "nodule",
            "normocephalic",
            "unit",
            "union",
            "nose",
            "notable",
            "north",
            "united",
            "negligible",
            "clearcell",
            "controversial",
            "nocturnal",
            "underweight",
            "nonary",
            "No. 5",
            "no_3",
            "clear_cell",
            "free_fluid",
            "non-Hodgkin",
            "non-small-cell",
            "nonspecific",
            "healing",
            "cat",
        ];
        for name in plain {
            for other in ["wedge", "dog", "teardrop"] {
                assert_eq!(of(name, other), (1, PositiveSource::Guess), "{name} / {other}");
                assert_eq!(of(other, name), (1, PositiveSource::Guess), "{other} / {name}");
            }
            clear("normal", name);
        }
    }

    #[test]
    fn what_the_names_do_not_say_is_a_guess() {
        for (first, second) in [
            ("a", "b"),
            ("cat", "dog"),
            ("control", "healthy"),
            ("1", "2"),
            ("no_a", "no_b"),
            ("AP", "PA"),
            ("", "-"),
        ] {
            assert_eq!(of(first, second), (1, PositiveSource::Guess), "{first} / {second}");
        }
        // Both sound like no finding, but one less so.
        assert_eq!(of("benign", "normal"), (0, PositiveSource::Guess));
        assert_eq!(of("normal", "benign"), (1, PositiveSource::Guess));
    }

    #[test]
    fn a_name_that_is_given_must_be_a_class() {
        let classes = ["fracture", "normal"].map(String::from);
        let found = Positive::named(&classes, "normal").unwrap();
        assert_eq!((found.class, found.source), (1, PositiveSource::Option));
        assert_eq!(Positive::named(&classes, "Normal").unwrap_err(), "one of the classes (fracture, normal)");
        let three = ["a", "b", "c"].map(String::from);
        assert!(Positive::named(&three, "a").unwrap_err().contains("3 classes"));
    }
}
