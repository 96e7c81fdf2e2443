//! Classes told apart by what is not anatomy: size, format, compression, metadata, exposure, borders, burned-in text,
//! numbers in the name, columns of the manifest. A network takes the easiest way, and if the scanner tells the class it
//! learns the scanner (Zech et al. 2018; DeGrave, Janizek and Lee 2021).
//!
//! Each feature alone is a score for a class: its AUROC is how well it tells that class from the rest, with an interval
//! by what belongs together. What is flagged must be looked at; brightness may be disease, a file format cannot.

mod chance;
mod texts;
mod words;

use std::collections::BTreeSet;

use data::Dataset;
use eval::delong::DeLong;
use eval::ranking::Ranking;
use eval::{Interval, Known};
use serde::Serialize;

use crate::columns::is_property;
use crate::facts::Facts;
use crate::file::Container;
use crate::names;
use chance::{Ranks, few_units, is_no_chance, least_p};
use texts::{has_words, texts};
use words::Words;

/// An AUROC from which a single feature is flagged, if chance is no explanation: its interval excludes 0.5 or, of few groups,
/// no exchange of labels among them is told as well (`chance`).
pub const BOUND: f64 = 0.75;
/// Each of some 25 measures has its chance, so together, and for all findings, they are held to 95 % (Bonferroni).
const MEASURES: f64 = 25.0;

/// Where a feature comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShortcutKind {
    /// The container and its metadata: never anatomy.
    File,
    /// Brightness, borders and the like: exposure and processing, perhaps anatomy.
    Picture,
    /// A number in the file name: no network sees it, but what it counts may be visible.
    Name,
    /// A column of the manifest: no network sees it, but what it says may be visible.
    Column,
}

/// How well one feature tells a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shortcut {
    /// The feature, in words.
    pub feature: String,
    /// Where it comes from.
    pub kind: ShortcutKind,
    /// The finding that it tells, where images have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// The class in which it is larger.
    pub higher_in: String,
    /// The area under the ROC curve of telling that class, 0.5 or more.
    pub auroc: f64,
    /// Its interval, by source and by the groups that were given.
    pub auroc_ci: Interval,
    /// The best threshold: from here on, `higher_in`.
    pub threshold: f64,
    /// The share of images that this rule, chosen on the same images, gets right.
    pub rule_accuracy: f64,
    /// What always naming the more frequent side gets right.
    pub majority_accuracy: f64,
    /// Whether it is at or above [`BOUND`], and chance is no explanation.
    pub flagged: bool,
    /// Whether it is at or above [`BOUND`], and there are so few independent groups that chance may always be why.
    pub too_few: bool,
    /// Whether the threshold is one of a number that people know.
    #[serde(skip)]
    pub has_rule: bool,
}

/// Those that are flagged, and the first of the others.
pub fn most_telling(shortcuts: &[Shortcut], others: usize) -> Vec<&Shortcut> {
    let (flagged, rest): (Vec<&Shortcut>, Vec<&Shortcut>) = shortcuts.iter().partition(|found| found.flagged);
    flagged.into_iter().chain(rest.into_iter().take(others)).collect()
}

