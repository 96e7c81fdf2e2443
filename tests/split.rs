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

/// A class of one group lies in one part: that the others have none of it is said.
#[test]
fn a_part_without_a_class_is_named() {
    let folder = workspace();
    let mut text = "path,label,patient\n".to_owned();
    for i in 0..12 {
        text +=
            &format!("data/train/disc/{}.png,disc,p{i}\ndata/train/empty/{}.png,empty,e\n", 2 * i, 2 * i + 1);
    }
    fs::write(folder.path().join("all.csv"), text).unwrap();
    let said = split(folder.path(), &[]).ok().stderr;
    assert_eq!(said.matches("has no image of empty").count(), 2, "{said}");
    assert!(!said.contains("warning: train"), "{said}");
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
    vertebra(folder.path(), &["split", "all.csv", "--out", "other.csv"])
        .fails(1, &["expected the column \"group\""]);
}

#[test]
fn a_pattern_that_fits_most_names_groups_those() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    for (class, names) in [
        ("sick", ["person1_a", "person1_b", "person2_a", "odd"]),
        ("well", ["person3_a", "person4_a", "person4_b", "person5_a"]),
    ] {
        let place = folder.path().join("set").join(class);
        fs::create_dir_all(&place).unwrap();
        for name in names {
            number += 20;
            image::GrayImage::from_pixel(8, 8, image::Luma([number]))
                .save(place.join(format!("{name}.png")))
                .unwrap();
        }
    }
    let run = |more: &[&str]| vertebra(folder.path(), more);
    let said = "1 of 8 images have no group, for example sick/odd.png: each stands alone";
    for arguments in [
        &["split", "set", "--by", "person*_", "--out", "out.csv", "--fractions", "0.5,0.25,0.25"][..],
        &["audit", "set", "--group-by", "person*_"],
    ] {
        let ended = run(arguments).ok();
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    let found = Dataset::open(&folder.path().join("out.csv")).unwrap();
    assert!(found.divided_groups().is_empty());
    assert_eq!(found.samples.iter().filter(|sample| sample.group.is_none()).count(), 1);
    let ended = run(&["split", "set", "--by", "odd*", "--out", "out.csv"]);
    assert!(
        ended.stderr.contains("expected names of the pattern \"odd*\", found none among 8"),
        "{}",
        ended.stderr
    );
    let few = run(&["split", "set", "--by", "*5_", "--out", "out.csv"]).ok().stderr;
    assert!(few.contains("warning: 7 of 8 images have no group"), "{few}");
}

