//! Whether two pictures are alike once one is laid on the other.

use crate::agreement::Agreement;
use crate::alignment::Alignment;
use crate::bend::Bent;
use crate::consensus::consensus;
use crate::describe::{Describer, Descriptors};
use crate::detail::Map;
use crate::flip::Flip;
use crate::maps::Maps;
use crate::sorted::descending;
use std::ops::Range;

/// Below this correlation of the middle detail the finest is not looked at: pictures of different subjects reach it.
pub(crate) const WORTHWHILE: f32 = 0.5;

/// Blocks with detail that a judgement needs; and where one direction is shown more than so many times as long as another:
/// under such a map some lines of strangers, a vessel or an edge, can be laid on each other in any smooth picture.
const BLOCKS: usize = 8;
const STRETCHED: f32 = 1.5;
const BLOCKS_STRETCHED: usize = 16;
/// What pictures with fewer such blocks agree at most in the middle detail: less than makes a series. In the finest:
/// less than makes copies, and enough to be another's rival.
const UNCERTAIN: f32 = 0.65;
const UNCERTAIN_FINE: f32 = 0.45;

/// Of pictures with fewer blocks than so many the finest detail must agree at least so much as it is: a vessel that lies on
/// another vessel agrees once it is filtered.
const MANY: usize = 24;
const LITTLE: f32 = 0.1;

/// The coarsest maps of copies agree at least so well after their first alignment.
const PROMISING: f32 = 0.3;

/// A start on which they agree by so much less than on another leads nowhere.
const BEHIND: f32 = 0.15;

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

/// Of less of the first picture nothing is said.
const OVERLAP: f32 = 0.2;

/// Two pictures, compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verified {
    pub a: usize,
    pub b: usize,
    /// Correlation of the middle detail, overall or over the middling block, whichever is less.
    pub middle: f32,
    /// Correlation of the finest detail; 0 where the middle is already unlike.
    pub fine: f32,
    /// How unlike (`1 - correlation`) the detail of one to three pixels is, and of two to five, once the rougher
    /// picture is filtered to fit ([`Alignment::filtered`]): the mean over the blocks that have detail without the
    /// worst quarter of them, where a corner, a frame or text may lie; 1 where the middle is already unlike.
    pub unlike: [f32; 2],
    pub alignment: Alignment,
}

impl Verified {
    /// How far two pictures lie apart: mostly how unlike their coarser detail is, which processing changes least.
    pub fn distance(&self) -> f32 {
        self.unlike[0].max(1e-4).powf(0.4) * self.unlike[1].max(1e-4).powf(0.6)
    }
}

/// The second of two pictures laid on the first, and how well their middle detail agrees then.
#[derive(Clone, Copy)]
struct Laid {
    alignment: Alignment,
    middle: f32,
}

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

/// Whether no copy is made so.
fn is_astray(alignment: &Alignment) -> bool {
    alignment.stretch() > FAR || !(1.0 / FAR..FAR).contains(&alignment.scale())
}

/// How many blocks must have detail.
fn blocks(alignment: &Alignment) -> usize {
    if alignment.stretch() > STRETCHED { BLOCKS_STRETCHED } else { BLOCKS }
}

/// How well the middle detail agrees, of which so many blocks must have some; `None` if the pictures hardly overlap.
fn middle(alignment: Alignment, one: Map, two: Map, least: usize) -> Option<f32> {
    let Agreement { correlation, median, overlap, blocks, .. } = alignment.agreement(one, two, true);
    let most = if blocks < least { UNCERTAIN } else { 1.0 };
    (overlap >= OVERLAP).then(|| correlation.min(median).min(most))
}

/// How alike two pictures are that were laid on each other, perhaps once one is seen at another angle.
fn judge(pair: (usize, usize), [one, two]: &[Maps; 2], laid: Laid, roughness: [f32; 2]) -> Verified {
    if BENT.contains(&laid.middle)
        && let Some(bent) = Bent::fit(laid.alignment, [one, two])
        && !is_astray(&bent.alignment)
    {
        let (half, drawn) = (one.level(1), bent.drawn(two.level(1)));
        let least = blocks(&bent.alignment);
        let middle = middle(Alignment::IDENTITY, half, Map::new(half.side, &drawn), least).unwrap_or(0.0);
        if middle > laid.middle + UNBENT && bent.overlap(two.level(1)) >= OVERLAP {
            let alignment = bent.alignment;
            if middle < WORTHWHILE {
                return unlike(pair, Laid { alignment, middle });
            }
            let laid = Laid { alignment: Alignment::IDENTITY, middle };
            let found = closely(pair, [one, &bent.draw(two)], laid, roughness, &alignment);
            return Verified { alignment, ..found };
        }
    }
    if laid.middle < WORTHWHILE {
        return unlike(pair, laid);
    }
    closely(pair, [one, two], laid, roughness, &laid.alignment)
}

/// Of pictures whose middle detail is already unlike.
fn unlike((a, b): (usize, usize), Laid { alignment, middle }: Laid) -> Verified {
    Verified { a, b, middle, fine: 0.0, unlike: [1.0; 2], alignment }
}

/// How alike pictures are in the finest detail, of which the second shows the subject as `shown` has it.
fn closely(
    (a, b): (usize, usize),
    [one, two]: [&Maps; 2],
    Laid { alignment, middle }: Laid,
    roughness: [f32; 2],
    shown: &Alignment,
) -> Verified {
    let full = (one.level(0), two.level(0));
    let there = alignment.refine(full.0, full.1, 1, false, &mut Vec::new());
    let back = there.inverse();
    let fine = there.agreement(full.0, full.1, true).correlation;
    // A filter brings nothing back, so it is the rougher one's: as rough as it would be at the size of the other.
    let rougher = roughness[0] > roughness[1] + shown.scale().ln();
    let [full, half] = [Maps::DETAIL, 1].map(|level| {
        let [one, two] = [one, two].map(|maps| maps.level(level));
        if rougher { there.filtered(one, two) } else { back.filtered(two, one) }
    });
    // A few blocks may agree by chance, and say nothing.
    let enough = full.1 >= blocks(shown) && (full.1 >= MANY || fine >= LITTLE);
    let unlike = [full, half].map(|(alike, _)| if enough { 1.0 - alike } else { 1.0 });
    let fine = if enough { fine } else { fine.min(UNCERTAIN_FINE) };
    Verified { a, b, middle, fine, unlike, alignment: there }
}
