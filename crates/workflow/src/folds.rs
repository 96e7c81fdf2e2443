//! What follows a cross-validation: looks that are counted, one page for what the folds say together, and the report
//! of each fold.

use crate::looks::counted;
use crate::{Error, findings, name_of, report_of_run};
use data::Split;
use model::{Model, write_atomic};
use report::Contents;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use train::{CrossValidation, FindingOverFolds, Fold, FoldSpread, Opening, Pooled, RunFolder};

/// Counts the closing table of `command` as a look at the test images of every fold, by its run; those that cannot be
/// counted are told to `say`.
pub fn count_looks_at_folds(
    folder: &Path,
    result: &CrossValidation,
    command: &str,
    say: &mut dyn FnMut(&str),
) {
    for (at, fold) in result.folds.iter().enumerate() {
        let looks = train::open_fold(folder, at + 1).and_then(|dataset| {
            let opening = Opening::now(command.to_owned(), &dataset, &dataset.part(Split::Test));
            train::record_opening(&fold.run, opening)
        });
        counted("images", looks, say);
    }
}

/// What the folds of a cross-validation reach, by a metric of that name.
pub fn over_folds(name: &str, spread: FoldSpread) -> String {
    let FoldSpread { mean, standard_deviation, min, max, folds } = spread;
    let deviation = standard_deviation.map_or("-".to_owned(), |value| format!("{value:.3}"));
    format!("{name} over {folds} folds: mean {mean:.3}, standard deviation {deviation}, {min:.3} to {max:.3}")
}

/// The same of the AUROC of a finding.
pub fn over_folds_of(FindingOverFolds { finding, auroc }: &FindingOverFolds) -> String {
    match auroc {
        Some(spread) => over_folds(&format!("AUROC of {finding}"), *spread),
        None => format!("AUROC of {finding}: not defined, for no fold tests images with it and without"),
    }
}

/// Writes `report.html` into the folder of a cross-validation, and the reports of its folds: where it is. `data` says
/// where its data are now, if they were moved; the caller holds the lock of the folder.
pub fn report_of_folds(folder: &Path, data: Option<&Path>) -> Result<PathBuf, Error> {
    train::find_images(folder, data)?;
    let Pooled { result, labels, truth, probabilities, groups } = train::pooled(folder)?;
    for fold in &result.folds {
        report_of_run(&fold.run, None)?;
    }
    // All folds have the same settings, and no threshold or temperature is that of all.
    let mut metadata = Model::read(&result.folds[0].run)?.metadata;
    (metadata.threshold, metadata.calibration, metadata.findings) = (None, None, vec![]);
    let contents = Contents {
        title: name_of(folder),
        metadata: &metadata,
        summary: &result.pooled,
        labels: &labels,
        probabilities: &probabilities,
        groups: Some(&groups),
        groups_in_data: None,
        findings: findings(&truth, &probabilities, Some(&groups), result.findings.len()),
        subgroups: &[],
        audit: Some(audit_of(folder, result.folds.len())?),
        training: None,
        openings: None,
        errors: vec![],
        map_method: "",
    };
    let folds: Vec<report::FoldRow> =
        result.folds.iter().enumerate().map(|(at, fold)| shown(at, fold)).collect();
    let spreads = [("Accuracy", result.accuracy), ("AUROC", result.auroc)];
    let spreads = spreads.into_iter().filter_map(|(name, spread)| Some(over_folds(name, spread?)));
    let spreads = spreads.chain(result.findings.iter().map(over_folds_of));
    let spreads: Vec<String> = spreads.map(|line| line + ".").collect();
    let path = RunFolder(folder).report();
    let page = report::cross_validation(&contents, &folds, &spreads);
    write_atomic(&path, |file| file.write_all(page.as_bytes()))?;
    Ok(path)
}

/// Whether any fold leaks, and what is said of the first that does; of the first fold if none does.
fn audit_of(folder: &Path, folds: usize) -> Result<Value, Error> {
    let mut first = None;
    for fold in 1..=folds {
        let found = audit::quick(&train::open_fold(folder, fold)?, None);
        let of_fold = json!({
            "leaks": found.leaks,
            "verdict": found.verdict.iter().map(|line| format!("fold {fold}: {line}")).collect::<Vec<_>>(),
        });
        if found.leaks {
            return Ok(of_fold);
        }
        first.get_or_insert(json!({ "leaks": false, "verdict": found.verdict }));
    }
    Ok(first.unwrap_or_default())
}

fn shown(at: usize, fold: &Fold) -> report::FoldRow {
    report::FoldRow {
        name: format!("fold {}", at + 1),
        page: RunFolder(&RunFolder(Path::new("")).fold(at + 1)).report().display().to_string(),
        images: fold.images,
        groups: fold.group_count,
        group_names: fold.groups.clone(),
        accuracy: fold.accuracy,
        auroc: fold.auroc,
    }
}
