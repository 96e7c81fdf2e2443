//! What happens to a run after it was made: it is resumed, moved, looked at, reported, and worked on by two at once.

#[cfg(unix)]
use crate::support::signalled;
use crate::support::{Ended, TINY, command, copy, train, train_arguments, vertebra, workspace};
use model::{Model, TensorFile};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// The set of [`workspace`] as one manifest without splits, a patient for every two images of a class.
fn patients(folder: &Path) {
    let mut table = String::from("path,label,patient\n");
    for (split, images) in [("train", 25), ("val", 8), ("test", 8)] {
        for i in 0..images {
            let class = ["disc", "empty"][i % 2];
            table += &format!("data/{split}/{class}/{i}.png,{class},{split}-{}\n", i / 4);
        }
    }
    fs::write(folder.join("table.csv"), table).unwrap();
}

const FOLDS: [&str; 4] = ["--group-by", "patient", "--folds", "2"];

fn resume(folder: &Path, more: &[&str]) -> Ended {
    vertebra(folder, &[&["train", "--resume", "--out", "run"][..], more].concat())
}

/// What a batch holds depends on the order of the rows.
#[test]
fn a_run_goes_on_only_with_its_images_in_their_order() {
    let folder = workspace();
    let folder = folder.path();
    patients(folder);
    let table = fs::read_to_string(folder.join("table.csv")).unwrap();
    train(folder, "table.csv", "run", &["--epochs", "2", "--max-steps", "1"]).ok();
    let (header, rows) = table.split_once('\n').unwrap();
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.swap(0, 1);
    fs::write(folder.join("table.csv"), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    resume(folder, &["--max-steps", "2"])
        .fails(1, &["another order", "restore the order of the manifest's rows"]);
    fs::write(folder.join("table.csv"), &table).unwrap();
    resume(folder, &["--max-steps", "2"]).ok();
    // Under other names, in the same order.
    for class in ["disc", "empty"] {
        let [from, to] =
            [class.to_owned(), format!("a-{class}")].map(|name| folder.join("data/val").join(name));
        fs::rename(from, to).unwrap();
    }
    fs::write(folder.join("table.csv"), table.replace("data/val/", "data/val/a-")).unwrap();
    resume(folder, &["--max-steps", "3"]).ok();
}

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn folds_go_on_with_their_own_settings_only() {
    let folder = workspace();
    let folder = folder.path();
    patients(folder);
    train(folder, "table.csv", "run", &[&FOLDS[..], &["--max-steps", "1"]].concat()).ok();
    // As if it had been stopped before the second fold began.
    fs::remove_dir_all(folder.join("run/fold-2")).unwrap();
    for (options, words) in [
        (&["--lr", "0.5"][..], "this run has lr 0.002, found 0.5"),
        (&["--seed", "1"], "this run has seed 0, found 1"),
        (&["--width", "0.5"], "this run has width 0.25, found 0.5"),
        (&["--group-by", "group"], "this run has group-by \"patient\", found \"group\""),
        (&["--folds", "3"], "this run has folds 2, found 3"),
        (&["--folds", "leave-one-group-out"], "this run has folds 2, found leave-one-group-out"),
        (&["--epochs", "29"], "--epochs: expected 30 or more"),
        (&["--no-augment"], "this run has augment true, found false"),
    ] {
        resume(folder, &[options, &["--max-steps", "1"]].concat()).fails(1, &[words]);
    }
    resume(folder, &["--max-steps", "0"]).fails(1, &["--max-steps: expected 1 or more"]);
    assert!(!folder.join("run/fold-2").exists(), "nothing was begun");
    // What the person typed first, with --resume.
    let again = [&["train", "table.csv", "--out", "run", "--resume", "--max-steps", "1"][..], &TINY, &FOLDS];
    let ended = vertebra(folder, &again.concat()).ok();
    assert!(!ended.stderr.contains("its length changes"), "{}", ended.stderr);
    assert!(folder.join("run/fold-2/predictions.csv").exists());

    // Not a single run, and no single run over it.
    train(folder, "table.csv", "run", &[]).fails(1, &["run: holds a run already"]);
    train(folder, "data", "single", &["--max-steps", "1"]).ok();
    let folds = ["train", "--resume", "--out", "single", "--folds", "2"];
    vertebra(folder, &folds).fails(1, &["this run has folds none, found 2"]);
}

#[test]
fn changed_data_do_not_go_on_in_folds() {
    let folder = workspace();
    let folder = folder.path();
    patients(folder);
    train(folder, "table.csv", "run", &[&FOLDS[..], &["--max-steps", "1"]].concat()).ok();
    let table = text(folder.join("table.csv"));
    let refused = |words: &[&str]| drop(resume(folder, &["--max-steps", "1"]).fails(1, words));
    // A patient of one image, a class of one image, an image less.
    for changed in [
        table.replacen("train-0", "train-9", 1),
        table.replacen("data/train/disc/0.png,disc", "data/train/disc/0.png,empty", 1),
        table.lines().take(40).collect::<Vec<_>>().join("\n"),
    ] {
        fs::write(folder.join("table.csv"), changed).unwrap();
        refused(&["the data set has changed since this run began (files, labels, splits or sizes)"]);
    }
    fs::write(folder.join("table.csv"), &table).unwrap();
    resume(folder, &["--max-steps", "1"]).ok();
    flip_a_byte(&folder.join("data/val/empty/1.png"));
    refused(&["the data set has changed", "what the files hold"]);
}

/// Changes a file, but not its size.
fn flip_a_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(path, bytes).unwrap();
}

