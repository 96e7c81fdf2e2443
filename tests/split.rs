//! `vertebra split` and `vertebra train --folds`: no group is ever on two sides.

use crate::support::{TINY, vertebra, workspace};
use data::{Dataset, Split};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A manifest over the workspace's images with six patients, and no split.
fn manifest(folder: &Path) {
    let mut text = "path,label,patient\n".to_owned();
    let mut number = 0;
    for (split, images) in [("train", 25), ("val", 8), ("test", 8)] {
        for i in 0..images {
            let class = ["disc", "empty"][i % 2];
            text += &format!("data/{split}/{class}/{i}.png,{class},p{}\n", number / 2 % 6);
            number += 1;
        }
    }
    fs::write(folder.join("all.csv"), text).unwrap();
}

fn split(folder: &Path, more: &[&str]) -> crate::support::Ended {
    vertebra(folder, &[&["split", "all.csv", "--by", "patient", "--out", "out.csv"][..], more].concat())
}

#[test]
fn a_split_keeps_groups_whole_and_repeats() {
    let folder = workspace();
    manifest(folder.path());
    let ended = split(folder.path(), &["--fractions", "0.5,0.25,0.25"]).ok();
    assert!(ended.stderr.contains("train: ") && ended.stderr.contains("groups"), "{}", ended.stderr);
    let found = Dataset::open(&folder.path().join("out.csv")).unwrap();
    assert_eq!((found.divided_groups(), found.samples.len()), (vec![], 41));
    assert!(Split::ALL.iter().all(|&split| found.class_counts(split).iter().all(|&n| n > 0)));
    let first = fs::read(folder.path().join("out.csv")).unwrap();
    split(folder.path(), &["--fractions", "0.5,0.25,0.25"]).ok();
    assert_eq!(fs::read(folder.path().join("out.csv")).unwrap(), first);
    split(folder.path(), &["--fractions", "0.5,0.5"]).fails(2, &["found \"0.5,0.5\""]);
    split(folder.path(), &["--fractions", "0.5,0,0.5"]).fails(2, &["three numbers above 0"]);
}

#[test]
fn folds_are_a_column_that_training_takes_as_groups() {
    let folder = workspace();
    manifest(folder.path());
    for (option, count) in [(&["--folds", "3"][..], 3), (&["--leave-one-out"], 6)] {
        split(folder.path(), option).ok();
        let found = Dataset::open(&folder.path().join("out.csv")).unwrap();
        assert_eq!(found.columns, ["patient", "fold"]);
        let mut folds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for sample in &found.samples {
            folds.entry(sample.group.as_ref().unwrap()).or_default().insert(&sample.extra[1]);
        }
        assert!(folds.values().all(|folds| folds.len() == 1), "a group lies in one fold");
        assert_eq!(folds.values().flatten().collect::<BTreeSet<_>>().len(), count);
    }
    split(folder.path(), &["--folds", "7"]).fails(1, &["at least 7 groups for 7 folds, found 6"]);
    split(folder.path(), &["--folds", "1"]).fails(2, &["--folds"]);
    vertebra(folder.path(), &["split", "all.csv", "--out", "out.csv"])
        .fails(1, &["expected the column \"group\""]);
}

#[test]
fn cross_validation_tests_every_image_once() {
    let folder = workspace();
    manifest(folder.path());
    let arguments =
        ["train", "all.csv", "--group-by", "patient", "--folds", "3", "--epochs", "1", "--out", "cv"];
    let run = |more: &[&str]| vertebra(folder.path(), &[&arguments[..], &TINY, more].concat());
    let result = run(&["--json"]).ok().json();
    assert_eq!((&result["pooled"]["images"], &result["pooled"]["groups"]), (&41.into(), &6.into()));
    let folds = result["folds"].as_array().unwrap();
    assert_eq!(folds.iter().map(|fold| fold["images"].as_u64().unwrap()).sum::<u64>(), 41);
    assert_eq!(folds.iter().map(|fold| fold["group_count"].as_u64().unwrap()).sum::<u64>(), 6);
    for name in ["mean", "standard_deviation", "min", "max", "folds"] {
        assert!(result["accuracy"][name].is_number(), "{name}");
    }
    for fold in 1..=3 {
        let set = Dataset::open(&folder.path().join(format!("cv/fold-{fold}.csv"))).unwrap();
        assert!(
            set.divided_groups().is_empty() && Split::ALL.iter().all(|&split| !set.part(split).is_empty())
        );
    }
    run(&[]).fails(1, &["holds a run already"]);

    // As if it had been stopped after the second fold: the third is run again, and the result is the same.
    fs::remove_dir_all(folder.path().join("cv/fold-3")).unwrap();
    vertebra(folder.path(), &["report", "cv"]).fails(1, &["2 of 3 folds finished", "fold 3", "--resume"]);
    let again = vertebra(folder.path(), &["train", "--resume", "--out", "cv", "--json"]).ok();
    assert!(
        !again.stderr.contains("fold 2 of 3") && again.stderr.contains("fold 3 of 3"),
        "{}",
        again.stderr
    );
    assert_eq!(again.json(), result);
    let page = fs::read_to_string(folder.path().join("cv/report.html")).unwrap();
    let fold = fs::read_to_string(folder.path().join("cv/fold-3/report.html")).unwrap();
    for words in
        ["<a href=\"fold-3/report.html\">fold 3</a>", "AUROC over 3 folds: mean", "6 independent groups"]
    {
        assert!(page.contains(words), "{words}");
    }
    assert!(fold.contains("id=\"learning\"") && !page.contains("id=\"learning\""));
    assert!(!page.contains("http://") && !page.contains("https://"));
    let words = vertebra(folder.path(), &["train", "--resume", "--out", "cv"]).ok().stdout;
    assert!(
        words.contains("all folds: 41 images, 6 independent groups") && words.contains("standard deviation"),
        "{words}"
    );
}

#[test]
fn a_run_says_whether_its_split_leaks() {
    let folder = workspace();
    fs::copy(folder.path().join("data/train/disc/0.png"), folder.path().join("data/test/disc/again.png"))
        .unwrap();
    let ended = crate::support::train(folder.path(), "data", "run", &["--epochs", "1"]).ok();
    assert!(ended.stdout.contains("the split leaks: 1 set of identical files"), "{}", ended.stdout);
    let text = fs::read_to_string(folder.path().join("run/audit.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&kept["leaks"], &kept["identical_files"]["across_splits"]), (&true.into(), &1.into()));
}