/// Every feature that varies, the most telling first: of the classes, or of each finding over the images of which it is
/// known. `units` says of each image what it depends on others by: its source, and its group if one was given.
pub fn shortcuts(
    dataset: &Dataset,
    facts: &[Result<Facts, String>],
    units: &[usize],
    positive: usize,
) -> Vec<Shortcut> {
    let readable: Vec<usize> = (0..facts.len()).filter(|&i| facts[i].is_ok()).collect();
    let known: Vec<&Facts> = facts.iter().flatten().collect();
    let units: Vec<usize> = readable.iter().map(|&i| units[i]).collect();
    let questions = match dataset.has_findings() {
        true => (0..dataset.classes.len()).map(|at| Question::of_finding(dataset, &readable, at)).collect(),
        false => vec![Question {
            finding: None,
            classes: dataset.classes.clone(),
            positive,
            at: (0..readable.len()).collect(),
            labels: readable.iter().map(|&i| dataset.samples[i].label).collect(),
        }],
    };
    let level = 1.0 - 0.05 / (MEASURES * questions.len() as f64);
    let (mut found, mut worded): (Vec<Shortcut>, Vec<Worded>) = (vec![], vec![]);
    let mut add = |feature: String, kind, values: Vec<Option<f64>>| {
        for question in &questions {
            let known = question.at.iter().zip(&question.labels);
            let known: Vec<_> =
                known.filter_map(|(&at, &label)| Some((values[at]?, units[at], label))).collect();
            let values: Vec<f64> = known.iter().map(|of| of.0).collect();
            let units: Vec<usize> = known.iter().map(|of| of.1).collect();
            let labels: Vec<usize> = known.iter().map(|of| of.2).collect();
            found.extend(tell(question, &labels, feature.clone(), kind, &values, &units, level));
        }
    };
    for (feature, kind, value) in FEATURES {
        add((*feature).to_owned(), *kind, known.iter().map(|facts| Some(value(facts))).collect());
    }
    for level in 1..=3 {
        if let Some(all) = names::numbers(dataset, level) {
            add(
                format!("number {level} in the file name"),
                ShortcutKind::Name,
                readable.iter().map(|&i| Some(all[i])).collect(),
            );
        }
    }
    let mut add_text = |name: &str, kind, values: &[&str]| {
        texts(name, values).into_iter().for_each(|(name, values)| add(name, kind, values));
        if has_words(values) {
            worded.push((name.to_owned(), kind, values.iter().map(|v| (*v).to_owned()).collect()));
        }
    };
    for (at, column) in dataset.columns.iter().enumerate() {
        let values: Vec<&str> = readable.iter().map(|&i| dataset.samples[i].extra[at].as_str()).collect();
        if is_property(column, &values) {
            add_text(&format!("column {column}"), ShortcutKind::Column, &values);
        }
    }
    let names: BTreeSet<&str> =
        known.iter().flat_map(|facts| &facts.tags).map(|tag| tag.0.as_str()).collect();
    for name in names {
        let value = |facts: &&Facts| facts.tags.iter().find(|tag| tag.0 == name).map(|tag| tag.1.clone());
        let values: Vec<String> = known.iter().map(|facts| value(facts).unwrap_or_default()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        add_text(name, ShortcutKind::File, &values);
    }
    for (feature, kind, values) in worded {
        for question in &questions {
            let words = Words { feature: &feature, kind, values: &values, units: &units, level };
            let told = words.tell(question);
            // A single word that tells as much of the same says it better.
            let is_said = |told: &Shortcut| {
                let of_one = |of: &&Shortcut| {
                    of.feature.starts_with(&format!("{feature} is ")) && of.finding == told.finding
                };
                let says = |one: &Shortcut| one.auroc + 0.02 >= told.auroc && (one.flagged || !told.flagged);
                found.iter().filter(of_one).any(says)
            };
            found.extend(told.filter(|told| !is_said(told)));
        }
    }
    found.sort_by(|a, b| b.auroc.total_cmp(&a.auroc));
    found
}

/// What has words: its name, where it comes from, and the word of each image that can be read.
type Worded = (String, ShortcutKind, Vec<String>);

/// What is to be told: classes, or whether a finding is there.
struct Question {
    /// Its name; none of classes.
    finding: Option<String>,
    classes: Vec<String>,
    positive: usize,
    /// The images of which it is known, among those that could be read.
    at: Vec<usize>,
    /// Their classes.
    labels: Vec<usize>,
}

impl Question {
    fn of_finding(dataset: &Dataset, readable: &[usize], finding: usize) -> Self {
        let known = Known::among(&mut readable.iter().map(|&i| dataset.samples[i].findings[finding]));
        let name = &dataset.classes[finding];
        let classes = vec![format!("no {name}"), name.clone()];
        Self { finding: Some(name.clone()), classes, positive: 1, labels: known.labels(), at: known.images }
    }
}

type Feature = (&'static str, ShortcutKind, fn(&Facts) -> f64);

fn flag(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

/// Of each kind the more telling names first: what is equal in AUROC stays in this order.
const FEATURES: &[Feature] = &[
    ("width", ShortcutKind::File, |f| f.width as f64),
    ("height", ShortcutKind::File, |f| f.height as f64),
    ("width / height", ShortcutKind::File, |f| f.width as f64 / f.height as f64),
    ("bits a sample", ShortcutKind::File, |f| f.bits.into()),
    ("stored in colour", ShortcutKind::File, |f| flag(f.channels == 3)),
    ("is JPEG", ShortcutKind::File, |f| flag(f.container.container == Container::Jpeg)),
    ("is PNG", ShortcutKind::File, |f| flag(f.container.container == Container::Png)),
    ("is DICOM", ShortcutKind::File, |f| flag(f.container.container == Container::Dicom)),
    ("JPEG quantisation", ShortcutKind::File, |f| f.container.quantisation),
    ("metadata bytes", ShortcutKind::File, |f| f.container.metadata_bytes as f64),
    ("even frame", ShortcutKind::Picture, |f| f.statistics.frame),
    ("text or marker, top left", ShortcutKind::Picture, |f| f.statistics.text[0]),
    ("text or marker, top right", ShortcutKind::Picture, |f| f.statistics.text[1]),
    ("text or marker, bottom left", ShortcutKind::Picture, |f| f.statistics.text[2]),
    ("text or marker, bottom right", ShortcutKind::Picture, |f| f.statistics.text[3]),
    ("text or markers", ShortcutKind::Picture, |f| f.statistics.text.iter().sum()),
    ("coloured pixels", ShortcutKind::Picture, |f| f.statistics.colour),
    ("black pixels", ShortcutKind::Picture, |f| f.statistics.black),
    ("white pixels", ShortcutKind::Picture, |f| f.statistics.white),
    ("brightness of the rim", ShortcutKind::Picture, |f| f.statistics.rim),
    ("brightness of the top left corner", ShortcutKind::Picture, |f| f.statistics.corners[0]),
    ("brightness of the top right corner", ShortcutKind::Picture, |f| f.statistics.corners[1]),
    ("brightness of the bottom left corner", ShortcutKind::Picture, |f| f.statistics.corners[2]),
    ("brightness of the bottom right corner", ShortcutKind::Picture, |f| f.statistics.corners[3]),
    ("mean brightness", ShortcutKind::Picture, |f| f.statistics.mean),
    ("contrast", ShortcutKind::Picture, |f| f.statistics.contrast),
    ("fine detail", ShortcutKind::Picture, |f| f.statistics.detail),
    ("bytes a pixel", ShortcutKind::Picture, |f| f.bytes as f64 / (f.width * f.height) as f64),
];

/// How well `values` tell a class: the positive one of two, else the one that they tell best.
fn tell(
    Question { finding, classes, positive, .. }: &Question,
    labels: &[usize],
    feature: String,
    kind: ShortcutKind,
    values: &[f64],
    units: &[usize],
    level: f64,
) -> Option<Shortcut> {
    if values.iter().all(|value| *value == values[0]) {
        return None;
    }
    let candidates = if classes.len() == 2 { vec![*positive] } else { (0..classes.len()).collect() };
    let of_class = |class: usize| {
        let is: Vec<bool> = labels.iter().map(|&label| label == class).collect();
        Some((DeLong::new(values, &is, Some(units))?.auroc, class, is))
    };
    let (auroc, class, mut is) = candidates
        .into_iter()
        .filter_map(of_class)
        .max_by(|a, b| (a.0 - 0.5).abs().total_cmp(&(b.0 - 0.5).abs()))?;
    let mut higher_in = classes[class].clone();
    if auroc < 0.5 {
        is.iter_mut().for_each(|is| *is = !*is);
        higher_in = match classes.len() {
            2 => classes[1 - class].clone(),
            _ => format!("all but {higher_in}"),
        };
    }
    let delong = DeLong::new(values, &is, Some(units))?;
    let estimate = delong.estimate(eval::summary::LEVEL);
    let too_few = estimate.auroc >= BOUND && least_p(&is, units) > 1.0 - level;
    // Of few units of one side no interval holds.
    let is_sure = || match few_units(&is, units) {
        true => {
            let ranks = Ranks::of(values);
            let again = |is: &[bool]| ranks.auroc(is).map(|auroc| auroc.max(1.0 - auroc));
            is_no_chance(&is, units, estimate.auroc, 1.0 - level, &again)
        }
        false => delong.estimate(level).interval.low > 0.5,
    };
    let (threshold, rule_accuracy, majority_accuracy) = best_rule(values, &is);
    Some(Shortcut {
        feature,
        kind,
        finding: finding.clone(),
        higher_in,
        auroc: estimate.auroc,
        auroc_ci: estimate.interval,
        threshold,
        rule_accuracy,
        majority_accuracy,
        flagged: estimate.auroc >= BOUND && !too_few && is_sure(),
        too_few,
        has_rule: true,
    })
}

/// The threshold with the most right answers, their share, and the share of the more frequent side.
fn best_rule(values: &[f64], is: &[bool]) -> (f64, f64, f64) {
    let n = is.len() as f64;
    let negatives = is.iter().filter(|&&is| !is).count() as f64;
    let cuts: Vec<_> = Ranking::new(values, is).cuts().collect();
    let right = |at: usize| cuts[at].positives + negatives - cuts[at].negatives;
    let best = (0..cuts.len()).max_by(|&a, &b| right(a).total_cmp(&right(b)).then(b.cmp(&a))).unwrap_or(0);
    let threshold =
        cuts.get(best + 1).map_or(cuts[best].score, |next| f64::midpoint(cuts[best].score, next.score));
    (threshold, right(best) / n, negatives.max(n - negatives) / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &[f64], labels: &[usize], classes: &[&str]) -> Option<Shortcut> {
        let classes: Vec<String> = classes.iter().map(|&c| c.to_owned()).collect();
        let source: Vec<usize> = (0..labels.len()).collect();
        let positive = eval::default_positive(&classes);
        let question =
            Question { finding: None, positive, classes, at: source.clone(), labels: labels.to_vec() };
        tell(&question, labels, "x".into(), ShortcutKind::File, values, &source, 1.0 - 0.05 / MEASURES)
    }

    #[test]
    fn a_feature_that_tells_the_class_is_flagged_with_its_rule() {
        let values: Vec<f64> = (0..40).map(f64::from).collect();
        let labels: Vec<usize> = (0..40).map(|i| usize::from(i < 10)).collect();
        let found = told(&values, &labels, &["fracture", "normal"]).unwrap();
        assert!(found.flagged && found.auroc == 1.0 && found.higher_in == "fracture");
        assert_eq!((found.threshold, found.rule_accuracy, found.majority_accuracy), (9.5, 1.0, 0.75));
        let found = told(&values, &labels.iter().map(|l| 1 - l).collect::<Vec<_>>(), &["fracture", "normal"])
            .unwrap();
        assert_eq!((found.auroc, &found.higher_in[..]), (1.0, "normal"));

        let three: Vec<usize> = (0..40).map(|i| if i < 20 { i % 2 } else { 2 }).collect();
        let found = told(&values, &three, &["a", "b", "c"]).unwrap();
        assert_eq!((found.auroc, &found.higher_in[..], found.flagged), (1.0, "c", true));
    }

    #[test]
    fn what_names_an_image_is_no_shortcut() {
        let names: Vec<String> = (0..40).map(|i| format!("{i}.png")).collect();
        let rows: Vec<_> =
            names.iter().enumerate().map(|(i, n)| (n.as_str(), ["a", "b"][i / 20], None, None)).collect();
        let mut set = crate::testing::dataset(&rows);
        set.columns = ["found_source", "scanner", "id", "kept in"].map(String::from).to_vec();
        for (i, sample) in set.samples.iter_mut().enumerate() {
            let scanner = ["one", "two"][i / 20].to_owned();
            sample.extra =
                vec![(i / 20).to_string(), scanner, i.to_string(), format!("/data/{}/x.png", i / 20)];
        }
        let picture =
            model::Picture { width: 8, height: 8, channels: 1, bits: 8, shown: true, samples: vec![7.0; 64] };
        let facts: Vec<_> = (0..40).map(|_| Ok(crate::facts::tests::facts(&picture))).collect();
        let found = shortcuts(&set, &facts, &(0..40).collect::<Vec<_>>(), 1);
        let flagged: Vec<&str> = found
            .iter()
            .filter(|s| s.flagged && s.kind == ShortcutKind::Column)
            .map(|s| s.feature.as_str())
            .collect();
        assert_eq!(flagged.len(), 1, "{flagged:?}");
        assert!(flagged[0].starts_with("column scanner is"), "{flagged:?}");
    }

    /// Forty images with one column more.
    fn with_column(value: fn(usize) -> String, class: fn(usize) -> usize, units: &[usize]) -> Vec<Shortcut> {
        let names: Vec<String> = (0..40).map(|i| format!("{i}.png")).collect();
        let rows: Vec<_> =
            names.iter().enumerate().map(|(i, n)| (n.as_str(), ["a", "b"][class(i)], None, None)).collect();
        let mut set = crate::testing::dataset(&rows);
        set.columns = vec!["age".into()];
        set.samples.iter_mut().enumerate().for_each(|(i, sample)| sample.extra = vec![value(i)]);
        let picture =
            model::Picture { width: 8, height: 8, channels: 1, bits: 8, shown: true, samples: vec![7.0; 64] };
        let facts: Vec<_> = (0..40).map(|_| Ok(crate::facts::tests::facts(&picture))).collect();
        let mut found = shortcuts(&set, &facts, units, 1);
        found.retain(|of| of.kind == ShortcutKind::Column);
        found
    }

    #[test]
    fn a_number_that_some_images_lack_is_judged_by_the_others() {
        let each: Vec<usize> = (0..40).collect();
        let age = |i: usize| if i % 10 == 3 { ["", "nan"][i / 20].into() } else { format!("{}.5", 20 + i) };
        let found = with_column(age, |i| i / 20, &each);
        let [of_some, lacking] = &found[..] else { panic!("{found:?}") };
        assert_eq!(of_some.feature, "column age (of the 36 images that have it)");
        assert!(of_some.flagged && of_some.auroc == 1.0 && of_some.threshold == 40.0);
        assert!(lacking.feature == "column age is not given" && !lacking.flagged, "{lacking:?}");
        assert!((lacking.auroc - 0.5).abs() < 1e-9, "{lacking:?}");
    }

    /// Five images a patient, of one age and one class, are no five times as much evidence.
    #[test]
    fn an_interval_is_by_what_belongs_together() {
        let age = |i: usize| format!("{}.5", 20 + i / 5);
        let class = |i: usize| usize::from(i / 5 >= 4) ^ usize::from(i / 5 == 3);
        let by = |units: Vec<usize>| with_column(age, class, &units).remove(0);
        let (alone, patients) = (by((0..40).collect()), by((0..40).map(|i| i / 5).collect()));
        assert_eq!(alone.auroc, patients.auroc);
        assert!(alone.flagged && !patients.flagged);
        assert!(
            patients.auroc_ci.low < alone.auroc_ci.low - 0.1,
            "{:?} {:?}",
            patients.auroc_ci,
            alone.auroc_ci
        );
    }

    #[test]
    fn few_groups_prove_nothing() {
        let each: Vec<usize> = (0..8).collect();
        let is: Vec<bool> = (0..8).map(|i| i < 4).collect();
        assert!((least_p(&is, &each) - 2.0 / 70.0).abs() < 1e-12);
        // Two patients with both: 2 of 2 ways each.
        assert!((least_p(&[true, false, true, false], &[0, 0, 1, 1]) - 2.0 / 4.0).abs() < 1e-12);
        // Of one patient with both, neighbouring slices are no twenty of each.
        assert_eq!(least_p(&(0..40).map(|i| i < 20).collect::<Vec<_>>(), &[0; 40]), 1.0);
        // Ten images each of four patients and four are a feature of eight.
        let age = |i: usize| format!("{}.5", 20 + i / 5);
        let found = with_column(age, |i| i / 20, &(0..40).map(|i| i / 5).collect::<Vec<_>>()).remove(0);
        assert!(found.auroc == 1.0 && found.too_few && !found.flagged, "{found:?}");
        let found = with_column(age, |i| i / 20, &(0..40).map(|i| i / 2).collect::<Vec<_>>()).remove(0);
        assert!(found.auroc == 1.0 && !found.too_few && found.flagged, "{found:?}");
    }

    /// Five cases among fifty: an interval alone calls 2 to 3 % of what means nothing a shortcut.
    #[test]
    fn few_cases_are_judged_by_exchange() {
        let flagged = (0..300).filter(|&seed| {
            let mut rng = engine::Rng::derive(&[seed, 9]);
            let values: Vec<f64> = (0..50).map(|_| rng.normal()).collect();
            let labels: Vec<usize> = (0..50).map(|_| usize::from(rng.below(10) == 0)).collect();
            told(&values, &labels, &["a", "b"]).is_some_and(|found| found.flagged)
        });
        let flagged = flagged.count();
        assert!(flagged <= 3, "{flagged} of 300");
        // What tells them is told.
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let labels: Vec<usize> = (0..50).map(|i| usize::from(i >= 44)).collect();
        assert!(told(&values, &labels, &["a", "b"]).unwrap().flagged);
    }

    #[test]
    fn chance_is_not_flagged() {
        assert_eq!(told(&[1.0; 4], &[0, 1, 0, 1], &["a", "b"]), None);
        assert_eq!(told(&[1.0, 2.0], &[0, 0], &["a", "b"]), None);
        let mut rng = engine::Rng::new(1);
        let values: Vec<f64> = (0..200).map(|_| rng.normal()).collect();
        let labels: Vec<usize> = (0..200).map(|i| i % 2).collect();
        assert!(!told(&values, &labels, &["a", "b"]).unwrap().flagged);
        assert!(
            !told(&[2.0, 1.0, 1.0], &[1, 0, 0], &["a", "b"]).unwrap().flagged,
            "three images prove nothing"
        );
    }
}
