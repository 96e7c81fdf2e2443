//! What the test binaries of this crate share: random weights and images.

use engine::Rng;
use model::{Network, Role, Weights};

/// Weights at which activations keep their size, with norms that do something.
pub fn random_weights(network: &Network, seed: u64) -> Weights {
    let mut rng = Rng::new(seed);
    let tensors = network.tensors().into_iter().map(|spec| {
        let fan_in: usize = spec.shape[1..].iter().product();
        let mut value = || match spec.role {
            Role::ConvWeight => rng.normal() * (2.0 / fan_in as f64).sqrt(),
            Role::Gamma => rng.range(0.5, 1.5),
            Role::Variance => rng.range(0.5, 2.0),
            Role::Bias | Role::Beta | Role::Mean => rng.range(-0.5, 0.5),
        };
        let data = (0..spec.elements()).map(|_| value() as f32).collect();
        (spec.name, model::Array::new(spec.shape, data).unwrap())
    });
    tensors.collect()
}

/// `n` images.
pub fn random_images(network: &Network, n: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    let [h, w] = network.image_size;
    (0..n * h * w * network.channels).map(|_| rng.range(-1.0, 1.0) as f32).collect()
}
