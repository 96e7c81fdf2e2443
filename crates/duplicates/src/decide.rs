//! From comparisons of pairs to sources and series.
//!
//! A pair that no two pictures of any series reach is of copies, and one that only clipping explains. All else depends on
//! the data: copies saved as bad JPEG differ more than neighbouring slices of a smooth volume. So sources are read off
//! the tree of nearest pictures ([`crate::sources`]), first among pictures that were processed alike. A copy that was
//! processed otherwise, sharpened say, may be farther from its original than the next slice is; it joins where it stands
//! out from its rivals.

use crate::cluster::{Clusters, Partnership};
use crate::judge::Verified;
use crate::sources::{join_sources, median};
use crate::tree::Heights;
use crate::weak::join_weak;
use std::collections::BTreeMap;

/// Not above this, in either band, a pair is of copies: neighbouring slices of fine volumes stay above it.
const SURE: [f32; 2] = [0.025, 0.016];
/// How many times as unlike as coarser detail the finest may be in a copy that has kept it.
const KEPT: f32 = 3.2;
/// Or where the finest detail, grain and all, agrees so well.
const SURE_FINE: f32 = 0.86;
const SURE_WITH_GRAIN: [f32; 2] = [0.03, 0.015];
/// What different pictures of a set without look-alikes may reach.
const STRANGERS: [f32; 2] = [0.4, 0.15];

/// The least mean correlation of the finest detail of pictures that were processed differently.
const LIKELY: f32 = 0.5;
/// By how much the next partner must be more unlike (`1 - likeness`) than the best.
const MARGIN: f32 = 1.2;
/// The least of pictures processed alike, and the margin that they need on both sides to others processed as they are:
/// those of their own source that were processed differently may well come next.
const POSSIBLE: f32 = 0.7;
const WIDE_MARGIN: f32 = 1.7;
/// Of larger clusters processed alike what holds them is certain, and says whether they are two sources.
const FEW: usize = 2;
/// From this difference of roughness on, two pictures were processed differently: half as much fine detail again.
const PROCESSED: f32 = 0.4;
/// The least correlation of the middle detail of a copy that kept none of the finest, and the margin it then needs.
const COARSE_COPY: f32 = 0.75;
const COARSE_MARGIN: f32 = 2.5;
/// The least correlation of the middle detail within a series.
const RELATED: f32 = 0.7;
/// How unlike the finer detail within a series may be: smooth strangers, two shafts of bone, agree in the middle alone.
const UNRELATED: f32 = 0.3;

/// How many times as unlike the finest detail is as coarser detail.
fn loss(v: &Verified) -> f32 {
    (1.0 - v.fine) / (v.unlike[0] * v.unlike[1]).sqrt().max(1e-3)
}

/// Whether a pair alone proves that both are copies of one picture.
pub(crate) fn is_sure(v: &Verified) -> bool {
    let within = |most: [f32; 2]| v.unlike[0] <= most[0] && v.unlike[1] <= most[1];
    let grain = v.fine >= SURE_FINE && (within(SURE_WITH_GRAIN) || loss(v) <= KEPT);
    v.told && (within(SURE) || grain)
}

/// The copies that are beyond doubt.
pub(crate) fn sure_copies(n: usize, verified: &[Verified]) -> Clusters {
    let mut clusters = Clusters::new(n, verified.iter().map(|v| (v.a, v.b, v.fine)));
    for v in verified.iter().filter(|v| is_sure(v) || v.clipped) {
        clusters.join(v.a, v.b);
    }
    clusters
}

/// What is known of each picture besides its comparisons.
#[derive(Clone, Copy)]
pub(crate) struct Traits<'a> {
    /// See `Descriptors::roughness`.
    pub roughness: &'a [f32],
    /// Whether several images have exactly its pixels.
    pub repeated: &'a [bool],
}

