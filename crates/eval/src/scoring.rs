//! Proper scores of probabilities: Brier and logarithmic.
//!
//! Both are 0 for a sure and right prediction and are least, on average, for the true probabilities.

/// Brier score (1950). Two classes: mean of `(p - y)^2` of one class, in `[0, 1]`. More: that square summed over the
/// classes, in `[0, 2]`. Probabilities are `[n, classes]`. Both are what scikit-learn returns by default.
pub fn brier(probabilities: &[f64], classes: usize, labels: &[usize]) -> f64 {
    let squares: f64 = probabilities
        .chunks_exact(classes)
        .zip(labels)
        .flat_map(|(row, &label)| {
            row.iter().enumerate().map(move |(class, p)| (p - f64::from(u8::from(class == label))).powi(2))
        })
        .sum();
    let scale = if classes == 2 { 0.5 } else { 1.0 };
    scale * squares / labels.len() as f64
}

/// Mean of `-ln p(true class)`, natural logarithm. Probabilities are `[n, classes]` and kept `f64::EPSILON` away from
/// 0, as scikit-learn does, so one sure and wrong prediction costs 36, not infinity.
pub fn log_loss(probabilities: &[f64], classes: usize, labels: &[usize]) -> f64 {
    let rows = probabilities.chunks_exact(classes).zip(labels);
    rows.map(|(row, &label)| -clip(row[label]).ln()).sum::<f64>() / labels.len() as f64
}

/// `p` kept `f64::EPSILON` away from 0 and 1, where logarithms end.
pub(crate) fn clip(p: f64) -> f64 {
    p.clamp(f64::EPSILON, 1.0 - f64::EPSILON)
}
