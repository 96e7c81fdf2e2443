//! The groups that the pictures show: every image of a source or of a series in one group, whatever else is known.

use data::Dataset;
use duplicates::Forest;

use crate::columns::{FOUND_SERIES, FOUND_SOURCE};
use crate::repeats::{clusters, differ};

/// The columns that [`regroup`] writes beside the groups.
pub const FOUND: [&str; 2] = [FOUND_SOURCE, FOUND_SERIES];

/// What becomes a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Unit {
    /// The copies of a picture.
    Source,
    /// Look-alikes: all sources that seem to come from one patient or volume. A group that is too large costs little,
    /// one that is too small costs the truth.
    Series,
}

impl Unit {
    /// What its groups' names begin with.
    fn prefix(self) -> &'static str {
        match self {
            Self::Source => "source-",
            Self::Series => "series-",
        }
    }
}

/// `dataset` with its sources or series as groups. `found` are the source and the series of each image. A source joins
/// the given groups that its images lie in, so that no given group is divided either. The columns `FOUND` hold the
/// numbers of both; what an earlier search wrote there is replaced.
pub fn regroup(dataset: &Dataset, found: [&[usize]; 2], unit: Unit) -> Dataset {
    let n = dataset.samples.len();
    let ids = match unit {
        Unit::Source => found[0],
        Unit::Series => found[1],
    };
    let given = eval::group_ids(&(0..n).map(|i| dataset.group_key(i)).collect::<Vec<_>>());
    let numbers = joined(ids, &given);
    let width = n.to_string().len();
    let mut regrouped = dataset.clone();
    while let Some(at) = FOUND.iter().find_map(|name| regrouped.column(name)) {
        regrouped.columns.remove(at);
        regrouped.samples.iter_mut().for_each(|sample| drop(sample.extra.remove(at)));
    }
    regrouped.columns.extend(FOUND.map(String::from));
    for (i, sample) in regrouped.samples.iter_mut().enumerate() {
        let number = numbers[i];
        sample.extra.extend(found.map(|ids| format!("{:0width$}", ids[i] + 1)));
        sample.group = Some(format!("{}{:0width$}", unit.prefix(), number + 1));
    }
    regrouped
}

/// For each image the number of the set that belongs together by either: the smallest of `found` in it. Both are numbers
/// below that of the images.
pub(crate) fn joined(found: &[usize], given: &[usize]) -> Vec<usize> {
    let n = found.len();
    // What was found are nodes 0..n, what was given n..2n.
    let mut forest = Forest::new(2 * n);
    for i in 0..n {
        let (a, b) = (forest.root(found[i]), forest.root(n + given[i]));
        forest.hang(a.max(b), a.min(b));
    }
    found.iter().map(|&id| forest.root(id)).collect()
}

/// Whether a group's name is one that [`regroup`] gave.
pub fn is_found_name(name: &str) -> bool {
    [Unit::Source, Unit::Series].iter().any(|unit| name.strip_prefix(unit.prefix()).is_some_and(is_number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What an earlier search found that parts of a data set divide: for each of the columns `FOUND` that it has its name, how
/// many of its sets of several images lie in more than one part, and how many there are. `part` is that of an image.
pub fn divided(
    dataset: &Dataset,
    part: impl Fn(usize) -> Option<usize>,
) -> Vec<(&'static str, usize, usize)> {
    let column = |name: &'static str| {
        let at = dataset.column(name)?;
        let keys = dataset.samples.iter().map(|sample| Some(&sample.extra[at]).filter(|key| !key.is_empty()));
        let sets = clusters(keys);
        let divided = sets.iter().filter(|members| differ(members, &part)).count();
        Some((name, divided, sets.len()))
    };
    FOUND.into_iter().filter_map(column).collect()
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
        assert!(again.samples.iter().all(|sample| is_found_name(sample.group.as_ref().unwrap())));
        assert!(!is_found_name("source-a") && !is_found_name("series") && !is_found_name("patient-1"));

        let part = |i: usize| Some(usize::from(i >= 2));
        assert_eq!(divided(&again, part), [("found_source", 0, 1), ("found_series", 1, 1)]);
        assert_eq!(divided(&set, part), []);
    }
}
