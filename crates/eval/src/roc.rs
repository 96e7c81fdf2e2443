//! The area under the ROC curve.
//!
//! With one class only it has no value: `None`, never 0.5.

use crate::ranking::{Cut, Ranking};

/// Area under the ROC curve of `scores` (finite, one a sample), ties counted one half; `None` with one class only.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    area_under_roc(Ranking::new(scores, positive).cuts())
}

/// Area under the ROC curve by the trapezoidal rule, which gives ties one half (Mann and Whitney 1947); `None` if one
/// class has no weight.
pub fn area_under_roc(cuts: impl Iterator<Item = Cut>) -> Option<f64> {
    let mut last = Cut::default();
    let mut area = 0.0;
    for cut in cuts {
        area += (cut.negatives - last.negatives) * f64::midpoint(last.positives, cut.positives);
        last = cut;
    }
    let rectangle = last.positives * last.negatives;
    (rectangle > 0.0).then(|| area / rectangle)
}
