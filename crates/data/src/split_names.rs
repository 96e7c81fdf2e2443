//! What people call the parts of a data set: one table, for folders and for the columns of manifests.
//!
//! A name is compared in lower case and without the words that say only that it is a part (`train_set`, `Test images`).
//! A data set that calls one part by two names, or whose classes have names of parts, is not guessed at: its owner is
//! asked, because a wrong guess mixes test images into training, or makes a classifier of them.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::split::Split;

/// Words beside it that say nothing more.
const FILLERS: [&str; 9] =
    ["set", "sets", "data", "dataset", "images", "imgs", "split", "subset", "partition"];

/// The words of a name, in lower case: at every sign that is no letter, and between letters and digits. `hold out` and
/// `trainset` are put as the table has them.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = None;
    for c in name.trim().chars().flat_map(char::to_lowercase) {
        let kind = (c.is_alphabetic(), c.is_numeric());
        if before.is_some_and(|before| before != kind) {
            words.push(String::new());
        }
        before = Some(kind);
        if c.is_alphanumeric() {
            words.last_mut().expect("never empty").push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    let mut joined: Vec<String> = vec![];
    for word in words {
        match (joined.last().map(String::as_str), word.as_str()) {
            (Some("hold" | "held"), "out") => joined.last_mut().expect("just seen").push_str("out"),
            _ => match word.strip_suffix("set").filter(|stem| of_word(stem).is_some()) {
                Some(stem) => joined.push(stem.into()),
                None => joined.push(word),
            },
        }
    }
    joined
}

/// The part that a word names. `dev` chooses between models, as validation does; `eval` and `holdout` are kept for the end,
/// so that nothing is ever chosen by them.
fn of_word(word: &str) -> Option<Split> {
    match word {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validation" | "dev" | "development" => Some(Split::Val),
        "test" | "testing" | "eval" | "evaluation" | "holdout" | "heldout" => Some(Split::Test),
        _ => None,
    }
}

/// The part that a name means, if it is the name of one and nothing else.
pub(crate) fn split_of(name: &str) -> Option<Split> {
    let words = words(name);
    let mut telling = words.iter().filter(|word| !FILLERS.contains(&word.as_str()));
    let split = of_word(telling.next()?)?;
    telling.next().is_none().then_some(split)
}

impl FromStr for Split {
    type Err = String;

    /// By any of the names that people use: `validation`, `Testing`, `dev`, `holdout`, ...
    fn from_str(name: &str) -> Result<Self, String> {
        split_of(name).ok_or_else(|| format!("expected the split train, val or test, found \"{name}\""))
    }
}

/// Splits by the names that a data set gives them.
///
/// # Errors
/// Two names for one split. Upper and lower case do not count.
pub(crate) fn one_name_each<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut known: BTreeMap<Split, BTreeMap<String, &str>> = BTreeMap::new();
    for name in names {
        if let Some(split) = split_of(name) {
            known.entry(split).or_default().insert(name.trim().to_lowercase(), name);
        }
    }
    let Some((split, twice)) = known.into_iter().find(|(_, names)| names.len() > 1) else { return Ok(()) };
    let found = quoted(twice.into_values());
    Err(format!(
        "expected one name for each split, found {found}, which all name the {split} split; rename or join them"
    ))
}

/// The names that are not just `train`, `val` and `test`, with what they are taken for: for a line of words.
pub(crate) fn taken_as<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let other =
        |name: &&str| split_of(name).is_some_and(|split| !name.eq_ignore_ascii_case(&split.to_string()));
    let names: BTreeSet<&str> = names.filter(other).collect();
    let say = |name: &&str| Some(format!("\"{name}\" is taken as the {} split", split_of(name)?));
    let said: Vec<String> = names.iter().filter_map(say).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// Why `classes` are parts of a data set rather than classes; none if they are classes.
