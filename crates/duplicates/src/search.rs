//! Which pairs of pictures are worth comparing, and comparing them.
//!
//! Candidates are pictures with a view near one of a picture's own views. Pictures that are surely copies are joined on
//! the way, and a pair within one set is never compared: a source with twenty copies costs little more than twenty
//! comparisons. Sets of copies keep a budget of comparisons with others, so the cost grows with the number of pictures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::Error;
use crate::decide::sure_copies;
use crate::index::{Index, Neighbour};
use crate::picture::{Description, Maps, Picture};
use crate::store::Store;
use crate::verify::{Verified, WORTHWHILE, verify};
use crate::view::{FIRST_BLOB, SQUEEZED};
use engine::par;

/// Pairs of views to start from, at most.
const STARTS: usize = 4;

/// Another picture worth comparing with, and the pairs of views to start from. Every picture has many: it is small.
pub(crate) struct Candidate {
    score: f32,
    other: u32,
    starts: [Option<(u8, u8)>; STARTS],
}

/// A view of one picture near a view of another.
struct Near {
    cosine: f32,
    views: (u8, u8),
}

/// Views of all pictures that may be near each other.
struct Views {
    /// The picture and the number of each view in it.
    owners: Vec<(u32, u8)>,
    index: Index,
}

impl Views {
    fn new(pictures: &[Picture], wanted: impl Fn(usize) -> bool) -> Self {
        let views =
            |picture: &Picture| (0..picture.views.len()).filter(|&view| wanted(view)).collect::<Vec<_>>();
        let owners: Vec<(u32, u8)> = (0..pictures.len())
            .flat_map(|p| views(&pictures[p]).into_iter().map(move |view| (p as u32, view as u8)))
            .collect();
        let vector = |&(picture, view): &(u32, u8)| pictures[picture as usize].vectors[usize::from(view)];
        let index = Index::new(&owners.iter().map(vector).collect::<Vec<_>>());
        Self { owners, index }
    }

    /// The views of other pictures nearest to `view` of `picture`, which is number `a`, and their pictures.
    fn nearest(&self, picture: &Picture, view: usize, a: usize, count: usize) -> Vec<(u32, Near)> {
        let found = self.index.nearest(&picture.vectors[view], count, |n| self.owners[n].0 as usize != a);
        let near = |near: Neighbour| {
            let (owner, other) = self.owners[near.number];
            (owner, Near { cosine: near.cosine, views: (view as u8, other) })
        };
        found.into_iter().map(near).collect()
    }
}

/// For each picture the others that its views resemble, most alike first.
pub(crate) fn candidates(pictures: &[Picture]) -> Vec<Vec<Candidate>> {
    const WHOLE_NEIGHBOURS: usize = 24;
    const PART_NEIGHBOURS: usize = 32;
    const BLOB_NEIGHBOURS: usize = 4;
    /// A cosine that two unrelated views often reach; what is above it counts.
    const CHANCE: f32 = 0.4;
    const MOST: usize = 40;

    let [large, blobs] = [true, false].map(|large| Views::new(pictures, |view| (view < FIRST_BLOB) == large));
    let wholes: Vec<_> = pictures.iter().map(|p| p.whole).collect();
    let whole_index = Index::new(&wholes);
    par::map(pictures.len(), |a| {
        let mut alike: BTreeMap<u32, Vec<Near>> = BTreeMap::new();
        for near in whole_index.nearest(&wholes[a], WHOLE_NEIGHBOURS, |b| b != a) {
            alike.entry(near.number as u32).or_default().push(Near { cosine: near.cosine, views: (0, 0) });
        }
        // Of the large views only the whole asks: where it is a part of another picture, that is in the index.
        let whole =
            [0, SQUEEZED].into_iter().flat_map(|view| large.nearest(&pictures[a], view, a, PART_NEIGHBOURS));
        let blobs = (FIRST_BLOB..pictures[a].views.len())
            .flat_map(|view| blobs.nearest(&pictures[a], view, a, BLOB_NEIGHBOURS));
        whole.chain(blobs).for_each(|(owner, near)| alike.entry(owner).or_default().push(near));
        let candidate = |(other, mut pairs): (u32, Vec<Near>)| {
            pairs.sort_by(|x, y| y.cosine.total_cmp(&x.cosine));
            let score = pairs.iter().map(|p| (p.cosine - CHANCE).max(0.0)).sum();
            // The whole is tried whatever its cosine: most copies have kept their middle.
            let blobs = pairs.iter().map(|p| p.views).filter(|&views| views != (0, 0));
            let mut starts = std::iter::once((0, 0)).chain(blobs);
            Candidate { score, other, starts: std::array::from_fn(|_| starts.next()) }
        };
        let mut found: Vec<Candidate> = alike.into_iter().map(candidate).collect();
        found.sort_by(|x, y| y.score.total_cmp(&x.score));
        found.truncate(MOST);
        found.shrink_to_fit();
        found
    })
}

