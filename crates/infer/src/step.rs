//! One step of a plan: what is computed at a time, and over which tiles it can be divided.
//!
//! A depthwise convolution and the pointwise one after it are one step. They run band by band: some output rows of the
//! depthwise go to working memory that stays in L2, and the pointwise reads them from there, so the tensor between
//! them, often the largest of the network, is never written out. A tile is some rows of the output. What a tile
//! computes for a pixel does not depend on where the tile begins, so tiles may follow the number of threads.

use crate::layer::Layer;
use kernels::{Level, Read, pooling, scratch};
use std::ops::Range;
use tensor::par;

/// Floats of a band between two fused layers where the weights of the second stay in L2 beside it.
const SMALL_BAND: usize = 16 * 1024;
/// Floats of a band where weights come from beyond L2: the larger the band, the fewer times they do.
const LARGE_BAND: usize = 64 * 1024;
/// Floats of weights that stay in L2 beside a band.
const RESIDENT_WEIGHTS: usize = 96 * 1024;
/// Classes that one tile of the classifier works out: whole panels of weights at every level.
const CLASSES: usize = 128;

/// What a step computes.
pub(crate) enum Op {
    /// One convolution.
    Conv(Layer),
    /// Depthwise, then pointwise, with `band` rows between them at a time.
    Separable { depthwise: Layer, pointwise: Layer, band: usize },
    /// Mean over the pixels of `channels` channels.
    Pool { level: Level, channels: usize },
    /// The classifier, in parts of [`CLASSES`] outputs.
    Dense(Vec<Layer>),
}

impl Op {
    /// A depthwise layer and the pointwise layer that reads it.
    pub fn separable(depthwise: Layer, pointwise: Layer) -> Self {
        let weights = pointwise.shape.inputs * pointwise.shape.outputs;
        let floats = if weights <= RESIDENT_WEIGHTS { SMALL_BAND } else { LARGE_BAND };
        let band = (floats / depthwise.row_len()).clamp(1, depthwise.shape.out_h);
        Op::Separable { depthwise, pointwise, band }
    }

    /// The classifier: `weights: [features, classes]`, `bias: [classes]`.
    pub fn dense(level: Level, weights: &[f32], bias: &[f32]) -> Self {
        let classes = bias.len();
        let part = |first: usize| {
            let columns = first..classes.min(first + CLASSES);
            let part: Vec<f32> =
                weights.chunks_exact(classes).flat_map(|row| &row[columns.clone()]).copied().collect();
            Layer::dense(level, &part, &bias[columns])
        };
        Op::Dense((0..classes).step_by(CLASSES).map(part).collect())
    }

    /// The layers in it, in order of execution.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        let (first, second, parts): (Option<&Layer>, Option<&Layer>, &[Layer]) = match self {
            Op::Conv(layer) => (Some(layer), None, &[]),
            Op::Separable { depthwise, pointwise, .. } => (Some(depthwise), Some(pointwise), &[]),
            Op::Pool { .. } => (None, None, &[]),
            Op::Dense(parts) => (None, None, parts),
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
            Op::Dense(parts) => (parts.len(), CLASSES),
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
            Op::Dense(parts) => {
                for (part, y) in parts[first..].iter().zip(y.chunks_mut(CLASSES)) {
                    part.rows(x, 0..1, y, None);
                }
            }
        }
    }

    /// Floats of working memory: its own, and that of the kernels it calls meanwhile. For tiles of `tile` units.
    fn scratch(&self, tile: usize) -> [usize; 2] {
        match self {
            Op::Conv(layer) => [layer.scratch(tile), 0],
            Op::Separable { depthwise, band, .. } => [band * depthwise.row_len(), depthwise.scratch(*band)],
            Op::Pool { .. } | Op::Dense(_) => [0, 0],
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

    /// Units of a tile.
    fn tile(&self) -> usize {
        let (units, _) = self.op.units();
        units.div_ceil(par::threads())
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
