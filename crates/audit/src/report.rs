//! The whole audit: what is asked of a data set, in order, and the document that holds the answers.
//!
//! Invariant: the document depends on the files, labels, splits and groups alone, not on the number of threads.
//! Names are a contract: fields may be added, not renamed.

use std::collections::HashSet;
use std::ops::ControlFlow;

use data::{Dataset, GroupBy, PassedOver, Split};
use eval::{Positive, PositiveSource};
use serde::Serialize;

use crate::baselines::{Baseline, Subject};
use crate::facts::{self, Facts};
use crate::findings::{Finding, findings};
use crate::groups::{Groups, NamePattern, Origin};
use crate::hints::{Hint, hints};
use crate::pairs::{Pair, pairs};
use crate::repeats::Repeats;
use crate::shortcuts::{Shortcut, shortcuts};
use crate::{names, verdict};

/// What is wrong with a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audit {
    /// The folder or manifest.
    pub data: String,
    /// Files that were named.
    pub images: usize,
    /// Those that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// What lies in the folder and is none of the images.
    pub passed_over: PassedOver,
    /// Class names.
    pub classes: Vec<String>,
    /// The positive class; `None` with more than two classes.
    pub positive: Option<String>,
    /// Who said so.
    pub positive_source: Option<PositiveSource>,
    /// Different pictures: copies, however turned or processed, count once.
    pub sources: usize,
    /// The least number of different pictures that there may be: some that look alike could not be told apart.
    pub sources_at_least: usize,
    /// Series of look-alikes that the pictures show; each is one source or more.
    pub series: usize,
    /// Groups, and how they are known.
    pub groups: Option<Groups>,
    /// The set and its splits.
    pub parts: Vec<Part>,
    /// Files with equal bytes.
    pub identical_files: Repeats,
    /// Images with equal pixels.
    pub identical_pixels: Repeats,
    /// Images of one source, equal or not.
    pub copies: Repeats,
    /// Images of one series of look-alikes: copies, neighbouring slices, views of one patient.
    pub look_alikes: Repeats,
    /// What file names suggest.
    pub name_patterns: Vec<NamePattern>,
    /// What may say which images belong together, although nobody said so.
    pub hints: Vec<Hint>,
    /// What is not anatomy and tells the class, the most telling first.
    pub shortcuts: Vec<Shortcut>,
    /// What trivial classifiers score.
    pub baselines: Vec<Baseline>,
    /// Everything that a person should know, the worst first.
    pub findings: Vec<Finding>,
    /// Whether the given split leaks.
    pub leaks: bool,
    /// The conclusion, sentence by sentence.
    pub verdict: Vec<String>,
    /// Whether the search for copies was stopped before its end: there may be more than are counted here.
    pub stopped: bool,
    /// Copies to look at.
    #[serde(skip)]
    pub pairs: Vec<Pair>,
    /// The source of each image.
    #[serde(skip)]
    pub source_of: Vec<usize>,
    /// The series of each image, a union of sources.
    #[serde(skip)]
    pub series_of: Vec<usize>,
}

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unreadable {
    /// Its name in the data set.
    pub path: String,
    /// What was expected and what was found.
    pub reason: String,
}

/// The size of the set or of a split, in everything that may be called independent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// `all`, or the split.
    pub split: String,
    /// Images.
    pub images: usize,
    /// Images of each class.
    pub per_class: Vec<usize>,
    /// Different sources.
    pub sources: usize,
    /// Groups; `None` if none are known.
    pub groups: Option<usize>,
}

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading and decoding every image.
    Read,
    /// Looking for copies.
    Compare,
    /// Scoring the baselines, which tells nothing before its end.
    Score,
}

/// Audits `dataset`. `group_by` is how its groups were given, if the user said so. `progress` hears how many images a
/// stage has done, from any thread; its answer can cut the search for copies short, and all else is said of what was found.
///
/// # Errors
/// If the temporary file that a large data set needs cannot be written, or if `progress` stopped before all images were
/// read. An image that cannot be read is a finding.
pub fn audit(
    dataset: &Dataset,
    group_by: Option<&GroupBy>,
    progress: &(dyn Fn(Stage, usize) -> ControlFlow<()> + Sync),
) -> Result<Audit, data::Error> {
    audit_for(dataset, group_by, Positive::of_names(&dataset.classes), progress)
}

