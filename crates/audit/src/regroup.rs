//! The groups that the pictures show: every image of a source or of a series in one group, whatever else is known.

use data::Dataset;

use crate::columns::{FOUND_SERIES, FOUND_SOURCE};

/// The columns that [`regroup`] writes beside the groups.
pub const FOUND: [&str; 2] = [FOUND_SOURCE, FOUND_SERIES];

/// What becomes a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The copies of a picture.
    Source,
    /// Look-alikes: all sources that seem to come from one patient or volume. A group that is too large costs little,
    /// one that is too small costs the truth.
    Series,
}

/// `dataset` with its sources or series as groups. `found` are the source and the series of each image. A source joins
/// the given groups that its images lie in, so that no given group is divided either. The columns [`FOUND`] hold the
/// numbers of both; what an earlier search wrote there is replaced.
pub fn regroup(dataset: &Dataset, found: [&[usize]; 2], unit: Unit) -> Dataset {
    let n = dataset.samples.len();
    let ids = match unit {
        Unit::Source => found[0],
        Unit::Series => found[1],
    };
    let given = eval::group_ids(&(0..n).map(|i| dataset.group_key(i)).collect::<Vec<_>>());
    // Sources are nodes 0..n, given groups n..2n.
    let mut parent: Vec<usize> = (0..2 * n).collect();
    for i in 0..n {
        let (a, b) = (root(&mut parent, ids[i]), root(&mut parent, n + given[i]));
        parent[a.max(b)] = a.min(b);
    }
    let width = n.to_string().len();
    let name = if unit == Unit::Source { "source" } else { "series" };
    let mut regrouped = dataset.clone();
    while let Some(at) = regrouped.columns.iter().position(|column| FOUND.contains(&column.as_str())) {
        regrouped.columns.remove(at);
        regrouped.samples.iter_mut().for_each(|sample| drop(sample.extra.remove(at)));
    }
    regrouped.columns.extend(FOUND.map(String::from));
    for (i, sample) in regrouped.samples.iter_mut().enumerate() {
        let number = root(&mut parent, ids[i]);
        sample.extra.extend(found.map(|ids| format!("{:0width$}", ids[i] + 1)));
        sample.group = Some(format!("{name}-{:0width$}", number + 1));
    }
    regrouped
}

/// The representative of a node, with the path to it shortened.
fn root(parent: &mut [usize], mut node: usize) -> usize {
    while parent[node] != node {
        parent[node] = parent[parent[node]];
        node = parent[node];
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dataset;

    #[test]
    fn sources_and_given_groups_stay_whole() {
        let row = |name, group| (name, "x", None, group);
        let set = dataset(&[
            row("a", None),
            row("b", Some("p")),
            row("c", Some("p")),
            row("d", None),
            row("e", None),
        ]);
        let found = regroup(&set, [&[0, 1, 2, 2, 0], &[0, 1, 1, 1, 0]], Unit::Source);
        let group = |i: usize| found.samples[i].group.clone().unwrap();
        assert_eq!(group(0), group(4));
        assert!(group(1) == group(2) && group(2) == group(3) && group(0) != group(1));
        assert_eq!(
            (&found.columns[..], &found.samples[3].extra[..]),
            (&FOUND.map(String::from)[..], &["3".to_owned(), "2".to_owned()][..])
        );
        let again = regroup(&found, [&[0, 0, 1, 2, 3], &[0, 0, 0, 1, 2]], Unit::Series);
        assert_eq!(again.columns, FOUND);
        assert_eq!(again.samples[2].extra, ["2", "1"]);
        assert_eq!(again.samples[0].group, again.samples[2].group);
        assert!(again.samples[2].group.as_ref().unwrap().starts_with("series-"));
    }
}
