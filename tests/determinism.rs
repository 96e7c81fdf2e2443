//! The same bits: for any number of threads, and however often a run is stopped.

use crate::runs::{ENDLESS, endless_training};
#[cfg(unix)]
use crate::support::signalled;
use crate::support::{Ended, command, train, train_arguments, vertebra, workspace};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

/// Three epochs of four batches, with everything that is random.
const RUN: [&str; 6] = ["--epochs", "3", "--dropout", "0.2", "--flip", "--patience=0"];

/// The files of a run that must be equal, tables without their columns of speed.
pub fn result(run: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let read = |name: &str| fs::read(run.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let columns = |name: &str, kept: &[usize]| {
        let text = String::from_utf8(read(name)).unwrap();
        let keep = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            kept.iter().map(|&i| cells[i]).collect::<Vec<_>>().join(",") + "\n"
        };
        text.lines().map(keep).collect::<String>().into_bytes()
    };
    vec![
        ("best.safetensors", read("best.safetensors")),
        ("last.safetensors", read("last.safetensors")),
        ("predictions.csv", read("predictions.csv")),
        ("steps.csv", columns("steps.csv", &[0, 1, 2, 3])),
        ("epochs.csv", columns("epochs.csv", &[0, 1, 2, 3, 4, 5, 7])),
    ]
}

#[track_caller]
fn assert_same(a: &Path, b: &Path) {
    for ((name, a), (_, b)) in result(a).into_iter().zip(result(b)) {
        assert!(a == b, "{name} differs");
    }
}

#[test]
fn one_thread_and_two_learn_the_same_bits() {
    let folder = workspace();
    for (threads, run) in [("1", "one"), ("2", "two"), ("3", "three")] {
        let more = ["--threads", threads, "--max-steps", "20", "--epochs", "9", "--dropout", "0.2"];
        train(folder.path(), "data", run, &more).ok();
    }
    let path = |run: &str| folder.path().join(run);
    assert_eq!(fs::read_to_string(path("one/steps.csv")).unwrap().lines().count(), 21);
    assert_same(&path("one"), &path("two"));
    assert_same(&path("one"), &path("three"));
}

/// Blocks follow the caches, sums must not: a machine with other caches learns and predicts the same bits.
#[test]
fn any_caches_learn_and_predict_the_same_bits() {
    let folder = workspace();
    let path = |run: &str| folder.path().join(run);
    let network = ["--image-size", "80", "--width", "1.0", "--batch-size", "8"];
    let training = [
        "train",
        "data",
        "--max-steps",
        "20",
        "--epochs",
        "9",
        "--dropout",
        "0.2",
        "--threads",
        "2",
        "--out",
    ];
    for (run, caches) in [
        ("first", None),
        ("least", Some("4K,16K,0")),
        ("small", Some("32K,256K,0")),
        ("large", Some("64K,1M,32M")),
        ("huge", Some("1M,64M,1G")),
    ] {
        let mut train = command(folder.path(), &[&training[..], &[run], &network[..]].concat());
        let mut predict = command(folder.path(), &["predict", "first", "data", "--format", "csv"]);
        if let Some(caches) = caches {
            train.env("VERTEBRA_CACHE", caches);
            predict.env("VERTEBRA_CACHE", caches);
        }
        Ended::of(train.output().unwrap()).ok();
        let predictions = Ended::of(predict.output().unwrap()).ok().stdout.clone();
        fs::write(path(run).join("all.csv"), predictions).unwrap();
        assert_same(&path("first"), &path(run));
        assert_eq!(
            fs::read(path("first/all.csv")).unwrap(),
            fs::read(path(run).join("all.csv")).unwrap(),
            "{run}"
        );
    }
}

#[test]
fn a_run_stopped_at_any_step_goes_on_as_if_it_had_not() {
    let folder = workspace();
    train(folder.path(), "data", "whole", &RUN).ok();
    train(folder.path(), "data", "pieces", &[&RUN[..], &["--max-steps", "0"]].concat()).ok();
    // Within an epoch, at its end, and one step a time.
    for step in ["1", "2", "4", "5", "8", "11"] {
        vertebra(folder.path(), &["train", "--resume", "--out", "pieces", "--max-steps", step]).ok();
    }
    vertebra(folder.path(), &["train", "--resume", "--out", "pieces"]).ok();
    assert_same(&folder.path().join("whole"), &folder.path().join("pieces"));
    // A finished run that is resumed only evaluates again.
    vertebra(folder.path(), &["train", "--resume", "--out", "pieces"]).ok();
    assert_same(&folder.path().join("whole"), &folder.path().join("pieces"));
}

