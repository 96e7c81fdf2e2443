//! What a model decides: which class is the positive one, and from which probability on. Everything that evaluates, predicts
//! or compares asks here, so the stored values, what a user says instead, and the names of the classes are weighed in one
//! place.

use crate::Error;
use eval::{Positive, PositiveSource};
use model::Metadata;

/// The operating point of a model with two classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The positive class, and who said so.
    pub positive: Positive,
    /// From which probability of it on an image is positive.
    pub threshold: eval::Threshold,
}

impl Decision {
    /// Of a model, unless the class `positive` or a `threshold` is given; `None` with more than two classes, where the
    /// largest probability decides.
    ///
    /// # Errors
    /// A class that the model does not have, or a threshold for more than two classes.
    pub fn of(
        metadata: &Metadata,
        positive: Option<&str>,
        threshold: Option<f64>,
    ) -> Result<Option<Self>, Error> {
        let positive = positive_of(metadata, positive)?;
        if metadata.has_findings() {
            return Ok(None);
        }
        match (metadata.classes.len(), threshold) {
            (2, _) => {
                let threshold = threshold_of(metadata, positive, threshold);
                Ok(Some(Self { positive, threshold }))
            }
            (_, None) => Ok(None),
            (classes, Some(_)) => Err(Error::Choice {
                option: "threshold",
                expected: "a model of two classes".into(),
                found: format!("{classes}: the largest probability decides"),
            }),
        }
    }

    /// The class of an image with the probabilities `row`: the positive one from the threshold on.
    pub fn class(&self, row: &[f64]) -> usize {
        let positive = self.positive.class;
        if row[positive] >= self.threshold.value { positive } else { 1 - positive }
    }
}

/// From which probability on a model calls each of its findings: `value` of all if one is given, else as it is stored, else one
/// half. Empty for a model of classes.
pub fn finding_thresholds(metadata: &Metadata, value: Option<f64>) -> Vec<eval::Threshold> {
    let count = if metadata.has_findings() { metadata.classes.len() } else { 0 };
    let of = |at| match (value, &metadata.finding(at).threshold) {
        (Some(value), _) => eval::Threshold::fixed(value),
        (None, Some(stored)) => eval::Threshold { value: stored.value.into(), rule: stored.rule.clone() },
        (None, None) => eval::Threshold { value: 0.5, rule: "one half".into() },
    };
    (0..count).map(of).collect()
}

/// The class that a model calls for an image with these probabilities: by its threshold if it has one.
pub fn predicted_class(metadata: &Metadata, row: &[f64]) -> usize {
    match Decision::of(metadata, None, None) {
        Ok(Some(decision)) if metadata.threshold.is_some() => decision.class(row),
        _ => eval::argmax(row),
    }
}

/// The positive class of a model, where it has two classes: as `named`, else as it is stored, else by the names.
///
/// # Errors
/// A `named` class that the model does not have.
pub fn positive_of(metadata: &Metadata, named: Option<&str>) -> Result<Positive, Error> {
    let classes = &metadata.classes;
    if let (Some(name), true) = (named, metadata.has_findings()) {
        return Err(Error::Choice {
            option: "positive",
            expected: "a model of two classes, and this one has findings, each there or not".into(),
            found: name.to_owned(),
        });
    }
    if let Some(name) = named {
        return name_positive(classes, name);
    }
    let by_names = Positive::of_names(classes);
    let stored = metadata.positive().and_then(|stored| classes.iter().position(|class| class == stored));
    let is_binary = classes.len() == 2 && !metadata.has_findings();
    let Some(class) = stored.filter(|_| is_binary) else { return Ok(by_names) };
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
    Positive::named(classes, name).map_err(|expected| Error::Choice {
        option: "positive",
        expected,
        found: name.to_owned(),
    })
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
        (None, None) => eval::Threshold { value: 0.5, rule: "one half".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Architecture, Preprocessing, StoredThreshold};

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
        model.threshold = Some(StoredThreshold { value, rule, positive: "a".into(), evidence: None });
        let found = positive_of(&model, None).unwrap();
        assert_eq!(found, Positive { class: 0, source: PositiveSource::Model });
    }

    #[test]
    fn the_other_class_gets_the_complement() {
        let mut model = metadata(["a", "b"]);
        for value in [0.0_f32, 0.25, 0.3, 0.5, 1.0] {
            let rule = "chosen".to_owned();
            model.threshold = Some(StoredThreshold { value, rule, positive: "a".into(), evidence: None });
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

    #[test]
    fn a_stored_threshold_decides_and_the_largest_probability_without_one() {
        let mut model = metadata(["a", "b"]);
        assert_eq!([[0.6, 0.4], [0.4, 0.6]].map(|row| predicted_class(&model, &row)), [0, 1]);
        let (value, rule) = (0.3, "by hand".to_owned());
        model.threshold = Some(StoredThreshold { value, rule, positive: "a".into(), evidence: None });
        assert_eq!([[0.31, 0.69], [0.29, 0.71]].map(|row| predicted_class(&model, &row)), [0, 1]);
        let turned = Decision::of(&model, Some("b"), None).unwrap().unwrap();
        assert_eq!([[0.31, 0.69], [0.29, 0.71]].map(|row| turned.class(&row)), [0, 1]);
        model.classes.push("c".into());
        let error = Decision::of(&model, None, Some(0.5)).unwrap_err().to_string();
        assert_eq!(
            error,
            "--threshold: expected a model of two classes, found 3: the largest probability decides"
        );
        assert_eq!(Decision::of(&model, None, None).unwrap(), None);
    }
}