#[test]
fn folds_that_are_prolonged_are_what_longer_ones_would_have_been() {
    let folder = workspace();
    let folder = folder.path();
    patients(folder);
    let run = |out: &str, epochs: &str| {
        train(folder, "table.csv", out, &[&FOLDS[..], &["--epochs", epochs, "--patience", "0"]].concat()).ok()
    };
    let long = run("long", "2");
    run("run", "1");
    let ended = resume(folder, &["--epochs", "2"]).ok();
    assert!(ended.stderr.contains("folds that were finished go on too"), "{}", ended.stderr);
    for name in ["fold-1", "fold-2"] {
        for file in ["best.safetensors", "last.safetensors", "predictions.csv"] {
            let [a, b] = ["long", "run"].map(|run| fs::read(folder.join(run).join(name).join(file)).unwrap());
            assert!(a == b, "{name}/{file} differs");
        }
    }
    // It ends with its report and with what to do next, which works.
    assert!(long.stdout.contains("report: long/report.html"), "{}", long.stdout);
    let line = long.stdout.lines().find_map(|line| line.split_once("with these settings: ")).unwrap().1;
    assert!(line.contains("train table.csv") && line.ends_with("--out long-all"), "{line}");
    for option in ["--group-by patient", "--epochs 2", "--patience 0", "--width 0.25", "--image-size 32"] {
        assert!(line.contains(option), "{option}: {line}");
    }
    let pasted = std::process::Command::new("sh").args(["-c", line]).current_dir(folder).output().unwrap();
    Ended::of(pasted).ok();
    assert!(folder.join("long-all/best.safetensors").exists());
}

#[test]
fn folds_without_groups_say_how_to_get_some() {
    let folder = workspace();
    train(folder.path(), "data", "run", &["--folds", "2"]).fails(1, &["found none", "--group-by '*'"]);
    train(folder.path(), "data", "run", &["--folds", "2", "--group-by", "*", "--max-steps", "1"]).ok();
}

/// Somebody's own manifest may be called as that of a fold is.
#[test]
fn a_manifest_of_that_name_makes_no_cross_validation() {
    let folder = workspace();
    let table = |name: &str| {
        let rows = (0..16).map(|i| format!("data/train/{}/{i}.png,{}\n", ["disc", "empty"][i % 2], i % 2));
        let missing = "data/none.png,0\n";
        fs::write(folder.path().join(name), format!("path,label\n{}{missing}", rows.collect::<String>()))
            .unwrap();
    };
    table("fold-1.csv");
    for out in ["exp1", "fold-1"] {
        let more = ["--max-steps", "1", "--skip-unreadable", "--max-unreadable", "0.5"];
        let said = train(folder.path(), "fold-1.csv", out, &more).ok().stderr;
        assert!(said.contains("none.png"), "{said}");
    }
}

