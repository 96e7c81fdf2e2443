//! Which pairs of pictures are worth comparing, and comparing them.
//!
//! Candidates are pictures with a disc near one of a picture's own discs. Pictures that are surely copies are joined on
//! the way, and a pair within one set is never compared: a source with twenty copies costs little more than twenty
//! comparisons. Sets of copies keep a budget of comparisons with others, so the cost grows with the number of pictures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::Error;
use crate::consensus::consensus;
use crate::decide::sure_copies;
use crate::describe::{Describer, Descriptors};
use crate::disc::{FIRST_BLOB, SQUEEZED};
use crate::index::{Index, Neighbour};
use crate::judge::Verified;
use crate::maps::Maps;
use crate::records::Records;
use crate::sorted::descending;
use crate::verify::{verify, verify_agreed};
use engine::par;

/// Pairs of discs to start from, at most.
const STARTS: usize = 4;

/// Another picture worth comparing with, and the pairs of discs to start from. Every picture has many: it is small.
#[derive(Clone, Copy)]
pub(crate) struct Candidate {
    score: f32,
    other: u32,
    starts: [Option<(u8, u8)>; STARTS],
}

/// A disc of one picture near a disc of another.
#[derive(Clone, Copy)]
struct NearDisc {
    cosine: f32,
    discs: (u8, u8),
}

/// Discs of all pictures that may be near each other.
struct Discs {
    /// The picture and the number of each disc in it.
    owners: Vec<(u32, u8)>,
    index: Index,
}

impl Discs {
    fn new(pictures: &[Descriptors], wanted: impl Fn(usize) -> bool) -> Self {
        let discs =
            |picture: &Descriptors| (0..picture.discs.len()).filter(|&disc| wanted(disc)).collect::<Vec<_>>();
        let owners: Vec<(u32, u8)> = (0..pictures.len())
            .flat_map(|p| discs(&pictures[p]).into_iter().map(move |disc| (p as u32, disc as u8)))
            .collect();
        let vector = |&(picture, disc): &(u32, u8)| pictures[picture as usize].vectors[usize::from(disc)];
        let index = Index::new(&owners.iter().map(vector).collect::<Vec<_>>());
        Self { owners, index }
    }

    /// The discs of other pictures nearest to `disc` of `picture`, which is number `a`, and their pictures.
    fn nearest(&self, picture: &Descriptors, disc: usize, a: usize, count: usize) -> Vec<(u32, NearDisc)> {
        let found = self.index.nearest(&picture.vectors[disc], count, |n| self.owners[n].0 as usize != a);
        let near = |near: Neighbour| {
            let (owner, other) = self.owners[near.number];
            (owner, NearDisc { cosine: near.cosine, discs: (disc as u8, other) })
        };
        found.into_iter().map(near).collect()
    }
}

/// For each picture the others that its discs resemble, most alike first.
pub(crate) fn candidates(pictures: &[Descriptors]) -> Vec<Vec<Candidate>> {
    const WHOLE_NEIGHBOURS: usize = 24;
    const PART_NEIGHBOURS: usize = 32;
    const BLOB_NEIGHBOURS: usize = 4;
    /// A cosine that two unrelated discs often reach; what is above it counts.
    const CHANCE: f32 = 0.4;
    const MOST: usize = 40;

    let [large, blobs] = [true, false].map(|large| Discs::new(pictures, |disc| (disc < FIRST_BLOB) == large));
    let wholes: Vec<_> = pictures.iter().map(|p| p.whole).collect();
    let whole_index = Index::new(&wholes);
    par::map(pictures.len(), |a| {
        let mut alike: BTreeMap<u32, Vec<NearDisc>> = BTreeMap::new();
        for near in whole_index.nearest(&wholes[a], WHOLE_NEIGHBOURS, |b| b != a) {
            alike
                .entry(near.number as u32)
                .or_default()
                .push(NearDisc { cosine: near.cosine, discs: (0, 0) });
        }
        // Of the large discs only the whole asks: where it is a part of another picture, that is in the index.
        let whole =
            [0, SQUEEZED].into_iter().flat_map(|disc| large.nearest(&pictures[a], disc, a, PART_NEIGHBOURS));
        let blobs = (FIRST_BLOB..pictures[a].discs.len())
            .flat_map(|disc| blobs.nearest(&pictures[a], disc, a, BLOB_NEIGHBOURS));
        whole.chain(blobs).for_each(|(owner, near)| alike.entry(owner).or_default().push(near));
        let candidate = |(other, pairs): (u32, Vec<NearDisc>)| {
            let order = descending(pairs.iter().map(|pair| pair.cosine));
            let pairs: Vec<NearDisc> = order.into_iter().map(|i| pairs[i]).collect();
            let score = pairs.iter().map(|p| (p.cosine - CHANCE).max(0.0)).sum();
            // The whole is tried whatever its cosine: most copies have kept their middle.
            let blobs = pairs.iter().map(|p| p.discs).filter(|&discs| discs != (0, 0));
            let mut starts = std::iter::once((0, 0)).chain(blobs);
            Candidate { score, other, starts: std::array::from_fn(|_| starts.next()) }
        };
        let found: Vec<Candidate> = alike.into_iter().map(candidate).collect();
        let order = descending(found.iter().map(|candidate| candidate.score));
        // Kept for as long as the search lasts, so no larger than it must be.
        let mut best = Vec::with_capacity(order.len().min(MOST));
        best.extend(order.into_iter().take(MOST).map(|i| found[i]));
        best
    })
}

