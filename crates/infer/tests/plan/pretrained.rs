//! Published weights against activations that other programs computed from them: an f64 forward pass, and the runtime
//! that the weights were published for.

use crate::reference::relative_error;
use crate::shared::shared;
use infer::Plan;
use kernels::Level;
use model::{ImportOptions, TensorFile};

fn check(weights: &str, reference: &str) {
    let found = |file: &str| shared(&format!("weights/{file}"));
    let Some((weights, reference)) = found(weights).zip(found(reference)) else { return };
    let model = model::import(TensorFile::read(weights).unwrap().tensors, &ImportOptions::default()).unwrap();
    let reference = TensorFile::read(reference).unwrap().tensors;
    let input = reference["input"].data();
    for level in Level::available() {
        let mut plan = Plan::new(&model, level, 1).unwrap();
        let mut logits = vec![f32::NAN; plan.classes()];
        plan.run(input, &mut logits);
        for (name, tolerance) in [("act.logits", 1e-4), ("runtime.logits", 1e-3)] {
            let want: Vec<f64> = reference[name].data().iter().copied().map(f64::from).collect();
            let worst = logits.iter().zip(&want).map(|(&got, want)| (f64::from(got) - want).abs());
            let worst = worst.fold(0.0, f64::max);
            println!(
                "{name} {}: {worst:.1e} absolute, {:.1e} relative",
                level.name(),
                relative_error(&logits, &want)
            );
            assert!(
                worst < tolerance && !logits.iter().any(|x| x.is_nan()),
                "{name} {}: {worst}",
                level.name()
            );
        }
    }
}

#[test]
fn mobilenet_v1_of_tf_slim() {
    for image in ["cat", "elephants"] {
        check(
            "mobilenet_v1_1.0_224_tfslim.safetensors",
            &format!("reference/mobilenet_v1_1.0_224_{image}.safetensors"),
        );
    }
}

#[test]
fn narrow_mobilenet_v1_that_came_folded() {
    check(
        "mobilenet_v1_0.25_224_tflite_float.safetensors",
        "reference/mobilenet_v1_0.25_224_elephants.safetensors",
    );
}

#[test]
fn mobilenet_v2_of_torchvision() {
    check(
        "mobilenet_v2_1.0_224_torchvision.safetensors",
        "reference/mobilenet_v2_1.0_224_elephants.safetensors",
    );
}
