//! One picture laid on another: whether an alignment can be right, and how well the middle detail agrees under it.

use crate::agreement::Agreement;
use crate::alignment::Alignment;
use crate::detail::Map;

/// Blocks with detail that a judgement needs; and where one direction is shown more than so many times as long as another:
/// under such a map some lines of strangers, a vessel or an edge, can be laid on each other in any smooth picture.
const BLOCKS: usize = 8;
const STRETCHED: f32 = 1.5;
const BLOCKS_STRETCHED: usize = 16;

/// What pictures with fewer such blocks agree at most in the middle detail: less than makes a series.
const UNCERTAIN: f32 = 0.65;

/// Scales and stretches beyond this are an alignment that went astray.
const FAR: f32 = 2.5;

/// Of less of the first picture nothing is said.
pub(crate) const OVERLAP: f32 = 0.2;

/// The second of two pictures laid on the first, and how well their middle detail agrees then.
#[derive(Clone, Copy)]
pub(crate) struct Laid {
    pub alignment: Alignment,
    pub middle: f32,
}

/// Whether no copy is made so.
pub(crate) fn is_astray(alignment: &Alignment) -> bool {
    alignment.stretch() > FAR || !(1.0 / FAR..FAR).contains(&alignment.scale())
}

/// How many blocks must have detail.
pub(crate) fn blocks(alignment: &Alignment) -> usize {
    if alignment.stretch() > STRETCHED { BLOCKS_STRETCHED } else { BLOCKS }
}

/// How well the middle detail agrees, of which so many blocks must have some; `None` if the pictures hardly overlap.
pub(crate) fn middle(alignment: Alignment, one: Map, two: Map, least: usize) -> Option<f32> {
    let Agreement { correlation, median, overlap, blocks, .. } = alignment.agreement(one, two, true);
    let most = if blocks < least { UNCERTAIN } else { 1.0 };
    (overlap >= OVERLAP).then(|| correlation.min(median).min(most))
}
