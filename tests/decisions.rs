//! What a model decides: the positive class, the threshold, cohorts of one class, and the classifier of other weights.

use crate::support::{Ended, TINY, copy, trained, vertebra};
use model::{Model, TensorFile};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// The set of [`trained`] with other names for its classes, and the run on it if that is asked for.
fn renamed(disc: &str, empty: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "val", "test"] {
        for (old, new) in [("disc", disc), ("empty", empty)] {
            copy(
                &trained().join("data").join(split).join(old),
                &folder.path().join("data").join(split).join(new),
            );
        }
    }
    folder
}

fn train(folder: &Path, out: &str, more: &[&str]) -> Ended {
    vertebra(folder, &[&["train", "data", "--out", out, "--no-augment"][..], &TINY, more].concat())
}

/// The rows of a classifier: its weights and its bias.
fn rows(model: &Model) -> Vec<(Vec<f32>, f32)> {
    let classifier = model.network().unwrap().classifier;
    let [weight, bias] =
        ["weight", "bias"].map(|part| model.weights[&*format!("{classifier}.{part}")].data());
    weight.chunks(weight.len() / bias.len()).map(<[f32]>::to_vec).zip(bias.iter().copied()).collect()
}

#[test]
fn a_classifier_is_kept_by_the_names_of_its_classes() {
    let run = trained().join("run");
    let init = run.to_str().unwrap();
    let first = ["--init", init, "--max-steps", "0", "--json"];
    let base = Model::read(&run).unwrap();

    // Other names, though as many: nothing of the classifier is kept, and that is said.
    let folder = renamed("zebra", "ape");
    let ended = train(folder.path(), "other", &first).ok();
    assert!(ended.stderr.contains("--init: a fresh classifier for ape, zebra"), "{}", ended.stderr);
    assert_eq!(ended.json()["init"]["fresh"], serde_json::json!(["ape", "zebra"]));
    let other = Model::read(folder.path().join("other")).unwrap();
    assert!(
        rows(&other).iter().all(|(weights, bias)| weights.iter().chain([bias]).all(|&value| value == 0.0))
    );
    let body = "blocks.3.pointwise.weight";
    assert_eq!(other.weights[body], base.weights[body]);

    // The same names in another order: the same rows, where the names are now.
    let mut turned = base.clone();
    turned.metadata.classes.reverse();
    let classifier = turned.network().unwrap().classifier;
    for part in ["weight", "bias"] {
        let array = turned.weights.get_mut(&format!("{classifier}.{part}")).unwrap();
        let half = array.data().len() / 2;
        array.data_mut().rotate_left(half);
    }
    let folder = renamed("disc", "empty");
    turned.write(folder.path().join("turned.safetensors")).unwrap();
    let more = ["--init", "turned.safetensors", "--max-steps", "0", "--json"];
    let ended = train(folder.path(), "turned", &more).ok();
    assert!(ended.stderr.contains("rows in the order of these classes: disc, empty"), "{}", ended.stderr);
    assert_eq!(rows(&Model::read(folder.path().join("turned")).unwrap()), rows(&base));

    // The same names: the classifier is kept, also to be trained alone, and in every fold.
    let ended = train(folder.path(), "same", &first).ok();
    assert!(
        ended.stderr.contains("--init: its classifier is kept, for the same classes"),
        "{}",
        ended.stderr
    );
    assert_eq!(rows(&Model::read(folder.path().join("same")).unwrap()), rows(&base));
    let folds = ["--init", init, "--freeze", "--folds", "2", "--group-by", "*", "--max-steps", "1", "--json"];
    let ended = train(folder.path(), "folds", &folds).ok();
    assert_eq!(ended.stderr.matches("--init: its classifier is kept").count(), 2, "{}", ended.stderr);
    assert_eq!(ended.json()["init"]["kept"], serde_json::json!(["disc", "empty"]));

    // One known name: its row stays, less the mean of the rows that stood beside it.
    let folder = renamed("disc", "wedge");
    let ended = train(folder.path(), "half", &first).ok();
    assert!(ended.stderr.contains("kept for disc; fresh rows for wedge"), "{}", ended.stderr);
    let half = rows(&Model::read(folder.path().join("half")).unwrap());
    let (was, beside) = (rows(&base)[0].1, rows(&base)[1].1);
    assert!((half[0].1 - (was - beside) / 2.0).abs() < 1e-6);
}

