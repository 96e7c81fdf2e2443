//! Several models as one: the mean of their probabilities, each after its own temperature (or slope and intercept of
//! each finding), as in a deep ensemble (Lakshminarayanan, Pritzel and Blundell 2017). How far the members lie apart is
//! their spread.
//!
//! The mean is decided as one model's probability is: by the mean of the members' thresholds. So what an ensemble says
//! of itself is a [`Metadata`], and all that reads one works as with a single model.

use crate::{Classifier, Error, finding_thresholds, positive_of, threshold_of};
use model::{Metadata, Model, Preprocessing, StoredFinding, StoredThreshold, list_names};

/// Models that answer together.
pub struct Ensemble {
    members: Vec<Member>,
    metadata: Metadata,
    inputs: Vec<Preprocessing>,
}

/// One of them.
struct Member {
    classifier: Classifier,
    /// Which of the inputs it reads.
    input: usize,
    /// Of each class of the ensemble, the number that this model gives it.
    order: Vec<usize>,
}

/// What several models say of the same images.
#[derive(Clone, Debug, PartialEq)]
pub struct Averaged {
    /// The logarithms of the mean probabilities, `[n, classes]`.
    pub log_probabilities: Vec<f64>,
    /// The standard deviation of each probability over the models (with n - 1), `[n, classes]`; empty of one model.
    pub spread: Vec<f64>,
}

impl Averaged {
    /// Of the log-probabilities of each model, as many of one as of another.
    ///
    /// # Panics
    /// Of no model.
    pub fn of(members: &[Vec<f64>]) -> Self {
        let [first, others @ ..] = members else { panic!("the mean of no model") };
        if others.is_empty() {
            return Self { log_probabilities: first.clone(), spread: vec![] };
        }
        let deviation = |i: usize| {
            let values = || members.iter().map(|member| member[i].exp());
            let mean = values().sum::<f64>() / members.len() as f64;
            (values().map(|p| (p - mean).powi(2)).sum::<f64>() / (members.len() - 1) as f64).sqrt()
        };
        Self {
            log_probabilities: mean_log_probabilities(&members.concat(), members.len()),
            spread: (0..first.len()).map(deviation).collect(),
        }
    }
}

/// The logarithm of the mean of `parts` probabilities each, whose logarithms lie part after part: finite where one of
/// them is.
pub fn mean_log_probabilities(all: &[f64], parts: usize) -> Vec<f64> {
    let length = all.len() / parts;
    let mean = |i: usize| {
        let seen = || all[i..].iter().step_by(length);
        let largest = seen().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = seen().map(|p| (p - largest).exp()).sum();
        largest + (sum / parts as f64).ln()
    };
    (0..length).map(mean).collect()
}

/// What several models say of themselves together, and the number that each gives to every class of the first. `names`
/// are what the models are called in an error.
///
/// # Errors
/// A model whose classes are not those of the first, in whatever order, or of another kind.
pub fn agree(models: &[&Metadata], names: &[String]) -> Result<(Metadata, Vec<Vec<usize>>), Error> {
    let [first, others @ ..] = models else { return Err(Error::NoModel) };
    let what = |of: &Metadata| {
        let kind = if of.has_findings() { "findings" } else { "classes" };
        format!("the {kind} {}", list_names(&of.classes))
    };
    let order = |of: &Metadata| -> Option<Vec<usize>> {
        let same = (of.has_findings(), of.classes.len()) == (first.has_findings(), first.classes.len());
        let find = |class| of.classes.iter().position(|known| known == class).filter(|_| same);
        first.classes.iter().map(find).collect()
    };
    let mut orders = vec![];
    for (at, of) in models.iter().enumerate() {
        orders.push(order(of).ok_or_else(|| Error::Disagree {
            name: names[at].clone(),
            expected: format!("{}, as {} has", what(first), names[0]),
            found: what(of),
        })?);
    }
    let mut metadata = (*first).clone();
    if !others.is_empty() {
        let count = models.len();
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count as f64;
        let rule = format!("mean of the thresholds of {count} models");
        let stored = |value: f64, positive: &str| StoredThreshold {
            value: value as f32,
            rule: rule.clone(),
            positive: positive.to_owned(),
            evidence: None,
        };
        (metadata.calibration, metadata.threshold) = (None, None);
        if first.has_findings() {
            let thresholds: Vec<_> = models.iter().map(|of| finding_thresholds(of, None)).collect();
            let of_finding = |at: usize| {
                let mut each = thresholds.iter().zip(&orders).map(|(all, order)| all[order[at]].value);
                let threshold = Some(stored(mean(&mut each), &first.classes[at]));
                StoredFinding { threshold, ..StoredFinding::PLAIN }
            };
            metadata.findings = (0..first.classes.len()).map(of_finding).collect();
        } else if first.classes.len() == 2 {
            let positive = positive_of(first, None)?;
            let of = |(of, order): (&&Metadata, &Vec<usize>)| {
                let class = order[positive.class];
                threshold_of(of, eval::Positive { class, ..positive }, None).value
            };
            let value = mean(&mut models.iter().zip(&orders).map(of));
            metadata.threshold = Some(stored(value, &first.classes[positive.class]));
        }
    }
    Ok((metadata, orders))
}

