//! Temperature scaling (Guo et al. 2017): one number that makes a network's confidence fit its error rate.
//!
//! Fitted on the validation split. It changes no argmax: probabilities become `softmax(ln p / T)`, and since softmax
//! ignores a shift, the logarithms of probabilities serve as well as the network's logits.

use crate::special::bisect;

/// The range in which a temperature is sought.
const RANGE: (f64, f64) = (0.01, 100.0);

/// The temperature with the least log-loss, of the finite logarithms of probabilities `[n, classes]`: a probability itself
/// would hide how sure a network was that is too sure by far. The loss is convex in `1/T`, so its derivative has one root. `None` if that lies outside 0.01..100, which happens when every sample is right (colder is
/// always better) or when the probabilities carry nothing; a temperature of 1 is then the honest choice.
pub fn fit_temperature(log_probabilities: &[f64], classes: usize, labels: &[usize]) -> Option<f64> {
    // The derivative of the log-loss by 1/T: expected logit minus the logit of the truth.
    let too_cold = |temperature: f64| {
        let mut scaled = vec![0.0; classes];
        let rows = log_probabilities.chunks_exact(classes).zip(labels);
        let slope: f64 = rows
            .map(|(row, &label)| {
                softmax(row, temperature, &mut scaled);
                row.iter().zip(&scaled).map(|(z, p)| z * p).sum::<f64>() - row[label]
            })
            .sum();
        slope > 0.0
    };
    (too_cold(RANGE.0) && !too_cold(RANGE.1)).then(|| bisect(RANGE.0, RANGE.1, too_cold))
}

/// `softmax(logits / temperature)` into `out`.
fn softmax(logits: &[f64], temperature: f64, out: &mut [f64]) {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for (out, z) in out.iter_mut().zip(logits) {
        *out = ((z - largest) / temperature).exp();
    }
    let sum: f64 = out.iter().sum();
    out.iter_mut().for_each(|p| *p /= sum);
}
