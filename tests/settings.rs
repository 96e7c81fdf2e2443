//! Settings: what is laid over what, what a run does with them, and what is said where one has no effect.

use crate::support::{Ended, train, vertebra, workspace};
use model::Model;
use std::fs;
use std::path::Path;

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// A column of a table of numbers.
fn column(path: impl AsRef<Path>, name: &str) -> Vec<String> {
    let table = text(path);
    let at = table.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    table.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().to_owned()).collect()
}

#[test]
fn a_run_is_repeated_from_its_settings() {
    let folder = workspace();
    let folder = folder.path();
    train(folder, "data", "run", &["--max-steps", "3", "--no-augment", "--threads", "1"]).ok();
    let repeat = |out: &str, more: &[&str]| {
        let line = ["train", "--config", "run/config.toml", "--out", out];
        vertebra(folder, &[&line[..], more].concat())
    };
    let weights = |run: &str| fs::read(folder.join(run).join("best.safetensors")).unwrap();
    repeat("again", &[]).ok();
    assert!(weights("again") == weights("run"), "the same settings, the same bytes");
    // Options win, flags too.
    for (out, option, line) in
        [("other", "--seed=1", "seed = 1"), ("varied", "--no-augment=false", "augment = true")]
    {
        repeat(out, &[option]).ok();
        assert!(text(folder.join(out).join("config.toml")).contains(line), "{out}");
        assert!(weights(out) != weights("run"), "{out}");
    }
    // It is a new run, and one that is there is not overwritten.
    vertebra(folder, &["train", "--config", "run"]).fails(1, &["holds a run already", "another --out"]);
    repeat("run", &["--resume"]).fails(2, &["--config", "--resume"]);
    // What moved together with its settings is found; what did not is asked for.
    fs::create_dir(folder.join("new")).unwrap();
    for name in ["run", "data"] {
        fs::rename(folder.join(name), folder.join("new").join(name)).unwrap();
    }
    vertebra(folder, &["train", "--config", "new/run", "--out", "moved"]).ok();
    assert!(weights("moved") == weights("again"));
    fs::rename(folder.join("new/data"), folder.join("data-2")).unwrap();
    let lost = ["train", "--config", "new/run", "--out", "found"];
    vertebra(folder, &lost).fails(1, &["config.toml: the data of this run were in", "train NEW-PLACE"]);
    vertebra(folder, &[&lost[..], &["data-2"]].concat()).ok();
    assert!(weights("found") == weights("again"));
}

#[test]
fn a_recipe_is_laid_under_the_options_and_wants_weights() {
    let folder = workspace();
    let folder = folder.path();
    let described = |out: &str, more: &[&str]| {
        let line = ["train", "data", "--recipe", "described", "--max-steps", "1", "--image-size", "32"];
        vertebra(folder, &[&line[..], &["--out", out], more].concat())
    };
    described("none", &[]).fails(2, &["--recipe", "--init with a MobileNet trained on ImageNet"]);
    train(folder, "data", "run", &["--max-steps", "1"]).ok();
    described("again", &["--init", "run"]).ok();
    let settings = text(folder.join("again/config.toml"));
    for line in ["epochs = 4", "lr = 0.002", "image_size = 32"] {
        assert!(settings.lines().any(|found| found == line), "{line}: {settings}");
    }
    vertebra(folder, &["train", "--resume", "--out", "again", "--recipe", "described"])
        .fails(2, &["--recipe"]);
    // What a file says otherwise of the update rule is replaced, and that is said.
    fs::write(folder.join("mine.toml"), "optimizer = \"adamw\"\nweight_decay = 0.05\nseed = 3\n").unwrap();
    let said = described("other", &["--init", "run", "--config", "mine.toml"]).ok().stderr;
    assert!(said.contains("not by mine.toml: optimizer \"adam\", weight_decay 0.0"), "{said}");
    assert!(text(folder.join("other/config.toml")).contains("seed = 3\n"));
}

