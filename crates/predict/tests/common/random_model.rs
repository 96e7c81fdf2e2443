//! A small network of random weights, for tests.

use model::{Architecture, Array, Metadata, Model, Preprocessing, Role};

/// MobileNetV1 of a quarter of the width, which reads by `prep`; its classifier has the bias `bias`, one number a class.
pub fn random_model(classes: &[&str], prep: Preprocessing, seed: u32, bias: &[f32]) -> Model {
    let named = Architecture::named("mobilenet-v1").unwrap();
    let (image_size, count) = ([prep.height, prep.width], classes.len());
    let architecture = Architecture { width: 0.25, image_size, classes: count, ..named };
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let tensors = architecture.network().unwrap().tensors().into_iter().map(|spec| {
        let values = match spec.role {
            Role::Variance | Role::Gamma => vec![1.0; spec.elements()],
            Role::Bias => bias.to_vec(),
            _ => (0..spec.elements()).map(|_| random()).collect(),
        };
        (spec.name, Array::new(spec.shape, values).unwrap())
    });
    let tensors = tensors.collect();
    let classes = classes.iter().map(|&class| class.into()).collect();
    Model::new(Metadata::new(architecture, classes, prep), tensors).unwrap()
}