/// Compares pictures with their candidates in rounds, best first, and joins those that are surely copies. `maps`
/// belong to `pictures`. Returns every comparison that found something in common. `progress` hears for how many pictures
/// the search is over, and may stop it.
pub(crate) fn compare(
    maps: &Store,
    pictures: &[Picture],
    candidates: &[Vec<Candidate>],
    description: &Description,
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
            let (a, b) = (sources.root(x), sources.root(y));
            if a != b {
                // What is alike may be a copy yet: it costs others less of their chances.
                let cost = if alike.contains(&(x, y)) { 1 } else { ALIKE };
                spent[a] += cost;
                spent[b] += cost;
                *between.entry((a.min(b), a.max(b))).or_default() += 1;
            }
        }
        let mut proposals: Vec<(usize, &Candidate)> = Vec::new();
        for (a, candidates) in candidates.iter().enumerate() {
            while let Some(candidate) = candidates.get(next[a]) {
                let b = candidate.other as usize;
                let roots = (sources.root(a), sources.root(b));
                let pair = (roots.0.min(roots.1), roots.0.max(roots.1));
                let over = between.get(&pair).is_some_and(|&tries| tries >= TRIES);
                if roots.0 != roots.1 && !tried.contains(&(a.min(b), a.max(b))) && !over {
                    proposals.push((a, candidate));
                    break;
                }
                next[a] += 1;
            }
        }
        // First those that no one spoke for yet, so that one neighbour does not use up a budget.
        let tries = |&(a, candidate): &(usize, &Candidate)| {
            let (a, b) = (sources.root(a), sources.root(candidate.other as usize));
            between.get(&(a.min(b), a.max(b))).copied().unwrap_or(0)
        };
        proposals.sort_by(|x, y| tries(x).cmp(&tries(y)).then(y.1.score.total_cmp(&x.1.score)));
        let mut now = vec![0; pictures.len()];
        proposals.retain(|&(a, candidate)| {
            let (root, other) = (sources.root(a), sources.root(candidate.other as usize));
            let pair = (root.min(other), root.max(other));
            let tries = between.entry(pair).or_default();
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
            // What the other picture found leads from other views.
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
            Ok(verify(pair, both.map(|i| &pictures[i]), [one?, two?], starts.into_iter(), description))
        });
        for result in results {
            let Some(found) = result? else { continue };
            if found.middle >= WORTHWHILE {
                alike.insert((found.a, found.b));
            }
            verified.push(found);
        }
        if progress(pictures.len() - proposals.len().min(pictures.len())).is_break() {
            break;
        }
    }
    Ok(verified)
}

/// The two pictures, the lower number first.
fn pair_of(a: usize, candidate: &Candidate) -> (usize, usize) {
    let b = candidate.other as usize;
    (a.min(b), a.max(b))
}
