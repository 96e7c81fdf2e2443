//! What people hand to the program: folders with other things in them, manifests of spreadsheets, damaged images, odd
//! names, an image on stdin. Nothing is passed over, assumed or left out in silence.

use crate::support::{Ended, command, copy, train, trained, vertebra, workspace};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

fn run() -> String {
    trained().join("run").to_str().unwrap().to_owned()
}

/// The JSON lines of `predict`.
fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON document a line")).collect()
}

/// Puts a file of `content` at `name` below `folder`.
fn put(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn predict_passes_over_what_systems_leave_in_folders() {
    let folder = tempfile::tempdir().unwrap();
    let image = fs::read(trained().join("data/test/disc/0.png")).unwrap();
    let hidden =
        ["._0.png", "__MACOSX/._1.png", ".ipynb_checkpoints/0-checkpoint.png", ".DS_Store", "Thumbs.db"];
    let more = ["@eaDir/0.png/SYNOFILE_THUMB_M.png", "$RECYCLE.BIN/1.png", "desktop.ini"];
    for name in [&hidden[..], &more].concat() {
        put(
            folder.path(),
            &format!("pf/{name}"),
            if name.ends_with("checkpoint.png") { &image } else { b"\0\x05\x16\x07" },
        );
    }
    let images = ["0.png", "UP.PNG", "deep/1", "späce é 名.png", "x.jfif"];
    images.iter().for_each(|name| put(folder.path(), &format!("pf/{name}"), &image));
    for inputs in [&["pf"][..], &["pf/**"], &["pf/*.*", "pf/deep/?"]] {
        let ended =
            vertebra(folder.path(), &[&["predict", &run(), "--format", "jsonl"], inputs].concat()).ok();
        let mut found: Vec<_> =
            lines(&ended).iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect();
        found.sort();
        let want = images.map(|name| format!("pf/{name}"));
        assert_eq!(found, want, "{inputs:?}");
        for words in ["passed over", "hidden or of the system", "pf/.DS_Store"] {
            assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        }
    }
    // What is named itself is tried.
    vertebra(folder.path(), &["predict", &run(), "pf/._0.png"]).fails(1, &["unknown bytes"]);
}

#[cfg(unix)]
#[test]
fn predict_goes_round_no_circle() {
    let folder = tempfile::tempdir().unwrap();
    let image = fs::read(trained().join("data/test/disc/0.png")).unwrap();
    put(folder.path(), "set/a/1.png", &image);
    std::os::unix::fs::symlink("..", folder.path().join("set/a/up")).unwrap();
    std::os::unix::fs::symlink("gone.png", folder.path().join("set/lost.png")).unwrap();
    let ended = vertebra(folder.path(), &["predict", &run(), "set", "--format", "jsonl"]);
    let ended = ended.fails(1, &["1 of 2 inputs failed", "a link back to a folder above it (set/a/up)"]);
    let found = lines(&ended);
    assert_eq!((&found[0]["path"], &found[1]["path"]), (&"set/a/1.png".into(), &"set/lost.png".into()));
    assert!(found[1]["error"].as_str().unwrap().contains("No such file"));
}

/// A set in which half of the files have other names or formats.
fn mixed(folder: &Path) {
    copy(&workspace().path().join("data"), &folder.join("mix"));
    for split in ["train", "val", "test"] {
        for class in ["disc", "empty"] {
            let place = folder.join("mix").join(split).join(class);
            let names: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect();
            for (i, path) in names.iter().enumerate().filter(|(i, _)| i % 2 == 0) {
                let name = ["jfif", "IMA", "", "img"][i / 2 % 4];
                fs::rename(path, path.with_extension(name)).unwrap();
            }
        }
    }
    put(folder, "mix/train/disc/scan.tif", b"II*\0\x08\0\0\0");
    put(folder, "mix/train/disc/old.gif", b"GIF89a\x01\0");
    put(folder, "mix/val/empty/notes.txt", b"words");
    put(folder, "mix/test/.DS_Store", b"\0\0");
}

#[test]
fn every_command_takes_images_by_content_and_says_what_it_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    mixed(folder.path());
    let at = folder.path();
    let said = [
        "1 in TIFF format, which is not read (train/disc/scan.tif)",
        "1 in GIF format",
        "1 text",
        "1 hidden",
    ];
    let check = |ended: &Ended| {
        for words in said {
            assert!(ended.stderr.contains(words), "{words:?}: {}", ended.stderr);
        }
        assert_eq!(ended.stderr.matches("passed over 4 files").count(), 1, "once: {}", ended.stderr);
    };
    let trained = train(at, "mix", "run", &["--epochs", "1", "--json"]).ok();
    check(&trained);
    let audit = vertebra(at, &["audit", "mix", "--json"]).ok();
    check(&audit);
    let evaluated = vertebra(at, &["evaluate", "run", "mix", "--json"]).ok();
    check(&evaluated);
    let compared = vertebra(at, &["compare", "run", "run", "mix", "--json"]).ok();
    check(&compared);
    for ended in [&trained, &audit, &evaluated, &compared] {
        let passed = &ended.json()["passed_over"];
        assert_eq!((&passed["files"], passed["reasons"].as_array().unwrap().len()), (&4.into(), 4));
    }
    assert_eq!((&audit.json()["images"], &evaluated.json()["images"]), (&41.into(), &8.into()));
    check(&vertebra(at, &["split", "mix", "--by", "*", "--out", "split.csv"]).ok());
    let predicted = vertebra(at, &["predict", "run", "mix", "--format", "jsonl"]).ok();
    assert_eq!(lines(&predicted).len(), 41);
    assert!(predicted.stderr.contains("1 in TIFF format, which is not read (mix/train/disc/scan.tif)"));
    let folds = ["train", "mix", "--group-by", "*", "--folds", "2", "--out", "cv", "--epochs", "1"];
    check(&vertebra(at, &[&folds[..], &crate::support::TINY].concat()).ok());
}

