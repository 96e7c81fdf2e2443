//! Average precision: the area under the precision-recall curve, as scikit-learn computes it.
//!
//! The sum over the cuts, without interpolation: a straight line between two points of this curve is too optimistic
//! (Davis and Goadrich 2006). Its baseline is the prevalence, not 0.5.

use crate::ranking::{Cut, Ranking};

/// Average precision of `scores` (finite, one a sample); `None` without positives.
pub fn auprc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    average_precision(Ranking::new(scores, positive).cuts())
}

/// The sum of `(recall - last recall) * precision` over the cuts; `None` if the positives have no weight.
pub fn average_precision(cuts: impl Iterator<Item = Cut>) -> Option<f64> {
    let mut last = Cut::default();
    let mut sum = 0.0;
    for cut in cuts {
        let gained = cut.positives - last.positives;
        if gained > 0.0 {
            sum += gained * cut.positives / (cut.positives + cut.negatives);
        }
        last = cut;
    }
    (last.positives > 0.0).then(|| sum / last.positives)
}