#[test]
fn settings_in_a_file_are_checked_and_named() {
    let folder = workspace();
    let folder = folder.path();
    let with = |settings: &str, more: &[&str]| {
        fs::write(folder.join("mine.toml"), settings).unwrap();
        vertebra(folder, &[&["train", "--config", "mine.toml", "--out", "run"][..], more].concat())
    };
    for (settings, words) in [
        ("lr = -1.0", "mine.toml: lr: expected a finite number above 0, found -1"),
        ("batch_size = 0", "mine.toml: batch_size: expected 1 to 4096 images, found 0"),
        ("threads = 100000", "mine.toml: threads: expected at most 1024, found 100000"),
        ("width = 0.0", "mine.toml: width: expected above 0"),
        ("max_unreadable = 0.5", "mine.toml: max_unreadable: expected --skip-unreadable beside it"),
        ("learning_rate = 1", "unknown field `learning_rate`"),
        // As one that is added at the end of what a run has written.
        (
            "lr = 0.1\n\n[from_this_folder]\nepochs = 1",
            "they belong above [from_this_folder]): TOML parse error at line 4",
        ),
        ("seed = -1", "seed = -1"),
        ("epochs = 1\nlr = \"fast\"", "lr = \"fast\""),
        ("optimizer = \"rms\"", "expected one of `adam`, `adamw`, `sgd`"),
        ("group_by = \"a*|b\"", "found \"b\""),
        ("lr = ", "mine.toml: not a run's settings"),
        ("[train]\nlr = 1", "unknown field `train`"),
    ] {
        with(&format!("{settings}\n"), &["data"]).fails(1, &["mine.toml: ", words]);
        assert!(!folder.join("run").exists(), "{settings}");
    }
    // Who typed it is told so, not the file.
    with("lr = -1.0", &["data", "--lr", "0"]).fails(2, &["--lr: expected a finite number above 0, found 0"]);
    vertebra(folder, &["train", "--config", "none.toml"]).fails(1, &["none.toml: "]);
    // Some of the settings, and data beside the file.
    fs::create_dir(folder.join("sub")).unwrap();
    let some = "data = \"../data\"\nmax_steps = 1\nwidth = 0.25\nimage_size = 32\nbatch_size = 2\n";
    fs::write(folder.join("sub/some.toml"), some).unwrap();
    vertebra(folder, &["train", "--config", "sub/some.toml", "--out", "run"]).ok();
    let settings = text(folder.join("run/config.toml"));
    assert!(settings.contains("batch_size = 2") && settings.contains("epochs = 30"), "{settings}");
}

/// The weights that come with the program are found from where it was built or put, and are said to be missing elsewhere.
#[test]
fn a_run_begins_with_the_weights_of_the_program() {
    let folder = workspace();
    let folder = folder.path();
    let begin = |out: &'static str| {
        ["train", "data", "--init", "builtin", "--image-size", "32", "--max-steps", "0", "--out", out]
    };
    vertebra(folder, &begin("run")).ok();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/builtin.safetensors");
    assert!(fs::metadata(&file).unwrap().len() <= 3_000_000);
    let (given, begun) = (Model::read(&file).unwrap(), Model::read(folder.join("run")).unwrap());
    assert_eq!(begun.metadata.architecture.width, 0.5);
    for (name, weights) in begun.weights.iter().filter(|(name, _)| !name.starts_with("classifier")) {
        assert_eq!(weights, &given.weights[name.as_str()], "{name}");
    }
    let origin =
        |run: &str| Model::read(folder.join(run)).unwrap().metadata.provenance.config["init"].to_string();
    assert!(origin("run").starts_with("\"builtin.safetensors (SHA-256 "), "{}", origin("run"));
    assert!(text(folder.join("run/config.toml")).contains("weights/builtin.safetensors"));

    // A file of settings means the same, from wherever it lies.
    fs::create_dir(folder.join("sub")).unwrap();
    let some = "data = \"../data\"\ninit = \"builtin\"\nwidth = 0.5\nimage_size = 32\nmax_steps = 0\n";
    fs::write(folder.join("sub/some.toml"), some).unwrap();
    vertebra(folder, &["train", "--config", "sub/some.toml", "--out", "said"]).ok();
    assert_eq!(origin("said"), origin("run"));

    // What it is, a file need not say; what it says, first weights that are typed replace, which is said.
    fs::write(folder.join("less.toml"), "init = \"builtin\"\nimage_size = 32\nmax_steps = 0\n").unwrap();
    vertebra(folder, &["train", "data", "--config", "less.toml", "--out", "less"]).ok();
    assert!(text(folder.join("less/config.toml")).contains("width = 0.5\n"));
    fs::write(folder.join("other.toml"), "arch = \"mobilenet-v2\"\nimage_size = 32\nmax_steps = 0\n")
        .unwrap();
    let other = ["train", "data", "--config", "other.toml", "--init", "builtin", "--out", "other"];
    let said = vertebra(folder, &other).ok().stderr;
    assert!(said.contains("by --init, not by other.toml: arch \"mobilenet-v1\""), "{said}");

    // What a user has under that name is meant by it.
    fs::copy(folder.join("run/last.safetensors"), folder.join("builtin")).unwrap();
    vertebra(folder, &begin("own")).ok();
    assert!(origin("own").starts_with("\"builtin (SHA-256 "), "{}", origin("own"));
    fs::remove_file(folder.join("builtin")).unwrap();

    let alone = folder.join("alone");
    fs::create_dir(&alone).unwrap();
    let program = alone.join("vertebra");
    fs::copy(env!("CARGO_BIN_EXE_vertebra"), &program).unwrap();
    let run = |out| {
        let output = std::process::Command::new(&program).args(begin(out)).current_dir(folder).output();
        Ended::of(output.unwrap())
    };
    run("none").fails(1, &["--init builtin: expected weights/builtin.safetensors in ", "alone"]);
    assert!(!folder.join("none").exists());
    fs::create_dir(alone.join("weights")).unwrap();
    fs::copy(&file, alone.join("weights/builtin.safetensors")).unwrap();
    run("beside").ok();
}

