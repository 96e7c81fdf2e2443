//! What is there more than once: clusters of images with an equal key (a hash, or the source that was found), and
//! whether they cross splits or classes.

use std::collections::HashMap;
use std::hash::Hash;

use data::{Dataset, Split};
use serde::Serialize;

/// Clusters that are listed by name; the counts are of all.
const LISTED: usize = 10;
/// Members of a cluster that are listed by name.
const MEMBERS: usize = 6;

/// Images that occur more than once, in one sense of "the same".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Repeats {
    /// Clusters of two or more.
    pub clusters: usize,
    /// Images in them.
    pub images: usize,
    /// Images of the largest.
    pub largest: usize,
    /// Clusters that lie in more than one split.
    pub across_splits: usize,
    /// Clusters that lie in more than one class; of findings, those of which one is there and is not.
    pub across_classes: usize,
    /// The first clusters, those that cross splits or classes first.
    pub examples: Vec<Cluster>,
}

/// Some members of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cluster {
    /// Images in the cluster.
    pub images: usize,
    /// Whether it lies in more than one split.
    pub across_splits: bool,
    /// Whether it lies in more than one class.
    pub across_classes: bool,
    /// Names of the first members.
    pub paths: Vec<String>,
}

impl Repeats {
    /// Clusters of equal `keys`, one an image; an image without a key is in none.
    pub fn of<K: Eq + Hash>(dataset: &Dataset, keys: impl IntoIterator<Item = Option<K>>) -> Self {
        let clusters = clusters(keys);
        let mut all: Vec<Cluster> = clusters.iter().map(|members| Cluster::of(dataset, members)).collect();
        let count = |condition: fn(&Cluster) -> bool| all.iter().filter(|&c| condition(c)).count();
        let (across_splits, across_classes) = (count(|c| c.across_splits), count(|c| c.across_classes));
        let (images, largest) = (all.iter().map(|c| c.images).sum(), all.iter().map(|c| c.images).max());
        all.sort_by_key(|cluster| !(cluster.across_splits || cluster.across_classes));
        let clusters = all.len();
        all.truncate(LISTED);
        Self { clusters, images, largest: largest.unwrap_or(0), across_splits, across_classes, examples: all }
    }
}

impl Cluster {
    fn of(dataset: &Dataset, members: &[usize]) -> Self {
        let names = members.iter().map(|&i| dataset.samples[i].name.clone());
        Self {
            images: members.len(),
            across_splits: differ(members, |i| dataset.samples[i].split),
            across_classes: contradict(dataset, members),
            paths: representative(dataset, members)
                .into_iter()
                .map(|i| dataset.samples[i].name.clone())
                .chain(names)
                .fold(vec![], |mut paths, name| {
                    if paths.len() < MEMBERS && !paths.contains(&name) {
                        paths.push(name);
                    }
                    paths
                }),
        }
    }
}

/// One member of each split and class, so that what is shown of a cluster shows what it crosses.
pub fn representative(dataset: &Dataset, members: &[usize]) -> Vec<usize> {
    let mut seen: Vec<(Option<Split>, usize)> = vec![];
    let new = |&i: &usize| {
        let place = (dataset.samples[i].split, dataset.samples[i].label);
        let new = !seen.contains(&place);
        seen.push(place);
        new
    };
    members.iter().copied().filter(new).collect()
}

/// Whether members are of different classes; or a finding is known to be there in one and not to be there in another.
pub fn contradict(dataset: &Dataset, members: &[usize]) -> bool {
    match dataset.has_findings() {
        true => (0..dataset.classes.len()).any(|at| differ(members, |i| dataset.samples[i].findings[at])),
        false => differ(members, |i| Some(dataset.samples[i].label)),
    }
}

/// Whether some property of the members takes two values; members without it do not count.
pub fn differ<T: PartialEq>(members: &[usize], property: impl Fn(usize) -> Option<T>) -> bool {
    let mut values = members.iter().filter_map(|&i| property(i));
    values.next().is_some_and(|first| values.any(|value| value != first))
}

/// The members of every key that occurs twice or more, by first member.
pub fn clusters<K: Eq + Hash>(keys: impl IntoIterator<Item = Option<K>>) -> Vec<Vec<usize>> {
    let mut clusters = members(keys);
    clusters.retain(|members| members.len() > 1);
    clusters
}

/// The members of every key, by first member.
pub fn members<K: Eq + Hash>(keys: impl IntoIterator<Item = Option<K>>) -> Vec<Vec<usize>> {
    let mut number: HashMap<K, usize> = HashMap::new();
    let mut clusters: Vec<Vec<usize>> = vec![];
    for (i, key) in keys.into_iter().enumerate() {
        let Some(key) = key else { continue };
        let next = clusters.len();
        let at = *number.entry(key).or_insert(next);
        if at == next {
            clusters.push(vec![]);
        }
        clusters[at].push(i);
    }
    clusters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_are_clusters() {
        let keys = ["a", "b", "", "a", "c", "b", "a", ""];
        let found = clusters(keys.map(|key| Some(key).filter(|key| !key.is_empty())));
        assert_eq!(found, [vec![0, 3, 6], vec![1, 5]]);
        assert!(
            differ(&[0, 1], Some)
                && !differ(&[0, 1], |_| Some(0))
                && !differ(&[0, 1], |i| [Some(0), None][i])
        );
    }
}
