//! Two models of findings: each finding by itself, over the images of which it is known, and their mean.

use super::{ClassAuroc, scores};
use eval::compare::{PairedFinding, compare_mean_auroc, holm};
use eval::{AurocDifference, Known, McNemar, MeanAurocDifference, compare_auroc, mcnemar, summary::LEVEL};
use model::Model;
use serde::Serialize;
use train::{LabelledPredictions, Predictions};

/// Why there is no AUROC at all.
pub(super) const NO_AUROC: &str = "no finding is there in some images and not in others";

/// A finding by two models. Pairs are the first model's value and the second's.
#[derive(Serialize)]
pub struct Compared {
    /// Its name.
    pub finding: String,
    /// Images of which it is known.
    pub images: usize,
    /// Those that have it.
    pub positives: usize,
    /// None if no image has it, or every one.
    pub auroc: Option<AurocDifference>,
    /// The p-value of the AUROCs as it is among all findings (Holm).
    pub p_value_holm: Option<f64>,
    /// At each model's own threshold.
    pub sensitivity: [Option<f64>; 2],
    /// The same of images that do not have it.
    pub specificity: [Option<f64>; 2],
    /// Of the calls.
    pub mcnemar: McNemar,
    /// Its p-value as it is among all findings (Holm).
    pub mcnemar_p_value_holm: Option<f64>,
}

impl Compared {
    /// The same as a class has it.
    pub(super) fn class_auroc(&self) -> Option<ClassAuroc> {
        Some(ClassAuroc { class: self.finding.clone(), difference: self.auroc? })
    }
}

/// Compares `models` on the images that both predicted, finding by finding in the order of the first.
pub(super) fn compare(
    models: [&Model; 2],
    labelled: [&LabelledPredictions; 2],
    predictions: &[Predictions; 2],
) -> (Vec<Compared>, Option<MeanAurocDifference>) {
    let names = &models[0].metadata.classes;
    let groups = labelled[0].groups.as_deref();
    let mut compared = vec![];
    let mut pairs: Vec<PairedFinding> = vec![];
    for (at, name) in names.iter().enumerate() {
        let (known, _) = labelled[0].known(at);
        let scores = [0, 1].map(|model| known.pick(&scores(models[model], &predictions[model], name)));
        let groups = groups.map(|groups| known.pick(groups));
        let (positives, Known { images, is: positive }) = (known.positives(), known);
        let called = [0, 1].map(|model| {
            let metadata = &models[model].metadata;
            let own = metadata.classes.iter().position(|known| known == name);
            let own = own.expect("both models have the same findings");
            let from = predict::finding_thresholds(metadata, None)[own].value;
            scores[model].iter().map(|&p| p >= from).collect::<Vec<bool>>()
        });
        let rate = |model: usize, of: bool| {
            let calls = positive.iter().zip(&called[model]).filter(|(is, _)| **is == of);
            let (right, all) =
                calls.fold((0, 0), |(right, all), (is, call)| (right + usize::from(is == call), all + 1));
            (all > 0).then(|| right as f64 / all as f64)
        };
        let right =
            [0, 1].map(|model| positive.iter().zip(&called[model]).map(|(is, call)| is == call).collect());
        let [first, second]: [Vec<bool>; 2] = right;
        compared.push(Compared {
            finding: name.clone(),
            images: images.len(),
            positives,
            auroc: compare_auroc(&scores[0], &scores[1], &positive, groups.as_deref(), LEVEL),
            p_value_holm: None,
            sensitivity: [0, 1].map(|model| rate(model, true)),
            specificity: [0, 1].map(|model| rate(model, false)),
            mcnemar: mcnemar(&first, &second, groups.as_deref()),
            mcnemar_p_value_holm: None,
        });
        pairs.push(PairedFinding { images, scores, positive });
    }
    let tested: Vec<Option<f64>> =
        compared.iter().map(|of| of.auroc.and_then(|auroc| auroc.p_value)).collect();
    let calls: Vec<Option<f64>> = compared.iter().map(|of| Some(of.mcnemar.p_value)).collect();
    for (of, (areas, calls)) in compared.iter_mut().zip(holm(&tested).into_iter().zip(holm(&calls))) {
        (of.p_value_holm, of.mcnemar_p_value_holm) = (areas, calls);
    }
    let images: Vec<usize> = (0..predictions[0].indices.len()).collect();
    let mean = compare_mean_auroc(&pairs, groups.unwrap_or(&images), train::DRAWS, LEVEL);
    (compared, mean)
}