#[test]
fn folders_named_as_splits_are_splits_or_a_question() {
    let folder = workspace();
    let at = folder.path();
    for (name, splits) in
        [("other", ["Training", "dev", "TESTING"]), ("third", ["train_set", "validation", "holdout"])]
    {
        for (from, to) in ["train", "val", "test"].iter().zip(splits) {
            copy(&at.join("data").join(from), &at.join(name).join(to));
        }
        let audit = vertebra(at, &["audit", name, "--json"]).ok();
        assert_eq!(audit.json()["classes"], serde_json::json!(["disc", "empty"]));
        assert!(audit.stderr.contains("is taken as the"), "{}", audit.stderr);
    }
    // Splits without class folders, another folder beside them, and an archive's folder around them.
    copy(&at.join("data/train/disc"), &at.join("flat/training"));
    copy(&at.join("data/test/disc"), &at.join("flat/testing"));
    copy(&at.join("data"), &at.join("beside"));
    copy(&at.join("data/train"), &at.join("beside/extra"));
    copy(&at.join("data"), &at.join("around/dataset"));
    for split in ["train", "test"] {
        for class in ["disc", "empty"] {
            copy(&at.join("data").join(split).join(class), &at.join("below").join(class).join(split));
        }
    }
    for (name, words) in [
        ("flat", &["outside of every class folder"][..]),
        ("beside", &["\"test\", \"train\" and \"val\"", "\"extra\""]),
        ("around", &["give around/dataset"]),
        ("below", &["inside of other folders", "\"disc/test\""]),
    ] {
        train(at, name, "run", &[]).fails(1, words);
        vertebra(at, &["audit", name]).fails(1, words);
        vertebra(at, &["split", name, "--by", "*", "--out", "s.csv"]).fails(1, words);
        vertebra(at, &["evaluate", &run(), name]).fails(1, words);
    }
    assert!(!at.join("run").exists());
}

#[test]
fn a_split_has_many_names_on_the_command_line_too() {
    for name in ["testing", "TEST", "holdout"] {
        let ended =
            vertebra(trained(), &["evaluate", "run/best.safetensors", "data", "--split", name, "--json"])
                .ok();
        assert_eq!(ended.json()["split"], "test", "{name}");
    }
}

