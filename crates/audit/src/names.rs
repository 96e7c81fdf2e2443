//! Groups that file names suggest: patient numbers, series, originals with their copies. Names are evidence, not truth,
//! so a pattern is offered with what speaks for it and is never applied by itself.
//!
//! A name is read as text and numbers in turn (`person`, `7`, `_virus_`, `9`). Names that begin with the same text form a
//! family; a number that never varies in a family is text (the 2 of `NORMAL2-IM-0326`). The first candidate is what
//! [`identifiers`] makes of the names alone. What a family's first, second or third varying number says is a candidate
//! too, for pictures to speak for or against, written in the language of [`data::GroupBy`], and so are whatever stands
//! before the first separator, and folders. A name that a candidate does not fit stands alone. A candidate that fits few
//! names, puts every image, or all images, into one group, or repeats the classes or splits, says nothing and is dropped.

use std::collections::{BTreeMap, BTreeSet};

use data::{Dataset, group_from_name};
use eval::group_ids;

use crate::identifiers::{SEPARATORS, groups_of, identifiers};
use crate::tokens::{beginnings, stem, tokens};

/// Families that one pattern names, at most.
const MAX_FAMILIES: usize = 8;
/// Numbers of a name that are looked at.
const LEVELS: usize = 3;
/// A pattern that fits a smaller share of the names is no candidate.
const FITS: f64 = 0.5;
/// A family of a smaller share of the names is none that a pattern names.
const FAMILY: f64 = 0.01;

/// Groups that a pattern of the names makes.
#[derive(Clone, Debug, PartialEq)]
pub struct NameGroups {
    /// The pattern, as `--group-by` takes it.
    pub pattern: String,
    /// The group of each image, numbered from 0.
    pub groups: Vec<usize>,
    /// How many there are.
    pub count: usize,
    /// How many of them are an image that the pattern does not fit.
    pub alone: usize,
    /// Whether the names alone suffice to offer it.
    pub offered: bool,
}

/// What the names alone offer.
pub fn offered(dataset: &Dataset) -> Option<NameGroups> {
    identifiers(dataset).map(|pattern| NameGroups::new(dataset, pattern, true))
}

impl NameGroups {
    fn new(dataset: &Dataset, pattern: String, offered: bool) -> Self {
        let groups = groups_of(dataset, &pattern);
        let count = groups.iter().max().map_or(0, |&last| last + 1);
        let is_alone = |sample: &&data::Sample| group_from_name(&sample.name, &pattern).is_none();
        let alone = dataset.samples.iter().filter(is_alone).count();
        Self { pattern, groups, count, alone, offered }
    }
}

/// The candidates for `dataset`: what its names offer, and then coarse ones first.
pub fn candidates(dataset: &Dataset) -> Vec<NameGroups> {
    let names: Vec<&str> = dataset.samples.iter().map(|sample| sample.name.as_str()).collect();
    let stems: Vec<&str> = names.iter().map(|name| stem(name)).collect();
    let families = families(&stems);
    let mut patterns: Vec<String> =
        (1..=LEVELS).filter_map(|level| number_pattern(&families, level)).collect();
    patterns.extend(SEPARATORS.map(|separator| format!("*{separator}")));
    patterns.extend(folder_patterns(&names));

    let trivial = [
        group_ids(&dataset.samples.iter().map(|sample| sample.label).collect::<Vec<_>>()),
        group_ids(&dataset.samples.iter().map(|sample| sample.split).collect::<Vec<_>>()),
        group_ids(&dataset.samples.iter().map(|sample| (sample.split, sample.label)).collect::<Vec<_>>()),
    ];
    let mut found: Vec<NameGroups> = offered(dataset).into_iter().collect();
    for pattern in patterns {
        let candidate = NameGroups::new(dataset, pattern, false);
        let NameGroups { groups, count, alone, .. } = &candidate;
        let fits = *alone as f64 <= (1.0 - FITS) * names.len() as f64;
        let says_something = *count > 1 && count * 20 <= names.len() * 19 && !trivial.contains(groups);
        if fits && says_something && found.iter().all(|known| known.groups != *groups) {
            found.push(candidate);
        }
    }
    found.sort_by_key(|candidate| (!candidate.offered, candidate.count));
    found
}

