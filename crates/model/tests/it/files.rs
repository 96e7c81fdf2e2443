//! Model files: exact round trips, equal bytes, and a clear refusal of everything else.

use crate::model;
use model::{
    Activation, Calibration, Error, Model, StoredThreshold, TensorFile, resolve, rewrite_metadata,
    write_atomic,
};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;

/// A file with this header and this many bytes of values.
fn bytes(header: &str, values: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + values, 0);
    bytes
}

/// The bytes of a sound model file after `edit` of its metadata document.
fn with_document(edit: impl Fn(&mut Value)) -> Vec<u8> {
    let mut file = model("mobilenet-v1").to_tensor_file().unwrap();
    let document = file.metadata.get_mut("vertebra").unwrap();
    let mut value = serde_json::from_str(document).unwrap();
    edit(&mut value);
    *document = value.to_string();
    file.to_bytes()
}

#[test]
fn a_model_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    for name in model::NAMES {
        let mut model = model(name);
        let metadata = &mut model.metadata;
        metadata.architecture.activation = Activation::LeakyRelu(0.1);
        metadata.preprocessing.scale[0] = 1.0 / 3.0;
        metadata.threshold = Some(StoredThreshold {
            value: 0.1234567,
            rule: "Youden".into(),
            positive: "fracture".into(),
            evidence: None,
        });
        metadata.calibration = Some(Calibration { temperature: 1.7 });
        metadata.provenance.seed = Some(u64::MAX);
        metadata.provenance.metrics = json!({ "auroc": 0.1 + 0.2, "name": "é\n\"" });
        model.write(&path).unwrap();
        assert_eq!(Model::read(&path).unwrap(), model);
        assert_eq!(Model::from_bytes(&fs::read(&path).unwrap()).unwrap(), model);
    }
}

#[test]
fn equal_models_give_equal_bytes_that_the_safetensors_crate_reads() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| folder.path().join(name));
    let model = model("mobilenet-v2");
    paths.iter().for_each(|path| model.write(path).unwrap());
    let [a, b] = paths.map(|path| fs::read(path).unwrap());
    assert_eq!(a, b);
    let theirs = safetensors::SafeTensors::deserialize(&a).unwrap();
    assert_eq!(theirs.len(), model.weights.len());
    for (name, array) in model.weights.iter() {
        let tensor = theirs.tensor(name).unwrap();
        assert_eq!(tensor.shape(), array.shape());
        let values: Vec<u8> = array.data().iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(tensor.data(), values, "{name}");
    }
}

#[test]
fn training_state_and_unknown_fields_are_passed_over() {
    let model = model("mobilenet-v1");
    let mut file = model.to_tensor_file().unwrap();
    let weight = file.tensors["conv1.weight"].clone();
    file.tensors.insert("training.adam.m.conv1.weight", weight);
    file.metadata.insert("training".into(), "{}".into());
    assert_eq!(Model::from_bytes(&file.to_bytes()).unwrap(), model);
    assert_eq!(TensorFile::from_bytes(&file.to_bytes()).unwrap(), file);

    let later = with_document(|document| document["a later field"] = json!([1, 2]));
    assert_eq!(Model::from_bytes(&later).unwrap(), model);
}

#[test]
fn other_number_types_become_f32() {
    let header = r#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
        "b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]},
        "bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[6,14]},
        "c":{"dtype":"F64","shape":[1,1],"data_offsets":[14,22]},
        "d":{"dtype":"U8","shape":[2],"data_offsets":[22,24]}}"#;
    let mut file = bytes(header, 0);
    file.extend([0x00, 0x3c, 0x00, 0xc0]);
    file.extend([0xc0, 0x3f]);
    file.extend(7i64.to_le_bytes());
    file.extend((1.0f64 / 3.0).to_le_bytes());
    file.extend([0, 255]);
    let tensors = TensorFile::from_bytes(&file).unwrap().tensors;
    let values: Vec<_> = tensors.iter().map(|(name, array)| (name.as_str(), array.data())).collect();
    let third = [1.0f32 / 3.0];
    let expected: [(_, &[f32]); 4] =
        [("a", &[1.0, -2.0]), ("b", &[1.5]), ("c", &third), ("d", &[0.0, 255.0])];
    assert_eq!(values, expected);
}

