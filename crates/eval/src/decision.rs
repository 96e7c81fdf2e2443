//! Decision curve: whether acting on the model helps more than treating everyone or no one.
//!
//! Vickers and Elkin (2006): at the probability `t` above which one would act, a false positive costs `t / (1 - t)`
//! of what a true positive gains. Treating no one has a net benefit of 0.

use serde::Serialize;

/// Net benefit at one threshold, in true positives a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NetBenefit {
    /// The probability above which one would act.
    pub threshold: f64,
    /// Of acting on the model.
    pub model: f64,
    /// Of treating everyone.
    pub treat_all: f64,
}

/// Net benefit of calling positive what has a probability of `threshold` or more, for each of `thresholds` in `[0, 1)`.
pub fn decision_curve(probabilities: &[f64], positive: &[bool], thresholds: &[f64]) -> Vec<NetBenefit> {
    let n = positive.len() as f64;
    let at = |threshold: f64| {
        let harm = threshold / (1.0 - threshold);
        let benefit = |treated: &dyn Fn(f64) -> bool| {
            let samples = probabilities.iter().zip(positive).filter(|&(&p, _)| treated(p));
            samples.map(|(_, &positive)| if positive { 1.0 } else { -harm }).sum::<f64>() / n
        };
        NetBenefit { threshold, model: benefit(&|p| p >= threshold), treat_all: benefit(&|_| true) }
    };
    thresholds.iter().map(|&threshold| at(threshold)).collect()
}
