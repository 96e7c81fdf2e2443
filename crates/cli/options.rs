//! Values of options that several commands have.

/// A probability.
pub fn probability(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    value.ok_or_else(|| "expected a probability, 0 to 1".to_owned())
}
