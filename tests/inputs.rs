//! What a network sees: inputs that are no squares, and the window of a model, from the option to the exported file.

use crate::dicom_writer::Writer;
use crate::support::{vertebra, workspace};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::fs;
use std::path::Path;

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
    if cfg!(target_os = "linux") {
        let large = ["bench", "train", "--width", "4", "--image-size", "4096", "--batch-size", "4096"];
        vertebra(folder.path(), &large).fails(2, &["expected", "of memory and swap here", "found 4096"]);
    }
    let bench = ["bench", "infer", "--width", "0.25", "--image-size", "64x32", "--json"];
    assert_eq!(vertebra(folder.path(), &bench).ok().json()["image_size"], serde_json::json!([64, 32]));
    let bench =
        ["bench", "train", "--width", "0.25", "--image-size", "32x64", "--batch-size", "2", "--steps", "1"];
    let said = vertebra(folder.path(), &bench).ok().stdout;
    assert!(said.contains("32x64x1"), "{said}");
}

/// A CT slice of 32 x 32 with a disc of 100 Hounsfield units in tissue of -100, or none; its own window is one of the lung.
fn slice(path: &Path, disc: bool, number: usize) {
    let mut file = Writer::new("1.2.840.10008.1.2.1");
    file.text(0x0008_0060, b"CS", "CT").image("MONOCHROME2", [32, 32], [16, 12], 0);
    file.text(0x0028_1050, b"DS", "-600").text(0x0028_1051, b"DS", "1500");
    file.text(0x0028_1052, b"DS", "-1024").text(0x0028_1053, b"DS", "1");
    let inside =
        |i: usize| disc && (i / 32).abs_diff(15).pow(2) + (i % 32).abs_diff(14 + number % 5).pow(2) < 40;
    let hounsfield = |i: usize| if inside(i) { 100 } else { -100 - (i % 3) as i32 };
    let values: Vec<u16> = (0..1024).map(|i| (1024 + hounsfield(i)) as u16).collect();
    file.words(0x7fe0_0010, b"OW", &values);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, file.bytes()).unwrap();
}

