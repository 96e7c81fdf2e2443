//! The operating point of a site, and what a training says that went wrong.

use crate::many_classes::set;
use crate::support::{Ended, copy, train, trained, vertebra};
use model::{Model, TensorFile};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A run, its data, and more labelled images of the same kind: `site.csv`, in groups of two, without splits.
fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["run", "data"] {
        copy(&trained().join(name), &folder.path().join(name));
    }
    let mut table = String::from("path,label,group\n");
    for (at, (class, i)) in (0..25).map(|i| (["disc", "empty"][i % 2], i)).enumerate() {
        table += &format!("data/train/{class}/{i}.png,{class},g{}\n", at / 2);
    }
    fs::write(folder.path().join("site.csv"), table).unwrap();
    folder
}

/// Whoever submits a finished job again must not change what it calls.
#[test]
fn a_finished_run_that_is_resumed_keeps_the_operating_point_of_a_site() {
    let folder = site();
    let at = folder.path();
    let resume = ["train", "--resume", "--out", "run"];
    let fixed = || {
        let Model { metadata, .. } = Model::read(at.join("run")).unwrap();
        (metadata.threshold, metadata.calibration, metadata.calibrated)
    };
    let trained = fixed();
    let ended =
        calibrate(at, &["site.csv", "--rule", "sensitivity:0.95", "--temperature", "--out", "run"]).ok();
    assert!(ended.stderr.contains("run/predictions.csv keeps the calls of the training"), "{}", ended.stderr);
    let of_site = fixed();
    assert_ne!(of_site.0, trained.0);
    let again = vertebra(at, &resume).ok();
    assert!(
        again.stderr.contains("keeps the operating point")
            || again.stdout.contains("keeps the operating point")
    );
    assert_eq!(fixed(), of_site);
    let write = ["evaluate", "run", "data", "--threshold", "0.1", "--write"];
    vertebra(at, &write).ok();
    let by_hand = fixed();
    vertebra(at, &resume).ok();
    assert_eq!(fixed(), by_hand);
    // Other weights need another.
    train(at, "data", "short", &["--max-steps", "1"]).ok();
    vertebra(at, &["calibrate", "short", "site.csv", "--out", "short"]).ok();
    let more = vertebra(at, &["train", "--resume", "--out", "short", "--max-steps", "2"]).ok();
    let said = more.stderr + &more.stdout;
    assert!(said.contains("the operating point that had been set for the earlier ones is gone"), "{said}");
    assert!(Model::read(at.join("short")).unwrap().metadata.calibrated.is_null());
}

/// Each image of the validation split under both labels, so that no threshold has a predictive value other than one half.
fn contradictions(folder: &Path, split: &str) -> String {
    let mut table = String::new();
    for i in 0..8 {
        let from = format!("data/val/{}/{i}.png", ["disc", "empty"][i % 2]);
        for class in ["disc", "empty"] {
            let name = format!("twice-{class}-{i}.png");
            fs::copy(folder.join(&from), folder.join(&name)).unwrap();
            table += &format!("{name},{class}{split}\n");
        }
    }
    table
}

fn calibrate(folder: &Path, more: &[&str]) -> Ended {
    vertebra(folder, &[&["calibrate", "run"][..], more].concat())
}