/// The numbers of the names, where one family holds them all: number `level` of each, as it counts something (slice,
/// image, visit).
pub fn numbers(dataset: &Dataset, level: usize) -> Option<Vec<f64>> {
    let stems: Vec<&str> = dataset.samples.iter().map(|sample| stem(&sample.name)).collect();
    let families = families(&stems);
    let [family] = &families[..] else { return None };
    let value = |rest: &str| tokens(rest).get(level - 1).and_then(|token| token.number.parse().ok());
    let all: Option<Vec<f64>> =
        stems.iter().map(|stem| stem.strip_prefix(family.prefix).and_then(value)).collect();
    all.filter(|all| all.iter().any(|value| *value != all[0]))
}

/// Names that begin with the same text, up to the first number that varies among them.
struct Family<'a> {
    prefix: &'a str,
    /// What follows the prefix, beginning with a number.
    rests: Vec<&'a str>,
}

/// The families of `names`, longest prefix first; a name without a varying number is in none.
fn families<'a>(names: &[&'a str]) -> Vec<Family<'a>> {
    let mut found = vec![];
    grow(names.iter().map(|name| (*name, 0)).collect(), &mut found);
    found.sort_by(|a: &Family, b| (b.prefix.len(), a.prefix).cmp(&(a.prefix.len(), b.prefix)));
    found
}

/// Divides names, each read up to a place, by the text that follows; numbers that do not vary are read over.
fn grow<'a>(names: Vec<(&'a str, usize)>, found: &mut Vec<Family<'a>>) {
    let mut by_text: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for (name, at) in names {
        let text = tokens(&name[at..]).first().map_or("", |token| token.text);
        by_text.entry(&name[..at + text.len()]).or_default().push((name, at + text.len()));
    }
    for (prefix, mut members) in by_text {
        let number =
            |&(name, at): &(&'a str, usize)| tokens(&name[at..]).first().map_or("", |token| token.number);
        // A name that ends here has no number to tell groups by.
        members.retain(|member| !number(member).is_empty());
        let numbers: BTreeSet<&str> = members.iter().map(number).collect();
        let mut numbers = numbers.into_iter();
        match (numbers.next(), numbers.next()) {
            (None, _) => {}
            (Some(constant), None) if members.len() > 1 => {
                let read = |(name, at)| (name, at + constant.len());
                grow(members.into_iter().map(read).collect(), found);
            }
            _ => {
                let rests = members.into_iter().map(|(name, at)| &name[at..]).collect();
                found.push(Family { prefix, rests });
            }
        }
    }
}

/// The pattern that groups by the first `level` numbers after the prefix of each family that has so many.
fn number_pattern(families: &[Family], level: usize) -> Option<String> {
    let all: usize = families.iter().map(|family| family.rests.len()).sum();
    let has_level = |family: &&Family| {
        let numbers = |rest: &&str| tokens(rest).iter().filter(|token| !token.number.is_empty()).count();
        family.rests.len() as f64 >= FAMILY * all as f64
            && family.rests.iter().all(|rest| numbers(rest) >= level)
    };
    let families: Vec<&Family> = families.iter().filter(has_level).collect();
    if !(1..=MAX_FAMILIES).contains(&families.len()) {
        return None;
    }
    let mut alternatives = vec![];
    for Family { prefix, rests } in families {
        let after: BTreeSet<&str> =
            rests.iter().map(|rest| tokens(rest).get(level).map_or("", |token| token.text)).collect();
        // What ends the number, and last the end of the name.
        alternatives.extend(beginnings(after.iter().copied()).iter().map(|end| format!("{prefix}*{end}")));
        if after.contains("") {
            alternatives.push(format!("{prefix}*"));
        }
    }
    let usable = alternatives
        .iter()
        .all(|alternative| alternative.matches('*').count() == 1 && !alternative.contains('|'));
    usable.then(|| alternatives.join("|"))
}

