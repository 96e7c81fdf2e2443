//! Comparisons that the known ones make possible.
//!
//! Sets of copies are not all compared with each other, and some comparisons went astray: the alignment ended beside
//! the right one. What is known helps with both. Alignments chain: from a picture to another of its set, across one
//! good link to the next set, on to any picture there. And two sets that are like the same third are worth comparing.
//!
//! Invariant: a pair is compared once; a comparison is only ever replaced by one that fits better.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use crate::Error;
use crate::alignment::Alignment;
use crate::cluster::Clusters;
use crate::decide::{Traits, copies, sure_copies};
use crate::judge::Verified;
use crate::maps::Maps;
use crate::records::Records;
use crate::sorted::descending;
use crate::verify::verify_from;
use engine::par;

/// Rounds: the first with the sets that are sure, then with those that the round before made.
const ROUNDS: usize = 3;
/// Sets most like a set through which others are reached.
const NEAREST: usize = 4;
/// Pictures of each set of a pair that are compared with as many of the other.
const MEDOIDS: usize = 2;
/// A comparison is tried again if its middle detail is less alike than expected by more than this.
const ASTRAY: f32 = 0.04;

/// Adds to `verified` and improves it. `progress` hears what share of it is done, and may stop it.
pub(crate) fn complete(
    maps: &Records,
    known_of: Traits,
    verified: &mut Vec<Verified>,
    progress: &dyn Fn(f64) -> ControlFlow<()>,
) -> Result<(), Error> {
    /// Comparisons between two words of progress.
    const BLOCK: usize = 1024;
    let pictures = known_of.roughness.len();
    for round in 0..ROUNDS {
        let known: HashMap<(usize, usize), usize> =
            verified.iter().enumerate().map(|(i, v)| ((v.a, v.b), i)).collect();
        let copies = if round == 0 { sure_copies(pictures, verified) } else { copies(verified, known_of) };
        let sets = Sets::new(copies, verified);
        let wanted: Vec<(usize, usize, Alignment)> = sets.wanted(verified, &known).into_iter().collect();
        for (block, wanted_now) in wanted.chunks(BLOCK).enumerate() {
            let found = par::map(wanted_now.len(), |i| {
                let (a, b, start) = wanted_now[i];
                let [one, two] = [a, b].map(|i| maps.get(i).map(Maps::new));
                let roughness = [a, b].map(|i| known_of.roughness[i]);
                Ok(verify_from(start, (a, b), [one?, two?], roughness))
            });
            for found in found {
                let Some(found) = found? else { continue };
                match known.get(&(found.a, found.b)) {
                    Some(&i) if verified[i].middle < found.middle => verified[i] = found,
                    Some(_) => (),
                    None => verified.push(found),
                }
            }
            let done = ((block + 1) * BLOCK).min(wanted.len()) as f64 / wanted.len() as f64;
            if progress((round as f64 + done) / ROUNDS as f64).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Sets of copies and how they lie on each other.
struct Sets {
    copies: Clusters,
    /// For each picture the alignment of its set's least member on it.
    from_root: Vec<Alignment>,
    /// For each set, by its least member, the pictures most alike to the rest of it.
    medoids: Vec<Vec<usize>>,
    /// The best comparison between two sets (`a < b` by root): its number.
    best: BTreeMap<(usize, usize), usize>,
}

impl Sets {
    fn new(copies: Clusters, verified: &[Verified]) -> Self {
        let n = copies.pictures();
        let order = descending(verified.iter().map(|v| v.fine));
        let mut best = BTreeMap::new();
        let mut links: Vec<Vec<usize>> = vec![Vec::new(); n];
        for &i in &order {
            let v = &verified[i];
            let (a, b) = copies.pair(v.a, v.b);
            if a == b {
                links[v.a].push(i);
                links[v.b].push(i);
            } else if v.is_worthwhile() {
                best.entry((a, b)).or_insert(i);
            }
        }
        let mut from_root = vec![Alignment::IDENTITY; n];
        let mut medoids = vec![Vec::new(); n];
        for root in (0..n).filter(|&i| copies.root(i) == i) {
            grow_tree(root, verified, &links, &mut from_root);
            let mean = |i: usize| {
                let fine = links[i].iter().map(|&l| verified[l].fine);
                fine.sum::<f32>() / links[i].len().max(1) as f32
            };
            let mut members: Vec<(f32, usize)> = copies.members(root).iter().map(|&i| (mean(i), i)).collect();
            members.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
            medoids[root] = members.into_iter().map(|(_, i)| i).take(MEDOIDS).collect();
        }
        Self { copies, from_root, medoids, best }
    }

    /// From the set of lower number that `link` joins to the other, by their least members.
    fn alignment(&self, link: &Verified) -> Alignment {
        let across = self.from_root[link.a].then(&link.alignment).then(&self.from_root[link.b].inverse());
        if self.copies.root(link.a) < self.copies.root(link.b) { across } else { across.inverse() }
    }

    /// Pairs of pictures to compare, each with a start: those that went astray between two sets, and the medoids of
    /// sets that are near each other or near the same third (likeness multiplies along the way).
    fn wanted(
        &self,
        verified: &[Verified],
        known: &HashMap<(usize, usize), usize>,
    ) -> Vec<(usize, usize, Alignment)> {
        let mut near: BTreeMap<usize, Vec<(f32, usize)>> = BTreeMap::new();
        let mut across: BTreeMap<(usize, usize), Across> = BTreeMap::new();
        for (&(a, b), &i) in &self.best {
            near.entry(a).or_default().push((verified[i].fine, b));
            near.entry(b).or_default().push((verified[i].fine, a));
            let alignment = self.alignment(&verified[i]);
            across.insert((a, b), Across { likeness: verified[i].middle, alignment, near: false });
        }
        for (&third, others) in &mut near {
            others.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
            others.truncate(NEAREST);
            let reached: Vec<(usize, f32, Alignment)> = others
                .iter()
                .map(|&(_, other)| {
                    let link = &verified[self.best[&(third.min(other), third.max(other))]];
                    let alignment = self.alignment(link);
                    (other, link.middle, if third < other { alignment } else { alignment.inverse() })
                })
                .collect();
            for (i, (a, like_a, to_a)) in reached.iter().enumerate() {
                across.entry((third.min(*a), third.max(*a))).and_modify(|known| known.near = true);
                for (b, like_b, to_b) in &reached[i + 1..] {
                    let alignment = to_a.inverse().then(to_b);
                    let (pair, alignment) = ordered(*a, *b, alignment);
                    let likeness = like_a * like_b;
                    let known = across.get(&pair);
                    if known.is_none_or(|known| known.likeness < likeness - ASTRAY) {
                        across.insert(pair, Across { likeness, alignment, near: true });
                    }
                }
            }
        }

        let mut starts: BTreeMap<(usize, usize), Alignment> = BTreeMap::new();
        let mut add = |a: usize, b: usize, across: &Alignment| {
            let start = self.from_root[a].inverse().then(across).then(&self.from_root[b]);
            let (pair, start) = ordered(a, b, start);
            starts.entry(pair).or_insert(start);
        };
        for v in verified {
            let (a, b) = self.copies.pair(v.a, v.b);
            if let Some(across) = across.get(&(a, b))
                && v.middle < across.likeness - ASTRAY
            {
                let (i, j) = if self.copies.root(v.a) == a { (v.a, v.b) } else { (v.b, v.a) };
                add(i, j, &across.alignment);
            }
        }
        for ((a, b), across) in across.iter().filter(|(_, across)| across.near) {
            for &i in &self.medoids[*a] {
                for &j in &self.medoids[*b] {
                    if !known.contains_key(&(i.min(j), i.max(j))) {
                        add(i, j, &across.alignment);
                    }
                }
            }
        }
        starts.into_iter().map(|((a, b), start)| (a, b, start)).collect()
    }
}

/// The lower number first, with the alignment of `a` to `b` turned round to fit.
fn ordered(a: usize, b: usize, alignment: Alignment) -> ((usize, usize), Alignment) {
    if a < b { ((a, b), alignment) } else { ((b, a), alignment.inverse()) }
}

/// How two sets lie on each other.
struct Across {
    /// The correlation of the middle detail, measured or to be expected.
    likeness: f32,
    /// From the least member of the first set to that of the second.
    alignment: Alignment,
    /// Whether the sets are among each other's nearest.
    near: bool,
}

/// The alignments of `root` on the pictures of its set, along the links that fit best.
fn grow_tree(root: usize, verified: &[Verified], links: &[Vec<usize>], from_root: &mut [Alignment]) {
    let mut reached = BTreeSet::from([root]);
    let mut edges: Vec<usize> = links[root].clone();
    while let Some(place) =
        (0..edges.len()).max_by(|&i, &j| verified[edges[i]].fine.total_cmp(&verified[edges[j]].fine))
    {
        let v = &verified[edges.swap_remove(place)];
        let (from, to, step) =
            if reached.contains(&v.a) { (v.a, v.b, v.alignment) } else { (v.b, v.a, v.alignment.inverse()) };
        if reached.insert(to) {
            from_root[to] = from_root[from].then(&step);
            edges.extend(&links[to]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disc::Disc;
    use crate::flip::Flip;

    fn alignment(degrees: f32, scale: f32, mirrored: bool, negative: bool) -> Alignment {
        let a = Disc { x: 0.1, y: -0.2, radius: 0.3, aspect: [1.0; 2] };
        let b = Disc { x: -0.05, y: 0.15, radius: 0.3 * scale, aspect: [1.0; 2] };
        Alignment::from_discs(&a, &b, degrees.to_radians(), Flip { mirrored, negative })
    }

    fn near(a: &Alignment, b: &Alignment) -> bool {
        let far = (a.rotation_degrees() - b.rotation_degrees() + 540.0).rem_euclid(360.0) - 180.0;
        far.abs() < 1e-2
            && (a.scale() - b.scale()).abs() < 1e-4
            && (a.mirrored(), a.negative) == (b.mirrored(), b.negative)
    }

    #[test]
    fn a_placement_and_its_inverse_cancel() {
        for (degrees, scale) in [(0.0, 1.0), (33.0, 1.1), (-120.0, 0.8), (180.0, 1.0)] {
            for Flip { mirrored, negative } in Flip::ALL {
                let there = alignment(degrees, scale, mirrored, negative);
                for both in [there.then(&there.inverse()), there.inverse().then(&there)] {
                    assert!(near(&both, &Alignment::IDENTITY), "{both:?}");
                }
                assert!(near(&there.inverse().inverse(), &there));
                assert!((there.scale() - scale).abs() < 1e-5 && there.mirrored() == mirrored);
            }
        }
    }

    /// Pictures of a chain 0 - 1 - 2 - 3, and a short cut that fits badly.
    #[test]
    fn placements_follow_the_best_links() {
        let steps = [(20.0, 1.1, false, false), (-50.0, 0.9, true, false), (75.0, 1.05, false, true)]
            .map(|(degrees, scale, mirrored, negative)| alignment(degrees, scale, mirrored, negative));
        let link = |a: usize, b: usize, alignment, fine| Verified {
            a,
            b,
            middle: fine,
            fine,
            unlike: [1.0 - fine; 2],
            told: true,
            clipped: false,
            alignment,
        };
        // The link between 1 and 2 is known from the other side.
        let verified = [
            link(0, 1, steps[0], 0.9),
            link(2, 1, steps[1].inverse(), 0.8),
            link(2, 3, steps[2], 0.85),
            link(0, 3, Alignment::IDENTITY, 0.5),
        ];
        let links = [vec![0, 3], vec![0, 1], vec![1, 2], vec![2, 3]];
        let mut from_root = vec![Alignment::IDENTITY; 4];
        grow_tree(0, &verified, &links, &mut from_root);
        assert_eq!(from_root[0], Alignment::IDENTITY);
        let chained = steps[0].then(&steps[1]).then(&steps[2]);
        assert!(
            near(&from_root[2], &steps[0].then(&steps[1])) && near(&from_root[3], &chained),
            "{from_root:?}"
        );
    }
}
