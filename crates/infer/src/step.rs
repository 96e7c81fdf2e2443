//! One step of a plan: what is computed at a time, and over which tiles it can be divided.
//!
//! A tile is some rows (or parts) of the output. What a tile computes for a pixel does not depend on where the tile
//! begins, so tiles may follow the number of threads.

use crate::chain::Chain;
use crate::layer::PackedLayer;
use engine::par;
use kernels::{Level, Read, pooling, scratch};
use std::ops::Range;
use std::slice;

/// Channels of a panel of weights, or of some, at every level.
const PANEL: usize = 32;

/// What one step of a plan does, for people and for benchmarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepInfo {
    /// The layer's name, or the first and the last of those that run together.
    pub name: String,
    /// `block` (convolutions, strip by strip), `pool` (with the pointwise convolution before it) or `dense`.
    pub op: &'static str,
    /// `[h, w, c]`
    pub input: [usize; 3],
    /// `[h, w, c]`
    pub output: [usize; 3],
    /// Weights and biases, norms folded in.
    pub parameters: usize,
    /// Multiply-adds of one image.
    pub multiply_adds: u64,
    /// Bytes of weights that are read for one image.
    pub weight_bytes: usize,
}

/// What a step computes.
pub(crate) enum StepKind {
    /// Convolutions, strip by strip.
    Chain(Chain),
    /// Mean over the pixels of `channels` channels.
    Pool { level: Level, channels: usize },
    /// A pointwise convolution in parts of `width` channels, each averaged over its pixels; of one pixel, it is the
    /// classifier. Its weights are larger than its image: divided so, each thread reads its own part of them only.
    Pooled { level: Level, width: usize, parts: Vec<PackedLayer> },
}

impl StepKind {
    /// A part for each thread; `layer` makes that of a range of the channels `0..channels`.
    pub fn pooled(level: Level, channels: usize, layer: impl Fn(Range<usize>) -> PackedLayer) -> Self {
        let width = channels.div_ceil(par::threads()).next_multiple_of(PANEL);
        let ranges = (0..channels).step_by(width).map(|first| first..channels.min(first + width));
        StepKind::Pooled { level, width, parts: ranges.map(layer).collect() }
    }

    /// The layers in it, in order of execution.
    pub fn layers(&self) -> slice::Iter<'_, PackedLayer> {
        match self {
            StepKind::Chain(chain) => chain.layers.iter(),
            StepKind::Pool { .. } => [].iter(),
            StepKind::Pooled { parts, .. } => parts.iter(),
        }
    }

    /// How many units (rows, parts) the output has, and the floats of one (the last may be shorter).
    fn units(&self) -> (usize, usize) {
        match self {
            StepKind::Chain(chain) => chain.rows(),
            &StepKind::Pool { channels, .. } => (1, channels),
            StepKind::Pooled { width, parts, .. } => (parts.len(), *width),
        }
    }

    /// Computes the units from `first` on that fill `y`.
    fn tile(&self, [x, added]: [&[f32]; 2], first: usize, y: &mut [f32]) {
        match self {
            StepKind::Chain(chain) => chain.run(x, added, first..first + y.len() / chain.rows().1, y),
            &StepKind::Pool { level, .. } => pooling::global_average_pool(level, Read::Plain(x), y),
            StepKind::Pooled { level, width, parts } => {
                for (part, y) in parts[first..].iter().zip(y.chunks_mut(*width)) {
                    match part.conv.shape.out_h {
                        1 => part.rows(x, 0, 0..1, y, None),
                        pixels => scratch::with([pixels * y.len()], |[map]| {
                            part.rows(x, 0, 0..pixels, map, None);
                            pooling::global_average_pool(*level, Read::Plain(map), y);
                        }),
                    }
                }
            }
        }
    }

    /// Floats of working memory: its own, and that of the kernels it calls meanwhile.
    pub fn scratch(&self) -> [usize; 2] {
        match self {
            StepKind::Chain(chain) => chain.scratch(),
            StepKind::Pool { .. } => [0, 0],
            StepKind::Pooled { width, parts, .. } => {
                let (pixels, inner) =
                    (parts[0].conv.shape.out_h, parts[0].scratch(parts[0].conv.shape.out_h));
                [inner.max(pixels * width), inner]
            }
        }
    }
}

/// An [`StepKind`] with the places of its data in the arena.
pub(crate) struct Step {
    pub kind: StepKind,
    /// `None`: the image.
    pub input: Option<Range<usize>>,
    /// What a residual step adds, where that is not its input.
    pub added: Option<Range<usize>>,
    /// `None`: the logits.
    pub output: Option<Range<usize>>,
}

impl Step {
    /// Computes one image, over all threads or on this one.
    pub fn run(&self, image: &[f32], arena: &mut [f32], logits: &mut [f32], parallel: bool) {
        let (from, y) = self.views(image, arena, logits);
        if !parallel {
            return self.kind.tile(from, 0, y);
        }
        let (tile, (_, unit)) = (self.tile(), self.kind.units());
        par::chunks_mut(y, tile * unit, |i, y| self.kind.tile(from, i * tile, y));
    }

    /// Units of a tile: one tile a thread where each reads its weights anew, else a few, so that a thread that was held
    /// up leaves some to the others; as many for each thread, where the units can be divided so.
    fn tile(&self) -> usize {
        let ((units, _), threads) = (self.kind.units(), par::threads());
        let most = match &self.kind {
            StepKind::Chain(chain) if !chain.is_heavy() => 2,
            _ => 1,
        };
        let even = (1..=most).rev().find(|each| units.is_multiple_of(threads * each));
        units.div_ceil(threads * even.unwrap_or(most))
    }

    /// The input and what a residual step adds, and the output.
    fn views<'a>(
        &self,
        image: &'a [f32],
        arena: &'a mut [f32],
        logits: &'a mut [f32],
    ) -> ([&'a [f32]; 2], &'a mut [f32]) {
        const APART: &str = "values that are alive together lie apart";
        match (self.input.clone(), self.added.clone(), self.output.clone()) {
            (None, _, None) => ([image; 2], logits),
            (None, _, Some(output)) => ([image; 2], &mut arena[output]),
            (Some(input), _, None) => ([&arena[input]; 2], logits),
            (Some(input), None, Some(output)) => {
                let [x, y] = arena.get_disjoint_mut([input, output]).expect(APART);
                ([x; 2], y)
            }
            (Some(input), Some(added), Some(output)) => {
                let [x, added, y] = arena.get_disjoint_mut([input, added, output]).expect(APART);
                ([x, added], y)
            }
        }
    }
}
