//! The gradient check of every op: f64 central differences of the *specification* against the production backward.
//!
//! Inputs are kept away from kinks, and the differences are taken in f64, so the tolerance of 1e-4 is a real bound on
//! the f32 kernels and not on the method. Each case also compares the forward value.

use super::{REGISTRY, activation, materialise, norm};
use crate::{Tape, Value, Var};
use engine::{Rng, Tensor};
use kernels::{Deferred, Level, Read, Rectifier};

/// Production forward of a case.
type Forward = Box<dyn Fn(&mut Tape, &[Var]) -> Var>;
/// Its specification, from the inputs' elements to the output's.
type Spec = Box<dyn Fn(&[Vec<f64>]) -> Vec<f64>>;

/// One op on one set of inputs.
pub(super) struct GradientCase {
    pub op: &'static str,
    pub name: String,
    pub inputs: Vec<Tensor>,
    pub forward: Forward,
    pub spec: Spec,
}

/// Normal random elements.
pub(super) fn random(shape: &[usize], rng: &mut Rng) -> Tensor {
    let mut tensor = Tensor::recycled(shape);
    tensor.data_mut().fill_with(|| rng.normal() as f32);
    tensor
}

/// A cap low enough that it is reached.
const CAPPED: Rectifier = Rectifier { slope: 0.0, cap: 1.0 };
pub(super) const EPSILON: f64 = 1e-3;

/// `scale`, `shift` and mean of batch norm over `z: [.., c]`.
pub(super) fn batch_norm(z: &[f64], gamma: &[f64], beta: &[f64]) -> [Vec<f64>; 3] {
    let channels = gamma.len();
    let pixels = (z.len() / channels) as f64;
    let mean: Vec<f64> =
        (0..channels).map(|c| z.iter().skip(c).step_by(channels).sum::<f64>() / pixels).collect();
    let variance =
        |c: usize| z.iter().skip(c).step_by(channels).map(|z| (z - mean[c]).powi(2)).sum::<f64>() / pixels;
    let scale: Vec<f64> = (0..channels).map(|c| gamma[c] / (variance(c) + EPSILON).sqrt()).collect();
    let shift = (0..channels).map(|c| beta[c] - scale[c] * mean[c]).collect();
    [scale, shift, mean]
}

/// How a case's op finds its input: stored, or deferred behind a norm and an activation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Plain,
    Deferred(Rectifier),
}

impl Source {
    pub const ALL: [Source; 4] = [
        Source::Plain,
        Source::Deferred(Rectifier::IDENTITY),
        Source::Deferred(CAPPED),
        Source::Deferred(Rectifier::leaky_relu(0.1)),
    ];

    /// The tensors it is made from: `x`, or `z`, gamma and beta, drawn until no value lies within 1e-3 of a kink.
    pub fn inputs(self, shape: &[usize], rng: &mut Rng) -> Vec<Tensor> {
        let Source::Deferred(act) = self else { return vec![random(shape, rng)] };
        let channels = shape[shape.len() - 1];
        loop {
            // Near 1 and 0, so that both sides of every kink are populated.
            let [mut gamma, mut beta] = [0, 1].map(|_| random(&[channels], rng));
            gamma.data_mut().iter_mut().for_each(|x| *x = 1.0 + 0.2 * *x);
            beta.data_mut().iter_mut().for_each(|x| *x *= 0.2);
            let inputs = vec![random(shape, rng), gamma, beta];
            let [z, gamma, beta] = [0, 1, 2].map(|i| wide(&inputs[i]));
            let [scale, shift, _] = batch_norm(&z, &gamma, &beta);
            let kinks = [0.0, f64::from(act.cap)];
            let off = |(i, z): (usize, &f64)| {
                let u = scale[i % channels] * z + shift[i % channels];
                kinks.iter().all(|kink| (u - kink).abs() > 1e-3)
            };
            if act == Rectifier::IDENTITY || z.iter().enumerate().all(off) {
                return inputs;
            }
        }
    }

