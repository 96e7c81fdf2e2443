//! Cross-validation by group: a run for every fold, and one result over all images, each predicted by a model that saw
//! nothing of its group.
//!
//! The folder of a cross-validation holds the settings (`config.toml`), what the images hold (`folds.json`) and, for
//! fold N, the manifest `fold-N.csv` and the run folder `fold-N`, which is an ordinary run. Invariants: all manifests
//! are written before the first run; a run that is finished has its table of predictions, so that what is on disk
//! says how to go on; and what is pooled was trained with the same settings on the same images, for as many epochs.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use data::{Folds, write_manifest};

use crate::documents::write_text;
use crate::drawn::{Drawn, find_images, labels_of_folds, settings};
use crate::folder::{TAKEN, is_drawn_here};
use crate::open::grouped;
use crate::pooled::{CrossValidation, pooled};
use crate::start::positive_of_data;
use crate::{Config, Error, Event, Outcome, RunFolder, RunLock, fit, has_begun, unreadable};

/// Trains and tests every fold as `config` says, in `config.out`: the `folds` that are drawn now or, with `resume`,
/// those in the folder. `observe` hears the number of a fold, how many there are, and what happens in it; before the
/// first, both are 0. `None` if `stop` was set before the end; the lock is that of the folder, so that what belongs
/// to the end can be written.
///
/// A cross-validation that goes on may be prolonged as a single run may. Then the folds that were finished go on too:
/// each is in the end what it would have been with these settings from the beginning, and so is what is pooled.
pub fn cross_validate(
    config: &Config,
    folds: Option<Folds>,
    resume: bool,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(usize, usize, &Event),
) -> Result<Option<(CrossValidation, RunLock)>, Error> {
    let (count, lock) = begin_folds(config, folds, resume, stop, &mut |event| observe(0, 0, event))?;
    for fold in 1..=count {
        if !train_fold(config, fold, stop, &mut |event| observe(fold, count, event))? {
            return Ok(None);
        }
    }
    Ok(Some((pool_folds(config)?, lock)))
}

/// The beginning of a cross-validation, as [`cross_validate`] has it: how many folds there are, each of which may
/// then be trained by another process, and the lock of the folder. `stop` ends the look for images that cannot be read.
pub fn begin_folds(
    config: &Config,
    folds: Option<Folds>,
    resume: bool,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<(usize, RunLock), Error> {
    if resume { config.check_run() } else { config.check() }?;
    let lock = match folds.filter(|_| !resume) {
        Some(folds) => draw(config, folds, stop, observe)?,
        None => go_on(config, folds)?,
    };
    Ok((RunFolder(&config.out).folds(), lock))
}

/// Trains and tests a fold, counted from 1, or goes on with it; nothing is done where it is finished. False if `stop`
/// was set.
pub fn train_fold(
    config: &Config,
    fold: usize,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<bool, Error> {
    let out = &config.out;
    let config = Config {
        out: RunFolder(out).fold(fold),
        data: RunFolder(out).manifest(fold),
        group_by: None,
        labels: labels_of_folds(out)?,
        ..config.clone()
    };
    if is_finished(&config) {
        return Ok(true);
    }
    let resume = RunFolder(&config.out).last().exists();
    if resume {
        // It is not finished any more, whatever stops it now.
        let old = RunFolder(&config.out).predictions();
        if old.exists() {
            std::fs::remove_file(&old).map_err(Error::io(&old))?;
        }
    }
    Ok(matches!(fit(&config, resume, stop, observe)?, Outcome::Finished(..)))
}

/// The end of a cross-validation: what its folds, all of them finished, say together.
pub fn pool_folds(config: &Config) -> Result<CrossValidation, Error> {
    let result = pooled(&config.out)?.result;
    let text = serde_json::to_string_pretty(&result).expect("plain values have a JSON form");
    write_text(&RunFolder(&config.out).result(), &text)?;
    Ok(result)
}

/// Whether the run of a fold was finished with settings of the same length.
fn is_finished(config: &Config) -> bool {
    let same = |before: Config| (before.epochs, before.max_steps) == (config.epochs, config.max_steps);
    RunFolder(&config.out).predictions().exists() && Config::of_run(&config.out).is_ok_and(same)
}

/// Draws the folds and writes a manifest for each, the first one last: it says that all are there.
fn draw(
    config: &Config,
    folds: Folds,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<RunLock, Error> {
    let out = &config.out;
    let check = || {
        if has_begun(out) { Err(Error::run(out, TAKEN)) } else { Ok(()) }
    };
    check()?;
    let mut dataset =
        grouped(&config.data, &config.labelling(), config.group_by.as_ref(), config.skip_unreadable)?
            .with_two_classes()?;
    positive_of_data(&dataset, config.positive.as_deref())?;
    config.check_threshold_rule(&dataset)?;
    if config.skip_unreadable {
        unreadable::look(config, &mut dataset, stop, observe)?;
    }
    observe(&Event::Read { dataset: &dataset });
    let left_out = dataset.clone();
    dataset.remove_unreadable();
    let (fold_of, count) = dataset.folds(folds, config.seed)?;
    std::fs::create_dir_all(out).map_err(Error::io(out))?;
    let lock = RunLock::acquire(out)?;
    check()?;
    config.save()?;
    Drawn::of(&dataset, folds).write(out)?;
    if config.skip_unreadable {
        unreadable::write(out, &left_out)?;
    }
    for fold in (0..count).rev() {
        dataset.use_fold(&fold_of, fold, config.seed)?;
        write_manifest(&RunFolder(out).manifest(fold + 1), &dataset)?;
    }
    Ok(lock)
}

/// Checks that the cross-validation in `config.out` can go on with `config`, and that its images are what they were.
fn go_on(config: &Config, folds: Option<Folds>) -> Result<RunLock, Error> {
    let out = &config.out;
    let lock = RunLock::acquire(out)?;
    let before = settings(out)?;
    before.check_resume(config)?;
    let longest = before.max_steps.unwrap_or(u64::MAX);
    if let Some(most) = config.max_steps.filter(|&most| most < longest) {
        let expected = match before.max_steps {
            Some(steps) => format!("{steps} or more to resume this cross-validation"),
            None => "none to resume this cross-validation, which had no limit".to_owned(),
        };
        return Err(Error::config("max-steps", expected, most));
    }
    if let Some(wanted) = folds {
        let have = Drawn::read(out)?.map_or_else(|| RunFolder(out).folds().to_string(), |drawn| drawn.folds);
        let same = have == wanted.to_string();
        if !same {
            return Err(before.other_setting("folds", have, wanted));
        }
    }
    find_images(out, Some(&config.data).filter(|data| **data != before.data).map(PathBuf::as_path))?;
    if is_drawn_here(out) {
        config.save()?;
    }
    Ok(lock)
}