#[test]
fn pixels_that_change_are_noticed() {
    let folder = workspace();
    let folder = folder.path();
    train(folder, "data", "run", &["--max-steps", "1"]).ok();
    let path = folder.join("data/train/disc/2.png");
    let before = fs::read(&path).unwrap();
    let evaluated = || vertebra(folder, &["evaluate", "run", "data", "--json"]).ok().stderr;
    assert!(evaluated().contains("this is the data set that the model was trained on"));
    flip_a_byte(&path);
    resume(folder, &["--max-steps", "2"]).fails(1, &["run: the data set has changed", "what the files hold"]);
    vertebra(folder, &["report", "run"]).fails(1, &["data: expected the data set that the run"]);
    assert!(!evaluated().contains("this is the data set"));
    // Two files that exchange their names, of one class and split, are the same images.
    fs::write(&path, &before).unwrap();
    let other = folder.join("data/train/disc/4.png");
    fs::write(&path, fs::read(&other).unwrap()).unwrap();
    fs::write(&other, before).unwrap();
    resume(folder, &["--max-steps", "2"]).ok();
}

/// The fingerprint that earlier versions wrote: SHA-256 of names, classes, splits and sizes.
fn of_an_earlier_version(folder: &Path) {
    let (dataset, _) = train::open_data(&folder.join("data"), None, 0).unwrap();
    for file in ["best.safetensors", "last.safetensors"] {
        let path = folder.join("run").join(file);
        let mut tensors = TensorFile::read(&path).unwrap();
        let document = tensors.metadata.get("vertebra").unwrap();
        let document = document.replace(&dataset.fingerprint(), &dataset.fingerprint_of_names());
        tensors.metadata.insert("vertebra".into(), document);
        tensors.write(&path).unwrap();
    }
    let config = text(folder.join("run/config.toml"));
    let plain = config.split("\n#").next().unwrap().replace(&format!("{}/", folder.display()), "");
    assert!(plain.contains("data = \"data\"") && plain.contains("out = \"run\""), "{plain}");
    fs::write(folder.join("run/config.toml"), plain).unwrap();
}

#[test]
fn a_run_of_an_earlier_version_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // By its name without links, as the program writes it.
    let root = folder.path().canonicalize().unwrap();
    copy(workspace().path(), &root);
    train(&root, "data", "run", &["--max-steps", "1"]).ok();
    of_an_earlier_version(&root);
    let said = vertebra(&root, &["evaluate", "run", "data"]).ok().stderr;
    assert!(said.contains("this is, by names and sizes, the data set"), "{said}");
    // From anywhere: its paths are as they were typed.
    let run = root.join("run");
    let elsewhere = tempfile::tempdir().unwrap();
    vertebra(elsewhere.path(), &["report", run.to_str().unwrap()]).ok();
    let arguments = ["train", "--resume", "--out", run.to_str().unwrap(), "--max-steps", "2"];
    let ended = vertebra(elsewhere.path(), &arguments).ok();
    assert!(ended.stderr.contains("begun by an earlier version"), "{}", ended.stderr);
    // From then on, contents are known.
    let ended = resume(&root, &["--max-steps", "3"]).ok();
    assert!(!ended.stderr.contains("earlier version"), "{}", ended.stderr);
    fs::remove_file(root.join("data/train/disc/0.png")).unwrap();
    resume(&root, &["--max-steps", "4"]).fails(1, &["files, labels, splits or sizes"]);
}

