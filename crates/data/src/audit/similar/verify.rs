//! Whether two pictures are alike once one is laid on the other.

use super::align::Placement;
use super::picture::{Description, Picture, finest};

/// Below this correlation of the middle detail the finest is not looked at: pictures of different subjects reach it.
pub(super) const WORTHWHILE: f32 = 0.6;

/// From this coarse correlation on, an alignment is right and no other start is tried.
const FOUND: f32 = 0.8;

/// Two pictures, compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verified {
    pub a: usize,
    pub b: usize,
    /// Correlation of the middle detail.
    pub middle: f32,
    /// Correlation of the finest detail; 0 where the middle is already unlike.
    pub fine: f32,
    pub placement: Placement,
}

/// Compares pictures `a` and `b`, starting from the pairs of views `starts`.
pub(super) fn verify(
    (a, b): (usize, usize),
    [one, two]: [&Picture; 2],
    thumbnails: [&[u8]; 2],
    starts: &[(usize, usize)],
    description: &Description,
) -> Option<Verified> {
    let mut scratch = Vec::new();
    let mut best: Option<(f32, Placement)> = None;
    for &(view_a, view_b) in starts {
        if best.is_some_and(|(correlation, _)| correlation >= FOUND) {
            break;
        }
        let spectra = [description.spectrum(one, view_a), description.spectrum(two, view_b)];
        let turns = [false, true]
            .map(|mirrored| (description.coarse.turn(&spectra[0], &spectra[1], mirrored), mirrored));
        let top = turns[0].0.1.max(turns[1].0.1);
        for ((turn, fit), mirrored) in turns {
            if fit < 0.7 * top {
                continue;
            }
            let mut placement = Placement::from_views(&one.views[view_a], &two.views[view_b], turn, mirrored);
            for (level, steps) in [(2, 4), (1, 4)] {
                placement = placement.refine(&one.maps[level], &two.maps[level], steps, &mut scratch);
            }
            let (correlation, overlap) = placement.correlation(&one.maps[1], &two.maps[1], false);
            if overlap >= 0.2 && best.is_none_or(|(c, _)| correlation > c) {
                best = Some((correlation, placement));
            }
        }
    }
    let (coarse, placement) = best?;
    if coarse < 0.25 { None } else { finish((a, b), [one, two], thumbnails, placement) }
}

/// Compares pictures `a` and `b`, starting from a placement that other pictures suggest.
pub(super) fn verify_from(
    start: Placement,
    pair: (usize, usize),
    pictures: [&Picture; 2],
    thumbnails: [&[u8]; 2],
) -> Option<Verified> {
    let placement = start.refine(&pictures[0].maps[1], &pictures[1].maps[1], 3, &mut Vec::new());
    finish(pair, pictures, thumbnails, placement)
}

/// The last steps of an alignment, and how alike the pictures are then; `None` if they hardly overlap.
fn finish(
    (a, b): (usize, usize),
    [one, two]: [&Picture; 2],
    thumbnails: [&[u8]; 2],
    placement: Placement,
) -> Option<Verified> {
    let mut scratch = Vec::new();
    let placement = placement.refine(&one.maps[0], &two.maps[0], 4, &mut scratch);
    let (middle, overlap) = placement.correlation(&one.maps[0], &two.maps[0], true);
    if overlap < 0.2 {
        return None;
    }
    let mut verified = Verified { a, b, middle, fine: 0.0, placement };
    if middle >= WORTHWHILE {
        let maps = thumbnails.map(finest);
        verified.placement = placement.refine(&maps[0], &maps[1], 1, &mut scratch);
        verified.fine = verified.placement.correlation(&maps[0], &maps[1], true).0;
    }
    Some(verified)
}
