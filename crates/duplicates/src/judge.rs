//! How alike two pictures are that were laid on each other.

use crate::agreement::Agreement;
use crate::alignment::Alignment;
use crate::bend::Bent;
use crate::detail::Map;
use crate::laid::{Laid, OVERLAP, blocks, is_astray, middle};
use crate::maps::Maps;
use std::ops::Range;

/// Below this correlation of the middle detail pictures are unlike: those of different subjects reach it. But what hard
/// sharpening clipped may keep its finest detail, so from the lower one on that has the last word.
pub(crate) const WORTHWHILE: f32 = 0.5;
const HARDLY: f32 = 0.3;

/// Another subject, slice or view differs most in the finest detail; what was clipped, in all alike. So pictures whose finest
/// detail agrees so well, over the middling block too, and is at most so many times as unlike as the middle, are copies, if
/// one has such detail: of smooth pictures what is left of the finest is like the middle.
const GRAIN: f32 = 0.55;
const GRAIN_LOSS: f32 = 2.0;
const ROUGH: f32 = 0.0;
/// How unlike what is filtered may be then: lines that strangers share agree, but nothing beside them does.
const CLIPPED: f32 = 0.5;

/// What pictures with few blocks of detail agree at most in the finest: less than makes copies, and enough to be another's
/// rival.
const UNCERTAIN_FINE: f32 = 0.45;

/// Of pictures with fewer blocks than so many the finest detail must agree at least so much as it is: a vessel that lies on
/// another vessel agrees once it is filtered.
const MANY: usize = 24;
const LITTLE: f32 = 0.1;

/// And of the blocks in which one has detail so many must have some in both, or the finest detail agree so well: a bone can be
/// laid on another's, but what lies beside it is not there then.
const SHARED: f32 = 0.75;
const AGREES: f32 = 0.65;

/// Pictures whose middle detail correlates so may be one thing seen at two angles; they are, if it then correlates by
/// [`UNBENT`] more.
const BENT: Range<f32> = 0.3..0.95;
const UNBENT: f32 = 0.03;

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
    /// Whether enough agrees to join the two. If not, one may still be the rival of the other's copies.
    pub told: bool,
    /// Whether this proves that one is a copy of the other although hard processing clipped one of them.
    pub clipped: bool,
    pub alignment: Alignment,
}

impl Verified {
    /// Whether the pictures have something in common.
    pub fn is_worthwhile(&self) -> bool {
        self.middle >= WORTHWHILE || self.clipped
    }

    /// How far two pictures lie apart; 1 if too little agrees.
    pub fn distance(&self) -> f32 {
        if self.told { self.rival_distance() } else { 1.0 }
    }

    /// The same of what agrees, however little: mostly how unlike the coarser detail is, which processing changes least.
    pub fn rival_distance(&self) -> f32 {
        self.unlike[0].max(1e-4).powf(0.4) * self.unlike[1].max(1e-4).powf(0.6)
    }
}

/// How alike two pictures are that were laid on each other, perhaps once one is seen at another angle.
pub(crate) fn judge(
    pair: (usize, usize),
    [one, two]: &[Maps; 2],
    laid: Laid,
    roughness: [f32; 2],
) -> Verified {
    let worthwhile = if is_rough(roughness) { HARDLY } else { WORTHWHILE };
    if BENT.contains(&laid.middle)
        && let Some(bent) = Bent::fit(laid.alignment, [one, two])
        && !is_astray(&bent.alignment)
    {
        let (half, drawn) = (one.level(1), bent.drawn(two.level(1)));
        let least = blocks(&bent.alignment);
        let middle = middle(Alignment::IDENTITY, half, Map::new(half.side, &drawn), least).unwrap_or(0.0);
        if middle > laid.middle + UNBENT && bent.overlap(two.level(1)) >= OVERLAP {
            let alignment = bent.alignment;
            if middle < worthwhile {
                return unlike(pair, Laid { alignment, middle });
            }
            let laid = Laid { alignment: Alignment::IDENTITY, middle };
            let found = closely(pair, [one, &bent.draw(two)], laid, roughness, &alignment);
            return Verified { alignment, ..found };
        }
    }
    if laid.middle < worthwhile {
        return unlike(pair, laid);
    }
    closely(pair, [one, two], laid, roughness, &laid.alignment)
}

/// Whether one of two pictures of these roughnesses has much of the finest detail.
fn is_rough(roughness: [f32; 2]) -> bool {
    roughness.iter().any(|&roughness| roughness >= ROUGH)
}

/// Of pictures whose middle detail is already unlike.
fn unlike((a, b): (usize, usize), Laid { alignment, middle }: Laid) -> Verified {
    Verified { a, b, middle, fine: 0.0, unlike: [1.0; 2], told: false, clipped: false, alignment }
}

/// How alike pictures are in the finest detail, of which the second shows the subject as `shown` has it.
fn closely(
    pair: (usize, usize),
    [one, two]: [&Maps; 2],
    laid: Laid,
    roughness: [f32; 2],
    shown: &Alignment,
) -> Verified {
    let middle = laid.middle;
    let full = (one.level(0), two.level(0));
    let there = laid.alignment.refine(full.0, full.1, 1, false, &mut Vec::new());
    let back = there.inverse();
    let Agreement { correlation: fine, median, .. } = there.agreement(full.0, full.1, true);
    let grain = fine.min(median);
    let agrees_in_grain = is_rough(roughness) && grain >= GRAIN && 1.0 - grain <= GRAIN_LOSS * (1.0 - middle);
    if middle < WORTHWHILE && !agrees_in_grain {
        return unlike(pair, laid);
    }
    // A filter brings nothing back, so it is the rougher one's: as rough as it would be at the size of the other.
    let rougher = roughness[0] > roughness[1] + shown.scale().ln();
    let filtered = [Maps::DETAIL, 1].map(|level| {
        let [one, two] = [one, two].map(|maps| maps.level(level));
        if rougher { there.filtered(one, two) } else { back.filtered(two, one) }
    });
    // A few blocks may agree by chance, and say nothing.
    let telling = filtered[0].1;
    let enough = telling >= blocks(shown) && (telling >= MANY || fine >= LITTLE);
    let unlike = filtered.map(|(alike, _)| if enough { 1.0 - alike } else { 1.0 });
    // Of a bent picture nothing is drawn where it does not reach, which counts as no detail.
    let is_shared = || fine >= AGREES || there.shared_detail(full.0, full.1) >= SHARED;
    let told = enough && (telling >= MANY || is_shared());
    let clipped = told && agrees_in_grain && unlike.iter().all(|&unlike| unlike <= CLIPPED);
    if middle < WORTHWHILE && !clipped {
        return self::unlike(pair, laid);
    }
    let fine = if told { fine } else { fine.min(UNCERTAIN_FINE) };
    Verified { a: pair.0, b: pair.1, middle, fine, unlike, told, clipped, alignment: there }
}
