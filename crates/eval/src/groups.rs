//! Groups: what is not independent of each other (the images of a patient, of a study, of a volume).
//!
//! Invariant: everywhere in this crate a group is a small number, `0..groups`, one for each sample; names become
//! numbers here, once. Without groups every sample is a group of its own.

use std::collections::BTreeMap;

/// Numbers `0..` for names, in the order of their first appearance; equal names get equal numbers.
pub fn group_ids<T: Ord>(names: &[T]) -> Vec<usize> {
    let mut seen = BTreeMap::new();
    names
        .iter()
        .map(|name| {
            let next = seen.len();
            *seen.entry(name).or_insert(next)
        })
        .collect()
}

/// `groups`, or a group for each of `n` samples.
pub(crate) fn or_singletons(groups: Option<&[usize]>, n: usize) -> Vec<usize> {
    groups.map_or_else(|| (0..n).collect(), <[usize]>::to_vec)
}

/// One more than the largest group number: the length of a table indexed by group.
pub(crate) fn table_len(groups: &[usize]) -> usize {
    groups.iter().max().map_or(0, |&largest| largest + 1)
}
