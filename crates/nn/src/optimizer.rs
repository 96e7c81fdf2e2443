//! Optimizers: one fused pass over all parameters a step, in parallel, the same bits for any number of threads.

use crate::Parameter;
use kernels::Level;
use kernels::optimizer::{Adam, Sgd};
use tensor::{Tensor, par};

/// An update rule with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    /// Adam (Kingma and Ba 2015), bias-corrected.
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// L2 penalty on weights.
        l2: f64,
        /// Decoupled decay of weights: above 0 it is AdamW (Loshchilov and Hutter 2019).
        decay: f64,
    },
    /// Stochastic gradient descent with momentum.
    Sgd {
        /// Decay of the velocity.
        momentum: f64,
        /// L2 penalty on weights.
        l2: f64,
    },
}

impl Algorithm {
    /// Adam with Keras' constants.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, l2: 0.0, decay: 0.0 };

    /// State tensors a parameter needs.
    fn slots(&self) -> usize {
        match self {
            Self::Adam { .. } => 2,
            Self::Sgd { momentum, .. } => usize::from(*momentum != 0.0),
        }
    }
}

/// An algorithm and its state.
pub struct Optimizer {
    algorithm: Algorithm,
    level: Level,
    /// Steps taken.
    pub step: u64,
    /// For each parameter the state tensors, in its shape; empty for what does not train.
    pub state: Vec<Vec<Tensor>>,
}

impl Optimizer {
    /// Fresh state for `parameters`.
    pub fn new(algorithm: Algorithm, level: Level, parameters: &[Parameter]) -> Self {
        let state = |parameter: &Parameter| {
            let slots = if parameter.spec.role.trainable() { algorithm.slots() } else { 0 };
            (0..slots).map(|_| Tensor::zeros(*parameter.value.shape())).collect()
        };
        Self { algorithm, level, step: 0, state: parameters.iter().map(state).collect() }
    }

    /// The names of the state tensors, as they are saved.
    pub fn slot_names(&self) -> &'static [&'static str] {
        match self.algorithm {
            Algorithm::Adam { .. } => &["m", "v"],
            Algorithm::Sgd { .. } => &["velocity"],
        }
    }

    /// One step: `gradients` are in the order of `parameters`; those without one stay as they are.
    pub fn update(&mut self, parameters: &mut [Parameter], gradients: &[Option<Tensor>], rate: f64) {
        // Pieces of one length share the work evenly, however the sizes of the parameters differ.
        const PIECE: usize = 1 << 16;
        self.step += 1;
        let (algorithm, level, step) = (self.algorithm, self.level, self.step);
        let mut tasks = vec![];
        for ((parameter, gradient), state) in parameters.iter_mut().zip(gradients).zip(&mut self.state) {
            let Some(gradient) = gradient else { continue };
            // Decay pulls weights to zero; gamma, beta and biases have no reason to go there.
            let penalised = parameter.spec.role == model::Role::ConvWeight;
            let mut state =
                state.iter_mut().map(|slot| slot.data_mut().chunks_mut(PIECE)).collect::<Vec<_>>();
            for (weights, gradient) in
                parameter.value.data_mut().chunks_mut(PIECE).zip(gradient.data().chunks(PIECE))
            {
                let state = state.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>();
                tasks.push((weights, gradient, state, penalised));
            }
        }
        par::run(tasks, |(weights, gradient, mut state, penalised)| {
            let only = |x: f64| if penalised { x } else { 0.0 };
            match algorithm {
                Algorithm::Adam { beta1, beta2, epsilon, l2, decay } => {
                    let adam = Adam { rate, beta1, beta2, epsilon, l2: only(l2), decay: only(decay), step };
                    let [m, v] = &mut state[..] else { unreachable!("Adam has two state tensors") };
                    adam.update(level, gradient, weights, m, v);
                }
                Algorithm::Sgd { momentum, l2 } => {
                    let sgd = Sgd { rate, momentum, l2: only(l2) };
                    let velocity = state.first_mut().map_or(&mut [][..], |velocity| velocity);
                    sgd.update(level, gradient, weights, velocity);
                }
            }
        });
    }
}