///
/// They are parts if two of them name splits, if they differ only in a word that names a split (`chest_train` and
/// `chest_test`), or if they are numbered folds.
pub(crate) fn classes_that_are_splits(classes: &[String]) -> Option<String> {
    let splits: Vec<&String> = classes.iter().filter(|name| split_of(name).is_some()).collect();
    let different: BTreeSet<Split> = splits.iter().filter_map(|name| split_of(name)).collect();
    if different.len() > 1 {
        return Some(format!("{} are names of splits", quoted(splits)));
    }
    let without_split = |name: &String| -> (Vec<String>, bool) {
        let words = words(name);
        let has = words.iter().any(|word| of_word(word).is_some());
        (words.into_iter().filter(|word| of_word(word).is_none()).collect(), has)
    };
    let mut alike: BTreeMap<Vec<String>, Vec<&String>> = BTreeMap::new();
    for class in classes {
        if let (rest, true) = without_split(class) {
            alike.entry(rest).or_default().push(class);
        }
    }
    if let Some(same) = alike.into_values().find(|same| same.len() > 1) {
        return Some(format!("{} differ only in the name of a split", quoted(same)));
    }
    let is_fold = |name: &String| {
        let words = words(name);
        words.len() == 2 && words[0] == "fold" && words[1].chars().all(char::is_numeric)
    };
    (classes.len() > 1 && classes.iter().all(is_fold))
        .then(|| format!("{} are names of folds", quoted(classes)))
}

/// Names for a sentence: `"a", "b" and "c"`; of many, the first.
pub(crate) fn quoted<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    const MOST: usize = 6;
    let mut names: Vec<String> = names.into_iter().map(|name| format!("\"{}\"", name.as_ref())).collect();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    if more > 0 {
        return format!("{} and {more} more", names.join(", "));
    }
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_knows_the_names_of_splits() {
        let train = ["train", "Training", "TRAIN", "train_set", "trainset", "training-images", " train "];
        let val = ["val", "valid", "Validation", "dev", "dev set", "validation_data", "VALSET"];
        let test = ["test", "testing", "test-set", "Eval", "evaluation", "holdout", "hold-out", "held_out"];
        for (names, split) in [(&train[..], Split::Train), (&val, Split::Val), (&test, Split::Test)] {
            for name in names {
                assert_eq!(split_of(name), Some(split), "{name}");
            }
        }
        for name in
            ["", "set", "extra", "trained", "test_positive", "train1", "latest", "normal", "offset", "hold"]
        {
            assert_eq!(split_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_split_has_one_name() {
        assert!(one_name_each(["train", "Train", "val", "test"].into_iter()).is_ok());
        for (names, split) in
            [(["dev", "val"], "val"), (["test", "holdout"], "test"), (["train", "training"], "train")]
        {
            let error = one_name_each(names.into_iter()).unwrap_err();
            assert!(error.contains(names[0]) && error.contains(&format!("the {split} split")), "{error}");
        }
        assert_eq!(taken_as(["train", "Val", "other"].into_iter()), None);
        let said = taken_as(["training", "dev", "test"].into_iter()).unwrap();
        assert_eq!(said, "\"dev\" is taken as the val split, \"training\" is taken as the train split");
    }

    #[test]
    fn classes_with_names_of_splits_are_asked_about() {
        let said = |classes: &[&str]| {
            classes_that_are_splits(&classes.iter().map(|&class| class.to_owned()).collect::<Vec<_>>())
        };
        for splits in [
            &["testing", "training"][..],
            &["Test", "Train", "other"],
            &["stage_2_test_images", "stage_2_train_images"],
            &["test_normal", "test_sick", "train_normal", "train_sick"],
            &["chest test", "chest train"],
            &["fold1", "fold2", "fold10"],
            &["test1", "train1"],
        ] {
            assert!(said(splits).is_some(), "{splits:?}");
        }
        for classes in [
            &["fracture", "normal"][..],
            &["control", "test"],
            &["test_negative", "test_positive"],
            &["0", "1"],
            &["folded", "unfolded"],
            &["developed", "evaluated"],
        ] {
            assert_eq!(said(classes), None, "{classes:?}");
        }
    }
}
