//! Whether a probability means what it says: reliability bins, ECE, calibration intercept and slope.
//!
//! ECE depends on its bins, so every function takes their number and the bins are stated next to the value: equal
//! width on `[0, 1]`, closed on the right, 0 in the first (Guo et al. 2017; scikit-learn's `calibration_curve`).

use crate::interval::Interval;
use crate::scoring::clip;
use crate::special::bisect;
use serde::Serialize;

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// The bin holds probabilities above this (the first also 0),
    pub low: f64,
    /// up to and including this.
    pub high: f64,
    /// Samples in the bin.
    pub count: usize,
    /// Mean predicted probability; `None` in an empty bin.
    pub predicted: Option<f64>,
    /// The share in which the event happened; `None` in an empty bin.
    pub observed: Option<f64>,
}

/// Counts predicted `probabilities` of an event against whether it `happened`, in `bins` bins of equal width.
pub fn reliability(probabilities: &[f64], happened: &[bool], bins: usize) -> Vec<ReliabilityBin> {
    let mut sums = vec![(0, 0.0, 0.0); bins];
    for (&p, &happened) in probabilities.iter().zip(happened) {
        let bin = bin_of(p, bins);
        let (count, predicted, observed) = &mut sums[bin];
        *count += 1;
        *predicted += p;
        *observed += f64::from(u8::from(happened));
    }
    let edge = |i: usize| i as f64 / bins as f64;
    let bin = |(i, (count, predicted, observed)): (usize, (usize, f64, f64))| {
        let mean = |sum: f64| (count > 0).then(|| sum / count as f64);
        ReliabilityBin {
            low: edge(i),
            high: edge(i + 1),
            count,
            predicted: mean(predicted),
            observed: mean(observed),
        }
    };
    sums.into_iter().enumerate().map(bin).collect()
}

/// The bin that holds a probability.
pub(crate) fn bin_of(p: f64, bins: usize) -> usize {
    ((p * bins as f64).ceil() as usize).clamp(1, bins) - 1
}

/// Expected calibration error: `|observed - predicted|` averaged over the samples, bin by bin.
pub fn expected_calibration_error(bins: &[ReliabilityBin]) -> f64 {
    let (gaps, count) = bins.iter().fold((0.0, 0.0), |(gaps, count), bin| {
        let samples = bin.count as f64;
        let gap =
            bin.observed.zip(bin.predicted).map_or(0.0, |(observed, predicted)| (observed - predicted).abs());
        (gaps + samples * gap, count + samples)
    });
    if count > 0.0 { gaps / count } else { 0.0 }
}

/// Logistic recalibration (Cox 1958): `logit P(y) = intercept + slope * logit p`. Perfect is (0, 1); a slope below 1
/// means predictions that are too extreme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Recalibration {
    /// Intercept fitted together with the slope.
    pub intercept: f64,
    /// Its interval, if one was drawn.
    pub intercept_ci: Option<Interval>,
    /// Slope.
    pub slope: f64,
    /// Its interval, if one was drawn.
    pub slope_ci: Option<Interval>,
    /// Intercept with the slope held at 1, "calibration in the large": above 0 means that predictions are too low.
    pub in_the_large: f64,
    /// Its interval, if one was drawn.
    pub in_the_large_ci: Option<Interval>,
}

/// Fits the recalibration by maximum likelihood. `None` if there is no maximum: one class only, all probabilities
/// equal, or classes that a threshold divides without error (the slope would be infinite).
pub fn recalibration(probabilities: &[f64], happened: &[bool]) -> Option<Recalibration> {
    let logits = logits(probabilities);
    if is_separable(&logits, happened) {
        return None;
    }
    let events = happened.iter().filter(|&&y| y).count() as f64;
    let weights = vec![1.0; logits.len()];
    let start = (logit(events / happened.len() as f64), 0.0);
    let (intercept, slope) = fit_logistic(&logits, happened, &weights, start, 1e-12)?;
    let expected = |shift: f64| logits.iter().map(|x| sigmoid(x + shift)).sum::<f64>();
    let in_the_large = bisect(-100.0, 100.0, |shift| expected(shift) < events);
    Some(Recalibration { intercept, slope, in_the_large, ..Recalibration::default() })
}

