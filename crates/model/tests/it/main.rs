//! The crate from outside: files, foreign weights and layouts.
#![forbid(unsafe_code)]

mod exports;
mod files;
mod formats;
mod imports;
mod keras;
mod keras_files;
mod layouts;
mod pickle;
#[path = "../../../../tests/shared.rs"]
mod shared;
mod torch_files;

use model::{Architecture, Array, Metadata, Model, Preprocessing, Role, Weights};

/// Weights for every tensor of the network, all different, variances above 0.
fn weights(architecture: &Architecture) -> Weights {
    let mut n = 0u32;
    let mut next = |role| {
        n += 1;
        let value = (f64::from(n) * 0.618).sin() as f32;
        if role == Role::Variance { value.abs() + 0.1 } else { value }
    };
    let specs = architecture.network().unwrap().tensors();
    let array = |spec: &model::TensorSpec, data| Array::new(spec.shape.clone(), data).unwrap();
    specs
        .iter()
        .map(|spec| (spec.name.clone(), array(spec, (0..spec.elements()).map(|_| next(spec.role)).collect())))
        .collect()
}

/// A small model of two classes.
fn model(name: &str) -> Model {
    let architecture =
        Architecture { width: 0.25, image_size: [64, 48], ..Architecture::named(name).unwrap() };
    let weights = weights(&architecture);
    let preprocessing = Preprocessing::new(architecture.channels, architecture.image_size);
    let classes = vec!["normal".into(), "fracture".into()];
    Model::new(Metadata::new(architecture, classes, preprocessing), weights).unwrap()
}
