//! What may say which images belong together although nobody said so: a manifest's column, the file names, DICOM's own
//! identifiers. Words such as "patient" make a hint, whether or not the pictures of a patient look alike. It is offered, and
//! is never applied by itself.

use data::Dataset;
use eval::group_ids;
use serde::Serialize;

use crate::facts::Facts;
use crate::groups::Groups;
use crate::names::Candidate;
use crate::repeats::{clusters, differ};

/// Words for what is not to be divided.
const WORDS: [&str; 16] = [
    "patient",
    "person",
    "subject",
    "participant",
    "individual",
    "case",
    "study",
    "exam",
    "series",
    "volume",
    "accession",
    "specimen",
    "animal",
    "mrn",
    "pid",
    "source",
];

/// Families of names, at most, that one identifier stands in.
const FAMILIES: usize = 3;

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
    /// How many groups it makes.
    pub groups: usize,
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

    /// None if every group is one image, all images are one group, or `known` groups keep these whole.
    fn new<K: Ord>(
        dataset: &Dataset,
        known: Option<&Groups>,
        place: Place,
        by: &str,
        keys: &[K],
    ) -> Option<Self> {
        let ids = group_ids(keys);
        let groups = ids.iter().max()? + 1;
        let shared = clusters(ids.iter().copied().map(Some));
        let is_known =
            known.is_some_and(|known| shared.iter().all(|members| !differ(members, |i| Some(known.ids[i]))));
        let across_splits =
            shared.iter().filter(|members| differ(members, |i| dataset.samples[i].split)).count();
        let says_something = groups > 1 && groups < ids.len() && !is_known;
        says_something.then(|| Self { by: by.to_owned(), place, groups, across_splits })
    }
}

/// The hints of a data set. `known` are its groups, `candidates` what its names suggest, coarse ones first.
pub fn hints(
    dataset: &Dataset,
    facts: &[Result<Facts, String>],
    known: Option<&Groups>,
    candidates: &[Candidate],
) -> Vec<Hint> {
    // An image without a value stands alone.
    fn key<'a>(name: &'a str, value: &'a str) -> (bool, &'a str) {
        if value.is_empty() { (false, name) } else { (true, value) }
    }
    let samples = &dataset.samples;
    let columns = dataset.columns.iter().enumerate().filter(|(_, column)| is_telling(column));
    let of_column = columns.filter_map(|(at, column)| {
        let keys: Vec<_> = samples.iter().map(|sample| key(&sample.name, &sample.extra[at])).collect();
        Hint::new(dataset, known, Place::Column, column, &keys)
    });
    let of_name = |named: &Candidate| Hint::new(dataset, known, Place::Names, &named.pattern, &named.groups);
    let telling = candidates.iter().filter(|named| is_telling(&named.pattern)).find_map(of_name);
    // Without a word, only what looks like an identifier and crosses the split is worth a line.
    let plain = candidates.iter().filter(|named| known.is_none() && is_identifier(named));
    let plain = || plain.filter_map(of_name).find(|hint| hint.across_splits > 0);
    let of_names = telling.or_else(plain);
    let of_dicom = data::dicom::IDENTIFIERS.iter().enumerate().filter_map(|(at, name)| {
        let value = |facts: &'_ Result<Facts, String>| {
            facts.as_ref().ok().and_then(|facts| facts.identifiers[at].clone()).unwrap_or_default()
        };
        let values: Vec<String> = facts.iter().map(value).collect();
        let keys: Vec<_> =
            samples.iter().zip(&values).map(|(sample, value)| key(&sample.name, value)).collect();
        Hint::new(dataset, known, Place::Dicom, name, &keys)
    });
    of_column.chain(of_names).chain(of_dicom).collect()
}

