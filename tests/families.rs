//! From an audit to a split that no copy crosses, on families of copies of several kinds.

#[allow(dead_code, reason = "the search's own measurements use the rest")]
#[path = "../crates/duplicates/tests/it/families.rs"]
mod kinds;
use crate::plant::Gray;
use crate::support::vertebra;
use kinds::{CHANGES, Family, Subject};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tempfile::TempDir;

/// Writes a picture as number `i` of a folder, under a name that says nothing of its place; the name.
fn save(folder: &Path, i: usize, gray: &Gray) -> String {
    let name = format!("{:03}.png", i * 37 % 1009);
    gray.save(&folder.join(&name)).unwrap();
    name
}

/// A family on disk, in two classes. The number of the picture of each file, by name.
fn write(family: &Family, folder: &Path) -> BTreeMap<String, usize> {
    let file = |(i, (picture, gray)): (usize, (usize, Gray))| {
        let class = if picture % 2 == 0 { "sick" } else { "well" };
        (format!("{class}/{}", save(&folder.join(class), i, &gray)), picture)
    };
    family.images().into_iter().enumerate().map(file).collect()
}

/// Audits, groups and splits a family; no picture may lie in two splits, and a strict audit has to agree.
fn is_split_well(subject: Subject, change: &str, copies: usize) {
    let change = CHANGES.iter().position(|kind| kind.0 == change).unwrap();
    let family = Family { subject, change, copies, seed: 5 };
    let folder: TempDir = tempfile::tempdir().unwrap();
    let place = folder.path();
    let pictures = write(&family, &place.join("set"));
    vertebra(place, &["audit", "set", "--write-groups", "grouped.csv"]).ok();
    vertebra(place, &["split", "grouped.csv", "--by", "group", "--out", "split.csv"]).ok();
    let split = data::Dataset::open(&place.join("split.csv")).unwrap();
    let mut splits: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for sample in &split.samples {
        let name = pictures.keys().find(|name| sample.name.ends_with(name.as_str())).unwrap();
        splits.entry(pictures[name]).or_default().insert(sample.split.unwrap().to_string());
    }
    assert_eq!(splits.len(), family.pictures());
    let crossing = splits.values().filter(|splits| splits.len() > 1).count();
    assert_eq!(crossing, 0, "{}: {splits:?}", family.name());
    vertebra(place, &["audit", "split.csv", "--strict"]).ok();
}

#[test]
fn chained_turns_of_limbs() {
    is_split_well(Subject::BoneSquared, "chained-turns", 10);
}

#[test]
fn bad_jpegs_of_neighbouring_slices() {
    is_split_well(Subject::Volume, "jpeg", 10);
}

#[test]
fn two_changes_of_radiographs() {
    is_split_well(Subject::Phantom, "two", 5);
}

#[test]
fn stretched_limbs() {
    is_split_well(Subject::Bone, "stretch", 5);
}

/// A strict audit fails where look-alikes cross although no copy does.
#[test]
fn slices_of_one_volume_in_two_splits_fail_a_strict_audit() {
    let folder = tempfile::tempdir().unwrap();
    for (i, gray) in Subject::Volume.pictures(24, 5).into_iter().enumerate() {
        let part = if i % 2 == 0 { "train" } else { "test" };
        let class = if i / 6 % 2 == 0 { "sick" } else { "well" };
        save(&folder.path().join("set").join(part).join(class), i, &gray);
    }
    vertebra(folder.path(), &["audit", "set"]).ok();
    // A file that cannot be read is no series.
    std::fs::write(folder.path().join("set/train/sick/broken.png"), "text").unwrap();
    let found = vertebra(folder.path(), &["audit", "set", "--json"]).json();
    let words = format!(" from some {} series,", found["series"]);
    let verdict = found["verdict"][0].as_str().unwrap();
    assert!(verdict.starts_with("24 files ") && verdict.contains(&words), "{verdict}, not {words}");
    let ended = vertebra(folder.path(), &["audit", "set", "--strict"]);
    ended.fails(1, &["look-alikes", "lie in more than one split", "--write-groups"]);
}
