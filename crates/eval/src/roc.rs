//! The ROC curve and the area under it.
//!
//! With one class only, neither has a value: the functions return `None` or no points, never 0.5.

use crate::ranking::{Cut, Ranking};
use serde::Serialize;

/// A point of the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RocPoint {
    /// Samples with this score or more are called positive; `None` at the origin, where nothing is.
    pub threshold: Option<f64>,
    /// Sensitivity.
    pub true_positive_rate: f64,
    /// 1 - specificity.
    pub false_positive_rate: f64,
}

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

/// The curve from (0, 0) to (1, 1), a point for every distinct score; empty with one class only.
pub fn roc_curve(scores: &[f64], positive: &[bool]) -> Vec<RocPoint> {
    let cuts: Vec<Cut> = Ranking::new(scores, positive).cuts().collect();
    let total = cuts.last().copied().unwrap_or_default();
    if total.positives == 0.0 || total.negatives == 0.0 {
        return Vec::new();
    }
    let point = |threshold, cut: Cut| RocPoint {
        threshold,
        true_positive_rate: cut.positives / total.positives,
        false_positive_rate: cut.negatives / total.negatives,
    };
    let origin = point(None, Cut::default());
    std::iter::once(origin).chain(cuts.iter().map(|&cut| point(Some(cut.score), cut))).collect()
}
