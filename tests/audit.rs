//! `vertebra audit`: what it says of sets with known faults.

use crate::support::{Ended, vertebra};
use engine::Rng;
use image::GrayImage;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// An image of discs anywhere, so that no two have anything in common; one class is brighter.
fn picture(seed: u64, bright: bool) -> GrayImage {
    let mut rng = Rng::new(seed);
    let discs: Vec<[f64; 4]> = (0..25)
        .map(|_| [rng.range(0.0, 96.0), rng.range(0.0, 96.0), rng.range(3.0, 18.0), rng.range(-60.0, 60.0)])
        .collect();
    GrayImage::from_fn(96, 96, |column, row| {
        let inside =
            |&&[x, y, radius, _]: &&[f64; 4]| (f64::from(column) - x).hypot(f64::from(row) - y) < radius;
        let sum: f64 = discs.iter().filter(inside).map(|disc| disc[3]).sum();
        image::Luma([(110.0 + sum + if bright { 40.0 } else { 0.0 }).clamp(0.0, 255.0) as u8])
    })
}

/// A folder with splits and two classes, every image its own.
fn clean() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 0;
    for (split, images) in [("train", 30), ("val", 8), ("test", 12)] {
        for (bar, class) in ["sick", "well"].into_iter().enumerate() {
            let place = folder.path().join("set").join(split).join(class);
            fs::create_dir_all(&place).unwrap();
            for i in 0..images {
                seed += 1;
                picture(seed, bar == 1).save(place.join(format!("{split}{i}.png"))).unwrap();
            }
        }
    }
    folder
}

fn audit(folder: &Path, more: &[&str]) -> Ended {
    vertebra(folder, &[&["audit", "set"][..], more].concat())
}

#[test]
fn a_clean_set_passes() {
    let folder = clean();
    let found = audit(folder.path(), &["--strict", "--json"]).ok().json();
    assert_eq!(
        (&found["images"], &found["sources"], &found["leaks"]),
        (&100.into(), &100.into(), &false.into())
    );
    assert_eq!(found["parts"][3]["split"], "test");
    for name in ["identical_files", "identical_pixels", "copies"] {
        assert_eq!(found[name]["clusters"], 0, "{name}");
    }
    let baselines = found["baselines"].as_array().unwrap();
    assert_eq!(baselines[0]["evaluation"], "given-split");
    for name in ["method", "images", "groups", "accuracy", "accuracy_ci", "auroc", "majority_accuracy"] {
        assert!(!baselines[0][name].is_null(), "{name}");
    }
    let words = audit(folder.path(), &[]).ok().stdout;
    assert!(
        words.contains("100 files are as many different pictures") && words.contains("nearest neighbour"),
        "{words}"
    );
}

#[test]
fn planted_copies_fail_a_strict_audit() {
    let folder = clean();
    let at = |path: &str| folder.path().join("set").join(path);
    fs::copy(at("train/sick/train0.png"), at("test/sick/again.png")).unwrap();
    // The same pixels in another file, and with the other label.
    let pixels = image::open(at("train/well/train1.png")).unwrap().to_rgb8();
    pixels.save(at("val/sick/coloured.png")).unwrap();
    let ended = audit(folder.path(), &["--strict"]);
    ended.fails(
        1,
        &[
            "LEAK",
            "identical files: 1 set in more than one split",
            "test/sick/again.png",
            "more than one class",
        ],
    );
    let found = audit(folder.path(), &["--json"]).ok().json();
    assert_eq!((&found["leaks"], &found["sources"]), (&true.into(), &100.into()));
    assert_eq!(found["identical_files"]["across_splits"], 1);
    assert_eq!(
        (&found["identical_pixels"]["clusters"], &found["identical_pixels"]["across_classes"]),
        (&2.into(), &1.into())
    );

    let ended = audit(folder.path(), &["--write-groups", "grouped.csv"]).ok();
    assert!(ended.stderr.contains("wrote grouped.csv"), "{}", ended.stderr);
    assert!(ended.stderr.contains(" groups of look-alikes"), "{}", ended.stderr);
    // The groups that a set has are among what is joined.
    let again = vertebra(folder.path(), &["audit", "grouped.csv", "--write-groups", "again.csv"]).ok();
    assert!(again.stderr.contains(" groups of the set, joined by look-alikes"), "{}", again.stderr);
    let grouped = data::Dataset::open(&folder.path().join("grouped.csv")).unwrap();
    let group = |name: &str| grouped.samples.iter().find(|s| s.name.ends_with(name)).unwrap().group.clone();
    assert_eq!(group("set/train/sick/train0.png"), group("set/test/sick/again.png"));
    assert_eq!(grouped.divided_groups().len(), 2);
}