/// Compares pictures with their candidates in rounds, best first, and joins those that are surely copies. `maps`
/// belong to `pictures`. Returns every comparison that found something in common. `progress` hears for how many
/// pictures the search is over, and may stop it.
pub(crate) fn compare(
    maps: &Records,
    pictures: &[Descriptors],
    candidates: &[Vec<Candidate>],
    describer: &Describer,
    progress: &dyn Fn(usize) -> ControlFlow<()>,
) -> Result<Vec<Verified>, Error> {
    /// More than any set needs to spend its budget.
    const ROUNDS: usize = 40;
    /// Comparisons of one set in one round.
    const AT_ONCE: usize = 4;
    /// Comparisons between the same two sets.
    const TRIES: usize = 5;
    /// How many comparisons with pictures that turn out to be alike cost as much as one with a stranger.
    const ALIKE: usize = 2;
    let budget = |size: usize| (10 + 2 * size).min(24);

    let mut next = vec![0; pictures.len()];
    let mut tried: HashSet<(usize, usize)> = HashSet::new();
    let mut verified: Vec<Verified> = Vec::new();
    let mut alike: HashSet<(usize, usize)> = HashSet::new();
    for _ in 0..ROUNDS {
        let sources = sure_copies(pictures.len(), &verified);
        let mut spent = vec![0; pictures.len()];
        let mut between: HashMap<(usize, usize), usize> = HashMap::new();
        for &(x, y) in &tried {
            let (a, b) = sources.pair(x, y);
            if a != b {
                // What is alike may be a copy yet: it costs others less of their chances.
                let cost = if alike.contains(&(x, y)) { 1 } else { ALIKE };
                spent[a] += cost;
                spent[b] += cost;
                *between.entry((a, b)).or_default() += 1;
            }
        }
        let mut proposals: Vec<(usize, &Candidate)> = Vec::new();
        for (a, candidates) in candidates.iter().enumerate() {
            while let Some(candidate) = candidates.get(next[a]) {
                let pair = sources.pair(a, candidate.other as usize);
                let over = between.get(&pair).is_some_and(|&tries| tries >= TRIES);
                if pair.0 != pair.1 && !tried.contains(&pair_of(a, candidate)) && !over {
                    proposals.push((a, candidate));
                    break;
                }
                next[a] += 1;
            }
        }
        // First those that no one spoke for yet, so that one neighbour does not use up a budget.
        let tries = |&(a, candidate): &(usize, &Candidate)| {
            between.get(&sources.pair(a, candidate.other as usize)).copied().unwrap_or(0)
        };
        proposals.sort_by(|x, y| tries(x).cmp(&tries(y)).then(y.1.score.total_cmp(&x.1.score)));
        let mut now = vec![0; pictures.len()];
        proposals.retain(|&(a, candidate)| {
            let root = sources.root(a);
            let tries = between.entry(sources.pair(a, candidate.other as usize)).or_default();
            let wanted = spent[root] + ALIKE * now[root] < ALIKE * budget(sources.members(root).len())
                && now[root] < AT_ONCE
                && *tries < TRIES
                && tried.insert(pair_of(a, candidate));
            if wanted {
                *tries += 1;
                now[root] += 1;
                next[a] += 1;
            }
            wanted
        });
        if proposals.is_empty() {
            break;
        }
        let results = par::map(proposals.len(), |i| {
            let (a, candidate) = proposals[i];
            let pair = pair_of(a, candidate);
            // What the other picture found leads from other discs.
            let other = candidates[candidate.other as usize].iter().find(|back| back.other as usize == a);
            let (one, two) = (candidate.starts, other.map_or([None; STARTS], |back| back.starts));
            let mut starts: Vec<(usize, usize)> = Vec::with_capacity(2 * STARTS);
            for (mine, theirs) in one.into_iter().zip(two) {
                let both = [mine, theirs.map(|(x, y)| (y, x))].into_iter().flatten();
                for (x, y) in both.map(|(x, y)| (usize::from(x), usize::from(y))) {
                    let start = if a == pair.0 { (x, y) } else { (y, x) };
                    if !starts.contains(&start) {
                        starts.push(start);
                    }
                }
            }
            let both = [pair.0, pair.1];
            let [one, two] = both.map(|i| maps.get(i).map(Maps::new));
            Ok(verify(pair, both.map(|i| &pictures[i]), [one?, two?], starts.into_iter(), describer))
        });
        for result in results {
            let Some(found) = result? else { continue };
            if found.is_worthwhile() {
                alike.insert((found.a, found.b));
            }
            verified.push(found);
        }
        if progress(pictures.len() - proposals.len().min(pictures.len())).is_break() {
            return Ok(verified);
        }
    }
    compare_lone(maps, pictures, candidates, tried, &mut verified, progress)?;
    Ok(verified)
}