impl Traits<'_> {
    /// Whether a cluster is a picture of which nothing else is known.
    fn alone(&self, clusters: &Clusters, root: usize) -> bool {
        clusters.members(root).len() == 1 && !self.repeated[root]
    }
}

/// Sources as the tree found them, each of pictures that were processed alike. A picture and its sharpened copies are
/// two; what is joined from them must not have two that were processed alike, which would be neighbouring slices.
struct SourceLayers {
    /// For each picture the layer it is in.
    of: Vec<usize>,
    /// The mean roughness of each layer.
    roughness: Vec<f32>,
}

impl SourceLayers {
    fn new(clusters: &Clusters, roughness: &[f32]) -> Self {
        let of: Vec<usize> = (0..roughness.len()).map(|i| clusters.root(i)).collect();
        let mean =
            |members: &[usize]| members.iter().map(|&i| roughness[i]).sum::<f32>() / members.len() as f32;
        let roughness = of.iter().map(|&root| mean(clusters.members(root))).collect();
        Self { of, roughness }
    }

    /// Whether two clusters have layers that were processed alike.
    fn are_alike(&self, clusters: &Clusters, a: usize, b: usize) -> bool {
        let layers = |root: usize| {
            let mut layers: Vec<usize> = clusters.members(root).iter().map(|&i| self.of[i]).collect();
            layers.sort_unstable();
            layers.dedup();
            layers
        };
        let (a, b) = (layers(a), layers(b));
        let alike = |x: usize, y: usize| (self.roughness[x] - self.roughness[y]).abs() < PROCESSED;
        a.iter().any(|&x| b.iter().any(|&y| alike(x, y)))
    }
}

/// All copies.
pub(crate) fn copies(verified: &[Verified], known: Traits) -> Clusters {
    let n = known.roughness.len();
    let mut fine = Clusters::new(n, verified.iter().map(|v| (v.a, v.b, v.fine)));
    // First what was processed alike, so that a copy that was not stands for itself.
    let alike = |v: &&Verified| (known.roughness[v.a] - known.roughness[v.b]).abs() < PROCESSED;
    let finer: Vec<&Verified> = verified.iter().filter(|v| v.unlike[0] < 1.0).collect();
    let told: Vec<&Verified> = finer.iter().copied().filter(|v| v.told).collect();
    let mut heights = Heights::default();
    let of_one_kind: Vec<&Verified> = told.iter().copied().filter(alike).collect();
    for pairs in [&of_one_kind, &told] {
        join_sources(&mut fine, &mut heights, [pairs, &finer], is_sure);
    }
    // Their distance says nothing, so the tree may have put something else between them.
    verified.iter().filter(|v| v.clipped).for_each(|v| fine.join(v.a, v.b));
    join_weak(&mut fine, [&told, &finer]);
    let layers = SourceLayers::new(&fine, known.roughness);
    let of_kind = |clusters: &Clusters, a: usize, b: usize| layers.are_alike(clusters, a, b);
    let alone = |clusters: &Clusters, root: usize| known.alone(clusters, root);
    fine.merge_where(of_kind, |clusters, p| {
        let both = [p.a, p.b].iter().all(|&root| !alone(clusters, root));
        // Two sets without any rival may be two views of one patient.
        let rivals = !both || p.next.iter().any(|&next| next > 0.0);
        if of_kind(clusters, p.a, p.b) {
            let few = [p.a, p.b].iter().any(|&root| clusters.members(root).len() <= FEW);
            let neither = [p.a, p.b].iter().all(|&root| alone(clusters, root));
            (neither || (few && rivals))
                && p.likeness >= POSSIBLE
                && p.next_of_kind.iter().all(|&next| stands_out(p, next, WIDE_MARGIN))
        } else {
            rivals && p.likeness >= LIKELY && p.next.iter().any(|&next| stands_out(p, next, MARGIN))
        }
    });

    let mut middle = Clusters::new(n, verified.iter().map(|v| (v.a, v.b, v.middle)));
    middle.adopt(&fine);
    middle.merge_where(of_kind, |clusters, p| {
        let some = [p.a, p.b].iter().any(|&root| alone(clusters, root));
        some && p.likeness >= COARSE_COPY && p.next.iter().all(|&next| stands_out(p, next, COARSE_MARGIN))
    });
    middle
}