#[test]
fn the_positive_class_is_told_stored_and_changed() {
    let folder = renamed("fracture", "no_fracture");
    let ended = train(folder.path(), "run", &["--epochs", "2"]).ok();
    let said = "positive: fracture (from the class names; --positive NAME changes it)";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert!(ended.stdout.contains("its promise is as wide"), "{}", ended.stdout);
    let metadata = Model::read(folder.path().join("run")).unwrap().metadata;
    assert_eq!(metadata.positive.as_deref(), Some("fracture"));

    let evaluate =
        |more: &[&str]| vertebra(folder.path(), &[&["evaluate", "run", "data"][..], more].concat());
    let plain = evaluate(&["--json"]).ok().json();
    assert_eq!(
        (plain["positive"].as_str(), plain["positive_source"].as_str()),
        (Some("fracture"), Some("names"))
    );
    // The other class: every image is decided as before, so the two rates change places.
    let other = evaluate(&["--positive", "no_fracture", "--json"]).ok().json();
    assert_eq!(
        (other["positive"].as_str(), other["positive_source"].as_str()),
        (Some("no_fracture"), Some("option"))
    );
    for (a, b) in [("sensitivity", "specificity"), ("specificity", "sensitivity"), ("ppv", "npv")] {
        assert_eq!(plain[a], other[b], "{a}");
    }
    assert_eq!(plain["confusion"], other["confusion"]);
    let near = |name: &str| (plain[name].as_f64().unwrap() - other[name].as_f64().unwrap()).abs();
    assert!(near("auroc") < 1e-9 && near("brier") < 1e-9);
    let sum = plain["threshold"].as_f64().unwrap() + other["threshold"].as_f64().unwrap();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    let text = evaluate(&["--positive", "no_fracture"]).ok().stdout;
    assert!(text.contains("positive: no_fracture (as --positive says)"), "{text}");
    assert!(text.contains("the rest of fracture from p"), "{text}");

    let listed = ["--positive: expected one of the classes (fracture, no_fracture), found break"];
    evaluate(&["--positive", "break"]).fails(2, &listed);
    train(folder.path(), "new", &["--positive", "break"]).fails(2, &listed);
    assert!(!folder.path().join("new").exists());
    vertebra(folder.path(), &["predict", "run", "data", "--positive", "break"]).fails(2, &listed);
    vertebra(folder.path(), &["compare", "run", "run", "data", "--positive", "break"]).fails(2, &listed);
    vertebra(folder.path(), &["audit", "data", "--positive", "break"]).fails(2, &listed);
    let compared = vertebra(folder.path(), &["compare", "run", "run", "data"]).ok().stdout;
    assert!(compared.contains(said) && compared.contains("of fracture"), "{compared}");
    let audited =
        vertebra(folder.path(), &["audit", "data", "--positive", "no_fracture", "--json"]).ok().json();
    assert_eq!(audited["positive"], "no_fracture");

    // Asked for in training: stored as such, and a resumed run keeps to it.
    let ended = train(folder.path(), "asked", &["--epochs", "1", "--positive", "no_fracture", "--json"]).ok();
    assert_eq!(ended.json()["result"]["positive"], "no_fracture");
    let asked = vertebra(folder.path(), &["evaluate", "asked", "data", "--json"]).ok().json();
    assert_eq!(
        (asked["positive"].as_str(), asked["positive_source"].as_str()),
        (Some("no_fracture"), Some("model"))
    );
    let again = ["train", "--resume", "--out", "asked", "--epochs", "2", "--positive", "fracture"];
    vertebra(folder.path(), &again).fails(1, &["positive \"no_fracture\", found \"fracture\""]);

    // Names that say nothing: a guess, and called one.
    let plain = vertebra(trained(), &["evaluate", "run/best.safetensors", "data"]).ok().stdout;
    assert!(
        plain.contains("positive: empty (guessed from the names; --positive NAME changes it)"),
        "{plain}"
    );
}

