//! Foreign weights: made ones whose conversion is known, and the real ones where they are at hand.

use crate::shared::shared;
use crate::weights;
use model::{
    Activation, Architecture, Array, ImportOptions, Model, Naming, Padding, TensorFile, Weights, import,
};

/// A tensor as TensorFlow stores it, element by element.
pub(crate) fn to_tensorflow(name: &str, array: &Array) -> (String, Array) {
    const PARTS: [(&str, &str); 4] = [
        ("_bn.weight", "_bn.gamma"),
        ("_bn.bias", "_bn.beta"),
        (".running_mean", ".moving_mean"),
        (".running_var", ".moving_variance"),
    ];
    let part = PARTS.iter().find_map(|(ours, theirs)| Some(name.strip_suffix(ours)?.to_owned() + theirs));
    let (shape, depthwise) = (array.shape(), name.contains("depthwise"));
    let [o, i, h, w] = match *shape {
        [o, i, h, w] => [o, i, h, w],
        [o, i] => [o, i, 1, 1],
        _ => return (part.unwrap_or(name.to_owned()), array.clone()),
    };
    let mut data = Vec::new();
    for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
        for (input, output) in (0..i).flat_map(|input| (0..o).map(move |output| (input, output))) {
            data.push(array.data()[((output * i + input) * h + y) * w + x]);
        }
    }
    let shape = if depthwise { [h, w, o, 1] } else { [h, w, i, o] };
    (name.to_owned(), Array::new(shape, data).unwrap())
}

fn tensorflow(weights: &Weights) -> Weights {
    weights.iter().map(|(name, array)| to_tensorflow(name, array)).collect()
}

#[test]
fn tensorflow_weights_become_the_stored_ones() {
    for (width, channels, classes, folded) in [(0.25, 3, 5, false), (0.35, 1, 2, true), (1.0, 3, 2, false)] {
        let base = Architecture::named("mobilenet-v1").unwrap();
        let architecture = Architecture { width, channels, classes, folded, ..base };
        let ours = weights(&architecture);
        let model = import(tensorflow(&ours), &ImportOptions::default()).unwrap();
        assert_eq!(model.metadata.architecture, architecture);
        assert_eq!(model.weights, ours);
    }
}

#[test]
fn torchvision_weights_are_read_at_every_width() {
    for width in [0.1, 0.35, 0.5, 0.75, 1.0, 1.3, 1.4] {
        let base = Architecture::named("mobilenet-v2").unwrap();
        let architecture = Architecture { width, classes: 3, channels: 3, ..base };
        let ours = weights(&architecture);
        let model = import(ours.clone(), &ImportOptions::default()).unwrap();
        assert_eq!(model.metadata.architecture.width, width);
        assert_eq!(model.weights, ours);
    }
}

#[test]
fn a_bias_before_a_norm_moves_its_mean() {
    let architecture = Architecture::named("mobilenet-v1").unwrap();
    let ours = weights(&architecture);
    let mut theirs = tensorflow(&ours);
    theirs.insert("conv1.bias", Array::new([32], vec![0.5; 32]).unwrap());
    let model = import(theirs, &ImportOptions::default()).unwrap();
    let name = "conv1_bn.running_mean";
    let moved: Vec<f32> = ours[name].data().iter().map(|mean| mean - 0.5).collect();
    assert_eq!(model.weights[name].data(), moved);
    assert!(!model.weights.contains("conv1.bias"));
}

#[test]
fn the_caller_knows_better() {
    let theirs = tensorflow(&weights(&Architecture::named("mobilenet-v1").unwrap()));
    let options = ImportOptions {
        image_size: Some([160, 128]),
        classes: Some(vec!["no".into(), "yes".into()]),
        padding: Some(Padding::Symmetric),
        epsilon: Some(1e-4),
        activation: Some(Activation::Relu),
        preprocessing: Some("unit".into()),
        ..ImportOptions::default()
    };
    let metadata = import(theirs, &options).unwrap().metadata;
    let architecture = &metadata.architecture;
    assert_eq!((architecture.image_size, architecture.epsilon), ([160, 128], 1e-4));
    assert_eq!((architecture.padding, architecture.activation), (Padding::Symmetric, Activation::Relu));
    assert_eq!(metadata.classes, ["no", "yes"]);
    assert_eq!((metadata.preprocessing.scale[0], metadata.preprocessing.offset[0]), (1.0 / 255.0, 0.0));
}