/// Whether nothing else comes near the pair.
fn stands_out(pair: &Partnership, next: f32, margin: f32) -> bool {
    1.0 - next >= margin * (1.0 - pair.likeness)
}

/// How far two sources are from each other at most that are of one series, or perhaps one: half of what is usual. In a
/// set of one subject, taken in one way, strangers are alike too.
pub(crate) fn nearness(copies: &Clusters, verified: &[Verified]) -> f32 {
    /// Others that a source must have been compared with, and sources of which that is so, for the usual to be known.
    const ENOUGH: usize = 4;
    let mut between: BTreeMap<(usize, usize), f32> = BTreeMap::new();
    for v in verified {
        let (a, b) = copies.pair(v.a, v.b);
        if a != b {
            let known = between.entry((a, b)).or_insert(1.0);
            *known = known.min(v.distance());
        }
    }
    let mut of: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
    for ((a, b), far) in between {
        of.entry(a).or_default().push(far);
        of.entry(b).or_default().push(far);
    }
    let mut usual: Vec<f32> =
        of.into_values().filter(|far| far.len() >= ENOUGH).map(|mut far| median(&mut far)).collect();
    0.5 * if usual.len() < ENOUGH { 1.0 } else { median(&mut usual) }
}

/// Joins `copies` that may be one picture: as near as `nearness` says, and compared too few times to know; or processed
/// differently, of which a set may have one nearest.
pub(crate) fn perhaps(mut copies: Clusters, nearness: f32, verified: &[Verified], known: Traits) -> Clusters {
    /// Comparisons of two sets after which the best of them tells.
    const ENOUGH: usize = 4;
    struct Comparisons {
        compared: usize,
        nearest: f32,
        alike: bool,
    }
    let mut between: BTreeMap<(usize, usize), Comparisons> = BTreeMap::new();
    for v in verified {
        let (a, b) = copies.pair(v.a, v.b);
        if a != b {
            let unknown = Comparisons { compared: 0, nearest: 1.0, alike: false };
            let known = between.entry((a, b)).or_insert(unknown);
            known.compared += 1;
            known.nearest = known.nearest.min(v.distance());
            known.alike |= v.distance() <= nearness && (0..2).all(|band| v.unlike[band] <= STRANGERS[band]);
        }
    }
    between.retain(|_, between| between.alike);
    let layers = SourceLayers::new(&copies, known.roughness);
    let alone = |root: usize| copies.members(root).len() == 1;
    let mut doubtful = Vec::new();
    let mut nearest: BTreeMap<usize, (f32, usize)> = BTreeMap::new();
    for (&(a, b), known) in &between {
        if known.compared < ENOUGH || alone(a) || alone(b) {
            doubtful.push((a, b));
        } else if !layers.are_alike(&copies, a, b) {
            for (one, other) in [(a, b), (b, a)] {
                let best = nearest.entry(one).or_insert((known.nearest, other));
                if known.nearest < best.0 {
                    *best = (known.nearest, other);
                }
            }
        }
    }
    doubtful.extend(nearest.into_iter().map(|(one, (_, other))| (one, other)));
    doubtful.into_iter().for_each(|(a, b)| copies.join(a, b));
    copies
}

/// Joins what is `perhaps` one source and what seems to come from one series.
pub(crate) fn series(mut perhaps: Clusters, nearness: f32, verified: &[Verified]) -> Clusters {
    let related = |v: &&Verified| v.middle >= RELATED && v.unlike[1] <= UNRELATED && v.distance() <= nearness;
    for v in verified.iter().filter(related) {
        perhaps.join(v.a, v.b);
    }
    perhaps
}
