//! Copies that lost much, each in its own way.
//!
//! What chained changes took from a copy, grain or sharpness or both, is missing beside every other picture, so
//! copies of one picture may be farther from each other than two neighbouring slices that lost little. In a tree
//! such a copy hangs on a long branch of its own; what tells sources apart are the branches between. Branches
//! follow from threes of pictures: the way from `x` to where the ways to `y` and `z` part is half of `xy + xz - yz`
//! (the Gromov product; Farris 1977 takes it off all distances). That wants distances that add up along a way:
//! correlations multiply where losses are independent, so these are `-ln(1 - distance)`. What is left without the
//! branches makes a tree by average linkage. With more copies there are more threes and more pairs to a mean, so
//! the answer gets better.

use crate::cluster::Clusters;
use crate::judge::Verified;
use crate::sources::{ALONE_ISOLATED, COVERED, FLOOR, ISOLATED, ROW, differ_as_processed, median};
use crate::tree::{Apart, LinkageTree};
use std::collections::BTreeMap;

/// Which of a picture's threes gives its branch: one in ten may be of pictures that share what they lost.
const BRANCH: f32 = 0.1;
/// The least number of threes that tell.
const THREES: usize = 3;
/// What is left of a distance at least, by share and at all: branches are known to so much.
const LEFT: f32 = 0.3;
const LEAST: f32 = 0.02;
/// How unlike the coarser detail of copies may be, and how far apart the parts of a source.
const MOST: f32 = 0.15;
/// How far apart the nearest two of a source are at most, branches and all. Whatever was lost, some two lost nearly the same;
/// strangers of one kind all hang on long branches, so without these they are one source as well.
const NEAREST: f32 = 0.09;
/// How many times as far as half of the pairs of a source the rest is.
const CLEARLY: f32 = 1.2;
/// Pairs that must have been compared between the parts of a source, if there are so many.
const COMPARED: usize = 3;
/// Sets of one source that were found before are at most so many times as far from each other as their own pictures
/// are.
const CONTRAST: f32 = 3.5;

/// Joins in `clusters` what `pairs` show to be copies that lost much; a set must be isolated in `all`.
pub(crate) fn join_weak(clusters: &mut Clusters, [pairs, all]: [&[&Verified]; 2]) {
    let branches = branches(clusters.pictures(), pairs);
    let raw: Vec<Apart> = all.iter().map(|&v| v.into()).collect();
    let without: Vec<Apart> = pairs.iter().map(|v| without_branches(v, &branches)).collect();
    let tree = LinkageTree::average(clusters.pictures(), [&without, &raw]);
    let found = tree.largest(|node, (_, parts), rest| {
        tree.is_weak_source(node, parts, rest)
            && !tree.is_divided(node, clusters)
            && !tree.is_torn(node, clusters)
    });
    for members in found.into_iter().map(|node| tree.members(node)) {
        members.iter().for_each(|&other| clusters.join(members[0], other));
    }
}

/// A distance that adds up along the ways of a tree.
fn additive(v: &Verified) -> f32 {
    /// No way is endless.
    const LEAST_LIKENESS: f32 = 0.05;
    -(1.0 - v.distance()).max(LEAST_LIKENESS).ln()
}

/// How long the branch is on which each of `n` pictures hangs, 0 where too little is known.
fn branches(n: usize, pairs: &[&Verified]) -> Vec<f32> {
    let mut near: Vec<Vec<(usize, f32)>> = vec![Vec::new(); n];
    for v in pairs {
        near[v.a].push((v.b, additive(v)));
        near[v.b].push((v.a, additive(v)));
    }
    let mut from_x = vec![f32::NAN; n];
    let mut threes = Vec::new();
    near.iter()
        .map(|of_x| {
            threes.clear();
            of_x.iter().for_each(|&(y, far)| from_x[y] = far);
            for &(y, xy) in of_x {
                let thirds = near[y].iter().filter(|&&(z, _)| z > y && !from_x[z].is_nan());
                threes.extend(thirds.map(|&(z, yz)| 0.5 * (xy + from_x[z] - yz)));
            }
            of_x.iter().for_each(|&(y, _)| from_x[y] = f32::NAN);
            if threes.len() < THREES {
                return 0.0;
            }
            let place = (threes.len() as f32 * BRANCH) as usize;
            threes.select_nth_unstable_by(place, f32::total_cmp).1.max(0.0)
        })
        .collect()
}

/// How far apart two pictures are without the branches on which they hang.
fn without_branches(v: &Verified, branches: &[f32]) -> Apart {
    let far = additive(v);
    // Pictures of one anatomy hang on long branches as well, each on what is its own.
    let lost = v.unlike[1] <= MOST && differ_as_processed(v);
    let left = if lost { (far - branches[v.a] - branches[v.b]).max(LEFT * far) } else { far };
    Apart { a: v.a, b: v.b, far: left.max(LEAST) }
}