#[test]
fn groups_that_cross_the_split_fail_too() {
    let folder = clean();
    let mut manifest = "path,label,split,patient\n".to_owned();
    for (split, patient) in [("train", "p1"), ("val", "p2"), ("test", "p1")] {
        for class in ["sick", "well"] {
            manifest += &format!("{split}/{class}/{split}0.png,{class},{split},{patient}\n");
        }
    }
    fs::write(folder.path().join("set/manifest.csv"), manifest).unwrap();
    let audit = |more: &[&str]| vertebra(folder.path(), &[&["audit", "set/manifest.csv"][..], more].concat());
    audit(&["--group-by", "patient", "--strict"])
        .fails(1, &["1 of 2 groups (patient) lie in more than one split"]);
    // The column is no group until somebody says so, but its name says enough.
    let said = "the column \"patient\": 1 of 2 groups lie in more than one split";
    audit(&["--strict"]).fails(1, &[said, "--group-by"]);
    // The page marks its verdict where --strict fails.
    for (more, is_marked) in [(&["--group-by", "*", "--strict"][..], false), (&[], true)] {
        audit(&[more, &["--html", "page.html", "--force"]].concat()).ok();
        let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
        assert_eq!(page.contains("<div class=\"verdict bad\">"), is_marked, "{more:?}");
    }
    audit(&["--group-by", "doctor"]).fails(1, &["expected the column \"doctor\""]);
}

