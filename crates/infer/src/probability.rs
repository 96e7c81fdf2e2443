//! From logits to probabilities.

/// Replaces every row of `logits: [n, classes]` by `softmax(row / temperature)` (temperature scaling: Guo et al. 2017,
/// "On Calibration of Modern Neural Networks"; 1 where the model is not calibrated).
///
/// # Panics
/// When `logits` is not whole rows, or the temperature is not above 0.
pub fn probabilities(logits: &mut [f32], classes: usize, temperature: f32) {
    assert!(classes > 0 && logits.len().is_multiple_of(classes), "logits: expected [n, {classes}]");
    assert!(temperature > 0.0, "temperature: expected above 0, found {temperature}");
    for row in logits.chunks_exact_mut(classes) {
        // In f64, and from the largest on, so that nothing overflows and the sum is 1 to the last digit.
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exp = |x: f32| (f64::from(x - largest) / f64::from(temperature)).exp();
        let sum: f64 = row.iter().map(|&x| exp(x)).sum();
        for x in row {
            *x = (exp(*x) / sum) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::probabilities;

    #[test]
    fn softmax_by_hand_and_at_the_extremes() {
        let mut rows = [0.0, 3f32.ln(), 1000.0, 1000.0, -1e30, 1e30];
        probabilities(&mut rows, 2, 1.0);
        let want = [0.25, 0.75, 0.5, 0.5, 0.0, 1.0];
        assert!(rows.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-7), "{rows:?}");
        let mut row = [0.0, 2.0 * 3f32.ln()];
        probabilities(&mut row, 2, 2.0);
        assert!((row[1] - 0.75).abs() < 1e-7);
    }

    #[test]
    fn a_broken_logit_shows() {
        let mut row = [0.0, f32::NAN];
        probabilities(&mut row, 2, 1.0);
        assert!(row[1].is_nan());
    }
}
