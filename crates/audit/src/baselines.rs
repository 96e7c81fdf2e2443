//! What classifiers that cannot see a finding score on the data, on the given split and with whole sources or groups
//! held out. A split on which they score well rewards remembering, or a shortcut; the fall from one to the other is what
//! the split gives away.
//!
//! The nearest neighbour answers each image from all images outside its own source or group (leave one out). The
//! logistic regression is fitted once a fold: a fold for each group where they are few, else ten folds of whole groups.

use std::collections::BTreeSet;

use data::{Dataset, Split, split_groups};
use engine::{Rng, par};
use eval::{Interval, Scored, Summary, Threshold, argmax, group_ids};
use serde::Serialize;

use crate::facts::Facts;
use crate::groups::Groups;
use crate::logistic::Logistic;
use crate::nearest::{Gallery, PerClass, probabilities};

/// Images that ask for their nearest neighbour, at most: more are sampled.
pub const MAX_QUERIES: usize = 5_000;
/// Images that a logistic regression is fitted to, at most: more are sampled.
pub const MAX_ROWS: usize = 10_000;
/// Folds where there are more groups than this; groups are listed one by one up to here.
const FOLDS: usize = 10;
/// Names the random stream of the samples.
const SAMPLE_STREAM: u64 = u64::from_be_bytes(*b"audit   ");

/// How training and evaluation images are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Separation {
    /// Training split against test (or validation) split, as the data give them.
    GivenSplit,
    /// No image is judged by copies of its own source.
    SourcesHeldOut,
    /// No image is judged by its own group or source.
    GroupsHeldOut,
}

/// The score of a trivial classifier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Baseline {
    /// What it is.
    pub method: &'static str,
    /// How images were kept apart.
    pub evaluation: Separation,
    /// Images that were judged; a sample of them all where there are very many.
    pub images: usize,
    /// Independent units among them, on which the intervals rest.
    pub groups: usize,
    /// The share that is right.
    pub accuracy: Option<f64>,
    /// Its exact interval.
    pub accuracy_ci: Option<Interval>,
    /// AUROC; macro mean with more than two classes.
    pub auroc: Option<f64>,
    /// Its interval.
    pub auroc_ci: Option<Interval>,
    /// What always naming the most frequent class would score on the same images.
    pub majority_accuracy: f64,
    /// Group by group, where groups are held out and few.
    pub by_group: Vec<OneGroup>,
}

/// The score on one held-out group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OneGroup {
    /// Its name.
    pub group: String,
    /// Its images.
    pub images: usize,
    /// The share that is right.
    pub accuracy: f64,
    /// What always naming the group's most frequent class would score.
    pub majority_accuracy: f64,
}

/// What the baselines need to know of the images.
pub struct Subject<'a> {
    /// Labels, classes, splits.
    pub dataset: &'a Dataset,
    /// The facts of each image.
    pub facts: &'a [Result<Facts, String>],
    /// The source of each image.
    pub source: &'a [usize],
    /// The positive class of two.
    pub positive: usize,
}

/// The images that were asked for their nearest neighbour, and what was found.
pub struct Nearest {
    queries: Vec<usize>,
    found: Vec<PerClass>,
}

impl Nearest {
    /// For each query that has one, the query and its nearest image.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let winner = |(&query, found): (&usize, &PerClass)| Some((query, crate::nearest::winner(found)?));
        self.queries.iter().zip(&self.found).filter_map(winner)
    }

    /// For each query that has a nearest image, the query and how likely each class is.
    fn judged(&self) -> Vec<(usize, Vec<f64>)> {
        let likely = |(&query, found): (&usize, &PerClass)| Some((query, probabilities(found)?));
        self.queries.iter().zip(&self.found).filter_map(likely).collect()
    }
}

impl<'a> Subject<'a> {
    fn readable(&self) -> impl Iterator<Item = usize> {
        (0..self.facts.len()).filter(|&i| self.facts[i].is_ok())
    }

    /// Training and evaluation images of the given split; none if it is not there.
    fn given(&self) -> Option<(Vec<usize>, Vec<usize>)> {
        let part = |split| -> Vec<usize> {
            self.readable().filter(|&i| self.dataset.samples[i].split == Some(split)).collect()
        };
        let train = part(Split::Train);
        let judged = [Split::Test, Split::Val].map(part).into_iter().find(|part| !part.is_empty())?;
        (!train.is_empty()).then_some((train, judged))
    }

    fn nearest(&self, queries: Vec<usize>, rule: &(dyn Fn(usize, usize) -> bool + Sync)) -> Nearest {
        let labels: Vec<usize> = self.dataset.samples.iter().map(|sample| sample.label).collect();
        let thumbnails =
            self.facts.iter().map(|facts| facts.as_ref().ok().map(|facts| &facts.small[..])).collect();
        let gallery = Gallery { thumbnails, labels: &labels, classes: self.dataset.classes.len() };
        let found = gallery.nearest(&queries, rule);
        Nearest { queries, found }
    }

    /// The nearest neighbours outside each image's own source.
    pub fn outside_source(&self) -> Nearest {
        let source = self.source;
        self.nearest(sample(self.readable().collect(), MAX_QUERIES), &|a, b| source[a] != source[b])
    }