#[test]
fn data_that_moved_are_found_where_they_are_said_to_be() {
    let folder = workspace();
    let folder = folder.path();
    train(folder, "data", "run", &["--max-steps", "1"]).ok();
    fs::create_dir(folder.join("new place")).unwrap();
    fs::rename(folder.join("data"), folder.join("new place/data")).unwrap();
    let ended = resume(folder, &["--max-steps", "2"]);
    let old = folder.join("data");
    let ended =
        ended.fails(1, &["run/config.toml", "data, which is not there", "NEW-PLACE --resume --out run"]);
    let line = ended.stderr.lines().find(|line| line.contains("NEW-PLACE")).unwrap();
    let paste = |line: &str| {
        let line = line.replace("NEW-PLACE", "'new place/data'");
        Ended::of(std::process::Command::new("sh").args(["-c", &line]).current_dir(folder).output().unwrap())
    };
    let reported =
        vertebra(folder, &["report", "run"]).fails(1, &["run/config.toml", "report run NEW-PLACE"]);
    paste(&format!("{line} --max-steps 2")).ok();
    let config = text(folder.join("run/config.toml"));
    assert!(
        config.contains("new place/data") && !config.contains(&format!("\"{}\"", old.display())),
        "{config}"
    );
    // Written down, so it needs not be said again.
    resume(folder, &["--max-steps", "3"]).ok();
    vertebra(folder, &["report", "run"]).ok();

    // The same for a report.
    fs::rename(folder.join("new place/data"), folder.join("new place/again")).unwrap();
    let line = reported.stderr.lines().find(|line| line.contains("NEW-PLACE")).unwrap();
    paste(&line.replace("NEW-PLACE", "'new place/again'")).ok();
    resume(folder, &["--max-steps", "4"]).ok();
    // Other data are not taken, and are not written down.
    fs::copy(
        folder.join("new place/again/train/disc/0.png"),
        folder.join("new place/again/train/disc/a.png"),
    )
    .unwrap();
    let other = ["train", "new place/again", "--resume", "--out", "run"];
    vertebra(folder, &other).fails(1, &["the data set has changed"]);
    vertebra(folder, &["report", "run", "new place/again"]).fails(1, &["expected the data set"]);
}

#[test]
fn a_run_works_from_anywhere_and_when_all_was_moved() {
    let folder = workspace();
    let first = folder.path().join("first");
    copy(&folder.path().join("data"), &first.join("data"));
    patients(&first);
    train(&first, "data", "runs/single", &["--max-steps", "1"]).ok();
    train(&first, "table.csv", "runs/folds", &[&FOLDS[..], &["--max-steps", "1"]].concat()).ok();
    let elsewhere = tempfile::tempdir().unwrap();
    let works = |root: &Path, steps: &str| {
        for run in ["single", "folds"] {
            let run = root.join("runs").join(run);
            let out = run.to_str().unwrap();
            vertebra(elsewhere.path(), &["train", "--resume", "--out", out, "--max-steps", steps]).ok();
            vertebra(elsewhere.path(), &["report", out]).ok();
        }
    };
    works(&first, "2");
    let second = folder.path().join("second");
    fs::rename(&first, &second).unwrap();
    works(&second, "3");
    // Only the runs, and then only the data.
    fs::rename(second.join("runs"), folder.path().join("runs")).unwrap();
    works(folder.path(), "4");
    fs::create_dir(folder.path().join("third")).unwrap();
    fs::rename(second.join("data"), folder.path().join("third/data")).unwrap();
    fs::rename(second.join("table.csv"), folder.path().join("third/table.csv")).unwrap();
    let go_on = |more: &[&str]| {
        vertebra(folder.path(), &[&["train"][..], more, &["--resume", "--out", "runs/folds"]].concat())
    };
    go_on(&["--max-steps", "5"]).fails(1, &["config.toml", "NEW-PLACE"]);
    vertebra(folder.path(), &["report", "runs/folds"]).fails(1, &["report runs/folds NEW-PLACE"]);
    vertebra(folder.path(), &["report", "runs/folds", "third/table.csv"]).ok();
    go_on(&["--max-steps", "5"]).ok();
    let config = text(folder.path().join("runs/folds/config.toml"));
    assert!(config.contains("third/table.csv"), "{config}");
}

