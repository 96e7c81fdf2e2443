//! Whole networks against a reference in f64: value, running statistics, and derivatives along random directions.

mod reference;

use autograd::{Tape, ops};
use engine::{Rng, Tensor};
use kernels::Level;
use model::{Activation, Architecture, Padding};
use nn::{Learner, Loss, Mode};
use reference::Reference;

const IMAGES: usize = 4;

/// A small network of an architecture, with values that are not the initial ones: gamma and beta off 1 and 0.
fn small(name: &str, padding: Padding, channels: usize, activation: Activation) -> Learner {
    sized(name, [64, 64], padding, channels, activation)
}

fn sized(
    name: &str,
    image_size: [usize; 2],
    padding: Padding,
    channels: usize,
    activation: Activation,
) -> Learner {
    let mut architecture = Architecture::named(name).unwrap();
    architecture.width = 0.25;
    architecture.image_size = image_size;
    architecture.channels = channels;
    architecture.padding = padding;
    architecture.activation = activation;
    architecture.classes = 3;
    let mut network = Learner::new(architecture.network().unwrap(), 5);
    let mut rng = Rng::new(6);
    for parameter in network.parameters_mut() {
        if matches!(parameter.spec.role, model::Role::Gamma | model::Role::Beta) {
            parameter.value.data_mut().iter_mut().for_each(|x| *x += 0.2 * rng.normal() as f32);
        }
    }
    network
}

fn images(channels: usize, seed: u64) -> Tensor {
    batch([IMAGES, 64, 64, channels], seed)
}