    /// How many of a case's inputs it takes.
    pub fn count(self) -> usize {
        if matches!(self, Source::Plain) { 1 } else { 3 }
    }

    /// The variable that the op reads.
    pub fn var(self, tape: &mut Tape, inputs: &[Var]) -> Var {
        let Source::Deferred(act) = self else { return inputs[0].clone() };
        let (x, _) = norm(tape, &inputs[0], &inputs[1], &inputs[2], EPSILON);
        activation(tape, &x, act)
    }

    /// Calls `f` with what the specification reads.
    pub fn read<R>(self, inputs: &[Vec<f64>], f: impl FnOnce(&Read<f64>) -> R) -> R {
        let Source::Deferred(act) = self else { return f(&Read::Plain(&inputs[0])) };
        let [scale, shift, center] = batch_norm(&inputs[0], &inputs[1], &inputs[2]);
        f(&Read::Norm(Deferred { z: &inputs[0], scale: &scale, shift: &shift, center: &center, act }))
    }
}

/// A case of a convolution, `weights` being its last input, once as it is and once followed by a norm, whose gradient
/// reaches the convolution deferred.
pub(super) fn convolution_cases(
    op: &'static str,
    x: &[usize],
    weights: &[usize],
    outputs: usize,
    forward: impl Fn(&mut Tape, &Var, &Var) -> Var + Clone + 'static,
    spec: impl Fn(&Read<f64>, &[f64]) -> Vec<f64> + Clone + 'static,
) -> Vec<GradientCase> {
    let mut rng =
        Rng::derive(&[x.iter().product::<usize>() as u64, weights.iter().product::<usize>() as u64]);
    let mut cases = vec![];
    for source in Source::ALL {
        for normed in [false, true] {
            let mut inputs = source.inputs(x, &mut rng);
            inputs.push(random(weights, &mut rng));
            let [gamma, beta] = [0, 1].map(|_| random(&[outputs], &mut rng));
            let (forward, spec) = (forward.clone(), spec.clone());
            let [gamma64, beta64] = [wide(&gamma), wide(&beta)];
            cases.push(GradientCase {
                op,
                name: format!("x {x:?} weights {weights:?} {source:?} normed {normed}"),
                inputs,
                forward: Box::new(move |tape, inputs| {
                    let x = source.var(tape, inputs);
                    let z = forward(tape, &x, &inputs[source.count()]);
                    if !normed {
                        return z;
                    }
                    let [gamma, beta] = [&gamma, &beta].map(|t| tape.constant(t.clone()));
                    norm(tape, &z, &gamma, &beta, EPSILON).0
                }),
                spec: Box::new(move |inputs| {
                    let mut z = source.read(inputs, |x| spec(x, &inputs[source.count()]));
                    if normed {
                        let [scale, shift, _] = batch_norm(&z, &gamma64, &beta64);
                        for (i, z) in z.iter_mut().enumerate() {
                            *z = scale[i % outputs] * *z + shift[i % outputs];
                        }
                    }
                    z
                }),
            });
        }
    }
    cases
}

pub(super) fn wide(tensor: &Tensor) -> Vec<f64> {
    tensor.data().iter().map(|&x| f64::from(x)).collect()
}

fn all_cases() -> Vec<GradientCase> {
    let mut cases = super::activation::check::cases();
    cases.extend(super::add::check::cases());
    cases.extend(super::binary_cross_entropy::check::cases());
    cases.extend(super::conv::check::cases());
    cases.extend(super::cross_entropy::check::cases());
    cases.extend(super::dense::check::cases());
    cases.extend(super::dropout::check::cases());
    cases.extend(super::global_pool::check::cases());
    cases.extend(super::materialise::check::cases());
    cases.extend(super::norm::check::cases());
    cases
}