/// What images are preprocessed for: once for all models that take the same.
pub fn inputs<'a>(models: impl Iterator<Item = &'a Metadata>) -> Vec<Preprocessing> {
    let mut inputs = vec![];
    for model in models {
        if !inputs.contains(&model.preprocessing) {
            inputs.push(model.preprocessing.clone());
        }
    }
    inputs
}

/// The rows of `values`, each with its columns in the order `order`.
pub fn reorder(values: &[f64], order: &[usize]) -> Vec<f64> {
    values.chunks_exact(order.len()).flat_map(|row| order.iter().map(|&at| row[at])).collect()
}

impl Ensemble {
    /// Of `models`, which `names` are called in an error; of one, it answers as that.
    ///
    /// # Errors
    /// No model, or models that do not agree in their classes: see [`agree`].
    pub fn new(models: Vec<Model>, names: &[String]) -> Result<Self, Error> {
        let (metadata, orders) =
            agree(&models.iter().map(|model| &model.metadata).collect::<Vec<_>>(), names)?;
        let inputs = inputs(models.iter().map(|model| &model.metadata));
        let mut members = vec![];
        for (model, order) in models.into_iter().zip(orders) {
            let (classifier, of) = Classifier::consume(model)?;
            let input = inputs.iter().position(|input| *input == of.preprocessing).unwrap_or_default();
            members.push(Member { classifier, input, order });
        }
        Ok(Self { members, metadata, inputs })
    }

    /// What the models say of themselves together.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// How many models there are.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// What images are preprocessed for: see [`inputs`].
    pub fn inputs(&self) -> &[Preprocessing] {
        &self.inputs
    }

    /// What the models say of `images`, each preprocessed for every one of [`Ensemble::inputs`].
    pub fn answer(&mut self, images: &[&[Vec<f32>]]) -> Averaged {
        let each = |member: &mut Member| {
            let own: Vec<&[f32]> = images.iter().map(|image| &image[member.input][..]).collect();
            reorder(&member.classifier.log_probabilities_each(&own), &member.order)
        };
        Averaged::of(&self.members.iter_mut().map(each).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_model::random_model;

    fn model(classes: &[&str], seed: u32, bias: &[f32], size: usize) -> Model {
        random_model(classes, Preprocessing::new(1, [size; 2]), seed, bias)
    }

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|at| format!("model {at}")).collect()
    }

    fn threshold(value: f32, positive: &str) -> Option<StoredThreshold> {
        Some(StoredThreshold { value, rule: "by hand".into(), positive: positive.into(), evidence: None })
    }

    #[test]
    fn probabilities_are_averaged_and_their_spread_is_told() {
        let of = |rows: [[f64; 2]; 3]| rows.map(|row| row.map(f64::ln).to_vec());
        let found = Averaged::of(&of([[0.2, 0.8], [0.5, 0.5], [0.8, 0.2]]));
        let mean: Vec<f64> = found.log_probabilities.iter().map(|p| p.exp()).collect();
        assert!((mean[0] - 0.5).abs() < 1e-12 && (mean[1] - 0.5).abs() < 1e-12, "{mean:?}");
        assert!(found.spread.iter().all(|s| (s - 0.3).abs() < 1e-12), "{found:?}");
        let certain = Averaged::of(&[vec![-2000.0], vec![f64::NEG_INFINITY]]);
        assert!(certain.log_probabilities[0].is_finite());
        assert_eq!(Averaged::of(&[vec![-1.0]]), Averaged { log_probabilities: vec![-1.0], spread: vec![] });
    }

