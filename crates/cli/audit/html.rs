//! An audit as one page for a browser, in the style of the reports: no network, light and dark, from a telephone to
//! paper.
//!
//! Invariant: every text that comes from the data goes through [`escape`], or through a table, which escapes its cells.

use super::table::{evaluation, interval, kinds, others, severity, short, units};
use crate::figures::percent;
use audit::{
    Audit, BOUND, Baseline, Finding, Hint, KnownFinding, NamePattern, Pair, PairedImage, Severity, Shortcut,
    Unreadable,
};
use eval::Interval;
use report::{base64, document, escape, table};
use std::fmt::Write;

/// Features that are listed, at most.
const FEATURES: usize = 30;

/// The page.
pub fn page(audit: &Audit) -> String {
    let title = format!("Audit of {}", audit.data);
    let sections = [
        verdict(audit),
        unless_empty(&audit.findings, findings),
        parts(audit),
        repeats(audit),
        unless_empty(&audit.pairs, pairs),
        unless_empty(&audit.baselines, |found| baselines(audit, found)),
        unless_empty(&audit.shortcuts, shortcuts),
        unless_empty(&audit.hints, hints),
        unless_empty(&audit.name_patterns, names),
        unless_empty(&audit.unreadable, unreadable),
    ];
    document(&title, &title, concat!("vertebra ", env!("CARGO_PKG_VERSION")), &sections)
}

/// What was not found has no section.
fn unless_empty<T>(found: &[T], section: impl FnOnce(&[T]) -> String) -> String {
    if found.is_empty() { String::new() } else { section(found) }
}

fn verdict(audit: &Audit) -> String {
    let sentences: String = audit.verdict.iter().map(|text| format!("<p>{}</p>", escape(text))).collect();
    let class = if audit.fails_strict() { "verdict bad" } else { "verdict" };
    format!("<div class=\"{class}\"><h2 id=\"verdict\">Verdict</h2>{sentences}</div>\n")
}

fn findings(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let class = match finding.severity {
            Severity::Leak => "leak",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let (word, message) = (severity(finding.severity), escape(&finding.message));
        format!("<li><span class=\"tag {class}\">{word}</span>{message}</li>\n")
    };
    let lines: String = findings.iter().map(line).collect();
    format!("<h2 id=\"findings\">Findings</h2>\n<ul class=\"findings\">\n{lines}</ul>\n")
}

/// What is known of each finding, split by split.
fn known(audit: &Audit) -> String {
    if !audit.has_findings() {
        return String::new();
    }
    let heads = std::iter::once("finding").chain(audit.parts.iter().map(|part| part.split.as_str()));
    let row = |(at, name): (usize, &String)| {
        let cell = |part: &audit::Part| {
            let KnownFinding { positives, negatives, unknown } = part.findings[at];
            format!("{positives} / {negatives} / {unknown}")
        };
        std::iter::once(name.clone()).chain(audit.parts.iter().map(cell)).collect()
    };
    let rows: Vec<Vec<String>> = audit.classes.iter().enumerate().map(row).collect();
    table(
        "Images with each finding / without it / of which that is not known",
        &heads.collect::<Vec<_>>(),
        &rows,
    )
}

fn parts(audit: &Audit) -> String {
    let mut heads = vec!["split", "images", "sources", "groups"];
    let of_findings = audit.has_findings();
    let classes = if of_findings { &[][..] } else { &audit.classes };
    heads.extend(classes.iter().map(String::as_str));
    let row = |part: &audit::Part| {
        let groups = part.groups.map_or("-".to_owned(), |groups| groups.to_string());
        let mut cells = vec![part.split.clone(), part.images.to_string(), part.sources.to_string(), groups];
        cells.extend(classes.iter().zip(&part.per_class).map(|(_, images)| images.to_string()));
        cells
    };
    let rows: Vec<Vec<String>> = audit.parts.iter().map(row).collect();
    let parts = table("Images, different sources and groups of each split", &heads, &rows);
    format!("<h2 id=\"parts\">How much there is</h2>\n{parts}{}", known(audit))
}

fn repeats(audit: &Audit) -> String {
    let rows = kinds(audit).map(|(name, found)| {
        let counts = [found.clusters, found.images, found.largest, found.across_splits, found.across_classes];
        std::iter::once(name.to_owned()).chain(counts.map(|count| count.to_string())).collect()
    });
    let across = if audit.has_findings() { "contradicting findings" } else { "across classes" };
    let heads = ["the same", "sets", "images", "largest set", "across splits", across];
    let table = table("Sets of images that are the same", &heads, &rows);
    format!("<h2 id=\"repeats\">What is there more than once</h2>\n{table}")
}

fn pairs(pairs: &[Pair]) -> String {
    let mut page = "<h2 id=\"copies\">Copies, side by side</h2>\n<p>Some of what was called a copy; judge for yourself.</p>\n\
                    <div class=\"pairs\">\n"
        .to_owned();
    for pair in pairs {
        page.push_str("<figure><div>");
        for picture in &pair.pictures {
            let PairedImage { path, class, split, png } = picture;
            let split = split.map_or(String::new(), |split| format!("{split}, "));
            let (png, class, path) = (base64(png), escape(class), escape(path));
            let _ = write!(
                page,
                "<span><img alt=\"{path}\" src=\"data:image/png;base64,{png}\"><small>{split}{class}<br>{path}</small></span>"
            );
        }
        let across = match (pair.across_splits, pair.across_classes) {
            (true, true) => "; two splits and different labels",
            (true, false) => "; two splits",
            (false, true) => "; different labels",
            (false, false) => "",
        };
        let _ = writeln!(page, "</div><figcaption>{}{across}</figcaption></figure>", escape(&pair.relation));
    }
    page + "</div>\n"
}

