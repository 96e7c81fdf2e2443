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
    for part in [
        "id=\"result\">Findings",
        "id=\"finding-0\">left",
        "id=\"finding-3\">rare",
        "no image has it",
        "Worst errors",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Findings do not add up to the images of a split.
    let table = std::fs::read_to_string(folder.join("table.csv")).unwrap();
    let trained = table.lines().filter(|line| line.split(',').nth(1) == Some("train")).count();
    let card = std::fs::read_to_string(folder.join("run/model-card.md")).unwrap();
    assert!(card.contains(&format!("train: {trained} images, of which ")), "{card}");
    assert!(page.contains(&format!("<td>{trained}</td>")));

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
    vertebra(folder, &["predict", "run", "images/000.png", "--top", "1", "--format", "jsonl"])
        .fails(2, &["--top: expected --format table beside it"]);
    assert!(all.stdout.contains("maps/images_000.png_left.png"), "{}", all.stdout);
    assert_eq!(std::fs::read_dir(folder.join("maps")).unwrap().count(), 4);

    vertebra(folder, &["predict", "run", "images/000.png", "--positive", "left"])
        .fails(2, &["--positive", "findings"]);
    compared(folder);
    pointed(folder);
    a_site_fixes_each_finding(folder);
    vertebra(folder, &["inspect", "run"]).ok();
    vertebra(folder, &["export", "run", "--to", "onnx", "--out", "model.onnx"]).ok();
}