#[test]
fn strange_tensors_are_listed() {
    let mut theirs = tensorflow(&weights(&Architecture::named("mobilenet-v1").unwrap()));
    theirs.remove("blocks.3.depthwise.weight");
    theirs.insert("head.weight", Array::new([2], vec![0.0; 2]).unwrap());
    let message = import(theirs, &ImportOptions::default()).unwrap_err().to_string();
    for part in ["missing blocks.3.depthwise.weight [128, 1, 3, 3]", "unexpected head.weight [2]"] {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    let message = import(Weights::new(), &ImportOptions::default()).unwrap_err().to_string();
    assert!(message.starts_with("tensor names"), "{message}");
}

/// Its layers have MobileNetV2's names but for those that squeeze.
#[test]
fn the_third_mobilenet_is_told_by_name() {
    let mut theirs = weights(&Architecture::named("mobilenet-v2").unwrap());
    theirs.insert("features.4.block.2.fc1.weight", Array::new([8, 32, 1, 1], vec![0.0; 256]).unwrap());
    let message = import(theirs, &ImportOptions::default()).unwrap_err().to_string();
    assert!(message.contains("features.4.block.2.fc1, as MobileNetV3"), "{message}");
    // A classifier of that name is another fault.
    let mut theirs = weights(&Architecture::named("mobilenet-v2").unwrap());
    theirs.insert("fc1.weight", Array::new([2, 8], vec![0.0; 16]).unwrap());
    let message =
        import(theirs, &ImportOptions::default()).map_or_else(|error| error.to_string(), |_| String::new());
    assert!(!message.contains("MobileNetV3"), "{message}");
}

#[test]
fn gray_weights_are_the_sum_over_the_colours() {
    let colour = Architecture { channels: 3, ..Architecture::named("mobilenet-v1").unwrap() };
    let ours = weights(&colour);
    let model = import(tensorflow(&ours), &ImportOptions::default()).unwrap();
    let gray = model.to_gray().unwrap();
    assert_eq!(gray.metadata.architecture.channels, 1);
    let (colour, gray) = (ours["conv1.weight"].data(), gray.weights["conv1.weight"].data());
    for (n, &value) in gray.iter().enumerate() {
        let (filter, at) = (n / 9, n % 9);
        let sum: f32 = (0..3).map(|c| colour[(filter * 3 + c) * 9 + at]).sum();
        assert!((value - sum).abs() < 1e-6, "{value} {sum}");
    }
    let already = crate::model("mobilenet-v2");
    assert_eq!(already.to_gray().unwrap(), already);
}

/// What the first convolution and its norm make of a gray pixel in the middle of an even image, as `to_gray` promises to
/// keep it where each colour is scaled differently.
#[test]
fn gray_weights_take_uneven_scaling_into_account() {
    let colour = Architecture { channels: 3, ..Architecture::named("mobilenet-v2").unwrap() };
    let model = import(weights(&colour), &ImportOptions::default()).unwrap();
    let gray = model.to_gray().unwrap();
    let response = |model: &Model, filter: usize, pixel: f64| {
        let prep = &model.metadata.preprocessing;
        let weights = model.weights["features.0.0.weight"].data();
        let filter_weights = weights.chunks_exact(9 * prep.channels).nth(filter).unwrap();
        let z: f64 = filter_weights.iter().enumerate().fold(0.0, |z, (at, &weight)| {
            let [scale, offset] = [&prep.scale, &prep.offset].map(|values| f64::from(values[at / 9]));
            z + f64::from(weight) * (pixel * scale + offset)
        });
        let mean = model.weights["features.0.1.running_mean"].data()[filter];
        z - f64::from(mean)
    };
    for (filter, pixel) in [(0, 0.0), (3, 255.0), (31, 17.0)] {
        let [want, got] = [&model, &gray].map(|model| response(model, filter, pixel));
        assert!((want - got).abs() < 1e-4, "{want} {got}");
    }
}

/// Our name as `path, part`; the block's number counts from 1, as TensorFlow counts.
pub(crate) fn parts(name: &str) -> (Option<usize>, &str, &str) {
    let (path, part) = name.rsplit_once('.').unwrap();
    match path.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
        Some((block, layer)) => (Some(block.parse::<usize>().unwrap() + 1), layer, part),
        None => (None, path, part),
    }
}

