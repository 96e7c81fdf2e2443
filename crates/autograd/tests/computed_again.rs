//! The first convolution's output is not kept for backward, and nothing that is learned shows it. One test, in a process
//! of its own, for it counts the memory that live tensors hold.

use autograd::{Tape, Var, ops};
use engine::{Conv, Rng, Tensor};
use kernels::{Level, arena};
use model::Architecture;

const IMAGES: usize = 2;

/// The first layers of MobileNetV1 at 64x64: the full convolution and the depthwise one that reads it.
fn layers() -> [Conv; 2] {
    let mut architecture = Architecture::named("mobilenet-v1").unwrap();
    architecture.image_size = [64, 64];
    let network = architecture.network().unwrap();
    let mut layers = network.layers().map(|(layer, size)| Conv::new(layer, size));
    [0, 1].map(|_| layers.next().unwrap())
}

fn random(shape: &[usize], rng: &mut Rng) -> Tensor {
    let mut tensor = Tensor::recycled(shape);
    tensor.data_mut().fill_with(|| rng.normal() as f32);
    tensor
}

/// The gradients of both weights, and the bytes that the tape keeps. `images` is a constant or a leaf.
fn run(images: impl Fn(&mut Tape, Tensor) -> Var) -> ([Tensor; 2], usize) {
    let layers = layers();
    let mut rng = Rng::new(1);
    let before = arena::statistics().live_bytes;
    let mut tape = Tape::new(Level::current());
    let shape = layers[0].shape;
    let mut x = images(&mut tape, random(&[IMAGES, shape.h, shape.w, shape.inputs], &mut rng));
    let weights = layers.map(|layer| tape.leaf(random(&layer.weight_shape(), &mut rng)));
    for (layer, weights) in layers.into_iter().zip(&weights) {
        let channels = layer.shape.outputs;
        let [gamma, beta] = [0, 1].map(|_| tape.leaf(random(&[channels], &mut rng)));
        let z = ops::conv(&mut tape, &x, weights, layer);
        let (y, _) = ops::norm(&mut tape, &z, &gamma, &beta, 1e-3);
        x = ops::activation(&mut tape, &y, layer.activation);
    }
    let pooled = ops::global_average_pool(&mut tape, &x);
    drop(x);
    let kept = arena::statistics().live_bytes - before;
    let seed = random(pooled.shape(), &mut rng);
    let mut gradients = tape.backward_from(&pooled, seed);
    (weights.map(|leaf| gradients.take(&leaf).unwrap()), kept)
}

#[test]
fn the_first_output_is_computed_again_to_the_bit() {
    // On one thread: of two, one may find nothing to do in the first run, and take its working memory in a counted one.
    engine::par::with_threads(1, compare);
}

fn compare() {
    let output = 4 * IMAGES * layers()[0].shape.output_len();
    // Kernels take their working memory the first time.
    run(|tape, images| tape.constant(images));
    let (again, less) = run(|tape, images| tape.constant(images));
    // A leaf wants a gradient, so its convolution is not worth computing twice, and is kept.
    let (stored, more) = run(|tape, images| tape.leaf(images));
    for (again, stored) in again.iter().zip(&stored) {
        assert_eq!(again.data(), stored.data());
        assert!(again.data().iter().any(|&x| x != 0.0));
    }
    assert_eq!(more - less, output, "the tape keeps {less} bytes, or {more} with the first output");
}
