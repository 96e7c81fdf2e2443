//! The network that learns: a [`model::Network`] with values for its tensors, run on a tape.
//!
//! Nothing here knows MobileNet. The blocks of the description are walked: convolution, norm, activation, and the
//! residual addition where a block has one. The values are in the engine's layout; [`Learner::weights`] and
//! [`Learner::from_weights`] convert to and from the stored one.

use crate::init::initial_values;
use autograd::{Tape, Var, ops};
use engine::{Conv, Rng, Tensor};
use kernels::norm::Moments;
use model::{Array, ConvLayer, Error, TensorSpec, Weights, layout};
use std::sync::Arc;

/// One tensor of a network.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Name, stored shape and purpose.
    pub spec: TensorSpec,
    /// The value, in the engine's layout.
    pub value: Tensor,
    /// Whether training leaves it as it is. A norm whose gamma is frozen also keeps its running statistics.
    pub frozen: bool,
    /// Steps of the run before the first that may change it.
    pub since: u64,
    /// Its learning rate, as a multiple of the run's.
    pub rate: f64,
}

impl Parameter {
    /// Whether training changes it, so that it wants a gradient.
    pub fn trains(&self) -> bool {
        !self.frozen && self.spec.role.trainable()
    }
}

/// How a network runs.
pub enum Mode<'a> {
    /// Batch statistics, running statistics updated, dropout drawn from the generator.
    Train(&'a mut Rng),
    /// Batch statistics, running statistics updated, no dropout, nothing recorded: what [`Learner::batches_seen`] set
    /// to 0 and some batches turn into the statistics of the present weights.
    Measure,
}

/// What one forward pass leaves.
pub struct ForwardPass {
    /// `[n, classes]`
    pub logits: Var,
    /// The leaf of each parameter that wants a gradient, in the order of the parameters.
    pub leaves: Vec<Option<Var>>,
}

/// Positions of a convolution's tensors among the parameters.
#[derive(Clone)]
struct LayerTensors {
    weight: usize,
    bias: Option<usize>,
    /// gamma, beta, running mean, running variance
    norm: Option<[usize; 4]>,
}

/// A classifier with trainable values.
#[derive(Clone)]
pub struct Learner {
    spec: model::Network,
    parameters: Vec<Parameter>,
    layers: Vec<LayerTensors>,
    /// Training batches that the running statistics have seen.
    pub batches_seen: u64,
    /// Probability of dropping a pooled feature in training.
    pub dropout: f64,
}

impl Learner {
    /// A network with fresh weights drawn from `seed`.
    pub fn new(spec: model::Network, seed: u64) -> Self {
        let values = initial_values(&spec, seed);
        Self::with_values(spec, values)
    }

    /// A network with stored weights.
    ///
    /// # Errors
    /// When tensors are missing, extra or misshapen; all of them are listed.
    pub fn from_weights(spec: model::Network, weights: &Weights) -> Result<Self, Error> {
        weights.check(&spec)?;
        let values = spec.tensors().into_iter().map(|tensor| {
            let array = &weights[tensor.name.as_str()];
            layout::to_engine(array.shape(), array.data())
        });
        let values = values.collect();
        Ok(Self::with_values(spec, values))
    }

    fn with_values(spec: model::Network, values: Vec<Vec<f32>>) -> Self {
        let mut at = 0;
        let mut next = |count: usize| {
            at += count;
            at - count
        };
        let layer = |(conv, _): (&ConvLayer, _)| LayerTensors {
            weight: next(1),
            bias: conv.bias.then(|| next(1)),
            norm: conv.norm.is_some().then(|| {
                let first = next(4);
                [first, first + 1, first + 2, first + 3]
            }),
        };
        let layers = spec.layers().map(layer).collect();
        let parameter = |(spec, value): (TensorSpec, Vec<f32>)| {
            let shape = engine_shape(&spec.shape);
            Parameter {
                value: Tensor::from_slice(&shape[..], &value),
                spec,
                frozen: false,
                since: 0,
                rate: 1.0,
            }
        };
        let parameters = spec.tensors().into_iter().zip(values).map(parameter).collect();
        let dropout = f64::from(spec.dropout);
        Self { spec, parameters, layers, batches_seen: 0, dropout }
    }

    /// The description.
    pub fn spec(&self) -> &model::Network {
        &self.spec
    }

    /// All tensors, in the order of [`model::Network::tensors`].
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// All tensors, for an optimizer.
    pub fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    /// Freezes everything but the classifier, running statistics included.
    pub fn freeze_body(&mut self) {
        self.body_mut().iter_mut().for_each(|parameter| parameter.frozen = true);
    }

    /// Frees what [`Learner::freeze_body`] froze, from the step `since` of the run on.
    pub fn thaw_body(&mut self, since: u64) {
        for parameter in self.body_mut() {
            (parameter.frozen, parameter.since) = (false, since);
        }
    }

    /// Whether only the classifier learns.
    pub fn is_body_frozen(&self) -> bool {
        self.parameters[0].frozen
    }

    /// Gives the classifier a learning rate of its own, a multiple of the run's.
    pub fn set_head_rate(&mut self, rate: f64) {
        let body = self.body_mut().len();
        self.parameters[body..].iter_mut().for_each(|parameter| parameter.rate = rate);
    }

    /// All but the weight and the bias of the classifier.
    fn body_mut(&mut self) -> &mut [Parameter] {
        let body = self.parameters.len() - 2;
        &mut self.parameters[..body]
    }