/// TensorFlow-slim's variable of ours; without scales, which slim leaves out.
fn slim(name: &str) -> Option<String> {
    let (block, layer, part) = parts(name);
    let (layer, is_norm) = (layer.trim_end_matches("_bn"), layer.ends_with("_bn"));
    let place = match (block, layer) {
        (Some(block), layer) => format!("Conv2d_{block}_{layer}"),
        (None, "conv1") => "Conv2d_0".into(),
        (None, _) => "Logits/Conv2d_1c_1x1".into(),
    };
    let part = match (part, is_norm, layer) {
        ("weight", true, _) => return None,
        ("bias", true, _) => "BatchNorm/beta",
        ("running_mean", ..) => "BatchNorm/moving_mean",
        ("running_var", ..) => "BatchNorm/moving_variance",
        ("weight", false, "depthwise") => "depthwise_weights",
        ("weight", ..) => "weights",
        _ => "biases",
    };
    Some(format!("MobilenetV1/{place}/{part}"))
}

/// Keras' variable of ours, as its .h5 files repeat it; the classifier is a dense layer of the user's.
fn keras(name: &str) -> Option<String> {
    let (block, layer, part) = parts(name);
    let is_norm = layer.ends_with("_bn");
    let layer = match (block, layer) {
        (Some(block), layer) => {
            let short = if layer.starts_with("depthwise") { "conv_dw" } else { "conv_pw" };
            format!("{short}_{block}{}", if is_norm { "_bn" } else { "" })
        }
        (None, "classifier") => "dense_1".into(),
        (None, layer) => layer.into(),
    };
    let part = match (part, is_norm) {
        ("weight", true) => "gamma",
        ("bias", true) => "beta",
        ("weight", false) if layer.starts_with("conv_dw") => "depthwise_kernel",
        ("weight", false) => "kernel",
        ("running_mean", _) => "moving_mean",
        ("running_var", _) => "moving_variance",
        (part, _) => part,
    };
    let prefix = if layer == "dense_1" { "" } else { "mobilenet_0.50_224/" };
    Some(format!("{prefix}{layer}/{layer}/{part}:0"))
}

#[test]
fn names_of_slim_and_keras_are_known() {
    let base = Architecture::named("mobilenet-v1").unwrap();
    let architecture = Architecture { width: 0.5, channels: 3, classes: 4, ..base };
    let ours = weights(&architecture);
    let spoken = |speak: fn(&str) -> Option<String>| {
        let rename = |(name, array): (&String, &Array)| Some((speak(name)?, to_tensorflow(name, array).1));
        import(ours.iter().filter_map(rename), &ImportOptions::default()).unwrap()
    };
    let model = spoken(keras);
    assert_eq!((&model.metadata.architecture, &model.weights), (&architecture, &ours));
    assert!(model.metadata.provenance.config["notes"][0].as_str().unwrap().contains("dense_1"));

    let model = spoken(slim);
    assert_eq!(model.metadata.architecture, architecture);
    let gammas = |name: &str| name.ends_with("_bn.weight");
    for (name, array) in ours.iter() {
        let found = model.weights[name.as_str()].data();
        if gammas(name) {
            assert!(found.iter().all(|&gamma| gamma == 1.0), "{name}");
        } else {
            assert_eq!(found, array.data(), "{name}");
        }
    }
}

