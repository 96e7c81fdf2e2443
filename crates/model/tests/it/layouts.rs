//! State dicts as people really save them: wrapped, averaged, with other heads, counted by Keras, and what is said of them.

use crate::imports::{parts, to_tensorflow};
use crate::weights;
use model::{
    Architecture, Array, Colours, Hints, ImportOptions, Imported, Origin, Padding, TensorFile, Weights,
    import, import_explained,
};

fn architecture(name: &str, classes: usize) -> Architecture {
    Architecture { width: 0.5, channels: 3, classes, ..Architecture::named(name).unwrap() }
}

/// Names changed by `rename`.
fn renamed(weights: &Weights, rename: impl Fn(&str) -> String) -> Weights {
    weights.iter().map(|(name, array)| (rename(name), array.clone())).collect()
}

fn explained(tensors: Weights, options: ImportOptions) -> Imported {
    import_explained(tensors, &options).unwrap()
}

fn notes(imported: &Imported) -> String {
    imported.model.metadata.provenance.config["notes"].to_string()
}

#[test]
fn wrappers_add_prefixes() {
    for arch in model::NAMES {
        let ours = weights(&architecture(arch, 4));
        for prefix in
            ["module.", "model.", "backbone.", "_orig_mod.", "net._orig_mod.", "module.module.encoder."]
        {
            let model = import(renamed(&ours, |name| format!("{prefix}{name}")), &ImportOptions::default());
            assert_eq!(model.unwrap().weights, ours, "{arch} {prefix}");
        }
    }
}

#[test]
fn of_two_copies_one_is_taken_and_said() {
    let ours = weights(&architecture("mobilenet-v2", 4));
    let mut both = renamed(&ours, |name| format!("net.{name}"));
    for (name, array) in ours.iter() {
        let other = array.data().iter().map(|value| value + 1.0).collect();
        both.insert(format!("ema_net.module.{name}"), Array::new(array.shape(), other).unwrap());
    }
    both.insert("criterion.weight", Array::new([4], vec![1.0; 4]).unwrap());
    let imported = explained(both, ImportOptions::default());
    assert_eq!(imported.model.weights, ours);
    let notes = notes(&imported);
    assert!(notes.contains("--key ema_net.module") && notes.contains("criterion.weight"), "{notes}");
}

/// `head` of a network as one output: torch's, Keras' and slim's.
#[test]
fn one_output_is_the_second_of_two_classes() {
    let ours = weights(&architecture("mobilenet-v1", 2));
    let (weight, bias) = (ours["classifier.weight"].clone(), ours["classifier.bias"].clone());
    let features = weight.shape()[1];
    let row = weight.data()[features..].to_vec();
    let mut one = ours.clone();
    one.insert("classifier.weight", Array::new([1, features], row.clone()).unwrap());
    one.insert("classifier.bias", Array::new([1], vec![bias.data()[1]]).unwrap());
    let torch = one.clone();
    let tensorflow: Weights = one.iter().map(|(name, array)| to_tensorflow(name, array)).collect();
    let mut keras = tensorflow.clone();
    for (theirs, name, shape) in
        [("dense.kernel", "classifier.weight", vec![features, 1]), ("dense.bias", "classifier.bias", vec![1])]
    {
        let array = keras.remove(name).unwrap();
        keras.insert(theirs, Array::new(shape, array.into_data()).unwrap());
    }
    for tensors in [torch, tensorflow, keras] {
        let imported = explained(tensors.clone(), ImportOptions::default());
        let found = &imported.model.weights;
        assert_eq!(found["classifier.weight"].data(), [vec![0.0; features], row.clone()].concat());
        assert_eq!(found["classifier.bias"].data(), [0.0, bias.data()[1]]);
        assert_eq!(imported.model.metadata.classes, ["class 0", "class 1"]);
        assert!(notes(&imported).contains("sigmoid"), "{}", notes(&imported));
        let options = ImportOptions { classes: Some(vec!["fracture".into()]), ..ImportOptions::default() };
        assert_eq!(import(tensors, &options).unwrap().metadata.classes, ["not fracture", "fracture"]);
    }
    // Of two outputs nobody knows which one a single name is for.
    let options = ImportOptions { classes: Some(vec!["fracture".into()]), ..ImportOptions::default() };
    let message = import(ours, &options).unwrap_err().to_string();
    assert!(message.contains("2 distinct names"), "{message}");
}

#[test]
fn a_head_without_bias_has_zeros() {
    let mut theirs = weights(&architecture("mobilenet-v2", 3));
    theirs.remove("classifier.1.bias");
    let imported = explained(theirs, ImportOptions::default());
    assert_eq!(imported.model.weights["classifier.1.bias"].data(), [0.0; 3]);
    assert!(notes(&imported).contains("no bias"));
}

