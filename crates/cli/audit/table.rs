//! An audit for people at a terminal: the verdict first, then what it rests on.

use audit::{Audit, BOUND, Baseline, Evaluation, Repeats, Severity};
use eval::Interval;
use std::fmt::{Display, Formatter, Result};

/// Features that are listed although they are not flagged.
const UNFLAGGED: usize = 3;
/// Classes that have a column, at most, and the letters of their names.
const CLASSES: usize = 10;
const LETTERS: usize = 32;
/// Files that cannot be read, listed at most.
const LISTED: usize = 10;

/// Writes an audit as plain text.
pub struct Table<'a>(pub &'a Audit);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let audit = self.0;
        writeln!(f, "{}", audit.data)?;
        if let (Some(class), Some(source)) = (&audit.positive, audit.positive_source) {
            writeln!(f, "positive: {class} ({source})")?;
        }
        writeln!(f)?;
        for sentence in &audit.verdict {
            writeln!(f, "  {sentence}")?;
        }
        findings(f, audit)?;
        parts(f, audit)?;
        repeats(f, audit)?;
        hints(f, audit)?;
        names(f, audit)?;
        baselines(f, audit)?;
        shortcuts(f, audit)?;
        unreadable(f, audit)
    }
}

fn findings(f: &mut Formatter<'_>, audit: &Audit) -> Result {
    if audit.findings.is_empty() {
        return Ok(());
    }
    writeln!(f)?;
    for finding in &audit.findings {
        writeln!(f, "  {:<8} {}", severity(finding.severity), finding.message)?;
    }
    Ok(())
}

/// The word for a severity.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Leak => "LEAK",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn parts(f: &mut Formatter<'_>, audit: &Audit) -> Result {
    write!(f, "\n  {:<8} {:>8} {:>8} {:>8}", "split", "images", "sources", "groups")?;
    let names: Vec<String> =
        audit.classes.iter().take(CLASSES).map(|class| model::clip_name(class, LETTERS)).collect();
    let columns: Vec<usize> = names.iter().map(|class| class.chars().count().max(6)).collect();
    for (class, column) in names.iter().zip(&columns) {
        write!(f, "  {class:>column$}")?;
    }
    match audit.classes.len() - names.len() {
        0 => writeln!(f)?,
        more => writeln!(f, "  and {more} more classes (--json)")?,
    }
    for part in &audit.parts {
        let groups = part.groups.map_or("-".to_owned(), |groups| groups.to_string());
        write!(f, "  {:<8} {:>8} {:>8} {groups:>8}", part.split, part.images, part.sources)?;
        for (count, column) in part.per_class.iter().zip(&columns) {
            write!(f, "  {count:>column$}")?;
        }
        writeln!(f)?;
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

fn repeats(f: &mut Formatter<'_>, audit: &Audit) -> Result {
    let heads = ["sets", "images", "across splits", "across classes"];
    writeln!(f, "\n  {:<18} {:>8} {:>8} {:>14} {:>15}", "the same", heads[0], heads[1], heads[2], heads[3])?;
    for (name, found) in kinds(audit) {
        let Repeats { clusters, images, across_splits, across_classes, .. } = found;
        writeln!(f, "  {name:<18} {clusters:>8} {images:>8} {across_splits:>14} {across_classes:>15}")?;
    }
    // Look-alikes are many, and to be seen in the manifest that --write-groups makes.
    for (name, found) in &kinds(audit)[..3] {
        let crossing = found.examples.iter().filter(|c| c.across_splits || c.across_classes);
        for cluster in crossing.take(2) {
            writeln!(f, "  {name}, for example: {}", cluster.paths.join(" = "))?;
        }
    }
    Ok(())
}

fn names(f: &mut Formatter<'_>, audit: &Audit) -> Result {
    if audit.name_patterns.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n  what file names suggest (--group-by PATTERN), and whether the pictures agree:")?;
    for found in &audit.name_patterns {
        let (pattern, groups) = (&found.pattern, found.groups);
        let alone = others(found.alone);
        let credible = if found.credible { ", credible" } else { "" };
        writeln!(f, "    {}: {} groups{alone}{credible}", data::quote(pattern), groups - found.alone)?;
        let divided = match found.repeated_sources {
            0 => "no copies to compare with".to_owned(),
            repeated => format!("divides {} of {repeated} sources with copies", found.divided_sources),
        };
        let near = found.nearest_in_group.zip(found.nearest_in_group_by_chance).map(|(found, chance)| {
            format!("; nearest picture in the same group {} (by chance {})", percent(found), percent(chance))
        });
        let crossing = if found.across_splits > 0 {
            format!("; {} lie in more than one split", found.across_splits)
        } else {
            String::new()
        };
        writeln!(f, "      {divided}{}{crossing}", near.unwrap_or_default())?;
    }
    Ok(())
}

/// Images that stand alone beside groups.
pub fn others(alone: usize) -> String {
    if alone > 0 { format!(" ({alone} other images alone)") } else { String::new() }
}

fn hints(f: &mut Formatter<'_>, audit: &Audit) -> Result {
    if audit.hints.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n  what may say which images belong together, although nobody said so:")?;
    for hint in &audit.hints {
        let (words, groups, across) = (hint.words(), hint.groups, hint.across_splits);
        let alone = others(hint.alone);
        writeln!(
            f,
            "    {words}: {groups} groups{alone}, {across} in more than one split ({})",
            hint.option()
        )?;
    }
    Ok(())
}

fn baselines(f: &mut Formatter<'_>, audit: &Audit) -> Result {
    if audit.baselines.is_empty() {
        return Ok(());
    }
    writeln!(
        f,
        "\n  trivial baselines                   images {:>7}  accuracy  95 % interval    AUROC  larger class",
        units(audit)
    )?;
    let mut before = None;
    for found in &audit.baselines {
        if before.replace(found.evaluation) != Some(found.evaluation) {
            writeln!(f, "  {}:", evaluation(found.evaluation))?;
        }
        let Baseline { method, images, groups, .. } = found;
        let auroc = found.auroc.map_or("-".to_owned(), |auroc| format!("{auroc:.3}"));
        let (accuracy, majority) =
            (found.accuracy.map_or("-".into(), percent), percent(found.majority_accuracy));
        let interval = found.accuracy_ci.map_or_else(String::new, interval);
        writeln!(
            f,
            "    {method:<33} {images:>6}  {groups:>6}  {accuracy:>8}  {interval:<14} {auroc:>7}  {majority:>12}"
        )?;
        for one in &found.by_group {
            let (accuracy, majority) = (percent(one.accuracy), percent(one.majority_accuracy));
            writeln!(
                f,
                "      {:<31} {:>6}  {:>6}  {accuracy:>8}  {:<14} {:>7}  {majority:>12}",
                one.group, one.images, 1, "", ""
            )?;
        }
    }
    if audit.images > audit::MAX_QUERIES {
        let (queries, rows) = (audit::MAX_QUERIES, audit::MAX_ROWS);
        writeln!(
            f,
            "  (at most {queries} images asked for their nearest neighbour, at most {rows} fitted to: drawn at random)"
        )?;
    }
    Ok(())
}

/// What the intervals of the baselines take as independent: groups only if they were given.
pub fn units(audit: &Audit) -> &'static str {
    match &audit.groups {
        Some(groups) if groups.origin == audit::Origin::Given => "groups",
        _ => "sources",
    }
}

