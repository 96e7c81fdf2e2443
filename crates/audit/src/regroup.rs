//! The groups that the pictures prove: every image of a source in one group, whatever else is known.

use data::Dataset;

use crate::columns::FOUND_SOURCE;

/// `dataset` with its sources as groups. A source joins the given groups that its images lie in, so that no given group
/// is divided either. The column `found_source` holds the number of the source.
pub fn regroup(dataset: &Dataset, source: &[usize]) -> Dataset {
    let n = dataset.samples.len();
    let given = eval::group_ids(&(0..n).map(|i| dataset.group_key(i)).collect::<Vec<_>>());
    // Sources are nodes 0..n, given groups n..2n.
    let mut parent: Vec<usize> = (0..2 * n).collect();
    for i in 0..n {
        let (a, b) = (root(&mut parent, source[i]), root(&mut parent, n + given[i]));
        parent[a.max(b)] = a.min(b);
    }
    let width = n.to_string().len();
    let mut found = dataset.clone();
    found.columns.push(FOUND_SOURCE.into());
    for (i, sample) in found.samples.iter_mut().enumerate() {
        let number = root(&mut parent, source[i]);
        sample.extra.push(format!("{:0width$}", source[i] + 1));
        sample.group = Some(format!("source-{:0width$}", number + 1));
    }
    found
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
        let found = regroup(&set, &[0, 1, 2, 2, 0]);
        let group = |i: usize| found.samples[i].group.clone().unwrap();
        assert_eq!(group(0), group(4));
        assert!(group(1) == group(2) && group(2) == group(3) && group(0) != group(1));
        assert_eq!(
            (&found.columns[..], &found.samples[3].extra[..]),
            (&["found_source".to_owned()][..], &["3".to_owned()][..])
        );
    }
}