/// Keras' count of V1's layers, from `first` on, with a dense layer for a head.
fn counted(ours: &Weights, first: usize) -> Weights {
    let name = |class: &str, number: usize| match number + first {
        0 => class.to_owned(),
        number => format!("{class}_{number}"),
    };
    ours.iter()
        .map(|(ours, array)| {
            let (block, layer, part) = parts(ours);
            let at = block.unwrap_or(0);
            let layer = match layer {
                "classifier" => name("dense", 0),
                "conv1" | "pointwise" => name("conv2d", at),
                "depthwise" => name("depthwise_conv2d", at - 1),
                "conv1_bn" => name("batch_normalization", 0),
                "depthwise_bn" => name("batch_normalization", 2 * at - 1),
                _ => name("batch_normalization", 2 * at),
            };
            let (theirs, array) = to_tensorflow(ours, array);
            let part = match theirs.rsplit_once('.').unwrap().1 {
                "weight" if part == "weight" => "kernel",
                part => part,
            };
            let array = match *array.shape() {
                [1, 1, i, o] if layer.starts_with("dense") => Array::new([i, o], array.into_data()).unwrap(),
                _ => array,
            };
            (format!("{layer}/{part}:0"), array)
        })
        .collect()
}

#[test]
fn v1_that_keras_counted_is_not_v2() {
    let ours = weights(&architecture("mobilenet-v1", 2));
    for first in [0, 1, 30] {
        let imported = explained(counted(&ours, first), ImportOptions::default());
        assert_eq!(imported.model.weights, ours, "from {first}");
        assert_eq!(imported.model.metadata.architecture.padding, Padding::Same);
    }
}

#[test]
fn transformers_names_are_known() {
    for arch in model::NAMES {
        let ours = weights(&architecture(arch, 3));
        let v1 = |name: &str| {
            let (block, layer, part) = parts(name);
            let layer = match (block, layer.trim_end_matches("_bn")) {
                (_, "classifier") => return name.to_owned(),
                (Some(block), "depthwise") => format!("layer.{}", 2 * (block - 1)),
                (Some(block), _) => format!("layer.{}", 2 * (block - 1) + 1),
                (None, _) => "conv_stem".into(),
            };
            let kind = if name.contains("_bn") { "normalization" } else { "convolution" };
            format!("mobilenet_v1.{layer}.{kind}.{part}")
        };
        let v2 = |name: &str| {
            let words: Vec<&str> = name.split('.').collect();
            let number = |at: usize| words[at].parse::<usize>().unwrap();
            if words[0] == "classifier" {
                return format!("classifier.{}", words[2]);
            }
            let block = number(1);
            let (layer, is_norm) = match (block, words[2]) {
                (0, step) => ("conv_stem.first_conv".to_owned(), step == "1"),
                (18, step) => ("conv_1x1".into(), step == "1"),
                (block, _) => {
                    let steps = ["expand_1x1", "conv_3x3", "reduce_1x1"];
                    let steps = if block == 1 { &steps[1..] } else { &steps[..] };
                    let last = steps.len() - 1;
                    let (step, is_norm) = match number(3) {
                        at if at < last => (steps[at], words[4] == "1"),
                        at => (steps[last], at > last),
                    };
                    let parent = if block == 1 { "conv_stem".into() } else { format!("layer.{}", block - 2) };
                    (format!("{parent}.{step}"), is_norm)
                }
            };
            let kind = if is_norm { "normalization" } else { "convolution" };
            format!("mobilenet_v2.{layer}.{kind}.{}", words.last().unwrap())
        };
        let theirs = renamed(&ours, |name| if arch == "mobilenet-v1" { v1(name) } else { v2(name) });
        let model = import(theirs, &ImportOptions::default()).unwrap();
        assert_eq!(model.weights, ours, "{arch}");
        assert_eq!(
            (model.metadata.architecture.padding, model.metadata.architecture.epsilon),
            (Padding::Same, 1e-3)
        );
    }
}

#[test]
fn what_a_file_tells_holds_and_what_is_assumed_is_known() {
    let theirs = weights(&architecture("mobilenet-v2", 3));
    let hints = Hints {
        image_size: Some([160, 160]),
        epsilon: Some(0.002),
        scaling: Some([vec![0.5], vec![1.0, 2.0, 3.0]]),
        classes: Some(["a", "b", "c"].map(str::to_owned).to_vec()),
        ..Hints::default()
    };
    let imported =
        explained(theirs.clone(), ImportOptions { hints: hints.clone(), ..ImportOptions::default() });
    let metadata = &imported.model.metadata;
    assert_eq!((metadata.architecture.image_size, metadata.architecture.epsilon), ([160, 160], 0.002));
    assert_eq!(metadata.preprocessing.scale, [0.5; 3]);
    assert_eq!(
        (metadata.preprocessing.height, &metadata.preprocessing.offset[..]),
        (160, &[1.0, 2.0, 3.0][..])
    );
    assert_eq!(metadata.classes, ["a", "b", "c"]);
    let Imported { image_size, padding, preprocessing, classes, colours, .. } = &imported;
    assert_eq!([image_size, preprocessing, classes], [&Origin::InFile; 3]);
    assert_eq!([padding, colours], [&Origin::Assumed; 2]);
    let options = ImportOptions { image_size: Some([96, 96]), hints, ..ImportOptions::default() };
    let imported = explained(theirs, options);
    assert_eq!(imported.model.metadata.architecture.image_size, [96, 96]);
    assert_eq!(imported.image_size, Origin::Given);
}