#[test]
fn a_run_is_not_made_shorter_than_it_is() {
    let folder = workspace();
    let folder = folder.path();
    train(folder, "data", "run", &["--epochs", "2"]).ok();
    let before = text(folder.join("run/config.toml"));
    vertebra(folder, &["train", "--resume", "--out", "run", "--max-steps", "5"])
        .fails(1, &["--max-steps: expected 6 or more, the steps that this run has done, found 5"]);
    assert_eq!(text(folder.join("run/config.toml")), before);
    vertebra(folder, &["train", "--resume", "--out", "run", "--max-steps", "6"]).ok();
}

/// What an earlier version took without effect cannot be changed in a run that goes on, and does not end it.
#[test]
fn a_run_goes_on_with_settings_that_a_new_one_may_not_have() {
    let folder = workspace();
    let folder = folder.path();
    train(folder, "data", "run", &["--epochs", "2", "--max-steps", "1"]).ok();
    let file = folder.join("run/config.toml");
    let old = text(&file).replace("momentum = 0.0", "momentum = 0.9").replace("warmup = 0.0", "warmup = 9.0");
    fs::write(&file, old).unwrap();
    vertebra(folder, &["train", "--config", "run", "--out", "new"]).fails(1, &["momentum: expected"]);
    vertebra(folder, &["train", "--resume", "--out", "run"]).ok();
}

/// While the body is frozen, the rate that is noted and blamed is the one that trains.
#[test]
fn the_rate_of_a_classifier_alone_is_its_own() {
    let folder = workspace();
    let folder = folder.path();
    train(folder, "data", "first", &["--epochs", "1"]).ok();
    let frozen = ["--init", "first", "--freeze", "--lr", "1e-4", "--patience", "0"];
    let more = ["--head-lr", "0.01", "--epochs", "2", "--unfreeze-after", "1"];
    train(folder, "data", "run", &[&frozen[..], &more].concat()).ok();
    assert_eq!(column(folder.join("run/epochs.csv"), "lr"), ["0.01", "0.0001"]);
    let more = ["--head-lr", "5000", "--epochs", "1"];
    let said = train(folder, "data", "wild", &[&frozen[..], &more].concat()).ok();
    let words = "at a learning rate of 5000; try --head-lr 500";
    assert!(said.stderr.contains(words) && said.stdout.contains(words), "{} {}", said.stderr, said.stdout);
}

