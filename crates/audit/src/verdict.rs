//! The conclusion in plain words: how much there is, what leaks, what remembering scores, and what a score is worth.

use eval::count;

use crate::baselines::{Baseline, Separation};
use crate::document::{Audit, Finding, Severity};
use crate::groups::{GroupOrigin, Groups};
use crate::shortcuts::{Shortcut, ShortcutKind};

/// A fall of the nearest neighbour's accuracy that shows what a split gives away.
const FALL: f64 = 0.1;
/// An AUROC times this, rounded, is what counts in the choice of those that are named.
const NEARLY: f64 = 50.0;
/// Shortcuts of a kind that are named.
const NAMED: usize = 3;

/// The conclusion, sentence by sentence.
pub fn verdict(audit: &Audit) -> Vec<String> {
    let mut sentences = vec![size(audit)];
    if audit.stopped {
        sentences.push(
            "The search for copies was stopped before its end: there may be more than are told here.".into(),
        );
    }
    let near = |evaluation| audit.baselines.iter().find(|found| found.evaluation == evaluation);
    let [given, sources, groups] =
        [Separation::GivenSplit, Separation::SourcesHeldOut, Separation::GroupsHeldOut].map(near);
    let apart = groups.or(sources.filter(|_| audit.copies.clusters > 0));
    sentences.extend(remembering(given, apart, audit.groups.as_ref()));
    sentences.extend(both_sides(audit));
    sentences.extend(shortcuts(audit));
    sentences.extend(doubts(audit));
    sentences.push(worth(audit, given, apart));
    sentences
}

/// How many files, sources and groups there are.
fn size(audit: &Audit) -> String {
    let readable = audit.images - audit.unreadable.len();
    let files = format!("{} files", thousands(readable));
    let (least, most) = (thousands(audit.sources_at_least), thousands(audit.sources));
    let sources = match (audit.sources_at_least == audit.sources, audit.sources == readable) {
        (true, true) => format!("{files} are as many different pictures"),
        (true, false) => format!("{files} are {most} sources"),
        (false, _) => format!("{files} are at least {least} and at most {most} sources"),
    };
    let groups = audit.groups.as_ref().map(|groups| match groups.origin {
        GroupOrigin::Given => format!(" from {} groups", thousands(groups.count)),
        GroupOrigin::Names => format!(" from {} groups, as file names suggest", thousands(groups.count)),
        GroupOrigin::Pictures => {
            format!(" from some {} series, as the pictures suggest", thousands(audit.series))
        }
    });
    format!("{sources}{}.", groups.unwrap_or_default())
}

/// What the nearest neighbour scores on the given split and with groups (or sources) held out.
fn remembering(
    given: Option<&Baseline>,
    apart: Option<&Baseline>,
    groups: Option<&Groups>,
) -> Option<String> {
    let score = |baseline: &Baseline| percent(baseline.accuracy);
    let held = |baseline: &Baseline| match (baseline.evaluation, groups.map(|groups| groups.origin)) {
        (Separation::GroupsHeldOut, Some(GroupOrigin::Given)) => "with groups held out",
        (Separation::GroupsHeldOut, _) => "with those groups held out",
        _ => "with sources held out",
    };
    let guess = |baseline: &Baseline| {
        format!("(guessing the larger class: {})", percent(Some(baseline.majority_accuracy)))
    };
    let nearest = "The nearest neighbour on 32x32 pixels scores";
    match (given, apart) {
        (Some(given), Some(apart)) => {
            let less = if is_doubtful(apart) { ", not surely better than guessing," } else { "" };
            Some(format!(
                "{nearest} {} on this split and {}{less} {} {}.",
                score(given),
                score(apart),
                held(apart),
                guess(apart)
            ))
        }
        (Some(given), None) => Some(format!("{nearest} {} on this split {}.", score(given), guess(given))),
        (None, Some(apart)) => Some(format!("{nearest} {} {} {}.", score(apart), held(apart), guess(apart))),
        (None, None) => None,
    }
}

/// Whether guessing may be as good: always naming one class, the larger of all, for nobody knows beforehand which is the
/// larger one of a group that is held out.
fn is_doubtful(baseline: &Baseline) -> bool {
    let least = baseline.accuracy_ci.map(|interval| interval.low).or(baseline.accuracy);
    least.is_some_and(|least| least <= baseline.majority_accuracy)
}

/// Whether most of the lead over guessing is lost, and the rest of it may be chance.
fn is_lost(given: f64, apart: &Baseline) -> bool {
    let lead = |accuracy| accuracy - apart.majority_accuracy;
    is_doubtful(apart) && apart.accuracy.is_some_and(|accuracy| 2.0 * lead(accuracy) <= lead(given))
}

/// What lies on both sides of the split, known or suggested.
fn both_sides(audit: &Audit) -> Vec<String> {
    let both = |what: String| format!("On both sides of the split: {what}.");
    let some =
        |crossing, all, what: String| both(format!("{} of {} {what}", thousands(crossing), thousands(all)));
    let mut sentences = vec![];
    let copies = audit.copies.across_splits;
    if copies > 0 {
        let what = if copies == audit.identical_files.across_splits { "identical files" } else { "copies" };
        sentences.push(both(format!("{} of {what}", count(copies, "set"))));
    }
    if let Some(groups) = audit.groups.as_ref().filter(|groups| groups.across_splits > 0) {
        let by = groups.by.as_deref().unwrap_or_default();
        let what = match groups.origin {
            GroupOrigin::Given => format!("groups ({by})"),
            GroupOrigin::Names => format!("groups, if '{by}' in the file names is one"),
            GroupOrigin::Pictures => "series, if look-alikes are one".to_owned(),
        };
        sentences.push(some(groups.across_splits, groups.count, what));
    }
    if let Some(hint) = audit.hints.iter().find(|hint| hint.across_splits > 0) {
        sentences.push(some(hint.across_splits, hint.groups, format!("groups, if {} is one", hint.words())));
    }
    sentences
}

