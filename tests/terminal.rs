//! What a name may do to a terminal: nothing. For people, characters that would steer it are escapes; JSON and CSV hold
//! names as they are.
#![cfg(unix)]

use crate::support::{Ended, train, trained, vertebra, workspace};
use std::fs;
use std::path::Path;

/// Names of files with a sequence that colours, one that clears, a line break with a line behind it, a text that reads from
/// right to left, an isolate, and the one-character form of `ESC [`.
const NAMES: [&str; 6] = [
    "\u{1b}[31mred.png",
    "clear\u{1b}[2J\u{7}.png",
    "line\nFORGED normal.png",
    "turned\u{202e}gnp.exe.png",
    "isolated\u{2066}x\u{2069}\u{200f}.png",
    "short\u{9b}2J\r.png",
];

fn steers(letter: char) -> bool {
    letter != '\n' && letter.is_control()
        || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}".contains(letter)
        || ('\u{202a}'..='\u{202e}').contains(&letter)
        || ('\u{2066}'..='\u{2069}').contains(&letter)
}

/// Asserts that nothing steers, that no name begins a line, and that what was escaped can be seen.
#[track_caller]
fn is_safe(ended: &Ended) {
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains(steers), "{said:?}");
        assert!(said.lines().all(|line| !line.starts_with("FORGED")), "{said}");
    }
    let said = format!("{}{}", ended.stdout, ended.stderr);
    let escapes = [r"\u{1b}", r"\n", r"\u{202e}", r"\u{2066}", r"\u{9b}", r"\033"];
    assert!(escapes.iter().any(|escape| said.contains(escape)), "no name is there: {said}");
}

fn run() -> &'static str {
    static RUN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    RUN.get_or_init(|| trained().join("run").to_str().unwrap().to_owned())
}

/// A data set whose files have such names: an image each, or text.
fn data(folder: &Path, readable: bool) {
    for (at, name) in NAMES.into_iter().enumerate() {
        for split in ["train", "test"] {
            let class = ["disc", "empty"][at % 2];
            let to = folder.join("data").join(split).join(class).join(name);
            let image = fs::read(trained().join(format!("data/test/{class}/{}.png", at % 2))).unwrap();
            fs::write(to, if readable { &image } else { &b"no image"[..] }).unwrap();
        }
    }
}

#[test]
fn predictions_and_their_errors() {
    for readable in [true, false] {
        let folder = workspace();
        data(folder.path(), readable);
        let inside = folder.path().join("data/test/disc");
        for name in NAMES.into_iter().step_by(2) {
            // What a shell makes of *.png: nothing stands before the name.
            let ended = vertebra(&inside, &["predict", run(), name]);
            assert_eq!(ended.status, Some(i32::from(!readable)));
            is_safe(&ended);
            assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
        }
        is_safe(&vertebra(&inside, &["predict", run(), NAMES[0], "--heatmap", "maps"]));
        let jsonl = vertebra(&inside, &["predict", run(), NAMES[2], "--format", "jsonl"]).stdout;
        let line: serde_json::Value = serde_json::from_str(&jsonl).unwrap();
        assert_eq!(line["path"], NAMES[2], "JSON has the name as it is");
        let csv = vertebra(&inside, &["predict", run(), NAMES[2], "--format", "csv"]).stdout;
        assert!(csv.contains(&format!("\"{}\"", NAMES[2])) || csv.contains(NAMES[2]), "so does CSV: {csv}");
        is_safe(&vertebra(&inside, &["predict", run(), "nothing\u{1b}[2J\nFORGED"]));
    }
}

#[test]
fn data_sets_of_such_names() {
    let folder = workspace();
    data(folder.path(), true);
    is_safe(&vertebra(folder.path(), &["audit", "data"]));
    let split = ["split", "data", "--by", "no-such-column\u{1b}[2J\nFORGED", "--out", "split.csv"];
    is_safe(&vertebra(folder.path(), &split));

    let folder = workspace();
    data(folder.path(), false);
    is_safe(&vertebra(folder.path(), &["audit", "data"]));
    let found = vertebra(folder.path(), &["audit", "data", "--json"]).json();
    let listed = |name: &str| {
        let files = found["unreadable"].as_array().unwrap();
        files.iter().any(|file| file["path"].as_str().unwrap().ends_with(name))
    };
    assert!(NAMES.into_iter().all(listed), "JSON has the names as they are: {found}");
    is_safe(&train(folder.path(), "data", "run", &["--epochs", "1"]));
    is_safe(&vertebra(folder.path(), &["evaluate", run(), "data"]));
    let skip = ["evaluate", run(), "data", "--skip-unreadable", "--max-unreadable", "1"];
    is_safe(&vertebra(folder.path(), &skip));
}

#[test]
fn folders_classes_and_columns_of_such_names() {
    let folder = workspace();
    let (class, data) = ("disc\u{1b}[31m\nFORGED", "data\u{1b}[2J\nFORGED");
    fs::rename(folder.path().join("data"), folder.path().join(data)).unwrap();
    for split in ["train", "val", "test"] {
        let split = folder.path().join(data).join(split);
        fs::rename(split.join("disc"), split.join(class)).unwrap();
    }
    let out = "run\u{202e}\nFORGED";
    let ended = train(folder.path(), data, out, &["--epochs", "1", "--no-augment"]).ok();
    is_safe(&ended);
    assert!(ended.stdout.contains(r"run folder: run\u{202e}\nFORGED"), "{}", ended.stdout);
    for command in
        [&["evaluate", out, data][..], &["compare", out, out, data], &["audit", data], &["report", out]]
    {
        is_safe(&vertebra(folder.path(), command).ok());
    }
    is_safe(&vertebra(folder.path(), &["inspect", out]).ok());
    is_safe(&vertebra(folder.path(), &["predict", out, data]).ok());
    let gone = format!("{data}-moved");
    fs::rename(folder.path().join(data), folder.path().join(gone)).unwrap();
    is_safe(&vertebra(folder.path(), &["report", out]));
    is_safe(&train(folder.path(), data, out, &[]));
}

#[test]
fn what_is_no_model_and_what_is_typed() {
    let folder = workspace();
    for (at, name) in NAMES.into_iter().enumerate() {
        fs::write(folder.path().join(name), ["no model", "{}", ""][at % 3]).unwrap();
        is_safe(&vertebra(folder.path(), &["inspect", name]));
        is_safe(&vertebra(folder.path(), &["import", name, "--out", "model.safetensors"]));
        let option = format!("--{name}");
        for typed in [&["predict", run(), &option][..], &["train", "--epochs", name], &[name]] {
            is_safe(&vertebra(folder.path(), typed));
        }
    }
    let onnx = ["export", run(), "--to", "onnx", "--out", NAMES[2]];
    is_safe(&vertebra(folder.path(), &onnx));
    fs::write(folder.path().join("a.toml"), "lr = \"\u{1b}[2J\u{202e}\"\n").unwrap();
    is_safe(&vertebra(folder.path(), &["train", "--config", "a.toml"]));
}

#[test]
fn nothing_prints_but_the_terminal() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/cli")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // The lines of progress are drawn there, and hold no names.
                folders.extend((!path.ends_with("terminal")).then_some(path));
            } else if !path.ends_with("terminal.rs") {
                files += 1;
                let text = fs::read_to_string(&path).unwrap().replace("stdout().is_terminal()", "");
                for word in ["print!(", "println!(", "stdout()", "stderr()"] {
                    assert!(!text.contains(word), "{} prints by {word}", path.display());
                }
            }
        }
    }
    assert!(files > 30, "{files}");
}
