//! A training from settings to a finished model: what may begin or go on, and with which data and weights; the steps
//! are [`Run`]'s. It knows no terminal: it tells an observer what happens, and asks a flag whether to stop.
//!
//! Invariant: a run stopped after any step, by whatever means, and resumed leaves the files that an uninterrupted run
//! leaves, bit for bit but for columns of speed. That holds because a step depends on the checkpoint only (see
//! [`crate::Trainer`]), batches on their number only (see [`data::Loader`]), and tables are cut back to the checkpoint.

use crate::checkpoint::{self, Position};
use crate::folder::{TAKEN, cross_validation_of};
use crate::follow::Welcome;
use crate::likeness::check_data;
use crate::open::open_to_train;
use crate::operating;
use crate::ranks::{Alone, Group};
use crate::run::Run;
use crate::start::{First, first_model, new_trainer};
use crate::stopper::Stopper;
use crate::unreadable::{self, open_run_data};
use crate::{BestBy, Config, Error, Event, LearningRate, Ranks, Report, RunFolder, RunLock, has_begun};
use data::{Dataset, Likeness, SplitOrigin};
use model::Model;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// To its end. Its folder stays locked until the lock is dropped, so that what belongs to the end can be written.
    Finished(Box<Report>, RunLock),
    /// The flag was set; the checkpoint holds everything up to `step`.
    Interrupted {
        /// Steps done.
        step: u64,
    },
}

