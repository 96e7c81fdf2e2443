//! Convolutions in sequence that run strip by strip, so that the tensors between them never leave the cache.
//!
//! For a strip of rows of the last output, each layer computes the rows that the next one needs now, into working
//! memory of its own. Rows that the next strip needs again (3x3 windows overlap) are kept, so within a call nothing is
//! computed twice. MobileNet's largest tensors lie between such layers: a pass over memory is saved for each.

use crate::layer::PackedLayer;
use kernels::{Caches, scratch};
use std::array;
use std::ops::Range;

/// Floats of L2.
fn l2() -> usize {
    Caches::current().l2 / size_of::<f32>()
}

/// Floats of working memory: half of L2, which leaves room for weights.
fn budget() -> usize {
    l2() / 2
}

/// The share of a chain's multiply-adds that may be done twice for the sake of a longer chain.
const MOST_REPEATED: f64 = 0.04;
/// Weights that stay in L2 beside the working memory.
fn resident() -> usize {
    l2() / 8 * 3
}

/// The most layers of a chain.
pub(crate) const MAX_LAYERS: usize = 16;

/// Layers, each reading what the one before puts out.
pub(crate) struct Chain {
    pub layers: Vec<PackedLayer>,
    /// Whether the block's input is added to the output.
    residual: bool,
    /// Rows of the output that are worked out at a time.
    strip: usize,
    /// Floats held of each value between two layers.
    held: Vec<usize>,
}

impl Chain {
    /// A chain of 1 to [`MAX_LAYERS`] layers, with the longest strip whose working memory fits, of one row at least.
    pub fn new(mut layers: Vec<PackedLayer>, residual: bool) -> Self {
        assert!((1..=MAX_LAYERS).contains(&layers.len()), "a chain of {} layers", layers.len());
        for i in 1..layers.len() {
            let (before, after) = layers.split_at_mut(i);
            before[i - 1].conv.space(&mut after[0].conv);
        }
        let rows = layers[layers.len() - 1].conv.shape.out_h;
        let longest = (1..=rows).take_while(|&strip| working_memory(&layers, strip) <= budget()).last();
        let strip = longest.unwrap_or(1);
        let held = held(&layers, strip);
        Chain { layers, residual, strip, held }
    }

    /// Whether `next` is better run in this chain than after it: what lies between them is larger than the cache, all
    /// weights stay in it, and where `tiles` of the output meet, little is computed twice. Not where one of them has its
    /// pixels in one column.
    pub fn takes(&self, next: &Chain, tiles: usize) -> bool {
        let layers = || self.layers.iter().chain(&next.layers);
        let (rows, row) = self.rows();
        rows * row > l2()
            && rows == next.layers[0].conv.shape.h
            && !self.residual
            && !next.residual
            && layers().count() <= MAX_LAYERS
            && !is_heavy(layers())
            && repeated(layers(), tiles) < MOST_REPEATED
    }

    /// Goes on with `next`.
    pub fn append(&mut self, next: Chain) {
        let layers = std::mem::take(&mut self.layers).into_iter().chain(next.layers).collect();
        *self = Chain::new(layers, next.residual);
    }

    /// Whether its weights are read from beyond the cache in every call.
    pub fn is_heavy(&self) -> bool {
        is_heavy(&self.layers)
    }

    /// Rows of the output, and floats of one.
    pub fn rows(&self) -> (usize, usize) {
        let last = self.last();
        (last.conv.shape.out_h, last.row_len())
    }

    fn last(&self) -> &PackedLayer {
        &self.layers[self.layers.len() - 1]
    }

    /// Computes output rows `rows` of the image `x: [h, w, c]` into `y`. What a residual chain adds is `added`, of the
    /// output's size: the chain's input, or where the block it ends has steps before it, theirs.
    pub fn run(&self, x: &[f32], added: &[f32], rows: Range<usize>, y: &mut [f32]) {
        let (_, row) = self.rows();
        scratch::with([self.held.iter().sum()], |[memory]| {
            let mut values = array::from_fn(|_| 0..0);
            for (i, y) in y.chunks_mut(self.strip * row).enumerate() {
                let start = rows.start + i * self.strip;
                self.strip([x, added], start..start + y.len() / row, memory, &mut values, y);
            }
        });
    }

