//! Sources from the tree of nearest pictures.
//!
//! No threshold holds for all data: copies saved as bad JPEG differ more than neighbouring slices of
//! a smooth volume. What holds is the shape of the tree. A source is a set that
//! - is isolated: the next set lies clearly farther off than its own parts do from each other;
//! - is of one piece: no height divides it into several sets of copies;
//! - is no row: in a volume the third neighbour of a slice is several times as far as the first, while the copies of
//!   one picture are all about as far from each other.
//!
//! The largest sets that are so are the sources. With more copies there are more chances of a good pair, and more to
//! tell a source from a row by, so the answer gets better.

use crate::cluster::Clusters;
use crate::judge::Verified;
use crate::tree::{Apart, Heights, LinkageTree, PictureSet};
use std::collections::HashMap;

/// The rest is farther off than the parts of a source by this factor, and by this one if a part is a picture alone, of
/// which nothing says how far its copies are.
pub(crate) const ISOLATED: f32 = 1.4;
pub(crate) const ALONE_ISOLATED: f32 = 1.6;
/// By this one if the coarser detail of the nearest two differs too, as in pictures of one anatomy.
const UNLIKE_ISOLATED: f32 = 2.0;
/// A step of heights by which a set falls apart; into a few, of which some are pairs or from which the rest is far off.
const STEP: f32 = 1.8;
const STEP_OF_FEW: f32 = 2.5;
/// Pictures of different parts are farther from each other than those of one by this factor, if there is a step; if
/// not.
const CONTRAST: f32 = 2.6;
const CONTRAST_ALONE: f32 = 4.0;
/// What has more than half of all pictures has little outside by which it could stand apart. Nine pairs in ten of such a
/// source are at most so far from each other: of strangers that all look alike one in ten and more are farther.
const WIDEST: f32 = 0.2;
/// Up to this height, and this distance of nine pairs in ten, copies are only resampled; a set of such, from which the
/// rest is so many times as far off, is one source whatever its shape: how much the nearest of its pictures differ is
/// chance.
const SLIGHT: f32 = 0.025;
const NO_WIDER: f32 = 0.05;
const FAR_OFF: f32 = 4.0;
/// Sets into which a source falls, if they are fewer than so many, are a few.
const SOME: usize = 4;
/// A set from which the rest is so many times as far off as its parts falls into a few only at the larger step.
const APART: f32 = 3.0;
/// The share of the pictures that are in sets below the step, and in the largest of these.
pub(crate) const COVERED: f32 = 0.8;
const LARGEST: f32 = 0.7;
/// Heights below this are one: what is left of rounding.
pub(crate) const FLOOR: f32 = 0.006;
/// Pictures from which on a row can be seen; how many times as far as the first the third and the middle neighbour are
/// in one; and in its triangles the longest side as the next, at the upper quartile of at least so many.
pub(crate) const ROW: usize = 6;
const THIRD: f32 = 2.1;
const MIDDLE: f32 = 3.3;
const TRIANGLES: usize = 6;
const LONGEST: f32 = 1.3;
/// Two pictures alone are a source that much nearer to each other than to a third.
const PAIR_ISOLATED: f32 = 1.8;
/// How unlike the coarser detail of the nearest parts of a source may be; and the detail of two pictures without any
/// third, in one of the bands.
const MOST: f32 = 0.1;
const ALONE: [f32; 2] = [0.063, 0.02];

/// A distance at which nothing was found.
const NOTHING: f32 = 0.9;

/// Coarser detail of two pictures that differs less than this, or than this share of the finest, differs by processing.
const COARSER: f32 = 0.03;
const COARSER_SHARE: f32 = 0.3;

/// Whether two pictures differ in what processing takes, most of all the finest detail. In pictures of one anatomy the
/// coarser detail differs much as the finest does.
pub(crate) fn differ_as_processed(v: &Verified) -> bool {
    let [fine, coarser] = v.unlike;
    coarser <= COARSER || coarser <= COARSER_SHARE * fine
}