/// Early stopping does not end a run before what is to be unfrozen was.
#[test]
fn patience_counts_from_where_the_body_trains() {
    let folder = workspace();
    let folder = folder.path();
    train(folder, "data", "first", &["--epochs", "1"]).ok();
    // At this rate no epoch is better than the first.
    let frozen = ["--init", "first", "--freeze", "--lr", "1e-30", "--average", "0", "--epochs", "9"];
    let epochs = |out: &str, more: &[&str]| {
        train(folder, "data", out, &[&frozen[..], more].concat()).ok();
        column(folder.join(out).join("epochs.csv"), "epoch").len()
    };
    assert_eq!(epochs("frozen", &["--patience", "2"]), 3);
    let thawed = epochs("thawed", &["--patience", "2", "--unfreeze-after", "4"]);
    assert!(thawed >= 6, "{thawed}");
}

/// The simulated set is shown as it is unless what was asked for needs more.
#[test]
fn what_is_typed_for_the_simulated_set_has_its_effect() {
    let folder = tempfile::tempdir().unwrap();
    let line = ["train", "--flip", "--epochs", "1", "--max-steps", "0", "--out", "run"];
    vertebra(folder.path(), &line).ok();
    let settings = text(folder.path().join("run/config.toml"));
    assert!(settings.contains("augment = true") && settings.contains("flip = true"), "{settings}");
}

#[test]
fn an_auroc_that_does_not_exist_chooses_nothing() {
    let folder = workspace();
    let folder = folder.path();
    let train_rows = (0..8).map(|i| {
        let class = ["disc", "empty"][i % 2];
        format!("data/train/{class}/{i}.png,{class},train\n")
    });
    let table: String = train_rows.chain(["data/val/disc/0.png,disc,val\n".to_owned()]).collect();
    fs::write(folder.join("table.csv"), format!("path,label,split\n{table}")).unwrap();
    let ended = train(folder, "table.csv", "run", &["--epochs", "1", "--best-by", "auroc"]).ok();
    for said in [&ended.stdout, &ended.stderr] {
        assert!(said.contains("warning: the validation split has images of one class only"), "{said}");
    }
    assert!(ended.stdout.contains("Weights of epoch 1, the lowest validation loss."), "{}", ended.stdout);
    let card = text(folder.join("run/model-card.md"));
    assert!(!card.contains("highest validation AUROC"), "{card}");
}

/// A rule for a threshold needs one.
#[test]
fn classes_without_a_threshold_have_no_rule_for_it() {
    let folder = workspace();
    let folder = folder.path();
    let classes = ["a", "b", "c"].map(String::from);
    crate::many_classes::set(folder, &classes);
    let rule = ["--threshold-rule", "sensitivity:0.9", "--max-steps", "0"];
    train(folder, "data.csv", "run", &rule)
        .fails(1, &["--threshold-rule: expected two classes", "these are 3"]);
    train(folder, "data.csv", "run", &["--max-steps", "0"]).ok();
}

#[test]
fn folds_say_what_they_do_not_use_and_what_they_are() {
    let folder = workspace();
    let folder = folder.path();
    let row = |i: usize| {
        let class = ["disc", "empty"][i % 2];
        format!("data/train/{class}/{i}.png,{class},train,p{}\n", i / 2)
    };
    let rows: String = (0..24).map(row).collect();
    fs::write(folder.join("table.csv"), format!("path,label,split,group\n{rows}")).unwrap();
    let options = ["--folds", "2", "--epochs", "1", "--no-augment"];
    let ended = train(folder, "table.csv", "cv", &options).ok();
    assert!(ended.stderr.contains("the splits that the data have are not used"), "{}", ended.stderr);
    assert!(ended.stderr.contains("splits (of the fold; val drawn by group"), "{}", ended.stderr);
    vertebra(folder, &["inspect", "cv"]).fails(1, &["holds a cross-validation", "fold-1"]);
    // The flag of a file is undone before another is looked at.
    let one = ["train", "--config", "cv", "--no-augment=false", "--flip", "--out", "one", "--max-steps", "1"];
    let ended = vertebra(folder, &one).ok();
    assert!(ended.stderr.contains("cross-validation in 2 folds, and this is one run"), "{}", ended.stderr);
    assert!(text(folder.join("one/config.toml")).contains("flip = true"));
}