/// The same of samples that count `weights` times, sought from the fit of all of them: `[intercept, slope, in the large]`.
/// For draws of a bootstrap, so to six digits only. `None` as above.
pub(crate) fn drawn_recalibration(
    logits: &[f64],
    happened: &[bool],
    weights: &[f64],
    whole: &Recalibration,
) -> Option<[f64; 3]> {
    let drawn: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0.0).collect();
    let x: Vec<f64> = drawn.iter().map(|&i| logits[i]).collect();
    let y: Vec<bool> = drawn.iter().map(|&i| happened[i]).collect();
    if is_separable(&x, &y) {
        return None;
    }
    let w: Vec<f64> = drawn.iter().map(|&i| weights[i]).collect();
    let (intercept, slope) = fit_logistic(&x, &y, &w, (whole.intercept, whole.slope), 1e-7)?;
    Some([intercept, slope, shift(&x, &y, &w, whole.in_the_large)])
}

/// The shift of logits at which as many events are expected as there were: Newton's method, or bisection where that leaves
/// the range.
fn shift(x: &[f64], happened: &[bool], weights: &[f64], start: f64) -> f64 {
    let events: f64 = happened.iter().zip(weights).filter(|(y, _)| **y).map(|(_, w)| w).sum();
    let mut shift = start;
    for _ in 0..20 {
        let (mut expected, mut slope) = (0.0, 0.0);
        for (&x, &w) in x.iter().zip(weights) {
            let p = sigmoid(x + shift);
            expected += w * p;
            slope += w * p * (1.0 - p);
        }
        let step = (events - expected) / slope;
        shift += step;
        if shift.is_nan() || shift.abs() >= 100.0 {
            break;
        }
        if step.abs() < 1e-7 {
            return shift;
        }
    }
    let expected = |shift: f64| x.iter().zip(weights).map(|(x, w)| w * sigmoid(x + shift)).sum::<f64>();
    bisect(-100.0, 100.0, |shift| expected(shift) < events)
}

/// The logarithms of the odds of `probabilities`, kept finite.
pub(crate) fn logits(probabilities: &[f64]) -> Vec<f64> {
    probabilities.iter().map(|&p| logit(clip(p))).collect()
}

/// Logits that differ by no more are one value to the rounding of the single precision that they come from.
const ALIKE: f64 = 1e-6;

/// Whether some threshold puts all of one class on one side; true with one class or one value only.
fn is_separable(x: &[f64], happened: &[bool]) -> bool {
    let range = |class: bool| {
        let values = x.iter().zip(happened).filter(move |&(_, &y)| y == class).map(|(&x, _)| x);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    };
    let (negatives, positives) = (range(false), range(true));
    let spread = negatives.1.max(positives.1) - negatives.0.min(positives.0);
    negatives.1 <= positives.0 || positives.1 <= negatives.0 || spread <= ALIKE
}

/// Newton's method for a logistic regression of one variable, samples counted by `weights`, from `start`, halving steps that
/// lose likelihood, until a step is smaller than `tolerance`.
fn fit_logistic(
    x: &[f64],
    happened: &[bool],
    weights: &[f64],
    start: (f64, f64),
    tolerance: f64,
) -> Option<(f64, f64)> {
    let samples = || x.iter().zip(happened).zip(weights).map(|((&x, &y), &w)| (x, y, w));
    let likelihood = |a: f64, b: f64| -> f64 {
        samples().map(|(x, y, w)| -w * softplus(if y { -(a + b * x) } else { a + b * x })).sum()
    };
    let (mut a, mut b) = start;
    let mut best = likelihood(a, b);
    for _ in 0..100 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, y, w) in samples() {
            let p = sigmoid(a + b * x);
            let (residual, weight) = (w * (f64::from(u8::from(y)) - p), w * p * (1.0 - p));
            ga += residual;
            gb += residual * x;
            haa += weight;
            hab += weight * x;
            hbb += weight * x * x;
        }
        let determinant = haa * hbb - hab * hab;
        let step = ((hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant);
        let size = step.0.abs() / (1.0 + a.abs()) + step.1.abs() / (1.0 + b.abs());
        if size < tolerance {
            return Some((a, b));
        }
        let halved = (0..60).map(|halving| 0.5_f64.powi(halving)).map(|h| (a + h * step.0, b + h * step.1));
        let Some((next, value)) =
            halved.map(|next| (next, likelihood(next.0, next.1))).find(|&(_, value)| value > best)
        else {
            // No step gains: this is the maximum to rounding, or the step was not finite.
            return (size < 1e-6).then_some((a, b));
        };
        ((a, b), best) = (next, value);
    }
    None
}

fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