#[test]
fn a_manifest_of_a_spreadsheet_trains() {
    let folder = workspace();
    let mut rows = String::from("Path;Label;Split;;\r\n");
    for (split, images) in [("train", 25), ("val", 8), ("test", 8)] {
        for i in 0..images {
            let class = ["disc", "empty"][i % 2];
            rows += &format!(
                "data\\{split}\\{class}\\{i}.png;{class};{};;\r\n",
                if split == "val" { "Validation" } else { split }
            );
        }
    }
    rows += ";;;;\r\n;;;;\r\n";
    put(folder.path(), "sheet.csv", format!("\u{feff}{rows}").as_bytes());
    let utf16: Vec<u8> =
        format!("\u{feff}{}", rows.replace(';', "\t")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    put(folder.path(), "sheet.txt", &utf16);
    for name in ["sheet.csv", "sheet.txt"] {
        let ended = train(folder.path(), name, &format!("run-{name}"), &["--epochs", "1", "--json"]).ok();
        assert_eq!(ended.json()["result"]["images"], 8);
        assert!(ended.stderr.contains("train 25 images"), "{}", ended.stderr);
    }
    let bad = rows.replace("data\\train\\empty\\3.png", "data\\train\\empty\\none.png");
    put(folder.path(), "bad.csv", bad.as_bytes());
    vertebra(folder.path(), &["audit", "bad.csv"]).fails(1, &["data/train/empty/none.png"]);
    train(folder.path(), "bad.csv", "bad", &[])
        .fails(1, &["bad.csv: line 5: data\\train\\empty\\none.png", "--skip-unreadable"]);
}

/// A set with one image in many cut off, and one that is none.
fn damaged(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join("data").join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(
            path,
            if name.contains("train/disc/0") { b"words".to_vec() } else { whole[..whole.len() / 2].to_vec() },
        )
        .unwrap();
    }
}