/// Whether a pattern takes an identifier from the beginning of longer names, most of which share it with another: the 17 of
/// `00000017_002.png`. Names that are nothing but a number count the files of a folder.
fn is_identifier(named: &Candidate) -> bool {
    let mut alternatives = named.pattern.split('|');
    let goes_on = alternatives.all(|alternative| !alternative.ends_with('*') && !alternative.ends_with('/'));
    let shared: usize = clusters(named.groups.iter().copied().map(Some)).iter().map(Vec::len).sum();
    goes_on && named.pattern.matches('|').count() < FAMILIES && 2 * shared >= named.groups.len()
}

/// Whether one of [`WORDS`] is a word of `name`: `PatientID`, `patient_id` and `patients` have one, `example` has none.
fn is_telling(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        if !letter.is_alphabetic() || (before.is_lowercase() && letter.is_uppercase()) {
            words.push(String::new());
        }
        if letter.is_alphabetic() {
            words.last_mut().expect("there is one").extend(letter.to_lowercase());
        }
        before = letter;
    }
    let is = |found: &String, word: &str| {
        found == word || found.strip_suffix('s') == Some(word) || (word.len() > 4 && found.starts_with(word))
    };
    words.iter().any(|found| WORDS.iter().any(|word| is(found, word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::candidates;
    use crate::testing::dataset;
    use data::Split::{Test, Train};

    #[test]
    fn what_a_word_names_is_offered() {
        let row = |name, class, split| (name, class, Some(split), None);
        let mut set = dataset(&[
            row("patient1_a.png", "x", Train),
            row("patient1_b.png", "x", Test),
            row("patient2_a.png", "y", Train),
            row("patient3_a.png", "y", Test),
        ]);
        let facts: Vec<Result<Facts, String>> = (0..4).map(|_| Err(String::new())).collect();
        let offered = |set: &Dataset, known: Option<&Groups>| -> Vec<(String, usize, usize)> {
            let hints = hints(set, &facts, known, &candidates(set));
            hints.into_iter().map(|hint| (hint.by, hint.groups, hint.across_splits)).collect()
        };
        assert_eq!(offered(&set, None), [("patient*_".to_owned(), 3, 1)]);
        set.columns = vec!["sex".into(), "StudyNumber".into()];
        for (sample, study) in set.samples.iter_mut().zip(["7", "7", "", ""]) {
            sample.extra = vec!["f".into(), study.into()];
        }
        assert_eq!(offered(&set, None)[0], ("StudyNumber".to_owned(), 3, 1));
        for (name, is) in [
            ("PatientID", true),
            ("patientid", true),
            ("CASE_NO", true),
            ("cases", true),
            ("person*_|IM-*-", true),
            ("example", false),
            ("lowercase", false),
            ("sex", false),
        ] {
            assert_eq!(is_telling(name), is, "{name}");
        }
        let known = Groups::named(&set, "patient*_");
        assert!(offered(&set, Some(&known)).is_empty(), "what is known need not be offered");
    }

    #[test]
    fn an_identifier_without_a_word_is_offered_if_it_crosses_the_split() {
        let by = |names: [&str; 6]| -> Vec<String> {
            let class = |i: usize| ["x", "y"][i % 2];
            let row = |(i, name)| (name, class(i), Some(if i < 4 { Train } else { Test }), None);
            let set = dataset(&names.into_iter().enumerate().map(row).collect::<Vec<_>>());
            let facts: Vec<Result<Facts, String>> = (0..6).map(|_| Err(String::new())).collect();
            hints(&set, &facts, None, &candidates(&set)).into_iter().map(|hint| hint.by).collect()
        };
        assert_eq!(by(["01_0", "01_1", "02_0", "03_0", "02_1", "03_1"]), ["*_"]);
        assert!(by(["01_0", "01_1", "02_0", "02_1", "03_0", "03_1"]).is_empty(), "nothing crosses");
        assert!(by(["x/0", "x/1", "y/0", "y/1", "t/0", "t/1"]).is_empty(), "counted folder by folder");
    }
}
