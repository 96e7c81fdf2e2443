//! What a threshold promises: what it reached on the images that it was chosen on, and how sure that is.

use eval::Interval;
use eval::binary::Rates;
use eval::summary::LEVEL;
use model::ThresholdEvidence;

/// What a threshold reached on the images that it was chosen or set on: the width of what it promises.
pub(crate) fn evidence(
    split: &str,
    fingerprint: &str,
    positive: &[bool],
    called: &[bool],
    groups: Option<&[usize]>,
) -> ThresholdEvidence {
    let rates = Rates::new(positive, called, groups, LEVEL);
    let ends = |interval: Interval| <[f64; 2]>::from(interval);
    let positives = positive.iter().filter(|&&is| is).count();
    ThresholdEvidence {
        split: split.to_owned(),
        data_fingerprint: fingerprint.to_owned(),
        positives,
        negatives: positive.len() - positives,
        by_group: groups.is_some(),
        sensitivity: rates.sensitivity.map(|rate| rate.value),
        sensitivity_ci: rates.sensitivity.map(|rate| ends(rate.interval)),
        specificity: rates.specificity.map(|rate| rate.value),
        specificity_ci: rates.specificity.map(|rate| ends(rate.interval)),
    }
}

/// The line that says how wide the promise of a model's threshold is; `None` for a model that does not know.
pub fn promise(threshold: &model::StoredThreshold) -> Option<String> {
    let found = threshold.evidence.as_ref()?;
    let rate = |name: &str, value: Option<f64>, interval: Option<[f64; 2]>| {
        let (value, [low, high]) = (value?, interval?);
        Some(format!("{name} {value:.3} [{low:.3}, {high:.3}]"))
    };
    let rates: Vec<String> = [
        rate("sensitivity", found.sensitivity, found.sensitivity_ci),
        rate("specificity", found.specificity, found.specificity_ci),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (positives, negatives) = (found.positives, found.negatives);
    let how = if found.by_group { "exact, by group" } else { "exact" };
    Some(format!(
        "threshold: {} from p = {:.4}, on {positives} images of {} and {negatives} others ({}): {}; its promise is as wide \
         as these intervals ({how})",
        threshold.positive,
        threshold.value,
        threshold.positive,
        found.split,
        rates.join(", "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::StoredThreshold;

    /// Twelve of twelve: Clopper and Pearson's lower limit is 0.025^(1/12).
    #[test]
    fn few_images_make_a_wide_promise() {
        let positive: Vec<bool> = (0..32).map(|i| i < 12).collect();
        let called: Vec<bool> = (0..32).map(|i| i < 14).collect();
        let found = evidence("val", "data", &positive, &called, None);
        assert_eq!((found.positives, found.negatives), (12, 20));
        let [low, high] = found.sensitivity_ci.unwrap();
        assert!((low - 0.025f64.powf(1.0 / 12.0)).abs() < 1e-9 && high == 1.0);
        let rule = "sensitivity of at least 0.95".to_owned();
        let threshold = StoredThreshold { value: 0.4, rule, positive: "a".into(), evidence: Some(found) };
        let line = promise(&threshold).unwrap();
        assert!(
            line.contains("12 images of a and 20 others") && line.contains("1.000 [0.735, 1.000]"),
            "{line}"
        );
    }
}
