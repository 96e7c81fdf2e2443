//! Several findings an image, from the table to the exported model.

use crate::support::{TINY, train_arguments, vertebra};
use engine::Rng;
use image::GrayImage;
use std::fmt::Write;
use std::path::Path;
use tempfile::TempDir;

/// A spot in one of three corners is a finding; the last, `rare`, no test image has.
const FINDINGS: [&str; 4] = ["left", "right", "below", "rare"];

/// Images of which a part of the findings is not known, and their table.
fn workspace() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    let mut rng = Rng::new(4);
    let mut table = format!("path,split,group,sex,{}\n", FINDINGS.join(","));
    for i in 0..130 {
        let split = ["train", "train", "train", "val", "test"][i / 2 % 5];
        let mut is: Vec<bool> = (0..4).map(|_| rng.below(3) == 0).collect();
        is[3] &= split != "test";
        let mut image = GrayImage::from_fn(32, 32, |_, _| image::Luma([60 + rng.below(40) as u8]));
        for (finding, [x0, y0]) in [[2, 2], [22, 2], [12, 22]].into_iter().enumerate() {
            for (x, y) in (0..8).flat_map(|x| (0..8).map(move |y| (x, y))).filter(|_| is[finding]) {
                image.put_pixel(x0 + x, y0 + y, image::Luma([230]));
            }
        }
        image.save(folder.path().join(format!("images/{i:03}.png"))).unwrap();
        let sex = ["f", "m"][i % 2];
        write!(table, "{i:03}.png,{split},p{},{sex}", i / 2).unwrap();
        for is in is {
            let cell = if rng.below(10) == 0 {
                "-1.0"
            } else if rng.below(4) == 0 {
                ""
            } else if is {
                "1.0"
            } else {
                "0.0"
            };
            write!(table, ",{cell}").unwrap();
        }
        table.push('\n');
    }
    std::fs::write(folder.path().join("table.csv"), table).unwrap();
    folder
}

fn trained(folder: &Path, out: &str, more: &[&str]) -> crate::support::Ended {
    let plain = ["--labels", "all", "--no-augment", "--lr", "0.005", "--seed", "3"];
    vertebra(folder, &train_arguments("table.csv", out, &[&plain[..], more].concat()))
}

