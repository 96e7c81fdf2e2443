//! An audit as one page for a browser: no network, light and dark, from a telephone to paper.
//!
//! Invariant: every text that comes from the data goes through [`escape`].

use super::table::{evaluation, interval, kinds, percent, severity, short};
use audit::{Audit, BOUND, Pair, Picture, Severity};
use report::{base64, escape};
use std::fmt::Write;

/// Features that are listed, at most.
const FEATURES: usize = 30;

const STYLE: &str = "
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--bad:#b3261e;--warn:#8a5a00}
@media(prefers-color-scheme:dark){:root{--bad:#ff8a80;--warn:#ffcc66}}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}
.verdict{border-left:.3rem solid var(--line);padding:.2rem 1rem;font-size:1.1rem}
.verdict.leak{border-color:var(--bad)}
ul.findings{list-style:none;padding:0}ul.findings li{padding:.3rem 0;border-bottom:1px solid var(--line)}
.tag{font-weight:600;font-size:.8rem;text-transform:uppercase;margin-right:.5rem}
.tag.leak{color:var(--bad)}.tag.warning{color:var(--warn)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal;padding-left:0}tr.sub td:first-child{padding-left:1.2rem}
tr.flag td{font-weight:600}td.text,th.text{text-align:left;white-space:normal}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:1rem}
figure{margin:0;padding:.6rem;background:var(--soft);break-inside:avoid}
figure div{display:flex;gap:.5rem}figure div>span{flex:1;min-width:0}
img{width:100%;height:auto;display:block;image-rendering:auto}
figcaption,figure small{font-size:.8rem;overflow-wrap:anywhere;display:block}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:.5rem;font-size:.85rem}
@media print{body{max-width:none}.wide{overflow:visible}}
";

/// The page.
pub fn page(audit: &Audit) -> String {
    let mut page = String::new();
    write(&mut page, audit).expect("a String takes everything");
    page
}

fn write(page: &mut String, audit: &Audit) -> std::fmt::Result {
    let title = escape(&audit.data);
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>Audit of {title}</title>\n<style>{STYLE}</style>\n\
         <h1>Audit of {title}</h1>\n<div class=\"verdict{}\">",
        if audit.leaks { " leak" } else { "" }
    )?;
    for sentence in &audit.verdict {
        write!(page, "<p>{}</p>", escape(sentence))?;
    }
    page.push_str("</div>\n");
    findings(page, audit)?;
    parts(page, audit)?;
    repeats(page, audit)?;
    pairs(page, &audit.pairs)?;
    baselines(page, audit)?;
    shortcuts(page, audit)?;
    names(page, audit)?;
    unreadable(page, audit)?;
    let version = env!("CARGO_PKG_VERSION");
    writeln!(page, "<footer>vertebra {version}. Research use only, not a medical device.</footer>\n</html>")
}

