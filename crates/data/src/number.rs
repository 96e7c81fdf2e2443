//! Numbers in tables.

/// The fewest digits that read back as the same number: six decimals would make equal what is not, and a probability
/// near 1 certain, so figures from a table would differ from those of the run that wrote it.
pub fn exact(value: f64) -> String {
    // As Display, but a small number has an exponent and no row of zeros.
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_back_is_what_was_written() {
        for value in [0.0, 1.0, 0.5, 0.1 + 0.2, 1.0 - f64::EPSILON, 4.9e-324, 1e-87, 2.0 / 3.0] {
            let written = exact(value);
            assert_eq!(written.parse::<f64>(), Ok(value), "{written}");
            assert!(written.len() <= 24, "{written}");
        }
    }
}