#[test]
fn findings_from_the_table_to_the_decision() {
    let workspace = workspace();
    let folder = workspace.path();
    let ended = trained(
        folder,
        "run",
        &["--epochs", "30", "--patience", "0", "--class-weights", "balanced", "--best-by", "auroc", "--json"],
    )
    .ok();
    assert!(ended.stderr.contains("findings left, right, below, rare"), "{}", ended.stderr);
    assert!(ended.stderr.contains("uncertain labels are left out"), "{}", ended.stderr);
    let result = ended.json()["result"].clone();
    for file in ["report.html", "model-card.md", "predictions.csv"] {
        assert!(folder.join("run").join(file).exists(), "{file}");
    }
    let page = std::fs::read_to_string(folder.join("run/report.html")).unwrap();
    for part in
        ["id=\"result\">Findings", "id=\"finding-0\">left", "id=\"finding-3\">rare", "no image has it"]
    {
        assert!(page.contains(part), "{part}");
    }

    // The closing table is what evaluating gives.
    let json = vertebra(folder, &["evaluate", "run", "table.csv", "--json", "--subgroup", "sex"]).ok().json();
    assert_eq!(json["findings"], result["findings"]);
    assert!(json["auroc"].as_f64().unwrap() > 0.9, "{}", json["auroc"]);
    let of = |name: &str| {
        json["findings"].as_array().unwrap().iter().find(|of| of["finding"] == name).unwrap().clone()
    };
    let (left, rare) = (of("left"), of("rare"));
    assert_eq!(
        left["images"].as_u64().unwrap() + left["unknown"].as_u64().unwrap(),
        json["images"].as_u64().unwrap()
    );
    assert!(left["threshold"].is_f64() && left["auroc_ci"].is_array() && left["confusion"].is_array());
    assert!(
        rare["auroc"].is_null()
            && rare["positives"] == 0
            && rare["not_defined"]["auroc"] == "no image has it"
    );
    assert!(json["macro"]["auroc"].is_f64() && json["micro"]["auroc"].is_f64());
    assert!(json["subgroups"].as_array().unwrap().iter().any(|part| part["column"] == "left, sex"));
    let said = vertebra(folder, &["evaluate", "run", "table.csv"]).ok();
    assert!(
        said.stdout.contains("macro mean") && said.stdout.contains("Research use only"),
        "{}",
        said.stdout
    );
    assert!(said.stderr.contains("this is the data set that the model was trained on"), "{}", said.stderr);

    // One decision a finding, in every format.
    let lines = vertebra(folder, &["predict", "run", "images/000.png", "gone.png", "--format", "jsonl"])
        .fails(1, &["Research use only"]);
    let first: serde_json::Value = serde_json::from_str(lines.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["findings"].as_array().unwrap().len(), 4);
    for found in first["findings"].as_array().unwrap() {
        let called = found["probability"].as_f64().unwrap() >= found["threshold"].as_f64().unwrap();
        assert_eq!(found["decision"], if called { "positive" } else { "negative" });
    }
    let lines =
        vertebra(folder, &["predict", "run", "images/000.png", "gone.png", "--format", "csv"]).fails(1, &[]);
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = lines.stdout.lines().map(cells).collect();
    assert_eq!(lines[0][..3], ["path", "p_left", "called_left"]);
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{lines:?}");
    let shown: f64 = lines[1][1].parse().unwrap();
    assert!((shown - first["findings"][0]["probability"].as_f64().unwrap()).abs() < 1e-6);
    let all =
        vertebra(folder, &["predict", "run", "images/000.png", "--threshold", "0", "--heatmap", "maps"]).ok();
    assert!(all.stdout.contains("maps/images_000.png_left.png"), "{}", all.stdout);
    assert_eq!(std::fs::read_dir(folder.join("maps")).unwrap().count(), 4);

    vertebra(folder, &["predict", "run", "images/000.png", "--positive", "left"])
        .fails(2, &["--positive", "findings"]);
    vertebra(folder, &["compare", "run", "run", "table.csv"]).fails(1, &["models of classes"]);
    let calibrate = ["calibrate", "run", "table.csv", "--out", "site.safetensors"];
    vertebra(folder, &calibrate).fails(2, &["run: ", "findings (left, right, below"]);
    vertebra(folder, &["inspect", "run"]).ok();
    vertebra(folder, &["export", "run", "--to", "onnx", "--out", "model.onnx"]).ok();
}

/// Two findings are no two classes: nothing takes the one for the absence of the other.
#[test]
fn two_findings_are_no_two_classes() {
    let workspace = workspace();
    let folder = workspace.path();
    let train = ["train", "table.csv", "--labels", "left,right", "--epochs", "1", "--out", "two"];
    vertebra(folder, &[&train[..], &TINY].concat()).ok();
    let metadata = model::Model::read(folder.join("two")).unwrap().metadata;
    assert!(metadata.positive().is_none() && metadata.threshold.is_none() && metadata.calibration.is_none());
    assert_eq!(metadata.findings.len(), 2);
    let out = ["--out", "site.safetensors"];
    for more in [&[][..], &["--temperature"], &["--rule", "value:0.5"]] {
        let arguments = [&["calibrate", "two", "table.csv"][..], more, &out].concat();
        vertebra(folder, &arguments).fails(2, &["findings (left, right)"]);
    }
    let line = vertebra(folder, &["predict", "two", "images/000.png", "--format", "jsonl"]).ok().stdout;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(line["label"].is_null() && line["findings"].as_array().unwrap().len() == 2, "{line}");
}

/// What `split` writes has a column a finding, and what is not known stays so.
#[test]
fn a_split_keeps_the_findings() {
    let workspace = workspace();
    let folder = workspace.path();
    let split = ["split", "table.csv", "--labels", "all", "--uncertain", "positive", "--out", "split.csv"];
    vertebra(folder, &split).ok();
    let open = |table: &str, uncertain| {
        let labelling = data::Labelling { labels: Some(data::Labels::All), uncertain, may_lack: false };
        data::Dataset::open_labelled(&folder.join(table), false, &labelling).unwrap()
    };
    let truth = |set: &data::Dataset| set.samples.iter().map(|it| it.findings.clone()).collect::<Vec<_>>();
    let (before, after) =
        (open("table.csv", data::Uncertain::Positive), open("split.csv", data::Uncertain::Ignore));
    assert_eq!((&after.classes, truth(&after)), (&before.classes, truth(&before)));
    assert!(after.divided_groups().is_empty() && truth(&after).concat().contains(&None));
}

