//! Models that come from elsewhere, go elsewhere, and are trained further.

use crate::support::{train, trained, vertebra, workspace};
use model::{Architecture, Array, Metadata, Model, Preprocessing};
use std::fs;
use std::path::Path;

fn read(path: impl AsRef<Path>) -> Model {
    Model::read(path).unwrap()
}

/// A colour model of five classes, scaled as `preprocessing` says.
fn colour(name: &str, preprocessing: &str) -> Model {
    let architecture = Architecture {
        width: 0.25,
        image_size: [32, 32],
        channels: 3,
        classes: 5,
        ..Architecture::named(name).unwrap()
    };
    let weights = nn::Learner::new(architecture.network().unwrap(), 7).weights();
    let prep = Preprocessing::named(preprocessing, 3, [32, 32]).unwrap();
    let classes = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    Model::new(Metadata::new(architecture, classes, prep), weights).unwrap()
}

#[test]
fn an_exported_model_comes_back_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let run = trained().join("run");
    let run = run.to_str().unwrap();
    for to in ["torch", "keras-names"] {
        vertebra(folder.path(), &["export", run, "--to", to, "--out", "out.safetensors"]).ok();
        let said =
            vertebra(folder.path(), &["import", "out.safetensors", "--out", "back.safetensors"]).ok().stdout;
        assert!(said.contains("in file   --padding same"), "{said}");
        assert_eq!(read(folder.path().join("back.safetensors")), read(run), "{to}");
    }
    vertebra(folder.path(), &["export", run, "--to", "onnx", "--out", "out.onnx"]).ok();
    let onnx = fs::read(folder.path().join("out.onnx")).unwrap();
    assert!(onnx.windows(13).any(|bytes| bytes == b"probabilities"));
}

#[test]
fn what_an_import_assumes_is_said_and_can_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = model::TensorFile { tensors: colour("mobilenet-v2", "torch").weights, ..Default::default() };
    file.write(folder.path().join("v2.safetensors")).unwrap();
    fs::write(folder.path().join("labels.txt"), "cat\ndog\ncat\nhen\nfox\n").unwrap();
    let import = |more: &[&str]| {
        vertebra(folder.path(), &[&["import", "v2.safetensors", "--out", "model.safetensors"], more].concat())
    };
    let said = import(&[]).ok().stdout;
    for line in [
        "mobilenet-v2, width 0.25, 3 channels, 5 classes",
        "assumed   --padding symmetric",
        "assumed   --image-size 224",
        "assumed   --colours rgb",
        "assumed   --labels: class 0, class 1, class 2 and 2 more",
        "names: torchvision",
    ] {
        assert!(said.contains(line), "{line:?} is missing from: {said}");
    }
    let options = [
        "--padding=same",
        "--epsilon=0.001",
        "--activation=leaky-relu:0.1",
        "--preprocessing=unit",
        "--image-size=64",
        "--labels=labels.txt",
    ];
    let ended = import(&options).ok();
    for line in
        ["given     --activation leaky-relu:0.1", "given     --image-size 64", "given     --labels: cat, dog"]
    {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
    assert!(ended.stderr.contains("twice"), "{}", ended.stderr);
    let metadata = read(folder.path().join("model.safetensors")).metadata;
    assert_eq!(metadata.classes, ["cat", "dog", "cat (2)", "hen", "fox"]);
    let arch = &metadata.architecture;
    assert_eq!((arch.epsilon, arch.image_size, arch.padding), (1e-3, [64, 64], model::Padding::Same));

    fs::write(folder.path().join("labels.txt"), "cat\ndog\n").unwrap();
    import(&["--labels", "labels.txt"]).fails(1, &["v2.safetensors", "5 distinct names", "2 names"]);
    import(&["--labels", "nowhere.txt"]).fails(1, &["nowhere.txt"]);
    import(&["--activation", "gelu"]).fails(2, &["leaky-relu:SLOPE"]);
}

/// A network for 96 pixels whose file says so, in its name; one output, as a sigmoid has.
#[test]
fn a_sigmoid_head_and_a_size_in_the_name_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = colour("mobilenet-v2", "torch").weights;
    let features = tensors["classifier.1.weight"].shape()[1];
    tensors.insert("classifier.1.weight", Array::new([1, features], vec![0.5; features]).unwrap());
    tensors.insert("classifier.1.bias", Array::new([1], vec![0.25]).unwrap());
    let file = model::TensorFile { tensors, ..Default::default() };
    file.write(folder.path().join("mobilenet_v2_0.25_96.safetensors")).unwrap();
    let words = ["import", "mobilenet_v2_0.25_96.safetensors", "--out", "model.safetensors"];
    let said = vertebra(folder.path(), &words).ok().stdout;
    assert!(said.contains("in file   --image-size 96") && said.contains("taken for a sigmoid"), "{said}");
    let model = read(folder.path().join("model.safetensors"));
    assert_eq!(model.metadata.architecture.image_size, [96, 96]);
    assert_eq!(model.weights["classifier.1.bias"].data(), [0.0, 0.25]);
    vertebra(folder.path(), &["import", words[1], "--key", "ema", "--out", "x"]).fails(1, &["--key"]);
}

