//! One run by several processes: each trains its shard of every batch, and all take the same steps.
//!
//! Rank 0 is the run: it has the folder, validates, stops, saves, and tells what happens. The others [`follow()`](crate::follow) it.
//! What a rank must know is one `Welcome` at the beginning, the sum of all gradients at each step, and the position
//! after each validation. The weights stay the same, bit for bit, because all add the same sums to them; a step
//! depends on the checkpoint and on how many ranks there are, so that number is a setting of the run.
//!
//! The mean is weighed as the loss is, so shards may differ in size, and gradients are those of the whole batch. But
//! each rank normalises by the statistics of its own shard, unless the norms are frozen: a run by several ranks
//! learns as one with smaller batches would, in this respect.
//!
//! Invariant: before anything is exchanged, all ranks say whether they can go on. So a rank that fails, wherever it is,
//! takes part once more and says why, and nobody waits for it.

use crate::Error;
use data::Shard;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Numbers that are summed at once, at most: messages have a limit.
const PIECE: usize = 1 << 24;

/// Bytes of what a rank says when it fails, at most.
const WORDS: usize = 1 << 10;

/// What a rank says that has panicked.
const FAULT: &str = "a fault of this program's";

/// The processes of a run, as one of them sees them.
pub trait Ranks: Send {
    /// Which of them this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// Replaces `values`, of which all ranks give as many, by their sums over all ranks. All ranks call it, and all get
    /// the same bits; added in the order of ranks, they are the same in every run too.
    ///
    /// # Errors
    /// What was said where a rank could not be reached.
    fn sum(&mut self, values: &mut [f32]) -> Result<(), String>;

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

    fn sum(&mut self, _: &mut [f32]) -> Result<(), String> {
        Ok(())
    }

    fn share(&mut self, content: Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(content)
    }
}

/// Tells the other ranks that this one cannot go on, where that is found out before it trains.
pub fn give_up(ranks: &mut dyn Ranks, reason: &str) {
    Group::new(ranks).fail(reason);
}

/// The ranks of a run, from its beginning until all have taken the last step. If it goes before that, the others hear
/// that this rank has failed.
pub(crate) struct Group<'r> {
    ranks: &'r mut dyn Ranks,
    /// Whether nobody waits for this rank.
    is_over: bool,
}

impl<'r> Group<'r> {
    pub fn new(ranks: &'r mut dyn Ranks) -> Self {
        Self { is_over: ranks.count() == 1, ranks }
    }

    pub fn count(&self) -> usize {
        self.ranks.count()
    }

    /// Whether this is the rank that has the folder.
    pub fn leads(&self) -> bool {
        self.ranks.rank() == 0
    }

    /// The shard of this rank. With `least`, so many images of a batch go together wherever there are as many: fewer
    /// ranks have any of a small batch.
    pub fn shard(&self, least: usize) -> Shard {
        Shard { rank: self.ranks.rank(), ranks: self.ranks.count(), least }
    }

    /// That all ranks can go on, as each says before anything is exchanged; whether one of them gave `flag`.
    pub fn agree(&mut self, flag: bool) -> Result<bool, Error> {
        if self.ranks.count() == 1 { Ok(flag) } else { self.meet(flag, None) }
    }

    /// The sums of `values` over all ranks, however many they are, in their place; and whether one gave `flag`.
    pub fn sum(&mut self, values: &mut [f32], flag: bool) -> Result<bool, Error> {
        let flagged = self.agree(flag)?;
        values.chunks_mut(PIECE).try_for_each(|piece| self.reach(|ranks| ranks.sum(piece)))?;
        Ok(flagged)
    }

    /// What rank 0 gives, for all.
    pub fn share_bytes(&mut self, content: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.agree(false)?;
        self.reach(|ranks| ranks.share(content))
    }

    /// Tells all, as rank 0: they [`hear`](Self::hear) it.
    pub fn tell(&mut self, said: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_vec(said).expect("plain values have a JSON form");
        self.share_bytes(text).map(drop)
    }

    /// What rank 0 tells all. It is not for rank 0, so a program that never follows need not read what it says.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let text = self.share_bytes(vec![])?;
        serde_json::from_str(&String::from_utf8_lossy(&text)).map_err(|error| Error::Setting {
            name: "ranks".into(),
            reason: format!("expected what a rank 0 of this version says, found something else: {error}"),
        })
    }

    /// Ends what the ranks do together, when all are there.
    pub fn close(&mut self) -> Result<(), Error> {
        self.agree(false)?;
        self.is_over = true;
        Ok(())
    }

    /// Tells the others how `done` came out, if they wait for that.
    pub fn end<T>(mut self, done: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &done {
            self.fail(&error.to_string());
        }
        self.is_over |= done.is_ok();
        done
    }

    fn fail(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_over, true) {
            // What the others have to say to that changes nothing.
            let _ = self.meet(false, Some(reason));
        }
    }

    /// Meets the others: whether one gave `flag`, or an error in the words of those that have `failed`.
    fn meet(&mut self, flag: bool, failed: Option<&str>) -> Result<bool, Error> {
        let mut flags = [flag, failed.is_some()].map(|flag| f32::from(u8::from(flag)));
        self.reach(|ranks| ranks.sum(&mut flags))?;
        let [flagged, failures] = flags;
        if failures == 0.0 {
            return Ok(flagged > 0.0);
        }
        // Each has a place for its words, which are added to the zeros of the others.
        let mut words = vec![0.0; self.ranks.count() * WORDS];
        let own = words[self.ranks.rank() * WORDS..].iter_mut();
        own.zip(failed.unwrap_or_default().bytes().take(WORDS)).for_each(|(at, byte)| *at = byte.into());
        self.reach(|ranks| ranks.sum(&mut words))?;
        self.is_over = true;
        let mut said = vec![];
        for (rank, words) in words.chunks(WORDS).enumerate().filter(|(_, words)| words[0] > 0.0) {
            let bytes: Vec<u8> = words.iter().map(|&byte| byte as u8).take_while(|&byte| byte > 0).collect();
            said.push(format!("rank {rank} has failed: {}", String::from_utf8_lossy(&bytes)));
        }
        Err(Error::Ranks(said.join("; ")))
    }

    /// Calls the ranks; after an error, or a panic, nothing more is expected of them.
    fn reach<T>(&mut self, call: impl FnOnce(&mut dyn Ranks) -> Result<T, String>) -> Result<T, Error> {
        let was_over = std::mem::replace(&mut self.is_over, true);
        let answer = call(&mut *self.ranks).map_err(Error::Ranks)?;
        self.is_over = was_over;
        Ok(answer)
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        self.fail(FAULT);
    }
}