/// Trains as `config` says, or goes on with the run in `config.out`, until the end or until `stop` is set.
///
/// # Errors
/// Among others: another process works on the run.
pub fn fit(
    config: &Config,
    resume: bool,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<Outcome, Error> {
    fit_with(config, resume, stop, observe, &mut Alone)
}

/// The same as the first of several processes, to which `ranks` leads; the others [`follow`](crate::follow).
///
/// # Errors
/// Among others: the settings are those of another number of ranks, or one cannot be reached.
pub fn fit_with(
    config: &Config,
    resume: bool,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
    ranks: &mut dyn Ranks,
) -> Result<Outcome, Error> {
    let mut group = Group::new(ranks);
    let done = fit_in(config, resume, stop, observe, &mut group);
    group.end(done)
}

fn fit_in(
    config: &Config,
    resume: bool,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
    ranks: &mut Group,
) -> Result<Outcome, Error> {
    // Of a fold, whoever drew it has asked.
    let begins = !resume && cross_validation_of(config).is_none();
    if begins { config.check() } else { config.check_run() }?;
    check_ranks(config, ranks.count())?;
    let folder = RunFolder(&config.out);
    check_folder(config, resume)?;
    // What goes on is locked before it is read, what begins when there is a folder: if it cannot begin, it leaves none.
    let held = resume.then(|| RunLock::acquire(folder.0)).transpose()?;
    let mut config = config.clone();
    if (resume, config.lr) == (true, LearningRate::Auto) {
        // What the range test has found; a test that was stopped begins again.
        config.lr = Config::of_run(folder.0)?.lr;
    }
    let config = &config;
    let (mut dataset, origin) = match resume {
        true => open_run_data(config, &config.out)?,
        false => {
            let (by, seed, unreadable) = (config.group_by.as_ref(), config.seed, config.skip_unreadable);
            open_to_train(&config.data, &config.labelling(), by, seed, unreadable)?
        }
    };
    if begins {
        config.check_threshold_rule(&dataset)?;
    }
    if !resume {
        unreadable::look(config, &mut dataset, stop, observe)?;
    }
    let checkpoint = Some(folder.last()).filter(|last| resume && last.exists());
    let First { mut metadata, network, head } =
        first_model(&beginning(config, checkpoint.as_deref()), &dataset)?;
    if let Some(last) = checkpoint.as_deref().filter(|_| config.init.is_some()) {
        metadata.provenance.config["init"] = origin_of_init(last)?;
    }
    let likeness = checkpoint.as_ref().map(|_| check_data(folder, &dataset)).transpose()?;
    let mut trainer = new_trainer(config, &dataset, network);
    std::fs::create_dir_all(folder.0).map_err(Error::io(folder.0))?;
    let lock = held.map_or_else(|| RunLock::acquire(folder.0), Ok)?;
    // Whoever had the lock before may have left another run than was there before.
    check_folder(config, resume)?;
    let position = match &checkpoint {
        Some(last) => checkpoint::load(last, &mut trainer)?,
        None => Position { order: dataset.order(), ..Position::default() },
    };
    check_position(config, &position, &dataset)?;
    if config.skip_unreadable {
        unreadable::write(folder.0, &dataset)?;
    }
    // The curve of another run first: beside settings that are new, it would be taken for theirs.
    let old_test = folder.lr_range();
    if !resume && old_test.exists() {
        std::fs::remove_file(&old_test).map_err(Error::io(&old_test))?;
    }
    config.save()?;
    let fixed = if resume { operating::fixed_after_training(&folder.best())? } else { None };
    let mut run = Run::new(config, &dataset, metadata, trainer, position, stop, observe, ranks)?;
    Welcome::say(&mut run)?;
    say_start(&mut run, origin, likeness);
    if let Some(head) = head.filter(|_| !resume) {
        (run.observe)(&Event::Initialised(&head));
    }
    let is_whole = (config.lr != LearningRate::Auto || run.find_rate()?) && run.train()?;
    run.ranks.close()?;
    if is_whole {
        let report = run.finish(fixed)?;
        run.tell(&Event::Finished(&report))?;
        Ok(Outcome::Finished(Box::new(report), lock))
    } else {
        Ok(Outcome::Interrupted { step: run.position.step })
    }
}

/// That a run can go on from `position` with `dataset`, as far as `config` wants.
fn check_position(config: &Config, position: &Position, dataset: &Dataset) -> Result<(), Error> {
    if !position.order.is_empty() && !dataset.is_in_order(&position.order) {
        let reason = "the images are in another order than when this run began, and what a batch holds depends on it; \
                      restore the order of the manifest's rows (or the names of the files in a folder), or start a new \
                      run with another --out";
        return Err(Error::run(&config.out, reason));
    }
    match config.max_steps.filter(|&most| most < position.step) {
        Some(most) => {
            let expected = format!("{} or more, the steps that this run has done", position.step);
            Err(Error::config("max-steps", expected, most))
        }
        None => Ok(()),
    }
}

/// Says what is trained, and from where on.
fn say_start(run: &mut Run, origin: SplitOrigin, likeness: Option<Likeness>) {
    let (steps, images) = (run.last_step(), run.training.images());
    let Stopper { best_epoch, best_loss, .. } = run.position.stopper;
    let by_loss = run.config.best_by == BestBy::Loss;
    (run.observe)(&Event::Started {
        dataset: run.dataset,
        origin,
        network: run.trainer.network.spec(),
        from: run.position.step,
        steps,
        images,
        epoch_steps: run.training.batches_per_epoch() as u64,
        best: best_loss.filter(|_| by_loss).map(|loss| (best_epoch, loss)),
        unknown_contents: likeness == Some(Likeness::SameSizes),
    });
}

/// The settings with the checkpoint for first weights: whoever goes on needs no `--init`, which may be gone.
fn beginning(config: &Config, checkpoint: Option<&Path>) -> Config {
    let init = config.init.as_deref().map(|init| checkpoint.unwrap_or(init).to_path_buf());
    Config { init, ..config.clone() }
}

/// What the checkpoint `last` tells of the origin of its first weights.
fn origin_of_init(last: &Path) -> Result<serde_json::Value, Error> {
    let before = Model::read(last)?.metadata.provenance.config["init"].take();
    // An earlier version told the path.
    Ok(before.as_str().and_then(|text| text.rsplit(['/', '\\']).next()).map(str::to_owned).into())
}

/// Refuses a run folder that holds another run, or none where one is to be resumed. [`fit()`] asks this first; ask it
/// before anything that takes long.
pub fn check_folder(config: &Config, resume: bool) -> Result<(), Error> {
    let folder = RunFolder(&config.out);
    if !resume && config.data.is_dir() && lies_within(folder.0, &config.data) {
        let expected = format!("a folder outside of {}, whose folders are classes", config.data.display());
        return Err(Error::config("out", expected, folder.0.display()));
    }
    match (resume, has_begun(folder.0)) {
        (true, _) => Config::of_run(folder.0)?.check_resume(config),
        (false, true) => Err(Error::run(folder.0, TAKEN)),
        (false, false) => Ok(()),
    }
}

/// Whether `path`, which need not exist, lies within `folder`.
fn lies_within(path: &Path, folder: &Path) -> bool {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let exists = path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    exists.zip(folder.canonicalize().ok()).is_some_and(|(path, folder)| path.starts_with(folder))
}

/// That as many processes train as the settings say: the bits depend on their number.
fn check_ranks(config: &Config, found: usize) -> Result<(), Error> {
    let expected = match config.ranks {
        ranks if ranks == found => return Ok(()),
        1 => "one process, as these settings say".to_owned(),
        ranks => format!(
            "the {ranks} processes of these settings, as of `mpirun -n {ranks} python -m vertebra.mpi`"
        ),
    };
    Err(Error::Setting { name: "ranks".into(), reason: format!("expected {expected}, found {found}") })
}
