//! Evaluation from the command line: what is fixed on the validation split, what is counted, what is compared.

use crate::support::{train, vertebra, workspace};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The data set of [`workspace`] as a manifest, with a patient for every two images and columns to divide by.
fn manifest(folder: &Path) {
    let mut table = String::from("path,label,split,group,sex,age\n");
    for (split, images) in [("train", 25), ("val", 8), ("test", 8)] {
        for i in 0..images {
            let (class, sex) = (["disc", "empty"][i % 2], ["f", "m", ""][i % 3]);
            table +=
                &format!("data/{split}/{class}/{i}.png,{class},{split},{split}{},{sex},{}\n", i / 2, 20 + i);
        }
    }
    fs::write(folder.join("table.csv"), table).unwrap();
}

#[test]
fn threshold_and_temperature_come_from_the_validation_split() {
    let folder = workspace();
    let rule = ["--epochs", "2", "--threshold-rule", "sensitivity:0.75", "--json"];
    train(folder.path(), "data", "run", &rule).ok();
    let metadata = model::Model::read(folder.path().join("run")).unwrap().metadata;
    let threshold = metadata.threshold.unwrap();
    assert_eq!(threshold.rule, "sensitivity of at least 0.75, on the validation split");
    let config = fs::read_to_string(folder.path().join("run/config.toml")).unwrap();
    assert!(config.contains("threshold_rule = \"sensitivity:0.75\""), "{config}");

    let val = vertebra(folder.path(), &["evaluate", "run", "data", "--split", "val", "--json"]).ok().json();
    assert!(val["sensitivity"].as_f64().unwrap() >= 0.75);
    // At the stored temperature, the validation split's log-loss is no higher than at 1.
    let raw = metadata.provenance.metrics["val_loss"].as_f64().unwrap();
    assert!(val["log_loss"].as_f64().unwrap() <= raw + 1e-6, "{} {raw}", val["log_loss"]);
    assert_eq!(metadata.calibration.is_some(), val["log_loss"].as_f64().unwrap() < raw - 1e-6);
    train(folder.path(), "data", "other", &["--threshold-rule", "sensitivity:2"]).fails(2, &["above 0"]);
}

#[test]
fn looks_at_the_test_split_are_counted() {
    let folder = workspace();
    let first = train(folder.path(), "data", "run", &["--epochs", "1", "--json"]).ok().json();
    assert_eq!(first["test_openings"], 1);
    let evaluate =
        |more: &[&str]| vertebra(folder.path(), &[&["evaluate", "run", "data"][..], more].concat()).ok();
    assert_eq!(evaluate(&["--json"]).json()["test_openings"], 2);
    assert!(evaluate(&["--split", "val", "--json"]).json()["test_openings"].is_null());
    let words = evaluate(&["--threshold", "0.5"]).stdout;
    assert!(words.contains("opened 3 times"), "{words}");
    let log = fs::read_to_string(folder.path().join("run/test-openings.json")).unwrap();
    assert!(log.contains("vertebra evaluate run data --threshold 0.5"), "{log}");
    // A model file has no run to count in.
    let file = vertebra(folder.path(), &["evaluate", "run/best.safetensors", "data", "--json"]).ok().json();
    assert!(file["test_openings"].is_null());
    // A count that cannot be read is said, and the evaluation goes on.
    fs::write(folder.path().join("run/test-openings.json"), "?").unwrap();
    assert!(evaluate(&["--json"]).stderr.contains("not counted"));
}