#[test]
fn blue_green_red_is_turned_around() {
    let theirs = weights(&architecture("mobilenet-v2", 3));
    let options = ImportOptions { colours: Some(Colours::Bgr), ..ImportOptions::default() };
    let found = import(theirs.clone(), &options).unwrap().weights;
    let name = "features.0.0.weight";
    for (found, given) in found[name].data().chunks(27).zip(theirs[name].data().chunks(27)) {
        assert_eq!([&found[..9], &found[9..18], &found[18..]], [&given[18..], &given[9..18], &given[..9]]);
    }
    for (name, array) in theirs.iter().filter(|(found, _)| *found != name) {
        assert_eq!(&found[name.as_str()], array);
    }
}

/// timm trains its V1 with pixels from -1 to 1, and its V2 with ImageNet's mean and deviation.
#[test]
fn timm_scales_v1_as_tensorflow_does() {
    let ours = weights(&architecture("mobilenet-v1", 3));
    let stages = [1, 2, 2, 6, 2];
    let theirs = renamed(&ours, |name| {
        let (block, layer, part) = parts(name);
        let Some(mut at) = block.map(|block| block - 1) else {
            let layer = match layer {
                "conv1" => "conv_stem",
                "conv1_bn" => "bn1",
                other => other,
            };
            return format!("{layer}.{part}");
        };
        let mut stage = 0;
        while at >= stages[stage] {
            at -= stages[stage];
            stage += 1;
        }
        let step = match layer {
            "depthwise" => "conv_dw",
            "depthwise_bn" => "bn1",
            "pointwise" => "conv_pw",
            _ => "bn2",
        };
        format!("blocks.{stage}.{at}.{step}.{part}")
    });
    let model = import(theirs, &ImportOptions::default()).unwrap();
    assert_eq!(model.weights, ours);
    assert_eq!(
        (model.metadata.preprocessing.scale[0], model.metadata.preprocessing.offset[0]),
        (1.0 / 127.5, -1.0)
    );
    assert_eq!(model.metadata.architecture.epsilon, 1e-5);
}

#[test]
fn counters_are_passed_over_and_quantised_weights_are_not() {
    let header = |dtype: &str, name: &str, shape: &str, len: usize| {
        let text =
            format!("{{\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[0,{len}]}}}}");
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &vec![0; len]].concat()
    };
    for (dtype, name, len) in [("I64", "n_averaged", 8), ("I32", "global_step", 4), ("BOOL", "initted", 1)] {
        let file = TensorFile::from_bytes(&header(dtype, name, "[]", len)).unwrap();
        assert_eq!((file.tensors.len(), &file.skipped[..]), (0, &[name.to_owned()][..]));
    }
    let file = TensorFile::from_bytes(&header("I64", "bn1.num_batches_tracked", "[]", 8)).unwrap();
    assert!(file.tensors.is_empty() && file.skipped.is_empty());
    // As those are who convert all of a network's tensors.
    for (dtype, len) in [("F16", 2), ("F32", 4), ("F64", 8), ("BF16", 2)] {
        let file = TensorFile::from_bytes(&header(dtype, "bn1.num_batches_tracked", "[]", len)).unwrap();
        assert!(file.tensors.is_empty() && file.skipped.is_empty(), "{dtype}");
    }
    let message = TensorFile::from_bytes(&header("I8", "conv.weight", "[4]", 4)).unwrap_err().to_string();
    assert!(message.contains("quantised"), "{message}");
}

#[test]
fn refusals_are_short() {
    let mut theirs = weights(&architecture("mobilenet-v2", 3));
    theirs.retain(|name| !name.ends_with("running_var") || name.contains("features.1."));
    let message = import(theirs, &ImportOptions::default()).unwrap_err().to_string();
    assert!(message.len() < 1500 && message.lines().all(|line| line.len() < 120), "{message}");
    assert!(message.contains("more missing"), "{message}");
}

/// The publication of weights is by size; without a word, the smaller ones would be run at 224 pixels.
#[test]
fn the_size_is_read_from_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mobilenet_1_0_160_tf.safetensors");
    let tensors = weights(&architecture("mobilenet-v1", 3));
    TensorFile { tensors, ..TensorFile::default() }.write(&path).unwrap();
    let file = model::ForeignFile::read(&path).unwrap();
    assert_eq!(file.hints.image_size, Some([160, 160]));
    // What lies beside it knows better.
    let config = r#"{"architecture": "mobilenetv1_100", "pretrained_cfg": {"input_size": [3, 128, 128]}}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    assert_eq!(model::ForeignFile::read(&path).unwrap().hints.image_size, Some([128, 128]));
}
