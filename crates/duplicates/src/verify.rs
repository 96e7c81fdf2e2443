//! Whether two pictures are alike once one is laid on the other.

use crate::agreement::Agreement;
use crate::alignment::Alignment;
use crate::bend::Bent;
use crate::consensus::consensus;
use crate::describe::{Describer, Descriptors};
use crate::detail::Map;
use crate::flip::Flip;
use crate::maps::Maps;
use std::ops::Range;

/// Below this correlation of the middle detail the finest is not looked at: pictures of different subjects reach it.
pub(crate) const WORTHWHILE: f32 = 0.5;

/// Blocks with detail that a judgement needs.
const BLOCKS: usize = 8;
/// What pictures with fewer such blocks agree at most: less than makes a series.
const UNCERTAIN: f32 = 0.65;

/// The coarsest maps of copies agree at least so well after their first alignment.
const PROMISING: f32 = 0.3;

/// Scales and stretches beyond this are an alignment that went astray.
const FAR: f32 = 2.5;

/// Steps of an alignment at most at an eighth, a quarter and a half of the size: it ends by itself where it fits, and a
/// cut-out's start may be far off.
const STEPS: [usize; 3] = [8, 12, 8];

/// From this coarse correlation on, an alignment is right and no other start is tried.
const FOUND: f32 = 0.8;

/// From this correlation of the middle detail on, an alignment is right.
const ALIKE: f32 = 0.8;

/// Pictures whose middle detail correlates so may be one thing seen at two angles; they are, if it then correlates by
/// [`UNBENT`] more.
const BENT: Range<f32> = 0.3..0.95;
const UNBENT: f32 = 0.03;

/// Below this correlation of the coarse maps pictures have nothing in common.
const LEAST: f32 = 0.25;

/// Two pictures, compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verified {
    pub a: usize,
    pub b: usize,
    /// Correlation of the middle detail, overall or over the middling block, whichever is less.
    pub middle: f32,
    /// Correlation of the finest detail; 0 where the middle is already unlike.
    pub fine: f32,
    /// How unlike (`1 - correlation`) the detail of one to three pixels is, and of two to five, once the rougher picture
    /// is filtered to fit ([`Alignment::filtered`]): the mean over the blocks that have detail without the worst quarter
    /// of them, where a corner, a frame or text may lie; 1 where the middle is already unlike.
    pub unlike: [f32; 2],
    pub alignment: Alignment,
}

impl Verified {
    /// How far two pictures lie apart: mostly how unlike their coarser detail is, which processing changes least.
    pub fn distance(&self) -> f32 {
        self.unlike[0].max(1e-4).powf(0.4) * self.unlike[1].max(1e-4).powf(0.6)
    }
}

/// Compares pictures `a` and `b`, starting from the pairs of discs `starts`.
pub(crate) fn verify(
    (a, b): (usize, usize),
    [one, two]: [&Descriptors; 2],
    maps: [Maps; 2],
    starts: impl Iterator<Item = (usize, usize)>,
    describer: &Describer,
) -> Option<Verified> {
    let mut scratch = Vec::new();
    let mut settle = |start: Alignment| settle(start, &maps, &mut scratch);
    let better = |best: Option<(f32, Alignment)>, found: Option<(f32, Alignment)>| match (best, found) {
        (Some(best), Some(found)) if found.0 <= best.0 => Some(best),
        (best, found) => found.or(best),
    };
    let is_found = |best: Option<(f32, Alignment)>| best.is_some_and(|(correlation, _)| correlation >= FOUND);
    let mut best = None;
    for (disc_a, disc_b) in starts {
        if is_found(best) {
            break;
        }
        let (disc_a, disc_b) = (&one.discs[disc_a], &two.discs[disc_b]);
        let [spectrum_a, spectrum_b] = [(&maps[0], disc_a), (&maps[1], disc_b)]
            .map(|(maps, disc)| maps.spectrum(&describer.coarse, disc));
        let mut turns = Flip::ALL.map(|flip| (describer.coarse.turn(&spectrum_a, &spectrum_b, flip), flip));
        turns.sort_by(|x, y| y.0.1.total_cmp(&x.0.1));
        let top = turns[0].0.1;
        for ((turn, fit), flip) in turns {
            if fit < 0.7 * top || is_found(best) {
                break;
            }
            best = better(best, settle(Alignment::from_discs(disc_a, disc_b, turn, flip)));
        }
    }
    let roughness = [one, two].map(|picture| picture.roughness);
    let closer = |(coarse, alignment): (f32, Alignment)| {
        if coarse < LEAST { None } else { finish((a, b), &maps, alignment, roughness) }
    };
    let found = best.and_then(closer);
    let middle = found.map_or(0.0, |found| found.middle);
    if middle >= ALIKE {
        return found;
    }
    // A smooth outline may agree as it should not, so what is finer has the last word.
    let again = consensus(one, two).and_then(|start| settle(either_sign(start, &maps)));
    let promises = |again: &(f32, Alignment)| middle < WORTHWHILE || best.is_none_or(|best| again.0 > best.0);
    let again = again.filter(promises).and_then(closer);
    again.filter(|again| again.middle > middle).or(found)
}