/// A run that was stopped goes on as if it had not been; one thread and two give the same bits.
#[test]
fn a_run_goes_on_exactly() {
    let workspace = workspace();
    let folder = workspace.path();
    trained(folder, "whole", &["--epochs", "3", "--threads", "1"]).ok();
    trained(folder, "parts", &["--epochs", "3", "--threads", "2", "--max-steps", "14"]).ok();
    vertebra(folder, &["train", "--resume", "--out", "parts"]).ok();
    let read = |run: &str, file: &str| std::fs::read(folder.join(run).join(file)).unwrap();
    for file in ["best.safetensors", "predictions.csv"] {
        assert!(read("whole", file) == read("parts", file), "{file}");
    }
    trained(folder, "parts", &["--resume", "--uncertain", "positive"]).fails(1, &["uncertain"]);
}

#[test]
fn what_has_no_findings_is_refused() {
    let workspace = workspace();
    let folder = workspace.path();
    std::fs::write(folder.join("bars.csv"), "path,label\nimages/000.png,a|b\nimages/001.png,a\n").unwrap();
    let train = |more: &[&str]| vertebra(folder, &[&["train"][..], more, &["--out", "none"], &TINY].concat());
    train(&["bars.csv"]).fails(1, &["\"a|b\"", "--labels all"]);
    train(&["table.csv", "--labels", "left,wrong"]).fails(1, &["\"wrong\""]);
    train(&["images", "--labels", "all"]).fails(1, &["folder"]);
    train(&["table.csv", "--uncertain", "positive"]).fails(2, &["--labels"]);
    train(&["table.csv", "--labels", "all", "--folds", "3"]).fails(2, &["--folds"]);
    train(&["table.csv", "--labels", "all", "--positive", "left"]).fails(2, &["--positive"]);
    train(&["table.csv", "--labels", "left"]).fails(1, &["two findings"]);
}

#[test]
fn several_models_of_findings_answer_together() {
    let workspace = workspace();
    let folder = workspace.path();
    trained(folder, "a", &["--epochs", "2"]).ok();
    trained(folder, "b", &["--epochs", "3"]).ok();
    let csv = |more: &[&str]| {
        let ended = vertebra(folder, &[&["predict"], more, &["images", "--format", "csv"]].concat()).ok();
        let lines = ended.stdout.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        lines.collect::<Vec<_>>()
    };
    let (a, b, both) = (csv(&["a"]), csv(&["b"]), csv(&["a", "--with", "b"]));
    let column = |name: &str| both[0].iter().position(|known| known == name).unwrap();
    for name in FINDINGS {
        let (p, spread) = (column(&format!("p_{name}")), column(&format!("spread_{name}")));
        for ((a, b), both) in a.iter().zip(&b).zip(&both).skip(1) {
            let [first, second, mean, deviation] =
                [&a[p], &b[p], &both[p], &both[spread]].map(|cell| cell.parse::<f64>().unwrap());
            assert!((mean - (first + second) / 2.0).abs() < 2e-6, "{name}: {both:?}");
            assert!((deviation - (first - second).abs() / 2f64.sqrt()).abs() < 2e-6, "{name}: {both:?}");
        }
    }
    let more = ["evaluate", "a", "table.csv", "--with", "b", "--json", "--predictions", "all.csv"];
    let found = vertebra(folder, &more).ok().json();
    assert_eq!(found["members"].as_array().unwrap().len(), 2);
    assert_eq!(found["findings"][0]["threshold_rule"], "mean of the thresholds of 2 models");
    let table = std::fs::read_to_string(folder.join("all.csv")).unwrap();
    assert!(table.lines().next().unwrap().ends_with(",spread_rare"), "{table}");
}
