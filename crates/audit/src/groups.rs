//! Which images belong together, and how it is known: given with the data, suggested by file names, or seen in the pixels.
//!
//! Given groups are used as they are. Groups that names suggest are used for the baselines alone, and only if the
//! pictures agree: no copy is divided, and the nearest neighbour of an image (outside its own source) lies in its group
//! far more often than by chance.

use std::collections::{BTreeMap, BTreeSet};

use data::{Dataset, GroupBy};
use eval::group_ids;
use serde::Serialize;

use crate::names::NameGroups;
use crate::repeats::{differ, members};

/// The share of nearest neighbours in the same group, beyond chance, that makes a pattern of names credible.
const BEYOND_CHANCE: f64 = 0.2;
/// Or this many times as many as by chance, and so many more.
const TIMES_CHANCE: f64 = 5.0;
const MORE_THAN_CHANCE: f64 = 10.0;
/// Neighbours in the same group must exceed what chance gives by so many times its standard deviation.
const LUCK: f64 = 4.0;
/// Share of the sources with copies that a credible pattern may divide: published sets have a few images under two
/// patients.
const MAX_DIVIDED: f64 = 0.1;

/// How groups are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupOrigin {
    /// By the manifest, or by the pattern that the user gave.
    Given,
    /// By file names, and the pictures agree; nobody said so.
    Names,
    /// By the pictures alone: series of look-alikes.
    Pictures,
}

/// The groups of a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Groups {
    /// How they are known.
    pub origin: GroupOrigin,
    /// The column or pattern.
    pub by: Option<String>,
    /// How many there are.
    pub count: usize,
    /// Images of the largest.
    pub largest: usize,
    /// Groups that lie in more than one split.
    pub across_splits: usize,
    /// Groups that have images of one class only.
    pub single_class: usize,
    /// The group of each image.
    #[serde(skip)]
    pub ids: Vec<usize>,
    /// The name of each group.
    #[serde(skip)]
    pub names: Vec<String>,
}

impl Groups {
    /// The groups that the data give; none if no image has one. An image without a group stands alone.
    pub fn given(dataset: &Dataset, by: Option<&GroupBy>) -> Option<Self> {
        dataset.samples.iter().any(|sample| sample.group.is_some()).then(|| {
            let keys: Vec<_> = (0..dataset.samples.len()).map(|i| dataset.group_key(i)).collect();
            let by = by.map_or("group".to_owned(), GroupBy::to_string);
            Self::new(dataset, GroupOrigin::Given, &by, &keys, |key| key.1.to_owned())
        })
    }

    /// The groups that a pattern of the names makes.
    pub fn named(dataset: &Dataset, pattern: &str) -> Self {
        // A name that the pattern does not fit stands alone, whatever group is called like it.
        let name = |s: &data::Sample| data::group_from_name(&s.name, pattern).ok_or_else(|| s.name.clone());
        let keys: Vec<_> = dataset.samples.iter().map(name).collect();
        Self::new(dataset, GroupOrigin::Names, pattern, &keys, |key| key.clone().unwrap_or_else(|name| name))
    }

    /// The series that the pictures show; none if there is only one, or one for each source.
    pub fn seen(dataset: &Dataset, series: &[usize], sources: usize) -> Option<Self> {
        let mut groups =
            Self::new(dataset, GroupOrigin::Pictures, "", series, |id| format!("series {}", id + 1));
        groups.by = None;
        (groups.count > 1 && groups.count < sources).then_some(groups)
    }

    fn new<K: Ord>(
        dataset: &Dataset,
        origin: GroupOrigin,
        by: &str,
        keys: &[K],
        name: impl Fn(&K) -> String,
    ) -> Self {
        let ids = group_ids(keys);
        let members = members(ids.iter().copied().map(Some));
        let split = |members: &&Vec<usize>| differ(members, |i| dataset.samples[i].split);
        let class = |members: &&Vec<usize>| {
            !dataset.has_findings() && !differ(members, |i| Some(dataset.samples[i].label))
        };
        Self {
            origin,
            by: Some(by.to_owned()),
            count: members.len(),
            largest: members.iter().map(Vec::len).max().unwrap_or(0),
            across_splits: members.iter().filter(split).count(),
            single_class: members.iter().filter(class).count(),
            names: members.iter().map(|members| name(&keys[members[0]])).collect(),
            ids,
        }
    }
}

/// A pattern of the names with what speaks for it and against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamePattern {
    /// As `--group-by` takes it.
    pub pattern: String,
    /// Groups that it makes, with images that it does not fit, each alone.
    pub groups: usize,
    /// How many images it does not fit.
    pub alone: usize,
    /// Groups that lie in more than one split.
    pub across_splits: usize,
    /// Found sources with more than one image.
    pub repeated_sources: usize,
    /// How many of them it divides: each speaks against it.
    pub divided_sources: usize,
    /// The share of images whose nearest neighbour outside their own source lies in the same group, among those that
    /// have one there.
    pub nearest_in_group: Option<f64>,
    /// What that share would be by chance.
    pub nearest_in_group_by_chance: Option<f64>,
    /// Whether the pictures agree with it.
    pub credible: bool,
}

impl NamePattern {
    /// The evidence for `candidate`. `nearest` are images with their nearest neighbour outside their own source.
    pub fn new(
        dataset: &Dataset,
        candidate: &NameGroups,
        source: &[usize],
        nearest: &[(usize, usize)],
    ) -> Self {
        let groups = Groups::named(dataset, &candidate.pattern);
        let mut of_source: BTreeMap<usize, (usize, BTreeSet<usize>)> = BTreeMap::new();
        let mut group_size = vec![0; candidate.count];
        let mut inside: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (&source, &group) in source.iter().zip(&candidate.groups) {
            let (images, groups) = of_source.entry(source).or_default();
            *images += 1;
            groups.insert(group);
            group_size[group] += 1;
            *inside.entry((source, group)).or_default() += 1;
        }
        let repeated = || of_source.values().filter(|(images, _)| *images > 1);
        let (repeated_sources, divided_sources) =
            (repeated().count(), repeated().filter(|(_, groups)| groups.len() > 1).count());

        let (mut asked, mut same, mut chance) = (0.0, 0.0, 0.0);
        for &(query, found) in nearest {
            let (group, own) = (candidate.groups[query], source[query]);
            let others = group_size[group] - inside[&(own, group)];
            if others > 0 {
                asked += 1.0;
                same += f64::from(u8::from(candidate.groups[found] == group));
                chance += others as f64 / (source.len() - of_source[&own].0) as f64;
            }
        }
        let share = |sum: f64| (asked > 0.0).then(|| sum / asked);
        let (found, expected) = (share(same), share(chance));
        let beyond =
            found.zip(expected).map_or(0.0, |(found, expected)| (found - expected) / (1.0 - expected));
        let far_more = same >= TIMES_CHANCE * chance && same - chance >= MORE_THAN_CHANCE;
        // A handful of neighbours may agree by luck.
        let is_luck = same - chance < LUCK * f64::max(chance, 1.0).sqrt();
        let close = !is_luck && (beyond >= BEYOND_CHANCE || far_more);
        Self {
            pattern: candidate.pattern.clone(),
            groups: candidate.count,
            alone: candidate.alone,
            across_splits: groups.across_splits,
            repeated_sources,
            divided_sources,
            nearest_in_group: found,
            nearest_in_group_by_chance: expected,
            credible: close && divided_sources as f64 <= MAX_DIVIDED * repeated_sources as f64,
        }
    }
}