    /// The values in the stored layout.
    pub fn weights(&self) -> Weights {
        let mut weights = Weights::new();
        for Parameter { spec, value, .. } in &self.parameters {
            let stored = layout::to_stored(&spec.shape, value.data());
            let array =
                Array::new(spec.shape.clone(), stored).expect("a permutation keeps the number of values");
            weights.insert(spec.name.clone(), array);
        }
        weights
    }

    /// A leaf for each parameter that wants a gradient if `training`.
    fn leaves(&self, tape: &mut Tape, training: bool) -> Vec<Option<Var>> {
        let leaf = |parameter: &Parameter| {
            (training && parameter.trains()).then(|| tape.leaf(parameter.value.clone()))
        };
        self.parameters.iter().map(leaf).collect()
    }

    /// The classifier alone, in training, on pooled features `[n, features]`: what a batch whose features are known needs
    /// while the body is frozen.
    ///
    /// # Panics
    /// If the body is not frozen: it would learn nothing.
    pub fn forward_head(&self, tape: &mut Tape, features: Tensor, rng: &mut Rng) -> ForwardPass {
        assert!(self.is_body_frozen(), "features are known of a frozen body only");
        let leaves = self.leaves(tape, true);
        let pooled = tape.constant(features);
        let pooled = ops::dropout(tape, &pooled, self.dropout, rng);
        let [weight, bias] = [2, 1].map(|from_end| {
            let at = leaves.len() - from_end;
            leaves[at].clone().unwrap_or_else(|| tape.constant(self.parameters[at].value.clone()))
        });
        ForwardPass { logits: ops::dense(tape, &pooled, &weight, &bias), leaves }
    }

    /// Runs a batch, `images: [n, h, w, channels]`.
    pub fn forward(&mut self, tape: &mut Tape, images: Tensor, mode: Mode) -> ForwardPass {
        let leaves = self.leaves(tape, matches!(mode, Mode::Train(_)));
        let var = |at: usize| {
            leaves[at].clone().unwrap_or_else(|| tape.constant(self.parameters[at].value.clone()))
        };
        let vars: Vec<Var> = (0..self.parameters.len()).map(var).collect();

        let mut seen: Vec<([usize; 2], Arc<Moments>)> = vec![];
        let mut x = tape.constant(images);
        let mut layers = self.layers.iter();
        for block in &self.spec.blocks {
            let input = x.clone();
            for (conv, layer) in block.convs.iter().zip(&mut layers) {
                let spec = Conv::new(conv, [x.shape()[1], x.shape()[2]]);
                let z = ops::conv(tape, &x, &vars[layer.weight], spec);
                x = match layer.norm {
                    Some([gamma, beta, mean, variance]) => {
                        let epsilon = conv.norm.as_ref().map_or(0.0, |norm| f64::from(norm.epsilon));
                        if !self.parameters[gamma].frozen {
                            let (y, moments) = ops::norm(tape, &z, &vars[gamma], &vars[beta], epsilon);
                            seen.push(([mean, variance], moments));
                            y
                        } else {
                            let statistics = [mean, variance].map(|at| self.parameters[at].value.data());
                            let statistics = (statistics[0], statistics[1]);
                            ops::frozen_norm(tape, &z, &vars[gamma], &vars[beta], statistics, epsilon)
                        }
                    }
                    None => match layer.bias {
                        Some(bias) => ops::bias(tape, &z, &vars[bias]),
                        None => z,
                    },
                };
                x = ops::activation(tape, &x, spec.activation);
            }
            if block.residual {
                x = ops::add(tape, &x, &input);
            }
        }
        let mut pooled = ops::global_average_pool(tape, &x);
        if let Mode::Train(rng) = mode {
            pooled = ops::dropout(tape, &pooled, self.dropout, rng);
        }
        let [weight, bias] = [vars.len() - 2, vars.len() - 1];
        let logits = ops::dense(tape, &pooled, &vars[weight], &vars[bias]);
        self.update_statistics(&seen);
        ForwardPass { logits, leaves }
    }

    /// Moves the running statistics towards a batch's by `max(1 / t, 1 - momentum)`: a cumulative average at first, so
    /// that validation does not measure the initial values for the first epochs.
    fn update_statistics(&mut self, seen: &[([usize; 2], Arc<Moments>)]) {
        self.batches_seen += 1;
        let rate = (1.0 / self.batches_seen as f64).max(1.0 - f64::from(self.spec.momentum));
        for ([mean, variance], moments) in seen {
            // The unbiased variance, as both Keras and PyTorch keep it; a single pixel has none.
            let unbiased = moments.count as f64 / (moments.count as f64 - 1.0).max(1.0);
            for (at, batch, factor) in [(*mean, &moments.mean, 1.0), (*variance, &moments.variance, unbiased)]
            {
                for (running, batch) in self.parameters[at].value.data_mut().iter_mut().zip(batch) {
                    let old = f64::from(*running);
                    *running = (old + rate * (batch * factor - old)) as f32;
                }
            }
        }
    }
}

/// The engine's shape of a stored tensor: `[o, 1, h, w]` to `[h * w, o]`, other convolutions to `[h * w * i, o]`,
/// `[o, i]` to `[i, o]`.
fn engine_shape(stored: &[usize]) -> Vec<usize> {
    match *stored {
        [o, i, h, w] => vec![h * w * i, o],
        [o, i] => vec![i, o],
        _ => stored.to_vec(),
    }
}