#[test]
fn without_a_column_patterns_are_offered() {
    let folder = tempfile::tempdir().unwrap();
    let picture = |path: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_pixel(8, 8, image::Luma([90])).save(path).unwrap();
    };
    for (class, first) in [("sick", 1), ("well", 20)] {
        for patient in first..first + 6 {
            (1..4).for_each(|view| picture(&format!("named/{class}/person{patient}_view{view}.png")));
        }
        for name in ["xa", "qk", "mm"] {
            picture(&format!("plain/{class}/{name}{class}.png"));
        }
    }
    let run = |set: &str, more: &[&str]| {
        vertebra(folder.path(), &[&["split", set, "--out", "out.csv"][..], more].concat())
    };
    for (set, offer) in [("named", "--by 'person*_view'"), ("plain", "--by PATTERN")] {
        for by in [&[][..], &["--by", "patient"]] {
            let column = by.last().copied().unwrap_or("group");
            let found = format!("expected the column \"{column}\", found no column to group by");
            let said =
                run(set, &[by, &["--folds", "3"]].concat()).fails(1, &[&found, "'person*_'", offer]).stderr;
            assert!(!said.contains("these to group by") && !said.contains("COLUMN"), "{said}");
            // The line that is offered asks for the same folds.
            let line = said.lines().find(|line| line.ends_with(offer)).unwrap_or_else(|| panic!("{said}"));
            assert!(line.contains("split") && line.contains("--out out.csv --folds 3 --by"), "{said}");
        }
    }
    run("named", &["--folds", "3", "--by", "person*_view"]).ok();
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
    // The figures of a fold are those of its model, not those of rounded probabilities.
    for (at, fold) in folds.iter().enumerate() {
        let (model, data) = (format!("cv/fold-{}", at + 1), format!("cv/fold-{}.csv", at + 1));
        let found = vertebra(
            folder.path(),
            &["evaluate", &model, &data, "--split", "test", "--bootstrap", "0", "--json"],
        );
        assert_eq!(found.ok().json()["auroc"], fold["auroc"], "{model}");
        let table = fs::read_to_string(folder.path().join(&model).join("predictions.csv")).unwrap();
        let predict = [
            "predict",
            &model,
            "data/train/disc/0.png",
            "data/val/empty/1.png",
            "data/test/disc/2.png",
            "--format",
            "csv",
        ];
        let lines = vertebra(folder.path(), &predict).ok().stdout;
        for line in lines.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let same = table.lines().find(|row| row.contains(cells[0].trim_start_matches("data/")));
            assert!(
                same.is_none_or(|row| row.ends_with(&format!("{},{}", cells[3], cells[4]))),
                "{line}: {same:?}"
            );
        }
    }

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
    assert!(
        words.contains("report: cv/report.html") && words.contains("next, one model that keeps images"),
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
    for words in ["audit data --write-groups grouped.csv", "split grouped.csv --out split.csv"] {
        assert!(ended.stderr.contains(words), "{words} is missing from {}", ended.stderr);
    }
    let text = fs::read_to_string(folder.path().join("run/audit.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&kept["leaks"], &kept["identical_files"]["across_splits"]), (&true.into(), &1.into()));
}

/// What keeps groups whole is what made them.
#[test]
fn groups_that_cross_the_split_are_kept_whole_by_what_was_given() {
    let folder = workspace();
    let train = ["--group-by", "disc/*|empty/*", "--epochs", "1"];
    let said = crate::support::train(folder.path(), "data", "run", &train).ok().stderr;
    let line = said.lines().find(|line| line.contains("to keep groups whole")).unwrap_or(&said);
    assert!(line.contains("split data --by 'disc/*|empty/*' --out split.csv"), "{said}");
    vertebra(folder.path(), &["split", "data", "--by", train[1], "--out", "split.csv"]).ok();
}

/// Three patients a class with three images each, and two files of another source.
fn named(folder: &Path) {
    let mut number = 0;
    for (class, patients) in [("sick", [1, 2, 3]), ("well", [4, 5, 6])] {
        let place = folder.join("set").join(class);
        fs::create_dir_all(&place).unwrap();
        let names = patients.into_iter().flat_map(|p| (0..3).map(move |i| format!("person{p}_{i}")));
        for name in names.chain(["odd".into()]) {
            number += 12;
            image::GrayImage::from_fn(32, 32, |x, y| image::Luma([(x as u8 * 3) ^ (y as u8 * 5) ^ number]))
                .save(place.join(format!("{name}.png")))
                .unwrap();
        }
    }
}

#[test]
fn training_names_the_groups_that_the_names_offer() {
    let folder = tempfile::tempdir().unwrap();
    named(folder.path());
    let train = |out: &str, more: &[&str]| crate::support::train(folder.path(), "set", out, more).ok();
    let plain = train("plain", &["--epochs", "1"]);
    let said = &plain.stderr;
    for words in [
        "drawn by image: no groups are known",
        "groups lie in more than one part",
        "'person*_' in the file names",
        "--group-by 'person*_'",
        "not checked: only files equal byte for byte",
    ] {
        assert!(said.contains(words), "{words} is missing from {said}");
    }
    let splits = said.lines().find(|line| line.starts_with("splits ")).unwrap();
    assert!(
        !splits.contains(" groups)") && !splits.contains(" group)"),
        "nothing is known of groups: {splits}"
    );
    let kept: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("plain/audit.json")).unwrap()).unwrap();
    assert_eq!(kept["hints"][0]["by"], "person*_");
    assert!(kept["not_checked"].as_str().unwrap().contains("re-encoded"));

    let grouped = train("grouped", &["--epochs", "1", "--group-by", "person*_"]).stderr;
    assert!(grouped.contains("splits (drawn by group)") && grouped.contains(" groups"), "{grouped}");
    assert!(grouped.contains("2 of 20 images have no group"), "{grouped}");
    assert!(!grouped.contains("in more than one part"), "{grouped}");
}

