//! Whether two pictures are alike once one is laid on the other.

use super::align::{Agreement, Flip, Placement};
use super::picture::{Description, Maps, Picture};

/// Below this correlation of the middle detail the finest is not looked at: pictures of different subjects reach it.
pub(super) const WORTHWHILE: f32 = 0.6;

/// From this coarse correlation on, an alignment is right and no other start is tried.
const FOUND: f32 = 0.8;

/// Two pictures, compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verified {
    pub a: usize,
    pub b: usize,
    /// Correlation of the middle detail, overall or over the middling block, whichever is less.
    pub middle: f32,
    /// Correlation of the finest detail; 0 where the middle is already unlike.
    pub fine: f32,
    pub placement: Placement,
}

/// Compares pictures `a` and `b`, starting from the pairs of views `starts`.
pub(super) fn verify(
    (a, b): (usize, usize),
    [one, two]: [&Picture; 2],
    maps: [Maps; 2],
    starts: impl Iterator<Item = (usize, usize)>,
    description: &Description,
) -> Option<Verified> {
    let mut scratch = Vec::new();
    let mut best: Option<(f32, Placement)> = None;
    for (view_a, view_b) in starts {
        if best.is_some_and(|(correlation, _)| correlation >= FOUND) {
            break;
        }
        let (view_a, view_b) = (&one.views[view_a], &two.views[view_b]);
        let [spectrum_a, spectrum_b] = [(&maps[0], view_a), (&maps[1], view_b)]
            .map(|(maps, view)| maps.spectrum(&description.coarse, view));
        let turns = Flip::ALL.map(|flip| (description.coarse.turn(&spectrum_a, &spectrum_b, flip), flip));
        let top = turns.iter().map(|turn| turn.0.1).fold(0.0, f32::max);
        for ((turn, fit), flip) in turns {
            if fit < 0.7 * top {
                continue;
            }
            let mut placement = Placement::from_views(view_a, view_b, turn, flip);
            for (level, steps) in [(3, 4), (2, 4)] {
                placement = placement.refine(maps[0].level(level), maps[1].level(level), steps, &mut scratch);
            }
            let Agreement { correlation, overlap, .. } =
                placement.agreement(maps[0].level(2), maps[1].level(2), false);
            if overlap >= 0.2 && best.is_none_or(|(c, _)| correlation > c) {
                best = Some((correlation, placement));
            }
        }
    }
    let (coarse, placement) = best?;
    if coarse < 0.25 { None } else { finish((a, b), maps, placement) }
}

/// Compares pictures `a` and `b`, starting from a placement that other pictures suggest.
pub(super) fn verify_from(start: Placement, pair: (usize, usize), maps: [Maps; 2]) -> Option<Verified> {
    let placement = start.refine(maps[0].level(2), maps[1].level(2), 3, &mut Vec::new());
    finish(pair, maps, placement)
}

/// The last steps of an alignment, and how alike the pictures are then; `None` if they hardly overlap.
fn finish((a, b): (usize, usize), maps: [Maps; 2], placement: Placement) -> Option<Verified> {
    let mut scratch = Vec::new();
    let [half, full] = [1, 0].map(|level| (maps[0].level(level), maps[1].level(level)));
    let placement = placement.refine(half.0, half.1, 4, &mut scratch);
    let Agreement { correlation, median, overlap } = placement.agreement(half.0, half.1, true);
    if overlap < 0.2 {
        return None;
    }
    let middle = correlation.min(median);
    let mut verified = Verified { a, b, middle, fine: 0.0, placement };
    if middle >= WORTHWHILE {
        verified.placement = placement.refine(full.0, full.1, 1, &mut scratch);
        verified.fine = verified.placement.agreement(full.0, full.1, true).correlation;
    }
    Some(verified)
}