    /// One strip. `values` are the rows that `memory` holds of each value between two layers.
    fn strip(
        &self,
        [x, added]: [&[f32]; 2],
        rows: Range<usize>,
        mut memory: &mut [f32],
        values: &mut [Range<usize>; MAX_LAYERS],
        y: &mut [f32],
    ) {
        let last = self.layers.len() - 1;
        // Backwards: which rows of each value are needed now, and which of them are missing.
        let mut needed: [Range<usize>; MAX_LAYERS] = array::from_fn(|_| 0..0);
        let mut missing = needed.clone();
        missing[last] = rows.clone();
        for i in (0..last).rev() {
            needed[i] = match missing[i + 1].is_empty() {
                true => values[i].clone(),
                false => self.layers[i + 1].input_rows(missing[i + 1].clone()),
            };
            missing[i] = needed[i].start.max(values[i].end)..needed[i].end;
        }
        // Forwards: keep the rows that are needed again, compute the missing ones.
        let (mut input, mut first) = (x, 0);
        for (i, layer) in self.layers[..last].iter().enumerate() {
            let (value, rest) = memory.split_at_mut(self.held[i]);
            let (row, old) = (layer.row_len(), &values[i]);
            if needed[i].start < old.end {
                value.copy_within((needed[i].start - old.start) * row..old.len() * row, 0);
            }
            if !missing[i].is_empty() {
                let at = (missing[i].start - needed[i].start) * row;
                let y = &mut value[at..at + missing[i].len() * row];
                layer.rows(input, first, missing[i].clone(), y, None);
            }
            values[i] = needed[i].clone();
            (input, first, memory) = (value, needed[i].start, rest);
        }
        let residual = self.residual.then(|| &added[rows.start * self.rows().1..][..y.len()]);
        self.last().rows(input, first, rows, y, residual);
    }

    /// Floats of working memory: its own, and that of the kernels it calls meanwhile.
    pub fn scratch(&self) -> [usize; 2] {
        let kernels = needs(&self.layers, self.strip).zip(self.layers.iter().rev());
        [self.held.iter().sum(), kernels.map(|(rows, layer)| layer.scratch(rows)).max().unwrap_or(0)]
    }
}

/// Whether the weights are too many to stay in the cache from one call to the next.
pub(crate) fn is_heavy<'a>(layers: impl IntoIterator<Item = &'a PackedLayer>) -> bool {
    layers.into_iter().map(PackedLayer::parameters).sum::<usize>() > resident()
}

/// The share of the multiply-adds that is done twice when the output is divided into `tiles`.
fn repeated<'a>(layers: impl DoubleEndedIterator<Item = &'a PackedLayer>, tiles: usize) -> f64 {
    let (mut once, mut twice, mut rows) = (0.0, 0.0, None);
    for layer in layers.rev() {
        let out_h = layer.conv.shape.out_h;
        let own = out_h.div_ceil(tiles);
        let needed = rows.unwrap_or(own).min(out_h);
        let cost = layer.multiply_adds() as f64 / out_h as f64;
        once += own as f64 * cost;
        twice += needed.saturating_sub(own) as f64 * cost;
        rows = Some(layer.seen(needed));
    }
    twice / once
}

/// The most rows of each layer's output that a strip of the last one needs, from the last layer to the first.
fn needs(layers: &[PackedLayer], strip: usize) -> impl Iterator<Item = usize> {
    let pairs = layers.windows(2).rev();
    let before = pairs.scan(strip, |rows, pair| {
        *rows = pair[1].seen(*rows).min(pair[0].conv.shape.out_h);
        Some(*rows)
    });
    std::iter::once(strip).chain(before)
}

/// Floats to hold of each value between two layers.
fn held(layers: &[PackedLayer], strip: usize) -> Vec<usize> {
    let between = needs(layers, strip).zip(layers.iter().rev()).skip(1);
    let mut held: Vec<usize> = between.map(|(rows, layer)| rows * layer.row_len()).collect();
    held.reverse();
    held
}

/// Floats that a strip works in: what is held, and what the first layer copies of the image.
fn working_memory(layers: &[PackedLayer], strip: usize) -> usize {
    let rows = needs(layers, strip).last().unwrap_or(strip);
    held(layers, strip).iter().sum::<usize>() + layers[0].scratch(rows)
}
