//! Trees of nearest pictures: pairs join pictures to sets and sets to larger ones, each at the height at which it was
//! joined.
//!
//! Single linkage (Sneath 1957) joins the sets whose nearest pictures are nearest to each other, average linkage (Sokal
//! and Michener 1958) those that are nearest on the mean of their compared pairs. The former needs few comparisons; of
//! the latter no single pair decides, so more comparisons make it surer.

use crate::Forest;
use crate::cluster::Clusters;
use crate::judge::Verified;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// Two pictures, and how far apart they are.
#[derive(Clone, Copy)]
pub(crate) struct Apart {
    pub a: usize,
    pub b: usize,
    pub far: f32,
}

/// As a rival is: of a pair that may join something it is the distance.
impl From<&Verified> for Apart {
    fn from(v: &Verified) -> Self {
        Self { a: v.a, b: v.b, far: v.rival_distance() }
    }
}

/// What sets of copies were made of: for each, by its root, the heights within it.
#[derive(Default)]
pub(crate) struct Heights(pub HashMap<usize, Vec<f32>>);

/// A set of pictures.
pub(crate) struct PictureSet {
    /// How far apart its parts are, and the nearest pair of them; none of a set that was there before.
    pub height: f32,
    pub joined: Option<(usize, [usize; 2])>,
    /// Of how many pairs the height is the mean.
    pub compared: usize,
    /// Where its pictures begin in [`LinkageTree::order`].
    pub from: usize,
    pub size: usize,
    /// Of a set that was there before: its root, and the heights within it.
    set: usize,
    inner: Vec<f32>,
}

pub(crate) struct LinkageTree {
    pub nodes: Vec<PictureSet>,
    pub roots: Vec<usize>,
    /// How many pictures there are, in the tree or not.
    pub pictures: usize,
    /// All pictures of the tree, those of a set side by side.
    order: Vec<usize>,
    /// Where each picture is in `order`.
    pub place: HashMap<usize, usize>,
    /// For each picture in the tree its pairs: distance, and the other picture.
    pub near: Distances,
    /// The same of other pairs, or other distances, that sets are to be judged by.
    pub all_near: Distances,
}

/// For each picture how far others are.
pub(crate) type Distances = HashMap<usize, Vec<(f32, usize)>>;

fn near(pairs: &[Apart]) -> Distances {
    let mut near = Distances::new();
    for &Apart { a, b, far } in pairs {
        near.entry(a).or_default().push((far, b));
        near.entry(b).or_default().push((far, a));
    }
    near
}

/// The pairs between two sets: the sum of their distances, their number, and which is the nearest.
#[derive(Clone, Copy)]
struct Between {
    sum: f32,
    compared: usize,
    nearest: usize,
}

impl Between {
    fn mean(&self) -> f32 {
        self.sum / self.compared as f32
    }
}

impl LinkageTree {
    /// By single linkage, of sets that are known.
    pub fn new(clusters: &Clusters, heights: &Heights, [pairs, all]: [&[Apart]; 2]) -> Self {
        let mut order: Vec<(f32, usize)> = pairs.iter().map(|v| v.far).zip(0..).collect();
        let ends = |i: usize| (pairs[i].a, pairs[i].b);
        order.sort_by(|x, y| x.0.total_cmp(&y.0).then(ends(x.1).cmp(&ends(y.1))));

        let mut nodes: Vec<PictureSet> = Vec::new();
        let mut leaves: HashMap<usize, usize> = HashMap::new();
        let mut forest = Forest::default();
        for (height, pair) in order {
            let ends = [pairs[pair].a, pairs[pair].b].map(|picture| {
                let set = clusters.root(picture);
                let node = *leaves.entry(set).or_insert_with(|| {
                    let inner = heights.0.get(&set).cloned().unwrap_or_default();
                    let height = inner.iter().copied().fold(0.0, f32::max);
                    let size = clusters.members(set).len();
                    nodes.push(PictureSet { height, joined: None, compared: 0, from: 0, size, set, inner });
                    forest.grow()
                });
                forest.root(node)
            });
            if ends[0] != ends[1] {
                join(&mut nodes, &mut forest, (height, 1), (pair, ends));
            }
        }
        Self::arranged(clusters, nodes, &forest, [near(pairs), near(all)])
    }

