//! How long something takes, on a machine that may also do other things.

use std::time::{Duration, Instant};

/// Seconds of one call.
#[derive(Clone, Debug)]
pub struct Seconds {
    /// Ascending, at least one.
    sorted: Vec<f64>,
}

impl Seconds {
    /// Of these calls.
    ///
    /// # Panics
    /// When there is none.
    pub fn of(mut seconds: Vec<f64>) -> Self {
        assert!(!seconds.is_empty(), "nothing was measured");
        seconds.sort_by(f64::total_cmp);
        Self { sorted: seconds }
    }

    /// The value below which `share` of the calls lie (nearest rank).
    pub fn quantile(&self, share: f64) -> f64 {
        self.sorted[((self.sorted.len() - 1) as f64 * share).round() as usize]
    }

    /// Half of the calls took at most this.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The fastest call, which the rest of the machine disturbed least.
    pub fn min(&self) -> f64 {
        self.sorted[0]
    }

    /// The slowest call.
    pub fn max(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }
}

/// Calls `run` once to warm up, then until `budget` is spent, at least three times.
pub fn measure(budget: Duration, mut run: impl FnMut()) -> Seconds {
    run();
    let begun = Instant::now();
    let mut seconds = vec![];
    while seconds.len() < 3 || begun.elapsed() < budget {
        let start = Instant::now();
        run();
        seconds.push(start.elapsed().as_secs_f64());
    }
    Seconds::of(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_calls() {
        let seconds = Seconds::of(vec![3.0, 1.0, 2.0, 5.0, 4.0]);
        assert_eq!((seconds.min(), seconds.median(), seconds.max()), (1.0, 3.0, 5.0));
        assert_eq!(seconds.quantile(1.0), 5.0);
        assert_eq!(Seconds::of(vec![7.0]).quantile(0.9), 7.0);
    }

    #[test]
    fn a_slow_call_is_measured_all_the_same() {
        let mut calls = 0;
        measure(Duration::ZERO, || calls += 1);
        assert_eq!(calls, 4);
    }
}