/// Joins in `clusters` what `pairs`, of which `is_sure` may prove some, show to be one source; a set must be isolated
/// in `all`. To be called again with more pairs: what is joined stays so.
pub(crate) fn join_sources(
    clusters: &mut Clusters,
    heights: &mut Heights,
    [pairs, all]: [&[&Verified]; 2],
    is_sure: fn(&Verified) -> bool,
) {
    let apart = [pairs, all].map(|pairs| pairs.iter().map(|&v| v.into()).collect::<Vec<Apart>>());
    let tree = LinkageTree::new(clusters, heights, [&apart[0], &apart[1]]);
    let found =
        tree.largest(|node, (pair, parts), rest| tree.is_source(node, (pairs[pair], parts), rest, is_sure));
    for node in found {
        let members = tree.members(node);
        members.iter().for_each(|&other| clusters.join(members[0], other));
        heights.0.insert(clusters.root(members[0]), tree.heights(node));
    }
}

impl LinkageTree {
    /// The largest sets that are sources, as `is_source` says of a set, its nearest pair and its parts, and how far off
    /// the rest is at most.
    pub(crate) fn largest(&self, is_source: impl Fn(usize, (usize, [usize; 2]), f32) -> bool) -> Vec<usize> {
        let mut found = Vec::new();
        let mut stack: Vec<(usize, f32)> = self.roots.iter().rev().map(|&root| (root, 1.0)).collect();
        while let Some((node, rest)) = stack.pop() {
            let Some((pair, parts)) = self.nodes[node].joined else { continue };
            if is_source(node, (pair, parts), rest) {
                found.push(node);
            } else {
                stack.extend(parts.map(|part| (part, self.nodes[node].height)));
            }
        }
        found
    }

    /// Whether a set, of which `v` joined the `parts` and from which the rest is `rest` away, is one source.
    fn is_source(
        &self,
        node: usize,
        (v, parts): (&Verified, [usize; 2]),
        rest: f32,
        is_sure: fn(&Verified) -> bool,
    ) -> bool {
        let PictureSet { height, size, .. } = self.nodes[node];
        let near = [0, 1].iter().any(|&band| v.unlike[band] <= ALONE[band]);
        let alone = parts.iter().any(|&part| self.nodes[part].size == 1) && !near;
        let isolated = match alone {
            true if differ_as_processed(v) => height * ALONE_ISOLATED,
            true => height * UNLIKE_ISOLATED,
            false => height * ISOLATED,
        };
        let is_slight =
            |rest: f32| height <= SLIGHT && rest >= FAR_OFF * height && self.width(node) <= NO_WIDER;
        let mut rest = rest;
        let mut is_isolated = || {
            rest = if rest >= isolated { rest.min(self.rest(node)) } else { rest };
            rest >= isolated
        };
        let told = v.unlike[1] <= MOST && is_isolated() && {
            let is_pair = || near || (PAIR_ISOLATED * height..NOTHING).contains(&rest);
            if size == 2 { is_pair() } else { is_slight(rest) || size < ROW || !self.is_row(node) }
        };
        let is_wide = || size >= ROW && 2 * size > self.pictures && self.width(node) > WIDEST;
        (told || is_sure(v)) && !is_wide() && (is_slight(rest) || !self.falls_apart(node, rest))
    }

    pub(crate) fn contains(&self, node: usize, picture: usize) -> bool {
        let PictureSet { from, size, .. } = self.nodes[node];
        self.place.get(&picture).is_some_and(|place| (from..from + size).contains(place))
    }

    /// How far the nearest picture outside of a set is from it.
    fn rest(&self, node: usize) -> f32 {
        let near = self.members(node).iter().filter_map(|picture| self.all_near.get(picture)).flatten();
        near.filter(|near| !self.contains(node, near.1)).map(|near| near.0).fold(1.0, f32::min)
    }