    /// All baselines. `units` are what intervals rest on: groups if they are known, else sources.
    pub fn baselines(
        &self,
        outside_source: &Nearest,
        groups: Option<&Groups>,
        units: &[usize],
    ) -> Vec<Baseline> {
        let mut all = vec![];
        let mut add = |separation, nearest: &Nearest, smooth: Vec<(usize, Vec<f64>)>, held| {
            let near = "1-nearest-neighbour, 32x32 pixels";
            all.extend(self.judge(near, separation, nearest.judged(), units, held));
            all.extend(self.judge("logistic regression, 8x8 pixels", separation, smooth, units, held));
        };
        if let Some((train, judged)) = self.given() {
            let judged = sample(judged, MAX_QUERIES);
            let is_train = |_: usize, b: usize| self.dataset.samples[b].split == Some(Split::Train);
            let nearest = self.nearest(judged.clone(), &is_train);
            let fitted = self.fit(train);
            let smooth = judged.into_iter().map(|i| (i, fitted.probabilities(self.tiny(i)))).collect();
            add(Separation::GivenSplit, &nearest, smooth, None);
        }
        add(Separation::SourcesHeldOut, outside_source, self.cross_validate(self.source), None);
        if let Some(held) = groups {
            let (group, source) = (&held.ids, self.source);
            let apart = |a: usize, b: usize| group[a] != group[b] && source[a] != source[b];
            let nearest = self.nearest(outside_source.queries.clone(), &apart);
            add(Separation::GroupsHeldOut, &nearest, self.cross_validate(group), groups);
        }
        all
    }

    fn tiny(&self, i: usize) -> &'a [f32] {
        self.facts[i].as_ref().map_or(&[], |facts| &facts.tiny)
    }

    fn fit(&self, train: Vec<usize>) -> Logistic {
        let train = sample(train, MAX_ROWS);
        let rows: Vec<&[f32]> = train.iter().map(|&i| self.tiny(i)).collect();
        let labels: Vec<usize> = train.iter().map(|&i| self.dataset.samples[i].label).collect();
        Logistic::fit(&rows, &labels, self.dataset.classes.len())
    }

    /// Every readable image judged by a regression that saw nothing of its unit.
    fn cross_validate(&self, units: &[usize]) -> Vec<(usize, Vec<f64>)> {
        let readable: Vec<usize> = self.readable().collect();
        let keys: Vec<usize> = readable.iter().map(|&i| units[i]).collect();
        let labels: Vec<usize> = readable.iter().map(|&i| self.dataset.samples[i].label).collect();
        let distinct = keys.iter().collect::<BTreeSet<_>>().len();
        let folds = match distinct {
            0 | 1 => return vec![],
            2..=FOLDS => group_ids(&keys),
            _ => match split_groups(&labels, &keys, self.dataset.classes.len(), &[1.0; FOLDS], 0) {
                Ok(folds) => folds,
                Err(_) => return vec![],
            },
        };
        let judged = par::map(distinct.min(FOLDS), |fold| {
            let (out, rest): (Vec<_>, Vec<_>) = (0..readable.len()).partition(|&at| folds[at] == fold);
            let fitted = self.fit(rest.into_iter().map(|at| readable[at]).collect());
            out.into_iter()
                .map(|at| readable[at])
                .map(|i| (i, fitted.probabilities(self.tiny(i))))
                .collect::<Vec<_>>()
        });
        judged.into_iter().flatten().collect()
    }

    /// The scores of predicted probabilities; none where nothing was predicted.
    fn judge(
        &self,
        method: &'static str,
        separation: Separation,
        judged: Vec<(usize, Vec<f64>)>,
        units: &[usize],
        held: Option<&Groups>,
    ) -> Option<Baseline> {
        let classes = &self.dataset.classes;
        let labels: Vec<usize> = judged.iter().map(|&(i, _)| self.dataset.samples[i].label).collect();
        let flat: Vec<f64> = judged.iter().flat_map(|(_, p)| p.iter().copied()).collect();
        let units: Vec<usize> = judged.iter().map(|&(i, _)| units[i]).collect();
        let summary = Summary::new(&Scored {
            split: "",
            labels: &labels,
            probabilities: &flat,
            classes,
            groups: Some(&units),
            positive: self.positive,
            threshold: Threshold::fixed(0.5),
            prevalence: None,
            draws: 0,
            seed: 0,
        })
        .ok()?;
        let of_group = |(group, name): (usize, &String)| {
            let inside: Vec<&(usize, Vec<f64>)> =
                judged.iter().filter(|(i, _)| held.is_some_and(|held| held.ids[*i] == group)).collect();
            let right = inside.iter().filter(|(i, p)| argmax(p) == self.dataset.samples[*i].label).count();
            let labels: Vec<usize> = inside.iter().map(|(i, _)| self.dataset.samples[*i].label).collect();
            (!inside.is_empty()).then(|| OneGroup {
                group: name.clone(),
                images: inside.len(),
                accuracy: right as f64 / inside.len() as f64,
                majority_accuracy: majority(&labels, classes.len()),
            })
        };
        let names = held.map(|held| &held.names[..]).filter(|names| names.len() <= FOLDS).unwrap_or_default();
        Some(Baseline {
            method,
            evaluation: separation,
            images: labels.len(),
            groups: summary.groups.unwrap_or(labels.len()),
            accuracy: summary.accuracy,
            accuracy_ci: summary.accuracy_ci,
            auroc: summary.auroc,
            auroc_ci: summary.auroc_ci,
            majority_accuracy: majority(&labels, classes.len()),
            by_group: names.iter().enumerate().filter_map(of_group).collect(),
        })
    }
}

/// The share of the most frequent class.
pub fn majority(labels: &[usize], classes: usize) -> f64 {
    let mut counts = vec![0usize; classes];
    labels.iter().for_each(|&label| counts[label] += 1);
    counts.into_iter().max().unwrap_or(0) as f64 / labels.len().max(1) as f64
}

/// At most `most` of `items`, drawn without replacement and in their order.
fn sample(mut items: Vec<usize>, most: usize) -> Vec<usize> {
    if items.len() > most {
        Rng::derive(&[SAMPLE_STREAM]).shuffle(&mut items);
        items.truncate(most);
        items.sort_unstable();
    }
    items
}
