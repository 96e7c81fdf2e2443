//! What each command prints, and that the documented names are there.

use crate::support::{Ended, command, train, trained, vertebra, workspace};
use std::io::Read;
use std::process::{Command, Stdio};

const COMMANDS: [&[&str]; 13] = [
    &["train"],
    &["evaluate"],
    &["calibrate"],
    &["audit"],
    &["split"],
    &["predict"],
    &["inspect"],
    &["import"],
    &["export"],
    &["phantom"],
    &["bench", "train"],
    &["selftest"],
    &[],
];

#[test]
fn every_help_has_examples() {
    for command in COMMANDS {
        let ended = vertebra(trained(), &[command, &["--help"]].concat()).ok();
        assert!(ended.stdout.contains("Examples:"), "{command:?}");
        assert!(ended.stdout.contains(&format!("vertebra {}", command.join(" "))), "{command:?}");
    }
}

#[test]
fn every_help_fits_80_columns() {
    let more: [&[&str]; 5] =
        [&["compare"], &["report"], &["bench"], &["bench", "infer"], &["bench", "kernels"]];
    for command in COMMANDS.iter().chain(&more) {
        let help = [&["help"][..], command].concat();
        for arguments in [[command, &["--help"][..]].concat(), [command, &["-h"][..]].concat(), help] {
            let text = vertebra(trained(), &arguments).ok().stdout;
            let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(long.is_empty() && text.lines().count() > 5, "{arguments:?}: {long:#?}");
        }
    }
}

#[test]
fn usage_errors_end_with_status_2() {
    for arguments in [&["fly"][..], &["predict"], &["train", "--resume"], &[]] {
        vertebra(trained(), arguments).fails(2, &["Usage"]);
    }
    vertebra(trained(), &["train", "--epochs", "many"]).fails(2, &["'many' for '--epochs <N>'"]);
    let level = command(trained(), &["selftest"]).env("VERTEBRA_LEVEL", "sse9").output().unwrap();
    Ended::of(level).fails(2, &["VERTEBRA_LEVEL=sse9", "expected portable, neon, avx2 or avx512"]);
    let caches = command(trained(), &["selftest"]).env("VERTEBRA_CACHE", "32K").output().unwrap();
    Ended::of(caches).fails(2, &["VERTEBRA_CACHE=32K", "32K,512K,16M"]);
    vertebra(trained(), &["evaluate", "run", "data", "--split", "exam"]).fails(2, &["found \"exam\""]);
}

#[test]
fn a_run_folder_holds_what_is_documented() {
    let run = trained().join("run");
    for (name, header) in [
        ("steps.csv", "step,epoch,loss,lr,images_per_second,data_wait_ms"),
        ("epochs.csv", "epoch,train_loss,val_loss,val_accuracy,val_auroc,lr,seconds,best"),
        ("predictions.csv", "path,label,predicted,p_disc,p_empty"),
    ] {
        let text = std::fs::read_to_string(run.join(name)).unwrap();
        assert_eq!(text.lines().next(), Some(header));
    }
    let steps = std::fs::read_to_string(run.join("steps.csv")).unwrap();
    assert_eq!(steps.lines().count(), 1 + 3 * 3, "25 images are 3 batches, and there are 3 epochs");
    assert!(
        steps.lines().skip(1).all(|line| line.split(',').nth(2).unwrap().parse::<f64>().unwrap().is_finite())
    );
    let epochs = std::fs::read_to_string(run.join("epochs.csv")).unwrap();
    assert_eq!(epochs.lines().count(), 1 + 3);
    let predictions = std::fs::read_to_string(run.join("predictions.csv")).unwrap();
    assert_eq!(predictions.lines().count(), 1 + 8);
    let temporary = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().ends_with(".tmp")
    };
    assert!(!std::fs::read_dir(&run).unwrap().any(temporary));
}

#[test]
fn evaluate_has_the_documented_names_and_agrees_with_the_run() {
    let ended = vertebra(trained(), &["evaluate", "run", "data", "--json"]).ok();
    let summary = ended.json();
    for name in [
        "split",
        "images",
        "groups",
        "accuracy",
        "auroc",
        "auroc_ci",
        "sensitivity",
        "specificity",
        "confusion",
        "per_class",
        "threshold",
    ] {
        assert!(summary.get(name).is_some(), "{name}");
    }
    for name in ["class", "precision", "recall", "f1", "support"] {
        assert!(summary["per_class"][0].get(name).is_some(), "{name}");
    }
    assert_eq!((&summary["split"], &summary["images"]), (&"test".into(), &8.into()));
    let metadata = model::Model::read(trained().join("run")).unwrap().metadata;
    assert_eq!(metadata.provenance.metrics["auroc"], summary["auroc"]);
    assert_eq!(metadata.provenance.metrics["accuracy"], summary["accuracy"]);
    assert!(metadata.threshold.unwrap().rule.contains("validation split"));

    let half = vertebra(trained(), &["evaluate", "run", "data", "--threshold", "0.5", "--json"]).ok().json();
    assert_eq!((&half["threshold"], &half["threshold_rule"]), (&0.5.into(), &"fixed".into()));
    let words = vertebra(trained(), &["evaluate", "run", "data", "--split", "val"]).ok().stdout;
    assert!(words.contains("val: 8 images") && words.contains("not a medical device"), "{words}");
}

