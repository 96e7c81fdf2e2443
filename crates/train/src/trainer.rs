//! One step of training: forward, loss, backward, update. The fit loop and `bench train` both run this.
//!
//! Invariant: what a step does depends on the weights, the optimizer's state, the seed and the number of the step only,
//! so these are all that a checkpoint must hold.

use autograd::{Tape, Timing, ops};
use engine::{Rng, Tensor, par};
use kernels::Level;
use nn::{ForwardPass, Learner, Loss, Mode, Optimizer};

/// Names the random stream of dropout, so that it shares no numbers with what else the seed feeds.
const DROPOUT_STREAM: u64 = u64::from_be_bytes(*b"dropout ");

/// The truth of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Truth<'a> {
    /// The class of each image.
    Classes(&'a [usize]),
    /// `[n, findings]`: whether each is there; none if that is not known.
    Findings(&'a [Option<bool>]),
}

/// A network with what changes it.
pub struct Trainer {
    /// What learns.
    pub network: Learner,
    /// The update rule and its state; its step count is the run's.
    pub optimizer: Optimizer,
    loss: Loss,
    level: Level,
    seed: u64,
}

impl Trainer {
    /// Kernels run at `level`; dropout is drawn from `seed`.
    pub fn new(network: Learner, algorithm: nn::Algorithm, loss: Loss, level: Level, seed: u64) -> Self {
        let optimizer = Optimizer::new(algorithm, level, network.parameters());
        Self { network, optimizer, loss, level, seed }
    }

    /// The same, with a moving average of the weights of this decay; 0 keeps none.
    pub fn with_average(mut self, decay: f64) -> Self {
        self.optimizer = self.optimizer.with_average(decay, self.network.parameters());
        self
    }

    /// Learns from a batch, `images: [n, h, w, channels]`, and returns its mean loss before the update. If that is not
    /// finite, no weight was changed.
    pub fn step(&mut self, images: Tensor, labels: &[usize], rate: f64) -> f32 {
        self.step_by(images, Truth::Classes(labels), rate)
    }

    /// The same of either kind of truth.
    pub fn step_by(&mut self, images: Tensor, truth: Truth, rate: f64) -> f32 {
        par::install_awake(|| self.step_in_place(images, truth, rate)).0
    }

    /// The same from pooled features `[n, features]`, of a network whose body is frozen.
    pub fn step_on_features(&mut self, features: Tensor, truth: Truth, rate: f64) -> f32 {
        par::install_awake(|| {
            let mut rng = self.dropout_stream();
            let mut tape = Tape::new(self.level);
            let pass = self.network.forward_head(&mut tape, features, &mut rng);
            self.learn(tape, pass, truth, rate).0
        })
    }

    /// As [`Trainer::step`], with how long each op took; nothing where the loss was not finite.
    pub fn timed_step(&mut self, images: Tensor, labels: &[usize], rate: f64) -> (f32, Vec<Timing>) {
        // Some hundred pieces of parallel work in a row, between which the threads had better not go to sleep.
        par::install_awake(|| self.step_in_place(images, Truth::Classes(labels), rate))
    }

    fn step_in_place(&mut self, images: Tensor, truth: Truth, rate: f64) -> (f32, Vec<Timing>) {
        let mut rng = self.dropout_stream();
        let mut tape = Tape::new(self.level);
        let pass = self.network.forward(&mut tape, images, Mode::Train(&mut rng));
        self.learn(tape, pass, truth, rate)
    }

    fn dropout_stream(&self) -> Rng {
        Rng::derive(&[self.seed, DROPOUT_STREAM, self.optimizer.step])
    }

    /// Loss, backward and update of what a forward pass left.
    fn learn(&mut self, mut tape: Tape, pass: ForwardPass, truth: Truth, rate: f64) -> (f32, Vec<Timing>) {
        let loss = match truth {
            Truth::Classes(labels) => ops::cross_entropy(&mut tape, &pass.logits, labels, &self.loss),
            Truth::Findings(targets) => {
                ops::binary_cross_entropy(&mut tape, &pass.logits, targets, &self.loss)
            }
        };
        let value = loss.tensor().item();
        let mut timings = vec![];
        if value.is_finite() {
            let mut gradients = tape.backward(&loss);
            timings.extend_from_slice(gradients.timings());
            let of_leaf = |leaf: Option<autograd::Var>| leaf.and_then(|leaf| gradients.take(&leaf));
            let gradients: Vec<_> = pass.leaves.into_iter().map(of_leaf).collect();
            self.optimizer.update(self.network.parameters_mut(), &gradients, rate);
        }
        (value, timings)
    }

    /// Takes the running statistics of the present weights over a batch, `images: [n, h, w, channels]`.
    pub fn measure(&mut self, images: Tensor) {
        self.network.forward(&mut Tape::new(self.level), images, Mode::Measure);
    }

    /// Exchanges the weights with their average, where one is kept.
    pub fn swap_average(&mut self) {
        self.optimizer.swap_average(self.network.parameters_mut());
    }

    /// The running statistics, and the number of batches that they have seen.
    pub fn statistics(&self) -> (Vec<Tensor>, u64) {
        let statistics =
            self.network.parameters().iter().filter(|parameter| !parameter.spec.role.trainable());
        (statistics.map(|parameter| parameter.value.clone()).collect(), self.network.batches_seen)
    }

    /// Puts back what [`Trainer::statistics`] returned.
    pub fn restore_statistics(&mut self, (statistics, seen): (Vec<Tensor>, u64)) {
        let parameters = self.network.parameters_mut().iter_mut();
        let kept = parameters.filter(|parameter| !parameter.spec.role.trainable());
        for (parameter, value) in kept.zip(statistics) {
            parameter.value = value;
        }
        self.network.batches_seen = seen;
    }

    /// The name of a tensor with a value that is not finite.
    pub fn broken_tensor(&self) -> Option<&str> {
        let broken = |tensor: &Tensor| tensor.data().iter().any(|value| !value.is_finite());
        let mut parameters = self.network.parameters().iter().zip(&self.optimizer.state);
        let found =
            parameters.find(|(parameter, state)| broken(&parameter.value) || state.iter().any(broken));
        found.map(|(parameter, _)| parameter.spec.name.as_str())
    }
}
