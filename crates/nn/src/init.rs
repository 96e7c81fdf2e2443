//! Initial weights, as the origin of each architecture draws them.

use engine::Rng;
use model::{ConvKind, Network, Role};

/// Engine-layout values of every tensor of `network`, in the order of [`Network::tensors`]. Each tensor has a stream
/// of its own, named by `seed` and its position.
pub(crate) fn initial_values(network: &Network, seed: u64) -> Vec<Vec<f32>> {
    let kinds = network.layers().map(|(conv, _)| (conv.name.as_str(), conv.kind)).collect::<Vec<_>>();
    let tensors = network.tensors().into_iter().enumerate();
    tensors
        .map(|(at, spec)| {
            let mut rng = Rng::derive(&[seed, 0, at as u64]);
            let len = spec.elements();
            match spec.role {
                Role::Gamma | Role::Variance => vec![1.0; len],
                Role::Beta | Role::Mean | Role::Bias => vec![0.0; len],
                Role::ConvWeight => {
                    let name = spec.name.trim_end_matches(".weight");
                    let kind = kinds.iter().find(|(layer, _)| *layer == name).map(|&(_, kind)| kind);
                    let draw = Distribution::of(&network.arch, kind, &spec.shape);
                    (0..len).map(|_| draw.sample(&mut rng) as f32).collect()
                }
            }
        })
        .collect()
}

enum Distribution {
    Uniform { limit: f64 },
    Normal { deviation: f64 },
}

impl Distribution {
    /// V1: Glorot uniform (Glorot and Bengio 2010, eq. 16) with Keras' fans, where a depthwise kernel
    /// `[k, k, c, 1]` counts `c` inputs. V2: what torchvision draws, He normal over the fan out (He et al. 2015,
    /// eq. 14), and a deviation of 0.01 for the classifier.
    fn of(arch: &str, kind: Option<ConvKind>, stored: &[usize]) -> Self {
        let area: usize = stored[2..].iter().product();
        let [outputs, inputs] = [stored[0], stored[1]].map(|size| (size * area) as f64);
        match (arch, kind) {
            ("mobilenet-v2", None) => Self::Normal { deviation: 0.01 },
            // PyTorch's fan out ignores groups, so a depthwise kernel counts all its channels.
            ("mobilenet-v2", Some(_)) => Self::Normal { deviation: (2.0 / outputs).sqrt() },
            (_, Some(ConvKind::Depthwise)) => Self::Uniform { limit: (6.0 / (outputs + inputs)).sqrt() },
            _ => Self::Uniform { limit: (6.0 / (inputs + outputs)).sqrt() },
        }
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        match *self {
            Self::Uniform { limit } => rng.range(-limit, limit),
            Self::Normal { deviation } => deviation * rng.normal(),
        }
    }
}