/// Patterns for the folders above the files: by their numbers, or by the whole name of the nearest.
fn folder_patterns(names: &[&str]) -> Vec<String> {
    let mut patterns = vec!["*/".to_owned()];
    for up in 1..=LEVELS {
        let folder = |name: &&'_ str| name.rsplit('/').nth(up).map(str::to_owned);
        let Some(folders) = names.iter().map(folder).collect::<Option<Vec<String>>>() else { break };
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        let families = families(&folders);
        if (1..=MAX_FAMILIES).contains(&families.len())
            && families.iter().all(|family| !family.prefix.is_empty())
        {
            patterns.push(
                families.iter().map(|family| format!("{}*/", family.prefix)).collect::<Vec<_>>().join("|"),
            );
        }
    }
    patterns.retain(|pattern| pattern.split('|').all(|one| one.matches('*').count() == 1));
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dataset;

    fn patterns(names: &[&str]) -> Vec<(String, usize)> {
        let rows: Vec<_> =
            names.iter().map(|name| (*name, name.split('/').next().unwrap(), None, None)).collect();
        candidates(&dataset(&rows)).into_iter().map(|c| (c.pattern, c.count)).collect()
    }

    #[test]
    fn patients_volumes_and_slices_are_proposed() {
        let chest = [
            "P/person1_virus_6.jpeg",
            "P/person1_bacteria_7.jpeg",
            "P/person12_virus_8.jpeg",
            "N/IM-0115-0001.jpeg",
            "N/IM-0115-0002.jpeg",
            "N/IM-0116-0001.jpeg",
            "N/NORMAL2-IM-0326-0001.jpeg",
            "N/NORMAL2-IM-0327-0001.jpeg",
        ];
        assert!(
            patterns(&chest).contains(&("NORMAL2-IM-*-|person*_|IM-*-".into(), 6)),
            "{:?}",
            patterns(&chest)
        );
        let spine = [
            "a/CSFDV1B10 (18)-rotated3.png",
            "a/CSFDV1B10 (18).png",
            "b/CSFDV1B10 (101)-sharpened.png",
            "a/CSFDV1B11 (18).png",
            "b/CSFDV1B11 (101)-rotated1.png",
            "b/CSFDV1B11 (101).png",
        ];
        let found = patterns(&spine);
        assert_eq!(found[0], ("CSFDV1B* (".into(), 2), "{found:?}");
        assert!(found.contains(&("CSFDV1B*)".into(), 4)), "{found:?}");
        let rows: Vec<_> = spine.iter().map(|name| (*name, "x", None, None)).collect();
        assert_eq!(numbers(&dataset(&rows), 2).unwrap(), [18.0, 18.0, 101.0, 18.0, 101.0, 101.0]);
    }

    #[test]
    fn folders_and_plain_identifiers_are_proposed() {
        let mura = [
            "p/patient6/study1/image1.png",
            "p/patient6/study1/image2.png",
            "p/patient8/study1/image1.png",
            "n/patient7/study1/image1.png",
        ];
        assert!(
            patterns(&mura).iter().any(|found| *found == ("patient*/".into(), 3)),
            "{:?}",
            patterns(&mura)
        );
        let ids =
            ["a/fox_left.png", "a/fox_right.png", "b/hen_left.png", "b/hen_right.png", "a/owl_left.png"];
        assert!(patterns(&ids).iter().any(|found| *found == ("*_".into(), 3)), "{:?}", patterns(&ids));
        assert!(patterns(&["a/1.png", "a/2.png", "b/3.png", "b/4.png"]).is_empty(), "counters say nothing");
        assert!(patterns(&["a/é1.png", "a/ü.png", "b/|*.png", "b/.png"]).is_empty(), "odd names do no harm");
    }
}