/// What tells the classes apart although it need not be anatomy.
fn shortcuts(audit: &Audit) -> Vec<String> {
    let flagged = |kinds: &[ShortcutKind]| -> Option<String> {
        let of_kind = |found: &&Shortcut| found.flagged && kinds.contains(&found.kind);
        let mut found: Vec<&Shortcut> = audit.shortcuts.iter().filter(of_kind).collect();
        let auroc = found.first()?.auroc;
        // Nearly equal ones in the order of their names: a frame says more than the sharpness that it brings.
        found.sort_by_key(|found| std::cmp::Reverse((found.auroc * NEARLY).round() as u64));
        let name = |found: &&Shortcut| match &found.finding {
            Some(finding) => format!("{} ({finding})", found.feature),
            None => found.feature.clone(),
        };
        let names: Vec<String> = found.iter().take(NAMED).map(name).collect();
        let more = match found.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let up_to = if found.len() > 1 { "up to " } else { "" };
        Some(format!("{}{more} (AUROC {up_to}{auroc:.3})", names.join(", ")))
    };
    let tells = if audit.has_findings() { "tells a finding" } else { "tells the classes apart" };
    let file = flagged(&[ShortcutKind::File])
        .map(|what| format!("The file {tells}, whatever the picture shows: {what}."));
    let picture = flagged(&[ShortcutKind::Picture])
        .map(|what| format!("One measure of the picture {tells}, anatomy or not: {what}."));
    let other = flagged(&[ShortcutKind::Name, ShortcutKind::Column])
        .map(|what| format!("What stands beside the picture {tells}, and may be visible in it: {what}."));
    [file, picture, other].into_iter().flatten().collect()
}

/// What else is in doubt: labels and files.
fn doubts(audit: &Audit) -> Vec<String> {
    let mut sentences = vec![];
    if audit.copies.across_classes > 0 {
        let sets = count(audit.copies.across_classes, "set");
        let how = if audit.has_findings() { "With contradicting findings" } else { "In more than one class" };
        sentences.push(format!("{how}: {sets} of copies, so some labels are wrong."));
    }
    match audit.unreadable.len() {
        0 => {}
        1 => sentences.push("1 file cannot be read.".into()),
        files => sentences.push(format!("{} files cannot be read.", thousands(files))),
    }
    sentences
}

/// What a score on the given split is worth.
fn worth(audit: &Audit, given: Option<&Baseline>, apart: Option<&Baseline>) -> String {
    if audit.images == audit.unreadable.len() {
        return "No image can be read, so nothing can be said of a score.".into();
    }
    let all = if audit.has_findings() { "the findings" } else { "the classes" };
    let task = audit.positive.as_ref().map_or(all.to_owned(), |class| format!("\"{class}\""));
    // All, and two splits; of which nothing may be readable.
    let has_split = audit.parts.len() > 2;
    let fall = given.zip(apart).and_then(|(given, apart)| Some(given.accuracy? - apart.accuracy?));
    // A few points may be chance, and of what training has not seen none come from there.
    let fell = fall.is_some_and(|fall| fall >= FALL && fall <= audit.seen_in_training);
    let names_leak = audit
        .groups
        .as_ref()
        .is_some_and(|groups| groups.origin != GroupOrigin::Given && groups.across_splits > 0);
    let lost =
        given.and_then(|given| given.accuracy).zip(apart).is_some_and(|(given, apart)| is_lost(given, apart));
    if fell && lost && (audit.leaks || names_leak) {
        return format!("A score on this split says nothing about {task}.");
    }
    if audit.leaks {
        return format!(
            "The split leaks, so a score on it flatters: it says less about {task} than it seems to."
        );
    }
    let is_suspect = names_leak || audit.hints.iter().any(|hint| hint.across_splits > 0);
    let is_warning = |finding: &&Finding| finding.severity == Severity::Warning;
    let warnings = audit.findings.iter().filter(is_warning).count();
    match (has_split, warnings) {
        // That nobody says it is the only one.
        (true, 1) if audit.groups.is_none() => {
            "No leak and no shortcut was found; which images are of one patient, nobody says.".into()
        }
        (true, 0) => "No leak and no shortcut was found.".into(),
        (true, _) if is_suspect => {
            format!(
                "Whether the split leaks depends on what belongs together; {} below.",
                count(warnings, "warning")
            )
        }
        (true, _) => {
            format!("The split does not leak as far as can be seen; {} below.", count(warnings, "warning"))
        }
        (false, warnings) => {
            let what = match &audit.parts[..] {
                [_, only] => format!("All images are of the {} split", only.split),
                _ => "There is no split yet".to_owned(),
            };
            let see = match warnings {
                0 => String::new(),
                more => format!(", and see {} below", count(more, "warning")),
            };
            format!("{what}; divide it by group (`vertebra split`){see}.")
        }
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.1} %", 100.0 * share))
}

/// A number with its thousands set apart.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let threes: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    threes.join(",")
}