#[test]
fn a_longer_run_begins_as_the_shorter_did() {
    let folder = workspace();
    train(folder.path(), "data", "long", &RUN).ok();
    train(folder.path(), "data", "short", &[&RUN[..], &["--epochs", "1"]].concat()[2..]).ok();
    vertebra(folder.path(), &["train", "--resume", "--out", "short", "--epochs", "3"]).ok();
    assert_same(&folder.path().join("long"), &folder.path().join("short"));
}

/// SIGKILL at moments that differ from run to run of the test: whatever the moment, the result is the same.
#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been() {
    let folder = workspace();
    let start = Instant::now();
    train(folder.path(), "data", "whole", &RUN).ok();
    let whole = start.elapsed();
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let mut rng = engine::Rng::new(seed);
    let mut kills = 0;
    let mut arguments = train_arguments("data", "killed", &RUN);
    for _ in 0..4 {
        let mut child =
            command(folder.path(), &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(rng.range(0.05, 0.7)));
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
        if folder.path().join("killed/config.toml").exists() {
            arguments = vec!["train", "--resume", "--out", "killed"];
        }
    }
    println!("killed {kills} times of 4");
    vertebra(folder.path(), &arguments).ok();
    assert_same(&folder.path().join("whole"), &folder.path().join("killed"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_says_how_to_go_on() {
    let folder = workspace();
    let training = || endless_training(folder.path(), "stopped", &RUN[2..]);
    let Some(ended) = signalled("-INT", training) else { return };
    let ended = ended.fails(1, &["stopping after this step", "everything is saved"]);
    let line = ended.stderr.lines().find(|line| line.contains("--resume")).expect("a line to go on with");
    // Into the epoch after the one in which it was stopped.
    let done = fs::read_to_string(folder.path().join("stopped/steps.csv")).unwrap().lines().count() - 1;
    let steps = (done + 6).to_string();
    let line = format!("{line} --max-steps {steps}");
    let resumed =
        std::process::Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    Ended::of(resumed).ok();
    let whole = [&RUN[2..], &["--epochs", ENDLESS, "--max-steps", &steps]].concat();
    train(folder.path(), "data", "whole", &whole).ok();
    assert_same(&folder.path().join("whole"), &folder.path().join("stopped"));
}

#[test]
fn early_stopping_uses_the_best_weights() {
    let folder = workspace();
    // At this rate the loss soon gets worse, so that the run stops long before its last epoch.
    let ended =
        train(folder.path(), "data", "run", &["--epochs", "60", "--patience", "2", "--lr", "0.02"]).ok();
    assert!(ended.stderr.contains("stopped early"), "{}", ended.stderr);
    let epochs = fs::read_to_string(folder.path().join("run/epochs.csv")).unwrap();
    let rows: Vec<Vec<f64>> = epochs
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| cell.parse().unwrap_or(f64::NAN)).collect())
        .collect();
    assert!(rows.len() < 60);
    let best = rows.iter().min_by(|a, b| a[2].total_cmp(&b[2])).unwrap();
    assert_eq!(rows.len() as f64, best[0] + 2.0, "two epochs after the best");
    let metadata = model::Model::read(folder.path().join("run")).unwrap().metadata;
    let metrics = metadata.provenance.metrics;
    assert_eq!(metrics["best_epoch"].as_f64(), Some(best[0]));
    // The restored weights have the loss that the table says.
    assert!((metrics["val_loss"].as_f64().unwrap() - best[2]).abs() < 1e-8 * best[2]);
}

