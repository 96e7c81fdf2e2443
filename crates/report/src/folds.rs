//! The page of a cross-validation: what the folds say together, how they differ, and where each has its own report.

use crate::html::{escape, number, table_of_html};
use crate::page::{document_of, limits};
use crate::{Contents, charts, findings, sections};

/// One fold.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldRow {
    /// What it is called.
    pub name: String,
    /// The page of its run, as an address beside this page.
    pub page: String,
    /// Images that it tests.
    pub images: usize,
    /// Groups that it tests.
    pub groups: usize,
    /// Some of their names.
    pub group_names: Vec<String>,
    /// The share that is right at the largest probability.
    pub accuracy: Option<f64>,
    /// AUROC; none with one class only.
    pub auroc: Option<f64>,
}

/// The page: `pooled` is the evaluation of all images, each by the model of the fold that tests it; `spreads` say in words
/// how figures vary over folds.
pub fn cross_validation(pooled: &Contents, folds: &[FoldRow], spreads: &[String]) -> String {
    if !pooled.findings.is_empty() {
        let mut body =
            vec![sections::verdict(pooled), findings::table_of_all(pooled), of_folds(folds, spreads)];
        let each = pooled.findings.iter().enumerate();
        body.extend(each.map(|(at, finding)| findings::part(pooled, at, finding)));
        body.push(limits());
        return document_of(pooled, "cross-validation", &body);
    }
    let sections = [
        sections::verdict(pooled),
        sections::result(pooled),
        of_folds(folds, spreads),
        charts::curves(pooled),
        sections::confusion(pooled),
        charts::calibration(pooled),
        charts::decision(pooled),
        limits(),
    ];
    document_of(pooled, "cross-validation", &sections)
}

fn of_folds(folds: &[FoldRow], spreads: &[String]) -> String {
    let row = |fold: &FoldRow| {
        let more = if fold.group_names.len() < fold.groups { ", ..." } else { "" };
        vec![
            format!("<a href=\"{}\">{}</a>", escape(&fold.page), escape(&fold.name)),
            fold.images.to_string(),
            fold.groups.to_string(),
            number(fold.accuracy),
            number(fold.auroc),
            escape(&fold.group_names.join(", ")) + more,
        ]
    };
    let header = ["Fold", "Images", "Groups", "Accuracy", "AUROC", "Groups tested"];
    let table = table_of_html("Fold by fold", &header, &folds.iter().map(row).collect::<Vec<_>>());
    let spreads: String = spreads.iter().map(|spread| format!("<li>{}</li>", escape(spread))).collect();
    format!(
        "<h2 id=\"folds\">Folds</h2><p>Each image was predicted by a model that saw nothing of its group. The figures above \
         are of all images together; a fold's own page has its learning curves and its worst errors.</p>{table}\
         <ul>{spreads}</ul>"
    )
}