/// Looks at all other candidates of the pictures without a copy, and adds to `verified` the comparisons with those on
/// which most of their blobs agree. A cut-out looks as a whole like much else. `progress` hears after some pictures
/// that this goes on, and may stop it.
fn compare_lone(
    maps: &Records,
    pictures: &[Descriptors],
    candidates: &[Vec<Candidate>],
    mut tried: HashSet<(usize, usize)>,
    verified: &mut Vec<Verified>,
    progress: &dyn Fn(usize) -> ControlFlow<()>,
) -> Result<(), Error> {
    /// So alike in both bands is hardly any picture but a copy.
    const COPY: f32 = 0.05;
    /// Pictures between two words of progress.
    const BLOCK: usize = 64;
    /// Candidates of each that are compared: in pictures of one anatomy some blobs of all agree.
    const BEST: usize = 8;
    let mut alone = vec![true; pictures.len()];
    for v in verified.iter().filter(|v| v.told && v.unlike.iter().all(|&unlike| unlike <= COPY)) {
        (alone[v.a], alone[v.b]) = (false, false);
    }
    let lone: Vec<usize> = (0..pictures.len()).filter(|&a| alone[a]).collect();
    for lone in lone.chunks(BLOCK) {
        let agreeing = par::map(lone.len(), |i| {
            let pairs = candidates[lone[i]].iter().map(|candidate| pair_of(lone[i], candidate));
            let new = pairs.filter(|pair| !tried.contains(pair));
            let agree = |(a, b)| Some(((a, b), consensus(&pictures[a], &pictures[b])?));
            let agreeing: Vec<_> = new.filter_map(agree).collect();
            let order = descending(agreeing.iter().map(|&(_, (count, _))| count as f32));
            order.into_iter().take(BEST).map(|i| agreeing[i]).collect::<Vec<_>>()
        });
        let mut wanted: Vec<_> = agreeing.into_iter().flatten().collect();
        wanted.retain(|&(pair, _)| tried.insert(pair));
        let found = par::map(wanted.len(), |i| {
            let ((a, b), (_, start)) = wanted[i];
            let [one, two] = [a, b].map(|i| maps.get(i).map(Maps::new));
            Ok(verify_agreed(start, (a, b), [one?, two?], [a, b].map(|i| pictures[i].roughness)))
        });
        for found in found {
            verified.extend(found?);
        }
        if progress(pictures.len()).is_break() {
            break;
        }
    }
    Ok(())
}

/// The two pictures, the lower number first.
fn pair_of(a: usize, candidate: &Candidate) -> (usize, usize) {
    let b = candidate.other as usize;
    (a.min(b), a.max(b))
}