/// A way of keeping apart, in words.
pub fn evaluation(evaluation: Evaluation) -> &'static str {
    match evaluation {
        Evaluation::GivenSplit => "on the given split",
        Evaluation::SourcesHeldOut => "with sources held out (no copy of an image is seen)",
        Evaluation::GroupsHeldOut => "with groups held out",
    }
}

fn shortcuts(f: &mut Formatter<'_>, audit: &Audit) -> Result {
    let flagged = audit.shortcuts.iter().filter(|found| found.flagged).count();
    if audit.shortcuts.is_empty() {
        return Ok(());
    }
    writeln!(
        f,
        "\n  what else tells the class (flagged * from AUROC {BOUND}; rules are chosen on the same images)"
    )?;
    for found in audit.shortcuts.iter().take(flagged + UNFLAGGED) {
        let mark = if found.flagged { "*" } else { " " };
        let (auroc, range) = (found.auroc, interval(found.auroc_ci));
        let (right, majority) = (percent(found.rule_accuracy), percent(found.majority_accuracy));
        let rule = format!(
            "{} from {}: {right} right (larger class {majority})",
            found.higher_in,
            short(found.threshold)
        );
        writeln!(f, "  {mark} {:<38} {auroc:.3} {range}  {rule}", found.feature)?;
    }
    Ok(())
}

fn unreadable(f: &mut Formatter<'_>, audit: &Audit) -> Result {
    if audit.unreadable.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n  unreadable:")?;
    for file in audit.unreadable.iter().take(LISTED) {
        writeln!(f, "    {}: {}", file.path, file.reason)?;
    }
    match audit.unreadable.len().checked_sub(LISTED) {
        Some(more @ 1..) => writeln!(f, "    and {more} more (--json lists all)"),
        _ => Ok(()),
    }
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// An interval.
pub fn interval(interval: Interval) -> String {
    format!("[{:.3}, {:.3}]", interval.low, interval.high)
}

/// A threshold with as many digits as people read.
pub fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