/// A row without a group stands alone, and that is said also of the column `group`, which nobody asked for.
#[test]
fn rows_without_a_group_are_counted() {
    let folder = clean();
    let rows = "path,label,group\ntrain/sick/train0.png,sick,p1\ntrain/well/train0.png,well,\n";
    fs::write(folder.path().join("set/manifest.csv"), rows).unwrap();
    let said = vertebra(folder.path(), &["audit", "set/manifest.csv"]).ok().stderr;
    assert!(said.contains("1 of 2 images have no group, for example train/well/train0.png"), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_finding() {
    let folder = clean();
    fs::write(folder.path().join("set/train/sick/bad.png"), "this is text").unwrap();
    let ended = audit(folder.path(), &["--json", "--strict"]);
    let found = ended.json();
    ended.fails(1, &["1 of 101 files cannot be read"]);
    assert_eq!((&found["images"], &found["sources"]), (&101.into(), &100.into()));
    assert_eq!(found["unreadable"][0]["path"], "train/sick/bad.png");
    audit(folder.path(), &[]).fails(1, &["train/sick/bad.png: expected a", "found text"]);

    // A manifest may name a file that is not there; training refuses it, an audit says so and goes on.
    let rows =
        "path,label\ntrain/sick/train0.png,sick\nlost.png,well\ntrain,well\ntrain/well/train0.png,well\n";
    fs::write(folder.path().join("set/manifest.csv"), rows).unwrap();
    let ended = vertebra(folder.path(), &["audit", "set/manifest.csv", "--json"]);
    let found = ended.json();
    ended.fails(1, &["2 of 4 files cannot be read"]);
    assert_eq!(found["unreadable"][0]["path"], "lost.png");
    assert_eq!(found["unreadable"][0]["reason"], "expected a file, found none");
    assert_eq!(found["unreadable"][1]["reason"], "expected a file, found a folder");
    assert_eq!(found["sources"], 2);
}

/// What there is of a split is told of the table, whatever can be read of it.
#[test]
fn a_split_is_one_also_where_it_cannot_be_judged() {
    let folder = clean();
    for class in ["sick", "well"] {
        for i in 0..2 {
            fs::write(folder.path().join(format!("set/{class}{i}.png")), "text").unwrap();
        }
    }
    let said = |splits: [&str; 2], bad: &[&str]| {
        let mut rows = "path,label,split\n".to_owned();
        for class in ["sick", "well"] {
            for split in splits {
                let file = if bad.contains(&split) {
                    format!("{class}{}.png", usize::from(split == splits[1]))
                } else {
                    format!("{split}/{class}/{split}{}.png", usize::from(split == splits[0]))
                };
                rows += &format!("{file},{class},{split}\n");
            }
        }
        fs::write(folder.path().join("set/manifest.csv"), rows).unwrap();
        let ended = vertebra(folder.path(), &["audit", "set/manifest.csv"]);
        format!("{}{}", ended.stdout, ended.stderr)
    };
    for (splits, bad) in
        [(["train", "test"], &["test"][..]), (["train", "test"], &["train"]), (["val", "test"], &[])]
    {
        let said = said(splits, bad);
        assert!(
            !said.contains("no split yet") && !said.contains("All images are of"),
            "{splits:?} {bad:?}: {said}"
        );
    }
    let said = said(["train", "test"], &["train", "test"]);
    assert!(said.contains("No image can be read") && !said.contains("next"), "{said}");
    // One part is no split to judge by.
    let rows = "path,label,split\ntest/sick/test0.png,sick,test\ntest/well/test0.png,well,test\n";
    fs::write(folder.path().join("set/manifest.csv"), rows).unwrap();
    let said = vertebra(folder.path(), &["audit", "set/manifest.csv"]).ok().stdout;
    assert!(said.contains("All images are of the test split; divide it by group"), "{said}");
}

#[test]
fn a_shortcut_is_flagged() {
    let folder = clean();
    for entry in fs::read_dir(folder.path().join("set/train/sick")).unwrap() {
        let path = entry.unwrap().path();
        image::open(&path).unwrap().crop_imm(0, 0, 80, 96).save(&path).unwrap();
    }
    let found = audit(folder.path(), &["--json"]).ok().json();
    let all = found["shortcuts"].as_array().unwrap();
    let width = all.iter().find(|feature| feature["feature"] == "width").unwrap();
    assert_eq!(
        (&width["flagged"], &width["kind"], &width["higher_in"]),
        (&true.into(), &"file".into(), &"well".into())
    );
    assert!(width.get("finding").is_none(), "of classes there is none: {width}");
    // 30 of 50 are narrower, which ties leave at 0.5 + 0.5 * 30 / 50.
    assert!((width["auroc"].as_f64().unwrap() - 0.8).abs() < 1e-9);
    assert_eq!(width["rule_accuracy"], 0.8);
    let said = audit(folder.path(), &[]).ok().stdout;
    assert!(said.contains("flagged * from AUROC 0.75, if chance is no explanation;"), "{said}");
}

#[test]
fn the_page_is_complete_and_safe() {
    let folder = clean();
    let at = |path: &str| folder.path().join("set").join(path);
    fs::copy(at("train/sick/train0.png"), at("test/sick/again.png")).unwrap();
    let mut manifest = "path,label,split\n".to_owned();
    for (path, split) in
        [("train/sick/train0", "train"), ("train/well/train0", "train"), ("test/sick/again", "test")]
    {
        let label = if path.contains("sick") { "<script>alert(1)</script>" } else { "\"well&\"\"good\"\"\"" };
        manifest += &format!("{path}.png,{label},{split}\n");
    }
    fs::write(at("manifest.csv"), manifest).unwrap();
    vertebra(folder.path(), &["audit", "set/manifest.csv", "--html", "audit.html"]).ok();
    let page = fs::read_to_string(folder.path().join("audit.html")).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"));
    assert!(page.contains("well&amp;&quot;good&quot;"));
    for request in ["http:", "https:", "url(", "@import", "<link", "src=\"/"] {
        assert!(!page.contains(request), "{request}");
    }
    assert_eq!(page.matches("data:image/png;base64,iVBORw0KGgo").count(), 2, "a pair of copies");
}

/// What a command printed behind `word`, run by a shell in the same folder.
fn paste(folder: &Path, said: &str, word: &str) -> Ended {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix(word))
        .unwrap_or_else(|| panic!("no {word:?} in {said}"));
    let line = line.split("   (").next().unwrap();
    Ended::of(std::process::Command::new("sh").args(["-c", line]).current_dir(folder).output().unwrap())
}

#[test]
fn the_next_step_after_copies_leads_to_a_split_without_them() {
    let folder = clean();
    let at = |path: &str| folder.path().join("set").join(path);
    fs::copy(at("train/sick/train0.png"), at("test/sick/again.png")).unwrap();
    let said = audit(folder.path(), &[]).ok().stderr;
    let written = paste(folder.path(), &said, "next: ").ok();
    assert!(written.stderr.contains("wrote grouped.csv"), "{}", written.stderr);
    paste(folder.path(), &written.stderr, "next: ").ok();
    let split = data::Dataset::open(&folder.path().join("split.csv")).unwrap();
    let of = |name: &str| split.samples.iter().find(|s| s.name.ends_with(name)).unwrap().split;
    assert_eq!(of("train/sick/train0.png"), of("test/sick/again.png"));
    vertebra(folder.path(), &["audit", "split.csv", "--strict"]).ok();

    // The column that the audit wrote is no property of the images, whatever it is equal to.
    let found = vertebra(folder.path(), &["audit", "grouped.csv", "--json"]).ok().json();
    let features = found["shortcuts"].as_array().unwrap();
    assert!(
        features.iter().all(|found| !found["feature"].as_str().unwrap().contains("found_source")),
        "{features:?}"
    );
}

#[test]
fn a_set_merged_from_sources_is_offered_the_patients_that_its_names_have() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 0;
    for (class, bright) in [("sick", false), ("well", true)] {
        let place = folder.path().join("my set").join(class);
        fs::create_dir_all(&place).unwrap();
        let mut save = |name: String| {
            seed += 1;
            picture(seed, bright).save(place.join(name)).unwrap();
        };
        let person = if bright { 50 } else { 1 };
        (0..10).for_each(|i| (0..2).for_each(|j| save(format!("person{}_{j}.png", person + i))));
        (0..4).for_each(|i| save(format!("{i}.png")));
    }
    let ended = vertebra(folder.path(), &["audit", "my set"]).ok();
    let said = format!("{}{}", ended.stdout, ended.stderr);
    for words in ["'person*_' in the file names", "20 groups", "8 other images", "--group-by 'person*_'"] {
        assert!(said.contains(words), "{words} is missing from {said}");
    }
    // The line can be pasted.
    let split = paste(folder.path(), &ended.stderr, "next, if 'person*_' says what belongs together: ").ok();
    assert!(split.stderr.contains("8 of 48 images have no group"), "{}", split.stderr);
    let found = vertebra(folder.path(), &["audit", "my set", "--json"]).ok().json();
    let hint = &found["hints"][0];
    assert_eq!((&hint["by"], &hint["groups"], &hint["alone"]), (&"person*_".into(), &20.into(), &8.into()));
    // Once it is given, the audit goes on from there.
    let next = vertebra(folder.path(), &["audit", "my set", "--group-by", "person*_"]).ok().stderr;
    assert!(next.contains("split 'my set' --by 'person*_' --out split.csv"), "{next}");
}

