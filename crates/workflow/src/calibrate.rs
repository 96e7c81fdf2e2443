//! The operating point of a site, fixed on its own labelled images: what `vertebra calibrate` and the bindings do.

mod findings;

use crate::{Error, Labelled, seen_in_training};
use data::Remarks;
use eval::ThresholdRule;
pub use findings::{moved, slope};
use model::{Metadata, Model};
use predict::Classifier;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use train::LabelledPredictions;

/// How a model is to be calibrated.
pub struct Calibration<'a> {
    /// How the threshold is chosen (two classes, or each finding); youden without one.
    pub rule: Option<ThresholdRule>,
    /// The positive class of two, if it is not the model's.
    pub positive: Option<&'a str>,
    /// Whether the temperature is fitted too; of findings, the slope and the intercept of each.
    pub temperature: bool,
    /// The findings whose thresholds are set; all, if there are none.
    pub findings: &'a [String],
    /// Where the model was read, a file or a run folder; none of one that is in memory.
    pub path: Option<&'a Path>,
    /// Ends the work when it is set.
    pub stop: &'a AtomicBool,
}

/// What a calibration changed.
pub struct Calibrated {
    /// What the model said of itself before.
    pub before: Metadata,
    /// What is to be known.
    pub warnings: Vec<String>,
    which: Vec<usize>,
    split: String,
    images: usize,
}

impl Calibration<'_> {
    /// That a model like this can be calibrated so; before any image is looked for.
    ///
    /// # Errors
    /// A choice that cannot be.
    pub fn check(&self, metadata: &Metadata) -> Result<(), Error> {
        predict::positive_of(metadata, self.positive)?;
        findings::which(metadata, self.findings)?;
        match (metadata.classes.len(), self.rule) {
            _ if metadata.has_findings() => Ok(()),
            (2, _) => Ok(()),
            (classes, None) if self.temperature && classes > 2 => Ok(()),
            (classes, _) => Err(Error::Option {
                name: "rule",
                reason: format!(
                    "expected a model of two classes, found {classes}: the largest probability decides; --temperature \
                     without --rule fits the temperature"
                ),
            }),
        }
    }

    /// Calibrates `model` on these images. What their reader says of them is told to `say`.
    ///
    /// # Errors
    /// Among others: an image that cannot be read, or no threshold by this rule.
    pub fn calibrate(
        &self,
        model: &mut Model,
        labelled: &Labelled,
        say: &mut dyn FnMut(&str),
    ) -> Result<Calibrated, Error> {
        self.check(&model.metadata)?;
        let before = model.metadata.clone();
        let positive = predict::positive_of(&before, self.positive)?;
        let which = findings::which(&before, self.findings)?;
        let Labelled { dataset, part, name, .. } = labelled;
        let mut warnings = vec![];
        if labelled.is_training_data && name != "val" {
            warnings.push(format!(
                "{name} images of the data that trained this model: what is chosen on them flatters, and so does what \
                 is measured on them from now on"
            ));
        }
        let seen = match self.path.filter(|_| !labelled.is_training_data) {
            Some(path) => seen_in_training(labelled, false, &[path], say),
            None => None,
        };
        if let Some(seen) = seen.filter(|&seen| seen > 0) {
            let images = part.len();
            warnings.push(format!(
                "the model was trained or validated with {seen} of these {images} images: what is chosen on them flatters"
            ));
        }
        if self.temperature {
            model.metadata.calibration = None;
            findings::without_slopes(&mut model.metadata, &which);
        }
        let (remarks, prep) = (Remarks::default(), &before.preprocessing);
        let classifier = &mut Classifier::new(model)?;
        let mut predictions =
            train::predict_views(classifier, dataset, part, prep, &[], &remarks, self.stop)?;
        if self.temperature && before.has_findings() {
            let metadata = &mut model.metadata;
            predictions =
                findings::fit_slopes(metadata, &predictions, dataset, &which, &before, &mut warnings)?;
        } else if self.temperature {
            let metadata = &mut model.metadata;
            predictions = train::fit_temperature(metadata, &predictions, dataset, before.calibration)?;
            if model.metadata.calibration == before.calibration {
                // Where it comes from stays, too.
                warnings.push("no temperature fits these images better, so it stays as it was".to_owned());
            }
        }
        remarks.lines().iter().for_each(|line| say(line));

        let evaluation = LabelledPredictions::new(&before, &predictions, dataset)?.with_positive(positive);
        let date = train::utc_now()[..10].to_owned();
        let data = evaluation.data_name();
        let groups = evaluation.groups.as_ref().map(|groups| groups.iter().max().map_or(0, |most| most + 1));
        let mut origin = json!({
            "data": data,
            "data_fingerprint": dataset.fingerprint(),
            "split": name,
            "images": part.len(),
            "groups": groups,
            "date": date,
        });
        let mut origins = before.calibrated.as_object().cloned().unwrap_or_default();
        if model.metadata.calibration != before.calibration {
            origins.insert("temperature".into(), origin.clone());
        }
        let rule = self.rule.unwrap_or_default();
        let place = format!("on {name} images of {data} ({date})");
        if before.has_findings() {
            let now = &mut model.metadata;
            let at = [name, place.as_str()];
            let chosen = findings::choose(now, &before, &evaluation, &which, rule, at, &mut warnings)?;
            let moved = findings::moved(&before, now);
            findings::keep_origin(&mut origins, "temperature", &origin, &before, &moved);
            origin["rule"] = String::from(rule).into();
            findings::keep_origin(&mut origins, "threshold", &origin, &before, &chosen);
        } else if before.classes.len() == 2 {
            let threshold = evaluation.choose(rule, name, &place).map_err(|reason| {
                let (source, rule) = (dataset.source.display(), String::from(rule));
                Error::Failed(format!("{source}: --rule {rule}: {reason}"))
            })?;
            warnings.extend(train::doubts(&threshold));
            origin["positives"] = threshold.evidence.as_ref().map(|found| found.positives).into();
            origin["rule"] = String::from(rule).into();
            train::set_threshold(&mut model.metadata, threshold);
            origins.insert("threshold".into(), origin);
        }
        model.metadata.calibrated = origins.into();
        Ok(Calibrated { before, warnings, which, split: name.clone(), images: part.len() })
    }
}

impl Calibrated {
    /// What `calibrate --json` prints: of a model that says `now` of itself, and that was written as `name`.
    pub fn document(&self, now: &Metadata, name: &str) -> Value {
        let Self { before, warnings, which, split, images } = self;
        let threshold = now.threshold.as_ref();
        let temperature = |metadata: &Metadata| metadata.calibration.map(|found| found.temperature);
        json!({
            "model": name,
            "split": split,
            "images": images,
            "positive": threshold.map(|threshold| &threshold.positive),
            "threshold": threshold.map(|threshold| threshold.value),
            "threshold_rule": threshold.map(|threshold| &threshold.rule),
            "threshold_evidence": threshold.and_then(|threshold| threshold.evidence.as_ref()),
            "threshold_before": before.threshold,
            "temperature": temperature(now),
            "temperature_before": temperature(before),
            "findings": findings::in_json(before, now, which),
            "calibrated": now.calibrated,
            "warnings": warnings,
        })
    }
}