#[test]
fn confirmed_cases_alone_are_a_cohort() {
    let folder = tempfile::tempdir().unwrap();
    copy(&trained().join("data/test/disc"), &folder.path().join("only/disc"));
    copy(&trained().join("data/test/empty"), &folder.path().join("rest/empty"));
    let files = std::fs::read_dir(folder.path().join("only/disc")).unwrap();
    let mut table = String::from("path,label\n");
    files.for_each(|file| table += &format!("only/disc/{},disc\n", file.unwrap().file_name().display()));
    std::fs::write(folder.path().join("only.csv"), table).unwrap();
    // The file: looks at a test split are counted in a run folder.
    let run = trained().join("run/best.safetensors");
    let run = run.to_str().unwrap();
    let evaluate =
        |data: &str, more: &[&str]| vertebra(folder.path(), &[&["evaluate", run, data][..], more].concat());
    for data in ["only", "only.csv"] {
        let found = evaluate(data, &["--positive", "disc", "--json"]).ok().json();
        let right = found["confusion"][0][0].as_u64().unwrap() as f64;
        assert_eq!(found["sensitivity"], right / 4.0);
        let exact = eval::interval::clopper_pearson(right, 4.0, 0.95);
        assert_eq!(found["sensitivity_ci"], serde_json::json!([exact.low, exact.high]));
        for name in ["auroc", "auroc_ci", "auprc", "specificity", "ppv", "calibration"] {
            assert!(found[name].is_null(), "{name}: {}", found[name]);
            assert!(name.ends_with("_ci") || found["not_defined"][name].is_string(), "{name}");
        }
    }
    // As the other class, the same images tell the specificity.
    let found = evaluate("rest", &["--positive", "disc", "--json"]).ok().json();
    assert!(found["specificity"].is_number() && found["sensitivity"].is_null());
    let text = evaluate("only", &["--report", "page.html", "--predictions", "seen.csv"]).ok().stdout;
    assert!(text.contains("all 4 are disc") && !text.contains("AUROC"), "{text}");
    assert!(evaluate("only", &["--subgroup", "group"]).ok().stdout.contains("subgroup"));
    let compared = vertebra(folder.path(), &["compare", run, run, "only"]).ok().stdout;
    assert!(compared.contains("AUROC     not defined: needs images of more than one class"), "{compared}");
    // Training needs two classes, as before.
    vertebra(folder.path(), &["train", "only", "--out", "new"]).fails(1, &["two classes or more"]);
    vertebra(folder.path(), &["audit", "only"]).fails(1, &["two classes or more"]);
}

/// Class names are compared before anything is decoded: these files are no images.
#[test]
fn unknown_classes_are_refused_before_a_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (class, count) in [("disc", 2), ("Disc", 1), ("wedge", 1)] {
        let path = folder.path().join("data").join(class);
        std::fs::create_dir_all(&path).unwrap();
        (0..count).for_each(|i| std::fs::write(path.join(format!("{i}.png")), "no image").unwrap());
    }
    let run = trained().join("run");
    for command in [&["evaluate"][..], &["compare", run.to_str().unwrap()]] {
        let arguments = [command, &[run.to_str().unwrap(), "data"]].concat();
        let words = ["expected one of the model's classes (disc, empty), found Disc, wedge"];
        vertebra(folder.path(), &arguments).fails(1, &words);
    }
}