#[test]
fn every_option_of_evaluate() {
    let folder = workspace();
    manifest(folder.path());
    train(folder.path(), "table.csv", "run", &["--epochs", "2", "--flip"]).ok();
    let evaluate =
        |more: &[&str]| vertebra(folder.path(), &[&["evaluate", "run", "table.csv"][..], more].concat());
    let plain = evaluate(&["--json"]).ok().json();
    assert_eq!((&plain["groups"], &plain["views"]), (&4.into(), &1.into()));
    assert!(plain["at_prevalence"].is_null() && plain["subgroups"].as_array().unwrap().is_empty());
    assert_eq!(plain["bootstrap_draws"], 2000);

    let asked = evaluate(&[
        "--prevalence",
        "0.02",
        "--bootstrap",
        "0",
        "--subgroup",
        "sex",
        "--subgroup",
        "age",
        "--json",
    ]);
    let asked = asked.ok().json();
    assert_eq!(asked["at_prevalence"]["prevalence"], 0.02);
    assert!(asked["auprc_ci"].is_null() && asked["auroc_bootstrap_ci"].is_null());
    let subgroups = asked["subgroups"].as_array().unwrap();
    let of = |column: &str| -> Vec<(&str, u64)> {
        let chosen = subgroups.iter().filter(|group| group["column"] == column);
        chosen.map(|g| (g["value"].as_str().unwrap(), g["images"].as_u64().unwrap())).collect()
    };
    assert_eq!(of("sex"), [("f", 3), ("m", 3), ("not given", 2)]);
    assert_eq!(of("age").len(), 8, "eight ages are not too many to show");

    let tta = evaluate(&["--tta", "--predictions", "seen.csv", "--json"]).ok().json();
    assert_eq!(tta["views"], 10, "five turns, and mirrored, as it was trained with --flip");
    assert_ne!(tta["log_loss"], plain["log_loss"]);
    let seen = fs::read_to_string(folder.path().join("seen.csv")).unwrap();
    assert!(seen.starts_with("path,label,predicted,p_disc,p_empty\n") && seen.lines().count() == 9, "{seen}");

    let words = evaluate(&["--subgroup", "SEX", "--prevalence", "0.1"]).ok().stdout;
    assert!(words.contains("sex = not given") && words.contains("at a prevalence of 0.1"), "{words}");
    evaluate(&["--subgroup", "height"]).fails(2, &["sex, age, group", "found height"]);
    evaluate(&["--prevalence", "1"]).fails(2, &["--prevalence", "found 1"]);
    evaluate(&["--bootstrap", "9999999"]).fails(2, &["--bootstrap"]);
    evaluate(&["--bootstrap", "2"]).fails(2, &["--bootstrap", "expected 0 or at least 100"]);
}

#[test]
fn two_models_are_compared_on_the_same_images() {
    let folder = workspace();
    manifest(folder.path());
    train(folder.path(), "table.csv", "a", &["--epochs", "3"]).ok();
    train(folder.path(), "table.csv", "b", &["--max-steps", "0", "--seed", "1"]).ok();
    let compare = |a: &str, b: &str, more: &[&str]| {
        vertebra(folder.path(), &[&["compare", a, b, "table.csv"][..], more].concat())
    };
    let same = compare("a", "a", &["--json"]).ok().json();
    assert_eq!((&same["mcnemar"]["p_value"], &same["auroc"][0]["difference"]), (&1.0.into(), &0.0.into()));
    assert!(same["auroc"][0]["p_value"].is_null(), "a model does not differ from itself");
    for name in ["interval", "p_value"] {
        assert!(
            same["not_defined"][name].as_str().unwrap().starts_with("no spread"),
            "{}",
            same["not_defined"]
        );
    }
    assert!(!compare("a", "a", &[]).ok().stdout.contains("not defined"), "the AUROC is defined");

    let found = compare("a", "b", &["--json"]).ok().json();
    let one = |run: &str| {
        let ended = vertebra(folder.path(), &["evaluate", run, "table.csv", "--json"]);
        ended.ok().json()
    };
    for (i, run) in ["a", "b"].iter().enumerate() {
        let alone = one(run);
        assert_eq!(found["accuracy"][i], alone["accuracy"]);
        let [pair, single] = [&found["auroc"][0]["auroc"][i], &alone["auroc"]].map(|x| x.as_f64().unwrap());
        assert!((pair - single).abs() < 1e-12);
    }
    assert_eq!((&found["groups"], &found["images"]), (&4.into(), &8.into()));
    let words = compare("a", "b", &[]).ok().stdout;
    assert!(words.contains("McNemar, exact, by group") && words.contains("not a medical device"), "{words}");

    let three = folder.path().join("three.csv");
    let text = fs::read_to_string(folder.path().join("table.csv")).unwrap();
    fs::write(&three, text.replace(",disc,", ",ring,")).unwrap();
    train(folder.path(), "three.csv", "c", &["--max-steps", "0"]).ok();
    compare("a", "c", &[]).fails(1, &["expected the classes of a (disc, empty), found empty, ring"]);
}