    /// The distances from a picture to the others of a set, nearest first.
    fn near_within(&self, node: usize, picture: usize) -> Vec<f32> {
        let near = self.near.get(&picture).into_iter().flatten();
        let mut far: Vec<f32> = near.filter(|near| self.contains(node, near.1)).map(|near| near.0).collect();
        far.sort_by(f32::total_cmp);
        far
    }

    /// How far nine in ten of the pairs within a set are from each other at most.
    fn width(&self, node: usize) -> f32 {
        let members = self.members(node).iter();
        let mut far: Vec<f32> = members.flat_map(|&picture| self.near_within(node, picture)).collect();
        far.sort_by(f32::total_cmp);
        far.get(far.len() * 9 / 10).copied().unwrap_or(1.0)
    }

    /// Whether the third and the middle neighbours of its pictures are much farther than the first.
    pub(crate) fn is_row(&self, node: usize) -> bool {
        /// Neighbours that a picture must have been compared with, and pictures of which that is so.
        const ENOUGH: usize = 3;
        let mut ratios = [Vec::new(), Vec::new()];
        for &picture in self.members(node) {
            let far = self.near_within(node, picture);
            if far.len() >= ENOUGH {
                let first = far[0].max(FLOOR);
                ratios[0].push(far[2] / first);
                ratios[1].push(far[far.len() / 2] / first);
            }
        }
        if ratios[0].len() < ENOUGH {
            return false;
        }
        let is_far = median(&mut ratios[0]) > THIRD || median(&mut ratios[1]) > MIDDLE;
        is_far && self.triangles(node).is_none_or(|longest| longest > LONGEST)
    }

    /// How many times as long as the next the longest side of the triangles in a set is, at the upper quartile; `None`
    /// of too few. What processing did to three copies adds up side by side; along a row two steps are more than twice
    /// one.
    fn triangles(&self, node: usize) -> Option<f32> {
        let mut ratios = Vec::new();
        let mut far: HashMap<usize, f32> = HashMap::new();
        for &a in self.members(node) {
            let later = |near: &&(f32, usize)| near.1 > a && self.contains(node, near.1);
            far.clear();
            far.extend(self.near[&a].iter().filter(later).map(|&(distance, other)| (other, distance)));
            for (&b, &ab) in &far {
                for &(bc, c) in self.near[&b].iter().filter(|near| near.1 > b) {
                    let Some(&ac) = far.get(&c) else { continue };
                    let mut sides = [ab, bc, ac];
                    sides.sort_by(f32::total_cmp);
                    ratios.push(sides[2] / sides[1].max(FLOOR));
                }
            }
        }
        ratios.sort_by(f32::total_cmp);
        (ratios.len() >= TRIANGLES).then(|| ratios[ratios.len() * 3 / 4])
    }

    /// Whether some height divides a set into several sets of copies, most of its pictures in them.
    pub(crate) fn falls_apart(&self, node: usize, rest: f32) -> bool {
        /// Heights that are tried besides those below a step.
        const TRIED: usize = 24;
        let PictureSet { height, size, .. } = self.nodes[node];
        let mut heights = self.heights(node);
        heights.sort_by(f32::total_cmp);
        let every = (heights.len() / TRIED).max(1);
        heights.windows(2).enumerate().any(|(i, pair)| {
            let step = pair[1] / pair[0].max(FLOOR);
            if step <= 1.0 || (i % every != 0 && step < STEP) {
                return false;
            }
            let parts = self.parts_below(node, pair[0]);
            let sizes = || parts.iter().map(|&part| self.nodes[part].size).filter(|&size| size > 1);
            let (count, sum, largest) = (sizes().count(), sizes().sum::<usize>(), sizes().max().unwrap_or(0));
            let share = |part: usize| part as f32 / size as f32;
            if count < 2 || share(sum) < COVERED || share(largest) > LARGEST {
                return false;
            }
            let few = count < SOME;
            let plain = few && (rest >= APART * height || sizes().any(|size| size < 3));
            let contrast = self.contrast(node, &parts);
            (step >= if plain { STEP_OF_FEW } else { STEP } && contrast >= CONTRAST)
                || (contrast >= CONTRAST_ALONE && !(few && rest >= APART * height))
        })
    }