#[test]
fn a_window_goes_with_the_model() {
    let workspace = tempfile::tempdir().unwrap();
    let folder = workspace.path();
    for i in 0..40 {
        let split = ["train", "train", "train", "val", "test"][i / 2 % 5];
        let class = ["disc", "empty"][i % 2];
        slice(&folder.join(format!("data/{split}/{class}/{i}.dcm")), i % 2 == 0, i);
    }
    let run = |words: &[&str]| vertebra(folder, words).ok();
    let tiny = ["--width", "0.25", "--image-size", "32", "--batch-size", "8", "--max-steps", "6"];
    let train = ["train", "data", "--out", "run", "--window", "40,400"];
    let said = run(&[&train[..], &tiny].concat()).stderr;
    let note = "seen through the model's window 40,400 (train --window), not the file's own";
    assert!(said.contains(&format!("32 files (for example data/train/disc/0.dcm): {note}\n")), "{said}");
    let config = fs::read_to_string(folder.join("run/config.toml")).unwrap();
    assert!(config.contains("\nwindow = \"40,400\"\n"), "{config}");
    let model = model::Model::read(folder.join("run")).unwrap();
    assert_eq!(model.metadata.format, model::Metadata::WITH_WINDOW);

    // What the run predicted at its end, `predict` predicts of the files, without an option.
    let told = fs::read_to_string(folder.join("run/predictions.csv")).unwrap();
    let lines = run(&["predict", "run", "data/test", "--format", "csv"]).stdout;
    // By the name of the file; no name here has a comma.
    let column = |table: &str, name: &str| -> Vec<(String, f64)> {
        let mut rows = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = rows.next().unwrap();
        let at = |name: &str| header.iter().position(|column| *column == name).unwrap();
        let (path, value) = (at("path"), at(name));
        let row = |row: Vec<&str>| {
            (row[path].rsplit('/').next().unwrap().to_owned(), row[value].parse::<f64>().unwrap())
        };
        let mut found: Vec<_> = rows.map(row).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    };
    let (told, predicted) = (column(&told, "p_disc"), column(&lines, "p_disc"));
    assert_eq!(told.len(), 8);
    for (a, b) in told.iter().zip(&predicted) {
        assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-5, "{a:?} {b:?}");
    }
    // Without the window the same weights say something else.
    let prep = model::Preprocessing { window: None, ..model.metadata.preprocessing.clone() };
    let metadata =
        model::Metadata { preprocessing: prep, format: model::Metadata::FORMAT, ..model.metadata.clone() };
    model::Model::new(metadata, model.weights.clone())
        .unwrap()
        .write(folder.join("plain.safetensors"))
        .unwrap();
    let plain =
        column(&run(&["predict", "plain.safetensors", "data/test", "--format", "csv"]).stdout, "p_disc");
    assert!(plain.iter().zip(&predicted).any(|(a, b)| (a.1 - b.1).abs() > 1e-4), "{plain:?}");

    let evaluated = run(&["evaluate", "run", "data", "--json"]);
    assert!(evaluated.json()["images"] == 8 && evaluated.stderr.contains(note), "{}", evaluated.stderr);
    let shown = run(&["inspect", "run"]).stdout;
    assert!(shown.contains("window         40,400 (centre, width): -160 is black, 240 is white"), "{shown}");
    let card = fs::read_to_string(folder.join("run/model-card.md")).unwrap();
    assert!(card.contains("from -160 (black) to 240 (white)"), "{card}");
    run(&["export", "run", "--to", "onnx", "--out", "ct.onnx"]);
    let onnx = String::from_utf8_lossy(&fs::read(folder.join("ct.onnx")).unwrap()).into_owned();
    assert!(onnx.contains("\"center\":40.0") && onnx.contains("\"window\":\"40,400\""));

    // An audit sees what training sees: tissue is dark, and in the file's own window bright.
    let brightness = |words: &[&str]| {
        let found = run(&[&["audit", "data", "--json"], words].concat()).json();
        let of = |found: &&serde_json::Value| found["feature"] == "mean brightness";
        let measured = found["shortcuts"].as_array().unwrap().iter().find(of).unwrap()["threshold"].as_f64();
        (found["window"].clone(), measured.unwrap())
    };
    let (window, seen) = brightness(&["--window", "40,400"]);
    assert!(window == "40,400" && seen < 60.0, "{window} {seen}");
    let (window, seen) = brightness(&[]);
    assert!(window.is_null() && seen > 200.0, "{window} {seen}");
    let next = run(&["audit", "data", "--window", "40,400"]).stderr;
    assert!(next.contains("data --window 40,400"), "{next}");

    // The overlay shows what the network saw: tissue is dark, and in the file's own window bright.
    run(&["predict", "run", "data/test/empty", "--heatmap", "maps"]);
    for map in fs::read_dir(folder.join("maps")).unwrap() {
        let map = image::open(map.unwrap().path()).unwrap().to_rgb8();
        let darkest = map.pixels().take(512 * 512).map(|pixel| *pixel.0.iter().min().unwrap()).max().unwrap();
        assert!(darkest < 60, "{darkest}");
    }

    vertebra(folder, &["train", "--resume", "--out", "run", "--window", "50,350"])
        .fails(1, &["this run has window \"40,400\", found \"50,350\""]);
    let init = ["train", "data", "--out", "next", "--init", "run", "--image-size", "32", "--max-steps", "1"];
    let said = run(&init).stderr;
    assert!(said.contains("--window 40,400 sees these through it too"), "{said}");

    RgbImage::from_pixel(32, 32, Rgb([9, 9, 9])).save(folder.join("colour.png")).unwrap();
    GrayImage::from_pixel(32, 32, Luma([9])).save(folder.join("bytes.png")).unwrap();
    let mixed = vertebra(folder, &["predict", "run", "colour.png", "bytes.png"]);
    mixed.fails(
        1,
        &[
            "expected a gray image, which the window 40,400 is for, found colour",
            "1 file (bytes.png): 8 bits: taken as it is, not through the model's window",
        ],
    );
    for bad in ["40", "40,0", "wide"] {
        vertebra(folder, &["train", "data", "--window", bad]).fails(2, &["CENTER,WIDTH such as 40,400"]);
    }
}