#[test]
fn first_weights_may_be_gone_when_a_run_goes_on() {
    let folder = workspace();
    let folder = folder.path();
    train(folder, "data", "first", &["--max-steps", "1"]).ok();
    let more = |out: &'static str, steps: &'static str| {
        train(folder, "data", out, &["--init", "first", "--freeze", "--max-steps", steps]).ok();
    };
    more("whole", "4");
    more("run", "2");
    fs::rename(folder.join("first"), folder.join("moved")).unwrap();
    resume(folder, &["--max-steps", "3"]).ok();
    resume(folder, &["--init", "moved", "--max-steps", "4"]).ok();
    let read = |run: &str| fs::read(folder.join(run).join("best.safetensors")).unwrap();
    assert!(read("whole") == read("run"), "as if nothing had moved");
    let init = Model::read(folder.join("run")).unwrap().metadata.provenance.config["init"].clone();
    assert!(init.as_str().unwrap().starts_with("first (SHA-256 "), "{init}");
    resume(folder, &["--init", "whole", "--max-steps", "4"]).fails(1, &["this run has init"]);
}

#[test]
fn a_look_is_at_images_however_they_are_reached() {
    let folder = workspace();
    let folder = folder.path();
    let first = train(folder, "data", "run", &["--epochs", "1", "--json"]).ok().json();
    assert_eq!(first["test_openings"], 1);
    train(folder, "data", "other", &["--epochs", "1", "--seed", "1"]).ok();
    let count = |data: &str, more: &[&str]| {
        let arguments = [&["evaluate", "run", data, "--json"][..], more].concat();
        vertebra(folder, &arguments).ok().json()["test_openings"].clone()
    };
    // By another path, under other names, in another order.
    copy(&folder.join("data/test"), &folder.join("elsewhere"));
    assert_eq!(count("elsewhere", &[]), 2);
    let table = |name: &str, split: &str, numbers: &[usize]| {
        let mut table = String::from("path,label,split\n");
        for &i in numbers {
            let class = ["disc", "empty"][i % 2];
            let renamed = format!("renamed-{i}.png");
            fs::copy(folder.join(format!("data/test/{class}/{i}.png")), folder.join(&renamed)).unwrap();
            table += &format!("{renamed},{class},{split}\n");
        }
        fs::write(folder.join(name), table).unwrap();
    };
    table("table.csv", "test", &[7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(count("table.csv", &[]), 3);
    // Called a validation split, a part of them, and among all.
    table("val.csv", "val", &[0, 1, 2, 3]);
    assert_eq!(count("val.csv", &["--split", "val"]), 4);
    assert_eq!(count("data", &["--split", "all"]), 5);
    let words = vertebra(folder, &["evaluate", "run", "data"]).ok().stdout;
    assert!(words.contains("These images, or some of them, have been opened 6 times by this run"), "{words}");
    // What the run learns from and validates with is no test.
    assert!(count("data", &["--split", "val"]).is_null() && count("data", &["--split", "train"]).is_null());
    copy(&folder.join("data/val"), &folder.join("validated"));
    fs::rename(folder.join("validated"), folder.join("unseen")).unwrap();
    assert_eq!(count("unseen", &[]), 2, "with the look at all");

    // A comparison is a look by both.
    let compared = vertebra(folder, &["compare", "run", "other", "elsewhere", "--json"]).ok().json();
    assert_eq!(compared["test_openings"], serde_json::json!([7, 2]));
    let words = vertebra(folder, &["compare", "other", "run", "data"]).ok().stdout;
    assert!(words.contains("These images have been opened 3 times by A"), "{words}");
    assert!(!words.contains(" 1 times"), "{words}");
}

#[test]
fn looks_at_once_are_all_counted() {
    let folder = workspace();
    train(folder.path(), "data", "run", &["--max-steps", "1"]).ok();
    let start = |_| {
        let mut command =
            command(folder.path(), &["evaluate", "run", "data", "--bootstrap", "0", "--threads", "1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..8).map(start).collect();
    children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    let log: serde_json::Value =
        serde_json::from_str(&text(folder.path().join("run/test-openings.json"))).unwrap();
    assert_eq!(log.as_array().unwrap().len(), 9);
    let last = vertebra(folder.path(), &["evaluate", "run", "data", "--json"]).ok().json();
    assert_eq!(last["test_openings"], 10);
}

/// More epochs than any machine finishes before a signal reaches the run.
pub const ENDLESS: &str = "1000000";

/// Starts a training of many epochs, and waits until it has done a few steps.
fn long_training(folder: &Path, out: &str) -> Child {
    endless_training(folder, out, &["--patience", "0"])
}

/// The same with settings of its own.
pub fn endless_training(folder: &Path, out: &str, more: &[&str]) -> Child {
    let arguments = train_arguments("data", out, &[&["--epochs", ENDLESS], more].concat());
    let child = command(folder, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let steps = folder.join(out).join("steps.csv");
    while !fs::read_to_string(&steps).is_ok_and(|text| text.lines().count() > 3) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

#[test]
fn one_run_at_a_time_in_a_folder() {
    let folder = workspace();
    let folder = folder.path();
    let mut child = long_training(folder, "run");
    let held = format!("another vertebra (process {}) works on this run", child.id());
    for _ in 0..2 {
        resume(folder, &["--epochs", ENDLESS]).fails(1, &["run: ", &held]);
    }
    if folder.join("run/best.safetensors").exists() {
        vertebra(folder, &["report", "run"]).fails(1, &[&held]);
        let write = ["evaluate", "run", "data", "--split", "val", "--threshold", "0.4", "--write"];
        vertebra(folder, &write).fails(1, &[&held]);
    }
    train(folder, "data", "run", &[]).fails(1, &["run: "]);
    // Killed, it leaves nothing that is in the way.
    child.kill().unwrap();
    child.wait().unwrap();
    let config = text(folder.join("run/config.toml"));
    assert!(config.contains(&format!("epochs = {ENDLESS}")), "{config}");
    let step = text(folder.join("run/steps.csv")).lines().count().to_string();
    resume(folder, &["--max-steps", &step]).ok();
    vertebra(folder, &["report", "run"]).ok();
}

#[test]
fn of_runs_that_begin_at_once_one_is_made() {
    let folder = workspace();
    let folder = folder.path();
    patients(folder);
    for (out, more) in [("single", &["--epochs", "2"][..]), ("folds", &FOLDS)] {
        let data = if out == "single" { "data" } else { "table.csv" };
        let arguments = train_arguments(data, out, &[more, &["--max-steps", "4"]].concat());
        let start =
            |_| command(folder, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let children: Vec<Child> = (0..3).map(start).collect();
        let ended: Vec<Ended> =
            children.into_iter().map(|child| Ended::of(child.wait_with_output().unwrap())).collect();
        let (made, refused): (Vec<Ended>, Vec<Ended>) = ended.into_iter().partition(|e| e.status == Some(0));
        assert_eq!(made.len(), 1, "{out}");
        for ended in refused {
            let is_clear =
                ["works on this run", "holds a run already"].iter().any(|w| ended.stderr.contains(w));
            assert!(ended.status == Some(1) && is_clear, "{}", ended.stderr);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_terminated_saves_and_says_so_to_the_system() {
    let folder = workspace();
    for (signal, status) in [("-TERM", 143), ("-HUP", 129)] {
        let out = &signal[1..];
        let Some(ended) = signalled(signal, || long_training(folder.path(), out)) else { continue };
        ended.fails(status, &["stopping after this step", "everything is saved", "--resume --out"]);
        let steps = text(folder.path().join(out).join("steps.csv")).lines().count().to_string();
        vertebra(folder.path(), &["train", "--resume", "--out", out, "--max-steps", &steps]).ok();
    }
}

#[test]
fn what_people_write_into_a_card_stays() {
    let folder = workspace();
    let folder = folder.path();
    train(folder, "data", "run", &["--epochs", "1"]).ok();
    let path = folder.join("run/model-card.md");
    let first = text(&path);
    let blank = first.lines().find(|line| line.contains("Ethical approval")).unwrap().to_owned();
    let accuracy = first.lines().find(|line| line.starts_with("- Accuracy ")).unwrap().to_owned();
    let mine = first
        .replace(&blank, "- Approved by the board of our hospital, 12/2025.\n- Consent was waived.")
        .replace(&accuracy, "- Accuracy is what our readers care for least.");
    fs::write(&path, &mine).unwrap();
    vertebra(folder, &["report", "run"]).ok();
    let kept = text(&path);
    for line in
        ["Approved by the board", "Consent was waived", "care for least", accuracy.trim_start_matches("- ")]
    {
        assert!(kept.contains(line), "{line}: {kept}");
    }
    assert!(!kept.contains("Ethical approval"), "{kept}");
    vertebra(folder, &["report", "run"]).ok();
    assert_eq!(text(&path), kept, "the second time, nothing changes");
    // A run that goes on refreshes the program's lines only.
    resume(folder, &["--epochs", "2"]).ok();
    let longer = text(&path);
    assert!(longer.contains("2 epochs were trained") && !longer.contains("1 epoch was trained"), "{longer}");
    assert!(longer.contains("Approved by the board") && longer.contains("care for least"), "{longer}");
}

#[test]
fn an_evaluation_remembers_the_groups_of_the_run() {
    let folder = workspace();
    let folder = folder.path();
    for i in 0..8 {
        let class = ["disc", "empty"][i % 2];
        for split in ["train", "val", "test"] {
            let image = |name: &str| folder.join("data").join(split).join(class).join(name);
            fs::rename(image(&format!("{i}.png")), image(&format!("{split}p{}_{i}.png", i / 4))).unwrap();
        }
    }
    for i in 8..25 {
        let image = |name: &str| folder.join("data/train").join(["disc", "empty"][i % 2]).join(name);
        fs::rename(image(&format!("{i}.png")), image(&format!("trainp{}_{i}.png", i / 4))).unwrap();
    }
    let trained = train(folder, "data", "run", &["--group-by", "*_", "--epochs", "1"]).ok();
    assert!(trained.stderr.contains("splits (given): train 25 images (7 groups)"), "{}", trained.stderr);
    copy(&folder.join("data/test"), &folder.join("other"));
    let evaluate = |data: &str, more: &[&str]| {
        vertebra(folder, &[&["evaluate", "run", data, "--json"][..], more].concat()).ok()
    };
    for data in ["data", "other"] {
        let ended = evaluate(data, &[]);
        assert_eq!(ended.json()["groups"], 2, "{data}");
        assert!(ended.stderr.contains("as the model was trained"), "{}", ended.stderr);
        let wider = ended.json()["accuracy_ci"].clone();
        assert_ne!(wider, evaluate(data, &["--group-by", "*"]).json()["accuracy_ci"], "{data}");
        assert_eq!(evaluate(data, &["--group-by", "*"]).json()["groups"], 8, "{data}");
    }
    // Where they fit nothing, that is said.
    for class in ["disc", "empty"] {
        for (i, entry) in fs::read_dir(folder.join("other").join(class)).unwrap().enumerate() {
            fs::rename(entry.unwrap().path(), folder.join("other").join(class).join(format!("x{i}.png")))
                .unwrap();
        }
    }
    let ended = evaluate("other", &[]);
    assert!(
        ended.json()["groups"].is_null() && ended.stderr.contains("which does not fit here"),
        "{}",
        ended.stderr
    );
}

/// The manifest of a fold has its groups in a column of its own; the model tells what they were made by. Folds of an
/// earlier version, which did not, are read too.
/// The same images without the groups of the training are other evidence: intervals would be narrower, unsaid.
#[test]
fn a_run_keeps_the_groups_of_its_images() {
    let folder = workspace();
    let folder = folder.path();
    let mut table = "path,label,split,group\n".to_owned();
    for (split, images) in [("train", 25), ("val", 8), ("test", 8)] {
        for i in 0..images {
            let class = ["disc", "empty"][i % 2];
            table += &format!("{split}/{class}/{i}.png,{class},{split},{split}{}\n", i / 4);
        }
    }
    fs::write(folder.join("data/manifest.csv"), table).unwrap();
    train(folder, "data/manifest.csv", "run", &["--epochs", "1"]).ok();
    assert_eq!(model::Model::read(folder.join("run")).unwrap().metadata.provenance.groups, Some(11));
    let card = text(folder.join("run/model-card.md"));
    let words = ["expected the 11 groups of the training", "found 0", "such as data/manifest.csv"];
    vertebra(folder, &["report", "run", "data"]).fails(1, &words);
    vertebra(folder, &["train", "data", "--resume", "--out", "run", "--epochs", "2"]).fails(1, &words);
    assert_eq!(text(folder.join("run/model-card.md")), card);
    let said = vertebra(folder, &["evaluate", "run", "data"]).ok().stderr;
    assert!(said.contains("warning: data: expected the 11 groups"), "{said}");
    let said = vertebra(folder, &["evaluate", "run", "data/manifest.csv"]).ok().stderr;
    assert!(!said.contains("expected the 11 groups"), "{said}");
    vertebra(folder, &["report", "run", "data/manifest.csv"]).ok();
}

#[test]
fn folds_remember_what_they_were_grouped_by() {
    let folder = workspace();
    let folder = folder.path();
    patients(folder);
    train(folder, "table.csv", "cv", &[&FOLDS[..], &["--epochs", "1"]].concat()).ok();
    let evaluate = |model: &str| vertebra(folder, &["evaluate", model, "table.csv", "--json"]).ok();
    for model in ["cv", "cv/fold-1"] {
        let ended = evaluate(model);
        assert!(ended.stderr.contains("groups: by patient, as the model was trained"), "{}", ended.stderr);
        assert_eq!(ended.json()["groups"], 11, "{model}");
    }
    let path = folder.join("cv/fold-1/best.safetensors");
    let mut tensors = TensorFile::read(&path).unwrap();
    let document = tensors.metadata["vertebra"].replace("\"group_by\":\"patient\"", "\"group_by\":null");
    tensors.metadata.insert("vertebra".into(), document);
    tensors.write(&path).unwrap();
    assert!(evaluate("cv/fold-1").json()["groups"].is_null());
}

/// Without groups, without a test split, with one image of a class: no sentence says what is not so.
#[test]
fn sentences_are_true_at_the_edges() {
    let folder = workspace();
    let folder = folder.path();
    let flat = folder.join("flat");
    for split in ["train", "val", "test"] {
        for class in ["disc", "empty"] {
            copy(&folder.join("data").join(split).join(class), &flat.join(class).join(format!("of-{split}")));
        }
    }
    let ended = train(folder, "flat", "run", &["--epochs", "2"]).ok();
    let said = format!("{}{}", ended.stderr, ended.stdout);
    assert!(said.contains("splits (drawn by image: no groups are known): train "), "{said}");
    for wrong in ["by group", "groups)", " 1 images", " 1 times", "opened 1 time"] {
        assert!(!ended.stderr.contains(wrong), "{wrong}: {said}");
    }
    assert!(said.contains("report: run/report.html"), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("epoch ")).collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| line.len() <= 80 && line.contains("/s")), "{said}");
    for file in ["report.html", "model-card.md"] {
        let page = text(folder.join("run").join(file));
        for wrong in
            ["independent group", "bootstrap by group", "time(s)", "channel(s)", " 1 images", "in training<"]
        {
            assert!(!page.contains(wrong), "{wrong} in {file}");
        }
        assert!(page.contains("No groups (patients, studies, volumes) are known"), "{file}");
        assert!(page.contains("opened once"), "{file}");
    }

    fs::remove_dir_all(folder.join("data/test")).unwrap();
    let ended = train(folder, "data", "no-test", &["--max-steps", "1"]).ok();
    assert!(ended.stdout.contains("which chose the threshold, so it flatters"), "{}", ended.stdout);
    let card = text(folder.join("no-test/model-card.md"));
    assert!(card.contains("No epoch was finished") && !card.contains("opened"), "{card}");
}
