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

/// What a network reads of a batch.
#[derive(Clone, Debug)]
pub enum Input {
    /// `[n, h, w, channels]`
    Images(Tensor),
    /// `[n, features]`: pooled, of a network whose body is frozen.
    Features(Tensor),
}

/// What a batch would change, before it does: its mean loss, and the gradient of that.
#[derive(Debug)]
pub struct Backward {
    /// The mean loss. If it is not finite there is no gradient.
    pub loss: f32,
    /// Of each parameter; none of those that do not train.
    gradients: Vec<Option<Tensor>>,
    timings: Vec<Timing>,
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
        self.step_by(Input::Images(images), Truth::Classes(labels), rate)
    }

    /// The same of any input and either kind of truth.
    pub fn step_by(&mut self, input: Input, truth: Truth, rate: f64) -> f32 {
        self.timed(input, truth, rate).0
    }

    /// As [`Trainer::step`], with how long each op took; nothing where the loss was not finite.
    pub fn timed_step(&mut self, images: Tensor, labels: &[usize], rate: f64) -> (f32, Vec<Timing>) {
        self.timed(Input::Images(images), Truth::Classes(labels), rate)
    }

    fn timed(&mut self, input: Input, truth: Truth, rate: f64) -> (f32, Vec<Timing>) {
        let backward = self.backward(input, truth, 0);
        self.update(&backward, rate);
        (backward.loss, backward.timings)
    }

    /// The first half of a step: loss and gradient. Before these images are `before` others of the same batch, in the
    /// hands of other processes: dropout draws for all.
    pub fn backward(&mut self, input: Input, truth: Truth, before: usize) -> Backward {
        // Some hundred pieces of parallel work in a row, between which the threads had better not go to sleep.
        par::install_awake(|| self.backward_in_place(input, truth, before))
    }

    fn backward_in_place(&mut self, input: Input, truth: Truth, before: usize) -> Backward {
        let mut rng = Rng::derive(&[self.seed, DROPOUT_STREAM, self.optimizer.step]);
        if self.network.dropout > 0.0 {
            for _ in 0..before * self.network.spec().features {
                rng.chance(self.network.dropout);
            }
        }
        let mut tape = Tape::new(self.level);
        let ForwardPass { logits, leaves } = match input {
            Input::Images(images) => self.network.forward(&mut tape, images, Mode::Train(&mut rng)),
            Input::Features(features) => self.network.forward_head(&mut tape, features, &mut rng),
        };
        let loss = match truth {
            Truth::Classes(labels) => ops::cross_entropy(&mut tape, &logits, labels, &self.loss),
            Truth::Findings(targets) => ops::binary_cross_entropy(&mut tape, &logits, targets, &self.loss),
        };
        let value = loss.tensor().item();
        if !value.is_finite() {
            return Backward { loss: value, gradients: vec![], timings: vec![] };
        }
        let mut gradients = tape.backward(&loss);
        let timings = gradients.timings().to_vec();
        let of_leaf = |leaf: Option<autograd::Var>| leaf.and_then(|leaf| gradients.take(&leaf));
        Backward { loss: value, gradients: leaves.into_iter().map(of_leaf).collect(), timings }
    }

    /// The second half: takes one step down the gradient; none where the loss is not finite.
    pub fn update(&mut self, backward: &Backward, rate: f64) {
        if backward.loss.is_finite() {
            par::install_awake(|| {
                self.optimizer.update(self.network.parameters_mut(), &backward.gradients, rate);
            });
        }
    }

    /// What the mean of [`Backward::loss`] divides by, so that means of shards can be weighed: the sum of the weights
    /// of the images' classes, or the number of findings that are known.
    pub fn weight(&self, truth: Truth) -> f32 {
        match truth {
            Truth::Classes(labels) => labels.iter().map(|&label| self.loss.class_weights[label]).sum(),
            Truth::Findings(targets) => targets.iter().flatten().count() as f32,
        }
    }

    /// A gradient as one list of numbers, parameter after parameter, times `weight`; zeros without one. Then the loss
    /// times `weight`, and `weight` itself. They take the place of what `flat` held.
    pub fn flat(&self, backward: Option<&Backward>, weight: f32, flat: &mut Vec<f32>) {
        flat.clear();
        for (at, parameter) in self.network.parameters().iter().enumerate().filter(|(_, of)| of.trains()) {
            match backward.and_then(|backward| backward.gradients.get(at)?.as_ref()) {
                Some(gradient) => flat.extend(gradient.data().iter().map(|value| value * weight)),
                None => flat.resize(flat.len() + parameter.value.data().len(), 0.0),
            }
        }
        flat.extend([backward.map_or(0.0, |backward| backward.loss * weight), weight]);
    }

    /// The mean of shards, of whose [`Trainer::flat`] this is the sum. The tensors of `own`, the shard of this process,
    /// are used for it.
    pub fn mean(&self, sum: &[f32], own: Option<Backward>) -> Backward {
        let (mut sum, [loss, weight]) = sum.split_last_chunk().expect("a loss and a weight");
        let mean = |value: &f32| value / weight.max(f32::MIN_POSITIVE);
        let mut own = own.map_or_else(Vec::new, |own| own.gradients).into_iter();
        let mut next = |parameter: &nn::Parameter, own: Option<Tensor>| {
            let values;
            (values, sum) = sum.split_at(parameter.value.data().len());
            let mut gradient = own.unwrap_or_else(|| Tensor::zeros(*parameter.value.shape()));
            gradient.data_mut().iter_mut().zip(values).for_each(|(to, value)| *to = mean(value));
            gradient
        };
        let gradient = |parameter: &nn::Parameter| {
            let own = own.next().flatten();
            parameter.trains().then(|| next(parameter, own))
        };
        let gradients = self.network.parameters().iter().map(gradient).collect();
        Backward { loss: mean(loss), gradients, timings: vec![] }
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::Architecture;

    /// The mean of shards of several sizes, one of which has no image, is the gradient of the whole, with weights of
    /// classes or findings of which some are not known.
    #[test]
    fn shards_have_the_gradient_of_the_whole() {
        let named = Architecture::named("mobilenet-v1").unwrap();
        let architecture =
            Architecture { width: 0.25, image_size: [32; 2], classes: 3, channels: 1, ..named };
        let mut network = Learner::new(architecture.network().unwrap(), 1);
        network.freeze_body();
        network.dropout = 0.3;
        let loss = |weights: usize| Loss {
            smoothing: 0.1,
            class_weights: (0..weights).map(|at| 0.5 + at as f32).collect(),
        };
        let mut rng = Rng::new(5);
        let images: Vec<f32> = (0..5 * 32 * 32).map(|_| rng.range(-1.0, 1.0) as f32).collect();
        let known = [Some(true), None, Some(false), None, None];
        let findings: Vec<Option<bool>> = (0..15).map(|at| known[at % 4]).collect();
        for has_findings in [false, true] {
            let weights = if has_findings { 6 } else { 3 };
            let mut trainer =
                Trainer::new(network.clone(), nn::Algorithm::ADAM, loss(weights), Level::current(), 7);
            let mut part = |range: std::ops::Range<usize>| {
                let truth = match has_findings {
                    true => Truth::Findings(&findings[3 * range.start..3 * range.end]),
                    false => Truth::Classes(&[0, 2, 1, 2, 0][range.clone()]),
                };
                let weight = trainer.weight(truth);
                let pixels = &images[range.start * 1024..range.end * 1024];
                let input = Input::Images(Tensor::from_slice([range.len(), 32, 32, 1], pixels));
                let backward = (!range.is_empty()).then(|| trainer.backward(input, truth, range.start));
                let mut flat = vec![f32::NAN; 3];
                trainer.flat(backward.as_ref(), weight, &mut flat);
                (backward, flat)
            };
            let (whole, _) = part(0..5);
            let whole = whole.unwrap();
            let flats = [0..2, 2..5, 5..5].map(|range| part(range).1);
            let sum: Vec<f32> =
                (0..flats[0].len()).map(|at| flats.iter().map(|flat| flat[at]).sum()).collect();
            let mean = trainer.mean(&sum, None);
            assert!((mean.loss - whole.loss).abs() < 1e-6, "{} {}", mean.loss, whole.loss);
            let mut compared = 0;
            for (mean, whole) in mean.gradients.iter().zip(&whole.gradients) {
                assert_eq!(mean.is_some(), whole.is_some());
                let (Some(mean), Some(whole)) = (mean, whole) else { continue };
                for (a, b) in mean.data().iter().zip(whole.data()) {
                    assert!((a - b).abs() < 1e-6 + 1e-5 * b.abs(), "{a} {b}");
                    compared += 1;
                }
            }
            assert_eq!(compared, 256 * 3 + 3);
        }
    }
}