#[test]
fn heatmaps_are_pictures_that_lines_name() {
    let folder = workspace();
    train(folder.path(), "data", "run", &["--epochs", "1"]).ok();
    fs::write(folder.path().join("bad.png"), "no image").unwrap();
    for method in ["occlusion", "cam"] {
        let inputs =
            ["predict", "run", "data/test/disc", "bad.png", "--heatmap", "maps", "--heatmap-method", method];
        let ended = vertebra(folder.path(), &[&inputs[..], &["--format", "jsonl"]].concat());
        let ended = ended.fails(1, &["1 of 5 inputs failed"]);
        let lines: Vec<serde_json::Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &lines[..4] {
            let picture = image::open(folder.path().join(line["heatmap"].as_str().unwrap())).unwrap();
            assert_eq!(picture.width(), 512, "drawn larger than the 32 pixels of the file");
            assert!(picture.height() > 512, "with a legend");
        }
        assert!(lines[4]["heatmap"].is_null());
    }
    let csv = vertebra(
        folder.path(),
        &["predict", "run", "data/test/disc/0.png", "--heatmap", "maps", "--format", "csv"],
    );
    let csv = csv.ok().stdout;
    assert!(
        csv.starts_with("path,label,probability,p_disc,p_empty,heatmap,error,decision,larger\n"),
        "{csv}"
    );
    assert!(csv.contains("maps/data_test_disc_0.png.png,,"), "{csv}");

    // A picture of the user's is not replaced, but by --force; the program's own are.
    let own = folder.path().join("maps/data_test_disc_2.png.png");
    fs::copy(folder.path().join("data/test/disc/2.png"), &own).unwrap();
    let before = fs::read(&own).unwrap();
    let again = ["predict", "run", "data/test/disc", "--heatmap", "maps", "--heatmap-method", "cam"];
    let said = vertebra(folder.path(), &again).fails(1, &["1 of 4 inputs failed"]).stdout;
    assert!(
        said.contains("data_test_disc_2.png.png: a file is there that is no overlay of this program"),
        "{said}"
    );
    assert_eq!(fs::read(&own).unwrap(), before);
    vertebra(folder.path(), &[&again[..], &["--force"]].concat()).ok();
    assert_ne!(fs::read(&own).unwrap(), before);
}

/// Shards of one archive write into one folder.
#[test]
fn heatmaps_of_two_pictures_are_two_files_whoever_writes_them() {
    let folder = workspace();
    let at = folder.path();
    train(at, "data", "run", &["--epochs", "1"]).ok();
    let long = "x".repeat(240);
    for name in ["a/b_c.png".to_owned(), "a_b/c.png".to_owned(), format!("a/{long}.png")] {
        fs::create_dir_all(at.join(&name).parent().unwrap()).unwrap();
        fs::copy(at.join("data/test/disc/0.png"), at.join(&name)).unwrap();
    }
    let write = |inputs: &[&str]| {
        let words = ["--heatmap", "maps", "--heatmap-method", "cam", "--format", "jsonl"];
        let lines = vertebra(at, &[&["predict", "run"][..], inputs, &words].concat()).ok().stdout;
        let map =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["heatmap"].as_str().unwrap().to_owned();
        lines.lines().map(map).collect::<Vec<String>>()
    };
    let (one, two) = (write(&["a/b_c.png"]), write(&["a_b/c.png"]));
    assert_eq!((&*one[0], &*two[0]), ("maps/a_b_c.png.png", "maps/a_b_c.png-2.png"));
    assert_eq!(write(&["a_b/c.png", "a/b_c.png"]), [&two[0][..], &one[0]], "the same places again");
    assert_eq!(write(&["a"]).len(), 2, "a long name too");
}