/// Wherever a model is opened, a file of another format is called by its name.
#[test]
fn other_formats_are_named_by_every_command() {
    let folder = workspace();
    let path = folder.path().join("net.tflite");
    fs::write(&path, [b"\x1c\0\0\0TFL3".as_slice(), &[0; 400]].concat()).unwrap();
    for words in [
        &["predict", "net.tflite", "data"][..],
        &["evaluate", "net.tflite", "data"],
        &["inspect", "net.tflite"],
        &["export", "net.tflite", "--to", "onnx", "--out", "x.onnx"],
        &["import", "net.tflite", "--out", "x.safetensors"],
        &["train", "data", "--init", "net.tflite", "--out", "run"],
    ] {
        vertebra(folder.path(), words).fails(1, &["net.tflite", "TensorFlow Lite", "vertebra import"]);
    }
}

#[test]
fn files_that_are_no_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let import = |bytes: &[u8]| {
        fs::write(folder.path().join("file.pth"), bytes).unwrap();
        vertebra(folder.path(), &["import", "file.pth", "--out", "model.safetensors"])
    };
    import(b"\x80\x02cposix\nsystem\n").fails(1, &["file.pth", "torch.save(model.state_dict(), FILE)"]);
    import(b"PK\x03\x04 and no more").fails(1, &["file.pth", "not a sound zip file"]);
    import(b"\x89HDF\r\n\x1a\n").fails(1, &["file.pth", "not a sound HDF5 file"]);
    import(b"").fails(1, &["file.pth", "ends early"]);
    let mut tensors = colour("mobilenet-v1", "tf").weights;
    tensors.remove("conv1_bn.bias");
    tensors.insert("head.scale", Array::new([1], vec![1.0]).unwrap());
    let file = model::TensorFile { tensors, ..Default::default() };
    import(&file.to_bytes()).fails(1, &["missing conv1_bn.bias [8]", "unexpected head.scale [1]"]);
    assert!(!folder.path().join("model.safetensors").exists());
}

#[test]
fn colour_weights_begin_a_gray_run_with_other_classes() {
    let folder = workspace();
    let init = colour("mobilenet-v1", "tf");
    init.write(folder.path().join("colour.safetensors")).unwrap();
    train(folder.path(), "data", "run", &["--init", "colour.safetensors", "--max-steps", "0"]).ok();
    let begun = read(folder.path().join("run"));
    assert_eq!(begun.metadata.classes, ["disc", "empty"]);
    let gray = init.to_gray().unwrap();
    assert_eq!(begun.weights["conv1.weight"], gray.weights["conv1.weight"]);
    assert_eq!(begun.weights["blocks.12.pointwise.weight"], init.weights["blocks.12.pointwise.weight"]);
    assert_eq!(begun.weights["classifier.weight"].shape(), [2, 256]);

    colour("mobilenet-v2", "torch").write(folder.path().join("torch.safetensors")).unwrap();
    let more = ["--init", "torch.safetensors", "--max-steps", "0"];
    let said = train(folder.path(), "data", "other", &more).ok().stderr;
    assert!(said.contains("outermost pixels"), "{said}");
}

/// A frozen body stays as it is; thawed after an epoch it learns, in a run that is stopped as in one that is not.
#[test]
fn a_body_that_thaws_is_the_same_after_a_resume() {
    let folder = workspace();
    let init = colour("mobilenet-v1", "tf").to_gray().unwrap();
    init.write(folder.path().join("init.safetensors")).unwrap();
    let frozen = ["--init", "init.safetensors", "--freeze", "--head-lr", "0.02", "--average", "0"];
    train(folder.path(), "data", "frozen", &[&frozen[..], &["--epochs", "1"]].concat()).ok();
    let body = |model: &Model| {
        let tensors = model.weights.iter().filter(|(name, _)| !name.starts_with("classifier"));
        tensors.map(|(_, array)| array.clone()).collect::<Vec<_>>()
    };
    assert_eq!(body(&read(folder.path().join("frozen"))), body(&init));

    let thaws = [&frozen[..], &["--epochs", "2", "--unfreeze-after", "1", "--patience", "0"]].concat();
    train(folder.path(), "data", "whole", &thaws).ok();
    train(folder.path(), "data", "pieces", &[&thaws[..], &["--max-steps", "3"]].concat()).ok();
    for step in ["4", "6"] {
        vertebra(folder.path(), &["train", "--resume", "--out", "pieces", "--max-steps", step]).ok();
    }
    vertebra(folder.path(), &["train", "--resume", "--out", "pieces"]).ok();
    let last = |run: &str| fs::read(folder.path().join(run).join("last.safetensors")).unwrap();
    assert!(last("whole") == last("pieces"), "the checkpoints differ");
    assert_ne!(body(&read(folder.path().join("whole/last.safetensors"))), body(&init));
    train(folder.path(), "data", "no", &["--unfreeze-after", "1"]).fails(2, &["--freeze"]);
}