#[test]
fn unreadable_images_are_left_out_only_when_asked_and_counted() {
    let folder = workspace();
    let at = folder.path();
    let bad = ["train/disc/0.png", "train/empty/7.png", "val/disc/2.png", "test/disc/4.png"];
    damaged(at, &bad);
    train(at, "data", "plain", &["--epochs", "1"]).fails(1, &["--skip-unreadable"]);
    let skip = ["--epochs", "2", "--skip-unreadable"];
    train(at, "data", "few", &skip).fails(
        1,
        &[
            "at most 1 % of the images",
            "found 4 of 41 (9.8 %)",
            "test/disc/4.png: truncated",
            "and 1 more",
            "--max-unreadable",
        ],
    );
    assert!(!at.join("few").exists());
    train(at, "data", "few", &[&skip[..], &["--max-unreadable", "2"]].concat())
        .fails(2, &["--max-unreadable"]);

    let skip = [&skip[..], &["--max-unreadable", "0.1"]].concat();
    let ended = train(at, "data", "run", &[&skip[..], &["--json"]].concat()).ok();
    for words in
        ["left out 4 of 41 images that cannot be read", "train/disc/0.png: expected a PNG", "train 23 images"]
    {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let found = ended.json();
    assert_eq!((&found["result"]["images"], found["unreadable"].as_array().unwrap().len()), (&7.into(), 4));
    let listed = fs::read_to_string(at.join("run/unreadable.csv")).unwrap();
    assert!(bad.iter().all(|name| listed.contains(&format!("{name},"))), "{listed}");
    let config = fs::read_to_string(at.join("run/config.toml")).unwrap();
    assert!(config.contains("skip_unreadable = true") && config.contains("max_unreadable = 0.1"), "{config}");
    let provenance = model::Model::read(at.join("run")).unwrap().metadata.provenance;
    assert_eq!(provenance.config["unreadable_images"], 4);
    assert!(fs::read_to_string(at.join("run/model-card.md")).unwrap().contains("unreadable"));

    // Stopped and resumed is not interrupted.
    train(at, "data", "parts", &[&skip[..], &["--max-steps", "2"]].concat()).ok();
    vertebra(at, &["train", "--resume", "--out", "parts"]).ok();
    for name in ["best.safetensors", "predictions.csv"] {
        let [a, b] = ["run", "parts"].map(|run| fs::read(at.join(run).join(name)).unwrap());
        assert!(a == b, "{name} differs after a resume");
    }

    // The run's own data are recognised, and the same option evaluates what can be read.
    vertebra(at, &["evaluate", "run", "data"])
        .fails(1, &["test/disc/4.png", "truncated", "--skip-unreadable"]);
    let options = ["--skip-unreadable", "--max-unreadable", "0.2"];
    let evaluated = vertebra(at, &[&["evaluate", "run", "data", "--json"][..], &options].concat()).ok();
    assert!(
        evaluated.stderr.contains("this is the data set that the model was trained on"),
        "{}",
        evaluated.stderr
    );
    assert_eq!(
        (&evaluated.json()["images"], &evaluated.json()["unreadable"][0]["path"]),
        (&7.into(), &"test/disc/4.png".into())
    );
    assert_eq!(evaluated.json()["auroc"], found["result"]["auroc"]);
    vertebra(at, &["evaluate", "run", "data", "--skip-unreadable"]).fails(1, &["found 1 of 8 (12.5 %)"]);
    vertebra(at, &[&["compare", "run", "run", "data"][..], &options].concat()).ok();
    vertebra(at, &["report", "run"]).ok();
}

/// Before the first step, for no step reads it: nothing of a run is left that cannot be finished.
#[test]
fn a_damaged_test_image_is_found_before_training() {
    for name in ["test/disc/4.png", "val/empty/1.png"] {
        let folder = workspace();
        let at = folder.path();
        damaged(at, &[name]);
        train(at, "data", "run", &["--epochs", "1"]).fails(1, &[name, "truncated", "--skip-unreadable"]);
        assert!(!at.join("run").exists(), "{name}");
        let again = ["--epochs", "1", "--skip-unreadable", "--max-unreadable", "0.1"];
        train(at, "data", "run", &again).ok();
    }
}

#[test]
fn a_class_that_would_be_empty_is_refused() {
    let folder = workspace();
    let at = folder.path();
    damaged(at, &["val/empty/1.png", "val/empty/3.png", "val/empty/5.png", "val/empty/7.png"]);
    train(at, "data", "run", &["--skip-unreadable", "--max-unreadable", "0.5"]).fails(
        1,
        &["no image of the class \"empty\" in the val split can be read", "val/empty/1.png: truncated"],
    );
    assert!(!at.join("run").exists());
}

#[test]
fn folds_are_drawn_from_what_can_be_read() {
    let folder = workspace();
    let at = folder.path();
    damaged(at, &["train/disc/0.png", "test/empty/1.png"]);
    let mut rows = String::from("path,label,patient\n");
    for (split, images) in [("train", 25), ("val", 8), ("test", 8)] {
        for i in 0..images {
            let class = ["disc", "empty"][i % 2];
            rows += &format!("data/{split}/{class}/{i}.png,{class},{split}{}\n", i / 2 % 4);
        }
    }
    rows += "data/none.png,disc,train0\n";
    put(at, "all.csv", rows.as_bytes());
    let arguments = [
        "train",
        "all.csv",
        "--group-by",
        "patient",
        "--folds",
        "2",
        "--epochs",
        "1",
        "--out",
        "cv",
        "--json",
    ];
    let options = ["--skip-unreadable", "--max-unreadable", "0.1"];
    let ended = vertebra(at, &[&arguments[..], &crate::support::TINY, &options].concat()).ok();
    assert_eq!(ended.json()["pooled"]["images"], 39);
    let listed = fs::read_to_string(at.join("cv/unreadable.csv")).unwrap();
    assert_eq!(listed.lines().count(), 4, "{listed}");
}

#[test]
fn stdin_holds_an_image_or_paths() {
    let folder = trained();
    let ask = |bytes: &[u8], more: &[&str]| {
        let arguments = [&["predict", "run", "-", "--format", "jsonl"][..], more].concat();
        let mut child = command(folder, &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        Ended::of(child.wait_with_output().unwrap())
    };
    let image = fs::read(folder.join("data/test/disc/0.png")).unwrap();
    let by_path = ask(b"data/test/disc/0.png\r\n", &[]).ok();
    let by_bytes = ask(&image, &[]).ok();
    assert_eq!(lines(&by_bytes)[0]["probabilities"], lines(&by_path)[0]["probabilities"]);
    assert_eq!(lines(&by_bytes)[0]["path"], "-");
    let maps = tempfile::tempdir().unwrap();
    let drawn = ask(&image, &["--heatmap", maps.path().to_str().unwrap()]).ok();
    assert!(Path::new(lines(&drawn)[0]["heatmap"].as_str().unwrap()).exists());
    for (bytes, reason) in
        [(&image[..image.len() / 2], "truncated"), (b"II*\0\x08\0\0\0", "found a TIFF file")]
    {
        let ended = ask(bytes, &[]).fails(1, &[reason, "1 of 1 inputs failed"]);
        assert_eq!(lines(&ended)[0]["path"], "-");
    }
}

/// A line names one class, and shows that class, whatever the threshold chose.
#[test]
fn the_top_class_is_the_label() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = model::Model::read(trained().join("run")).unwrap();
    for value in [0.01, 0.99] {
        model.metadata.threshold = Some(model::StoredThreshold {
            value,
            rule: "by hand".into(),
            positive: "disc".into(),
            evidence: None,
        });
        let path = folder.path().join("m.safetensors");
        model.write(&path).unwrap();
        let arguments = ["predict", path.to_str().unwrap(), "data/test", "--top", "1"];
        for line in lines(&vertebra(trained(), &[&arguments[..], &["--format", "jsonl"]].concat()).ok()) {
            let label = line["label"].as_str().unwrap();
            let top = line["probabilities"].as_object().unwrap();
            assert_eq!((top.len(), &top[label]), (1, &line["probability"]), "{line}");
        }
        let table = vertebra(trained(), &arguments).ok().stdout;
        for line in table.lines() {
            let (label, shown) = line.split_once("  ").unwrap().1.split_once("  (").unwrap();
            assert!(shown.starts_with(&format!("{label} ")), "{line}");
        }
        let csv = vertebra(trained(), &[&arguments[..], &["--format", "csv"]].concat()).ok().stdout;
        for line in csv.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let at = if cells[1] == "disc" { 3 } else { 4 };
            assert_eq!((cells[2], cells[7 - at]), (cells[at], ""), "{line}");
        }
    }
}

