//! Several models that answer together.

use crate::support::{train, trained, vertebra, workspace};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// A table of `predict --format csv` or `evaluate --predictions`: a map a line.
fn rows(table: &str) -> Vec<HashMap<String, String>> {
    let mut lines = table.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    lines
        .map(|cells| {
            assert_eq!(cells.len(), header.len(), "{cells:?}");
            header.iter().cloned().zip(cells).collect()
        })
        .collect()
}

fn number(row: &HashMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

/// Three models of the same classes: of two seeds, and of another size, with a threshold of its own.
fn models(folder: &Path) {
    let plain = ["train", "data", "--epochs", "2", "--no-augment", "--width", "0.25", "--batch-size", "8"];
    for (out, seed, size) in [("a", "1", "32"), ("b", "2", "32"), ("c", "3", "48")] {
        let more = ["--out", out, "--seed", seed, "--image-size", size];
        vertebra(folder, &[&plain[..], &more].concat()).ok();
    }
    vertebra(folder, &["evaluate", "b", "data", "--threshold", "0.2", "--write"]).ok();
}

#[test]
fn several_models_answer_by_the_mean_of_their_probabilities() {
    let workspace = workspace();
    let folder = workspace.path();
    models(folder);
    fs::write(folder.join("data/test/disc/no-image.png"), [137, 80, 78, 71, 13, 10, 26, 10, 0]).unwrap();
    let predict = |more: &[&str]| vertebra(folder, &[&["predict"], more].concat()).stdout;
    let csv = |more: &[&str]| rows(&predict(&[more, &["--format", "csv"]].concat()));
    let each = ["a", "b", "c"].map(|model| csv(&[model, "data/test"]));
    let together = csv(&["a", "data/test", "--with", "b", "--with", "c"]);
    assert!(!each[0][0].contains_key("spread") && together[0].contains_key("spread"));
    let threshold = |run: &str| model::Model::read(folder.join(run)).unwrap().metadata.threshold;
    let thresholds = ["a", "b", "c"].map(|run| threshold(run).map_or(0.5, |known| f64::from(known.value)));
    let mean_threshold = thresholds.iter().sum::<f64>() / 3.0;
    let positive = threshold("b").expect("it was written").positive;
    assert_eq!(together.len(), 9);
    for (at, row) in together.iter().enumerate() {
        if !row["error"].is_empty() {
            assert_eq!(row["spread"], "", "{row:?}");
            continue;
        }
        let p = each.each_ref().map(|rows| number(&rows[at], "p_disc"));
        let mean = p.iter().sum::<f64>() / 3.0;
        let deviation = (p.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
        assert!((number(row, "p_disc") - mean).abs() < 2e-6, "{row:?}");
        assert!((number(row, "spread") - deviation).abs() < 2e-6 && deviation > 0.0, "{row:?}");
        let is = number(row, &format!("p_{positive}")) >= mean_threshold;
        assert_eq!(row["label"] == positive, is, "{positive} from {mean_threshold}: {row:?}");
        assert_eq!(row["decision"], if is { "positive" } else { "negative" });
    }
    let both = ["a", "data/test/disc/0.png", "--with", "b"];
    let line: serde_json::Value =
        serde_json::from_str(&predict(&[&both[..], &["--format", "jsonl"]].concat())).unwrap();
    assert!(line["spread"].as_f64().unwrap() > 0.0, "{line}");
    let ended = vertebra(folder, &[&["predict"], &both[..]].concat()).ok();
    assert!(ended.stdout.contains("  spread 0."), "{}", ended.stdout);
    assert!(ended.stderr.contains("2 models: the mean of their probabilities"), "{}", ended.stderr);
    assert!(ended.stderr.contains("(mean of the thresholds of 2 models)"), "{}", ended.stderr);
}

#[test]
fn several_models_are_evaluated_together() {
    let workspace = workspace();
    let folder = workspace.path();
    models(folder);
    let together = ["evaluate", "a", "data", "--with", "b", "--with", "c"];
    let table = [&together[..], &["--predictions", "all.csv", "--json"]].concat();
    let found = vertebra(folder, &table).ok().json();
    let members = found["members"].as_array().unwrap();
    assert_eq!(members.len(), 3);
    for member in members {
        let run = member["model"].as_str().unwrap();
        let alone = vertebra(folder, &["evaluate", run, "data", "--json"]).ok().json();
        assert_eq!((&member["auroc"], &member["accuracy"]), (&alone["auroc"], &alone["accuracy"]), "{run}");
        assert!(alone.get("members").is_none() && alone.get("spread").is_none());
    }
    assert_eq!(found["threshold_rule"], "mean of the thresholds of 3 models");
    assert_eq!(found["audit"]["trained_on"], 0, "the test split is that of all of them");
    let table = rows(&fs::read_to_string(folder.join("all.csv")).unwrap());
    let csv =
        vertebra(folder, &["predict", "a", "data/test", "--with", "b", "--with", "c", "--format", "csv"])
            .ok();
    let predicted: HashMap<String, f64> =
        rows(&csv.stdout).iter().map(|row| (row["path"].clone(), number(row, "spread"))).collect();
    assert_eq!((table.len(), predicted.len()), (8, 8));
    for row in &table {
        let same = predicted.iter().find(|(path, _)| path.ends_with(row["path"].trim_start_matches("data/")));
        let (_, spread) = same.unwrap_or_else(|| panic!("{row:?} of {predicted:?}"));
        assert!((number(row, "spread") - spread).abs() < 2e-6, "{row:?}");
    }
    let ended = vertebra(folder, &together).ok();
    assert!(
        ended.stdout.contains("The mean of 3 models, whose probabilities spread by 0."),
        "{}",
        ended.stdout
    );
    // What is about one model is refused.
    for option in
        [&["--write", "--threshold", "0.5"][..], &["--truth", "boxes.csv"], &["--report", "page.html"]]
    {
        vertebra(folder, &[&together, option].concat()).fails(2, &[option[0], "expected one model, found 3"]);
    }
    vertebra(folder, &["predict", "a", "data/test", "--with", "b", "--heatmap", "maps"])
        .fails(2, &["--heatmap: expected one model, found 2"]);
    assert!(!folder.join("maps").exists());
}

#[test]
fn folds_answer_together_for_other_data() {
    let workspace = workspace();
    let folder = workspace.path();
    let folds = ["--folds", "3", "--group-by", "*", "--epochs", "1"];
    train(folder, "data", "cv", &folds).ok();
    crate::support::copy(&trained().join("data/test"), &folder.join("others"));
    for path in ["disc/0.png", "empty/1.png"] {
        // Pictures that no fold has seen.
        let path = folder.join("others").join(path);
        let mut picture = image::open(&path).unwrap().to_luma8();
        picture.put_pixel(0, 0, image::Luma([255 - picture.get_pixel(0, 0)[0]]));
        picture.save(&path).unwrap();
    }
    let csv = vertebra(folder, &["predict", "cv", "others", "--format", "csv"]).ok();
    let each: Vec<_> = (1..=3)
        .map(|fold| {
            rows(
                &vertebra(folder, &["predict", &format!("cv/fold-{fold}"), "others", "--format", "csv"])
                    .ok()
                    .stdout,
            )
        })
        .collect();
    for (at, row) in rows(&csv.stdout).iter().enumerate() {
        let mean = each.iter().map(|rows| number(&rows[at], "p_disc")).sum::<f64>() / 3.0;
        assert!((number(row, "p_disc") - mean).abs() < 2e-6, "{row:?}");
    }
    // On its own images, which trained all folds but one.
    let ended = vertebra(folder, &["evaluate", "cv", "data", "--split", "all"]).ok();
    assert!(
        ended.stdout.contains("the model was trained or validated with 41 of these 41 files"),
        "{}",
        ended.stdout
    );
    assert!(ended.stderr.contains("trained all folds but one"), "{}", ended.stderr);
    let own = vertebra(folder, &["evaluate", "cv", "cv/fold-1.csv"]).ok();
    assert!(own.stdout.contains("the model was trained or validated with"), "{}", own.stdout);
    let other = vertebra(folder, &["evaluate", "cv", "others", "--json"]).ok().json();
    assert_eq!((&other["images"], other["members"].as_array().unwrap().len()), (&8.into(), 3));
    // Not finished, and no model at all.
    fs::remove_file(folder.join("cv/fold-2/predictions.csv")).unwrap();
    vertebra(folder, &["predict", "cv", "others"]).fails(1, &["found 2 of 3 folds finished and fold 2 not"]);
}

#[test]
fn models_of_other_classes_do_not_answer_together() {
    let workspace = workspace();
    let folder = workspace.path();
    train(folder, "data", "a", &["--max-steps", "1"]).ok();
    crate::support::copy(&folder.join("data"), &folder.join("renamed"));
    for split in ["train", "val", "test"] {
        let at = folder.join("renamed").join(split);
        fs::rename(at.join("empty"), at.join("wedge")).unwrap();
    }
    train(folder, "renamed", "b", &["--max-steps", "1"]).ok();
    let words = ["b: expected the classes disc, empty, as a has, found the classes disc, wedge"];
    vertebra(folder, &["predict", "a", "data/test", "--with", "b"]).fails(1, &words);
    vertebra(folder, &["evaluate", "a", "data", "--with", "b"]).fails(1, &words);
    vertebra(folder, &["predict", "a", "data/test", "--with", "none"]).fails(1, &["none"]);
}
