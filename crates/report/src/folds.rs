//! The page of a cross-validation: what the folds say together, how they differ, and where each has its own report.

use crate::html::{escape, number};
use crate::page::{document, limits};
use crate::{Contents, sections};
use std::fmt::Write;

/// One fold.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
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
pub fn cross_validation(pooled: &Contents, folds: &[Fold], spreads: &[String]) -> String {
    let provenance = &pooled.metadata.provenance;
    let made_by = format!("{} {}", provenance.program, provenance.version);
    let sections = [
        sections::verdict(pooled),
        sections::result(pooled),
        of_folds(folds, spreads),
        sections::curves(pooled),
        sections::confusion(pooled),
        sections::calibration(pooled),
        sections::decision(pooled),
        limits(),
    ];
    document(&format!("{}: Vertebra cross-validation", pooled.title), &pooled.title, &made_by, &sections)
}

fn of_folds(folds: &[Fold], spreads: &[String]) -> String {
    let mut rows = String::new();
    for fold in folds {
        let (name, page, names) =
            (escape(&fold.name), escape(&fold.page), escape(&fold.group_names.join(", ")));
        let more = if fold.group_names.len() < fold.groups { ", ..." } else { "" };
        let (images, groups) = (fold.images, fold.groups);
        let (accuracy, auroc) = (number(fold.accuracy), number(fold.auroc));
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\"><a href=\"{page}\">{name}</a></th><td>{images}</td><td>{groups}</td>\
             <td>{accuracy}</td><td>{auroc}</td><td>{names}{more}</td></tr>"
        );
    }
    let spreads: String = spreads.iter().map(|spread| format!("<li>{}</li>", escape(spread))).collect();
    format!(
        "<h2 id=\"folds\">Folds</h2><p>Each image was predicted by a model that saw nothing of its group. The figures above \
         are of all images together; a fold's own page has its learning curves and its worst errors.</p>\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Fold by fold\"><table><caption>Fold by fold</caption>\
         <thead><tr><th scope=\"col\">Fold</th><th scope=\"col\">Images</th><th scope=\"col\">Groups</th>\
         <th scope=\"col\">Accuracy</th><th scope=\"col\">AUROC</th><th scope=\"col\">Groups tested</th></tr></thead>\n\
         <tbody>\n{rows}</tbody></table></div>\n<ul>{spreads}</ul>"
    )
}
