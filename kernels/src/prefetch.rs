//! Prefetching: what kernels ask memory for while they compute.

use crate::cache::CACHE_LINE;

/// One of so many columns is asked for by those who compute, the others by those who read. A CPU drops requests for
/// memory that come faster than it can serve them, so they are spread over all that is done. Measured at batch 64:
/// 56x56x128 at stride 2 forward 93 us an image instead of 109, backward 152 instead of 183.
pub(crate) const SHARED: usize = 2;

/// Memory that a product asks for little by little while it computes: two runs of floats, some bytes of each at every
/// step, since many requests at once would wait for each other. Nothing is read, so a run may reach beyond its tensor.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    runs: [*const f32; 2],
    /// Floats of each.
    len: usize,
    /// Whether the tiles of the first rows, which are the first to read a panel, ask for the next one instead.
    panels: bool,
}

impl Ahead {
    /// Nothing but `used`, which is in use already: asking for that costs less than another kind of loop.
    pub(crate) fn none(used: *const f32) -> Self {
        Self { runs: [used; 2], len: 0, panels: false }
    }

    /// The `len` floats that begin `start` after the tensors' first.
    pub(crate) fn two(tensors: [&[f32]; 2], start: usize, len: usize) -> Self {
        Self { runs: tensors.map(|tensor| tensor.as_ptr().wrapping_add(start)), len, panels: false }
    }

    /// The right matrix's panels too, for one that comes from memory.
    pub(crate) fn and_panels(self) -> Self {
        Self { panels: true, ..self }
    }

    /// As [`Ahead::two`], of one tensor. Asked for twice, which costs less than another kind of loop.
    pub(crate) fn one(tensor: &[f32], start: usize, len: usize) -> Self {
        Self::two([tensor; 2], start, len)
    }

    /// Whether it has the right matrix's panels.
    #[inline(always)]
    pub(crate) fn has_panels(self) -> bool {
        self.panels
    }

    /// What tiles of `part` outputs each ask for, the first of them when `done` of `whole` outputs are.
    #[inline(always)]
    pub(crate) fn share(self, done: usize, part: usize, whole: usize, steps: usize) -> Requests {
        let start = self.len * done / whole;
        let tile = self.len * part;
        Requests {
            runs: self.runs.map(|run| run.wrapping_add(start)),
            tile: tile / whole,
            step: (size_of::<f32>() * tile).div_ceil(whole * steps),
        }
    }
}

/// What a row of tiles asks for.
#[derive(Clone, Copy)]
pub(crate) struct Requests {
    /// Where the next tile begins.
    pub(crate) runs: [*const f32; 2],
    /// Floats from one tile to the next.
    tile: usize,
    /// Bytes from one step to the next.
    pub(crate) step: usize,
}

impl Requests {
    /// Those of tiles that read a right matrix, whose next panel is at `next`: panels `panel` floats apart, of rows `row`
    /// floats apart, which are two cache lines at most.
    #[inline(always)]
    pub(crate) fn panel(next: *const f32, panel: usize, row: usize) -> Self {
        Self { runs: [next, next.wrapping_add(CACHE_LINE)], tile: panel, step: size_of::<f32>() * row }
    }

    /// Those of this tile.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Self {
        let this = *self;
        self.runs = this.runs.map(|run| run.wrapping_add(this.tile));
        this
    }
}
