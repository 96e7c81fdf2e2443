//! One step of a plan: what is computed at a time, and over which tiles it can be divided.
//!
//! Two pairs of operations run as one step, so that the tensor between them stays in the cache and has no place in the
//! arena. A depthwise convolution and the pointwise one after it run band by band: some output rows of the depthwise go
//! to working memory that fits L2, and the pointwise reads them from there. The last pointwise convolution and the
//! pooling after it run some channels at a time; there the weights are larger than the image, so dividing channels
//! among threads lets each read its own part of the weights only.
//!
//! A tile is some rows (pixels, parts) of the output. What a tile computes for a pixel does not depend on where the
//! tile begins, so tiles may follow the number of threads.

use crate::layer::Layer;
use kernels::{Level, Read, pooling, scratch};
use std::ops::Range;
use tensor::par;

/// Floats of a band between two fused layers: a quarter of an L2 cache of 1 MiB.
const BAND: usize = 64 * 1024;
/// Floats of weights that stay in L2 beside a band.
const RESIDENT: usize = 96 * 1024;
/// Channels of a part: whole panels of weights at every level.
const PART: usize = 128;

/// What a step computes.
pub(crate) enum Op {
    /// One convolution.
    Conv(Layer),
    /// Depthwise, then pointwise, with `band` rows between them at a time.
    Separable { depthwise: Layer, pointwise: Layer, band: usize },
    /// Mean over the pixels of `channels` channels.
    Pool { level: Level, channels: usize },
    /// A pointwise convolution in parts of [`PART`] channels, each averaged over its pixels. Of one pixel, it is the
    /// classifier.
    Pooled { level: Level, parts: Vec<Layer> },
}

impl Op {
    /// A depthwise layer and the pointwise layer that reads it.
    pub fn separable(depthwise: Layer, pointwise: Layer) -> Self {
        let band = (BAND / depthwise.row_len()).clamp(1, depthwise.shape.out_h);
        Op::Separable { depthwise, pointwise, band }
    }

    /// The layers that `layer` makes of ranges of the channels `0..channels`.
    pub fn pooled(level: Level, channels: usize, layer: impl Fn(Range<usize>) -> Layer) -> Self {
        let ranges = (0..channels).step_by(PART).map(|first| first..channels.min(first + PART));
        Op::Pooled { level, parts: ranges.map(layer).collect() }
    }

    /// The layers in it, in order of execution.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        let (first, second, parts): (Option<&Layer>, Option<&Layer>, &[Layer]) = match self {
            Op::Conv(layer) => (Some(layer), None, &[]),
            Op::Separable { depthwise, pointwise, .. } => (Some(depthwise), Some(pointwise), &[]),
            Op::Pool { .. } => (None, None, &[]),
            Op::Pooled { parts, .. } => (None, None, parts),
        };
        first.into_iter().chain(second).chain(parts)
    }

    /// How many units (rows, pixels, parts) the output has, and the floats of one (the last may be shorter).
    fn units(&self) -> (usize, usize) {
        match self {
            Op::Conv(layer) => (layer.shape.out_h, layer.row_len()),
            Op::Separable { depthwise, pointwise, .. } => {
                (depthwise.shape.out_h, depthwise.shape.out_w * pointwise.shape.outputs)
            }
            &Op::Pool { channels, .. } => (1, channels),
            Op::Pooled { parts, .. } => (parts.len(), PART),
        }
    }

    /// Computes the units from `first` on that fill `y`.
    fn tile(&self, x: &[f32], first: usize, y: &mut [f32], residual: Option<&[f32]>) {
        let (_, unit) = self.units();
        match self {
            Op::Conv(layer) => layer.rows(x, first..first + y.len() / unit, y, residual),
            Op::Separable { depthwise, pointwise, band } => {
                let (out_w, row) = (depthwise.shape.out_w, depthwise.row_len());
                scratch::with([band * row], |[between]| {
                    for (i, y) in y.chunks_mut(band * unit).enumerate() {
                        let (start, rows) = (first + i * band, y.len() / unit);
                        let between = &mut between[..rows * row];
                        depthwise.rows(x, start..start + rows, between, None);
                        let residual = residual.map(|r| &r[i * band * unit..][..y.len()]);
                        pointwise.rows(between, 0..rows * out_w, y, residual);
                    }
                });
            }
            &Op::Pool { level, .. } => pooling::global_average_pool(level, Read::Plain(x), y),
            Op::Pooled { level, parts } => {
                for (part, y) in parts[first..].iter().zip(y.chunks_mut(PART)) {
                    match part.shape.out_h {
                        1 => part.rows(x, 0..1, y, None),
                        pixels => scratch::with([pixels * y.len()], |[map]| {
                            part.rows(x, 0..pixels, map, None);
                            pooling::global_average_pool(*level, Read::Plain(map), y);
                        }),
                    }
                }
            }
        }
    }

    /// Floats of working memory: its own, and that of the kernels it calls meanwhile. For tiles of `tile` units.
    fn scratch(&self, tile: usize) -> [usize; 2] {
        match self {
            Op::Conv(layer) => [layer.scratch(tile), 0],
            Op::Separable { depthwise, band, .. } => [band * depthwise.row_len(), depthwise.scratch(*band)],
            Op::Pooled { parts, .. } => [parts[0].shape.out_h * PART, 0],
            Op::Pool { .. } => [0, 0],
        }
    }
}