impl LinkageTree {
    /// Whether a set is one source: compared often enough, with a near pair, isolated, of one piece
    /// and no row. Of fewer pictures than
    /// show a row this cannot be said.
    fn is_weak_source(&self, node: usize, parts: [usize; 2], rest: f32) -> bool {
        let sizes = parts.map(|part| self.nodes[part].size);
        let set = &self.nodes[node];
        let isolated = if sizes.contains(&1) { ALONE_ISOLATED } else { ISOLATED };
        set.size >= ROW
            && set.compared >= COMPARED.min(sizes[0] * sizes[1])
            && set.height <= MOST
            && rest >= isolated * set.height
            && self.has_near_pair(node)
            && self.is_apart(node)
            && !self.is_row(node)
            && !self.falls_apart(node, rest)
    }

    /// Whether two of its pictures differ as little as two copies of one picture do at best.
    fn has_near_pair(&self, node: usize) -> bool {
        let near = |picture| self.all_near.get(picture).into_iter().flatten();
        self.members(node)
            .iter()
            .any(|picture| near(picture).any(|near| near.0 <= NEAREST && self.contains(node, near.1)))
    }

    /// Whether every picture outside is clearly farther than half of the pairs within: in a row of slices the next one
    /// is nearer than that.
    fn is_apart(&self, node: usize) -> bool {
        let mut within = Vec::new();
        let mut rest = 1.0_f32;
        for &a in self.members(node) {
            for &(distance, b) in self.near.get(&a).into_iter().flatten() {
                if self.contains(node, b) { within.push(distance) } else { rest = rest.min(distance) }
            }
        }
        rest >= CLEARLY * median(&mut within)
    }

    /// Whether a set takes less than half of one that was found before, and something else: then what it takes is nearer
    /// to its own.
    fn is_torn(&self, node: usize, before: &Clusters) -> bool {
        let mut of: Vec<usize> = self.members(node).iter().map(|&i| before.root(i)).collect();
        of.sort_unstable();
        let mut sets = of.chunk_by(|a, b| a == b);
        of[0] != of[of.len() - 1] && sets.any(|set| 2 * set.len() < before.members(set[0]).len())
    }

