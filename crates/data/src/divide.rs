//! Dividing samples into training, validation and test without dividing a group.
//!
//! A group (patient, study, volume) has images that resemble each other more than the disease does. With one of them in
//! training and another in the test set, a network that memorises looks like one that diagnoses.
//!
//! Invariant: every group lies in exactly one part, and the result depends on the seed, the groups and their labels, not
//! on the order of the samples.

use std::collections::BTreeMap;

use engine::Rng;

use crate::Error;

struct Group {
    samples: Vec<usize>,
    labels: Vec<usize>,
}

/// Divides samples into `fractions.len()` parts: the part of every sample.
///
/// `labels[i]` is the class of sample i (`< classes`), `keys[i]` its group. Groups are dealt in a seeded order, largest
/// first, each to the part where it least increases sum((have - want)^2 / want) over parts and classes; for groups of one
/// image this is Webster's apportionment. Few or large groups can leave a part without a class: part 0 then gives its
/// smallest group that has the class, if it keeps another.
///
/// # Errors
/// If a part stays empty, because there are too few groups.
pub fn split_groups<K: Ord>(
    labels: &[usize],
    keys: &[K],
    classes: usize,
    fractions: &[f64],
    seed: u64,
) -> Result<Vec<usize>, Error> {
    let mut by_key: BTreeMap<&K, Group> = BTreeMap::new();
    for (i, (&label, key)) in labels.iter().zip(keys).enumerate() {
        let empty = || Group { samples: Vec::new(), labels: vec![0; classes] };
        let group = by_key.entry(key).or_insert_with(empty);
        group.samples.push(i);
        group.labels[label] += 1;
    }
    deal(by_key.into_values().collect(), labels.len(), classes, fractions, seed)
}

/// The same for groups in the order of their keys, of whatever kind those are.
fn deal(
    mut groups: Vec<Group>,
    samples: usize,
    classes: usize,
    fractions: &[f64],
    seed: u64,
) -> Result<Vec<usize>, Error> {
    Rng::derive(&[seed, SPLIT_STREAM]).shuffle(&mut groups);
    groups.sort_by_key(|group| std::cmp::Reverse(group.samples.len()));

    let mut have = vec![vec![0; classes]; fractions.len()];
    let want = wanted(&groups, classes, fractions);
    let mut part_of: Vec<usize> = Vec::with_capacity(groups.len());
    for group in &groups {
        let cost = |part: &usize| -> f64 {
            let columns = have[*part].iter().zip(&want[*part]).zip(&group.labels).filter(|&(_, &n)| n > 0);
            // (have + n - want)^2 - (have - want)^2, over want.
            columns.map(|((&h, w), &n)| n as f64 * ((2 * h + n) as f64 / w - 2.0)).sum()
        };
        let best = (0..fractions.len()).min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(0);
        add(&mut have[best], &group.labels);
        part_of.push(best);
    }
    share_classes(&groups, &mut part_of, &mut have);

    if let Some(part) = have.iter().position(|labels| labels.iter().all(|&n| n == 0)) {
        let (found, parts) = (groups.len(), fractions.len());
        return Err(Error::Split(format!(
            "expected enough groups to fill {parts} parts with every class, found {found}, which leaves part {} empty",
            part + 1
        )));
    }
    let mut parts = vec![0; samples];
    for (group, &part) in groups.iter().zip(&part_of) {
        group.samples.iter().for_each(|&i| parts[i] = part);
    }
    Ok(parts)
}

/// Names the random stream, so that a split shares no numbers with what else the seed feeds.
const SPLIT_STREAM: u64 = u64::from_be_bytes(*b"split   ");

/// How many samples of each class each part should have: `[part][class]`.
fn wanted(groups: &[Group], classes: usize, fractions: &[f64]) -> Vec<Vec<f64>> {
    let mut total = vec![0; classes];
    groups.iter().for_each(|group| add(&mut total, &group.labels));
    let whole: f64 = fractions.iter().sum();
    fractions.iter().map(|f| total.iter().map(|&n| f / whole * n as f64).collect()).collect()
}

/// Gives every part at least one group of each class, where part 0 can spare it.
fn share_classes(groups: &[Group], part_of: &mut [usize], have: &mut [Vec<usize>]) {
    for part in 1..have.len() {
        for class in 0..have[part].len() {
            if have[part][class] > 0 {
                continue;
            }
            let spare = |g: &usize| {
                let labels = &groups[*g].labels;
                part_of[*g] == 0
                    && labels[class] > 0
                    && labels.iter().zip(&have[0]).all(|(&n, &h)| n == 0 || n < h)
            };
            // Groups are in falling order of size.
            if let Some(g) = (0..groups.len()).rev().find(spare) {
                part_of[g] = part;
                have[0].iter_mut().zip(&groups[g].labels).for_each(|(h, n)| *h -= n);
                add(&mut have[part], &groups[g].labels);
            }
        }
    }
}

fn add(counts: &mut [usize], more: &[usize]) {
    counts.iter_mut().zip(more).for_each(|(count, n)| *count += n);
}
