//! One run by several processes: each trains its shard of every batch, and all take the same steps.
//!
//! Rank 0 is the run: it has the folder, validates, stops, saves, and tells what happens. The others [`follow()`] it.
//! What a rank must know is one [`Welcome`] at the beginning, the sum of all gradients at each step, and the position
//! after each validation. The weights stay the same, bit for bit, because all add the same sums to them; a step
//! depends on the checkpoint and on how many ranks there are, so that number is a setting of the run.
//!
//! The mean is weighed as the loss is, so shards may differ in size, and gradients are those of the whole batch. But
//! each rank normalises by the statistics of its own shard, unless the norms are frozen: a run by several ranks
//! learns as one with smaller batches would, in this respect.

use crate::fit::{Run, new_trainer};
use crate::start::open_to_train;
use crate::{Config, Error, LearningRate, checkpoint};
use data::{Likeness, Shard};
use model::{Metadata, Model, TensorFile};
use nn::Learner;
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicBool;

/// Numbers that are summed at once, at most: messages have a limit.
const PIECE: usize = 1 << 24;

/// The processes of a run, as one of them sees them.
pub trait Ranks {
    /// Which of them this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// The sums over all ranks of what each gives, as long as `values`. All ranks call it, and all get the same bits;
    /// added in the order of ranks, they are the same in every run too.
    ///
    /// # Errors
    /// What was said where a rank could not be reached.
    fn sum(&mut self, values: Vec<f32>) -> Result<Vec<f32>, String>;

    /// What rank 0 gives, for all; all ranks call it, the others with nothing.
    ///
    /// # Errors
    /// What was said where a rank could not be reached.
    fn share(&mut self, content: Vec<u8>) -> Result<Vec<u8>, String>;
}

/// The only process of a run.
pub(crate) struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        1
    }

    fn sum(&mut self, values: Vec<f32>) -> Result<Vec<f32>, String> {
        Ok(values)
    }

    fn share(&mut self, content: Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(content)
    }
}

/// The shard of the rank.
pub(crate) fn shard(ranks: &dyn Ranks) -> Shard {
    Shard { rank: ranks.rank(), ranks: ranks.count() }
}

/// The sums over all ranks, however many numbers they are, and whether one of the ranks gave `flag`.
pub(crate) fn sum(
    ranks: &mut dyn Ranks,
    mut values: Vec<f32>,
    flag: bool,
) -> Result<(Vec<f32>, bool), Error> {
    values.push(f32::from(u8::from(flag)));
    let mut sums = vec![];
    while !values.is_empty() {
        let rest = values.split_off(values.len().min(PIECE));
        sums.extend(ranks.sum(values).map_err(Error::Ranks)?);
        values = rest;
    }
    let flagged = sums.pop().is_some_and(|flags| flags > 0.0);
    Ok((sums, flagged))
}

/// What rank 0 says in JSON, for all.
pub(crate) fn share<T: Serialize + for<'a> Deserialize<'a>>(
    ranks: &mut dyn Ranks,
    said: Option<&T>,
) -> Result<T, Error> {
    let text = serde_json::to_vec(&said).expect("plain values have a JSON form");
    let text = ranks.share(text).map_err(Error::Ranks)?;
    let understood = |error| Error::Ranks(format!("rank 0 said what cannot be understood: {error}"));
    serde_json::from_slice(&text).map_err(understood)
}

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
        share(run.ranks, Some(&welcome))?;
        let checkpoint = checkpoint::to_file(&run.metadata, &run.trainer, &run.position)?;
        run.ranks.share(checkpoint.to_bytes()).map_err(Error::Ranks)?;
        Ok(())
    }
}

/// Trains as one of several `ranks`, which is not the first, until rank 0 needs no more steps, or `stop` is set here or
/// elsewhere: that stops all of them after the same step. Whether it came to the end.
///
/// # Errors
/// Among others: the data are not those of rank 0.
pub fn follow(stop: &AtomicBool, ranks: &mut dyn Ranks) -> Result<bool, Error> {
    let Welcome { config, unreadable } = share(ranks, None)?;
    let file = TensorFile::from_bytes(&ranks.share(vec![]).map_err(Error::Ranks)?)?;
    let (by, seed) = (config.group_by.as_ref(), config.seed);
    let (mut dataset, _) =
        open_to_train(&config.data, &config.labelling(), by, seed, config.skip_unreadable)?;
    dataset.leave_out(&unreadable);
    let Model { metadata, weights } = Model::from_tensor_file(file.clone())?;
    let Metadata { architecture, provenance, .. } = &metadata;
    if dataset.compare_fingerprint(&provenance.data_fingerprint) != Likeness::Same {
        let reason = format!("expected the data of rank 0, found others at rank {}", ranks.rank());
        return Err(Error::run(&config.data, reason));
    }
    let mut network = Learner::from_weights(architecture.network()?, &weights)?;
    config.prepare(&mut network);
    let mut trainer = new_trainer(&config, &dataset, network);
    let position = checkpoint::restore(file, &config.data, &mut trainer)?;
    let mut observe = |_: &crate::Event| {};
    let mut run = Run::new(&config, &dataset, metadata, trainer, position, stop, &mut observe, ranks)?;
    let mut train = || Ok((config.lr != LearningRate::Auto || run.find_rate()?) && run.train()?);
    match train() {
        // All of them find that at once, and rank 0 says it.
        Err(Error::Diverged { .. }) => Ok(false),
        done => done,
    }
}
