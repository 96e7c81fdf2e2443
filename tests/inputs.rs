//! What a network sees: inputs that are no squares, from the option to the exported file.

use crate::support::{vertebra, workspace};
use std::fs;

const TALL: [&str; 10] =
    ["--width", "0.25", "--image-size", "96x64", "--batch-size", "8", "--lr", "0.005", "--fit", "pad"];

#[test]
fn a_run_whose_input_stands() {
    let workspace = workspace();
    let folder = workspace.path();
    let run = |words: &[&str]| vertebra(folder, words).ok();
    let train = |out: &str, more: &[&str]| run(&[&["train", "data", "--out", out], &TALL[..], more].concat());
    let weights = |out: &str| fs::read(folder.join(out).join("best.safetensors")).unwrap();
    let said = train("run", &["--epochs", "3", "--patience", "0"]).stderr;
    assert!(said.contains("input 96x64x1"), "{said}");

    // Interrupted and resumed, and from its settings: the same bytes.
    train("parts", &["--epochs", "3", "--patience", "0", "--max-steps", "5"]);
    run(&["train", "--resume", "--out", "parts", "--max-steps", "1000"]);
    let config = fs::read_to_string(folder.join("run/config.toml")).unwrap();
    assert!(config.contains("\nimage_size = \"96x64\"\n"), "{config}");
    run(&["train", "--config", "run/config.toml", "--out", "again"]);
    let tensors = |out: &str| model::TensorFile::from_bytes(&weights(out)).unwrap().tensors;
    assert_eq!(tensors("run"), tensors("parts"));
    assert_eq!(weights("run"), weights("again"));
    vertebra(folder, &["train", "--resume", "--out", "run", "--image-size", "96"])
        .fails(1, &["this run has image-size \"96x64\", found 96"]);

    let shown = run(&["inspect", "run"]).stdout;
    assert!(shown.contains("input          96x64x1"), "{shown}");
    let evaluated = run(&["evaluate", "run", "data", "--json"]).json();
    assert_eq!(evaluated["images"], 8);
    let page = fs::read_to_string(folder.join("run/report.html")).unwrap();
    let card = fs::read_to_string(folder.join("run/model-card.md")).unwrap();
    assert!(page.contains("96 x 64 pixels") && card.contains("96 x 64 pixels"));
    run(&["predict", "run", "data/test/disc/0.png", "--heatmap", "maps"]);
    let map = fs::read_dir(folder.join("maps")).unwrap().next().unwrap().unwrap().path();
    // The picture's own shape, not the input's; below it lies the legend.
    assert_eq!(image::open(map).unwrap().width(), 512);
    run(&["export", "run", "--to", "onnx", "--out", "tall.onnx"]);

    // Convolutions know no size: weights go from one to the other.
    let square =
        ["train", "data", "--out", "square", "--init", "run", "--image-size", "32", "--max-steps", "1"];
    run(&square);
    train("back", &["--init", "square", "--max-steps", "1"]);
    let of = |out: &str| model::Model::read(folder.join(out)).unwrap().metadata.architecture.image_size;
    assert_eq!([of("square"), of("back")], [[32, 32], [96, 64]]);
}

#[test]
fn sizes_that_no_network_has() {
    let folder = tempfile::tempdir().unwrap();
    for (size, words) in [
        ("320by256", "height x width such as 320x256"),
        ("320x", "height x width such as 320x256"),
        ("320x16", "sides of 32 to 4096"),
        ("8000x64", "found 8000x64"),
    ] {
        vertebra(folder.path(), &["train", "data", "--image-size", size]).fails(2, &["image", words]);
        vertebra(folder.path(), &["bench", "train", "--image-size", size]).fails(2, &["image", words]);
    }
    let bench = ["bench", "infer", "--width", "0.25", "--image-size", "64x32", "--json"];
    assert_eq!(vertebra(folder.path(), &bench).ok().json()["image_size"], serde_json::json!([64, 32]));
    let bench =
        ["bench", "train", "--width", "0.25", "--image-size", "32x64", "--batch-size", "2", "--steps", "1"];
    let said = vertebra(folder.path(), &bench).ok().stdout;
    assert!(said.contains("32x64x1"), "{said}");
}
