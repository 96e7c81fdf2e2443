//! Cross-validation by group: every image is tested once, by a model that saw nothing of its group.
//!
//! Invariant: the fold of a sample depends on the seed, the groups and their labels, not on the order of the samples; a
//! group lies in one fold.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::divide::split_groups;
use crate::split::Split;
use crate::{Dataset, Error};

/// Shares of training and validation in what a fold does not test.
const FRACTIONS: [f64; 2] = [0.9, 0.1];

/// How many folds there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folds {
    /// This many, of whole groups, alike in size and classes.
    K(usize),
    /// One for each group.
    LeaveOneGroupOut,
}

impl FromStr for Folds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(k @ 2..) => Ok(Self::K(k)),
            _ if text == "leave-one-group-out" => Ok(Self::LeaveOneGroupOut),
            _ => Err(format!(
                "expected a number of folds, 2 or more, or leave-one-group-out, found \"{text}\""
            )),
        }
    }
}

impl fmt::Display for Folds {
    /// As it is parsed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::K(k) => k.fmt(f),
            Self::LeaveOneGroupOut => f.write_str("leave-one-group-out"),
        }
    }
}

impl Dataset {
    /// The fold of each sample, from 0, and how many there are.
    ///
    /// # Errors
    /// Without groups, or with too few for the folds.
    pub fn folds(&self, folds: Folds, seed: u64) -> Result<(Vec<usize>, usize), Error> {
        if self.samples.iter().all(|sample| sample.group.is_none()) {
            return Err(Error::Split(
                "expected groups (patient, study, volume), found none; --group-by COLUMN or --group-by PATTERN gives them, \
                 and --group-by '*' takes every file name for a group of its own, if each image is of another patient"
                    .into(),
            ));
        }
        let keys: Vec<_> = (0..self.samples.len()).map(|i| self.group_key(i)).collect();
        let mut groups = keys.clone();
        groups.sort_unstable_by(|a, b| natural(a.1).cmp(&natural(b.1)).then(a.cmp(b)));
        groups.dedup();
        match folds {
            Folds::K(k) if groups.len() < k => Err(Error::Split(format!(
                "expected at least {k} groups for {k} folds, found {}",
                groups.len()
            ))),
            Folds::K(k) => {
                let (labels, kinds) = self.strata();
                let fold = split_groups(&labels, &keys, kinds, &vec![1.0; k], seed)?;
                Ok((fold, k))
            }
            Folds::LeaveOneGroupOut if groups.len() < 3 => Err(Error::Split(format!(
                "expected three groups or more to train, validate and test on different ones, found {}",
                groups.len()
            ))),
            Folds::LeaveOneGroupOut => {
                let number: HashMap<_, usize> =
                    groups.iter().enumerate().map(|(at, key)| (*key, at)).collect();
                Ok((keys.iter().map(|key| number[key]).collect(), groups.len()))
            }
        }
    }

    /// Gives every sample a split anew, whatever it had: shares `fractions` of train, val and test, by group.
    ///
    /// # Errors
    /// As [`Dataset::divide`].
    pub fn draw_splits(&mut self, fractions: &[f64; 3], seed: u64) -> Result<(), Error> {
        for (sample, part) in self.all().into_iter().zip(self.divide(&self.all(), fractions, seed)?) {
            self.samples[sample].split = Some(Split::ALL[part]);
        }
        Ok(())
    }

    /// Gives every sample a fold in a new column `fold`, counted from 1, and no split: the fold of each, counted from
    /// 0, and how many there are.
    ///
    /// # Errors
    /// As [`Dataset::folds`], or if there is such a column.
    pub fn draw_folds(&mut self, folds: Folds, seed: u64) -> Result<(Vec<usize>, usize), Error> {
        let (fold_of, count) = self.folds(folds, seed)?;
        if self.columns.iter().any(|column| column.eq_ignore_ascii_case("fold")) {
            return Err(Error::dataset(&self.source, "expected no column \"fold\", found one"));
        }
        self.columns.push("fold".into());
        for (sample, fold) in self.samples.iter_mut().zip(&fold_of) {
            sample.extra.push((fold + 1).to_string());
            sample.split = None;
        }
        Ok((fold_of, count))
    }