#[test]
fn an_operating_point_is_fixed_on_a_sites_images() {
    let folder = site();
    let source = fs::read(folder.path().join("run/best.safetensors")).unwrap();
    let before = Model::read(folder.path().join("run")).unwrap();
    for (rule, rate, least) in [
        ("sensitivity:0.9", "sensitivity", 0.9),
        ("specificity:0.75", "specificity", 0.75),
        ("youden", "sensitivity", 0.0),
        ("ppv:0.3", "ppv", 0.3),
        ("cost:FN=10,FP=1", "specificity", 0.0),
        ("value:0.3", "specificity", 0.0),
    ] {
        let found =
            calibrate(folder.path(), &["site.csv", "--rule", rule, "--out", "site.safetensors", "--json"]);
        let found = found.ok().json();
        let (evidence, origin) = (&found["threshold_evidence"], &found["calibrated"]["threshold"]);
        assert!(evidence[rate].as_f64().unwrap() >= least, "{rule}: {found}");
        assert_eq!((&evidence["positives"], &evidence["negatives"]), (&12.into(), &13.into()));
        assert_eq!((&origin["rule"], &origin["data"]), (&rule.into(), &"site.csv".into()));
        assert_eq!(
            (&origin["images"], &origin["groups"], &origin["split"]),
            (&25.into(), &13.into(), &"all".into())
        );
        assert_eq!(evidence["ppv"].is_null(), !rule.starts_with("ppv"), "{rule}");
        // Intervals by group, as `evaluate` has them for the same images at the same threshold.
        let again =
            vertebra(folder.path(), &["evaluate", "site.safetensors", "site.csv", "--json"]).ok().json();
        for name in ["sensitivity", "specificity", "sensitivity_ci", "specificity_ci"] {
            assert_eq!(again[name], evidence[name], "{rule} {name}");
        }
        assert_eq!(again["threshold_rule"], found["threshold_rule"]);
        assert!(again["threshold_rule"].as_str().unwrap().contains("on all images of site.csv (20"));
        // Every line of `predict` decides by it.
        let lines =
            vertebra(folder.path(), &["predict", "site.safetensors", "data/test", "--format", "jsonl"]).ok();
        for line in lines.stdout.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let p = line["probabilities"]["empty"].as_f64().unwrap();
            let is = p >= found["threshold"].as_f64().unwrap();
            assert_eq!(line["decision"], if is { "positive" } else { "negative" }, "{line}");
        }
    }
    // The model that was calibrated, and the weights, are as before.
    assert_eq!(fs::read(folder.path().join("run/best.safetensors")).unwrap(), source);
    let after = Model::read(folder.path().join("site.safetensors")).unwrap();
    assert_eq!((&after.weights, after.metadata.calibration), (&before.weights, before.metadata.calibration));
    let words = vertebra(folder.path(), &["inspect", "site.safetensors"]).ok().stdout;
    assert!(words.contains("set by hand, on all images of site.csv"), "{words}");
}