    /// Whether two of the sets that were found before, as far as they are in this one, are much farther from each
    /// other than their own pictures are, and such sets have most of its pictures: several copies of a picture that lost
    /// the same lie near each other, but then others lost something else.
    fn is_divided(&self, node: usize, before: &Clusters) -> bool {
        let mut far: BTreeMap<(usize, usize), Vec<f32>> = BTreeMap::new();
        for &a in self.members(node) {
            let others = self.all_near.get(&a).into_iter().flatten();
            for &(distance, b) in others.filter(|near| near.1 > a && self.contains(node, near.1)) {
                far.entry(before.pair(a, b)).or_default().push(distance);
            }
        }
        let is_beside_its_own = |picture: usize| far.contains_key(&before.pair(picture, picture));
        let members = self.members(node);
        let in_sets = members.iter().filter(|&&picture| is_beside_its_own(picture)).count();
        if (in_sets as f32) < COVERED * members.len() as f32 {
            return false;
        }
        far.iter().filter(|((a, b), _)| a != b).any(|(&(a, b), between)| {
            let [Some(in_a), Some(in_b)] = [a, b].map(|set| far.get(&(set, set))) else { return false };
            let within = median(&mut [&in_a[..], in_b].concat());
            median(&mut between.clone()) >= CONTRAST * within.max(FLOOR)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::Alignment;

    /// A pair so far apart along the tree, whose coarser detail differs by `share` of the finest.
    fn pair(a: usize, b: usize, way: f32, share: f32) -> Verified {
        let fine = (1.0 - (-way).exp()) / share.powf(0.6);
        let unlike = [fine, share * fine];
        Verified {
            a,
            b,
            middle: 0.9,
            fine: 0.0,
            unlike,
            told: true,
            clipped: false,
            alignment: Alignment::IDENTITY,
        }
    }

    /// All pairs of `n` pictures that are as far apart as `way` says.
    fn pairs(n: usize, share: f32, way: impl Fn(usize, usize) -> f32) -> Vec<Verified> {
        (0..n)
            .flat_map(|a| (a + 1..n).map(move |b| (a, b)))
            .map(|(a, b)| pair(a, b, way(a, b), share))
            .collect()
    }

    /// The sizes of the sets found, largest first, none of which may have pictures of two of `of`.
    fn sizes(n: usize, pairs: &[Verified], of: impl Fn(usize) -> usize) -> Vec<usize> {
        let mut clusters = Clusters::new(n, std::iter::empty());
        let pairs: Vec<&Verified> = pairs.iter().collect();
        join_weak(&mut clusters, [&pairs, &pairs]);
        let mut sizes = Vec::new();
        for root in (0..n).filter(|&i| clusters.root(i) == i) {
            let members = clusters.members(root);
            assert!(members.iter().all(|&i| of(i) == of(root)), "{members:?}");
            sizes.push(members.len());
        }
        sizes.sort_unstable_by(|x, y| y.cmp(x));
        sizes
    }

    /// What a copy lost: more than lies between two slices.
    fn lost(i: usize) -> f32 {
        0.02 + 0.09 * ((i * 37) % 17) as f32 / 16.0
    }

    #[test]
    fn branches_are_what_each_picture_lost() {
        let verified = pairs(12, 0.1, |a, b| lost(a) + lost(b) + if a / 6 == b / 6 { 0.0 } else { 0.1 });
        let found = branches(12, &verified.iter().collect::<Vec<_>>());
        for (i, &found) in found.iter().enumerate() {
            assert!((found - lost(i)).abs() < 1e-4, "{i}: {found} for {}", lost(i));
        }
    }

    #[test]
    fn copies_that_lost_more_than_slices_differ_are_found() {
        let way = |a: usize, b: usize| lost(a) + lost(b) + 0.1 * (a / 10).abs_diff(b / 10) as f32;
        let verified = pairs(50, 0.2, way);
        let same = |v: &&Verified| v.a / 10 == v.b / 10;
        let [copies, slices]: [Vec<&Verified>; 2] = verified.iter().partition(same).into();
        let farthest = copies.iter().map(|v| v.distance()).fold(0.0, f32::max);
        let nearer = slices.iter().filter(|v| v.distance() < farthest).count();
        assert!(nearer > 100, "{nearer}");
        assert_eq!(sizes(50, &verified, |i| i / 10), [10; 5]);
    }

    #[test]
    fn pictures_of_one_anatomy_are_no_copies() {
        let way = |a: usize, b: usize| lost(a) + lost(b);
        assert_eq!(sizes(20, &pairs(20, 0.4, way), |i| i), [1; 20]);
    }

    /// Each picture on a branch of its own, as copies that lost much are; but no two near each other.
    #[test]
    fn look_alikes_without_a_near_pair_are_no_copies() {
        for (own, found) in [(0.0, vec![12]), (0.05, vec![1; 12])] {
            let way = |a: usize, b: usize| lost(a) + lost(b) + 2.0 * own;
            assert_eq!(sizes(12, &pairs(12, 0.2, way), |i| if own > 0.0 { i } else { 0 }), found, "{own}");
        }
    }

    #[test]
    fn noisy_slices_are_a_row() {
        let way = |a: usize, b: usize| 0.12 + 0.03 * a.abs_diff(b) as f32;
        assert_eq!(sizes(24, &pairs(24, 0.2, way), |i| i), [1; 24]);
    }

    /// The tree of pictures near those of their set, and the sets.
    fn tree_of(n: usize, set: fn(usize) -> usize) -> (LinkageTree, Clusters) {
        let way =
            |a: usize, b: usize| if set(a) == set(b) { 0.012 } else { 0.06 + 0.01 * ((a + b) % 3) as f32 };
        let verified = pairs(n, 0.2, way);
        let mut clusters = Clusters::new(n, std::iter::empty());
        (0..n).for_each(|i| clusters.join(i, set(i)));
        let [pairs, raw]: [Vec<Apart>; 2] =
            std::array::from_fn(|_| verified.iter().map(|v| v.into()).collect());
        (LinkageTree::average(n, [&pairs, &raw]), clusters)
    }

    #[test]
    fn sets_that_stand_apart_stay_so() {
        let (tree, clusters) = tree_of(8, |i| i / 4 * 4);
        assert!(tree.is_divided(tree.roots[0], &clusters));
        assert!(!tree.is_divided(tree.roots[0], &Clusters::new(8, std::iter::empty())));
    }

    #[test]
    fn sets_among_copies_that_lost_something_else_are_no_division() {
        // Two sets of three, and four pictures alone.
        let (tree, clusters) = tree_of(10, |i| if i < 6 { i / 3 * 3 } else { i });
        assert!(!tree.is_divided(tree.roots[0], &clusters));
    }

    #[test]
    fn a_part_of_a_source_is_not_torn_from_it() {
        let (tree, clusters) = tree_of(8, |i| i / 4 * 4);
        assert!(!tree.is_torn(tree.roots[0], &clusters));
        // The first four are of a source with six others.
        let mut source = Clusters::new(14, std::iter::empty());
        (0..14).filter(|i| !(4..8).contains(i)).for_each(|i| source.join(i, 0));
        assert!(tree.is_torn(tree.roots[0], &source));
    }
}
