//! Files as Keras writes them.

use hdf5_pure::{AttrValue, FileBuilder, GroupBuilder};
use std::io::{Cursor, Write};
use zip::write::{SimpleFileOptions, ZipWriter};

pub fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 0.618).sin()).collect()
}

pub fn group(name: &str, variables: &[(&str, &[usize])]) -> GroupBuilder {
    let mut group = FileBuilder::new().create_group(name);
    for (variable, shape) in variables {
        let shape64: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        let data = values(shape.iter().product());
        group.create_dataset(variable).with_f32_data(&data).with_shape(&shape64);
    }
    group
}

/// A group that holds `inner` alone.
pub fn around(name: &str, inner: GroupBuilder) -> GroupBuilder {
    let mut outer = FileBuilder::new().create_group(name);
    outer.add_group(inner.finish());
    outer
}

pub fn file(groups: Vec<GroupBuilder>) -> Vec<u8> {
    let mut file = FileBuilder::new();
    groups.into_iter().for_each(|group| file.add_group(group.finish()));
    file.finish().unwrap()
}

/// `.h5`: variables have names, and a layer's name is there twice.
pub fn named() -> Vec<u8> {
    file(vec![around("conv1", group("conv1", &[("kernel:0", &[3, 3, 1, 4])]))])
}

/// `.weights.h5`: variables have numbers; the optimizer's are there too.
pub fn numbered() -> Vec<u8> {
    let conv = around("conv2d", group("vars", &[("0", &[3, 3, 1, 4]), ("1", &[4])]));
    let norm = around("batch_normalization", group("vars", &[("0", &[4]), ("2", &[4])]));
    let mut layers = FileBuilder::new().create_group("layers");
    layers.add_group(conv.finish());
    layers.add_group(norm.finish());
    file(vec![layers, around("optimizer", group("vars", &[("0", &[1])]))])
}

/// A whole model, `model.save("m.h5")`: its description is an attribute, and so is the order of its layers.
pub fn whole() -> Vec<u8> {
    let mut bytes = FileBuilder::new();
    let config = r#"{"class_name": "Sequential", "config": {"layers": [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [null, 160, 160, 3]}}]}}"#;
    bytes.set_attr("model_config", AttrValue::String(config.into()));
    let mut layers = FileBuilder::new().create_group("model_weights");
    layers.set_attr("layer_names", AttrValue::StringArray(vec!["stem".into(), "a".into()]));
    for name in ["a", "stem"] {
        let mut layer = FileBuilder::new().create_group(name);
        let variables = ["kernel:0", "bias:0"].map(|variable| format!("{name}/{variable}")).to_vec();
        layer.set_attr("weight_names", AttrValue::StringArray(variables));
        layer.add_group(group(name, &[("bias:0", &[4]), ("kernel:0", &[3, 3, 1, 4])]).finish());
        layers.add_group(layer.finish());
    }
    bytes.add_group(layers.finish());
    bytes.finish().unwrap()
}

/// `.keras`: the variables in a zip file, with a description.
pub fn archive() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let config = br#"{"class_name": "InputLayer", "config": {"batch_shape": [null, 96, 64, 3]}}"#.to_vec();
    for (name, data) in [("config.json", config), ("model.weights.h5", numbered())] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(&data).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