    /// Divides `among` (indices) by group into parts of these `fractions`, alike in classes: the part of each.
    ///
    /// # Errors
    /// If there are too few groups.
    pub fn divide(&self, among: &[usize], fractions: &[f64], seed: u64) -> Result<Vec<usize>, Error> {
        let (strata, kinds) = self.strata();
        let labels: Vec<usize> = among.iter().map(|&i| strata[i]).collect();
        let keys: Vec<_> = among.iter().map(|&i| self.group_key(i)).collect();
        split_groups(&labels, &keys, kinds, fractions, seed)
    }

    /// Sets the splits of one fold: it is the test split, and a tenth of the other groups is for validation.
    ///
    /// # Errors
    /// If there are too few groups, or the fold has a class that no other has.
    pub fn use_fold(&mut self, fold_of: &[usize], fold: usize, seed: u64) -> Result<(), Error> {
        let others: Vec<usize> = (0..fold_of.len()).filter(|&i| fold_of[i] != fold).collect();
        let parts = self.divide(&others, &FRACTIONS, seed)?;
        self.samples.iter_mut().for_each(|sample| sample.split = Some(Split::Test));
        for (&i, part) in others.iter().zip(parts) {
            self.samples[i].split = Some(Split::ALL[part]);
        }
        self.check_classes()
    }
}

/// A name in pieces, numbers by their length first, so that `p2` comes before `p10`.
fn natural(name: &str) -> Vec<(bool, usize, &str)> {
    let mut pieces = vec![];
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        let digits = piece.trim_start_matches('0');
        pieces.push(if is_number { (false, digits.len(), digits) } else { (true, 0, piece) });
        rest = behind;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sample;

    #[test]
    fn numbers_in_names_are_in_their_order() {
        let long = "1".repeat(45);
        let order = ["1", "1a", "2", "02b", "10", &long, "p2", "p10", "p10 x", "volume 2", "volume 10"];
        let mut sorted = order;
        sorted.reverse();
        sorted.sort_by(|a, b| natural(a).cmp(&natural(b)).then(a.cmp(b)));
        assert_eq!(sorted, order);
    }

    /// Samples of nine patients with five images each, of both classes.
    fn dataset() -> Dataset {
        let sample = |i: usize| Sample {
            path: format!("{i}").into(),
            name: i.to_string(),
            label: usize::from(i % 5 < 2),
            findings: vec![],
            unsure: vec![],
            split: None,
            group: Some(format!("p{}", i / 5)),
            bytes: 1,
            extra: vec![],
            unreadable: None,
        };
        let classes = vec!["a".into(), "b".into()];
        Dataset {
            source: "set".into(),
            classes,
            columns: vec![],
            samples: (0..45).map(sample).collect(),
            passed_over: Default::default(),
            notes: vec![],
        }
    }

    #[test]
    fn folds_divide_no_group_and_test_every_image_once() {
        for (folds, count) in [(Folds::K(3), 3), (Folds::LeaveOneGroupOut, 9)] {
            let mut set = dataset();
            let (fold_of, found) = set.folds(folds, 1).unwrap();
            assert_eq!(found, count);
            let mut tested = 0;
            for fold in 0..count {
                set.use_fold(&fold_of, fold, 1).unwrap();
                assert!(set.divided_groups().is_empty());
                let [train, val, test] = Split::ALL.map(|split| set.part(split).len());
                assert!(train > val && val > 0 && test == 45 / count);
                tested += test;
            }
            assert_eq!(tested, 45);
            let mut turned = dataset();
            turned.samples.reverse();
            let mut again = turned.folds(folds, 1).unwrap().0;
            again.reverse();
            assert_eq!(again, fold_of, "the order of the samples does not matter");
        }
    }

    #[test]
    fn too_few_groups_are_refused() {
        let refused = |set: &Dataset, folds| set.folds(folds, 0).unwrap_err().to_string();
        assert!(refused(&dataset(), Folds::K(10)).contains("at least 10 groups for 10 folds, found 9"));
        let mut two = dataset();
        two.samples.truncate(10);
        assert!(refused(&two, Folds::LeaveOneGroupOut).contains("three groups or more"));
        let mut none = dataset();
        none.samples.iter_mut().for_each(|sample| sample.group = None);
        assert!(refused(&none, Folds::K(3)).contains("expected groups"));
        assert_eq!("5".parse(), Ok(Folds::K(5)));
        assert!("1".parse::<Folds>().is_err() && "some".parse::<Folds>().is_err());
    }
}