#[test]
fn heatmaps_are_scored_against_boxes() {
    let folder = workspace();
    train(folder.path(), "data", "run", &["--epochs", "1"]).ok();
    let all = "path,x0,y0,x1,y1\n".to_owned()
        + &(0..8)
            .map(|i| format!("test/{}/{i}.png,0,0,32,32\n", ["disc", "empty"][i % 2]))
            .collect::<String>();
    fs::write(folder.path().join("truth.csv"), all).unwrap();
    let found =
        vertebra(folder.path(), &["evaluate", "run", "data", "--truth", "truth.csv", "--json"]).ok().json();
    let found = &found["localisation"];
    assert_eq!(
        (&found["boxes"], &found["pointing_game"], &found["box_area"]),
        (&8.into(), &1.0.into(), &1.0.into())
    );
    // Boxes of one class only are named after it, whichever is positive; those around something else are not taken for it.
    let truth = |name: &str, rows: &[(&str, &str)]| {
        let rows = rows.iter().map(|(image, name)| format!("test/{image}.png,0,0,32,32,{name}\n"));
        let table = "path,x0,y0,x1,y1,finding\n".to_owned() + &rows.collect::<String>();
        fs::write(folder.path().join(name), table).unwrap();
        let found = vertebra(folder.path(), &["evaluate", "run", "data", "--truth", name, "--json"]).ok();
        (found.json()["localisation"].clone(), found.stderr)
    };
    let (found, said) = truth("named.csv", &[("disc/0", "Disc"), ("disc/2", "other"), ("empty/1", "disc")]);
    assert_eq!((&found["class"], &found["boxes"]), (&"disc".into(), &1.into()), "{found}");
    assert!(said.contains("boxes of what is no class of the model are passed over: other"), "{said}");
    let (found, said) = truth("unknown.csv", &[("empty/1", "Banana"), ("empty/3", "")]);
    assert_eq!((&found["class"], &found["boxes"]), (&"empty".into(), &2.into()), "{found}");
    assert!(said.contains("boxes count whatever they are around, for no class is called Banana"), "{said}");
    fs::write(folder.path().join("truth.csv"), "path,x0,y0,x1,y1\nother.png,0,0,1,1\n").unwrap();
    let evaluate = ["evaluate", "run", "data", "--truth", "truth.csv"];
    vertebra(folder.path(), &evaluate).fails(1, &["found none"]);
    // Edges in another order, fractions of the side, and beside the picture.
    for (place, words) in [
        ("20,0,4,32", "line 2: expected right and lower edges beyond the left and upper ones, found 20 to 4"),
        (
            "0.1,0.1,0.9,0.9",
            "test/disc/0.png: expected a box in pixels of the upright picture (32 wide, 32 high)",
        ),
        ("40,0,60,32", "found 40 to 60 across"),
    ] {
        let table = format!("path,x0,y0,x1,y1\ntest/disc/0.png,{place}\ntest/empty/1.png,{place}\n");
        fs::write(folder.path().join("truth.csv"), table).unwrap();
        vertebra(folder.path(), &evaluate).fails(1, &[words]);
    }
}

#[test]
fn a_run_has_a_report_and_a_card() {
    let folder = workspace();
    manifest(folder.path());
    train(folder.path(), "table.csv", "run", &["--epochs", "2"]).ok();
    let page = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(page.contains("<title>run: Vertebra report</title>") && page.contains("id=\"learning\""));
    assert!(page.contains("opened once") && !page.contains("http://") && !page.contains("https://"));
    let card = fs::read_to_string(folder.path().join("run/model-card.md")).unwrap();
    assert!(card.contains("## Training") && card.contains("[to be filled in]"));
    // Made again, it is the same.
    vertebra(folder.path(), &["report", "run"]).ok();
    assert_eq!(fs::read_to_string(folder.path().join("run/report.html")).unwrap(), page);
    assert_eq!(fs::read_to_string(folder.path().join("run/model-card.md")).unwrap(), card);

    let arguments = ["evaluate", "run", "table.csv", "--subgroup", "sex", "--report", "own.html"];
    vertebra(folder.path(), &arguments).ok();
    let own = fs::read_to_string(folder.path().join("own.html")).unwrap();
    assert!(own.contains("sex = not given") && own.contains("opened <strong>2 times</strong>"));
    fs::remove_file(folder.path().join("data/train/disc/0.png")).unwrap();
    vertebra(folder.path(), &["report", "run"]).fails(1, &["data/train/disc/0.png"]);
    vertebra(folder.path(), &["report", "data"]).fails(1, &["best.safetensors"]);
}