/// On Unix the name of a file is bytes. It is shown as well as it can be, and the file is found again.
#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_go_through_every_command() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let odd = |name: &[u8]| OsString::from_vec(name.to_vec());
    let folder = workspace();
    let at = folder.path();
    for split in ["train", "val", "test"] {
        let class = at.join("data").join(split).join("disc");
        for (i, entry) in fs::read_dir(&class).unwrap().enumerate() {
            let name = [format!("{i} caf").as_bytes(), b"\xe9.png"].concat();
            fs::rename(entry.unwrap().path(), class.join(odd(&name))).unwrap();
        }
    }
    train(at, "data", "run", &["--epochs", "1", "--json"]).ok().json();
    for more in [
        &["evaluate", "run", "data", "--json"][..],
        &["audit", "data", "--json"],
        &["report", "run", "--json"],
    ] {
        vertebra(at, more).ok().json();
    }
    vertebra(at, &["split", "data", "--by", "*", "--out", "split.csv"]).ok();
    train(at, "split.csv", "again", &["--epochs", "1"]).ok();
    let found = vertebra(at, &["predict", "run", "data/test", "--format", "jsonl"]).ok();
    assert_eq!(lines(&found).len(), 8);
    assert!(found.stdout.contains("caf\u{fffd}.png"));
    // For programs, each name is the one that it is.
    let of_bytes =
        |line: &Value| line["path_bytes"].as_str().map(|bytes| bytes.ends_with("20636166e92e706e67"));
    assert_eq!(lines(&found).iter().filter_map(of_bytes).collect::<Vec<_>>(), [true; 4]);
    let csv = command(at, &["predict", "run", "data/test", "--format", "csv"]).output().unwrap().stdout;
    assert_eq!(csv.windows(8).filter(|bytes| bytes == b"caf\xe9.png").count(), 4);

    // Folders and the run too.
    fs::rename(at.join("data"), at.join(odd(b"d\xe9"))).unwrap();
    let arguments = |words: &[&[u8]]| -> Vec<OsString> { words.iter().map(|word| odd(word)).collect() };
    let tiny = crate::support::TINY.map(str::as_bytes);
    let options =
        [&[&b"train"[..], b"d\xe9", b"--out", b"r\xe9", b"--max-steps", b"1", b"--json"][..], &tiny].concat();
    vertebra(at, &arguments(&options)).ok().json();
    vertebra(at, &arguments(&[b"train", b"--resume", b"--out", b"r\xe9", b"--max-steps", b"2"])).ok();
    vertebra(at, &arguments(&[b"compare", b"r\xe9", b"run", b"d\xe9", b"--json"])).ok().json();
    let manifest = fs::read(at.join("split.csv")).unwrap();
    assert!(
        manifest.windows(5).any(|bytes| bytes == b"caf\xe9."),
        "the manifest holds the names as they are"
    );
}