#[test]
fn a_split_that_training_drew_is_drawn_again() {
    let folder = workspace();
    let flat = folder.path().join("flat");
    for split in ["train", "val", "test"] {
        for class in ["disc", "empty"] {
            crate::support::copy(
                &folder.path().join("data").join(split).join(class),
                &flat.join(class).join(format!("from-{split}")),
            );
        }
    }
    let trained = train(folder.path(), "flat", "run", &["--epochs", "1", "--json"]).ok().json();
    let again = vertebra(folder.path(), &["evaluate", "run", "flat", "--json"]).ok().json();
    for (name, value) in trained["result"].as_object().unwrap() {
        assert_eq!(value, &again[name], "{name}");
    }
    std::fs::remove_file(flat.join("disc/from-train/0.png")).unwrap();
    let other = vertebra(folder.path(), &["evaluate", "run", "flat", "--json"]).ok();
    assert_eq!(other.json()["split"], "all");
    assert!(other.stderr.contains("has no splits"), "{}", other.stderr);
}

#[test]
fn predict_writes_a_line_an_input_and_goes_on_after_a_bad_one() {
    let folder = workspace();
    std::fs::write(folder.path().join("text.png"), "not an image").unwrap();
    std::fs::write(folder.path().join("empty.png"), "").unwrap();
    let run = trained().join("run");
    let run = run.to_str().unwrap();
    let inputs = ["text.png", "data/test/disc/0.png", "empty.png", "missing.png", "data/test/empty"];

    let arguments = [&["predict", run][..], &inputs, &["--format", "jsonl"]].concat();
    let ended = vertebra(folder.path(), &arguments).fails(1, &["3 of 8 inputs failed"]);
    let lines: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON document a line"))
        .collect();
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[0]["error"], "expected a PNG, JPEG or DICOM image, found text");
    assert_eq!(lines[2]["error"], "expected a PNG, JPEG or DICOM image, found an empty file (0 bytes)");
    assert!(lines[3]["error"].as_str().unwrap().contains("No such file"));
    let sum: f64 = lines[1]["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9);

    let arguments =
        ["predict", run, "data/test/*/no.png", "data/test/em*/?.png", "--format", "csv", "--top", "1"];
    let ended = vertebra(folder.path(), &arguments).fails(1, &["data/test/*/no.png"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "path,label,probability,p_disc,p_empty,error,decision,larger");
    assert_eq!(lines.len(), 1 + 1 + 4);
    assert!(lines.iter().all(|line| line.split(',').count() == 8), "{lines:?}");
}

#[test]
fn predict_reads_paths_from_stdin() {
    let mut child = command(trained(), &["predict", "run", "-", "--format", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let paths = "data/test/disc/0.png\n\ndata/test/empty/1.png\n";
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), paths.as_bytes()).unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap()).ok();
    assert_eq!(ended.stdout.lines().count(), 3);
}

#[test]
fn predictions_are_those_of_the_run() {
    let table = std::fs::read_to_string(trained().join("run/predictions.csv")).unwrap();
    let said = vertebra(trained(), &["predict", "run", "data/test", "--format", "csv"]).ok().stdout;
    for line in table.lines().skip(1) {
        let [path, _, predicted, p, q] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let predicted = format!("data/{path},{predicted},");
        let line = said
            .lines()
            .find(|line| line.starts_with(&predicted))
            .unwrap_or_else(|| panic!("{predicted}: {said}"));
        assert!(line.contains(&format!(",{p},{q},,")), "{line}");
    }
}

#[test]
fn inspect_tells_layers_cost_and_origin() {
    let document = vertebra(trained(), &["inspect", "run", "--json"]).ok().json();
    assert_eq!(document["layers"].as_array().unwrap().len(), 1 + 2 * 13 + 1);
    assert_eq!(document["metadata"]["classes"], serde_json::json!(["disc", "empty"]));
    assert_eq!(document["metadata"]["provenance"]["seed"], 0);
    let words = vertebra(trained(), &["inspect", "run/best.safetensors"]).ok().stdout;
    for word in ["blocks.12.pointwise", "multiply-adds", "threshold", "SHA-256"] {
        assert!(words.contains(word), "{word}");
    }
}

#[test]
fn bench_has_the_documented_names() {
    let arguments =
        ["bench", "train", "--width", "0.25", "--image-size", "32", "--batch-size", "2", "--steps", "2"];
    let document = vertebra(trained(), &[&arguments[..], &["--json"]].concat()).ok().json();
    for name in [
        "arch",
        "batch_size",
        "image_size",
        "threads",
        "level",
        "images_per_second",
        "step_ms_median",
        "step_ms_min",
        "gflops",
        "peak_rss_mib",
    ] {
        assert!(document.get(name).is_some(), "{name}");
    }
    vertebra(trained(), &[&arguments[..6], &["--image-size", "7"]].concat()).fails(2, &[]);
}