#[test]
fn what_the_data_are_worth_stands_beside_the_number() {
    let folder = workspace();
    let first = train(folder.path(), "data", "run", &["--epochs", "1", "--json"]).ok().json();
    let evaluate = |data: &str, more: &[&str]| {
        vertebra(folder.path(), &[&["evaluate", "run", data][..], more].concat()).ok()
    };
    let own = evaluate("data", &["--json"]).json();
    assert_eq!(own["audit"], first["audit"], "the data that it was trained on, with the same verdict");
    assert_eq!((&own["audit"]["leaks"], &own["audit"]["trained_on"]), (&false.into(), &Value::Null));
    assert!(evaluate("data", &[]).stdout.contains("no groups are known, so images of one patient may lie"));

    // Other data: two images that were trained with, under other names, and one of them twice.
    let other = |path: &str| folder.path().join("other").join(path);
    for class in ["disc", "empty"] {
        fs::create_dir_all(other(class)).unwrap();
    }
    for (from, to) in [
        ("test/disc/0", "disc/a"), // Not trained with.
        ("train/disc/2", "disc/b"),
        ("train/disc/2", "disc/c"),
        ("val/empty/1", "empty/d"),
        ("test/empty/1", "empty/e"),
    ] {
        fs::copy(folder.path().join(format!("data/{from}.png")), other(&format!("{to}.png"))).unwrap();
    }
    let found = evaluate("other", &["--json", "--report", "other.html"]).json();
    assert_eq!((&found["audit"]["trained_on"], &found["audit"]["leaks"]), (&3.into(), &true.into()));
    let page = fs::read_to_string(folder.path().join("other.html")).unwrap();
    assert!(page.contains("<title>run on other: Vertebra report</title>"));
    let words = "the model was trained or validated with 3 of these 5 files";
    assert!(page.find(words).unwrap() < page.find("id=\"result\"").unwrap(), "above the figures");
    let said = evaluate("other", &[]).stdout;
    assert!(said.contains(words) && said.contains("2 images are 1 set of identical files"), "{said}");

    // The same by its file, which lies in the run folder; elsewhere nothing is known, and that is said.
    let file = ["evaluate", "run/best.safetensors", "other"];
    assert!(vertebra(folder.path(), &file).ok().stdout.contains(words));
    fs::copy(folder.path().join("run/best.safetensors"), folder.path().join("alone.safetensors")).unwrap();
    let unknown = "whether alone.safetensors was trained with some of these files is not known";
    let alone = vertebra(folder.path(), &["evaluate", "alone.safetensors", "other"]).ok();
    assert!(alone.stderr.contains(unknown), "{}", alone.stderr);
    let compared = vertebra(folder.path(), &["compare", "run", "alone.safetensors", "other"]).ok().stderr;
    for words in ["warning: run was trained or validated with 3 of these 5 images", unknown] {
        assert!(compared.contains(words), "{words}: {compared}");
    }
    let calibrate = ["calibrate", "run", "other", "--rule", "value:0.5", "--out", "site.safetensors"];
    let found = vertebra(folder.path(), &calibrate).ok().stdout;
    assert!(
        found.contains("warning: the model was trained or validated with 3 of these 5 images"),
        "{found}"
    );
    // Its own training images, and those that chose its threshold.
    let own = evaluate("data", &["--split", "train"]);
    assert!(
        own.stdout.contains("the model was trained or validated with 25 of these 25 files"),
        "{}",
        own.stdout
    );
    let own = evaluate("data", &["--split", "val"]);
    assert!(own.stderr.contains("the threshold was chosen on these very images"), "{}", own.stderr);
    let site = || vertebra(folder.path(), &["evaluate", "site.safetensors", "other"]).ok().stderr;
    assert!(!site().contains("the threshold was chosen"), "it was set by hand");
    let calibrate = ["calibrate", "run", "other", "--out", "site.safetensors"];
    vertebra(folder.path(), &calibrate).ok();
    assert!(site().contains("the threshold was chosen on these very images"), "{}", site());
}

/// A model is not overwritten because it was named by its folder, and figures are not lost with a file.
#[test]
fn what_is_read_is_not_written_and_figures_come_first() {
    let folder = workspace();
    train(folder.path(), "data", "run", &["--epochs", "1"]).ok();
    let best = fs::read(folder.path().join("run/best.safetensors")).unwrap();
    let evaluate =
        |more: &[&str]| vertebra(folder.path(), &[&["evaluate", "run", "data"][..], more].concat());
    for option in ["--predictions", "--report"] {
        evaluate(&[option, "run/best.safetensors", "--force"])
            .fails(2, &[option, "expected another file than those that are read"]);
    }
    assert_eq!(fs::read(folder.path().join("run/best.safetensors")).unwrap(), best);
    evaluate(&["--predictions", "a.out", "--report", "./a.out"])
        .fails(2, &["--report ./a.out: expected another file than that of --predictions"]);
    vertebra(folder.path(), &["audit", "data", "--html", "a.out", "--write-groups", "a.out"])
        .fails(2, &["--html"]);
    // A name that no system takes: known only when it is written.
    let name = format!("{}.csv", "x".repeat(300));
    let ended = evaluate(&["--predictions", &name, "--json"]);
    assert_eq!(ended.json()["images"], 8, "the figures all the same");
    ended.fails(1, &["xxx.csv"]);
    let ended = vertebra(folder.path(), &["audit", "data", "--write-groups", &name, "--json"]);
    assert_eq!(ended.json()["images"], 41);
    ended.fails(1, &["xxx.csv"]);
}