fn findings(page: &mut String, audit: &Audit) -> std::fmt::Result {
    if audit.findings.is_empty() {
        return Ok(());
    }
    page.push_str("<h2>Findings</h2>\n<ul class=\"findings\">\n");
    for finding in &audit.findings {
        let class = match finding.severity {
            Severity::Leak => "leak",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let (word, message) = (severity(finding.severity), escape(&finding.message));
        writeln!(page, "<li><span class=\"tag {class}\">{word}</span>{message}</li>")?;
    }
    page.push_str("</ul>\n");
    Ok(())
}

/// A table with `heads` and rows of cells that are HTML already, each row with a class.
fn table(
    page: &mut String,
    heads: &[String],
    rows: impl IntoIterator<Item = (&'static str, Vec<String>)>,
) -> std::fmt::Result {
    page.push_str("<div class=\"wide\"><table>\n<tr>");
    for head in heads {
        write!(page, "<th>{head}</th>")?;
    }
    page.push_str("</tr>\n");
    for (class, cells) in rows {
        write!(page, "<tr class=\"{class}\">")?;
        for cell in cells {
            write!(page, "<td>{cell}</td>")?;
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
    Ok(())
}

fn heads(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn parts(page: &mut String, audit: &Audit) -> std::fmt::Result {
    page.push_str("<h2>How much there is</h2>\n");
    let mut names = heads(&["split", "images", "sources", "groups"]);
    names.extend(audit.classes.iter().map(|class| escape(class)));
    let rows = audit.parts.iter().map(|part| {
        let groups = part.groups.map_or("-".to_owned(), |groups| groups.to_string());
        let mut cells = vec![part.split.clone(), part.images.to_string(), part.sources.to_string(), groups];
        cells.extend(part.per_class.iter().map(usize::to_string));
        ("", cells)
    });
    table(page, &names, rows)
}

fn repeats(page: &mut String, audit: &Audit) -> std::fmt::Result {
    page.push_str("<h2>What is there more than once</h2>\n");
    let rows = kinds(audit).map(|(name, found)| {
        let counts = [found.clusters, found.images, found.largest, found.across_splits, found.across_classes];
        ("", std::iter::once(name.to_owned()).chain(counts.map(|count| count.to_string())).collect())
    });
    table(
        page,
        &heads(&["the same", "sets", "images", "largest set", "across splits", "across classes"]),
        rows,
    )
}

fn pairs(page: &mut String, pairs: &[Pair]) -> std::fmt::Result {
    if pairs.is_empty() {
        return Ok(());
    }
    page.push_str("<h2>Copies, side by side</h2>\n<p>Some of what was called a copy; judge for yourself.</p>\n<div class=\"pairs\">\n");
    for pair in pairs {
        page.push_str("<figure><div>");
        for picture in &pair.pictures {
            let Picture { path, class, split, png } = picture;
            let split = split.map_or(String::new(), |split| format!("{split}, "));
            write!(
                page,
                "<span><img alt=\"\" src=\"data:image/png;base64,{}\"><small>{split}{}<br>{}</small></span>",
                base64(png),
                escape(class),
                escape(path)
            )?;
        }
        let across = match (pair.across_splits, pair.across_classes) {
            (true, true) => "; two splits and two classes",
            (true, false) => "; two splits",
            (false, true) => "; two classes",
            (false, false) => "",
        };
        writeln!(page, "</div><figcaption>{}{across}</figcaption></figure>", escape(&pair.relation))?;
    }
    page.push_str("</div>\n");
    Ok(())
}

fn baselines(page: &mut String, audit: &Audit) -> std::fmt::Result {
    if audit.baselines.is_empty() {
        return Ok(());
    }
    page.push_str("<h2>What classifiers that understand nothing score</h2>\n");
    let rows = audit.baselines.iter().flat_map(|found| {
        let name = format!("{}<br><small>{}</small>", escape(found.method), evaluation(found.evaluation));
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let cells = vec![
            name,
            found.images.to_string(),
            found.groups.to_string(),
            or_dash(found.accuracy.map(percent)),
            or_dash(found.accuracy_ci.map(interval)),
            or_dash(found.auroc.map(|auroc| format!("{auroc:.3}"))),
            or_dash(found.auroc_ci.map(interval)),
            percent(found.majority_accuracy),
        ];
        let groups = found.by_group.iter().map(|one| {
            let none = String::new;
            let accuracy = percent(one.accuracy);
            let cells = vec![
                escape(&one.group),
                one.images.to_string(),
                "1".into(),
                accuracy,
                none(),
                none(),
                none(),
                percent(one.majority_accuracy),
            ];
            ("sub", cells)
        });
        std::iter::once(("", cells)).chain(groups)
    });
    let names = [
        "baseline",
        "images",
        "groups",
        "accuracy",
        "95 % interval",
        "AUROC",
        "95 % interval",
        "larger class",
    ];
    table(page, &heads(&names), rows)
}

fn shortcuts(page: &mut String, audit: &Audit) -> std::fmt::Result {
    if audit.shortcuts.is_empty() {
        return Ok(());
    }
    write!(
        page,
        "<h2>What else tells the class</h2>\n<p>Each feature alone, with the best threshold chosen on the same images. \
         Bold from AUROC {BOUND}.</p>\n"
    )?;
    let rows = audit.shortcuts.iter().take(FEATURES).map(|found| {
        let rule = format!("{} from {}", escape(&found.higher_in), short(found.threshold));
        let cells = vec![
            escape(&found.feature),
            format!("{:.3}", found.auroc),
            interval(found.auroc_ci),
            rule,
            percent(found.rule_accuracy),
            percent(found.majority_accuracy),
        ];
        (if found.flagged { "flag" } else { "" }, cells)
    });
    table(page, &heads(&["feature", "AUROC", "95 % interval", "rule", "right", "larger class"]), rows)
}

fn names(page: &mut String, audit: &Audit) -> std::fmt::Result {
    if audit.name_patterns.is_empty() {
        return Ok(());
    }
    page.push_str("<h2>Groups that file names suggest</h2>\n<p>Nothing of this is taken for granted. If a pattern is right, give it to <code>--group-by</code>.</p>\n");
    let rows = audit.name_patterns.iter().map(|found| {
        let share = |share: Option<f64>| share.map_or("-".to_owned(), percent);
        let cells = vec![
            format!("<code>{}</code>", escape(&found.pattern)),
            found.groups.to_string(),
            found.across_splits.to_string(),
            format!("{} of {}", found.divided_sources, found.repeated_sources),
            share(found.nearest_in_group),
            share(found.nearest_in_group_by_chance),
            if found.credible { "yes" } else { "no" }.to_owned(),
        ];
        (if found.credible { "flag" } else { "" }, cells)
    });
    let names =
        ["pattern", "groups", "across splits", "copies divided", "nearest in group", "by chance", "credible"];
    table(page, &heads(&names), rows)
}

fn unreadable(page: &mut String, audit: &Audit) -> std::fmt::Result {
    if audit.unreadable.is_empty() {
        return Ok(());
    }
    page.push_str("<h2>Unreadable files</h2>\n<ul>\n");
    for file in &audit.unreadable {
        writeln!(page, "<li>{}: {}</li>", escape(&file.path), escape(&file.reason))?;
    }
    page.push_str("</ul>\n");
    Ok(())
}