#[test]
fn hostile_files_are_refused_with_the_reason() {
    let tensor = |dtype: &str, shape: &str, start: u64, end: u64| {
        format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let two = |first: String, second: String| format!(r#"{{"a":{first},"b":{second}}}"#);
    let one = |only: String| format!(r#"{{"a":{only}}}"#);
    let nan = {
        let mut file = bytes(&one(tensor("F32", "[3]", 0, 12)), 8);
        file.extend(f32::NAN.to_le_bytes());
        file
    };
    let inf = {
        let mut file = bytes(&one(tensor("F64", "[1]", 0, 8)), 0);
        file.extend(1e300f64.to_le_bytes());
        file
    };
    let sized = |size: u64| [&size.to_le_bytes()[..], b"{}"].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "ends early: header promises 8 bytes, found 0"),
        ("shorter than a length", vec![0; 7], "ends early: header promises 8 bytes, found 7"),
        ("a web page", b"<!DOCTYPE html><html>".to_vec(), "not a safetensors file"),
        ("header of 2^64 - 1", sized(u64::MAX), "its header would take 18446744073709551615 bytes"),
        ("header of 1 GB", sized(1 << 30), "its header would take 1073741824 bytes"),
        ("header beyond the file", sized(3), "ends early: header promises 11 bytes, found 10"),
        ("no JSON", bytes("{nonsense", 0), "not a sound safetensors header"),
        ("no UTF-8", [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat(), "not a sound safetensors header"),
        ("deep JSON", bytes(&"[".repeat(1_000_000), 0), "not a sound safetensors header"),
        ("cut short", bytes(&one(tensor("F32", "[4]", 0, 16)), 12), "ends early: header promises"),
        ("too long", bytes(&one(tensor("F32", "[4]", 0, 16)), 17), "1 bytes follow the last tensor"),
        (
            "overlap",
            bytes(&two(tensor("F32", "[2]", 0, 8), tensor("F32", "[2]", 4, 12)), 12),
            "invalid offset for tensor `b`",
        ),
        (
            "gap",
            bytes(&two(tensor("F32", "[2]", 0, 8), tensor("F32", "[2]", 12, 20)), 20),
            "invalid offset for tensor `b`",
        ),
        ("backwards", bytes(&one(tensor("F32", "[2]", 8, 0)), 8), "invalid offset for tensor `a`"),
        ("shape and length differ", bytes(&one(tensor("F32", "[3]", 0, 8)), 8), "invalid shape"),
        (
            "product overflows",
            bytes(&one(tensor("F32", "[4294967296,4294967296,4]", 0, 8)), 8),
            "overflow computing buffer size",
        ),
        ("negative size", bytes(&one(tensor("F32", "[-1]", 0, 8)), 8), "not a sound safetensors header"),
        ("unknown type", bytes(&one(tensor("F31", "[2]", 0, 8)), 8), "not a sound safetensors header"),
        (
            "integers",
            bytes(&format!(r#"{{"a.weight":{}}}"#, tensor("I64", "[2]", 0, 16)), 16),
            "a.weight: expected floating-point values, found I64",
        ),
        ("NaN", nan, "a: expected finite values, found NaN at element 2"),
        ("beyond f32", inf, "a: expected finite values, found inf at element 0"),
        ("no metadata", bytes(&one(tensor("F32", "[2]", 0, 8)), 8), "use `vertebra import`"),
        (
            "metadata is no document",
            bytes(r#"{"__metadata__":{"vertebra":"{}"}}"#, 0),
            "metadata cannot be understood: missing field `format`",
        ),
        (
            "metadata is no text",
            bytes(r#"{"__metadata__":{"vertebra":1}}"#, 0),
            "not a sound safetensors header",
        ),
    ];
    for (name, file, reason) in cases {
        let message = Model::from_bytes(&file).expect_err(name).to_string();
        assert!(message.contains(reason), "{name}: {message:?} should speak of {reason:?}");
    }
}

#[test]
fn metadata_that_disagree_are_refused_by_field() {
    type Edit = fn(&mut Value);
    let cases: [(Edit, &str); 22] = [
        (|d| d["format"] = json!(2), "metadata format: expected 1, found 2"),
        (|d| d["format"] = json!(3), "metadata format: expected 1, found 3"),
        (|d| d["format"] = json!(4), "metadata format: expected 1 to 3, found 4"),
        (|d| d["preprocessing"]["window"] = json!("40,400"), "metadata format: expected 3, found 1"),
        (|d| d["preprocessing"]["window"] = json!("40,0"), "expected CENTER,WIDTH"),
        // An earlier program would take a sigmoid for a softmax.
        (|d| d["output"] = json!("sigmoid"), "metadata format: expected 2, found 1"),
        (|d| d["findings"] = json!([{ "slope": 1.0, "intercept": 0.0 }]), "findings: expected one for each"),
        (
            |d| {
                (d["format"], d["output"]) = (json!(2), json!("sigmoid"));
                d["findings"] =
                    json!([{ "slope": 1.0, "intercept": 0.0 }, { "slope": 0.0, "intercept": 0.0 }]);
            },
            "findings: expected a finite slope above 0",
        ),
        (|d| d["architecture"]["name"] = json!("vgg"), "architecture: expected mobilenet-v1 or mobilenet-v2"),
        (|d| d["architecture"]["width"] = json!(1e30), "width: expected above 0, at most 4"),
        (
            |d| d["architecture"]["width"] = json!(0.5),
            "conv1.weight: expected [16, 1, 3, 3], found [8, 1, 3, 3]",
        ),
        (|d| d["architecture"]["image_size"] = json!([7, 7]), "image size"),
        (|d| d["architecture"]["image_size"] = json!([u64::MAX, u64::MAX]), "image size"),
        (|d| d["architecture"]["classes"] = json!(1u64 << 60), "classes: expected 1 to 65536"),
        (|d| d["architecture"]["classes"] = json!(1), "classes: expected two or more, or findings, found 1"),
        (|d| d["architecture"]["activation"] = json!("gelu"), "activation: expected identity, relu"),
        (|d| d["classes"] = json!(["a", "a"]), "classes: expected 2 distinct names"),
        (|d| d["preprocessing"]["channels"] = json!(3), "preprocessing: expected 1 channels of 64x48"),
        (|d| d["preprocessing"]["scale"] = json!([0.0]), "preprocessing.scale"),
        (|d| d["preprocessing"]["offset"] = json!([]), "preprocessing.offset: expected 1 finite numbers"),
        (
            |d| d["threshold"] = json!({ "value": 0.5, "rule": "", "positive": "x" }),
            "threshold.positive: expected normal, fracture, found x",
        ),
        (|d| d["calibration"] = json!({ "temperature": 0.0 }), "calibration.temperature"),
    ];
    for (edit, reason) in cases {
        let message = Model::from_bytes(&with_document(edit)).expect_err(reason).to_string();
        assert!(message.contains(reason), "{message:?} should speak of {reason:?}");
    }
}

/// Whatever a byte of the header becomes, the answer is a model or an error, never a panic.
#[test]
fn no_changed_byte_is_a_panic() {
    const BYTES: &[u8] = b"0129[]{}\",:-e\0\xff a";
    let whole = model("mobilenet-v1").to_tensor_file().unwrap().to_bytes();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for n in 0..400 {
        let mut file = whole.clone();
        file[n * 7919 % (8 + header)] = BYTES[n % BYTES.len()];
        refused += usize::from(Model::from_bytes(&file).is_err());
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let mut model = model("mobilenet-v1");
    model.weights.remove("conv1.weight");
    assert!(matches!(model.write(&path), Err(Error::Tensors { .. })));
    assert!(!path.exists());
}

#[test]
fn a_truncated_file_says_its_name_and_both_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let whole = model("mobilenet-v1").to_tensor_file().unwrap().to_bytes();
    for found in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        write_atomic(&path, |w| w.write_all(&whole[..found])).unwrap();
        let message = Model::read(&path).unwrap_err().to_string();
        assert!(message.starts_with(&path.display().to_string()), "{message}");
        assert!(message.contains("the file ends early: header promises"), "{message}");
        assert!(message.ends_with(&format!("bytes, found {found}")), "{message}");
    }
}

#[test]
fn a_run_folder_means_its_best_model() {
    let folder = tempfile::tempdir().unwrap();
    let message = Model::read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("holds no best.safetensors"), "{message}");
    let best = folder.path().join("best.safetensors");
    model("mobilenet-v2").write(&best).unwrap();
    assert_eq!(resolve(folder.path()).unwrap(), best);
    assert_eq!(Model::read(folder.path()).unwrap(), Model::read(&best).unwrap());

    let missing = folder.path().join("missing.safetensors");
    let message = Model::read(&missing).unwrap_err().to_string();
    assert!(message.starts_with("cannot read") && message.contains("missing.safetensors"), "{message}");
}

/// A training may have written other weights since: they are not given the operating point of those that were read.
#[test]
fn an_operating_point_is_written_only_beside_the_weights_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let read = model("mobilenet-v1");
    let set =
        model::Metadata { calibration: Some(Calibration { temperature: 2.0 }), ..read.metadata.clone() };
    read.write(&path).unwrap();
    rewrite_metadata(&path, (&read.metadata, &read.weights), &set).unwrap();
    assert_eq!(Model::read(&path).unwrap(), Model { metadata: set.clone(), weights: read.weights.clone() });
    let other = {
        let mut other = read.clone();
        let name = other.weights.iter().next().map(|(name, _)| name.to_owned()).unwrap();
        let mut array = other.weights.get(&name).unwrap().clone();
        array.data_mut()[0] += 1.0;
        other.weights.insert(name, array);
        other
    };
    for written in [other, Model { metadata: set.clone(), weights: read.weights.clone() }] {
        written.write(&path).unwrap();
        let message = rewrite_metadata(&path, (&read.metadata, &read.weights), &set).unwrap_err().to_string();
        assert!(message.contains("m.safetensors") && message.contains("written meanwhile"), "{message}");
        assert_eq!(Model::read(&path).unwrap(), written);
    }
}