#[test]
fn an_operating_point_is_changed_after_training() {
    let folder = tempfile::tempdir().unwrap();
    copy(&trained().join("run"), &folder.path().join("run"));
    copy(&trained().join("data"), &folder.path().join("data"));
    let at = |more: &[&str]| vertebra(folder.path(), &[&["predict", "run", "data/test"][..], more].concat());
    let lines = |ended: Ended| -> Vec<Value> {
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("only JSON")).collect()
    };
    for (threshold, decision, label) in [("0", "positive", "empty"), ("1", "negative", "disc")] {
        for line in lines(at(&["--threshold", threshold, "--format", "jsonl"]).ok()) {
            let p = &line["probabilities"];
            let larger = if p["disc"].as_f64() >= p["empty"].as_f64() { "disc" } else { "empty" };
            assert_eq!((&line["decision"], &line["label"]), (&decision.into(), &label.into()), "{line}");
            assert_eq!((&line["larger"], &line["positive"]), (&larger.into(), &"empty".into()), "{line}");
            assert_eq!(line["probability"], p[label]);
        }
    }
    // For people: the decision, and what it overrules. Columns that were there stay where they were.
    let table = at(&["--threshold", "1"]).ok();
    assert!(table.stdout.lines().all(|line| line.contains("  negative")), "{}", table.stdout);
    let csv = at(&["--threshold", "0", "--format", "csv"]).ok().stdout;
    assert!(csv.starts_with("path,label,probability,p_disc,p_empty,error,decision,larger\n"), "{csv}");
    assert!(csv.lines().skip(1).all(|line| line.contains(",,positive,")), "{csv}");
    at(&["--threshold", "1.5"]).fails(2, &["--threshold", "probability"]);

    let evaluate =
        |more: &[&str]| vertebra(folder.path(), &[&["evaluate", "run", "data"][..], more].concat());
    evaluate(&["--write"]).fails(2, &["--threshold"]);
    let before = TensorFile::read(folder.path().join("run/best.safetensors")).unwrap();
    let ended = evaluate(&["--threshold", "0.25", "--write", "--json"]).ok();
    assert!(ended.stderr.contains("wrote empty from p = 0.25 into"), "{}", ended.stderr);
    let after = TensorFile::read(folder.path().join("run/best.safetensors")).unwrap();
    assert_eq!(after.tensors, before.tensors);
    let stored = Model::read(folder.path().join("run")).unwrap().metadata.threshold.unwrap();
    assert_eq!((stored.value, stored.positive.as_str()), (0.25, "empty"));
    assert!(stored.rule.starts_with("set by hand"), "{}", stored.rule);
    let plain = evaluate(&["--json"]).ok().json();
    assert_eq!((plain["threshold"].as_f64(), &plain["confusion"]), (Some(0.25), &ended.json()["confusion"]));
    assert_eq!(plain["threshold_evidence"]["positives"], 4);
    assert_eq!(plain["threshold_evidence"]["sensitivity"], plain["sensitivity"]);
    // Of the other class, what was reached is turned round with the threshold, in words too.
    let turned = evaluate(&["--positive", "disc", "--json"]).ok().json();
    let (evidence, before) = (&turned["threshold_evidence"], &plain["threshold_evidence"]);
    for (one, other) in
        [("sensitivity", "specificity"), ("sensitivity_ci", "specificity_ci"), ("positives", "negatives")]
    {
        assert_eq!((&evidence[one], &evidence[other]), (&before[other], &before[one]));
    }
    assert_eq!(evidence["sensitivity"], turned["sensitivity"]);
    let said = evaluate(&["--positive", "disc"]).ok().stdout;
    assert!(said.contains("threshold: disc from p = 0.7500, on 4 images of disc"), "{said}");
    // With another positive class: stored too, and used by whoever reads the model.
    evaluate(&["--positive", "disc", "--threshold", "0.5", "--write"]).ok();
    let line = &lines(at(&["--format", "jsonl"]).ok())[0];
    assert_eq!((line["positive"].as_str(), line["threshold"].as_f64()), (Some("disc"), Some(0.5)));
    assert_eq!(evaluate(&["--json"]).ok().json()["positive_source"], "model");
    // The state of the training beside the weights is not lost.
    vertebra(folder.path(), &["evaluate", "run/last.safetensors", "data", "--threshold", "0.4", "--write"])
        .ok();
    vertebra(folder.path(), &["train", "--resume", "--out", "run", "--epochs", "4"]).ok();
}

/// A threshold that few images chose says how little they can promise: Clopper and Pearson on what it reached.
#[test]
fn a_threshold_says_how_wide_its_promise_is() {
    let folder = renamed("wedge", "normal");
    let more = ["--epochs", "2", "--threshold-rule", "sensitivity:0.95", "--json"];
    let found = train(folder.path(), "run", &more).ok().json();
    let evidence = &found["threshold_evidence"];
    assert_eq!((&evidence["split"], &evidence["positives"]), (&"val".into(), &4.into()));
    let exact = eval::interval::clopper_pearson(4.0, 4.0, 0.95);
    assert_eq!(evidence["sensitivity_ci"], serde_json::json!([exact.low, exact.high]));
    let evaluated = vertebra(folder.path(), &["evaluate", "run", "data"]).ok().stdout;
    assert!(
        evaluated.contains("on 4 images of wedge and 4 others (val): sensitivity 1.000 [0.398, 1.000]"),
        "{evaluated}"
    );
    let inspected = vertebra(folder.path(), &["inspect", "run"]).ok().stdout;
    assert!(
        inspected.contains("positive       wedge") && inspected.contains("[0.398, 1.000]"),
        "{inspected}"
    );
}
