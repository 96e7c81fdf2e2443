//! What all rows and readers say of an image, and what of that is its label.

use std::collections::{BTreeMap, BTreeSet};

use super::cell::Votes;
use super::place::Said;
use crate::labels::{Readers, Uncertain};

/// What is said of images, by their number.
#[derive(Default)]
pub(super) struct Readings {
    votes: Vec<Vec<Votes>>,
    /// Of those with boxes: what each reader drew, findings by number.
    drawn: Vec<BTreeMap<String, BTreeSet<usize>>>,
    /// Images of which several rows speak that are no boxes.
    of_rows: BTreeSet<usize>,
}

/// What each image has of each finding, none where that is not known.
pub(super) struct Settled {
    pub findings: Vec<Vec<Option<bool>>>,
    /// Of which labels nobody was sure, or readers did not agree.
    pub unsure: Vec<Vec<bool>>,
    /// Images that several readers judged.
    pub several: usize,
}

impl Readings {
    /// What a row says of the image `at`, which may be one more.
    pub fn add(&mut self, at: usize, said: Said) {
        match said {
            Said::Box { reader, around } => {
                self.drawn.resize_with(self.drawn.len().max(at + 1), BTreeMap::new);
                self.drawn[at].entry(reader.to_owned()).or_default().extend(around);
            }
            Said::Votes(votes) if at == self.votes.len() => self.votes.push(votes),
            Said::Votes(votes) => {
                self.of_rows.insert(at);
                for (all, one) in self.votes[at].iter_mut().zip(votes) {
                    all.iter_mut().zip(one).for_each(|(all, one)| *all = all.saturating_add(one));
                }
            }
        }
    }

    /// The labels of all images, each with as many as there are `findings`.
    pub fn settle(mut self, findings: usize, who: Readers, uncertain: Uncertain) -> Settled {
        let mut several = self.of_rows.len();
        for drawn in &self.drawn {
            // Who looked at an image and drew no box around a finding says that it is not there.
            let said = |at: usize| drawn.values().filter(|named| named.contains(&at)).count() as u32;
            let all = drawn.len() as u32;
            self.votes.push((0..findings).map(|at| [said(at), all - said(at), 0]).collect());
            several += usize::from(all > 1);
        }
        let decide = |votes: &Vec<Votes>| votes.iter().map(|votes| decided(votes, who, uncertain)).unzip();
        let (findings, unsure) = self.votes.iter().map(decide).unzip();
        Settled { findings, unsure, several }
    }
}

/// What the votes of an image's readers say of a finding, and whether that is uncertain: another answer where -1 counts
/// otherwise.
fn decided(votes: &Votes, who: Readers, uncertain: Uncertain) -> (Option<bool>, bool) {
    let [ignored, positive, negative] = [Uncertain::Ignore, Uncertain::Positive, Uncertain::Negative]
        .map(|uncertain| said(votes, who, uncertain));
    (said(votes, who, uncertain), ignored != positive || ignored != negative)
}

/// What most of the votes say. Who is not sure votes as `uncertain` says, or, where that is ignored, for neither; and so is what
/// most of them do not say.
fn said(&[yes, no, perhaps]: &Votes, who: Readers, uncertain: Uncertain) -> Option<bool> {
    let all = yes + no + perhaps;
    let (yes, no) = match uncertain.counts_as() {
        Some(true) => (yes + perhaps, no),
        Some(false) => (yes, no + perhaps),
        None => (yes, no),
    };
    let said = match who {
        _ if all == 0 => return None,
        Readers::Any if yes > 0 => Some(true),
        _ if 2 * yes > all => Some(true),
        _ if 2 * no > all => Some(false),
        _ => None,
    };
    // A tie, or a word of somebody who is not sure.
    said.or(uncertain.counts_as())
}
