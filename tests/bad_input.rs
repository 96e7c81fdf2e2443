//! Bad input: each with a clear error that names what is wrong, and with nothing lost.

use crate::support::{Ended, train, train_arguments, trained, vertebra, workspace};
use model::{Array, Model, TensorFile};
use std::fs;

#[test]
fn data_that_are_not_there() {
    let folder = workspace();
    train(folder.path(), "nothing", "run", &[]).fails(1, &["nothing: No such file"]);
    fs::create_dir(folder.path().join("void")).unwrap();
    train(folder.path(), "void", "run", &[]).fails(1, &["void: expected folders CLASS/", "found none"]);
    fs::remove_dir_all(folder.path().join("data/train/disc")).unwrap();
    train(folder.path(), "data", "run", &[]).fails(1, &["class \"disc\"", "no training image"]);
    for split in ["val", "test"] {
        fs::remove_dir_all(folder.path().join("data").join(split).join("disc")).unwrap();
    }
    train(folder.path(), "data", "run", &[]).fails(1, &["two classes or more, found only \"empty\""]);
    assert!(!folder.path().join("run").exists(), "a run that cannot start leaves no folder");
}

#[test]
fn images_that_are_none() {
    let png = fs::read(trained().join("data/test/disc/0.png")).unwrap();
    let cases: [(&[u8], &str); 4] = [
        (&png[..png.len() / 2], "truncated"),
        (b"this is text", "expected a PNG, JPEG or DICOM image, found text"),
        (b"", "found an empty file (0 bytes)"),
        (&huge_header(), "at most 100 megapixels, found 30000 x 30000"),
    ];
    for (bytes, reason) in cases {
        let folder = workspace();
        let bad = "data/train/disc/bad.png";
        fs::write(folder.path().join(bad), bytes).unwrap();
        train(folder.path(), "data", "run", &["--epochs", "1"]).fails(1, &[bad, reason]);
        let run = trained().join("run");
        vertebra(folder.path(), &["predict", run.to_str().unwrap(), bad]).fails(1, &[bad, reason]);
    }
}

/// The beginning of a gray PNG of 30,000 x 30,000 pixels: its header, and where the pixels begin.
fn huge_header() -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend([30_000u32.to_be_bytes(), 30_000u32.to_be_bytes()].concat());
    chunk.extend([8, 0, 0, 0, 0]);
    let crc = chunk.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    [b"\x89PNG\r\n\x1a\n\0\0\0\r", &chunk[..], &(!crc).to_be_bytes(), b"\0\0\x03\xe8IDAT"].concat()
}

#[test]
fn manifests_with_gaps() {
    let folder = workspace();
    let good = "data/train/disc/0.png,disc,train\ndata/train/empty/1.png,empty,train\n";
    let cases = [
        ("path,split\na.png,train\n".to_owned(), "expected a column \"label\", found path, split"),
        (format!("path,label,split\n{good}data/none.png,disc,val\n"), "line 4: data/none.png"),
        (
            format!("path,label,split\n{good}data/val/disc/0.png,scar,val\n"),
            "class \"scar\" of data/val/disc/0.png",
        ),
    ];
    for (text, reason) in cases {
        fs::write(folder.path().join("manifest.csv"), text).unwrap();
        train(folder.path(), "manifest.csv", "run", &[]).fails(1, &["manifest.csv", reason]);
    }
}

