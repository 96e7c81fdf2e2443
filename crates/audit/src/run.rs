//! The whole audit: what is asked of a data set, in order.
//!
//! Invariant: the document depends on the files, labels, splits and groups alone, not on the number of threads.

use std::collections::HashSet;
use std::ops::ControlFlow;

use data::{Dataset, GroupBy, Split};
use eval::Positive;
use model::Window;

use crate::baselines::Subject;
use crate::document::{Audit, Finding, KnownFinding, Part, Unreadable};
use crate::facts::{self, Facts};
use crate::findings::findings;
use crate::groups::{GroupOrigin, Groups, NamePattern};
use crate::hints::{Identifiers, hints};
use crate::names;
use crate::pairs::pairs;
use crate::regroup::joined;
use crate::repeats::Repeats;
use crate::shortcuts::shortcuts;
use crate::verdict::verdict;

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditStage {
    /// Reading and decoding every image.
    Read,
    /// Looking for copies.
    Compare,
    /// Scoring the baselines, which tells nothing before its end.
    Score,
}

/// Audits `dataset`. `group_by` is how its groups were given, if the user said so; `positive` matters with two classes;
/// gray images of more than 8 bits are seen through `window`, if there is one.
/// `progress` hears how many images a stage has done, from any thread; its answer can cut the search for copies short,
/// and all else is said of what was found.
///
/// # Errors
/// If the temporary file that a large data set needs cannot be written, or if `progress` stopped before all images were
/// read. An image that cannot be read is a finding.
pub fn audit(
    dataset: &Dataset,
    group_by: Option<&GroupBy>,
    positive: Positive,
    window: Option<Window>,
    progress: &(dyn Fn(AuditStage, usize) -> ControlFlow<()> + Sync),
) -> Result<Audit, data::Error> {
    let (facts, similar) = facts::scan(dataset, window, &|done| progress(AuditStage::Read, done), &|done| {
        progress(AuditStage::Compare, done)
    })?;
    let pairs = pairs(dataset, &similar.links, window);
    let _ = progress(AuditStage::Score, 0);

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
    let units = groups
        .as_ref()
        .filter(|groups| groups.origin == GroupOrigin::Given)
        .map_or(source, |groups| &groups.ids);
    let dependent = joined(source, units);

    let identifiers =
        facts.iter().map(|facts| facts.as_ref().map_or([None, None], |f| f.identifiers.clone()));
    let identifiers: Vec<Identifiers> = identifiers.collect();
    let unreadable = dataset.samples.iter().zip(&facts).filter_map(|(sample, facts)| {
        Some(Unreadable { path: sample.name.clone(), reason: facts.as_ref().err()?.clone() })
    });
    let together = joined(source, groups.as_ref().map_or(source, |groups| &groups.ids));
    let seen_in_training = seen_in_training(dataset, &together);
    let of_findings = dataset.has_findings();
    let binary = dataset.classes.len() == 2 && !of_findings;
    let mut audit = Audit {
        data: dataset.source.display().to_string(),
        images: dataset.samples.len(),
        unreadable: unreadable.collect(),
        passed_over: dataset.passed_over.clone(),
        classes: dataset.classes.clone(),
        positive: binary.then(|| dataset.classes[positive.class].clone()),
        positive_source: binary.then_some(positive.source),
        window,
        sources: distinct(readable(source)),
        sources_at_least: distinct(readable(&similar.perhaps)),
        series: distinct(readable(&similar.series)),
        parts: parts(dataset, &readable(source), groups.as_ref()),
        identical_files: Repeats::of(dataset, key(|facts| facts.file)),
        identical_pixels: Repeats::of(dataset, key(|facts| facts.pixels)),
        copies: Repeats::of(dataset, readable(source)),
        look_alikes: Repeats::of(dataset, readable(&similar.series)),
        name_patterns,
        hints: hints(
            dataset,
            groups.as_ref().filter(|g| g.origin != GroupOrigin::Pictures),
            candidates.first().filter(|first| first.offered),
            &identifiers,
        ),
        shortcuts: shortcuts(dataset, &facts, &dependent, positive.class),
        // They would be scored anew for each finding.
        baselines: match of_findings {
            true => vec![],
            false => subject.baselines(&outside_source, groups.as_ref(), units),
        },
        groups,
        findings: vec![],
        leaks: false,
        seen_in_training,
        verdict: vec![],
        stopped: similar.stopped,
        pairs,
        source_of: similar.source.clone(),
        series_of: similar.series.clone(),
    };
    audit.findings = findings(&audit);
    audit.leaks = audit.findings.iter().any(Finding::is_leak);
    audit.verdict = verdict(&audit);
    Ok(audit)
}

fn distinct(ids: impl IntoIterator<Item = Option<usize>>) -> usize {
    ids.into_iter().flatten().collect::<HashSet<_>>().len()
}

/// The share of the images for validation and test that belong `together` with one in training.
fn seen_in_training(dataset: &Dataset, together: &[usize]) -> f64 {
    let trained: HashSet<usize> = dataset.part(Split::Train).into_iter().map(|i| together[i]).collect();
    let others = [dataset.part(Split::Val), dataset.part(Split::Test)].concat();
    let seen = others.iter().filter(|&&i| trained.contains(&together[i])).count();
    seen as f64 / others.len().max(1) as f64
}

/// What the whole set and its splits have; the `source` of an image that cannot be read is none.
fn parts(dataset: &Dataset, source: &[Option<usize>], groups: Option<&Groups>) -> Vec<Part> {
    let part = |name: String, members: Vec<usize>| {
        let mut per_class = vec![0; dataset.classes.len()];
        let mut findings = vec![KnownFinding::default(); dataset.classes.len()];
        for sample in members.iter().map(|&i| &dataset.samples[i]) {
            for (count, is) in findings.iter_mut().zip(&sample.findings) {
                match is {
                    Some(true) => count.positives += 1,
                    Some(false) => count.negatives += 1,
                    None => count.unknown += 1,
                }
            }
            per_class[sample.label] += 1;
        }
        match dataset.has_findings() {
            true => per_class = findings.iter().map(|of| of.positives).collect(),
            false => findings.clear(),
        }
        let sources = distinct(members.iter().map(|&i| source[i]));
        let groups = groups.map(|groups| distinct(members.iter().map(|&i| Some(groups.ids[i]))));
        Part { split: name, images: members.len(), per_class, findings, sources, groups }
    };
    let splits = Split::ALL.map(|split| part(split.to_string(), dataset.part(split)));
    let all = part("all".into(), (0..dataset.samples.len()).collect());
    [all].into_iter().chain(splits.into_iter().filter(|part| part.images > 0)).collect()
}
