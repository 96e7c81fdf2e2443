//! Two models of findings: each finding by itself, over the images of which it is known, and their mean.

use super::{ClassAuroc, scores};
use crate::figures::{number, p_value};
use eval::compare::{PairedFinding, compare_mean_auroc, holm};
use eval::{AurocDifference, Known, McNemar, MeanAurocDifference, compare_auroc, mcnemar, summary::LEVEL};
use model::Model;
use serde::Serialize;
use std::io;
use train::{LabelledPredictions, Predictions};

/// Why there is no AUROC at all.
pub const NO_AUROC: &str = "no finding is there in some images and not in others";

/// A finding by two models. Pairs are the first model's value and the second's.
#[derive(Serialize)]
pub struct Compared {
    finding: String,
    /// Images of which it is known.
    images: usize,
    /// Those that have it.
    positives: usize,
    /// None if no image has it, or every one.
    auroc: Option<AurocDifference>,
    /// The p-value of the AUROCs as it is among all findings (Holm).
    p_value_holm: Option<f64>,
    /// At each model's own threshold.
    sensitivity: [Option<f64>; 2],
    specificity: [Option<f64>; 2],
    /// Of the calls.
    mcnemar: McNemar,
    /// Its p-value as it is among all findings (Holm).
    mcnemar_p_value_holm: Option<f64>,
}

impl Compared {
    /// The same as a class has it.
    pub fn class_auroc(&self) -> Option<ClassAuroc> {
        Some(ClassAuroc { class: self.finding.clone(), difference: self.auroc? })
    }
}

/// Compares `models` on the images that both predicted, finding by finding in the order of the first.
pub fn compare(
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

/// For people.
pub fn print(all: &[Compared], mean: Option<&MeanAurocDifference>, by_group: &str) -> io::Result<()> {
    let width = all.iter().map(|of| of.finding.chars().count()).max().unwrap_or(0).max(7);
    let line = |cells: [&str; 8]| {
        let [name, with, known, a, b, apart, p, calls] = cells;
        let text =
            format!("  {name:<width$}  {with:>6}  {known:>6}  {a:>7}  {b:>7}  {apart:<23}  {p:>7}  {calls}");
        say!("{}", text.trim_end())
    };
    line(["finding", "with", "known", "AUROC A", "AUROC B", "A - B", "p", "only A right, only B; p"])?;
    let apart = |difference: f64, interval: Option<eval::Interval>| {
        let interval = interval.map_or(String::new(), |i| format!(" [{:+.3}, {:+.3}]", i.low, i.high));
        format!("{difference:+.3}{interval}")
    };
    for of in all {
        let McNemar { only_first, only_second, p_value: p } = of.mcnemar;
        let calls = format!("{only_first}, {only_second}; {}", p_value(of.mcnemar_p_value_holm.unwrap_or(p)));
        let [a, b] = [0, 1].map(|model| number(of.auroc.map(|found| found.auroc[model])));
        let difference = of.auroc.map_or("not defined".to_owned(), |of| apart(of.difference, of.interval));
        let p = of.p_value_holm.map_or("-".to_owned(), p_value);
        let (with, known) = (of.positives.to_string(), of.images.to_string());
        line([&of.finding, &with, &known, &a, &b, &difference, &p, &calls])?;
    }
    if let Some(MeanAurocDifference { auroc: [a, b], difference, interval, findings, .. }) = mean {
        let (a, b, name) = (number(Some(*a)), number(Some(*b)), format!("mean of {findings}"));
        line([&name, "", "", &a, &b, &apart(*difference, *interval), "", ""])?;
    }
    say!(
        "  (AUROC: DeLong, paired{by_group}; the mean by bootstrap; calls, each by its model's threshold: McNemar, \
         exact{by_group}; each p as it is among all findings (Holm))"
    )
}