/// An interval that stays on one line.
fn unbroken(of: Interval) -> String {
    interval(of).replace(' ', "\u{a0}")
}

fn baselines(audit: &Audit, baselines: &[Baseline]) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let rows = baselines.iter().flat_map(|found| {
        let cells = vec![
            format!("{}, {}", found.method, evaluation(found.evaluation)),
            found.images.to_string(),
            found.groups.to_string(),
            or_dash(found.accuracy.map(percent)),
            or_dash(found.accuracy_ci.map(unbroken)),
            or_dash(found.auroc.map(|auroc| format!("{auroc:.3}"))),
            or_dash(found.auroc_ci.map(unbroken)),
            percent(found.majority_accuracy),
        ];
        let of_group = found.by_group.iter().map(|one| {
            let [none, again, last] = [String::new(), String::new(), String::new()];
            let (accuracy, majority) = (percent(one.accuracy), percent(one.majority_accuracy));
            let group = format!("\u{2013} group {}", one.group);
            vec![group, one.images.to_string(), "1".into(), accuracy, none, again, last, majority]
        });
        std::iter::once(cells).chain(of_group).collect::<Vec<_>>()
    });
    let heads = [
        "baseline",
        "images",
        units(audit),
        "accuracy",
        "95 % interval",
        "AUROC",
        "95 % interval",
        "larger class",
    ];
    let table = table("What each scores", &heads, &rows.collect::<Vec<_>>());
    format!("<h2 id=\"baselines\">What classifiers that understand nothing score</h2>\n{table}")
}

fn shortcuts(shortcuts: &[Shortcut]) -> String {
    let row = |found: &Shortcut| {
        vec![
            found.feature.clone(),
            format!("{:.3}", found.auroc),
            unbroken(found.auroc_ci),
            match (found.flagged, found.too_few) {
                (true, _) => "yes",
                (_, true) => "too few groups to say",
                _ => "no",
            }
            .to_owned(),
            match found.has_rule {
                true => format!("{} from {}", found.higher_in, short(found.threshold)),
                false => format!("{} by its share among the others of a value", found.higher_in),
            },
            percent(found.rule_accuracy),
            percent(found.majority_accuracy),
        ]
    };
    let rows: Vec<Vec<String>> = audit::most_telling(shortcuts, FEATURES).into_iter().map(row).collect();
    let heads = ["feature", "AUROC", "95 % interval", "flagged", "rule", "right", "larger class"];
    let what = if shortcuts.iter().any(|found| found.finding.is_some()) { "a finding" } else { "the class" };
    format!(
        "<h2 id=\"shortcuts\">What else tells {what}</h2>\n<p>Each feature alone, with the best threshold chosen on \
         the same images. Flagged from AUROC {BOUND}, if chance is no explanation.</p>\n{}",
        table("Single features", &heads, &rows)
    )
}

fn hints(hints: &[Hint]) -> String {
    let row = |hint: &Hint| {
        let (groups, across) = (hint.groups.to_string(), hint.across_splits.to_string());
        vec![format!("{}{}", hint.words(), others(hint.alone)), groups, across, hint.option()]
    };
    let rows: Vec<Vec<String>> = hints.iter().map(row).collect();
    let table = table("Offered, not applied", &["what", "groups", "across splits", "to use it"], &rows);
    format!(
        "<h2 id=\"hints\">What may say which images belong together</h2>\n<p>Nobody said so.</p>\n{table}"
    )
}

fn names(patterns: &[NamePattern]) -> String {
    let share = |share: Option<f64>| share.map_or("-".to_owned(), percent);
    let row = |found: &NamePattern| {
        vec![
            format!("{}{}", found.pattern, others(found.alone)),
            (found.groups - found.alone).to_string(),
            found.across_splits.to_string(),
            format!("{} of {}", found.divided_sources, found.repeated_sources),
            share(found.nearest_in_group),
            share(found.nearest_in_group_by_chance),
            if found.credible { "yes" } else { "no" }.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = patterns.iter().map(row).collect();
    let heads =
        ["pattern", "groups", "across splits", "copies divided", "nearest in group", "by chance", "credible"];
    format!(
        "<h2 id=\"names\">Groups that file names suggest</h2>\n<p>Nothing of this is taken for granted. If a pattern \
         is right, give it to <code>--group-by</code>.</p>\n{}",
        table("Patterns, and whether the pictures agree", &heads, &rows)
    )
}

fn unreadable(files: &[Unreadable]) -> String {
    let line = |file: &Unreadable| format!("<li>{}: {}</li>\n", escape(&file.path), escape(&file.reason));
    let lines: String = files.iter().map(line).collect();
    format!("<h2 id=\"unreadable\">Unreadable files</h2>\n<ul>\n{lines}</ul>\n")
}
