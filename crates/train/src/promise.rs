//! What a threshold promises: what it reached on the images that it was chosen on, how sure that is, and what speaks
//! against it.

use eval::Interval;
use eval::binary::Rates;
use eval::summary::LEVEL;
use model::{StoredThreshold, ThresholdEvidence};

/// A promise whose interval is wider than this says little.
const WIDE: f64 = 0.2;

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
        ppv: rates.ppv.map(|rate| rate.value),
        ppv_ci: rates.ppv.map(|rate| ends(rate.interval)),
    }
}

/// The line that says how wide the promise of a model's threshold is; `None` for a model that does not know.
pub fn promise(threshold: &StoredThreshold) -> Option<String> {
    let found = threshold.evidence.as_ref()?;
    let rate = |name: &str, value: Option<f64>, interval: Option<[f64; 2]>| {
        let (value, [low, high]) = (value?, interval?);
        Some(format!("{name} {value:.3} [{low:.3}, {high:.3}]"))
    };
    let rates: Vec<String> = [
        rate("sensitivity", found.sensitivity, found.sensitivity_ci),
        rate("specificity", found.specificity, found.specificity_ci),
        rate("predictive value", found.ppv, found.ppv_ci),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (positives, negatives) = (found.positives, found.negatives);
    let how = if found.by_group { "exact, by group" } else { "exact" };
    Some(format!(
        "threshold: {} from p = {:.4}, on {positives} images of {} and {negatives} others ({}): {}; its promise is as \
         wide as these intervals ({how})",
        threshold.positive,
        threshold.value,
        threshold.positive,
        found.split,
        rates.join(", "),
    ))
}

/// What speaks against a threshold, a line each: too few images stand behind it, or it is wrong more often than not
/// about one of the classes.
pub fn doubts(threshold: &StoredThreshold) -> Vec<String> {
    let Some(found) = &threshold.evidence else { return vec![] };
    let class = &threshold.positive;
    let by = if found.by_group { ", by group" } else { "" };
    let mut lines = vec![];
    for (name, images, of, wrong, value, interval) in [
        ("sensitivity", found.positives, "of", "missed", found.sensitivity, found.sensitivity_ci),
        (
            "specificity",
            found.negatives,
            "other than",
            "false alarms",
            found.specificity,
            found.specificity_ci,
        ),
    ] {
        let (Some(value), Some([low, high])) = (value, interval) else {
            lines.push(format!("no image {of} {class} stands behind the threshold: its {name} is not known"));
            continue;
        };
        if value < 0.5 {
            let missed = images - (value * images as f64).round() as usize;
            lines.push(format!(
                "at the threshold the {name} is {value:.3}: of {images} images {of} {class}, {missed} are {wrong}"
            ));
        }
        if high - low > WIDE {
            lines.push(format!(
                "too few images {of} {class} stand behind the threshold ({images}{by}): its {name} may be anything \
                 from {low:.2} to {high:.2}"
            ));
        }
    }
    if let Some([low, high]) = found.ppv_ci.filter(|[low, high]| high - low > WIDE) {
        lines.push(format!(
            "too few images are called {class}: the predictive value may be anything from {low:.2} to {high:.2}"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn doubts_of(positive: &[bool], called: &[bool], groups: Option<&[usize]>) -> Vec<String> {
        let mut found = evidence("val", "data", positive, called, groups);
        found.ppv_ci = None;
        let evidence = Some(found);
        doubts(&StoredThreshold { value: 0.4, rule: String::new(), positive: "a".into(), evidence })
    }

    #[test]
    fn few_images_and_bad_rates_are_doubted() {
        // 20 and 10 images, 8 of the 10 called wrongly.
        let positive: Vec<bool> = (0..30).map(|i| i < 20).collect();
        let called: Vec<bool> = (0..30).map(|i| i < 28).collect();
        let lines = doubts_of(&positive, &called, None).join("\n");
        assert!(
            lines.contains("specificity is 0.200: of 10 images other than a, 8 are false alarms"),
            "{lines}"
        );
        assert!(lines.contains("too few images other than a stand behind the threshold (10)"), "{lines}");
        // Nineteen of nineteen have a lower limit of 0.824, eighteen of eighteen 0.815: 20 of 20 are enough.
        assert_eq!(lines.lines().count(), 2, "{lines}");

        // As many as 400 images are few if they are of four patients.
        let many: Vec<bool> = (0..400).map(|i| i % 2 == 0).collect();
        assert!(doubts_of(&many, &many, None).is_empty());
        let four: Vec<usize> = (0..400).map(|i| i % 4).collect();
        assert_eq!(doubts_of(&many, &many, Some(&four)).len(), 2);
        // Of one class nothing is known.
        let lines = doubts_of(&[true; 100], &[true; 100], None);
        assert_eq!(
            lines,
            ["no image other than a stands behind the threshold: its specificity is not known"]
        );
    }
}
