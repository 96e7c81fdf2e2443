//! The part of an audit that takes no time: what lies in more than one split, by group and byte for byte. It is what a
//! headline number is printed with.

use std::collections::HashMap;

use data::Dataset;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tensor::par;

use crate::facts::Hash;
use crate::findings::sets;
use crate::groups::Groups;
use crate::repeats::{Repeats, clusters};

/// What was seen at a glance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quick {
    /// Images.
    pub images: usize,
    /// Files with equal bytes.
    pub identical_files: Repeats,
    /// Groups as they were given.
    pub groups: Option<Groups>,
    /// Whether the split leaks.
    pub leaks: bool,
    /// What to print beside a result: a line or two.
    pub verdict: Vec<String>,
}

/// Looks at `dataset` with its splits. Only files of equal size are read. A file that cannot be read is left out.
pub fn quick(dataset: &Dataset) -> Quick {
    let identical_files = Repeats::of(dataset, file_hashes(dataset));
    let groups = Groups::given(dataset, None);
    let crossing = groups.as_ref().map_or(0, |groups| groups.across_splits);
    let leaks = crossing > 0 || identical_files.across_splits > 0;
    let mut verdict = vec![];
    if let Some(groups) = groups.as_ref().filter(|_| crossing > 0) {
        verdict.push(format!(
            "the split leaks: {crossing} of {} groups lie in more than one part",
            groups.count
        ));
    }
    if identical_files.across_splits > 0 {
        let count = identical_files.across_splits;
        verdict.push(format!("the split leaks: {} of identical files in more than one part", sets(count)));
    }
    if groups.is_none() && !leaks {
        verdict.push("no groups are known, so images of one patient may lie on both sides".into());
    }
    if verdict.is_empty() {
        verdict.push("no group and no identical file lies on both sides of the split".into());
    }
    Quick { images: dataset.samples.len(), identical_files, groups, leaks, verdict }
}

/// Hashes of the files that share their size with another: no other can be identical to one.
fn file_hashes(dataset: &Dataset) -> Vec<Option<Hash>> {
    let same_size = clusters(dataset.samples.iter().map(|sample| Some(sample.bytes)));
    let read: Vec<usize> = same_size.into_iter().flatten().collect();
    let hash = |at: usize| {
        let bytes = std::fs::read(&dataset.samples[read[at]].path).ok()?;
        Some((read[at], Sha256::digest(bytes).into()))
    };
    let found: HashMap<usize, Hash> = par::map(read.len(), hash).into_iter().flatten().collect();
    (0..dataset.samples.len()).map(|i| found.get(&i).copied()).collect()
}
