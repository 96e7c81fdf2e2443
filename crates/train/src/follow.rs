//! A run as the ranks see it that are not the first: they are told what it begins with, and take every step with it.

use crate::open::open_to_train;
use crate::ranks::{Group, Ranks};
use crate::run::Run;
use crate::start::new_trainer;
use crate::{Config, Error, LearningRate, checkpoint};
use data::Likeness;
use model::{Metadata, Model, TensorFile};
use nn::Learner;
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicBool;

/// What those who follow are told before the first step; a checkpoint comes after it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    config: Config,
    /// Images that are left out, with the reasons.
    unreadable: Vec<(String, String)>,
}

impl Welcome {
    /// Tells all ranks what `run` begins with.
    pub(crate) fn say(run: &mut Run) -> Result<(), Error> {
        if run.ranks.count() == 1 {
            return Ok(());
        }
        let welcome = Self { config: run.config.clone(), unreadable: run.dataset.unreadable() };
        run.ranks.tell(&welcome)?;
        let checkpoint = checkpoint::to_file(&run.metadata, &run.trainer, &run.position)?;
        run.ranks.share_bytes(checkpoint.to_bytes())?;
        Ok(())
    }
}

/// Trains as one of several `ranks`, which is not the first, until rank 0 needs no more steps, or `stop` is set here or
/// elsewhere: that stops all of them after the same step. Whether it came to the end. It works on so many `threads`;
/// without a number, on as many as rank 0.
///
/// # Errors
/// Among others: the data are not those of rank 0, or another rank has failed.
pub fn follow(stop: &AtomicBool, threads: Option<usize>, ranks: &mut dyn Ranks) -> Result<bool, Error> {
    let mut group = Group::new(ranks);
    let done = follow_with(stop, threads, &mut group);
    group.end(done)
}

fn follow_with(stop: &AtomicBool, threads: Option<usize>, ranks: &mut Group) -> Result<bool, Error> {
    let welcome: Welcome = ranks.hear()?;
    let checkpoint = ranks.share_bytes(vec![])?;
    on_threads(threads.unwrap_or(welcome.config.threads), || welcome.follow(checkpoint, stop, ranks))
}

/// Runs `work` on so many threads; 0 are those of the process.
///
/// # Errors
/// Those of `work`; or a thread cannot start.
pub fn on_threads<T: Send, E: From<predict::Error> + Send>(
    threads: usize,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    match threads {
        0 => work(),
        threads => engine::par::Pool::new(threads).map_err(predict::Error::Threads)?.install(work),
    }
}

impl Welcome {
    fn follow(self, checkpoint: Vec<u8>, stop: &AtomicBool, ranks: &mut Group) -> Result<bool, Error> {
        let Self { config, unreadable } = self;
        let file = TensorFile::from_bytes(&checkpoint)?;
        let (by, seed) = (config.group_by.as_ref(), config.seed);
        let (mut dataset, _) =
            open_to_train(&config.data, &config.labelling(), by, seed, config.skip_unreadable)?;
        dataset.leave_out(&unreadable);
        let Model { metadata, weights } = Model::from_tensor_file(file.clone())?;
        let Metadata { architecture, provenance, .. } = &metadata;
        if dataset.compare_fingerprint(&provenance.data_fingerprint) != Likeness::Same {
            return Err(Error::run(&config.data, "expected the data of rank 0, found others"));
        }
        let mut network = Learner::from_weights(architecture.network()?, &weights)?;
        config.prepare(&mut network);
        let mut trainer = new_trainer(&config, &dataset, network);
        let position = checkpoint::restore(file, &config.data, &mut trainer)?;
        if !position.order.is_empty() && !dataset.is_in_order(&position.order) {
            return Err(Error::run(
                &config.data,
                "expected the images in the order of rank 0, found another",
            ));
        }
        let mut observe = |_: &crate::Event| {};
        let mut run = Run::new(&config, &dataset, metadata, trainer, position, stop, &mut observe, ranks)?;
        let is_whole = (config.lr != LearningRate::Auto || run.find_rate()?) && run.train()?;
        run.ranks.close()?;
        Ok(is_whole)
    }
}