#[test]
fn nothing_is_written_over_what_is_read_or_not_ours() {
    let folder = clean();
    let place = folder.path();
    fs::write(place.join("notes.html"), "my notes").unwrap();
    fs::write(place.join("notes.csv"), "path,remark\n").unwrap();
    let image = "set/train/sick/train0.png";
    let before = fs::read(place.join(image)).unwrap();
    audit(place, &["--html", image]).fails(2, &["--html", "another file than those that are read"]);
    audit(place, &["--html", image, "--force"]).fails(2, &["another file"]);
    assert_eq!(fs::read(place.join(image)).unwrap(), before);
    audit(place, &["--html", "notes.html"]).fails(1, &["notes.html", "--force"]);
    audit(place, &["--write-groups", "notes.csv"]).fails(1, &["notes.csv", "--force"]);
    audit(place, &["--html", "no/audit.html"]).fails(1, &["expected the folder no"]);
    assert_eq!(fs::read_to_string(place.join("notes.html")).unwrap(), "my notes");

    let both = ["--html", "audit.html", "--write-groups", "grouped.csv"];
    let first = audit(place, &both).ok().stderr;
    assert!(first.contains("wrote audit.html") && first.contains("wrote grouped.csv"), "{first}");
    let again = audit(place, &both).ok().stderr;
    assert!(again.contains("replaced audit.html") && again.contains("replaced grouped.csv"), "{again}");
    let forced = audit(place, &["--html", "notes.html", "--force"]).ok().stderr;
    assert!(forced.contains("replaced notes.html"), "{forced}");
    vertebra(place, &["audit", "grouped.csv", "--write-groups", "grouped.csv"]).fails(2, &["another file"]);
}
