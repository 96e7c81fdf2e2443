//! `vertebra train --folds`: a run for each fold, and what they say together.

use crate::failure::{Failure, note};
use crate::labelled::announce;
use crate::progress::Progress;
use crate::report::of_folds;
use crate::shell::{program, quote};
use data::Folds;
use std::io::{self, Write};
use std::sync::atomic::AtomicBool;
use train::{Config, CrossValidation, Event, Fold, Spread};

/// Begins a cross-validation, or goes on with the one in the folder if `folds` is none.
pub fn run(config: &Config, folds: Option<Folds>, stop: &AtomicBool, json: bool) -> Result<(), Failure> {
    let mut progress = (0, Progress::new(config.epochs));
    let result = train::cross_validate(config, folds, stop, &mut |fold, count, event| {
        if let Event::Read { dataset } = event {
            return announce(dataset);
        }
        if progress.0 != fold {
            progress = (fold, Progress::new(config.epochs));
            note(format_args!("fold {fold} of {count}"));
        }
        progress.1.show(event);
    })?;
    let Some(result) = result else {
        note("stopped; everything is saved. To go on:");
        note(format_args!("  {} train --resume --out {}", program(), quote(&config.out)));
        return Err(Failure::Reported);
    };
    if let Err(failure) = of_folds(&config.out) {
        note("warning: all folds are finished, but their report could not be written:");
        failure.report();
    }
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &result)?;
        return Ok(writeln!(out)?);
    }
    close(&mut out, config, &result)
}

fn close(out: &mut impl Write, config: &Config, result: &CrossValidation) -> Result<(), Failure> {
    writeln!(out, "\nEach image was predicted by a model that saw nothing of its group.")?;
    write!(out, "{}", result.pooled)?;
    writeln!(
        out,
        "\n  {:<6} {:>7} {:>7}  {:>8}  {:>6}  groups",
        "fold", "images", "groups", "accuracy", "AUROC"
    )?;
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    for (at, fold) in result.folds.iter().enumerate() {
        let Fold { groups, group_count, images, accuracy, auroc, .. } = fold;
        let more = if groups.len() < *group_count { ", ..." } else { "" };
        let (accuracy, auroc, names) = (figure(*accuracy), figure(*auroc), groups.join(", "));
        writeln!(
            out,
            "  {:<6} {images:>7} {group_count:>7}  {accuracy:>8}  {auroc:>6}  {names}{more}",
            at + 1
        )?;
    }
    for (name, spread) in [("accuracy", result.accuracy), ("AUROC", result.auroc)] {
        if let Some(Spread { mean, standard_deviation, min, max, folds }) = spread {
            let deviation = figure(standard_deviation);
            writeln!(
                out,
                "  {name} over {folds} folds: mean {mean:.3}, standard deviation {deviation}, {min:.3} to {max:.3}"
            )?;
        }
    }
    writeln!(out, "\nfolder: {}", config.out.display())?;
    writeln!(out, "Research use only, not a medical device.")?;
    Ok(())
}
