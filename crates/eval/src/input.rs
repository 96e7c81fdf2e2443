//! What an evaluation is made from, and whether it fits together.

use crate::order::argmax;
use crate::threshold::Threshold;

/// What an evaluation is made from: `n` samples, `classes.len()` classes.
#[derive(Clone, Debug)]
pub struct Scored<'a> {
    /// The name of the split.
    pub split: &'a str,
    /// True classes, `[n]`.
    pub labels: &'a [usize],
    /// Predicted probabilities, `[n, classes]`; a row sums to 1.
    pub probabilities: &'a [f64],
    /// Class names.
    pub classes: &'a [String],
    /// The group of each sample, `[n]`, any numbers; see [`crate::group_ids`] for names.
    pub groups: Option<&'a [usize]>,
    /// The positive class of two; see [`crate::Positive`]. Not used with more classes.
    pub positive: usize,
    /// The threshold on its probability. Not used with more classes, where the largest probability decides.
    pub threshold: Threshold,
    /// A prevalence to give predictive values for, besides that of the split.
    pub prevalence: Option<f64>,
    /// Bootstrap draws; 0 leaves the bootstrap intervals out.
    pub draws: usize,
    /// The seed of the bootstrap.
    pub seed: u64,
}

/// Why an input cannot be evaluated.
#[derive(Debug, thiserror::Error, PartialEq)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum InputError {
    #[error("nothing to evaluate: 0 samples")]
    Empty,
    #[error("expected 2 or more classes, found {found}")]
    Classes { found: usize },
    #[error("{what}: expected {expected} values, found {found}")]
    Length { what: &'static str, expected: usize, found: usize },
    #[error("sample {sample}: label {found} is not below the {classes} classes")]
    Label { sample: usize, found: usize, classes: usize },
    #[error("sample {sample}: expected probabilities in [0, 1] with sum 1, found {}", few(found))]
    Probabilities { sample: usize, found: Vec<f64> },
    #[error("{what}: expected {expected}, found {found}")]
    Value { what: &'static str, expected: &'static str, found: f64 },
}

/// The first of a row of probabilities.
fn few(row: &[f64]) -> String {
    const SHOWN: usize = 8;
    let shown = format!("{:?}", &row[..row.len().min(SHOWN)]);
    if row.len() > SHOWN { format!("{shown} and {} more", row.len() - SHOWN) } else { shown }
}

impl Scored<'_> {
    /// One sample's probabilities after another's.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.probabilities.chunks_exact(self.classes.len())
    }

    /// The predicted class of one sample.
    pub(crate) fn decide(&self, row: &[f64]) -> usize {
        match row.len() {
            2 if row[self.positive] >= self.threshold.value => self.positive,
            2 => 1 - self.positive,
            _ => argmax(row),
        }
    }

    /// Whether all lengths and values fit together.
    pub(crate) fn check(&self) -> Result<(), InputError> {
        let (n, classes) = (self.labels.len(), self.classes.len());
        let length = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(InputError::Length { what, expected, found }) }
        };
        let value = |what, expected, found: f64, good: bool| {
            if good { Ok(()) } else { Err(InputError::Value { what, expected, found }) }
        };
        if n == 0 {
            return Err(InputError::Empty);
        }
        if classes < 2 {
            return Err(InputError::Classes { found: classes });
        }
        length("probabilities", n * classes, self.probabilities.len())?;
        length("groups", n, self.groups.map_or(n, <[usize]>::len))?;
        for (sample, (&label, row)) in self.labels.iter().zip(self.rows()).enumerate() {
            if label >= classes {
                return Err(InputError::Label { sample, found: label, classes });
            }
            let sum: f64 = row.iter().sum();
            // f32 softmax over many classes sums to 1 within far less than this.
            if !row.iter().all(|p| (0.0..=1.0).contains(p)) || (sum - 1.0).abs() > 1e-3 {
                return Err(InputError::Probabilities { sample, found: row.to_vec() });
            }
        }
        if classes == 2 {
            let positive = self.positive as f64;
            value("positive class", "0 or 1", positive, self.positive < 2)?;
            value("threshold", "a finite number", self.threshold.value, self.threshold.value.is_finite())?;
        }
        let prevalence = self.prevalence.unwrap_or(0.5);
        value("prevalence", "a number between 0 and 1", prevalence, prevalence > 0.0 && prevalence < 1.0)
    }
}