/// Names are listed without a measurement, and what two runs recorded is compared.
#[test]
fn benches_are_listed_recorded_and_compared() {
    let kernels = |more: &[&str]| {
        let filter =
            ["bench", "kernels", "--level", "portable", "--filter", "depthwise_infer/portable/v1_7x7"];
        vertebra(trained(), &[&filter[..], more].concat()).ok()
    };
    let listed = kernels(&["--list"]).stdout;
    let names: Vec<&str> = listed.lines().collect();
    assert!(
        !names.is_empty() && names.iter().all(|name| name.contains("depthwise_infer/portable")),
        "{listed}"
    );

    let folder = tempfile::tempdir().unwrap();
    let recorded = kernels(&["--json"]).json();
    let machine = &recorded["machine"];
    assert!(machine["date"].as_str().unwrap().ends_with('Z') && machine["commit"].is_string(), "{machine}");
    let mut slower = recorded.clone();
    for kernel in slower["kernels"].as_array_mut().unwrap() {
        let [min, median, max] = ["ms_min", "ms_median", "ms_max"].map(|name| kernel[name].as_f64().unwrap());
        assert!(min <= median && median <= max, "{kernel}");
        kernel["ms_min"] = (2.0 * max).into();
        kernel["ms_median"] = (2.0 * max).into();
        kernel["ms_max"] = (3.0 * max).into();
    }
    slower["threads"] = 77.into();
    for (name, record) in [("a.json", &recorded), ("b.json", &slower)] {
        std::fs::write(folder.path().join(name), record.to_string()).unwrap();
    }
    std::fs::write(folder.path().join("c.json"), "{}").unwrap();
    let table = vertebra(folder.path(), &["bench", "compare", "a.json", "b.json"]).ok().stdout;
    assert!(table.contains("in A, 77 in B") && table.contains("slower"), "{table}");
    let document = vertebra(folder.path(), &["bench", "compare", "b.json", "a.json", "--json"]).ok().json();
    assert_eq!(document["pairs"].as_array().unwrap().len(), names.len());
    assert_eq!(document["pairs"][0]["verdict"], "faster");
    vertebra(folder.path(), &["bench", "compare", "a.json", "c.json"]).fails(1, &["c.json: expected what"]);
    vertebra(folder.path(), &["bench", "compare", "a.json", "d.json"]).fails(1, &["d.json: cannot read it"]);
}

#[test]
fn selftest_passes() {
    let ended = vertebra(trained(), &["selftest"]).ok();
    assert!(ended.stdout.lines().count() >= 3 && ended.stdout.lines().all(|line| line.starts_with("OK")));
    assert!(ended.stderr.contains("L1 ") && ended.stderr.contains("; vertebra "), "{}", ended.stderr);
    let document = vertebra(trained(), &["selftest", "--json"]).ok().json();
    assert_eq!(document["passed"], true);
    assert!(document["machine"]["l1_bytes"].as_u64().unwrap() >= 4096, "{document}");
}

#[test]
fn phantom_makes_a_set_that_trains() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["phantom", "set", "--patients", "16", "--views", "1", "--image-size", "32", "--seed", "3"];
    let ended = vertebra(folder.path(), &arguments).ok();
    assert!(ended.stderr.contains("16 simulated radiographs"), "{}", ended.stderr);
    let ended = train(folder.path(), "set/manifest.csv", "run", &["--epochs", "1", "--json"]).ok();
    assert_eq!(ended.json()["result"]["images"], 2);
    vertebra(folder.path(), &["phantom", "run"]).fails(1, &["nothing was changed"]);
    vertebra(folder.path(), &["phantom", "none", "--patients", "0"]).fails(2, &["patients: expected 1"]);
}

/// The line that a finished run prints is pasted into a shell, from a folder whose name needs quotes.
#[cfg(unix)]
#[test]
fn the_closing_line_works_when_pasted() {
    let folder = workspace();
    std::fs::rename(folder.path().join("data"), folder.path().join("my data's")).unwrap();
    let ended = train(folder.path(), "my data's", "my run", &["--max-steps", "1"]).ok();
    let line =
        ended.stdout.lines().find_map(|line| line.strip_prefix("next: ")).expect("a line to type next");
    let pasted = Command::new("sh").arg("-c").arg(line).current_dir(folder.path()).output().unwrap();
    let pasted = Ended::of(pasted).ok();
    assert!(pasted.stdout.starts_with("my data's/test/disc/0.png"), "{}", pasted.stdout);
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = command(trained(), &["predict", "run", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    // More lines than a pipe holds would fit into one write; the program sees that nobody reads.
    let _ = std::io::Write::write_all(
        &mut child.stdin.take().unwrap(),
        "data/test/disc/0.png\n".repeat(70).as_bytes(),
    );
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output =
        command(trained(), &["inspect", "run"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    Ended::of(output).fails(1, &["cannot write the output", "No space left"]);
}
