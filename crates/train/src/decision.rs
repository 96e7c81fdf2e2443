//! What a model decides: which class is the positive one, and from which probability on. Everything that evaluates, predicts
//! or compares asks here, so the stored values, what a user says instead, and the names of the classes are weighed in one
//! place.

use crate::Error;
use eval::binary::Rates;
use eval::summary::LEVEL;
use eval::{Interval, Positive, PositiveSource};
use model::{Metadata, ThresholdEvidence};

/// The positive class of a model, where it has two classes: as `named`, else as it is stored, else by the names.
///
/// # Errors
/// A `named` class that the model does not have.
pub fn positive_of(metadata: &Metadata, named: Option<&str>) -> Result<Positive, Error> {
    let classes = &metadata.classes;
    if let Some(name) = named {
        return name_positive(classes, name);
    }
    let by_names = Positive::of_names(classes);
    let stored = metadata.positive().and_then(|stored| classes.iter().position(|class| class == stored));
    let Some(class) = stored.filter(|_| classes.len() == 2) else { return Ok(by_names) };
    // A run that was told nothing stored what the names say: it is still those that say it.
    let told = metadata.provenance.config.get("positive").is_some_and(|name| !name.is_null());
    let source = match by_names.class == class && !told && !metadata.positive_was_set {
        true => by_names.source,
        false => PositiveSource::Model,
    };
    Ok(Positive { class, source })
}

/// The class that a user names as the positive one of `classes`.
pub fn name_positive(classes: &[String], name: &str) -> Result<Positive, Error> {
    Positive::named(classes, name).map_err(|expected| Error::config("positive", expected, name))
}

/// The threshold on the probability of `positive`: `value` if one is given, else the stored one, else one half. A stored one
/// for the other class is turned round, so that every image is decided as before.
pub fn threshold_of(metadata: &Metadata, positive: Positive, value: Option<f64>) -> eval::Threshold {
    match (value, &metadata.threshold) {
        (Some(value), _) => eval::Threshold::fixed(value),
        (None, Some(stored)) => {
            let threshold = eval::Threshold { value: stored.value.into(), rule: stored.rule.clone() };
            match metadata.classes.get(positive.class) == Some(&stored.positive) {
                true => threshold,
                false => threshold.complement(&stored.positive),
            }
        }
        (None, None) => eval::Threshold { value: 0.5, rule: "largest probability".into() },
    }
}

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
pub fn promise(threshold: &model::Threshold) -> Option<String> {
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
    use model::{Architecture, Preprocessing, Threshold};

    fn metadata(classes: [&str; 2]) -> Metadata {
        let named = Architecture::named("mobilenet-v1").unwrap();
        let architecture = Architecture { classes: 2, ..named };
        Metadata::new(architecture, classes.map(String::from).to_vec(), Preprocessing::new(1, [224; 2]))
    }

    #[test]
    fn the_user_comes_before_the_model_and_the_model_before_the_names() {
        let mut model = metadata(["fracture", "no_fracture"]);
        let of = |model: &Metadata, named| positive_of(model, named).unwrap();
        assert_eq!(of(&model, None), Positive { class: 0, source: PositiveSource::Names });
        assert_eq!(of(&model, Some("no_fracture")), Positive { class: 1, source: PositiveSource::Option });
        model.positive = Some("no_fracture".into());
        assert_eq!(of(&model, None), Positive { class: 1, source: PositiveSource::Model });
        model.positive = Some("fracture".into());
        assert_eq!(of(&model, None).source, PositiveSource::Names);
        model.provenance.config = serde_json::json!({ "positive": "fracture" });
        assert_eq!(of(&model, None).source, PositiveSource::Model);
        let error = positive_of(&model, Some("break")).unwrap_err().to_string();
        assert_eq!(error, "--positive: expected one of the classes (fracture, no_fracture), found break");
    }

    /// A file of an earlier version knows its positive class by its threshold only.
    #[test]
    fn a_stored_threshold_tells_the_positive_class() {
        let mut model = metadata(["a", "b"]);
        let (value, rule) = (0.3, "by hand".to_owned());
        model.threshold = Some(Threshold { value, rule, positive: "a".into(), evidence: None });
        let found = positive_of(&model, None).unwrap();
        assert_eq!(found, Positive { class: 0, source: PositiveSource::Model });
    }

    #[test]
    fn the_other_class_gets_the_complement() {
        let mut model = metadata(["a", "b"]);
        for value in [0.0_f32, 0.25, 0.3, 0.5, 1.0] {
            let rule = "chosen".to_owned();
            model.threshold = Some(Threshold { value, rule, positive: "a".into(), evidence: None });
            let [a, b] = ["a", "b"].map(|name| {
                let positive = positive_of(&model, Some(name)).unwrap();
                threshold_of(&model, positive, None)
            });
            assert_eq!((a.value, a.rule.as_str()), (f64::from(value), "chosen"));
            assert!(b.rule.contains("the rest of a from p"), "{}", b.rule);
            for p in [0.0, 0.1, 0.25, 0.29, 0.31, 0.5, 0.75, 1.0] {
                assert_eq!(p >= a.value, 1.0 - p < b.value, "p {p} at {value}");
            }
        }
        let positive = positive_of(&model, Some("b")).unwrap();
        assert_eq!(threshold_of(&model, positive, Some(0.7)).value, 0.7);
    }

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
        let threshold = Threshold { value: 0.4, rule, positive: "a".into(), evidence: Some(found) };
        let line = promise(&threshold).unwrap();
        assert!(
            line.contains("12 images of a and 20 others") && line.contains("1.000 [0.735, 1.000]"),
            "{line}"
        );
    }
}