#[test]
fn options_that_make_no_run() {
    for (option, value, reason) in [
        ("--image-size", "7", "the network halves the image five times"),
        ("--batch-size", "0", "--batch-size: expected 1 to 4096 images, found 0"),
        ("--lr", "0", "--lr: expected a finite number above 0, found 0"),
        ("--width", "9", "width: expected above 0, at most 4"),
        ("--channels", "2", "channels: expected 1 (gray) or 3 (colour)"),
        ("--arch", "resnet", "expected mobilenet-v1 or mobilenet-v2, found resnet"),
        ("--epochs", "0", "--epochs: expected 1 to 1000000000, found 0"),
        // Its product with the batches of an epoch is no number of 64 bits, nor can config.toml hold it.
        ("--epochs", "4611686018427387904", "--epochs: expected 1 to 1000000000"),
        ("--max-steps", "9223372036854775808", "--max-steps: expected a number below 2^63"),
        ("--patience", "10000000000", "--patience: expected at most 1000000000"),
        ("--dropout", "1", "dropout: expected in [0, 1)"),
        ("--lr", "fast", "expected a number or auto"),
        ("--frozen-views", "3", "--frozen-views: expected --freeze beside it, found 3"),
    ] {
        let arguments = ["train", "data", "--out", "other", option, value];
        vertebra(trained(), &arguments).fails(2, &[reason]);
    }
    vertebra(trained(), &["train", "data", "--out", "other", "--freeze"]).fails(2, &["--freeze", "--init"]);
    for (options, reason) in [
        (&["--schedule", "one-cycle", "--warmup", "1"][..], "--warmup: expected 0 with one-cycle"),
        (&["--lr", "auto", "--head-lr", "0.1"], "--head-lr: expected a number in --lr beside it, found auto"),
        (
            &["--lr", "auto", "--init", "run", "--freeze", "--unfreeze-after", "1"],
            "--lr: expected a number beside --unfreeze-after",
        ),
        (&["--momentum", "0.9"], "--momentum: expected --optimizer sgd beside it"),
        (&["--optimizer", "sgd", "--beta1", "0.5"], "--beta1: expected --optimizer adam or adamw beside it"),
        (&["--optimizer", "sgd", "--epsilon", "0.1"], "--epsilon: expected --optimizer adam"),
        (&["--warmup", "5", "--epochs", "2"], "--warmup: expected at most the 2 of --epochs"),
        (&["--no-augment", "--flip"], "--flip: expected no --no-augment beside it"),
        (&["--init", "run", "--freeze", "--flip"], "--flip: expected --frozen-views 0, or 2 and more"),
        (
            &["--init", "run", "--freeze", "--no-augment", "--frozen-views", "4"],
            "--frozen-views: expected 1 beside --no-augment",
        ),
        (
            &["--init", "run", "--freeze", "--unfreeze-after", "2", "--epochs", "2"],
            "--unfreeze-after: expected 1 or more, and less than the 2 of --epochs",
        ),
    ] {
        let arguments = [&["train", "data", "--out", "other"][..], options].concat();
        vertebra(trained(), &arguments).fails(2, &[reason]);
    }
    assert!(!trained().join("other").exists());
}

/// The folders of a data set are its classes: a run among them would make it one that nothing can be read from.
#[test]
fn a_run_does_not_lie_within_its_data() {
    let folder = workspace();
    for out in ["data/run", "data/train/deep/run", "./data/../data/run"] {
        train(folder.path(), "data", out, &[]).fails(1, &["--out: expected a folder outside of data"]);
    }
    vertebra(&folder.path().join("data"), &train_arguments(".", "run", &[])).fails(1, &["outside of ."]);
    vertebra(&folder.path().join("data"), &train_arguments(".", "../run", &["--max-steps", "1"])).ok();
}

#[test]
fn a_last_batch_of_one_image_is_trained_where_its_norms_can() {
    // 25 images in batches of 8: see support::workspace. At 32 pixels the last feature maps are 1x1, of which one image has
    // no variance, so it goes with the eight before.
    let folder = workspace();
    for (size, steps) in [("32", 3), ("64", 4)] {
        let options = ["--width", "0.25", "--batch-size", "8", "--image-size", size, "--epochs", "1"];
        vertebra(folder.path(), &[&["train", "data", "--out", size][..], &options].concat()).ok();
        let table = fs::read_to_string(folder.path().join(size).join("steps.csv")).unwrap();
        assert_eq!(table.lines().count(), 1 + steps, "{size}: {table}");
    }
    let of_one = |size: &str| {
        let options = ["--width", "0.25", "--batch-size", "1", "--image-size", size, "--max-steps", "1"];
        vertebra(folder.path(), &[&["train", "data", "--out", "one"][..], &options].concat())
    };
    of_one("32").fails(2, &["--batch-size: expected 2 images or more"]);
    of_one("64").ok();
}

#[test]
fn model_files_that_are_not_whole() {
    let folder = workspace();
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(trained().join("run/best.safetensors")).unwrap();
    let predict = || vertebra(folder.path(), &["predict", "model.safetensors", "data/test/disc/0.png"]);

    fs::write(&path, &bytes[..bytes.len() - 1000]).unwrap();
    predict().fails(1, &["model.safetensors", "the file ends early"]);
    fs::write(&path, b"weights").unwrap();
    predict().fails(1, &["model.safetensors"]);
    fs::remove_file(&path).unwrap();
    predict().fails(1, &["cannot read model.safetensors", "No such file"]);
    vertebra(folder.path(), &["predict", "data", "x.png"]).fails(1, &["no best.safetensors"]);

    let mut file = TensorFile::from_bytes(&bytes).unwrap();
    file.tensors.remove("conv1.weight");
    file.tensors.insert("stranger", Array::new([1], vec![0.0]).unwrap());
    file.tensors.insert("classifier.bias", Array::new([3], vec![0.0; 3]).unwrap());
    file.write(&path).unwrap();
    let all = ["missing conv1.weight", "unexpected stranger [1]", "classifier.bias: expected [2], found [3]"];
    predict().fails(1, &all);
}

