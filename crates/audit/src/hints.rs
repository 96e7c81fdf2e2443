//! What may say which images belong together although nobody said so: a manifest's column, the file names, DICOM's own
//! identifiers. Words such as "patient" make a hint, whether or not the pictures of a patient look alike. It is offered, and
//! is never applied by itself.

use data::Dataset;
use eval::group_ids;
use serde::Serialize;

use crate::groups::Groups;
use crate::names::NameGroups;
use crate::repeats::{clusters, differ};
use crate::words::is_telling;

/// Where a hint is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A column of the manifest.
    Column,
    /// The file names.
    Names,
    /// An identifier in the DICOM files, hashed.
    Dicom,
}

/// Groups that somebody may have meant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hint {
    /// As `--group-by` takes it.
    pub by: String,
    /// Where it is from.
    pub place: Place,
    /// How many groups it makes, without images that stand alone.
    pub groups: usize,
    /// Images of which it says nothing, so that each stands alone.
    pub alone: usize,
    /// Groups that lie in more than one split.
    pub across_splits: usize,
}

impl Hint {
    /// What it is, in words.
    pub fn words(&self) -> String {
        match self.place {
            Place::Column => format!("the column \"{}\"", self.by),
            Place::Names => format!("'{}' in the file names", self.by),
            Place::Dicom => format!("{} of the DICOM files", self.by),
        }
    }

    /// The option that takes it, as it is typed in a shell.
    pub fn option(&self) -> String {
        // In quotes even where none are needed, so that the value is seen as one.
        let word = data::quote(&self.by);
        if word.starts_with('\'') { format!("--group-by {word}") } else { format!("--group-by '{word}'") }
    }

    /// What it would mean, with the option that takes it; none if it makes no difference to a split.
    pub fn sentence(&self) -> Option<String> {
        let (words, groups, across) = (self.words(), self.groups, self.across_splits);
        (across > 0).then(|| {
            format!(
                "{across} of {groups} groups lie in more than one part, if {words} says what belongs together: {}",
                self.option()
            )
        })
    }

    /// None if every group is one image, all images are one group, or `known` groups keep these whole. The first of a key
    /// says whether there is a value.
    fn new<K: Ord>(
        dataset: &Dataset,
        known: Option<&Groups>,
        place: Place,
        by: &str,
        keys: &[(bool, K)],
    ) -> Option<Self> {
        let ids = group_ids(keys);
        let all = ids.iter().max()? + 1;
        let alone = keys.iter().filter(|key| !key.0).count();
        let shared = clusters(ids.iter().copied().map(Some));
        let is_known =
            known.is_some_and(|known| shared.iter().all(|members| !differ(members, |i| Some(known.ids[i]))));
        let across_splits =
            shared.iter().filter(|members| differ(members, |i| dataset.samples[i].split)).count();
        let says_something = all > 1 && all < ids.len() && !is_known;
        says_something.then(|| Self { by: by.to_owned(), place, groups: all - alone, alone, across_splits })
    }
}

/// Pseudonyms of [`dicom::IDENTIFIERS`].
pub type Identifiers = [Option<String>; 2];

/// The hints of a data set. `known` are its groups, `names` what its names offer, `identifiers` what its files say.
pub fn hints(
    dataset: &Dataset,
    known: Option<&Groups>,
    names: Option<&NameGroups>,
    identifiers: &[Identifiers],
) -> Vec<Hint> {
    let samples = &dataset.samples;
    let columns = dataset.columns.iter().enumerate().filter(|(_, column)| is_telling(column));
    let of_column = columns.filter_map(|(at, column)| {
        let keys: Vec<_> = samples.iter().map(|sample| key(&sample.name, &sample.extra[at])).collect();
        Hint::new(dataset, known, Place::Column, column, &keys)
    });
    let of_names = names.and_then(|named| {
        let fits = |i: usize| data::group_from_name(&samples[i].name, &named.pattern).is_some();
        let keys: Vec<_> = named.groups.iter().enumerate().map(|(i, &id)| (fits(i), id)).collect();
        let hint = Hint::new(dataset, known, Place::Names, &named.pattern, &keys)?;
        // Without a word, only what crosses the split, also of groups that are known, or may cross the one that is to
        // come, is worth a line.
        let has_split = samples.iter().any(|sample| sample.split.is_some());
        let may_cross = known.is_none() && !has_split;
        (is_telling(&named.pattern) || hint.across_splits > 0 || may_cross).then_some(hint)
    });
    let of_dicom = dicom::IDENTIFIERS.iter().enumerate().filter_map(|(at, name)| {
        let values = identifiers.iter().map(|ids| ids[at].as_deref().unwrap_or_default());
        let keys: Vec<_> =
            samples.iter().zip(values).map(|(sample, value)| key(&sample.name, value)).collect();
        Hint::new(dataset, known, Place::Dicom, name, &keys)
    });
    of_column.chain(of_names).chain(of_dicom).collect()
}

/// An image without a value stands alone.
fn key<'a>(name: &'a str, value: &'a str) -> (bool, &'a str) {
    let is_given = !value.is_empty() && !data::is_missing(value);
    if is_given { (true, value) } else { (false, name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::offered;
    use crate::testing::dataset;
    use data::Split::{Test, Train};

    /// What files that are not DICOM say.
    const NONE: [Identifiers; 6] = [const { [None, None] }; 6];

    #[test]
    fn what_a_word_names_is_offered() {
        let row = |name, class, split| (name, class, Some(split), None);
        let mut set = dataset(&[
            row("patient1_a.png", "x", Train),
            row("patient1_b.png", "x", Test),
            row("patient2_a.png", "y", Train),
            row("patient3_a.png", "y", Test),
        ]);
        let hinted = |set: &Dataset, known: Option<&Groups>| -> Vec<(String, usize, usize)> {
            let hints = hints(set, known, offered(set).as_ref(), &NONE);
            hints.into_iter().map(|hint| (hint.by, hint.groups, hint.across_splits)).collect()
        };
        assert_eq!(hinted(&set, None), [("patient*_".to_owned(), 3, 1)]);
        set.columns = vec!["sex".into(), "StudyNumber".into()];
        for (sample, study) in set.samples.iter_mut().zip(["7", "7", "", "NA"]) {
            sample.extra = vec!["f".into(), study.into()];
        }
        assert_eq!(hinted(&set, None)[0], ("StudyNumber".to_owned(), 1, 1), "two stand alone");
        let known = Groups::named(&set, "patient*_");
        assert!(hinted(&set, Some(&known)).is_empty(), "what is known need not be offered");
    }

    #[test]
    fn an_identifier_without_a_word_is_offered_if_it_crosses_the_split() {
        let by = |names: [&str; 6]| -> Vec<String> {
            let class = |i: usize| ["x", "y"][i % 2];
            let row = |(i, name)| (name, class(i), Some(if i < 4 { Train } else { Test }), None);
            let set = dataset(&names.into_iter().enumerate().map(row).collect::<Vec<_>>());
            hints(&set, None, offered(&set).as_ref(), &NONE).into_iter().map(|hint| hint.by).collect()
        };
        assert_eq!(by(["01_0", "01_1", "02_0", "03_0", "02_1", "03_1"]), ["*_"]);
        assert!(by(["01_0", "01_1", "02_0", "02_1", "03_0", "03_1"]).is_empty(), "nothing crosses");
        assert!(by(["x/0", "x/1", "y/0", "y/1", "t/0", "t/1"]).is_empty(), "counted folder by folder");
    }
}