/// A re-implementation in PyTorch: numbered layers, a bias before every norm, LeakyReLU.
#[test]
fn layers_in_order_need_no_names() {
    let base = Architecture::named("mobilenet-v1").unwrap();
    let architecture = Architecture { width: 0.25, channels: 3, classes: 4, ..base };
    let ours = weights(&architecture);
    let theirs = ours.iter().flat_map(|(name, array)| {
        let (block, layer, part) = parts(name);
        let path = match (block.unwrap_or(0), layer) {
            (_, "classifier") => "module.fc".to_owned(),
            (block, "depthwise" | "conv1") => format!("module.stage.{block}.0"),
            (block, "depthwise_bn" | "conv1_bn") => format!("module.stage.{block}.1"),
            (block, "pointwise") => format!("module.stage.{block}.3"),
            (block, _) => format!("module.stage.{block}.4"),
        };
        let is_conv = array.shape().len() == 4;
        let bias = is_conv.then(|| {
            let outputs = array.shape()[0];
            (format!("{path}.bias"), Array::new([outputs], vec![0.25; outputs]).unwrap())
        });
        [Some((format!("{path}.{part}"), array.clone())), bias].into_iter().flatten()
    });
    let theirs: Weights = theirs.collect();
    let options = ImportOptions { activation: Some(Activation::LeakyRelu(0.1)), ..ImportOptions::default() };
    let model = import(theirs.clone(), &options).unwrap();
    let found = &model.metadata.architecture;
    assert_eq!((found.padding, found.epsilon, found.width), (Padding::Symmetric, 1e-5, 0.25));
    assert_eq!(found.activation, Activation::LeakyRelu(0.1));
    assert!(model.metadata.provenance.config["notes"][0].as_str().unwrap().contains("in order"));
    for (name, array) in ours.iter() {
        let shift = if name.ends_with(".running_mean") { 0.25 } else { 0.0 };
        let want: Vec<f32> = array.data().iter().map(|value| value - shift).collect();
        assert_eq!(model.weights[name.as_str()].data(), want, "{name}");
    }
    let options = ImportOptions { naming: Some(Naming::Tf), ..options };
    assert_eq!(import(theirs.clone(), &options).unwrap().metadata.architecture.padding, Padding::Same);

    let mut cut = theirs.clone();
    cut.remove("module.stage.13.3.weight");
    let message = import(cut, &options).unwrap_err().to_string();
    assert!(
        message.contains("expected 27 as mobilenet-v1 or 52 as mobilenet-v2 convolutions, found 26"),
        "{message}"
    );
    let mut odd = theirs;
    odd.insert("module.stage.4.0.weight", Array::new([64, 1, 3, 3], vec![0.0; 576]).unwrap());
    let message = import(odd, &options).unwrap_err().to_string();
    assert!(
        message.contains("module.stage.4.0 (1 to 64 channels, 3x3) is no blocks.3.depthwise after 32"),
        "{message}"
    );
}

#[test]
fn a_norm_that_lacks_its_scale_alone_is_listed() {
    let mut theirs = tensorflow(&weights(&Architecture::named("mobilenet-v1").unwrap()));
    theirs.remove("blocks.3.depthwise_bn.gamma");
    let message = import(theirs, &ImportOptions::default()).unwrap_err().to_string();
    assert!(message.contains("missing blocks.3.depthwise_bn.weight"), "{message}");
}

/// The real weights, if this machine has them.
fn published(file: &str) -> Option<TensorFile> {
    shared(&format!("weights/{file}")).map(|path| TensorFile::read(path).unwrap())
}

fn imported(file: &TensorFile) -> Model {
    import(file.tensors.clone(), &ImportOptions::default()).unwrap()
}

#[test]
fn the_real_v1_is_imported() {
    let Some(file) = published("mobilenet_v1_1.0_224_tfslim.safetensors") else { return };
    let model = imported(&file);
    let defaults = Architecture::named("mobilenet-v1").unwrap();
    assert_eq!(model.metadata.architecture, Architecture { channels: 3, classes: 1001, ..defaults });
    let (ours, theirs) = (model.weights["conv1.weight"].data(), file.tensors["conv1.weight"].data());
    let (o, i, y, x) = (17, 2, 0, 1);
    assert_eq!(ours[((o * 3 + i) * 3 + y) * 3 + x], theirs[((y * 3 + x) * 3 + i) * 32 + o]);
    let name = "classifier.weight";
    assert_eq!(model.weights[name].data()[5 * 1024 + 700], file.tensors[name].data()[700 * 1001 + 5]);
    let (ours, theirs) = ("blocks.12.pointwise_bn.running_var", "blocks.12.pointwise_bn.moving_variance");
    assert_eq!(model.weights[ours], file.tensors[theirs]);
    assert_eq!(Model::from_bytes(&model.to_tensor_file().unwrap().to_bytes()).unwrap(), model);
}

#[test]
fn the_real_folded_v1_is_imported() {
    let Some(file) = published("mobilenet_v1_0.25_224_tflite_float.safetensors") else { return };
    let model = imported(&file);
    let architecture = &model.metadata.architecture;
    assert_eq!((architecture.width, architecture.folded, architecture.classes), (0.25, true, 1001));
    let name = "blocks.4.depthwise.weight";
    assert_eq!(model.weights[name].data()[60 * 9 + 5], file.tensors[name].data()[5 * 64 + 60]);
    assert_eq!(model.weights["conv1.bias"], file.tensors["conv1.bias"]);
}

#[test]
fn the_real_v2_has_our_names_already() {
    let Some(file) = published("mobilenet_v2_1.0_224_torchvision.safetensors") else { return };
    let model = imported(&file);
    assert_eq!(model.metadata.architecture.width, 1.0);
    assert_eq!(model.weights, file.tensors);
    assert_eq!(model.network().unwrap().trainable_parameters(), 3_504_872);
}
