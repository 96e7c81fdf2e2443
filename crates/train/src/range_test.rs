//! The range test of the learning rate: Smith 2017, "Cyclical Learning Rates for Training Neural Networks" (arXiv
//! 1506.01186), section 3.3.
//!
//! From the first weights of the run, a few steps are trained while the rate rises by the same factor at each. The loss
//! falls, then rises as the weights run away. The rate that is taken is half of that at which the smoothed loss is
//! lowest. Then the run begins, from its first weights again. All of it follows from the settings and the data.
//!
//! A tenth, as is usual before a one-cycle schedule, was too little for a constant rate and few images: docs/pretrained.md.

use crate::Error;
use crate::documents::write_text;
use crate::log::nine_digits;
use std::path::Path;

/// Steps at most.
pub(crate) const STEPS: usize = 100;
/// The rates of the first step and of the last.
const LOWEST: f64 = 1e-6;
const HIGHEST: f64 = 10.0;
/// What the past counts in the smoothed loss.
const PAST: f64 = 0.9;
/// The test ends where the smoothed loss is so many times the lowest.
const RUN_AWAY: f64 = 4.0;
/// Steps whose rates are too small to change anything: their smoothed loss is what others are compared with.
const BEGINNING: usize = 10;
/// How far below the lowest loss the rate is taken.
const SAFETY: f64 = 2.0;

const HEADER: &str = "step,lr,loss,smoothed";

/// A step of a range test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RangeStep {
    /// The learning rate.
    pub lr: f64,
    /// The loss of the batch before its update.
    pub loss: f64,
    /// The exponential moving average of the losses so far, without the bias of its beginning.
    pub smoothed: f64,
}

impl RangeStep {
    /// The lines of an lr-range.csv; one that is not whole is passed over.
    pub fn all_of(table: &str) -> Vec<Self> {
        let number = |cell: Option<&str>| cell?.parse::<f64>().ok();
        let line = |line: &str| {
            let mut cells = line.split(',').skip(1);
            let (lr, loss) = (number(cells.next())?, number(cells.next())?);
            Some(Self { lr, loss, smoothed: number(cells.next())? })
        };
        table.lines().skip(1).filter_map(line).collect()
    }
}

/// A test so far.
#[derive(Debug, Default)]
pub(crate) struct RangeTest {
    pub steps: Vec<RangeStep>,
}

impl RangeTest {
    /// The rate of the next step; none after the last.
    pub fn next_rate(&self) -> Option<f64> {
        let done = self.steps.len();
        let share = done as f64 / (STEPS - 1) as f64;
        (done < STEPS && !self.has_run_away()).then(|| LOWEST * (HIGHEST / LOWEST).powf(share))
    }

    /// Notes the loss of a step at `lr`.
    pub fn add(&mut self, lr: f64, loss: f64) {
        let weight = |steps: usize| 1.0 - PAST.powi(steps as i32);
        let done = self.steps.len();
        let sum = self.steps.last().map_or(0.0, |last| last.smoothed * weight(done));
        let smoothed = (PAST * sum + (1.0 - PAST) * loss) / weight(done + 1);
        self.steps.push(RangeStep { lr, loss, smoothed });
    }

    /// The step with the lowest smoothed loss, from the end of the beginning on.
    fn lowest(&self) -> Option<&RangeStep> {
        let later = self.steps.iter().skip(BEGINNING - 1);
        later.filter(|step| step.smoothed.is_finite()).min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))
    }

    fn has_run_away(&self) -> bool {
        let Some(last) = self.steps.last() else { return false };
        let is_high = self.lowest().is_some_and(|lowest| last.smoothed > RUN_AWAY * lowest.smoothed);
        is_high || !last.smoothed.is_finite()
    }

    /// The rate to train at, with two digits; none if no rate lowered the loss.
    pub fn rate(&self) -> Option<f64> {
        let (beginning, lowest) = (self.steps.get(BEGINNING - 1)?, self.lowest()?);
        let rate = format!("{:.1e}", lowest.lr / SAFETY).parse().ok();
        rate.filter(|_| lowest.smoothed < beginning.smoothed)
    }

    /// Writes the curve.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let line = |(at, step): (usize, &RangeStep)| {
            let [lr, loss, smoothed] = [step.lr, step.loss, step.smoothed].map(nine_digits);
            format!("{},{lr},{loss},{smoothed}\n", at + 1)
        };
        write_text(
            path,
            &format!("{HEADER}\n{}", self.steps.iter().enumerate().map(line).collect::<String>()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(loss: impl Fn(f64) -> f64) -> RangeTest {
        let mut test = RangeTest::default();
        while let Some(rate) = test.next_rate() {
            test.add(rate, loss(rate));
        }
        test
    }

    #[test]
    fn the_rate_lies_below_the_lowest_loss() {
        // A valley at 0.01 that is left steeply.
        let found = test(|rate| 0.2 + 0.1 * (rate.log10() + 2.0).abs() + rate.powi(2));
        assert!(found.steps.len() < STEPS, "it ends where the loss has run away");
        let rate = found.rate().unwrap();
        // Smoothing lags by some steps, each of which is 18 % more.
        assert!((5e-3..2e-2).contains(&rate), "{rate}");
        assert_eq!(format!("{rate:.1e}").parse(), Ok(rate));
        assert_eq!(found.steps[0].lr, LOWEST);
        assert_eq!(found.steps[0].smoothed, found.steps[0].loss, "no bias at the beginning");
    }

    #[test]
    fn what_never_falls_gives_no_rate() {
        assert_eq!(test(|rate| 1.0 + rate).rate(), None);
        // A batch that happens to be easy comes first.
        let lucky = test(|rate| if rate < 1.1e-6 { 0.1 } else { 1.0 / (2.0 + rate) });
        assert!(lucky.rate().is_some());
        assert_eq!(test(|_| f64::NAN).steps.len(), 1);
        assert_eq!(test(|_| f64::NAN).rate(), None);
        let whole = test(|rate| 1.0 / (2.0 + rate));
        assert_eq!(whole.steps.len(), STEPS);
        assert!((whole.steps[STEPS - 1].lr - HIGHEST).abs() < 1e-9);
        assert_eq!(whole.rate(), Some(5.0));
    }

    #[test]
    fn a_curve_is_read_as_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lr-range.csv");
        let written = test(|rate| 1.0 / (2.0 + rate));
        written.write(&path).unwrap();
        let read = RangeStep::all_of(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(read.len(), STEPS);
        for (a, b) in read.iter().zip(&written.steps) {
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-8 * b.abs();
            assert!(near(a.lr, b.lr) && near(a.loss, b.loss) && near(a.smoothed, b.smoothed));
        }
    }
}
