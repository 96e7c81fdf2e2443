//! The tree of nearest pictures.
//!
//! Single linkage (Sneath 1957): pairs, most alike first, join pictures to sets and sets to larger ones, each at the height
//! at which it was joined.

use crate::Forest;
use crate::cluster::Clusters;
use crate::verify::Verified;
use std::collections::HashMap;

/// What sets of copies were made of: for each, by its root, the heights within it.
#[derive(Default)]
pub(crate) struct Heights(pub HashMap<usize, Vec<f32>>);

/// A set of pictures.
pub(crate) struct PictureSet {
    /// How far apart its parts are, and the pair that joined them; none of a set that was there before.
    pub height: f32,
    pub joined: Option<(usize, [usize; 2])>,
    /// Where its pictures begin in [`LinkageTree::order`].
    pub from: usize,
    pub size: usize,
    /// Of a set that was there before: its root, and the heights within it.
    set: usize,
    inner: Vec<f32>,
}

pub(crate) struct LinkageTree<'a> {
    pub pairs: &'a [&'a Verified],
    pub nodes: Vec<PictureSet>,
    pub roots: Vec<usize>,
    /// All pictures, those of a set side by side.
    order: Vec<usize>,
    /// Where each picture is in `order`.
    pub place: HashMap<usize, usize>,
    /// For each picture in the tree its pairs: distance, and the other picture.
    pub near: Distances,
    /// The same of all pairs there are.
    pub all_near: Distances,
}

/// For each picture how far others are.
pub(crate) type Distances = HashMap<usize, Vec<(f32, usize)>>;

fn near(pairs: &[&Verified]) -> Distances {
    let mut near = Distances::new();
    for v in pairs {
        near.entry(v.a).or_default().push((v.distance(), v.b));
        near.entry(v.b).or_default().push((v.distance(), v.a));
    }
    near
}

impl<'a> LinkageTree<'a> {
    pub fn new(clusters: &Clusters, heights: &Heights, [pairs, all]: [&'a [&'a Verified]; 2]) -> Self {
        let mut order: Vec<(f32, usize)> = pairs.iter().map(|v| v.distance()).zip(0..).collect();
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
                    nodes.push(PictureSet { height, joined: None, from: 0, size, set, inner });
                    forest.grow()
                });
                forest.root(node)
            });
            if ends[0] != ends[1] {
                let size = nodes[ends[0]].size + nodes[ends[1]].size;
                nodes.push(PictureSet {
                    height,
                    joined: Some((pair, ends)),
                    from: 0,
                    size,
                    set: 0,
                    inner: vec![],
                });
                let new = forest.grow();
                ends.iter().for_each(|&end| forest.hang(end, new));
            }
        }
        let roots = forest.roots().collect();
        let mut tree = Self {
            pairs,
            nodes,
            roots,
            order: vec![],
            place: HashMap::new(),
            near: near(pairs),
            all_near: near(all),
        };
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