    /// How many times as far as pictures of one of the `parts` of a set, those of different ones are from each other.
    fn contrast(&self, node: usize, parts: &[usize]) -> f32 {
        let PictureSet { from, size, .. } = self.nodes[node];
        let mut part_of = vec![0; size];
        let mut within = Vec::new();
        for (number, &part) in parts.iter().enumerate() {
            let PictureSet { from: first, size, .. } = self.nodes[part];
            part_of[first - from..first - from + size].fill(number);
            within.extend(self.heights(part));
        }
        let mut between = Vec::new();
        for &a in self.members(node) {
            let Some(near) = self.near.get(&a) else { continue };
            for &(distance, b) in near.iter().filter(|near| near.1 > a) {
                let Some(b) = self.place[&b].checked_sub(from).filter(|&b| b < size) else { continue };
                let same = part_of[self.place[&a] - from] == part_of[b];
                if same { &mut within } else { &mut between }.push(distance);
            }
        }
        if between.is_empty() { 0.0 } else { median(&mut between) / median(&mut within).max(FLOOR) }
    }
}

/// The upper one of two; 0 of none. What order the values are in then is chance.
pub(crate) fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::Alignment;

    /// A pair at a distance.
    fn pair(a: usize, b: usize, far: f32) -> Verified {
        Verified {
            a,
            b,
            middle: 0.9,
            fine: 0.0,
            unlike: [far; 2],
            told: true,
            clipped: false,
            alignment: Alignment::IDENTITY,
        }
    }

    /// Every pair of pictures of which `far` gives a distance.
    fn pairs(n: usize, far: impl Fn(usize, usize) -> Option<f32>) -> Vec<Verified> {
        let all = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
        all.filter_map(|(a, b)| far(a, b).map(|far| pair(a, b, far))).collect()
    }

    /// The sizes of the sources found, largest first.
    fn sizes(n: usize, verified: &[Verified]) -> Vec<usize> {
        let mut clusters = Clusters::new(n, verified.iter().map(|v| (v.a, v.b, v.fine)));
        let all: Vec<&Verified> = verified.iter().collect();
        join_sources(&mut clusters, &mut Heights::default(), [&all, &all], |_| false);
        let mut sizes: Vec<usize> =
            (0..n).filter(|&i| clusters.root(i) == i).map(|root| clusters.members(root).len()).collect();
        sizes.sort_unstable_by(|x, y| y.cmp(x));
        sizes
    }

    /// Something between 0.8 and 1.2 that depends on the pair.
    fn varied(a: usize, b: usize) -> f32 {
        0.8 + 0.4 * ((a * 7 + b * 13) % 11) as f32 / 10.0
    }

    #[test]
    fn copies_of_neighbouring_slices_are_told_apart_at_any_scale() {
        // Four slices with ten copies each; next slices are farther than copies, at three scales.
        for scale in [0.4, 1.0, 3.0] {
            let far = |a: usize, b: usize| {
                let steps = (a / 10).abs_diff(b / 10);
                let step = [0.01, 0.045, 0.1, 0.16][steps];
                Some(scale * step * varied(a, b))
            };
            assert_eq!(sizes(40, &pairs(40, far)), [10; 4], "{scale}");
        }
    }

    #[test]
    fn a_row_of_slices_is_no_source() {
        let far = |a: usize, b: usize| {
            let steps = a.abs_diff(b);
            (steps <= 4).then(|| (0.02 * (steps * steps) as f32 * varied(a, b)).min(0.6))
        };
        assert_eq!(sizes(30, &pairs(30, far)).len(), 30);
    }

    #[test]
    fn unlike_copies_of_one_picture_are_one_source() {
        // Each copy lost something of its own.
        let lost = |i: usize| 0.005 + 0.002 * (i % 20) as f32;
        let far =
            |a: usize, b: usize| Some(if a / 20 == b / 20 { lost(a) + lost(b) } else { 0.3 * varied(a, b) });
        assert_eq!(sizes(60, &pairs(60, far)), [20; 3]);
    }

    /// Slight changes differ by chance, many times over, and may look like several sets.
    #[test]
    fn slight_changes_far_from_all_else_are_one_source() {
        for (scale, found) in [(1.0, vec![8, 8]), (6.0, vec![4; 4])] {
            let slight =
                |a: usize, b: usize| scale * if a / 4 == b / 4 { 0.002 } else { 0.016 } * varied(a, b);
            let far = |a: usize, b: usize| Some(if a / 8 == b / 8 { slight(a, b) } else { 0.9 });
            assert_eq!(sizes(16, &pairs(16, far)), found, "{scale}");
        }
    }

    /// All that there is looks alike, and copies differ nearly as much as strangers do.
    #[test]
    fn strangers_that_all_look_alike_are_no_source() {
        let far = |a: usize, b: usize| match (a / 2 == b / 2, (a + b) % 5) {
            (true, _) => 0.06 * varied(a, b),
            (false, 0) => 0.09 * varied(a, b),
            (false, _) => 0.24 * varied(a, b),
        };
        let found = sizes(48, &pairs(48, |a, b| Some(far(a, b))));
        assert!(found[0] <= 2, "{found:?}");
        // The same spread, but of one piece: copies of which one in five pairs is near.
        let near = |a: usize, b: usize| Some(0.5 * far(a, b));
        assert_eq!(sizes(48, &pairs(48, near)), [48]);
    }

    #[test]
    fn a_pair_must_be_near_or_far_from_a_third() {
        assert_eq!(sizes(2, &[pair(0, 1, 0.015)]), [2]);
        assert_eq!(sizes(2, &[pair(0, 1, 0.1)]), [1, 1]);
        assert_eq!(sizes(3, &[pair(0, 1, 0.1), pair(1, 2, 0.3)]), [2, 1]);
        let all_near = [pair(0, 1, 0.1), pair(1, 2, 0.13), pair(2, 3, 0.18), pair(3, 4, 0.25)];
        assert_eq!(sizes(5, &all_near), [1; 5]);
    }

    #[test]
    fn a_pair_that_joins_nothing_may_be_a_rival() {
        let pairs = [pair(0, 1, 0.1)];
        for (rival, found) in [(0.15, 1), (0.3, 0)] {
            let rival = Verified { told: false, ..pair(1, 2, rival) };
            assert_eq!(rival.distance(), 1.0);
            let mut clusters = Clusters::new(3, std::iter::empty());
            let lists = [&[&pairs[0]][..], &[&pairs[0], &rival]];
            join_sources(&mut clusters, &mut Heights::default(), lists, |_| false);
            assert_eq!([1, 2].map(|i| clusters.root(i)), [found, 2]);
        }
    }

    #[test]
    fn what_was_joined_stays_so() {
        let verified = [pair(0, 1, 0.015), pair(2, 3, 0.015), pair(1, 2, 0.1)];
        let mut clusters = Clusters::new(4, verified.iter().map(|v| (v.a, v.b, v.fine)));
        let mut heights = Heights::default();
        let all: Vec<&Verified> = verified.iter().collect();
        for pairs in [&all[..2], &all[..]] {
            join_sources(&mut clusters, &mut heights, [pairs, &all], |_| false);
            assert_eq!([1, 3].map(|i| clusters.root(i)), [0, 2]);
        }
    }
}
