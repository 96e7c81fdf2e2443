//! `vertebra train --folds`: a run for each fold, and what they say together.

use crate::dataset::announce;
use crate::failure::Failure;
use crate::figures::number;
use crate::grouping::advice;
use crate::progress::Progress;
use crate::shell::{self, place, program, quote};
use crate::terminal::{self, note, say_lines};
use data::{Dataset, Folds};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use train::{Config, CrossValidation, Event, Fold};
use workflow::{count_looks_at_folds, over_folds, over_folds_of, report_of_folds};

/// Begins a cross-validation, or goes on with the one in the folder.
pub fn run(
    config: &Config,
    folds: Option<Folds>,
    resume: bool,
    stop: &AtomicBool,
    json: bool,
) -> Result<(), Failure> {
    let mut progress = (0, Progress::new(config.epochs));
    let mut init: Option<train::Head> = None;
    if folds.is_some() && config.group_by.is_none() {
        want_groups(config)?;
    }
    if resume {
        let before = train::settings(&config.out)?;
        if (before.epochs, before.max_steps) != (config.epochs, config.max_steps) {
            note!(
                "its length changes: folds that were finished go on too, so that all are trained for as long",
            );
        }
    }
    let result = train::cross_validate(config, folds, resume, stop, &mut |fold, count, event| {
        if let Event::Read { dataset } = event {
            progress.1.show(event);
            if dataset.samples.iter().any(|sample| sample.split.is_some()) {
                note!(
                    "the splits that the data have are not used: every fold is tested on groups of its own"
                );
            }
            return announce(dataset);
        }
        if progress.0 != fold {
            progress = (fold, Progress::of_fold(config.epochs));
            note!("fold {fold} of {count}");
        }
        progress.1.show(event);
        if fold == 1 {
            super::say_of_init(config, event);
        }
        match event {
            Event::Initialised(head) => init = Some((*head).clone()),
            Event::Finished(report) => report.warnings.iter().for_each(|warning| note!("warning: {warning}")),
            _ => {}
        }
    })
    .map_err(Failure::of_positive)?;
    let Some((result, _lock)) = result else {
        note!("stopped; everything is saved. To go on:");
        note!("  {}", super::line_to_go_on(config));
        return Err(Failure::Stopped);
    };
    count_looks_at_folds(&config.out, &result, &shell::typed(), &mut |text| note(text));
    let written = report_of_folds(&config.out, None).map_err(Failure::from);
    let report = super::or_warn(written, "all folds are finished, but their report");
    if json {
        let mut document = serde_json::to_value(&result)?;
        document["init"] = serde_json::to_value(&init)?;
        return Ok(terminal::json(&document)?);
    }
    close(config, &result, report.as_deref())
}

/// That there are groups to divide by, or what to type.
fn want_groups(config: &Config) -> Result<(), Failure> {
    let dataset = Dataset::open_labelled(&config.data, config.skip_unreadable, &config.labelling())?
        .with_two_classes()?;
    if dataset.samples.iter().any(|sample| sample.group.is_some()) {
        return Ok(());
    }
    let line = format!("{} {}", program(), shell::words());
    Err(failed!(
        "{}: expected groups (patient, study, volume) to divide into folds, found none\n{}",
        config.data.display(),
        advice(&dataset, "--group-by", &line)
    ))
}

fn close(config: &Config, result: &CrossValidation, report: Option<&Path>) -> Result<(), Failure> {
    say!("\nEach image was predicted by a model that saw nothing of its group.")?;
    say_lines(&result.pooled)?;
    say!("\n  {:<6} {:>7} {:>7}  {:>8}  {:>6}  groups", "fold", "images", "groups", "accuracy", "AUROC")?;
    for (at, fold) in result.folds.iter().enumerate() {
        let Fold { groups, group_count, images, accuracy, auroc, .. } = fold;
        let more = if groups.len() < *group_count { ", ..." } else { "" };
        let (fold, accuracy, auroc) = (at + 1, number(*accuracy), number(*auroc));
        let names = groups.join(", ");
        say!("  {fold:<6} {images:>7} {group_count:>7}  {accuracy:>8}  {auroc:>6}  {names}{more}")?;
    }
    for (name, spread) in [("accuracy", result.accuracy), ("AUROC", result.auroc)] {
        spread.map_or(Ok(()), |spread| say!("  {}", over_folds(name, spread)))?;
    }
    result.findings.iter().try_for_each(|finding| say!("  {}", over_folds_of(finding)))?;
    say!("\nfolder: {}", config.out.display())?;
    report.map_or(Ok(()), |report| say!("report: {}", report.display()))?;
    say!(
        "next, one model that keeps images for validation and test, with these settings: {}",
        line_for_all(config)
    )?;
    Ok(say!("Research use only, not a medical device.")?)
}

/// The line that trains one model with the settings of the folds.
fn line_for_all(config: &Config) -> String {
    let mut out = config.out.clone().into_os_string();
    out.push("-all");
    let options: String = config.options().iter().map(|word| format!(" {}", quote(word))).collect();
    format!("{} train {}{options} --out {}", program(), place(&config.data), place(Path::new(&out)))
}
