//! An audit for people at a terminal: the verdict first, then what it rests on.

use crate::figures::{number, percent};
use audit::{
    Audit, BOUND, Baseline, Hint, KnownFinding, NamePattern, Repeats, Separation, Severity, Shortcut,
    Unreadable,
};
use eval::Interval;
use std::io;

/// Features that are listed although they are not flagged.
const UNFLAGGED: usize = 3;
/// Classes that have a column, at most, and the letters of their names.
const CLASSES: usize = 10;
const LETTERS: usize = 32;
/// Findings that are listed, at most.
const FINDINGS: usize = 40;
/// Files that cannot be read, listed at most.
const LISTED: usize = 10;

/// Prints an audit. What was not found has no section.
pub fn print(audit: &Audit) -> io::Result<()> {
    say!("{}", audit.data)?;
    if let (Some(class), Some(source)) = (&audit.positive, audit.positive_source) {
        say!("positive: {class} ({source})")?;
    }
    say!()?;
    audit.verdict.iter().try_for_each(|sentence| say!("  {sentence}"))?;
    if !audit.findings.is_empty() {
        say!()?;
    }
    for finding in &audit.findings {
        say!("  {:<8} {}", severity(finding.severity), finding.message)?;
    }
    parts(audit)?;
    repeats(audit)?;
    unless_empty(&audit.hints, hints)?;
    unless_empty(&audit.name_patterns, names)?;
    unless_empty(&audit.baselines, |found| baselines(audit, found))?;
    unless_empty(&audit.shortcuts, shortcuts)?;
    unless_empty(&audit.unreadable, unreadable)
}

fn unless_empty<T>(found: &[T], print: impl FnOnce(&[T]) -> io::Result<()>) -> io::Result<()> {
    if found.is_empty() { Ok(()) } else { print(found) }
}

/// The word for a severity.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Leak => "LEAK",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// What is known of each finding, split by split.
fn known(audit: &Audit) -> io::Result<()> {
    say!("\n  {:<8} {:>8} {:>8} {:>8}", "split", "images", "sources", "groups")?;
    for part in &audit.parts {
        let groups = part.groups.map_or("-".to_owned(), |groups| groups.to_string());
        say!("  {:<8} {:>8} {:>8} {groups:>8}", part.split, part.images, part.sources)?;
    }
    let names: Vec<String> = audit.classes.iter().map(|name| model::clip_name(name, LETTERS)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(27);
    let row = |name: &str, cells: &dyn Fn(&audit::Part) -> String| {
        let cells: String = audit.parts.iter().map(|part| format!("  {:>20}", cells(part))).collect();
        say!("  {name:<width$}{cells}")
    };
    say!()?;
    row("with, without and not known", &|part| part.split.clone())?;
    for (at, name) in names.iter().enumerate().take(FINDINGS) {
        row(name, &|part| {
            let KnownFinding { positives, negatives, unknown } = part.findings[at];
            format!("{positives:>6} {negatives:>6} {unknown:>6}")
        })?;
    }
    match names.len().saturating_sub(FINDINGS) {
        0 => Ok(()),
        more => say!("  and {more} more findings (--json)"),
    }
}

fn parts(audit: &Audit) -> io::Result<()> {
    if audit.has_findings() {
        return known(audit);
    }
    let names: Vec<String> =
        audit.classes.iter().take(CLASSES).map(|class| model::clip_name(class, LETTERS)).collect();
    let widths: Vec<usize> = names.iter().map(|class| class.chars().count().max(6)).collect();
    let columns = |cells: Vec<String>| -> String {
        cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}")).collect()
    };
    let more = match audit.classes.len() - names.len() {
        0 => String::new(),
        more => format!("  and {more} more classes (--json)"),
    };
    let heads = columns(names.clone());
    say!("\n  {:<8} {:>8} {:>8} {:>8}{heads}{more}", "split", "images", "sources", "groups")?;
    for part in &audit.parts {
        let groups = part.groups.map_or("-".to_owned(), |groups| groups.to_string());
        let counts = columns(part.per_class.iter().map(usize::to_string).collect());
        say!("  {:<8} {:>8} {:>8} {groups:>8}{counts}", part.split, part.images, part.sources)?;
    }
    Ok(())
}