/// The largest difference between two lists.
fn worst(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference = found.iter().zip(expected).map(|(&found, expected)| (f64::from(found) - expected).abs());
    // A NaN is as wrong as can be; f64::max would pass over it.
    difference.fold(0.0, |worst, d| if d.is_nan() { f64::INFINITY } else { worst.max(d) })
}

/// The largest magnitude.
fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, x| m.max(x.abs()))
}

fn check(case: &GradientCase, level: Level) {
    const TOLERANCE: f64 = 1e-4;
    const STEP: f64 = 1e-5;
    let what = format!("{} ({}) at {}", case.op, case.name, level.name());
    let mut tape = Tape::new(level);
    let leaves: Vec<Var> = case.inputs.iter().map(|input| tape.leaf(input.clone())).collect();
    let output = (case.forward)(&mut tape, &leaves);
    let output = materialise(&mut tape, &output);
    let mut inputs: Vec<Vec<f64>> = case.inputs.iter().map(wide).collect();
    let value = (case.spec)(&inputs);
    let error = worst(output.tensor().data(), &value) / largest(&value);
    assert!(error < TOLERANCE, "{what}: the value is off by {error}");

    let seed = random(output.shape(), &mut Rng::new(1));
    let seed64 = wide(&seed);
    let mut gradients = tape.backward_from(&output, seed);
    let mut errors = vec![];
    // A gradient may vanish (a shift before a norm), so errors are a share of the case's largest gradient.
    let mut scale = 0.0f64;
    for (i, leaf) in leaves.iter().enumerate() {
        let found = gradients.take(leaf).unwrap_or_else(|| panic!("{what}: no gradient for input {i}"));
        assert_eq!(found.shape(), case.inputs[i].shape(), "{what}: input {i}");
        let mut expected = vec![];
        for at in 0..inputs[i].len() {
            let value = inputs[i][at];
            let mut loss = |x: f64| -> f64 {
                inputs[i][at] = x;
                (case.spec)(&inputs).iter().zip(&seed64).map(|(y, s)| y * s).sum()
            };
            expected.push((loss(value + STEP) - loss(value - STEP)) / (2.0 * STEP));
            inputs[i][at] = value;
        }
        scale = scale.max(largest(&expected));
        errors.push(worst(found.data(), &expected));
    }
    for (i, error) in errors.into_iter().enumerate() {
        assert!(error < TOLERANCE * scale, "{what}: the gradient of input {i} is off by {error} of {scale}");
    }
}

#[test]
fn every_op_has_cases() {
    let cases = all_cases();
    for op in REGISTRY {
        assert!(cases.iter().any(|case| case.op == op), "{op} has no gradient check");
    }
    for case in cases {
        assert!(REGISTRY.contains(&case.op), "{} is not in the registry", case.op);
    }
}

#[test]
fn backward_agrees_with_differences_of_the_specification() {
    for level in engine::cases::levels() {
        for case in all_cases() {
            check(&case, level);
        }
    }
}

#[test]
fn a_value_that_is_read_twice_gets_both_gradients() {
    let mut tape = Tape::new(Level::best());
    let x = tape.leaf(Tensor::from_slice([1, 2], &[1.0, -2.0]));
    let y = activation(&mut tape, &x, Rectifier::leaky_relu(0.5));
    let sum = super::add(&mut tape, &y, &y);
    let sum = super::add(&mut tape, &sum, &x);
    let mut gradients = tape.backward_from(&sum, Tensor::full([1, 2], 1.0));
    assert_eq!(gradients.take(&x).expect("x wants a gradient").data(), [3.0, 2.0]);
}

#[test]
fn what_no_leaf_reaches_is_not_recorded() {
    let mut tape = Tape::new(Level::best());
    let x = tape.constant(Tensor::full([1, 2], 1.0));
    let y = activation(&mut tape, &x, Rectifier::RELU);
    assert!(!y.wants_gradient());
    assert!(matches!(y.value(), Value::Deferred(_)));
}