/// A frozen body whose features are computed once: whatever the number of threads, however often it is stopped, and beyond
/// the epoch from which on all of it learns.
#[test]
fn features_that_are_computed_once_learn_the_same_bits() {
    let folder = workspace();
    let path = |run: &str| folder.path().join(run);
    train(folder.path(), "data", "first", &["--epochs", "2"]).ok();
    let frozen = [
        "--init",
        "first",
        "--freeze",
        "--frozen-views",
        "2",
        "--epochs",
        "5",
        "--patience=0",
        "--dropout",
        "0.2",
    ];
    for (name, more) in [("plain", &[][..]), ("thawed", &["--unfreeze-after", "3"])] {
        let options = [&frozen[..], more].concat();
        let [whole, other, pieces] = ["whole", "other", "pieces"].map(|run| format!("{name}-{run}"));
        train(folder.path(), "data", &whole, &[&options[..], &["--threads", "1"]].concat()).ok();
        train(folder.path(), "data", &other, &[&options[..], &["--threads", "3"]].concat()).ok();
        assert_same(&path(&whole), &path(&other));
        train(folder.path(), "data", &pieces, &[&options[..], &["--max-steps", "0"]].concat()).ok();
        for step in ["1", "6", "12", "13"] {
            vertebra(folder.path(), &["train", "--resume", "--out", &pieces, "--max-steps", step]).ok();
        }
        vertebra(folder.path(), &["train", "--resume", "--out", &pieces]).ok();
        assert_same(&path(&whole), &path(&pieces));
    }
    // The body is what it was, and the features are those of the images in each step.
    let body = |run: &str| {
        let weights = model::Model::read(path(run)).unwrap().weights;
        let of_body = weights.iter().filter(|(name, _)| !name.starts_with("classifier"));
        of_body.map(|(name, array)| (name.clone(), array.clone())).collect::<Vec<_>>()
    };
    assert!(body("first") == body("plain-whole") && body("first") != body("thawed-whole"));
    let losses = |run: &str| -> Vec<f64> {
        let table = fs::read_to_string(path(run).join("steps.csv")).unwrap();
        table.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect()
    };
    let plain =
        ["--init", "first", "--freeze", "--no-augment", "--epochs", "3", "--patience=0", "--frozen-views"];
    train(folder.path(), "data", "once", &[&plain[..], &["1"]].concat()).ok();
    train(folder.path(), "data", "anew", &[&plain[..], &["0"]].concat()).ok();
    let (once, anew) = (losses("once"), losses("anew"));
    assert_eq!((once.len(), anew.len()), (12, 12));
    for (step, (once, anew)) in once.iter().zip(&anew).enumerate() {
        assert!((once - anew).abs() < 1e-4 * anew.abs().max(1.0), "step {step}: {once} and {anew}");
    }
    // The view of an epoch is that of any run: only the first of two is the image as it is.
    assert_eq!(losses("plain-whole").len(), 20);
    assert_ne!(losses("plain-whole")[..12], once[..]);
}

/// A rate that a range test finds is a setting like any other from then on.
#[test]
fn a_rate_that_is_found_is_the_same_however_it_is_found() {
    let folder = workspace();
    let path = |run: &str| folder.path().join(run);
    let options =
        ["--lr", "auto", "--schedule", "one-cycle", "--epochs", "3", "--patience=0", "--dropout", "0.2"];
    let one = [&options[..], &["--threads", "1", "--json"]].concat();
    let ended = train(folder.path(), "data", "whole", &one).ok();
    let rate = ended.json()["lr"].as_f64().unwrap();
    assert!(ended.stderr.contains(&format!("--lr auto: {rate}, found in ")), "{}", ended.stderr);
    let settings = |run: &str| fs::read_to_string(path(run).join("config.toml")).unwrap();
    assert!(settings("whole").contains(&format!("\nlr = {rate}\n")), "{}", settings("whole"));
    let curve = |run: &str| fs::read_to_string(path(run).join("lr-range.csv")).unwrap();
    assert!((20..=101).contains(&curve("whole").lines().count()), "{}", curve("whole"));
    assert!(
        fs::read_to_string(path("whole/report.html")).unwrap().contains("Range test of the learning rate")
    );

    train(folder.path(), "data", "other", &[&options[..], &["--threads", "3"]].concat()).ok();
    assert_same(&path("whole"), &path("other"));
    // Stopped in the test, as far as anybody can tell, and then at some steps.
    train(folder.path(), "data", "pieces", &[&options[..], &["--max-steps", "0"]].concat()).ok();
    for file in ["last.safetensors", "best.safetensors", "lr-range.csv"] {
        fs::remove_file(path("pieces").join(file)).unwrap();
    }
    let auto = settings("pieces").replace(&format!("\nlr = {rate}\n"), "\nlr = \"auto\"\n");
    fs::write(path("pieces/config.toml"), auto).unwrap();
    for step in ["0", "3", "7"] {
        vertebra(folder.path(), &["train", "--resume", "--out", "pieces", "--max-steps", step]).ok();
    }
    vertebra(folder.path(), &["train", "--resume", "--out", "pieces", "--lr", "auto"]).ok();
    assert_same(&path("whole"), &path("pieces"));
    assert_eq!(curve("whole"), curve("pieces"));

    // The settings repeat the run without a test, and another rate is refused.
    vertebra(folder.path(), &["train", "--config", "whole", "--out", "again"]).ok();
    assert_same(&path("whole"), &path("again"));
    assert!(!path("again/lr-range.csv").exists());
    let refused =
        |more: &[&str]| vertebra(folder.path(), &[&["train", "--resume", "--out", "again"], more].concat());
    refused(&["--lr", "auto"]).fails(1, &["this run has lr", "found \"auto\""]);
    refused(&["--epochs", "9"]).fails(1, &["whose cycle ends there"]);
    // In every fold its own.
    let folds = [&options[..], &["--folds", "2", "--group-by", "*", "--max-steps", "2"]].concat();
    train(folder.path(), "data", "cv", &folds).ok();
    vertebra(folder.path(), &["train", "--resume", "--out", "cv", "--max-steps", "4"]).ok();
    assert!(path("cv/fold-1/lr-range.csv").exists() && path("cv/fold-2/lr-range.csv").exists());
}
