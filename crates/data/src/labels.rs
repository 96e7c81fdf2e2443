//! How the labels of a manifest are read: one class an image, or several findings of which some are not known.

use crate::missing::is_missing;
use crate::split_names::quoted;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which findings a manifest has; as text, what `--labels` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Labels {
    /// Every one: all that the column with lists names, or every column that holds only 0, 1, -1 or nothing.
    All,
    /// These: columns of the table, or names in its column with lists.
    Names(Vec<String>),
}

impl FromStr for Labels {
    type Err = String;

    /// `all`, or names with commas between them, as in a line of CSV: one with a comma of its own stands in quotes.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let mut line = csv::ReaderBuilder::new();
        let line = line.has_headers(false).trim(csv::Trim::All).from_reader(text.as_bytes()).records().next();
        let names: Vec<String> = match line {
            Some(Ok(line)) => line.iter().map(|name| name.trim().to_owned()).collect(),
            _ => vec![String::new()],
        };
        let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name));
        match (names.iter().any(String::is_empty), twice) {
            (true, _) => {
                Err(format!("expected all, or names of findings with commas between, found \"{text}\""))
            }
            (_, Some((_, name))) => Err(format!("expected every finding once, found \"{name}\" twice")),
            _ => Ok(Self::Names(names)),
        }
    }
}

impl TryFrom<String> for Labels {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Labels> for String {
    fn from(labels: Labels) -> Self {
        match labels {
            Labels::All => "all".to_owned(),
            Labels::Names(names) => {
                let quoted = |name: String| match name == "all" || name.contains([',', '"']) {
                    true => format!("\"{}\"", name.replace('"', "\"\"")),
                    false => name,
                };
                names.into_iter().map(quoted).collect::<Vec<_>>().join(",")
            }
        }
    }
}

/// What a finding counts as that a reader was not sure of (-1 in a table).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Uncertain {
    /// Not known.
    #[default]
    Ignore,
    /// There.
    Positive,
    /// Not there.
    Negative,
}

impl Uncertain {
    const ALL: [(Self, &str); 3] =
        [(Self::Ignore, "ignore"), (Self::Positive, "positive"), (Self::Negative, "negative")];

    /// Whether the finding is there; none if it is left out.
    pub(crate) fn counts_as(self) -> Option<bool> {
        (self != Self::Ignore).then_some(self == Self::Positive)
    }
}

impl FromStr for Uncertain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|(_, name)| *name == text);
        known
            .map(|(it, _)| it)
            .ok_or_else(|| format!("expected ignore, positive or negative, found \"{text}\""))
    }
}

impl TryFrom<String> for Uncertain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Display for Uncertain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL[*self as usize].1)
    }
}

impl From<Uncertain> for String {
    fn from(uncertain: Uncertain) -> Self {
        uncertain.to_string()
    }
}

/// When a finding counts as there that several readers judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Readers {
    /// If more of them say so than deny it; as many are uncertain.
    #[default]
    Majority,
    /// If one says so.
    Any,
}

impl FromStr for Readers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "majority" => Ok(Self::Majority),
            "any" => Ok(Self::Any),
            _ => Err(format!("expected majority or any, found \"{text}\"")),
        }
    }
}

impl TryFrom<String> for Readers {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Display for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Any { "any" } else { "majority" })
    }
}

impl From<Readers> for String {
    fn from(readers: Readers) -> Self {
        readers.to_string()
    }
}

/// What is odd about names that are taken as a class or finding each; none, if nothing is.
pub(crate) fn odd_names<'a>(names: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let mut alike: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for name in names {
        let number = name.parse::<f64>().ok();
        alike.entry(number.map_or_else(|| name.to_lowercase(), |it| it.to_string())).or_default().push(name);
    }
    let several = alike.len() > 2;
    let odd = |(plain, same): (String, Vec<&String>)| match &same[..] {
        [_, _, ..] => Some(format!("{} differ only in how they are written", quoted(same))),
        // Of two classes, one may be called so.
        [one] if several && (plain == "-1" || is_missing(one)) => {
            Some(format!("{} may mean not known", quoted([one])))
        }
        _ => None,
    };
    let said: Vec<String> = alike.into_iter().filter_map(odd).collect();
    (!said.is_empty()).then(|| format!("warning: {}; each is taken as one of its own", said.join("; ")))
}

/// How the labels of a data set are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labelling {
    /// Several findings an image; none: one class an image.
    pub labels: Option<Labels>,
    /// What -1 counts as.
    pub uncertain: Uncertain,
    /// Who decides where several readers judged an image.
    pub readers: Readers,
    /// Whether named findings may be missing in the table, as in one that another model was trained on: without a column,
    /// nothing is known of one; in no list, no image has it.
    pub may_lack: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_one_or_none_are_named() {
        let said = |names: &[&str]| odd_names(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        for (names, words) in [
            (&["0", "1", "1.0"][..], "\"1\" and \"1.0\" differ only"),
            (&["NORMAL", "Normal"], "\"NORMAL\" and \"Normal\" differ only"),
            (&["0", "1", "NaN"], "\"NaN\" may mean not known"),
            (&["-1", "0", "1"], "\"-1\" may mean not known"),
            (&["NA", "a", "b"], "\"NA\" may mean not known"),
        ] {
            assert!(said(names).unwrap().contains(words), "{names:?}: {:?}", said(names));
        }
        for names in [&["-1", "1"][..], &["none", "fracture"], &["0", "1", "10"], &["a", "b", "c"]] {
            assert_eq!(said(names), None, "{names:?}");
        }
    }

    #[test]
    fn labels_are_read_as_they_are_written() {
        for text in ["all", "\"all\"", "Edema", "Pleural Effusion,Edema", "\"Mass, left\",\"a \"\"b\"\"\""] {
            assert_eq!(String::from(text.parse::<Labels>().unwrap()), text);
        }
        assert_eq!(" a , b".parse(), Ok(Labels::Names(vec!["a".into(), "b".into()])));
        for text in ["", "a,,b", "a,b,a"] {
            assert!(text.parse::<Labels>().is_err(), "{text}");
        }
        for (uncertain, name) in Uncertain::ALL {
            assert_eq!(name.parse(), Ok(uncertain));
            assert_eq!(uncertain.to_string(), name);
        }
        assert!("maybe".parse::<Uncertain>().is_err());
        for readers in [Readers::Majority, Readers::Any] {
            assert_eq!(readers.to_string().parse(), Ok(readers));
        }
        assert!("most".parse::<Readers>().is_err());
    }
}
