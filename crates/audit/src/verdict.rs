//! The conclusion in plain words: how much there is, what leaks, what remembering scores, and what a score is worth.

use crate::baselines::{Baseline, Evaluation};
use crate::findings::Severity;
use crate::groups::{Groups, Origin};
use crate::report::Audit;

/// A fall of the nearest neighbour's accuracy that shows what a split gives away.
const FALL: f64 = 0.1;

/// The conclusion, sentence by sentence.
pub fn verdict(audit: &Audit) -> Vec<String> {
    let mut sentences = vec![size(audit)];
    let near = |evaluation| audit.baselines.iter().find(|found| found.evaluation == evaluation);
    let [given, sources, groups] =
        [Evaluation::GivenSplit, Evaluation::SourcesHeldOut, Evaluation::GroupsHeldOut].map(near);
    let apart = groups.or(sources.filter(|_| audit.copies.clusters > 0));
    sentences.extend(remembering(given, apart, audit.groups.as_ref()));
    sentences.push(worth(audit, given, apart));
    sentences
}

/// How many files, sources and groups there are.
fn size(audit: &Audit) -> String {
    let readable = audit.images - audit.unreadable.len();
    let files = format!("{} files", thousands(readable));
    let sources = match audit.sources == readable {
        true => format!("{files} are as many different pictures"),
        false => format!("{files} are {} sources", thousands(audit.sources)),
    };
    let groups = audit.groups.as_ref().map(|groups| match groups.origin {
        Origin::Given => format!(" from {} groups", thousands(groups.count)),
        Origin::Names => format!(" from {} groups, as file names suggest", thousands(groups.count)),
        Origin::Pictures => format!(" from some {} series, as the pictures suggest", thousands(groups.count)),
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
        (Evaluation::GroupsHeldOut, Some(Origin::Given)) => "with groups held out",
        (Evaluation::GroupsHeldOut, _) => "with those groups held out",
        _ => "with sources held out",
    };
    let guess =
        |baseline: &Baseline| format!("(guessing the larger class: {})", percent(Some(guessing(baseline))));
    let nearest = "The nearest neighbour on 32x32 pixels scores";
    match (given, apart) {
        (Some(given), Some(apart)) => {
            let less = if worthless(apart) { ", no better than guessing," } else { "" };
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

/// What always naming the larger class scores: of each held-out group where groups are few, else of all.
fn guessing(baseline: &Baseline) -> f64 {
    if baseline.by_group.is_empty() {
        return baseline.majority_accuracy;
    }
    let images: usize = baseline.by_group.iter().map(|group| group.images).sum();
    baseline.by_group.iter().map(|group| group.images as f64 * group.majority_accuracy).sum::<f64>()
        / images as f64
}

fn worthless(baseline: &Baseline) -> bool {
    baseline.accuracy.is_some_and(|accuracy| accuracy <= guessing(baseline))
}

/// What a score on the given split is worth.
fn worth(audit: &Audit, given: Option<&Baseline>, apart: Option<&Baseline>) -> String {
    let task = match &audit.classes[..] {
        [_, _] => format!("\"{}\"", audit.classes[eval::default_positive(&audit.classes)]),
        _ => "the classes".to_owned(),
    };
    let fall = given.zip(apart).and_then(|(given, apart)| Some(given.accuracy? - apart.accuracy?));
    let fell = fall.is_some_and(|fall| fall >= FALL);
    let names_leak = audit
        .groups
        .as_ref()
        .is_some_and(|groups| groups.origin != Origin::Given && groups.across_splits > 0);
    if given.is_some() && fell && (audit.leaks || names_leak) && apart.is_some_and(worthless) {
        return format!("A score on this split says nothing about {task}.");
    }
    if audit.leaks {
        return format!(
            "The split leaks, so a score on it flatters: it says less about {task} than it seems to."
        );
    }
    let warnings = audit.findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    match (given.is_some(), warnings) {
        (true, 0) => "No leak and no shortcut was found.".into(),
        (true, _) => format!("The split does not leak as far as can be seen; {} below.", warned(warnings)),
        (false, 0) => "There is no split yet; divide it by group (`vertebra split`).".into(),
        (false, _) => format!(
            "There is no split yet; divide it by group (`vertebra split`), and see {} below.",
            warned(warnings)
        ),
    }
}

fn warned(count: usize) -> String {
    if count == 1 { "1 warning".into() } else { format!("{count} warnings") }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.1} %", 100.0 * share))
}

/// A number with its thousands set apart.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
