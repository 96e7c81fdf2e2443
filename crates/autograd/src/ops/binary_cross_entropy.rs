//! Sigmoid and binary cross-entropy in one op, over findings of which some are not known: their common gradient is `p - y`.

use super::Loss;
use super::cross_entropy::CrossEntropy;
use crate::{Tape, Value, Var};
use engine::Tensor;
use kernels::scalar;

/// The mean loss of `logits: [n, findings]` over what is known of `targets: [n, findings]`, as
/// [`scalar::sigmoid_cross_entropy`] defines it; the result is `[1]`. The weights of `loss` are two a finding, of its absence
/// and of its presence.
pub fn binary_cross_entropy(tape: &mut Tape, logits: &Var, targets: &[Option<bool>], loss: &Loss) -> Var {
    let findings = loss.class_weights.len() / 2;
    let expected = [targets.len() / findings, findings];
    assert_eq!(logits.shape()[..], expected, "logits: expected {expected:?}, found {:?}", logits.shape());
    let mut gradient = Tensor::recycled(*logits.shape());
    let value = scalar::sigmoid_cross_entropy(
        logits.tensor().data(),
        targets,
        &loss.class_weights,
        loss.smoothing,
        gradient.data_mut(),
    );
    let value = Value::Plain(Tensor::from_slice([1], &[value as f32]));
    tape.record(&[logits], value, || CrossEntropy { name: "binary_cross_entropy", gradient })
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{GradientCase, random};
    use super::Loss;
    use engine::Rng;
    use kernels::scalar;

    const TARGETS: [Option<bool>; 12] = {
        let (yes, no) = (Some(true), Some(false));
        [yes, no, None, no, no, yes, None, None, None, yes, yes, no]
    };

    pub fn cases() -> Vec<GradientCase> {
        let mut rng = Rng::new(11);
        let losses = [
            Loss::plain(6),
            Loss { class_weights: vec![0.5, 20.0, 1.0, 2.0, 0.25, 1.0], smoothing: 0.0 },
            Loss { class_weights: vec![0.5, 20.0, 1.0, 2.0, 0.25, 1.0], smoothing: 0.1 },
        ];
        let case = |loss: Loss| {
            let weights: Vec<f64> = loss.class_weights.iter().map(|&w| f64::from(w)).collect();
            let smoothing = f64::from(loss.smoothing);
            GradientCase {
                op: "binary_cross_entropy",
                name: format!("{loss:?}"),
                inputs: vec![random(&[4, 3], &mut rng)],
                forward: Box::new(move |tape, inputs| {
                    super::binary_cross_entropy(tape, &inputs[0], &TARGETS, &loss)
                }),
                spec: Box::new(move |inputs| {
                    let mut unused = vec![0.0; inputs[0].len()];
                    vec![scalar::sigmoid_cross_entropy(
                        &inputs[0],
                        &TARGETS,
                        &weights,
                        smoothing,
                        &mut unused,
                    )]
                }),
            }
        };
        losses.into_iter().map(case).collect()
    }

    /// The definition in plain f64, without a thought for overflow.
    #[test]
    fn is_the_plain_formula() {
        let mut rng = Rng::new(3);
        let logits: Vec<f64> = (0..12).map(|_| 3.0 * rng.normal()).collect();
        let weights = [0.5, 20.0, 1.0, 2.0, 0.25, 1.0];
        for smoothing in [0.0, 0.2] {
            let (mut sum, mut known) = (0.0, 0.0);
            for (i, (z, target)) in logits.iter().zip(TARGETS).enumerate() {
                let Some(is) = target else { continue };
                let p = 1.0 / (1.0 + (-z).exp());
                let y = if is { 1.0 - smoothing / 2.0 } else { smoothing / 2.0 };
                sum -= weights[i % 3 * 2 + 1] * y * p.ln() + weights[i % 3 * 2] * (1.0 - y) * (1.0 - p).ln();
                known += 1.0;
            }
            let mut gradient = [f64::NAN; 12];
            let loss = scalar::sigmoid_cross_entropy(&logits, &TARGETS, &weights, smoothing, &mut gradient);
            assert!((loss - sum / known).abs() < 1e-12, "{loss} {}", sum / known);
            for (gradient, target) in gradient.iter().zip(TARGETS) {
                assert_eq!(*gradient == 0.0, target.is_none());
            }
        }
    }

    #[test]
    fn nothing_known_and_extreme_logits_stay_finite() {
        let mut gradient = [f64::NAN; 2];
        let loss = |logits: &[f64], targets: &[Option<bool>], gradient: &mut [f64]| {
            scalar::sigmoid_cross_entropy(logits, targets, &[1.0; 4], 0.0, gradient)
        };
        assert_eq!(loss(&[1.0, 2.0], &[None, None], &mut gradient), 0.0);
        assert_eq!(gradient, [0.0; 2]);
        let far = loss(&[-2000.0, 2000.0], &[Some(true), Some(true)], &mut gradient);
        assert_eq!((far, gradient), (1000.0, [-0.5, 0.0]));
    }
}
