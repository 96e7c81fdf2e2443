//! Optimizers: one fused pass over all parameters a step, in parallel, the same bits for any number of threads.

use crate::Parameter;
use engine::{Tensor, par};
use kernels::Level;
use kernels::optimizer::{Adam, Sgd, average};

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

    /// The names of the state tensors that a parameter needs.
    fn slots(&self) -> &'static [&'static str] {
        match self {
            Self::Adam { .. } => &["m", "v"],
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["velocity"],
        }
    }
}

/// An algorithm and its state.
pub struct Optimizer {
    algorithm: Algorithm,
    level: Level,
    /// Decay of the average of the weights; 0 for none.
    average: f64,
    /// Steps taken.
    pub step: u64,
    /// For each parameter the state tensors, in its shape; empty for what does not train.
    pub state: Vec<Vec<Tensor>>,
}

impl Optimizer {
    /// Fresh state for `parameters`.
    pub fn new(algorithm: Algorithm, level: Level, parameters: &[Parameter]) -> Self {
        let zeros = |parameter: &Parameter| {
            let slots = if parameter.spec.role.trainable() { algorithm.slots() } else { &[] };
            slots.iter().map(|_| Tensor::zeros(*parameter.value.shape())).collect()
        };
        Self { algorithm, level, average: 0.0, step: 0, state: parameters.iter().map(zeros).collect() }
    }

    /// The same, and an exponential moving average of the weights is kept with this decay (less in the first steps, so
    /// that it forgets the initial weights soon). 0 keeps none.
    pub fn with_average(mut self, decay: f64, parameters: &[Parameter]) -> Self {
        self.average = decay;
        if decay > 0.0 {
            for (parameter, state) in parameters.iter().zip(&mut self.state) {
                if parameter.spec.role.trainable() {
                    state.push(parameter.value.clone());
                }
            }
        }
        self
    }

    /// The names of the state tensors, as they are saved.
    pub fn slot_names(&self) -> Vec<&'static str> {
        let average = (self.average > 0.0).then_some("average");
        self.algorithm.slots().iter().copied().chain(average).collect()
    }

    /// Exchanges the weights with their average, where one is kept; called twice, it changes nothing.
    pub fn swap_average(&mut self, parameters: &mut [Parameter]) {
        if self.average > 0.0 {
            for (parameter, state) in parameters.iter_mut().zip(&mut self.state) {
                if let Some(average) = state.last_mut() {
                    std::mem::swap(&mut parameter.value, average);
                }
            }
        }
    }

    /// One step at the learning rate `rate`, times a parameter's own: `gradients` are in the order of `parameters`; those
    /// without one stay as they are.
    pub fn update(&mut self, parameters: &mut [Parameter], gradients: &[Option<Tensor>], rate: f64) {
        // Pieces of one length share the work evenly, however the sizes of the parameters differ.
        const PIECE: usize = 1 << 16;
        self.step += 1;
        let (algorithm, level) = (self.algorithm, self.level);
        let decay = self.average.min(self.step as f64 / (self.step as f64 + 9.0));
        let keeps_average = self.average > 0.0;
        let mut tasks = vec![];
        for ((parameter, gradient), state) in parameters.iter_mut().zip(gradients).zip(&mut self.state) {
            let Some(gradient) = gradient else { continue };
            // Decay pulls weights to zero; gamma, beta and biases have no reason to go there.
            let penalised = parameter.spec.role == model::Role::ConvWeight;
            // A parameter that was frozen has moments that are as young as its first step.
            let (rate, step) = (rate * parameter.rate, self.step - parameter.since);
            let mut state =
                state.iter_mut().map(|slot| slot.data_mut().chunks_mut(PIECE)).collect::<Vec<_>>();
            for (weights, gradient) in
                parameter.value.data_mut().chunks_mut(PIECE).zip(gradient.data().chunks(PIECE))
            {
                let state = state.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>();
                tasks.push((weights, gradient, state, penalised, rate, step));
            }
        }
        par::run(tasks, |(weights, gradient, mut state, penalised, rate, step)| {
            let of_weights = if keeps_average { state.pop() } else { None };
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
            if let Some(of_weights) = of_weights {
                average(level, weights, 1.0 - decay, of_weights);
            }
        });
    }
}
