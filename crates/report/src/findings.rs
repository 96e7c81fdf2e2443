//! The report of images with several findings: a table of all of them first, then a part for each, made of the same sections as
//! the report of two classes.

use crate::html::{escape, number_and_interval, table};
use crate::{Contents, Finding, charts, sections};
use eval::Summary;
use model::Metadata;

/// All findings in one table, and their averages.
pub(crate) fn table_of_all(contents: &Contents) -> String {
    let all = contents.summary;
    let count = |n: Option<usize>| n.map_or_else(String::new, |n| n.to_string());
    let row = |of: &Summary| {
        let auroc = match of.not_defined.get("auroc") {
            Some(reason) => format!("not defined: {reason}"),
            None => number_and_interval(of.auroc, of.auroc_ci),
        };
        vec![
            of.finding.clone().unwrap_or_default(),
            count(of.positives),
            count(of.negatives),
            count(of.unknown),
            auroc,
            number_and_interval(of.auprc, of.auprc_ci),
            number_and_interval(of.sensitivity, of.sensitivity_ci),
            number_and_interval(of.specificity, of.specificity_ci),
            of.threshold.map_or_else(String::new, |p| format!("{p:.4}")),
        ]
    };
    let mut rows: Vec<Vec<String>> = all.findings.iter().map(row).collect();
    let none = String::new;
    for (name, average) in [("Macro mean", &all.macro_average), ("Micro mean", &all.micro_average)] {
        let auroc = number_and_interval(average.auroc, average.auroc_ci);
        let auprc = number_and_interval(average.auprc, average.auprc_ci);
        let recall = number_and_interval(average.recall, None);
        rows.push(vec![name.into(), none(), none(), none(), auroc, auprc, recall, none(), none()]);
    }
    let header =
        ["Finding", "With", "Without", "Not known", "AUROC", "AUPRC", "Sensitivity", "Specificity", "From p"];
    let groups = all.groups.map_or("groups unknown: images are taken as independent".to_owned(), |groups| {
        eval::count(groups, "independent group")
    });
    let shown = contents.findings.iter().filter(|of| of.errors.is_some()).count();
    let pictures = match shown {
        0 => String::new(),
        _ if shown == contents.findings.len() => String::new(),
        _ => format!(" Worst errors are shown of the {shown} findings with the lowest AUROC."),
    };
    format!(
        "<h2 id=\"result\">Findings</h2><p>{}: {}, {groups}. Each finding is called from its own probability on, and what is not \
         known of an image counts nowhere. The macro mean is that of the findings that have a value, the micro mean that of all \
         known pairs of image and finding.{pictures}</p>{}",
        escape(&all.split),
        eval::count(all.images, "image"),
        table("Findings with 95 % intervals", &header, &rows)
    )
}

/// The part of one finding.
pub(crate) fn part(contents: &Contents, at: usize, finding: &Finding) -> String {
    let summary = &contents.summary.findings[at];
    let name = escape(summary.finding.as_deref().unwrap_or_default());
    let heading = format!("<h2 id=\"finding-{at}\">{name}</h2>");
    if finding.labels.is_empty() {
        return format!("{heading}<p>It is known of no image.</p>");
    }
    let classes = summary.per_class.iter().map(|class| class.class.clone()).collect();
    let metadata = Metadata { classes, ..contents.metadata.clone() };
    let one = Contents {
        metadata: &metadata,
        summary,
        labels: &finding.labels,
        probabilities: &finding.probabilities,
        groups: finding.groups.as_deref(),
        findings: vec![],
        errors: finding.errors.clone().unwrap_or_default(),
        openings: None,
        ..contents.clone()
    };
    let parts = [
        sections::result(&one),
        charts::curves(&one),
        sections::confusion(&one),
        charts::calibration(&one),
        charts::decision(&one),
        finding.errors.as_ref().map_or_else(String::new, |_| sections::errors(&one)),
    ];
    heading + &parts.map(|section| below(&section)).concat()
}

/// A section as a part of another: its headings are one level lower, and no place to go to.
fn below(section: &str) -> String {
    match section.strip_prefix("<h2 id=\"").and_then(|rest| rest.split_once("\">")) {
        Some((_, rest)) => {
            let rest = rest.replace("<h3>", "<h4>").replace("</h3>", "</h4>");
            format!("<h3>{}", rest.replacen("</h2>", "</h3>", 1))
        }
        None => section.to_owned(),
    }
}