/// An [`Op`] with the places of its data in the arena.
pub(crate) struct Step {
    pub op: Op,
    /// `None`: the image.
    pub input: Option<Range<usize>>,
    /// `None`: the logits.
    pub output: Option<Range<usize>>,
    /// What is added to the output.
    pub residual: Option<Range<usize>>,
}

impl Step {
    /// Computes one image, over all threads or on this one.
    pub fn run(&self, image: &[f32], arena: &mut [f32], logits: &mut [f32], parallel: bool) {
        let (x, y, residual) = self.views(image, arena, logits);
        if !parallel {
            return self.op.tile(x, 0, y, residual);
        }
        let tile = self.tile();
        let (_, unit) = self.op.units();
        par::chunks_mut(y, tile * unit, |i, y| {
            let residual = residual.map(|r| &r[i * tile * unit..][..y.len()]);
            self.op.tile(x, i * tile, y, residual);
        });
    }

    /// Units of a tile: one tile a thread where weights must be read anew for each, else a few, so that a thread that
    /// was held up leaves some to the others; as many for each thread, where the units can be divided so.
    fn tile(&self) -> usize {
        let ((units, _), threads) = (self.op.units(), par::threads());
        let heavy = self.op.layers().any(|layer| layer.parameters() > RESIDENT);
        let most = if heavy { 1 } else { 4 };
        let even = (1..=most).rev().find(|each| units.is_multiple_of(threads * each));
        units.div_ceil(threads * even.unwrap_or(most))
    }

    /// Floats of working memory, as [`Op::scratch`].
    pub fn scratch(&self) -> [usize; 2] {
        self.op.scratch(self.op.units().0)
    }

    /// Input, output and residual.
    fn views<'a>(
        &self,
        image: &'a [f32],
        arena: &'a mut [f32],
        logits: &'a mut [f32],
    ) -> (&'a [f32], &'a mut [f32], Option<&'a [f32]>) {
        const APART: &str = "values that are alive together lie apart";
        match (self.input.clone(), self.output.clone(), self.residual.clone()) {
            (None, output, _) => {
                let y = output.map_or(logits, |output| &mut arena[output]);
                (image, y, None)
            }
            (Some(input), None, _) => (&arena[input], logits, None),
            (Some(input), Some(output), Some(residual)) if residual != input => {
                let [x, y, residual] = arena.get_disjoint_mut([input, output, residual]).expect(APART);
                (x, y, Some(residual))
            }
            (Some(input), Some(output), residual) => {
                let [x, y] = arena.get_disjoint_mut([input, output]).expect(APART);
                let x = &*x;
                (x, y, residual.map(|_| x))
            }
        }
    }
}