#[test]
fn a_run_is_not_overwritten() {
    let before = fs::read(trained().join("run/last.safetensors")).unwrap();
    train(trained(), "data", "run", &[]).fails(1, &["run: holds a run already", "--resume", "--out"]);
    assert_eq!(fs::read(trained().join("run/last.safetensors")).unwrap(), before);
    vertebra(trained(), &["train", "--resume", "--out", "data"]).fails(1, &["holds no run to resume"]);
    let other = ["train", "--resume", "--out", "run", "--lr", "0.5"];
    vertebra(trained(), &other).fails(1, &["this run has lr 0.002, found 0.5"]);
    let shorter = ["train", "--resume", "--out", "run", "--epochs", "1"];
    vertebra(trained(), &shorter).fails(1, &["--epochs: expected 3 or more to resume this run, found 1"]);
}

#[test]
fn changed_data_do_not_resume() {
    let folder = workspace();
    train(folder.path(), "data", "run", &["--max-steps", "1"]).ok();
    fs::remove_file(folder.path().join("data/train/disc/0.png")).unwrap();
    vertebra(folder.path(), &["train", "--resume", "--out", "run"]).fails(1, &["the data set has changed"]);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let folder = workspace();
    fs::write(folder.path().join("file"), "").unwrap();
    train(folder.path(), "data", "file/run", &[]).fails(1, &["file/run: ", "--out"]);
}

/// A file size limit stands for a full disk: the write fails half-way.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    let folder = workspace();
    train(folder.path(), "data", "run", &["--max-steps", "2"]).ok();
    let last = folder.path().join("run/last.safetensors");
    let before = fs::read(&last).unwrap();
    // The limit's signal is ignored, so that the write gets an error, as it does from a full disk.
    let script = format!(
        "trap '' XFSZ; ulimit -f 1000; exec {} train --resume --out run",
        env!("CARGO_BIN_EXE_vertebra")
    );
    let output =
        std::process::Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    Ended::of(output).fails(1, &["cannot write run/last.safetensors"]);
    assert_eq!(fs::read(&last).unwrap(), before);
    let names = fs::read_dir(folder.path().join("run")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().ends_with(".tmp")));
    vertebra(folder.path(), &["train", "--resume", "--out", "run", "--max-steps", "4"]).ok();
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let folder = workspace();
    train(folder.path(), "data", "run", &["--max-steps", "3"]).ok();
    let more = ["--optimizer", "sgd", "--lr", "1e38", "--epochs", "9"];
    let ended = train(folder.path(), "data", "wild", &more);
    ended.fails(1, &["training diverged", "at step", "learning rate", "lower --lr", "wild/last.safetensors"]);
    // The checkpoint is from before.
    let weights = Model::read(folder.path().join("wild/last.safetensors")).unwrap().weights;
    assert!(weights.iter().all(|(_, array)| array.data().iter().all(|value| value.is_finite())));
}

#[test]
fn initial_weights_must_fit() {
    let folder = workspace();
    let run = trained().join("run");
    let init = run.to_str().unwrap();
    let more = ["--init", init, "--freeze", "--max-steps", "2"];
    train(folder.path(), "data", "tuned", &more).ok();
    let [before, after] =
        [run.as_path(), &folder.path().join("tuned")].map(|run| Model::read(run).unwrap().weights);
    for (name, array) in before.iter() {
        let same = array == &after[name.as_str()];
        assert_eq!(same, !name.starts_with("classifier"), "{name}");
    }
    let wider = ["train", "data", "--out", "wide", "--init", init, "--width", "0.5"];
    vertebra(folder.path(), &wider).fails(1, &["--init: expected weights of mobilenet-v1 with width 0.5"]);
}

#[test]
fn no_steps_write_the_initial_weights() {
    let folder = workspace();
    train(folder.path(), "data", "deep/er/run", &["--max-steps", "0"]).ok();
    let weights = Model::read(folder.path().join("deep/er/run")).unwrap().weights;
    assert!(weights["conv1_bn.running_var"].data().iter().all(|&variance| variance == 1.0));
}
