//! Whether two pictures are alike once one is laid on the other.

use crate::agreement::Agreement;
use crate::alignment::Alignment;
use crate::consensus::consensus;
use crate::describe::{Describer, Descriptors};
use crate::flip::Flip;
use crate::judge::{Verified, WORTHWHILE, judge};
use crate::laid::{Laid, OVERLAP, blocks, is_astray, middle};
use crate::maps::Maps;
use crate::sorted::descending;
use crate::twin::twin;

/// The coarsest maps of copies agree at least so well after their first alignment.
const PROMISING: f32 = 0.3;

/// A start on which they agree by so much less than on another leads nowhere.
const BEHIND: f32 = 0.15;

/// Steps of an alignment at most at an eighth, a quarter and a half of the size: it ends by itself where it fits, and a
/// cut-out's start may be far off.
const STEPS: [usize; 3] = [8, 12, 8];

/// From this coarse correlation on, an alignment is right and no other start is tried.
const FOUND: f32 = 0.8;

/// From this correlation of the middle detail on, an alignment is right.
const ALIKE: f32 = 0.8;

/// Below this correlation of the middle detail the other hand may fit better.
const SURELY: f32 = 0.95;

/// Below this correlation of the coarse maps pictures have nothing in common.
const LEAST: f32 = 0.25;

/// Compares pictures `a` and `b`, starting from the pairs of discs `starts`.
pub(crate) fn verify(
    pair: (usize, usize),
    [one, two]: [&Descriptors; 2],
    maps: [Maps; 2],
    starts: impl Iterator<Item = (usize, usize)>,
    describer: &Describer,
) -> Option<Verified> {
    let mut scratch = Vec::new();
    let best = from_discs([one, two], &maps, starts, describer, &mut scratch);
    let found = best.and_then(|start| closer(start, &maps));
    let middle = found.map_or(0.0, |found| found.middle);
    // A smooth outline may agree as it should not, so what is finer has the last word.
    let start = if middle < ALIKE { consensus(one, two) } else { None };
    let again = start.and_then(|(_, start)| settle(either_sign(start, &maps), &mut 0.0, &maps, &mut scratch));
    let promises = |again: &(f32, Alignment)| middle < WORTHWHILE || best.is_none_or(|best| again.0 > best.0);
    let again = again.filter(promises).and_then(|again| closer(again, &maps));
    let laid = again.filter(|again| again.middle > middle).or(found)?;
    let may_be_mirrored = (WORTHWHILE..SURELY).contains(&laid.middle);
    let other = if may_be_mirrored { twin(&laid.alignment, &maps, &describer.coarse) } else { None };
    let other = other.and_then(|start| closer(settle(start, &mut 0.0, &maps, &mut scratch)?, &maps));
    let laid = other.filter(|other| other.middle > laid.middle).unwrap_or(laid);
    Some(judge(pair, &maps, laid, [one, two].map(|picture| picture.roughness)))
}

/// How well the coarse maps agree at best from pairs of discs on, and where it leads; `None` if nowhere.
fn from_discs(
    [one, two]: [&Descriptors; 2],
    maps: &[Maps; 2],
    starts: impl Iterator<Item = (usize, usize)>,
    describer: &Describer,
    scratch: &mut Vec<f32>,
) -> Option<(f32, Alignment)> {
    let is_found = |best: Option<(f32, Alignment)>| best.is_some_and(|(correlation, _)| correlation >= FOUND);
    let mut best: Option<(f32, Alignment)> = None;
    let mut coarsest = 0.0;
    for (disc_a, disc_b) in starts {
        if is_found(best) {
            break;
        }
        let (disc_a, disc_b) = (&one.discs[disc_a], &two.discs[disc_b]);
        let [spectrum_a, spectrum_b] = [(&maps[0], disc_a), (&maps[1], disc_b)]
            .map(|(maps, disc)| maps.spectrum(&describer.coarse, disc));
        let turns = Flip::ALL.map(|flip| (describer.coarse.turn(&spectrum_a, &spectrum_b, flip), flip));
        let order = descending(turns.iter().map(|&((_, fit), _)| fit));
        let top = turns[order[0]].0.1;
        for ((turn, fit), flip) in order.into_iter().map(|i| turns[i]) {
            if fit < 0.7 * top || is_found(best) {
                break;
            }
            let found =
                settle(Alignment::from_discs(disc_a, disc_b, turn, flip), &mut coarsest, maps, scratch);
            best = match (best, found) {
                (Some(best), Some(found)) if found.0 <= best.0 => Some(best),
                (best, found) => found.or(best),
            };
        }
    }
    best
}

/// How well the coarse maps agree from a start on, and where it leads; `None` if nowhere. `top` is how well the coarsest
/// maps agreed from other starts at best, and then with this one.
fn settle(
    start: Alignment,
    top: &mut f32,
    maps: &[Maps; 2],
    scratch: &mut Vec<f32>,
) -> Option<(f32, Alignment)> {
    let [eighth, quarter] = [3, 2].map(|level| [0, 1].map(|i| maps[i].level(level)));
    let alignment = start.refine(eighth[0], eighth[1], STEPS[0], true, scratch);
    let coarsest = alignment.agreement(eighth[0], eighth[1], false).correlation;
    *top = top.max(coarsest);
    if coarsest < PROMISING.max(*top - BEHIND) {
        return None;
    }
    let alignment = alignment.refine(quarter[0], quarter[1], STEPS[1], false, scratch);
    let Agreement { correlation, overlap, .. } = alignment.agreement(quarter[0], quarter[1], false);
    (overlap >= OVERLAP).then_some((correlation, alignment))
}

/// An alignment of which it is not known whether one picture is the negative of the other.
fn either_sign(start: Alignment, maps: &[Maps; 2]) -> Alignment {
    let coarse = start.agreement(maps[0].level(3), maps[1].level(3), false);
    start.with_sign(coarse.correlation < 0.0)
}

/// Compares pictures `a` and `b` of these roughnesses, starting from an alignment on which their blobs agree.
pub(crate) fn verify_agreed(
    start: Alignment,
    pair: (usize, usize),
    maps: [Maps; 2],
    roughness: [f32; 2],
) -> Option<Verified> {
    let settled = settle(either_sign(start, &maps), &mut 0.0, &maps, &mut Vec::new())?;
    Some(judge(pair, &maps, closer(settled, &maps)?, roughness))
}

/// Compares pictures `a` and `b` of these roughnesses, starting from an alignment that other pictures suggest.
pub(crate) fn verify_from(
    start: Alignment,
    pair: (usize, usize),
    maps: [Maps; 2],
    roughness: [f32; 2],
) -> Option<Verified> {
    let alignment = start.refine(maps[0].level(2), maps[1].level(2), 3, false, &mut Vec::new());
    Some(judge(pair, &maps, finish(alignment, &maps)?, roughness))
}

/// The last steps of an alignment under which the coarse maps correlate so well, if that is enough.
fn closer((coarse, alignment): (f32, Alignment), maps: &[Maps; 2]) -> Option<Laid> {
    if coarse < LEAST { None } else { finish(alignment, maps) }
}

/// The last steps of an alignment; `None` if it went astray or the pictures hardly overlap.
fn finish(alignment: Alignment, [one, two]: &[Maps; 2]) -> Option<Laid> {
    let alignment = alignment.refine(one.level(1), two.level(1), STEPS[2], false, &mut Vec::new());
    let middle = middle(alignment, one.level(1), two.level(1), blocks(&alignment));
    let middle = middle.filter(|_| !is_astray(&alignment))?;
    Some(Laid { alignment, middle })
}
