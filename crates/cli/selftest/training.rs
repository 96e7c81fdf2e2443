//! The stored answers of training: the loss of a batch, how far one step moves some weights, and what the network that
//! began the step predicts.
//!
//! Loss and predictions agree with the specification in f64, which a test computes; the changes are those of the
//! portable level, whose gradients the tests of `autograd` and `nn` compare with differences in f64.

use super::Number;
use crate::failure::Failure;
use engine::{Rng, Tensor};
use kernels::Level;
use model::{Architecture, Metadata, Model, Network as Spec, Preprocessing, Weights};
use nn::{Algorithm, Learner, Loss};
use predict::Classifier;
use train::Trainer;

/// The loss, and how far a step moves some weights (name, L2 norm, relative tolerance).
const LOSS: f64 = 0.693_671_28;
const CHANGES: [(&str, f64, f64); 4] = [
    ("classifier.weight", 0.012_908_09, TOLERANCE),
    ("blocks.12.pointwise.weight", 0.020_846_73, TOLERANCE),
    ("blocks.11.depthwise.weight", 0.050_88, 10.0 * TOLERANCE),
    ("conv1.weight", 3.3, 0.2),
];
/// Log-probabilities of class 1 for the first four images, before the step.
const PREDICTIONS: [f64; 4] = [-0.563_354_4, -0.384_892_1, -0.773_655_3, -0.528_045_7];
/// Relative: far above what the order of sums changes, far below what any defect would.
const TOLERANCE: f64 = 1e-3;

const IMAGES: usize = 8;
const SIZE: usize = 64;

pub fn numbers(level: Level) -> Result<Vec<Number>, Failure> {
    let (architecture, images, labels) = (architecture()?, images(), labels());
    let (mut trainer, before) = begin(architecture.network()?, level);
    let loss = trainer.step(batch(&images), &labels, 0.01).into();
    let after = trainer.network.weights();
    let change = |name: &str| {
        let pairs = before[name].data().iter().zip(after[name].data());
        pairs.map(|(a, b)| f64::from(b - a).powi(2)).sum::<f64>().sqrt()
    };
    let number = |name: String, found, expected: f64, tolerance: f64| Number {
        name,
        found,
        expected,
        tolerance: tolerance * expected.abs(),
    };

    let mut numbers = vec![number("loss".into(), loss, LOSS, TOLERANCE)];
    numbers.extend(
        CHANGES
            .map(|(name, want, tolerance)| number(format!("step of {name}"), change(name), want, tolerance)),
    );
    let classes = vec!["even".to_owned(), "steep".to_owned()];
    let metadata = Metadata::new(architecture, classes, Preprocessing::new(1, [SIZE; 2]));
    let bytes = Model::new(metadata, before)?.to_tensor_file()?.to_bytes();
    let mut classifier = Classifier::at_level(&Model::from_bytes(&bytes)?, level)?;
    let rows = classifier.log_probabilities(&images);
    let found = rows.chunks_exact(2).map(|row| row[1]).zip(PREDICTIONS).enumerate();
    numbers.extend(found.map(|(i, (found, want))| number(format!("prediction {i}"), found, want, TOLERANCE)));
    Ok(numbers)
}

fn architecture() -> Result<Architecture, Failure> {
    let named = Architecture::named("mobilenet-v1")?;
    Ok(Architecture { width: 0.25, image_size: [SIZE; 2], dropout: 0.0, ..named })
}

/// A network whose norms know the statistics of the batch, and its weights: a step at rate 0 moves nothing else.
fn begin(network: Spec, level: Level) -> (Trainer, Weights) {
    let algorithm = Algorithm::Sgd { momentum: 0.0, l2: 1e-4 };
    let mut trainer = Trainer::new(Learner::new(network, 1), algorithm, Loss::plain(2), level, 1);
    trainer.step(batch(&images()), &labels(), 0.0);
    let weights = trainer.network.weights();
    (trainer, weights)
}

fn batch(images: &[f32]) -> Tensor {
    Tensor::from_slice([IMAGES, SIZE, SIZE, 1], images)
}

fn labels() -> Vec<usize> {
    (0..IMAGES).map(|i| i % 2).collect()
}

/// Smooth waves, as images have, steeper in the second class.
fn images() -> Vec<f32> {
    let mut rng = Rng::new(1);
    let (phases, labels): (Vec<f32>, _) =
        ((0..IMAGES).map(|_| rng.range(0.0, 6.0) as f32).collect(), labels());
    let pixel = |i: usize| {
        let (image, y, x) = (i / (SIZE * SIZE), i / SIZE % SIZE, i % SIZE);
        let (phase, steepness) = (phases[image], 0.15 + 0.1 * labels[image] as f32);
        ((x as f32 * steepness + phase).sin() + (y as f32 * 0.11 - phase).cos()) / 2.0
    };
    (0..IMAGES * SIZE * SIZE).map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference::reference;
    use super::*;

    #[test]
    fn loss_and_predictions_are_those_of_the_specification_in_f64() {
        let network = architecture().and_then(|a| Ok(a.network()?)).unwrap_or_else(|_| panic!("a network"));
        let (_, weights) = begin(network.clone(), Level::Portable);
        let images = images();
        let log_probabilities = |weights: &Weights| -> Vec<[f64; 2]> {
            let rows = images.chunks_exact(SIZE * SIZE).map(|image| {
                let logits = reference(&network, weights, image);
                let sum: f64 = logits.iter().map(|x| x.exp()).sum();
                [logits[0] - sum.ln(), logits[1] - sum.ln()]
            });
            rows.collect()
        };
        for (row, want) in log_probabilities(&weights).iter().zip(PREDICTIONS) {
            assert!((row[1] / want - 1.0).abs() < 1e-4, "{row:?} for {want}");
        }
        // The loss is that of the batch's own variance; what is kept is the estimate of the population's.
        let mut of_batch = weights.clone();
        for (conv, size) in network.layers() {
            let [h, w] = conv.output_size(size);
            let (n, norm) = ((IMAGES * h * w) as f32, conv.norm.as_ref().expect("a norm"));
            let variances = of_batch.get_mut(&format!("{}.running_var", norm.name)).expect("a variance");
            variances.data_mut().iter_mut().for_each(|v| *v *= (n - 1.0) / n);
        }
        let rows = log_probabilities(&of_batch);
        let loss = -rows.iter().zip(labels()).map(|(row, label)| row[label]).sum::<f64>() / IMAGES as f64;
        assert!((loss / LOSS - 1.0).abs() < 1e-4, "{loss} for {LOSS}");
    }
}