    #[test]
    fn members_keep_their_classes_sizes_and_temperatures() {
        let mut models = vec![
            model(&["a", "b"], 1, &[0.5, 0.0], 32),
            model(&["b", "a"], 2, &[0.0, 0.2], 48),
            model(&["a", "b"], 3, &[0.0; 2], 32),
        ];
        models[1].metadata.calibration = Some(model::Calibration { temperature: 3.0 });
        let pictures: Vec<_> = (0..3u8)
            .map(|seed| {
                let bytes: Vec<u8> =
                    (0..900u32).map(|i| (i * i * (u32::from(seed) + 3) % 251) as u8).collect();
                model::Picture::from_u8(&bytes, [30, 30], 1).unwrap()
            })
            .collect();
        let mut each = vec![];
        for model in &models {
            let mut alone = crate::Predictor::new(model.clone()).unwrap();
            let swapped = model.metadata.classes[0] == "b";
            each.push(
                pictures
                    .iter()
                    .map(|picture| alone.predict(picture).unwrap().probabilities[usize::from(swapped)])
                    .collect::<Vec<_>>(),
            );
        }
        let mut ensemble = Ensemble::new(models, &names(3)).unwrap();
        assert_eq!((ensemble.count(), ensemble.inputs().len()), (3, 2));
        let images: Vec<Vec<Vec<f32>>> = pictures
            .iter()
            .map(|picture| ensemble.inputs().iter().map(|input| model::preprocess(picture, input)).collect())
            .collect();
        let found = ensemble.answer(&images.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for i in 0..3 {
            let values = [each[0][i], each[1][i], each[2][i]];
            let mean = values.iter().sum::<f64>() / 3.0;
            let deviation = (values.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
            assert!((found.log_probabilities[2 * i].exp() - mean).abs() < 1e-12);
            assert!((found.spread[2 * i] - deviation).abs() < 1e-12 && deviation > 0.0);
        }
    }

    #[test]
    fn the_threshold_is_the_mean_of_the_thresholds() {
        let mut models = [0, 1, 2].map(|seed| model(&["ill", "well"], seed, &[0.0; 2], 32).metadata);
        models[0].threshold = threshold(0.3, "ill");
        // Of the other class: ill from 0.4 on, but for the last digit.
        models[1].threshold = threshold(0.6, "well");
        models[1].classes.reverse();
        let refs: Vec<&Metadata> = models.iter().collect();
        let (found, orders) = agree(&refs, &names(3)).unwrap();
        let threshold = found.threshold.unwrap();
        assert_eq!((threshold.positive.as_str(), orders[1].as_slice()), ("ill", &[1, 0][..]));
        assert!((threshold.value - 0.4).abs() < 1e-6, "(0.3 + 0.4 + 0.5) / 3, not {}", threshold.value);
        assert_eq!(threshold.rule, "mean of the thresholds of 3 models");
        assert_eq!(agree(&refs[..1], &names(1)).unwrap().0, models[0], "one model is itself");
    }

    #[test]
    fn findings_have_a_mean_threshold_each() {
        let mut models = [0, 1].map(|seed| model(&["x", "y"], seed, &[0.0; 2], 32).metadata.with_findings());
        models[0].findings =
            vec![StoredFinding { threshold: threshold(0.2, "x"), ..StoredFinding::PLAIN }; 2];
        models[1].classes.reverse();
        let found = agree(&[&models[0], &models[1]], &names(2)).unwrap().0;
        let values: Vec<f64> = finding_thresholds(&found, None).iter().map(|it| it.value).collect();
        assert!(values.iter().all(|value| (value - 0.35).abs() < 1e-6), "{values:?}");
    }

    #[test]
    fn models_that_do_not_agree_are_refused() {
        let of = |classes: &[&str]| model(classes, 1, &vec![0.0; classes.len()], 32).metadata;
        let refused =
            |other: &Metadata| agree(&[&of(&["a", "b"]), other], &names(2)).unwrap_err().to_string();
        assert_eq!(
            refused(&of(&["a", "c"])),
            "model 2: expected the classes a, b, as model 1 has, found the classes a, c"
        );
        assert!(refused(&of(&["a", "b", "c"])).contains("found the classes a, b, c"));
        assert!(refused(&of(&["a", "b"]).with_findings()).contains("found the findings a, b"));
        assert!(matches!(Ensemble::new(vec![], &[]), Err(Error::NoModel)));
    }
}