/// The same for a positive class of two that is given.
pub fn audit_for(
    dataset: &Dataset,
    group_by: Option<&GroupBy>,
    positive: Positive,
    progress: &(dyn Fn(Stage, usize) -> ControlFlow<()> + Sync),
) -> Result<Audit, data::Error> {
    let (facts, similar) =
        facts::scan(dataset, &|done| progress(Stage::Read, done), &|done| progress(Stage::Compare, done))?;
    let pairs = pairs(dataset, &similar.links);
    let _ = progress(Stage::Score, 0);

    let key = |key: fn(&Facts) -> facts::Hash| facts.iter().map(move |facts| facts.as_ref().ok().map(key));
    let readable = |ids: &[usize]| {
        ids.iter().zip(&facts).map(|(&id, facts)| facts.is_ok().then_some(id)).collect::<Vec<_>>()
    };
    let source = &similar.source;
    let subject = Subject { dataset, facts: &facts, source, positive: positive.class };
    let outside_source = subject.outside_source();
    let nearest: Vec<(usize, usize)> = outside_source.pairs().collect();
    let candidates = names::candidates(dataset);
    let evidence = |candidate| NamePattern::new(dataset, candidate, source, &nearest);
    let name_patterns: Vec<NamePattern> = candidates.iter().map(evidence).collect();
    let credible = || name_patterns.iter().find(|pattern| pattern.credible);
    let groups = Groups::given(dataset, group_by)
        .or_else(|| credible().map(|found| Groups::named(dataset, &found.pattern)))
        .or_else(|| Groups::seen(dataset, &similar.series, distinct(source.iter().copied().map(Some))));
    // Groups that nobody gave are no ground for an interval.
    let units =
        groups.as_ref().filter(|groups| groups.origin == Origin::Given).map_or(source, |groups| &groups.ids);

    let unreadable = dataset.samples.iter().zip(&facts).filter_map(|(sample, facts)| {
        Some(Unreadable { path: sample.name.clone(), reason: facts.as_ref().err()?.clone() })
    });
    let binary = dataset.classes.len() == 2;
    let mut audit = Audit {
        data: dataset.source.display().to_string(),
        images: dataset.samples.len(),
        unreadable: unreadable.collect(),
        passed_over: dataset.passed_over.clone(),
        classes: dataset.classes.clone(),
        positive: binary.then(|| dataset.classes[positive.class].clone()),
        positive_source: binary.then_some(positive.source),
        sources: distinct(readable(source)),
        sources_at_least: distinct(readable(&similar.perhaps)),
        series: distinct(readable(&similar.series)),
        parts: parts(dataset, source, groups.as_ref()),
        identical_files: Repeats::of(dataset, key(|facts| facts.file)),
        identical_pixels: Repeats::of(dataset, key(|facts| facts.pixels)),
        copies: Repeats::of(dataset, readable(source)),
        look_alikes: Repeats::of(dataset, readable(&similar.series)),
        name_patterns,
        hints: hints(
            dataset,
            &facts,
            groups.as_ref().filter(|g| g.origin != Origin::Pictures),
            candidates.first().filter(|first| first.offered),
        ),
        shortcuts: shortcuts(dataset, &facts, source, positive.class),
        baselines: subject.baselines(&outside_source, groups.as_ref().map(Groups::held), units),
        groups,
        findings: vec![],
        leaks: false,
        verdict: vec![],
        stopped: similar.stopped,
        pairs,
        source_of: similar.source.clone(),
        series_of: similar.series.clone(),
    };
    audit.findings = findings(&audit);
    audit.leaks = audit.findings.iter().any(Finding::is_leak);
    audit.verdict = verdict::verdict(&audit);
    Ok(audit)
}

fn distinct(ids: impl IntoIterator<Item = Option<usize>>) -> usize {
    ids.into_iter().flatten().collect::<HashSet<_>>().len()
}

fn parts(dataset: &Dataset, source: &[usize], groups: Option<&Groups>) -> Vec<Part> {
    let part = |name: String, members: Vec<usize>| {
        let mut per_class = vec![0; dataset.classes.len()];
        members.iter().for_each(|&i| per_class[dataset.samples[i].label] += 1);
        let among = |ids: &[usize]| distinct(members.iter().map(|&i| Some(ids[i])));
        let (sources, groups) = (among(source), groups.map(|groups| among(&groups.ids)));
        Part { split: name, images: members.len(), per_class, sources, groups }
    };
    let splits = Split::ALL.map(|split| part(split.to_string(), dataset.part(split)));
    let all = part("all".into(), (0..dataset.samples.len()).collect());
    [all].into_iter().chain(splits.into_iter().filter(|part| part.images > 0)).collect()
}