/// How well the coarse maps agree from a start on, and where it leads; `None` if nowhere.
fn settle(start: Alignment, maps: &[Maps; 2], scratch: &mut Vec<f32>) -> Option<(f32, Alignment)> {
    let [eighth, quarter] = [3, 2].map(|level| [0, 1].map(|i| maps[i].level(level)));
    let alignment = start.refine(eighth[0], eighth[1], STEPS[0], true, scratch);
    if alignment.agreement(eighth[0], eighth[1], false).correlation < PROMISING {
        return None;
    }
    let alignment = alignment.refine(quarter[0], quarter[1], STEPS[1], false, scratch);
    let Agreement { correlation, overlap, .. } = alignment.agreement(quarter[0], quarter[1], false);
    (overlap >= 0.2).then_some((correlation, alignment))
}

/// An alignment of which it is not known whether one picture is the negative of the other.
fn either_sign(start: Alignment, maps: &[Maps; 2]) -> Alignment {
    let coarse = start.agreement(maps[0].level(3), maps[1].level(3), false);
    Alignment { negative: coarse.correlation < 0.0, ..start }
}

/// Compares pictures `a` and `b` of these roughnesses, starting from an alignment on which their blobs agree.
pub(crate) fn verify_agreed(
    start: Alignment,
    pair: (usize, usize),
    maps: [Maps; 2],
    roughness: [f32; 2],
) -> Option<Verified> {
    let (coarse, alignment) = settle(either_sign(start, &maps), &maps, &mut Vec::new())?;
    if coarse < LEAST { None } else { finish(pair, &maps, alignment, roughness) }
}

/// Compares pictures `a` and `b` of these roughnesses, starting from an alignment that other pictures suggest.
pub(crate) fn verify_from(
    start: Alignment,
    pair: (usize, usize),
    maps: [Maps; 2],
    roughness: [f32; 2],
) -> Option<Verified> {
    let alignment = start.refine(maps[0].level(2), maps[1].level(2), 3, false, &mut Vec::new());
    finish(pair, &maps, alignment, roughness)
}

/// The last steps of an alignment, and how alike the pictures are then; `None` if they hardly overlap.
fn finish(
    pair: (usize, usize),
    [one, two]: &[Maps; 2],
    alignment: Alignment,
    roughness: [f32; 2],
) -> Option<Verified> {
    let alignment = alignment.refine(one.level(1), two.level(1), STEPS[2], false, &mut Vec::new());
    let astray = alignment.stretch() > FAR || !(1.0 / FAR..FAR).contains(&alignment.scale());
    let middle = middle(alignment, one.level(1), two.level(1)).filter(|_| !astray)?;
    if BENT.contains(&middle)
        && let Some(bent) = Bent::fit(alignment, [one, two])
    {
        let (half, drawn) = (one.level(1), bent.drawn(two.level(1)));
        let better = self::middle(Alignment::IDENTITY, half, Map::new(half.side, &drawn)).unwrap_or(0.0);
        if better > middle + UNBENT {
            let (drawn, scale) = (bent.draw(two), bent.alignment.scale());
            let found = judge(pair, [one, &drawn], Alignment::IDENTITY, better, roughness, scale);
            return Some(Verified { alignment: bent.alignment, ..found });
        }
    }
    Some(judge(pair, [one, two], alignment, middle, roughness, alignment.scale()))
}

/// How well the middle detail agrees; `None` if the pictures hardly overlap.
fn middle(alignment: Alignment, one: Map, two: Map) -> Option<f32> {
    let Agreement { correlation, median, overlap, blocks, .. } = alignment.agreement(one, two, true);
    let most = if blocks < BLOCKS { UNCERTAIN } else { 1.0 };
    (overlap >= 0.2).then(|| correlation.min(median).min(most))
}

/// How alike pictures are of which the second shows the subject larger by `scale`.
fn judge(
    (a, b): (usize, usize),
    [one, two]: [&Maps; 2],
    alignment: Alignment,
    middle: f32,
    roughness: [f32; 2],
    scale: f32,
) -> Verified {
    let mut verified = Verified { a, b, middle, fine: 0.0, unlike: [1.0; 2], alignment };
    if middle >= WORTHWHILE {
        let full = (one.level(0), two.level(0));
        verified.alignment = alignment.refine(full.0, full.1, 1, false, &mut Vec::new());
        verified.fine = verified.alignment.agreement(full.0, full.1, true).correlation;
        let (there, back) = (verified.alignment, verified.alignment.inverse());
        // A filter brings nothing back, so it is the rougher one's: as rough as it would be at the size of the other.
        let rougher = roughness[0] > roughness[1] + scale.ln();
        let [full, half] = [Maps::DETAIL, 1].map(|level| {
            let [one, two] = [one, two].map(|maps| maps.level(level));
            if rougher { there.filtered(one, two) } else { back.filtered(two, one) }
        });
        // A few blocks may agree by chance.
        let enough = full.1 >= BLOCKS;
        verified.unlike = [full, half].map(|(alike, _)| if enough { 1.0 - alike } else { 1.0 });
    }
    verified
}