/// The kinds of repeats, with their names: each holds those before it.
pub fn kinds(audit: &Audit) -> [(&'static str, &Repeats); 4] {
    [
        ("identical files", &audit.identical_files),
        ("identical pixels", &audit.identical_pixels),
        ("copies, all", &audit.copies),
        ("look-alikes", &audit.look_alikes),
    ]
}

fn repeats(audit: &Audit) -> io::Result<()> {
    let across = if audit.has_findings() { "contradicting" } else { "across classes" };
    let heads = ["sets", "images", "across splits", across];
    say!("\n  {:<18} {:>8} {:>8} {:>14} {:>15}", "the same", heads[0], heads[1], heads[2], heads[3])?;
    for (name, found) in kinds(audit) {
        let Repeats { clusters, images, across_splits, across_classes, .. } = found;
        say!("  {name:<18} {clusters:>8} {images:>8} {across_splits:>14} {across_classes:>15}")?;
    }
    // Look-alikes are many, and to be seen in the manifest that --write-groups makes.
    for (name, found) in &kinds(audit)[..3] {
        let crossing = found.examples.iter().filter(|c| c.across_splits || c.across_classes);
        for cluster in crossing.take(2) {
            say!("  {name}, for example: {}", cluster.paths.join(" = "))?;
        }
    }
    Ok(())
}

fn names(patterns: &[NamePattern]) -> io::Result<()> {
    say!("\n  what file names suggest (--group-by PATTERN), and whether the pictures agree:")?;
    for found in patterns {
        let (pattern, groups) = (data::quote(&found.pattern), found.groups - found.alone);
        let alone = others(found.alone);
        let credible = if found.credible { ", credible" } else { "" };
        say!("    {pattern}: {groups} groups{alone}{credible}")?;
        let divided = match found.repeated_sources {
            0 => "no copies to compare with".to_owned(),
            repeated => format!("divides {} of {repeated} sources with copies", found.divided_sources),
        };
        let near = found.nearest_in_group.zip(found.nearest_in_group_by_chance).map(|(found, chance)| {
            format!("; nearest picture in the same group {} (by chance {})", percent(found), percent(chance))
        });
        let crossing = match found.across_splits {
            0 => String::new(),
            crossing => format!("; {crossing} lie in more than one split"),
        };
        say!("      {divided}{}{crossing}", near.unwrap_or_default())?;
    }
    Ok(())
}

/// Images that stand alone beside groups.
pub fn others(alone: usize) -> String {
    if alone > 0 { format!(" ({alone} other images alone)") } else { String::new() }
}

fn hints(hints: &[Hint]) -> io::Result<()> {
    say!("\n  what may say which images belong together, although nobody said so:")?;
    for hint in hints {
        let (words, groups, across) = (hint.words(), hint.groups, hint.across_splits);
        let (alone, option) = (others(hint.alone), hint.option());
        say!("    {words}: {groups} groups{alone}, {across} in more than one split ({option})")?;
    }
    Ok(())
}

fn baselines(audit: &Audit, baselines: &[Baseline]) -> io::Result<()> {
    say!(
        "\n  trivial baselines                   images {:>7}  accuracy  95 % interval    AUROC  larger class",
        units(audit)
    )?;
    let mut before = None;
    for found in baselines {
        if before.replace(found.evaluation) != Some(found.evaluation) {
            say!("  {}:", evaluation(found.evaluation))?;
        }
        let Baseline { method, images, groups, .. } = found;
        let (accuracy, majority) =
            (found.accuracy.map_or("-".into(), percent), percent(found.majority_accuracy));
        let (interval, auroc) = (found.accuracy_ci.map_or_else(String::new, interval), number(found.auroc));
        say!(
            "    {method:<33} {images:>6}  {groups:>6}  {accuracy:>8}  {interval:<14} {auroc:>7}  {majority:>12}"
        )?;
        for one in &found.by_group {
            let (accuracy, majority) = (percent(one.accuracy), percent(one.majority_accuracy));
            let (group, images) = (&one.group, one.images);
            say!(
                "      {group:<31} {images:>6}  {:>6}  {accuracy:>8}  {:<14} {:>7}  {majority:>12}",
                1,
                "",
                ""
            )?;
        }
    }
    if audit.images > audit::MAX_QUERIES {
        let (queries, rows) = (audit::MAX_QUERIES, audit::MAX_ROWS);
        say!(
            "  (at most {queries} images asked for their nearest neighbour, at most {rows} fitted to: drawn at random)"
        )?;
    }
    Ok(())
}

/// What the intervals of the baselines take as independent: groups only if they were given.
pub fn units(audit: &Audit) -> &'static str {
    match &audit.groups {
        Some(groups) if groups.origin == audit::GroupOrigin::Given => "groups",
        _ => "sources",
    }
}

/// A way of keeping apart, in words.
pub fn evaluation(evaluation: Separation) -> &'static str {
    match evaluation {
        Separation::GivenSplit => "on the given split",
        Separation::SourcesHeldOut => "with sources held out (no copy of an image is seen)",
        Separation::GroupsHeldOut => "with groups held out",
    }
}

fn shortcuts(shortcuts: &[Shortcut]) -> io::Result<()> {
    let what = if shortcuts.iter().any(|found| found.finding.is_some()) { "a finding" } else { "the class" };
    say!(
        "\n  what else tells {what} (flagged * from AUROC {BOUND}, if chance is no explanation; rules are chosen on the same images)"
    )?;
    let shown = audit::most_telling(shortcuts, UNFLAGGED);
    if shown.iter().any(|found| found.too_few) {
        say!("    ? so few groups or sources that chance may explain it")?;
    }
    for found in shown {
        let mark = match (found.flagged, found.too_few) {
            (true, _) => "*",
            (_, true) => "?",
            _ => " ",
        };
        let Shortcut { feature, auroc, higher_in, .. } = found;
        let (range, from) = (interval(found.auroc_ci), short(found.threshold));
        let (right, majority) = (percent(found.rule_accuracy), percent(found.majority_accuracy));
        let rule = match found.has_rule {
            true => format!("{higher_in} from {from}: {right} right (larger class {majority})"),
            false => format!("{higher_in} by its share among the others of a value"),
        };
        say!("  {mark} {feature:<38} {auroc:.3} {range}  {rule}")?;
    }
    Ok(())
}

fn unreadable(files: &[Unreadable]) -> io::Result<()> {
    say!("\n  unreadable:")?;
    files.iter().take(LISTED).try_for_each(|file| say!("    {}: {}", file.path, file.reason))?;
    match files.len().checked_sub(LISTED) {
        Some(more @ 1..) => say!("    and {more} more (--json lists all)"),
        _ => Ok(()),
    }
}

/// An interval.
pub fn interval(interval: Interval) -> String {
    format!("[{:.3}, {:.3}]", interval.low, interval.high)
}

/// A threshold with as many digits as people read.
pub fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
