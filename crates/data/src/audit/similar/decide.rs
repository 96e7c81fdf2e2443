//! From comparisons of pairs to sources and series.
//!
//! A copy that was blurred, re-encoded or sharpened hard keeps less of its finest detail than a neighbouring slice may
//! share, so no single threshold tells them apart; who else is alike does. A degraded copy has one original, and nothing
//! else comes near it; a slice of a volume has a neighbour on either side, about equally alike. So clusters that are not
//! surely copies join only where they stand out from all other partners.

use super::cluster::{Clusters, Partnership};
use super::verify::Verified;

/// From this mean correlation of the finest detail on, clusters are copies of one picture.
const SURE: f32 = 0.82;
/// The least mean correlation of the finest detail of pictures that were processed differently.
const LIKELY: f32 = 0.6;
/// By how much the next partner must be more unlike (`1 - likeness`) than the best.
const MARGIN: f32 = 1.2;
/// The least of pictures processed alike, and the margin that they need on both sides to others processed as they are:
/// those of their own source that were processed differently may well come next.
const POSSIBLE: f32 = 0.7;
const WIDE_MARGIN: f32 = 1.7;
/// Of larger clusters processed alike the mean is certain, and less than [`SURE`] means two sources.
const FEW: usize = 2;
/// From this difference of roughness on, two pictures were processed differently: half as much fine detail again.
const PROCESSED: f32 = 0.4;
/// The least correlation of the middle detail of a copy that kept none of the finest, and the margin it then needs.
const COARSE_COPY: f32 = 0.75;
const COARSE_MARGIN: f32 = 2.5;
/// The least correlation of the middle detail within a series.
const RELATED: f32 = 0.7;

/// The copies that are beyond doubt.
pub(super) fn sure_copies(n: usize, verified: &[Verified]) -> Clusters {
    let mut clusters = Clusters::new(n, verified.iter().map(|v| (v.a, v.b, v.fine)));
    clusters.merge_down_to(SURE);
    clusters
}

/// All copies. `roughness` is that of each picture.
pub(super) fn copies(verified: &[Verified], roughness: &[f32]) -> Clusters {
    let n = roughness.len();
    // Whether two clusters were processed alike.
    let of_kind = |clusters: &Clusters, a: usize, b: usize| {
        let [a, b] = [a, b].map(|root| {
            let members = clusters.members(root);
            members.iter().map(|&i| roughness[i]).sum::<f32>() / members.len() as f32
        });
        (a - b).abs() < PROCESSED
    };
    let mut fine = sure_copies(n, verified);
    fine.merge_where(of_kind, |clusters, p| {
        if of_kind(clusters, p.a, p.b) {
            let few = [p.a, p.b].iter().any(|&root| clusters.members(root).len() <= FEW);
            few && p.likeness >= POSSIBLE
                && p.next_of_kind.iter().all(|&next| stands_out(p, next, WIDE_MARGIN))
        } else {
            p.likeness >= LIKELY && p.next.iter().any(|&next| stands_out(p, next, MARGIN))
        }
    });

    let mut middle = Clusters::new(n, verified.iter().map(|v| (v.a, v.b, v.middle)));
    middle.adopt(&fine);
    middle.merge_where(of_kind, |_, p| {
        p.likeness >= COARSE_COPY && p.next.iter().all(|&next| stands_out(p, next, COARSE_MARGIN))
    });
    middle
}

/// Whether nothing else comes near the pair.
fn stands_out(pair: &Partnership, next: f32, margin: f32) -> bool {
    1.0 - next >= margin * (1.0 - pair.likeness)
}

/// Joins `copies` that seem to come from one series.
pub(super) fn series(mut copies: Clusters, verified: &[Verified]) -> Clusters {
    for v in verified.iter().filter(|v| v.middle >= RELATED) {
        let (a, b) = (copies.root(v.a), copies.root(v.b));
        if a != b {
            copies.join(a, b);
        }
    }
    copies
}
