//! All that a deployment needs: read a model, make its plan, run it.
//!
//! `cargo run --release -p vertebra-infer --example deploy -- model.safetensors`

use infer::{Plan, probabilities};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: deploy MODEL")?;
    let model = model::Model::read(path)?;
    let mut plan = Plan::new(&model, kernels::Level::from_env()?, 1)?;

    let image = vec![0.0; plan.image_len()]; // [h, w, c], preprocessed as the model's metadata say
    let mut scores = vec![0.0; plan.classes()];
    plan.run(&image, &mut scores);
    let temperature = model.metadata.calibration.map_or(1.0, |calibration| calibration.temperature);
    probabilities(&mut scores, plan.classes(), temperature);
    for (class, probability) in model.metadata.classes.iter().zip(&scores) {
        println!("{class}\t{probability:.4}");
    }
    Ok(())
}
