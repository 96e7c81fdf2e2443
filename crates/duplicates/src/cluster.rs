//! Clusters of pictures by average linkage over the pairs that were compared.
//!
//! Two clusters are as alike as their compared pairs are on average, so one false link does not chain two sources: it
//! is outvoted as soon as both have other members.
//!
//! Invariant: the order of merging, and so the result, depends on the comparisons only; ties go to the lower number.

use std::collections::BTreeMap;

/// The likenesses of the pairs between two clusters, greatest first.
#[derive(Clone, Default)]
struct Likenesses(Vec<f32>);

impl Likenesses {
    fn add(&mut self, likenesses: &[f32]) {
        self.0.extend(likenesses);
        self.0.sort_by(f32::total_cmp);
        self.0.reverse();
    }

    /// The mean of the upper two thirds: an alignment that went astray only ever lowers a likeness.
    fn mean(&self) -> f32 {
        let upper = &self.0[..(2 * self.0.len()).div_ceil(3)];
        upper.iter().sum::<f32>() / upper.len() as f32
    }
}

/// A third cluster is a sibling of a pair if it is unlike either by at most so many times what they are unlike each
/// other. Down a chain of slices likeness multiplies, so the next but one is nearly twice as unlike as the next.
const SIBLING: f32 = 1.5;

/// Pictures in clusters, each named by its least member.
#[derive(Clone)]
pub(crate) struct Clusters {
    root: Vec<usize>,
    members: Vec<Vec<usize>>,
    between: Vec<BTreeMap<usize, Likenesses>>,
}

/// How alike two clusters are, and each's next best partner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partnership {
    pub a: usize,
    pub b: usize,
    /// Mean likeness of the pairs between `a` and `b`.
    pub likeness: f32,
    /// For `a` and for `b`: the greatest mean likeness with a third cluster that is not about as alike to the other.
    pub next: [f32; 2],
    /// The same among the third clusters that are of one kind with it.
    pub next_of_kind: [f32; 2],
}

impl Clusters {
    /// `n` pictures, each alone, with the likeness of the pairs that were compared.
    pub fn new(n: usize, pairs: impl Iterator<Item = (usize, usize, f32)>) -> Self {
        let mut between = vec![BTreeMap::<usize, Likenesses>::new(); n];
        for (a, b, likeness) in pairs {
            for (one, other) in [(a, b), (b, a)] {
                between[one].entry(other).or_default().add(&[likeness]);
            }
        }
        Self { root: (0..n).collect(), members: (0..n).map(|i| vec![i]).collect(), between }
    }

    /// The number of pictures.
    pub fn pictures(&self) -> usize {
        self.root.len()
    }

    /// The least member of the cluster of `i`.
    pub fn root(&self, i: usize) -> usize {
        self.root[i]
    }

    /// The members of the cluster whose least is `root`.
    pub fn members(&self, root: usize) -> &[usize] {
        &self.members[root]
    }

    /// The clusters of two pictures, the lower one first.
    pub fn pair(&self, a: usize, b: usize) -> (usize, usize) {
        let (a, b) = (self.root(a), self.root(b));
        (a.min(b), a.max(b))
    }

    /// Joins the clusters of two pictures, if they are two.
    pub fn join(&mut self, a: usize, b: usize) {
        let (keep, gone) = self.pair(a, b);
        if keep == gone {
            return;
        }
        let moved = std::mem::take(&mut self.members[gone]);
        moved.iter().for_each(|&i| self.root[i] = keep);
        self.members[keep].extend(moved);
        self.between[keep].remove(&gone);
        for (other, more) in std::mem::take(&mut self.between[gone]) {
            if other == keep {
                continue;
            }
            self.between[other].remove(&gone);
            let known = self.between[keep].entry(other).or_default();
            known.add(&more.0);
            let known = known.clone();
            self.between[other].insert(keep, known);
        }
    }

    /// Joins what is joined in `other`.
    pub fn adopt(&mut self, other: &Self) {
        (0..self.root.len()).for_each(|i| self.join(other.root(i), i));
    }

    /// Joins the pairs of clusters that `accept` agrees to, most alike first, until it agrees to none; it is asked
    /// about pairs of which at least one is the other's best partner.
    pub fn merge_where(
        &mut self,
        of_kind: impl Fn(&Self, usize, usize) -> bool,
        accept: impl Fn(&Self, &Partnership) -> bool,
    ) {
        loop {
            let mut found: Vec<Partnership> =
                (0..self.root.len()).flat_map(|a| self.partnership(a, &of_kind)).collect();
            found.retain(|p| accept(self, p));
            found.sort_by(|x, y| y.likeness.total_cmp(&x.likeness).then((x.a, x.b).cmp(&(y.a, y.b))));
            if found.is_empty() {
                return;
            }
            let mut busy = std::collections::BTreeSet::new();
            for p in found {
                // What a cluster's partners are has changed once it joined: ask again in the next round.
                if !busy.contains(&p.a) && !busy.contains(&p.b) {
                    busy.extend([p.a, p.b]);
                    self.join(p.a, p.b);
                }
            }
        }
    }

    /// The cluster `a` and its best partner.
    fn partnership(&self, a: usize, of_kind: &impl Fn(&Self, usize, usize) -> bool) -> Option<Partnership> {
        let means = |one: usize| self.between[one].iter().map(|(&other, between)| (other, between.mean()));
        let (b, likeness) = means(a).max_by(|x, y| x.1.total_cmp(&y.1).then(y.0.cmp(&x.0)))?;
        // A third that is nearly as alike to the other belongs to the pair, as copies of one picture do.
        let sibling = |third: usize, other: usize| {
            let known = self.between[other].get(&third);
            known.is_some_and(|between| 1.0 - between.mean() <= SIBLING * (1.0 - likeness))
        };
        let greatest = |one: usize, other: usize, wanted: &dyn Fn(usize) -> bool| {
            let thirds =
                means(one).filter(|&(third, _)| third != other && wanted(third) && !sibling(third, other));
            thirds.map(|(_, likeness)| likeness).fold(0.0, f32::max)
        };
        let ends = [(a, b), (b, a)];
        let next = ends.map(|(one, other)| greatest(one, other, &|_| true));
        let next_of_kind = ends.map(|(one, other)| greatest(one, other, &|third| of_kind(self, one, third)));
        Some(Partnership { a, b, likeness, next, next_of_kind })
    }
}
