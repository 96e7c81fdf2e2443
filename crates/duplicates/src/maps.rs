//! The maps of detail that are kept of a picture.

use std::borrow::Cow;

use crate::SIDE;
use crate::detail::Map;
use crate::disc::{Disc, Sampling, Spectrum};

/// The maps of a picture, by which it is compared: the finest detail at [`SIDE`], then coarser detail at a half, a
/// quarter and an eighth of it, then detail between the first two at full size.
pub(crate) struct Maps<'a>(pub Cow<'a, [u8]>);

impl<'a> Maps<'a> {
    /// The level of the map of [`SIDE`] pixels with the finest detail that survives being resampled.
    pub const DETAIL: usize = 4;

    /// How many maps there are.
    pub const LEVELS: usize = 5;

    /// Bytes of all maps.
    pub const BYTES: usize = Self::offset(Self::LEVELS);

    /// From what [`crate::describe::Describer::describe`] gave.
    pub fn new(bytes: Cow<'a, [u8]>) -> Self {
        Self(bytes)
    }

    /// The map whose side is [`SIDE`] halved `level` times; level 0 has the finest detail.
    pub fn level(&self, level: usize) -> Map<'_> {
        let side = SIDE >> (level % 4);
        let from = Self::offset(level);
        Map::new(side, &self.0[from..from + side * side])
    }

    const fn offset(level: usize) -> usize {
        let (mut sum, mut i) = (0, 0);
        while i < level {
            sum += (SIDE >> (i % 4)) * (SIDE >> (i % 4));
            i += 1;
        }
        sum
    }

    /// The rings of a disc. Large discs are read in the coarsest map, which forgives that the place of a crop is known
    /// only roughly; blobs where they still have some pixels from one ring to the next.
    pub fn spectrum(&self, sampling: &Sampling, disc: &Disc) -> Spectrum {
        let level = if disc.radius >= 0.3 { 3 } else { 1 };
        sampling.spectrum(disc, self.level(level))
    }
}
