//! The part of an audit that takes no time: what lies in more than one split, by group and byte for byte. It is what a
//! headline number is printed with.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use data::{Dataset, GroupBy, Sample, Split};
use engine::par;
use eval::count;
use serde::Serialize;

use crate::facts::Hash;
use crate::groups::Groups;
use crate::hints::{Hint, Identifiers, hints};
use crate::names;
use crate::repeats::{Repeats, clusters};

/// Names of files that are not opened to look for DICOM's identifiers.
const OTHER_FORMATS: [&str; 4] = ["png", "jpg", "jpeg", "jfif"];
/// Bytes of a file in which its patient and study stand.
const HEAD_BYTES: u64 = 64 << 10;

/// What a glance does not look for.
const NOT_CHECKED: &str = "only files equal byte for byte were looked for; turned, resized or re-encoded copies, and \
                           patients that only the pictures tell, were not";

/// What was seen at a glance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quick {
    /// Images.
    pub images: usize,
    /// Files with equal bytes.
    pub identical_files: Repeats,
    /// Groups as they were given.
    pub groups: Option<Groups>,
    /// Of the images that are evaluated those whose file the model trained or was validated with, byte for byte, under
    /// whatever name; `None` if that was not asked, or is not known, or they are its own test split.
    pub trained_on: Option<usize>,
    /// What may say which images belong together, although nobody said so: from names and columns.
    pub hints: Vec<Hint>,
    /// What was not looked for, in words.
    pub not_checked: &'static str,
    /// Whether the split leaks, or images are evaluated that the model trained or was validated with.
    pub leaks: bool,
    /// Whether images have several findings instead of one class.
    #[serde(skip)]
    of_findings: bool,
    /// What to print beside a result: a line or two.
    pub verdict: Vec<String>,
}

/// Looks at `dataset` with its splits and its groups, which `by` made, if somebody said what makes them. Only files of equal
/// size are read. A file that cannot be read is left out.
pub fn quick(dataset: &Dataset, by: Option<&GroupBy>) -> Quick {
    let identical_files = Repeats::of(dataset, file_hashes(dataset));
    let groups = Groups::given(dataset, by);
    let mut found = Quick {
        images: dataset.samples.len(),
        leaks: identical_files.across_splits > 0 || groups.as_ref().is_some_and(|g| g.across_splits > 0),
        hints: offers(dataset, groups.as_ref()),
        not_checked: NOT_CHECKED,
        identical_files,
        groups,
        trained_on: None,
        of_findings: dataset.has_findings(),
        verdict: vec![],
    };
    found.verdict = found.conclude(dataset.samples.iter().any(|sample| sample.split.is_some()));
    found
}

impl Quick {
    /// Whether what was found makes a result look better than it is, or may do so unseen.
    pub fn needs_warning(&self) -> bool {
        self.leaks || self.may_cross_splits() || self.groups.is_none()
    }

    /// Whether what may belong together lies in more than one split.
    pub fn may_cross_splits(&self) -> bool {
        self.hints.iter().any(|hint| hint.across_splits > 0)
    }

    fn conclude(&self, has_split: bool) -> Vec<String> {
        let Self { identical_files: same, groups, leaks, .. } = self;
        let mut verdict = vec![];
        if let Some(groups) = groups.as_ref().filter(|groups| groups.across_splits > 0) {
            let (crossing, all) = (groups.across_splits, groups.count);
            verdict.push(format!("the split leaks: {crossing} of {all} groups lie in more than one part"));
        }
        if same.across_splits > 0 {
            let sets = count(same.across_splits, "set");
            verdict.push(format!("the split leaks: {sets} of identical files in more than one part"));
        }
        if same.across_classes > 0 {
            verdict.push(format!(
                "{} of identical files {}",
                count(same.across_classes, "set"),
                if self.of_findings { "with contradicting findings" } else { "in more than one class" }
            ));
        }
        if same.clusters > 0 && !has_split {
            let Repeats { images, clusters, .. } = same;
            verdict.push(format!(
                "{images} images are {} of identical files, each counted",
                count(*clusters, "set")
            ));
        }
        verdict.extend(self.hints.iter().filter_map(Hint::sentence));
        match (groups, has_split) {
            (None, true) if !leaks => {
                verdict.push("no groups are known, so images of one patient may lie on both sides".into());
            }
            (None, false) => {
                verdict.push("no groups are known, so images of one patient count as independent".into());
            }
            _ => {}
        }
        if verdict.is_empty() {
            verdict.push(match has_split {
                true => "no group and no identical file lies on both sides of the split".into(),
                false => "groups are known, and no file is there twice".into(),
            });
        }
        verdict
    }

    /// Adds that so many of `images` files are files that the model trained or was validated with.
    pub fn add_trained(&mut self, used: usize, images: usize) {
        self.trained_on = Some(used);
        if used > 0 {
            self.leaks = true;
            self.verdict
                .insert(0, format!("the model was trained or validated with {used} of these {images} files"));
        }
    }
}

/// How many files of `samples` are files that `training` trains or validates with, whatever they are called. Files of equal
/// sizes are read, each once.
pub fn files_in_training(samples: &[&Sample], training: &[Sample]) -> usize {
    let sizes: HashSet<u64> = samples.iter().map(|sample| sample.bytes).collect();
    let of_size = |sample: &&Sample| sample.split != Some(Split::Test) && sizes.contains(&sample.bytes);
    let known: Vec<&Sample> = training.iter().filter(of_size).collect();
    let sizes: HashSet<u64> = known.iter().map(|sample| sample.bytes).collect();
    let hashes: HashSet<Hash> =
        par::map(known.len(), |i| file_hash(&known[i].path)).into_iter().flatten().collect();
    let is_used = |i: usize| {
        let hash = sizes.contains(&samples[i].bytes).then(|| file_hash(&samples[i].path)).flatten();
        hash.is_some_and(|hash| hashes.contains(&hash))
    };
    par::map(samples.len(), is_used).into_iter().filter(|&is| is).count()
}

/// What columns and names offer as groups, whatever groups are known.
pub fn quick_hints(dataset: &Dataset) -> Vec<Hint> {
    offers(dataset, None)
}

fn offers(dataset: &Dataset, known: Option<&Groups>) -> Vec<Hint> {
    let identifiers = par::map(dataset.samples.len(), |i| identifiers(&dataset.samples[i].path));
    hints(dataset, known, names::offered(dataset).as_ref(), &identifiers)
}

/// What the head of a file says, if it may be DICOM by its name.
fn identifiers(path: &Path) -> Identifiers {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let other = extension.is_some_and(|found| OTHER_FORMATS.contains(&found.as_str()));
    let mut head = vec![];
    let read = |file: File| file.take(HEAD_BYTES).read_to_end(&mut head);
    match !other && File::open(path).and_then(read).is_ok() {
        true => dicom::identifiers(&head),
        false => [None, None],
    }
}

/// Hashes of the files that share their size with another: no other can be identical to one.
fn file_hashes(dataset: &Dataset) -> Vec<Option<Hash>> {
    let same_size = clusters(dataset.samples.iter().map(|sample| Some(sample.bytes)));
    let read: Vec<usize> = same_size.into_iter().flatten().collect();
    let hash = |at: usize| Some((read[at], file_hash(&dataset.samples[read[at]].path)?));
    let found: HashMap<usize, Hash> = par::map(read.len(), hash).into_iter().flatten().collect();
    (0..dataset.samples.len()).map(|i| found.get(&i).copied()).collect()
}

fn file_hash(path: &Path) -> Option<Hash> {
    data::file_digest(path).ok()
}
