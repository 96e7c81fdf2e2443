//! Exported models come back as they were.

use crate::{model, weights};
use model::{
    Activation, Architecture, ForeignFile, ImportOptions, Metadata, Model, Padding, Preprocessing,
    StoredThreshold, TensorFile, import,
};

/// A model in which nothing is as published.
fn odd(name: &str, folded: bool) -> Model {
    let architecture = Architecture {
        width: 0.35,
        image_size: [64, 96],
        padding: Padding::Symmetric,
        epsilon: 1e-4,
        activation: Activation::LeakyRelu(0.1),
        folded,
        ..Architecture::named(name).unwrap()
    };
    let (weights, prep) = (weights(&architecture), Preprocessing::new(1, architecture.image_size));
    let mut metadata = Metadata::new(architecture, vec!["no".into(), "yes".into()], prep);
    metadata.threshold =
        Some(StoredThreshold { value: 0.25, rule: "chosen".into(), positive: "yes".into(), evidence: None });
    Model::new(metadata, weights).unwrap()
}

fn back(file: &TensorFile, options: ImportOptions) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exported.safetensors");
    file.write(&path).unwrap();
    let ForeignFile { tensors, told, .. } = ForeignFile::read(&path).unwrap();
    import(tensors, &ImportOptions { told, ..options }).unwrap()
}

#[test]
fn round_trips_are_exact() {
    for name in ["mobilenet-v1", "mobilenet-v2"] {
        for model in [odd(name, false), odd(name, true)] {
            assert_eq!(back(&model.to_keras().unwrap(), ImportOptions::default()), model, "{name}");
        }
        let model = odd(name, false);
        assert_eq!(back(&model.to_torch().unwrap(), ImportOptions::default()), model, "{name}");
        let relu = ImportOptions { activation: Some(Activation::Relu), ..ImportOptions::default() };
        let changed = back(&model.to_torch().unwrap(), relu).metadata;
        assert_eq!(changed.architecture.activation, Activation::Relu);
        assert_eq!((changed.architecture.epsilon, changed.classes), (1e-4, model.metadata.classes));
    }
}

#[test]
fn a_torch_file_counts_batches_and_is_a_model_file_too() {
    let model = model("mobilenet-v2");
    let file = model.to_torch().unwrap();
    assert_eq!(file.counters.len(), 52);
    assert!(file.counters.contains_key("features.18.1.num_batches_tracked"));
    let bytes = file.to_bytes();
    assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
    let header = String::from_utf8_lossy(&bytes[8..]);
    assert!(
        header.contains(r#""features.18.1.num_batches_tracked":{"#) && header.contains(r#""dtype":"I64""#)
    );
    let message = odd("mobilenet-v2", true).to_torch().unwrap_err().to_string();
    assert!(message.contains("expected batch norms"), "{message}");
}

#[test]
fn keras_names_and_shapes_are_keras() {
    let file = odd("mobilenet-v1", false).to_keras().unwrap();
    for (name, shape) in [
        ("conv1/kernel", &[3, 3, 1, 11][..]),
        ("conv1_bn/gamma", &[11]),
        ("conv_dw_1/depthwise_kernel", &[3, 3, 11, 1]),
        ("conv_pw_13_bn/moving_variance", &[358]),
        ("conv_preds/kernel", &[1, 1, 358, 2]),
        ("conv_preds/bias", &[2]),
    ] {
        assert_eq!(file.tensors[name].shape(), shape, "{name}");
    }
    assert_eq!(file.tensors.len(), 137);
    let v2 = odd("mobilenet-v2", false).to_keras().unwrap();
    assert_eq!(v2.tensors["predictions/kernel"].shape(), [1280, 2]);
    assert!(v2.tensors.contains("expanded_conv_project_BN/beta"));
}