#[test]
fn few_images_and_unreachable_rules_are_told() {
    let folder = site();
    // The validation split: four images of each class.
    let words = calibrate(folder.path(), &["data", "--out", "new.safetensors"]).ok().stdout;
    for part in [
        "warning: too few images of empty stand behind the threshold (4)",
        "warning: too few images other than empty stand behind the threshold (4)",
        "on 4 images of empty and 4 others (val)",
        "next:",
        "evaluate new.safetensors data --split test",
        "Research use only",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let table = "path,label\n".to_owned() + &contradictions(folder.path(), "");
    fs::write(folder.path().join("twice.csv"), table).unwrap();
    let bad = |data: &str, rule: &str| {
        calibrate(folder.path(), &[data, "--rule", rule, "--out", "bad.safetensors"])
    };
    let looks = || fs::read_to_string(folder.path().join("run/test-openings.json")).unwrap();
    let before = looks();
    bad("twice.csv", "ppv:0.9")
        .fails(1, &["twice.csv: --rule ppv:0.9: expected", "at least 0.9", "found at most 0.5000"]);
    assert_eq!(looks(), before, "nothing was chosen on these images");
    bad("twice.csv", "ppv:0.5").ok();
    assert!(looks().len() > before.len());
    fs::remove_file(folder.path().join("bad.safetensors")).unwrap();
    copy(&folder.path().join("data/train/disc"), &folder.path().join("only/disc"));
    bad("only", "youden")
        .fails(1, &["expected images of both classes, found 0 of the positive class and 13 others"]);
    bad("site.csv", "ppv").fails(2, &["--rule", "expected youden|sensitivity:S"]);
    bad("site.csv", "sensitivity:95").fails(2, &["found sensitivity:95"]);
    assert!(!folder.path().join("bad.safetensors").exists());
    let one = bad("only", "specificity:0.9").ok().stdout;
    assert!(
        one.contains("no image of empty stands behind the threshold: its sensitivity is not known"),
        "{one}"
    );
    // What it was tested on is no place to choose.
    let tested =
        calibrate(folder.path(), &["data", "--split", "test", "--out", "new.safetensors"]).ok().stdout;
    assert!(tested.contains("warning: test images of the data that trained this model"), "{tested}");
}

#[test]
fn a_model_is_calibrated_in_place_or_nowhere_else() {
    let folder = site();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let to = |out: &str| {
        calibrate(folder.path(), &["site.csv", "--temperature", "--rule", "value:0.4", "--out", out])
    };
    to("notes.txt").fails(1, &["--force"]);
    to("data").fails(1, &["found a folder"]);
    to("site.csv").fails(2, &["another file than those that are read"]);
    // Another model of the run is a run's.
    to("run/last.safetensors").fails(1, &["--force"]);
    let before = TensorFile::read(folder.path().join("run/best.safetensors")).unwrap();
    to("run").ok();
    assert_eq!(TensorFile::read(folder.path().join("run/best.safetensors")).unwrap().tensors, before.tensors);
    let metadata = Model::read(folder.path().join("run")).unwrap().metadata;
    let fitted = metadata.calibration != Model::read(trained().join("run")).unwrap().metadata.calibration;
    assert_eq!(metadata.calibrated["temperature"]["images"], if fitted { 25.into() } else { Value::Null });
    vertebra(folder.path(), &["report", "run"]).ok();
    let card = fs::read_to_string(folder.path().join("run/model-card.md")).unwrap();
    let page = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    for text in [&card, &page] {
        assert!(text.contains("set by hand, on all images of site.csv"), "{text}");
    }
    assert!(card.contains("On 12 images of it and 13 others there"), "{card}");
    if fitted {
        assert!(
            card.contains("fitted on all images of site.csv") && !card.contains("on the validation split"),
            "{card}"
        );
    }
    // A threshold that is set later is not of the site's rule any more; the temperature is.
    vertebra(folder.path(), &["evaluate", "run", "site.csv", "--threshold", "0.6", "--write"]).ok();
    let after = Model::read(folder.path().join("run")).unwrap().metadata;
    assert!(after.calibrated["threshold"].is_null());
    assert_eq!(after.calibrated["temperature"], metadata.calibrated["temperature"]);
}

#[test]
fn of_more_than_two_classes_only_the_temperature_is_fitted() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), &["a", "b", "c"].map(String::from));
    let at = |more: &[&str]| {
        vertebra(
            folder.path(),
            &[&["calibrate", "model.safetensors", "data.csv", "--out", "new.safetensors"], more].concat(),
        )
    };
    at(&["--rule", "youden", "--temperature"])
        .fails(2, &["--rule: expected a model of two classes, found 3"]);
    at(&[]).fails(2, &["expected a model of two classes, found 3", "--temperature"]);
    let words = at(&["--temperature"]).ok().stdout;
    assert!(words.contains("temperature") && !words.contains("threshold"), "{words}");
    assert!(Model::read(folder.path().join("new.safetensors")).unwrap().metadata.threshold.is_none());
}

#[test]
fn a_training_says_what_went_wrong() {
    let folder = site();
    // The learning rate is far too high, and the run still ends.
    let wild = ["--optimizer", "sgd", "--lr", "100", "--epochs", "2", "--no-augment"];
    let ended = train(folder.path(), "data", "wild", &wild).ok();
    for said in [&ended.stdout, &ended.stderr] {
        assert!(said.contains("warning: the loss exploded in epoch 1: "), "{said}");
        assert!(said.contains("at a learning rate of 100; try --lr 10, or --warmup 1"), "{said}");
    }
    let card = fs::read_to_string(folder.path().join("wild/model-card.md")).unwrap();
    assert!(card.contains("Warnings of the training: the loss exploded in epoch 1"), "{card}");

    // A rule that the validation split cannot meet ends no run.
    let mut table = "path,label,split\n".to_owned() + &contradictions(folder.path(), ",val");
    (0..25).for_each(|i| {
        let class = ["disc", "empty"][i % 2];
        table += &format!("data/train/{class}/{i}.png,{class},train\n");
    });
    fs::write(folder.path().join("twice.csv"), table).unwrap();
    let more = ["--epochs", "1", "--threshold-rule", "ppv:0.9", "--json"];
    let found = train(folder.path(), "twice.csv", "unmet", &more).ok().json();
    let warning = found["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with("no threshold was chosen") && warning.contains("at most 0.5000"),
        "{warning}"
    );
    assert!(Model::read(folder.path().join("unmet")).unwrap().metadata.threshold.is_none());
}