/// A model against itself, and against one that has hardly been trained and knows the findings in another order.
fn compared(folder: &Path) {
    let same = vertebra(folder, &["compare", "run", "run", "table.csv", "--json"]).ok().json();
    let findings = same["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 4);
    assert!(same["accuracy"][0].is_null() && same["mcnemar"].is_null(), "{same}");
    for of in findings {
        assert_eq!((&of["sensitivity"][0], &of["mcnemar"]["p_value"]), (&of["sensitivity"][1], &1.0.into()));
        assert_eq!(of["auroc"].is_null(), of["finding"] == "rare");
    }
    assert_eq!(
        (&same["mean_auroc"]["difference"], &same["mean_auroc"]["findings"]),
        (&0.0.into(), &3.into())
    );
    let train =
        ["train", "table.csv", "--labels", "rare,below,right,left", "--epochs", "1", "--out", "other"];
    vertebra(folder, &[&train[..], &TINY].concat()).ok();
    let apart = vertebra(folder, &["compare", "run", "other", "table.csv", "--json"]).ok().json();
    for (at, of) in apart["findings"].as_array().unwrap()[..3].iter().enumerate() {
        for (model, name) in ["run", "other"].iter().enumerate() {
            let own =
                vertebra(folder, &["evaluate", name, "table.csv", "--json", "--bootstrap", "0"]).ok().json();
            let own = own["findings"].as_array().unwrap().iter().find(|own| own["finding"] == FINDINGS[at]);
            let own = own.unwrap();
            for (a, b) in [
                (&of["auroc"]["auroc"], "auroc"),
                (&of["sensitivity"], "sensitivity"),
                (&of["specificity"], "specificity"),
            ] {
                let (a, b) = (a[model].as_f64().unwrap(), own[b].as_f64().unwrap());
                assert!((a - b).abs() < 1e-12, "{name} {of}");
            }
        }
        for (alone, among) in
            [(&of["auroc"]["p_value"], "p_value_holm"), (&of["mcnemar"]["p_value"], "mcnemar_p_value_holm")]
        {
            assert!(of[among].as_f64().unwrap() >= alone.as_f64().unwrap(), "{of}");
        }
    }
    let said = vertebra(folder, &["compare", "run", "other", "table.csv"]).ok().stdout;
    assert!(
        said.contains("mean of 3") && said.contains("Holm") && said.contains("Research use only"),
        "{said}"
    );
}

/// Maps of each finding against its boxes, in a table of several columns; that of VinDr-CXR names images without an ending.
fn pointed(folder: &Path) {
    let mut boxes = String::from("image_id,class_name,rad_id,x_min,y_min,x_max,y_max\n");
    for i in 0..130 {
        for (name, [x, y]) in [("left", [2, 2]), ("right", [22, 2]), ("below", [12, 22])] {
            for (reader, by) in [("R1", 0), ("R2", 1)] {
                writeln!(boxes, "{i:03},{name},{reader},{},{},{},{}", x - by, y, x + 8, y + 8).unwrap();
            }
        }
        writeln!(boxes, "{i:03},No finding,R3,,,,").unwrap();
    }
    std::fs::write(folder.join("boxes.csv"), &boxes).unwrap();
    let evaluate = ["evaluate", "run", "table.csv", "--bootstrap", "0", "--truth", "boxes.csv"];
    let found = vertebra(folder, &[&evaluate[..], &["--json"]].concat()).ok().json();
    let parts = found["localisation"]["findings"].as_array().unwrap().clone();
    assert_eq!(parts.len(), 3, "{}", found["localisation"]);
    for (part, of) in parts.iter().zip(found["findings"].as_array().unwrap()) {
        // Every image that has it has a box.
        assert_eq!((&part["class"], &part["boxes"]), (&of["finding"], &of["positives"]));
        let called = part["boxes"].as_f64().unwrap() * of["sensitivity"].as_f64().unwrap();
        assert_eq!(part["found"].as_f64().unwrap(), called.round());
        let area = part["box_area"].as_f64().unwrap();
        assert!((area - 72.0 / 1024.0).abs() < 1e-9, "the union of two readers' boxes: {area}");
    }
    let sum: u64 = parts.iter().map(|part| part["boxes"].as_u64().unwrap()).sum();
    assert_eq!(found["localisation"]["boxes"], sum);
    assert!(found["localisation"]["pointing_game"].as_f64() > Some(0.3), "{}", found["localisation"]);
    let said = vertebra(folder, &evaluate).ok();
    assert!(said.stdout.contains("peak in box"), "{}", said.stdout);
    std::fs::write(folder.join("boxes.csv"), "path,x0,y0,x1,y1\nimages/000.png,1,1,2,2\n").unwrap();
    vertebra(folder, &evaluate).fails(1, &["boxes.csv", "column \"finding\""]);
}

/// The operating points of a model of findings, fixed on a site's images; one of them again, whatever the others are.
fn a_site_fixes_each_finding(folder: &Path) {
    let before = model::Model::read(folder.join("run")).unwrap();
    let calibrate =
        ["calibrate", "run", "table.csv", "--split", "all", "--out", "site.safetensors", "--force"];
    let site = [&calibrate[..], &["--rule", "sensitivity:0.9", "--temperature", "--json"]].concat();
    let found = vertebra(folder, &site).ok().json();
    let evaluate = ["evaluate", "site.safetensors", "table.csv", "--split", "all", "--json"];
    let again = vertebra(folder, &evaluate).ok().json();
    let mut fitted = 0;
    let pairs = found["findings"].as_array().unwrap().iter().zip(again["findings"].as_array().unwrap());
    for (of, again) in pairs {
        let evidence = &of["threshold_evidence"];
        assert!(evidence["sensitivity"].as_f64().unwrap() >= 0.9, "{of}");
        assert_eq!(
            (&evidence["positives"], &evidence["negatives"]),
            (&again["positives"], &again["negatives"])
        );
        for rate in ["sensitivity", "sensitivity_ci", "specificity", "specificity_ci"] {
            assert_eq!(evidence[rate], again[rate], "{rate}");
        }
        // Recalibrated on these images: the line of their recalibration is the diagonal, but where a threshold divides the
        // images without error and there is none.
        let is_kept = format!("{}: no slope", of["finding"].as_str().unwrap());
        if !found["warnings"].to_string().contains(&is_kept) {
            let line = &again["calibration"];
            let [slope, intercept] = ["slope", "intercept"].map(|name| line[name].as_f64().unwrap());
            assert!((slope - 1.0).abs() < 1e-3 && intercept.abs() < 1e-3, "{of} {line}");
            fitted += 1;
        }
    }
    assert!(fitted > 0, "{}", found["warnings"]);
    assert_eq!(found["calibrated"]["threshold"]["rule"], "sensitivity:0.9");
    assert_eq!(found["calibrated"]["temperature"]["split"], "all");
    let after = model::Model::read(folder.join("site.safetensors")).unwrap();
    assert_eq!(before.weights, after.weights);

    let one = ["calibrate", "site.safetensors", "table.csv", "--split", "all", "--out", "site.safetensors"];
    let left = [&one[..], &["--finding", "left", "--rule", "value:0.25"]].concat();
    let said = vertebra(folder, &left).ok().stdout;
    assert!(said.contains("left") && !said.contains("below") && said.contains("Research use only"), "{said}");
    let now = model::Model::read(folder.join("site.safetensors")).unwrap().metadata;
    assert_eq!(now.findings[0].threshold.as_ref().unwrap().value, 0.25);
    assert_eq!(now.findings[1..], after.metadata.findings[1..]);
    assert_eq!(now.calibrated["threshold"]["findings"], serde_json::json!(["left"]));
    assert_eq!(now.calibrated["threshold"]["before"]["rule"], "sensitivity:0.9");
    vertebra(folder, &[&one[..], &["--finding", "wrong"]].concat())
        .fails(2, &["--finding", "left, right", "wrong"]);

    // What has no threshold by the rule keeps its slope too, at which the threshold that it has was chosen.
    let rule = ["--rule", "ppv:1", "--temperature", "--json"];
    let found = vertebra(folder, &[&calibrate[..], &rule].concat()).ok().json();
    let now = model::Model::read(folder.join("site.safetensors")).unwrap().metadata;
    let warnings = found["warnings"].to_string();
    let mut kept = vec![];
    for (at, of) in now.findings.iter().enumerate() {
        let is_kept = warnings.contains(&format!("{}: expected a threshold", now.classes[at]));
        assert_eq!(is_kept, *of == before.metadata.findings[at], "{warnings}");
        kept.extend(is_kept.then_some(at));
    }
    assert!(!kept.is_empty() && kept.len() < now.findings.len(), "{warnings}");
    vertebra(folder, &site).ok();
    let site = vertebra(
        folder,
        &[&one[..], &["--finding", "left", "--finding", "left", "--rule", "value:0.25", "--json"]].concat(),
    );
    assert_eq!(site.ok().json()["findings"].as_array().unwrap().len(), 1);

    // One threshold for all, seen in `evaluate`.
    let write = ["evaluate", "site.safetensors", "table.csv", "--threshold", "0.4", "--write"];
    let said = vertebra(folder, &write).ok().stderr;
    assert!(said.contains("wrote left from p = 0.4") && said.contains("it was left from p = 0.25"), "{said}");
    let now = model::Model::read(folder.join("site.safetensors")).unwrap().metadata;
    for of in &now.findings {
        let threshold = of.threshold.as_ref().unwrap();
        assert!(threshold.value == 0.4 && threshold.rule.contains("in `evaluate`"), "{threshold:?}");
    }
    // Without any image that has it, a finding keeps what it has, and that is said.
    let test =
        ["calibrate", "run", "table.csv", "--split", "test", "--out", "test.safetensors", "--temperature"];
    let said = vertebra(folder, &test).ok().stdout;
    assert!(said.contains("rare: expected images of both") && said.contains("rare: no slope"), "{said}");
    let kept = model::Model::read(folder.join("test.safetensors")).unwrap().metadata;
    assert_eq!(kept.findings[3], before.metadata.findings[3]);
}

/// A cross-validation of findings: every image is tested once, and what was stopped goes on.
#[test]
fn folds_of_findings() {
    let workspace = workspace();
    let folder = workspace.path();
    let folds = ["--folds", "3", "--epochs", "2", "--json"];
    let result = trained(folder, "cv", &folds).ok().json();
    let pooled = &result["pooled"];
    assert_eq!((&pooled["images"], pooled["findings"].as_array().unwrap().len()), (&130.into(), 4));
    let table = std::fs::read_to_string(folder.join("table.csv")).unwrap();
    let column = |name: &str| {
        let at = table.lines().next().unwrap().split(',').position(|known| known == name).unwrap();
        table.lines().skip(1).filter(|line| line.split(',').nth(at) == Some("1.0")).count()
    };
    for (of, over) in
        pooled["findings"].as_array().unwrap().iter().zip(result["findings"].as_array().unwrap())
    {
        assert_eq!(of["positives"], column(of["finding"].as_str().unwrap()));
        assert_eq!((&over["finding"], &of["threshold"]), (&of["finding"], &0.5.into()));
        let mean = result["folds"].as_array().unwrap().iter();
        let at = FINDINGS.iter().position(|name| of["finding"] == *name).unwrap();
        let values: Vec<f64> = mean.filter_map(|fold| fold["finding_auroc"][at].as_f64()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((over["auroc"]["mean"].as_f64().unwrap() - mean).abs() < 1e-12, "{over}");
    }
    let page = std::fs::read_to_string(folder.join("cv/report.html")).unwrap();
    for part in ["id=\"result\">Findings", "id=\"finding-3\">rare", "fold 3", "AUROC of rare over"] {
        assert!(page.contains(part), "{part}");
    }
    // What is missing is trained again, to the same bits.
    let before = std::fs::read(folder.join("cv/fold-2/best.safetensors")).unwrap();
    std::fs::remove_dir_all(folder.join("cv/fold-2")).unwrap();
    let said = vertebra(folder, &["train", "--resume", "--out", "cv"]).ok();
    assert!(said.stdout.contains("AUROC of left over 3 folds"), "{}", said.stdout);
    assert!(before == std::fs::read(folder.join("cv/fold-2/best.safetensors")).unwrap());
    vertebra(folder, &["report", "cv"]).ok();
}

/// What an audit counts is what the table says; the images with one finding are no class of their own.
#[test]
fn an_audit_of_findings() {
    let workspace = workspace();
    let folder = workspace.path();
    // A copy in another split, of which the opposite is said.
    std::fs::copy(folder.join("images/000.png"), folder.join("images/copy.png")).unwrap();
    let mut table = std::fs::read_to_string(folder.join("table.csv")).unwrap();
    let first = table.lines().nth(1).unwrap().to_owned();
    let cells: Vec<&str> = first.split(',').collect();
    let opposite: Vec<&str> = cells[4..].iter().map(|is| if *is == "1.0" { "0.0" } else { "1.0" }).collect();
    writeln!(table, "copy.png,test,q,f,{}", opposite.join(",")).unwrap();
    std::fs::write(folder.join("table.csv"), &table).unwrap();
    let audit = ["audit", "table.csv", "--labels", "all"];
    let found = vertebra(folder, &[&audit[..], &["--json", "--html", "audit.html"]].concat()).ok().json();
    assert!(
        found["leaks"] == true && found["identical_files"]["across_classes"] == 1,
        "{}",
        found["verdict"]
    );
    assert!(found["baselines"].as_array().unwrap().is_empty() && found["positive"].is_null());
    // What tells a finding names it, whichever side it is larger on.
    let shortcuts = found["shortcuts"].as_array().unwrap();
    assert!(shortcuts.iter().all(|of| FINDINGS.iter().any(|name| of["finding"] == *name)), "{shortcuts:?}");
    let flagged = shortcuts.iter().find(|of| of["flagged"] == true).unwrap();
    let [feature, finding] = ["feature", "finding"].map(|name| flagged[name].as_str().unwrap());
    let verdict = found["verdict"].to_string();
    assert!(verdict.contains(&format!("{feature} ({finding})")) && !verdict.contains("of no "), "{verdict}");
    for part in found["parts"].as_array().unwrap() {
        let split = part["split"].as_str().unwrap();
        let rows = || table.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let rows = || rows().filter(|row| split == "all" || row[1] == split);
        for (at, known) in part["findings"].as_array().unwrap().iter().enumerate() {
            let count = |cells: &[&str]| rows().filter(|row| cells.contains(&row[4 + at])).count() as u64;
            let want = [count(&["1.0"]), count(&["0.0"]), count(&["", "-1.0"])];
            assert_eq!(["positives", "negatives", "unknown"].map(|name| known[name].as_u64().unwrap()), want);
            assert_eq!(part["per_class"][at], want[0]);
        }
    }
    let said = vertebra(folder, &audit).ok().stdout;
    for part in ["with, without and not known", "With contradicting findings: ", "baselines"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("There is no split yet") && !said.contains("one class only"), "{said}");
    let page = std::fs::read_to_string(folder.join("audit.html")).unwrap();
    let counts = found["parts"][0]["findings"][0].clone();
    let cell = ["positives", "negatives", "unknown"].map(|name| counts[name].to_string()).join(" / ");
    assert!(page.contains(&format!("left</th><td>{cell}</td>")), "{cell}");
    vertebra(folder, &["audit", "table.csv", "--labels", "all", "--positive", "left"])
        .fails(2, &["--positive"]);
}

/// One finding is a model of its own: there or not.
#[test]
fn a_single_finding() {
    let workspace = workspace();
    let folder = workspace.path();
    let train = ["train", "table.csv", "--labels", "left", "--epochs", "2", "--out", "one"];
    vertebra(folder, &[&train[..], &TINY].concat()).ok();
    let found = vertebra(folder, &["evaluate", "one", "table.csv", "--json"]).ok().json();
    assert_eq!(found["findings"].as_array().unwrap().len(), 1);
    assert_eq!(found["auroc"], found["findings"][0]["auroc"]);
    let line = vertebra(folder, &["predict", "one", "images/000.png", "--format", "jsonl"]).ok().stdout;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["findings"][0]["finding"], "left", "{line}");
    for words in [
        &["calibrate", "one", "table.csv", "--out", "site.safetensors"][..],
        &["compare", "one", "one", "table.csv"],
        &["export", "one", "--to", "onnx", "--out", "one.onnx"],
        &["inspect", "one"],
        &["report", "one"],
        &["audit", "table.csv", "--labels", "left"],
    ] {
        vertebra(folder, words).ok();
    }
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
    vertebra(folder, &["calibrate", "two", "table.csv", "--out", "site.safetensors"]).ok();
    assert!(model::Model::read(folder.join("site.safetensors")).unwrap().metadata.threshold.is_none());
    let line = vertebra(folder, &["predict", "two", "images/000.png", "--format", "jsonl"]).ok().stdout;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(line["label"].is_null() && line["findings"].as_array().unwrap().len() == 2, "{line}");
}

/// What `split` writes has a column a finding, and what is not known, or not sure, stays so: whoever trains on it decides.
#[test]
fn a_split_keeps_the_findings() {
    let workspace = workspace();
    let folder = workspace.path();
    let split = ["split", "table.csv", "--labels", "all", "--uncertain", "positive", "--out", "split.csv"];
    vertebra(folder, &split).ok();
    let open = |table: &str, uncertain| {
        let labelling = data::Labelling { labels: Some(data::Labels::All), uncertain, ..Default::default() };
        data::Dataset::open_labelled(&folder.join(table), false, &labelling).unwrap()
    };
    let truth = |set: &data::Dataset| set.samples.iter().map(|it| it.findings.clone()).collect::<Vec<_>>();
    for uncertain in [data::Uncertain::Positive, data::Uncertain::Negative, data::Uncertain::Ignore] {
        let (before, after) = (open("table.csv", uncertain), open("split.csv", uncertain));
        assert_eq!((&after.classes, truth(&after)), (&before.classes, truth(&before)));
        assert!(after.divided_groups().is_empty() && truth(&after).concat().contains(&None));
    }
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
    train(&["table.csv", "--labels", "all", "--positive", "left"]).fails(2, &["--positive"]);
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
