//! The stored answers of inference: for the first one, two, three, ... blocks of both networks, the logits of what a
//! classifier makes of their output. So the first wrong number belongs to the first wrong block.
//!
//! The answers were computed in f64 by the readable specification (`kernels::scalar`), from weights and an image that
//! follow from a seed; a test computes them again.

use super::Number;
use crate::failure::Failure;
use engine::Rng;
use infer::Plan;
use kernels::Level;
use model::{Architecture, Array, Network, Role, Weights};

/// Relative to the larger of two logits: f32 sums of 53 layers stay below it, and no defect does.
const TOLERANCE: f64 = 1e-4;

/// `[blocks, 2]` for each network.
const ANSWERS: [(&str, &[[f64; 2]]); 2] = [
    (
        "mobilenet-v1",
        &[
            [0.276_812_4, 0.008_360_7],
            [1.227_733_9, -0.022_219_9],
            [0.006_179_1, 0.398_833],
            [-1.259_538_4, 1.578_622],
            [-1.649_396_7, 0.476_137_1],
            [1.420_940_5, -1.224_682_7],
            [-0.046_316_3, 0.251_199_4],
            [0.114_052_3, 0.099_863_4],
            [0.054_002_4, -0.452_900_6],
            [0.123_141_9, 0.902_084_7],
            [-2.541_344_1, 0.606_845],
            [-0.369_105_1, -1.333_370_2],
            [0.497_075_9, 0.157_936],
            [-1.973_568_9, -1.178_879_4],
        ],
    ),
    (
        "mobilenet-v2",
        &[
            [0.013_855_1, 0.041_161_8],
            [1.584_823_9, 0.628_624_8],
            [-1.714_344_4, -0.325_417_2],
            [-0.324_542_8, -2.408_119_1],
            [0.931_848_8, 0.836_960_8],
            [1.341_460_9, 4.737_478_1],
            [-4.161_546_4, 4.992_415_2],
            [2.270_168_1, 1.489_953_9],
            [-7.014_963_9, 1.706_234],
            [4.947_923_4, 2.248_7],
            [-5.230_342_2, -3.755_669_8],
            [-3.149_446_2, -0.099_267_5],
            [9.555_422_4, -0.194_219_3],
            [0.226_219_7, -5.564_599_9],
            [8.208_867, 0.649_692_6],
            [0.831_446_6, -4.062_706_9],
            [9.506_319_1, 4.940_977_5],
            [1.375_899_3, 1.974_525_2],
            [2.046_506_9, -0.094_927_8],
        ],
    ),
];

pub fn numbers(level: Level) -> Result<Vec<Number>, Failure> {
    let mut numbers = vec![];
    for (name, answers) in ANSWERS {
        let whole = network(name)?;
        let image = image(&whole);
        for (block, answer) in answers.iter().enumerate() {
            let network = beginning(&whole, block + 1);
            let mut logits = [0.0; 2];
            Plan::of(&network, &weights(&network), level, 1)?.run(&image, &mut logits);
            let tolerance = TOLERANCE * answer[0].abs().max(answer[1].abs());
            let layers = &network.blocks[block].convs;
            let layer = format!("{name} {}", layers.last().map_or("", |conv| conv.name.as_str()));
            numbers.extend(logits.into_iter().zip(answer).map(|(found, &expected)| Number {
                name: layer.clone(),
                found: found.into(),
                expected,
                tolerance,
            }));
        }
    }
    Ok(numbers)
}

/// Channel counts that no vector divides, and an image of odd sides.
fn network(name: &str) -> Result<Network, Failure> {
    let named = Architecture::named(name)?;
    Ok(Architecture { width: 0.3, image_size: [40, 37], channels: 3, ..named }.network()?)
}

/// The first `blocks` blocks, with a classifier.
fn beginning(network: &Network, blocks: usize) -> Network {
    let mut network = network.clone();
    network.blocks.truncate(blocks);
    network.features = network.layers().last().map_or(0, |(conv, _)| conv.outputs);
    network
}

/// Weights at which activations keep their size, with norms that do something.
fn weights(network: &Network) -> Weights {
    let tensors = network.tensors().into_iter().enumerate().map(|(n, spec)| {
        let mut rng = Rng::derive(&[1, n as u64]);
        let scale = (6.0 / spec.shape[1..].iter().product::<usize>() as f64).sqrt();
        let mut value = || match spec.role {
            Role::ConvWeight => rng.range(-scale, scale),
            Role::Gamma => rng.range(0.5, 1.5),
            Role::Variance => rng.range(0.5, 2.0),
            Role::Bias | Role::Beta | Role::Mean => rng.range(-0.5, 0.5),
        };
        let data = (0..spec.elements()).map(|_| value() as f32).collect();
        (spec.name, Array::new(spec.shape, data).expect("as many values as the shape says"))
    });
    tensors.collect()
}

/// An image of noise.
fn image(network: &Network) -> Vec<f32> {
    let mut rng = Rng::new(2);
    let [h, w] = network.image_size;
    (0..h * w * network.channels).map(|_| rng.range(-1.0, 1.0) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference::{reference, relative_error};
    use super::*;

    #[test]
    fn the_answers_are_those_of_the_specification_in_f64() {
        for (name, answers) in ANSWERS {
            let whole = network(name).unwrap_or_else(|_| panic!("{name} is a network"));
            assert_eq!(answers.len(), whole.blocks.len(), "{name}");
            for (block, answer) in answers.iter().enumerate() {
                let network = beginning(&whole, block + 1);
                let want = reference(&network, &weights(&network), &image(&network));
                let error = relative_error(&answer.map(|x| x as f32), &want);
                assert!(error < 1e-6, "{name}, block {block}: expected {want:?}, found {answer:?}");
            }
        }
    }
}