#[test]
fn what_wants_groups_says_how_to_name_them() {
    let folder = tempfile::tempdir().unwrap();
    named(folder.path());
    let run = |arguments: &[&str]| vertebra(folder.path(), arguments);
    let wanted = ["--by 'person*_'", "--by '*'", "split set --out out.csv"];
    run(&["split", "set", "--out", "out.csv"]).fails(1, &wanted);
    let arguments = [&["train", "set", "--folds", "3", "--out", "cv"][..], &TINY].concat();
    run(&arguments).fails(1, &["expected groups", "--group-by 'person*_'", "--group-by '*'", "--folds 3"]);
    assert!(!folder.path().join("cv/fold-1").exists());

    // Where the names say nothing, the options are named all the same.
    for class in ["sick", "well"] {
        for (at, entry) in fs::read_dir(folder.path().join("set").join(class)).unwrap().enumerate() {
            let path = entry.unwrap().path();
            fs::rename(&path, path.with_file_name(format!("{at}.png"))).unwrap();
        }
    }
    let said = run(&["split", "set", "--out", "out.csv"]).fails(1, &["--by PATTERN", "--by '*'"]);
    assert!(!said.stderr.contains("makes"), "{}", said.stderr);
    // Equal names in two folders are two images.
    let ended = run(&["split", "set", "--by", "*", "--out", "out.csv"]).ok();
    assert!(
        ended.stderr.contains("next: ") && ended.stderr.contains("audit out.csv --strict"),
        "{}",
        ended.stderr
    );
    let found = Dataset::open(&folder.path().join("out.csv")).unwrap();
    let groups: BTreeSet<_> = found.samples.iter().map(|sample| sample.group.clone().unwrap()).collect();
    assert_eq!(groups.len(), 20);
}

#[test]
fn a_split_replaces_no_input_and_nothing_foreign() {
    let folder = workspace();
    manifest(folder.path());
    let run = |out: &str, more: &[&str]| {
        vertebra(folder.path(), &[&["split", "all.csv", "--by", "patient", "--out", out][..], more].concat())
    };
    let before = fs::read(folder.path().join("all.csv")).unwrap();
    run("all.csv", &[]).fails(2, &["--out all.csv", "another file than those that are read"]);
    run("./all.csv", &["--force"]).fails(2, &["another file"]);
    run("data/train/disc/0.png", &["--force"]).fails(2, &["another file"]);
    assert_eq!(fs::read(folder.path().join("all.csv")).unwrap(), before);
    fs::write(folder.path().join("notes.csv"), "my,notes\n").unwrap();
    run("notes.csv", &[]).fails(1, &["notes.csv", "--force"]);
    assert_eq!(fs::read_to_string(folder.path().join("notes.csv")).unwrap(), "my,notes\n");
    assert!(run("out.csv", &[]).ok().stderr.contains("wrote out.csv"));
    assert!(run("out.csv", &["--seed", "1"]).ok().stderr.contains("replaced out.csv"));
    // Looked at before anything is read for the groups; a device is written into.
    let early = vertebra(folder.path(), &["split", "all.csv", "--by", "none", "--out", "notes.csv"]);
    early.fails(1, &["notes.csv", "--force"]);
    #[cfg(unix)]
    {
        let told = run("/dev/stdout", &[]).ok();
        assert_eq!(told.stdout.lines().count(), 42, "{}", told.stdout);
    }
    // Folds are another table.
    run("out.csv", &["--folds", "3"]).fails(1, &["--force"]);
    assert!(run("notes.csv", &["--force"]).ok().stderr.contains("replaced notes.csv"));
}

/// A column that says something else in 0 and 1 is no finding of the manifest that is written.
#[test]
fn what_comes_next_names_the_findings() {
    let folder = workspace();
    let rows = (0..16).map(|i| {
        let class = ["disc", "empty"][i % 2];
        format!("data/train/{class}/{i}.png,{},p{},{}\n", ["disc|mass", "mass"][i % 2], i / 2, i % 3 / 2)
    });
    let table = "path,findings,patient,portable\n".to_owned() + &rows.collect::<String>();
    fs::write(folder.path().join("list.csv"), table).unwrap();
    let split = ["split", "list.csv", "--labels", "all", "--by", "PATIENT", "--out", "out.csv"];
    let first = vertebra(folder.path(), &split).ok().stderr;
    assert!(first.contains("out.csv --labels disc,mass"), "{first}");
    // Typed again: a table of findings is known too.
    let again = vertebra(folder.path(), &split).ok().stderr;
    assert!(again.contains("replaced out.csv"), "{again}");
}
