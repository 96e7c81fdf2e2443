//! A plan's logits against a forward pass in f64 that follows the definition, layer by layer and norm by norm.

use crate::common::{random_images, random_weights};
use crate::reference::{reference, relative_error};
use infer::{Plan, fold};
use kernels::Level;
use model::{Activation, Architecture, Array, Network, Padding, Role, Weights};

/// Small networks: f32 sums of 28 to 53 layers stay within this of f64.
const TOLERANCE: f64 = 1e-5;

fn small(name: &str) -> Architecture {
    Architecture { width: 0.25, image_size: [32, 32], classes: 3, ..Architecture::named(name).unwrap() }
}

fn logits(network: &Network, weights: &Weights, level: Level, images: &[f32], n: usize) -> Vec<f32> {
    let mut plan = Plan::of(network, weights, level, n).unwrap();
    let mut logits = vec![f32::NAN; n * network.classes];
    plan.run(images, &mut logits);
    logits
}

fn check(architecture: &Architecture, change: impl Fn(&Network, &mut Weights)) {
    let network = architecture.network().unwrap();
    let mut weights = random_weights(&network, 7);
    change(&network, &mut weights);
    let image = random_images(&network, 1, 8);
    let want = reference(&network, &weights, &image);
    for level in Level::available() {
        let got = logits(&network, &weights, level, &image, 1);
        let error = relative_error(&got, &want);
        assert!(error < TOLERANCE, "{architecture:?} {}: {error:e}, {got:?} for {want:?}", level.name());
    }
}

#[test]
fn every_padding_size_channel_count_and_activation() {
    let activations = [Activation::Relu6, Activation::Relu, Activation::LeakyRelu(0.1), Activation::Identity];
    for name in model::NAMES {
        for padding in [Padding::Same, Padding::Symmetric] {
            for (image_size, channels) in [([32, 32], 1), ([33, 47], 3), ([64, 35], 1)] {
                let architecture = Architecture { padding, image_size, channels, ..small(name) };
                check(&architecture, |_, _| ());
            }
        }
        for activation in activations {
            check(&Architecture { activation, ..small(name) }, |_, _| ());
        }
        for width in [0.35, 0.5] {
            check(&Architecture { width, classes: 130, ..small(name) }, |_, _| ());
        }
    }
}

/// The sizes of radiographs that stand or lie, at every level: folded weights and strips against norms and whole layers.
#[test]
fn inputs_that_stand_or_lie() {
    for name in model::NAMES {
        for (image_size, padding) in [([320, 256], Padding::Same), ([256, 320], Padding::Symmetric)] {
            check(&Architecture { padding, image_size, ..small(name) }, |_, _| ());
        }
    }
}

#[test]
fn variances_that_vanish() {
    for name in model::NAMES {
        check(&small(name), |network, weights| {
            let tiny = [1e-38, 5e-45, 0.0, 1e-6];
            for spec in network.tensors().iter().filter(|spec| spec.role == Role::Variance) {
                let variances = weights.get_mut(&spec.name).unwrap().data_mut();
                variances.iter_mut().step_by(7).enumerate().for_each(|(i, v)| *v = tiny[i % 4]);
            }
        });
    }
}

#[test]
fn a_model_that_was_folded_before_gives_the_same() {
    for name in model::NAMES {
        let architecture = small(name);
        let network = architecture.network().unwrap();
        let weights = random_weights(&network, 3);
        let folded_network = Architecture { folded: true, ..architecture }.network().unwrap();
        let mut folded = Weights::new();
        for ((conv, _), (to, _)) in network.layers().zip(folded_network.layers()) {
            let part = fold(conv, &weights);
            let stored = Array::new(conv.weight_shape(), part.weights).unwrap();
            folded.insert(format!("{}.weight", to.name), stored);
            folded.insert(format!("{}.bias", to.name), Array::new([conv.outputs], part.bias).unwrap());
        }
        for part in ["weight", "bias"] {
            let name = format!("{}.{part}", network.classifier);
            folded.insert(name.clone(), weights[name.as_str()].clone());
        }
        let image = random_images(&network, 1, 4);
        let level = Level::best();
        let want = logits(&network, &weights, level, &image, 1);
        assert_eq!(logits(&folded_network, &folded, level, &image, 1), want);
        let error = relative_error(&want, &reference(&folded_network, &folded, &image));
        assert!(error < TOLERANCE, "{name}: {error:e}");
    }
}

#[test]
fn kept_features_are_what_the_classifier_sees() {
    for name in model::NAMES {
        let network = Architecture { image_size: [96, 70], ..small(name) }.network().unwrap();
        let weights = random_weights(&network, 2);
        let image = random_images(&network, 1, 3);
        let mut plan = Plan::with_features(&network, &weights, Level::best()).unwrap();
        let mut got = vec![f32::NAN; network.classes];
        plan.run(&image, &mut got);
        assert_eq!(got, logits(&network, &weights, Level::best(), &image, 1), "{name}");

        let features = plan.features().unwrap();
        let [h, w] = network.feature_size();
        assert_eq!(features.len(), h * w * network.features);
        let mean = |c: usize| {
            let channel = features.iter().skip(c).step_by(network.features);
            channel.map(|&x| f64::from(x)).sum::<f64>() / (h * w) as f64
        };
        let means: Vec<f64> = (0..network.features).map(mean).collect();
        let weight = weights[format!("{}.weight", network.classifier).as_str()].data();
        let bias = weights[format!("{}.bias", network.classifier).as_str()].data();
        let want = weight.chunks_exact(network.features).zip(bias).map(|(row, &bias)| {
            f64::from(bias) + row.iter().zip(&means).map(|(&w, mean)| f64::from(w) * mean).sum::<f64>()
        });
        assert!(relative_error(&got, &want.collect::<Vec<f64>>()) < TOLERANCE, "{name}");
    }
}

#[test]
fn what_cannot_be_planned_is_an_error() {
    let network = small("mobilenet-v1").network().unwrap();
    let weights = random_weights(&network, 1);
    let message = |network: &Network, weights: &Weights, batch| {
        Plan::of(network, weights, Level::best(), batch)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(message(&network, &weights, 1), "");
    assert!(message(&network, &weights, 0).contains("batch size"));
    assert!(message(&network, &Weights::new(), 1).contains("missing conv1.weight"));
    let mut residual = network.clone();
    residual.blocks[1].residual = true;
    assert!(
        message(&residual, &weights, 1)
            .contains("blocks.0.depthwise..blocks.0.pointwise: cannot add the input")
    );
    // A large image costs a hostile file nothing. So large that no cache makes a chain of the layers that need the memory.
    let large = Architecture { width: 4.0, image_size: [4096; 2], ..small("mobilenet-v1") };
    let network = large.network().unwrap();
    let weights = random_weights(&network, 1);
    assert!(message(&network, &weights, 1).contains("activations of one image: expected at most"));
}