fn batch(shape: [usize; 4], seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let mut images = Tensor::recycled(shape);
    images.data_mut().fill_with(|| rng.normal() as f32);
    images
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Activations without a sharp kink: among the 200,000 activations of a network, some always lie closer to a kink than
/// f32 resolves, and there no two programs have the same derivative. The kinks themselves are checked op by op.
#[test]
fn gradients_point_where_the_reference_falls() {
    let soft = Activation::LeakyRelu(0.99);
    for (name, padding, channels, activation) in [
        ("mobilenet-v1", Padding::Same, 1, Activation::Identity),
        ("mobilenet-v1", Padding::Same, 1, soft),
        ("mobilenet-v1", Padding::Symmetric, 3, soft),
        ("mobilenet-v2", Padding::Symmetric, 1, soft),
    ] {
        let network = small(name, padding, channels, activation);
        check_gradients(name, network, &[0, 1, 2, 1]);
    }
}

/// Inputs of the sizes of radiographs that stand or lie.
#[test]
fn gradients_of_inputs_that_are_no_squares() {
    let soft = Activation::LeakyRelu(0.99);
    for (name, image_size, padding) in [
        ("mobilenet-v1", [320, 256], Padding::Same),
        ("mobilenet-v1", [256, 320], Padding::Symmetric),
        ("mobilenet-v2", [320, 256], Padding::Symmetric),
        ("mobilenet-v2", [256, 320], Padding::Same),
    ] {
        check_gradients(name, sized(name, image_size, padding, 1, soft), &[0, 2]);
    }
}

/// Loss and derivatives along random directions of a batch with these labels.
fn check_gradients(name: &str, mut network: Learner, labels: &[usize]) {
    let spec = network.spec();
    let [height, width] = spec.image_size;
    let images = batch([labels.len(), height, width, spec.channels], 7);
    let reference = Reference::new(network.spec().clone(), wide(images.data()), labels.to_vec());
    let values: Vec<Vec<f64>> = network.parameters().iter().map(|p| wide(p.value.data())).collect();

    let mut tape = Tape::new(Level::current());
    network.dropout = 0.0;
    let pass = network.forward(&mut tape, images, Mode::Train(&mut Rng::new(0)));
    let loss = ops::cross_entropy(&mut tape, &pass.logits, labels, &Loss::plain(3));
    let expected = reference.loss(&values);
    let found = f64::from(loss.tensor().item());
    assert!((found - expected).abs() < 1e-5 * expected, "{name}: loss {found}, expected {expected}");

    let mut gradients = tape.backward(&loss);
    let gradients: Vec<Option<Tensor>> =
        pass.leaves.iter().map(|leaf| leaf.as_ref().and_then(|leaf| gradients.take(leaf))).collect();
    for direction in 0..3 {
        let mut rng = Rng::derive(&[8, direction]);
        let step: Vec<Vec<f64>> = values.iter().map(|v| v.iter().map(|_| rng.normal()).collect()).collect();
        let at = |h: f64| {
            let moved = values.iter().zip(&step).zip(network.parameters()).map(|((v, s), p)| {
                let h = if p.spec.role.trainable() { h } else { 0.0 };
                v.iter().zip(s).map(|(v, s)| v + h * s).collect()
            });
            reference.loss(&moved.collect::<Vec<Vec<f64>>>())
        };
        let h = 1e-7;
        let expected = (at(h) - at(-h)) / (2.0 * h);
        let along =
            |g: &Tensor, s: &[f64]| g.data().iter().zip(s).map(|(&g, s)| f64::from(g) * s).sum::<f64>();
        let found: f64 =
            gradients.iter().zip(&step).filter_map(|(g, s)| g.as_ref().map(|g| along(g, s))).sum();
        let norm = gradients.iter().flatten().map(|g| along(g, &wide(g.data()))).sum::<f64>().sqrt();
        // A random direction is nearly orthogonal to the gradient, so the error is a share of the gradient's norm.
        assert!((found - expected).abs() < 1e-3 * norm, "{name}: {found}, expected {expected} of {norm}");
    }
}

#[test]
fn running_statistics_begin_as_an_average_over_batches() {
    let mut network = small("mobilenet-v1", Padding::Same, 1, Activation::Relu6);
    let (conv, _) = network.spec().layers().next().map(|(conv, size)| (conv.clone(), size)).unwrap();
    let weights = wide(network.parameters()[0].value.data());
    let mut sums = vec![[0.0; 2]; conv.outputs];
    for batch in 1..=3 {
        let images = images(1, batch);
        let z = reference::convolve(&wide(images.data()), &weights, &conv, [64, 64], IMAGES);
        network.forward(&mut Tape::new(Level::current()), images, Mode::Train(&mut Rng::new(0)));
        let pixels = (z.len() / conv.outputs) as f64;
        for (c, sums) in sums.iter_mut().enumerate() {
            let of =
                |f: &dyn Fn(f64) -> f64| z.iter().skip(c).step_by(conv.outputs).map(|&z| f(z)).sum::<f64>();
            let mean = of(&|z| z) / pixels;
            sums[0] += mean;
            sums[1] += of(&|z| (z - mean).powi(2)) / (pixels - 1.0);
            for (name, sum) in ["conv1_bn.running_mean", "conv1_bn.running_var"].into_iter().zip(sums) {
                let running = network.parameters().iter().find(|p| p.spec.name == name).unwrap();
                let (found, expected) = (f64::from(running.value.data()[c]), *sum / batch as f64);
                assert!((found - expected).abs() < 1e-5, "{name}[{c}]: {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let gradients = |threads: usize| {
        engine::par::with_threads(threads, || {
            let mut network = small("mobilenet-v2", Padding::Symmetric, 1, Activation::Relu6);
            let mut tape = Tape::new(Level::current());
            let pass = network.forward(&mut tape, images(1, 7), Mode::Train(&mut Rng::new(0)));
            let loss = ops::cross_entropy(&mut tape, &pass.logits, &[0, 1, 2, 1], &Loss::plain(3));
            let mut gradients = tape.backward(&loss);
            let bits = |t: Tensor| t.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let leaves = pass.leaves.iter().flatten();
            leaves.map(|leaf| bits(gradients.take(leaf).unwrap())).collect::<Vec<_>>()
        })
    };
    let one = gradients(1);
    assert_eq!(one, gradients(2));
    assert_eq!(one, gradients(5));
}

#[test]
fn weights_survive_a_round_trip() {
    let network = small("mobilenet-v2", Padding::Symmetric, 3, Activation::Relu6);
    let again = Learner::from_weights(network.spec().clone(), &network.weights()).unwrap();
    for (a, b) in network.parameters().iter().zip(again.parameters()) {
        assert_eq!(a.value.data(), b.value.data(), "{}", a.spec.name);
    }
}

#[test]
fn a_frozen_body_keeps_its_values_and_statistics() {
    let mut network = small("mobilenet-v1", Padding::Same, 1, Activation::Relu6);
    network.freeze_body();
    let before: Vec<Vec<f32>> = network.parameters().iter().map(|p| p.value.data().to_vec()).collect();
    let mut tape = Tape::new(Level::current());
    let pass = network.forward(&mut tape, images(1, 7), Mode::Train(&mut Rng::new(0)));
    let trains: Vec<&str> = pass
        .leaves
        .iter()
        .zip(network.parameters())
        .filter_map(|(leaf, p)| leaf.as_ref().map(|_| p.spec.name.as_str()))
        .collect();
    assert_eq!(trains, ["classifier.weight", "classifier.bias"]);
    for (p, before) in network.parameters().iter().zip(before) {
        assert_eq!(p.value.data(), before, "{}", p.spec.name);
    }
}