    /// By average linkage, of single pictures.
    pub fn average(pictures: usize, [pairs, all]: [&[Apart]; 2]) -> Self {
        let mut nodes: Vec<PictureSet> = (0..pictures)
            .map(|set| PictureSet {
                height: 0.0,
                joined: None,
                compared: 0,
                from: 0,
                size: 1,
                set,
                inner: vec![],
            })
            .collect();
        let mut forest = Forest::new(pictures);
        let mut between = vec![BTreeMap::<usize, Between>::new(); pictures];
        for (nearest, &Apart { a, b, far }) in pairs.iter().enumerate() {
            for (one, other) in [(a, b), (b, a)] {
                between[one].insert(other, Between { sum: far, compared: 1, nearest });
            }
        }
        // Distances are not negative, so their bits are in their order.
        let entry = |mean: f32, a: usize, b: usize| Reverse((mean.to_bits(), a, b));
        let mut queue: BinaryHeap<_> = pairs.iter().map(|v| entry(v.far, v.a, v.b)).collect();
        while let Some(Reverse((_, a, b))) = queue.pop() {
            // What is no longer known was joined to something else meanwhile.
            let Some(&joined) = between[a].get(&b) else { continue };
            let new =
                join(&mut nodes, &mut forest, (joined.mean(), joined.compared), (joined.nearest, [a, b]));
            let mut others = BTreeMap::<usize, Between>::new();
            for part in [a, b] {
                for (other, more) in std::mem::take(&mut between[part]) {
                    between[other].remove(&part);
                    if other == a || other == b {
                        continue;
                    }
                    let known = others.entry(other).or_insert(Between { sum: 0.0, compared: 0, ..more });
                    known.sum += more.sum;
                    known.compared += more.compared;
                    if pairs[more.nearest].far < pairs[known.nearest].far {
                        known.nearest = more.nearest;
                    }
                }
            }
            for (&other, known) in &others {
                between[other].insert(new, *known);
                queue.push(entry(known.mean(), other, new));
            }
            between.push(others);
        }
        let alone = Clusters::new(pictures, std::iter::empty());
        Self::arranged(&alone, nodes, &forest, [near(pairs), near(all)])
    }

    fn arranged(
        clusters: &Clusters,
        nodes: Vec<PictureSet>,
        forest: &Forest,
        [near, all_near]: [Distances; 2],
    ) -> Self {
        let roots = forest.roots().collect();
        let (pictures, order, place) = (clusters.pictures(), vec![], HashMap::new());
        let mut tree = Self { nodes, roots, pictures, order, place, near, all_near };
        tree.arrange(clusters);
        tree
    }

    /// Lays the pictures of every set side by side.
    fn arrange(&mut self, clusters: &Clusters) {
        let mut stack: Vec<usize> = self.roots.iter().rev().copied().collect();
        while let Some(node) = stack.pop() {
            self.nodes[node].from = self.order.len();
            match self.nodes[node].joined {
                Some((_, [a, b])) => stack.extend([b, a]),
                None => self.order.extend(clusters.members(self.nodes[node].set)),
            }
        }
        self.place = self.order.iter().copied().zip(0..).collect();
    }

    pub fn members(&self, node: usize) -> &[usize] {
        let PictureSet { from, size, .. } = self.nodes[node];
        &self.order[from..from + size]
    }

    /// All heights within a set.
    pub fn heights(&self, node: usize) -> Vec<f32> {
        let (mut all, mut stack) = (Vec::new(), vec![node]);
        while let Some(node) = stack.pop() {
            let PictureSet { height, joined, ref inner, .. } = self.nodes[node];
            match joined {
                Some((_, parts)) => {
                    all.push(height);
                    stack.extend(parts);
                }
                None => all.extend(inner),
            }
        }
        all
    }

    /// The parts of a set that are joined at `most`.
    pub fn parts_below(&self, node: usize, most: f32) -> Vec<usize> {
        let (mut parts, mut stack) = (Vec::new(), vec![node]);
        while let Some(node) = stack.pop() {
            match self.nodes[node].joined {
                Some((_, halves)) if self.nodes[node].height > most => stack.extend(halves),
                _ => parts.push(node),
            }
        }
        parts
    }
}

/// Adds the set of two parts, by its height, of how many pairs that is the mean, and the nearest pair; its number.
fn join(
    nodes: &mut Vec<PictureSet>,
    forest: &mut Forest,
    (height, compared): (f32, usize),
    (pair, parts): (usize, [usize; 2]),
) -> usize {
    let size = nodes[parts[0]].size + nodes[parts[1]].size;
    let joined = Some((pair, parts));
    nodes.push(PictureSet { height, joined, compared, from: 0, size, set: 0, inner: vec![] });
    let new = forest.grow();
    parts.iter().for_each(|&part| forest.hang(part, new));
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three near pictures and one that is near to one of them alone: single linkage takes it first, average linkage
    /// last.
    #[test]
    fn average_linkage_asks_all_pairs() {
        let pair = |(a, b, far)| Apart { a, b, far };
        let pairs =
            [(0, 1, 0.1), (0, 2, 0.2), (1, 2, 0.22), (0, 3, 0.15), (1, 3, 0.6), (2, 3, 0.7)].map(pair);
        let alone = Clusters::new(4, std::iter::empty());
        let parts = |tree: &LinkageTree| {
            let (_, parts) = tree.nodes[tree.roots[0]].joined.expect("a set");
            let mut parts = parts.map(|part| tree.members(part).to_vec());
            parts.iter_mut().for_each(|part| part.sort_unstable());
            parts.sort_unstable();
            parts
        };
        let single = LinkageTree::new(&alone, &Heights::default(), [&pairs, &[]]);
        assert_eq!(parts(&single), [vec![0, 1, 3], vec![2]]);
        let average = LinkageTree::average(4, [&pairs, &[]]);
        assert_eq!(parts(&average), [vec![0, 1, 2], vec![3]]);
        let top = &average.nodes[average.roots[0]];
        assert!((top.height - (0.15 + 0.6 + 0.7) / 3.0).abs() < 1e-6, "{}", top.height);
        assert_eq!((top.compared, top.size), (3, 4));
    }
}
