//! The gradients of a convolution over a batch. Tiles leave partial gradients of the weights, and sums that the norm below
//! needs; both are merged in the order of the tiles, so that any number of threads gives the same bits.

use crate::bands::Bands;
use crate::conv::{Conv, Weights, of_image};
use crate::{Tensor, par};
use kernels::pointwise_backward::{backward_tiles, pointwise_backward};
use kernels::{ConvShape, Grad, Level, Read, Write, conv_backward, depthwise_backward, elementwise};
use model::ConvKind;
use std::ops::Range;

/// Where [`Conv::backward_into`] writes; what is not wanted is none.
pub struct GradientBuffers<'a> {
    /// As the batch that was read.
    pub dx: Option<&'a mut [f32]>,
    /// What tiles leave of the gradient of the weights: [`Conv::partials`] times the length of the weights.
    pub dw: Option<&'a mut [f32]>,
    /// `[tiles, 2, inputs]`: what tiles leave of the sums that the norm below needs, where the input was deferred.
    pub sums: &'a mut [f32],
}

/// What backward of a batch returns.
pub struct Backward {
    /// The gradient of the input, if wanted, masked by the derivative of its activation where that was deferred.
    pub dx: Option<Tensor>,
    /// The gradient of the weights, if wanted, as the engine keeps them.
    pub dw: Option<Tensor>,
    /// `[2, inputs]`: sums over all pixels of `dx` and of `dx * (z - center)`, where the input was deferred.
    pub sums: Vec<f64>,
}

impl Conv {
    /// The tiles of backward, over input rows, and how many neighbouring ones share a partial gradient of the weights.
    fn backward_tiles(&self, level: Level, images: usize) -> (Bands, usize) {
        let shape = &self.shape;
        match self.kind {
            ConvKind::Full => (Bands::new(images, shape.h, shape.h), 1),
            ConvKind::Depthwise => {
                let rows = depthwise_backward::backward_tile_rows(shape, images);
                (Bands::new(images, shape.h, rows), 1)
            }
            ConvKind::Pointwise => {
                let pixels = images * shape.h * shape.w;
                let tiles = backward_tiles(level, pixels, shape.inputs, shape.outputs);
                let bands = Bands::new(1, pixels, tiles.rows);
                (bands, bands.count().div_ceil(tiles.partials))
            }
        }
    }

    /// The number of tiles of [`Conv::backward_into`], and of partial gradients of the weights that they leave.
    pub fn partials(&self, level: Level, images: usize) -> [usize; 2] {
        let (tiles, share) = self.backward_tiles(level, images);
        [tiles.count(), tiles.count().div_ceil(share)]
    }

    /// Backward of a batch: from `x: [n, h, w, inputs]` and the gradient `g: [n, out_h, out_w, outputs]`. `weights` are
    /// those of [`Conv::pack_transposed`], or taps; none where no gradient of the input is wanted and the kernel needs
    /// them for nothing else.
    ///
    /// Depthwise and full kernels work out the gradient of the weights in any case, so `into.dw` must be there for them.
    pub fn backward_into(
        &self,
        level: Level,
        images: usize,
        x: Read,
        g: Grad,
        weights: Option<Weights>,
        into: GradientBuffers,
    ) {
        let inputs = self.shape.inputs;
        let (tiles, share) = self.backward_tiles(level, images);
        let parts = tiles.joined(share);
        let row = self.row()[0] * inputs;
        let len = x.stored().len();
        let mut dx = into.dx.into_iter().flat_map(|dx| parts.split(dx, row));
        let mut dw = into.dw.into_iter().flat_map(|dw| dw.chunks_mut(self.weights()));
        let sums = into.sums.chunks_mut(share * 2 * inputs);
        let tasks = parts.iter().zip(sums).map(|(part, sums)| (part, dx.next(), dw.next(), sums)).collect();
        par::run(tasks, |((image, rows), mut dx, mut dw, sums)| {
            sums.fill(0.0);
            let bands = rows.clone().step_by(tiles.rows).zip(sums.chunks_mut(2 * inputs));
            for (start, sums) in bands {
                let band = start..rows.end.min(start + tiles.rows);
                let own = (band.start - rows.start) * row..(band.end - rows.start) * row;
                let dx = dx.as_deref_mut().map(|dx| &mut dx[own]);
                let begins = start == rows.start;
                self.backward_rows(
                    level,
                    x,
                    g,
                    weights,
                    (image, band),
                    (dx, len),
                    dw.as_deref_mut(),
                    begins,
                    sums,
                );
            }
        });
    }

    /// Backward of input rows `rows` of `image`, or of the pixels `rows` of the batch.
    fn backward_rows(
        &self,
        level: Level,
        x: Read,
        g: Grad,
        weights: Option<Weights>,
        (image, rows): (usize, Range<usize>),
        (dx, tensor): (Option<&mut [f32]>, usize),
        dw: Option<&mut [f32]>,
        begins: bool,
        sums: &mut [f32],
    ) {
        let ConvShape { inputs, outputs, out_h, out_w, .. } = self.shape;
        let x = x.part(self.read_range(image, &rows, inputs));
        let panels = match weights {
            Some(Weights::Panels(packed)) => Some(packed),
            _ => None,
        };
        if self.kind == ConvKind::Pointwise {
            let g = g.part(rows.start * outputs..rows.end * outputs);
            let dx = dx.map(|dx| Write::part(dx, tensor));
            pointwise_backward(level, x, g, outputs, panels, dx, dw, begins, sums);
            return;
        }
        let g = g.part(of_image(image, out_h * out_w * outputs));
        let dw = dw.expect("the kernel works out the gradient of the weights");
        if begins {
            dw.fill(0.0);
        }
        match weights {
            Some(Weights::Taps(_, taps)) => {
                let dx = dx.map(|dx| Write::part(dx, tensor));
                depthwise_backward::depthwise_backward(level, &self.shape, x, g, taps, rows, dx, dw, sums);
            }
            _ => conv_backward::conv_backward(level, &self.shape, x, g, panels, 0..out_h, dx, dw, sums),
        }
    }

    /// Backward of a batch with `weights` in the engine's layout: the gradients of the input and of the weights, as
    /// far as they are `wanted`.
    pub fn backward(
        &self,
        level: Level,
        images: usize,
        x: Read,
        g: Grad,
        weights: &[f32],
        wanted: [bool; 2],
    ) -> Backward {
        let ConvShape { h, w, inputs, .. } = self.shape;
        let packed = if wanted[0] { self.pack_transposed(level, weights) } else { None };
        let prepared = match self.kind {
            ConvKind::Depthwise => Some(Weights::Taps(level, weights)),
            _ => packed.as_ref().map(Weights::Panels),
        };
        let [tiles, partials] = self.partials(level, images);
        let needs_dw = wanted[1] || self.kind != ConvKind::Pointwise;
        let mut dx = wanted[0].then(|| Tensor::recycled([images, h, w, inputs]));
        let mut parts = needs_dw.then(|| Tensor::recycled([partials, weights.len()]));
        let mut sums = Tensor::recycled([tiles, 2 * inputs]);
        let into = GradientBuffers {
            dx: dx.as_mut().map(Tensor::data_mut),
            dw: parts.as_mut().map(Tensor::data_mut),
            sums: sums.data_mut(),
        };
        self.backward_into(level, images, x, g, prepared, into);
        let dw = parts.filter(|_| wanted[1]).map(|parts| {
            let mut dw = Tensor::recycled(self.weight_shape());
            merge(level, parts.data(), dw.data_mut());
            dw
        });
        Backward { dx, dw, sums: merge_sums(sums.data(), inputs) }
    }
}

/// Adds `partials: [count, total]` up, in order.
pub fn merge(level: Level, partials: &[f32], total: &mut [f32]) {
    const CHUNK: usize = 1 << 14;
    let len = total.len();
    par::chunks_mut(total, CHUNK, |i, out| {
        let range = i * CHUNK..i * CHUNK + out.len();
        let mut parts = partials.chunks_exact(len).map(|part| &part[range.clone()]);
        out.copy_from_slice(parts.next().expect("there is at least one partial result"));
        parts.for_each(|part| elementwise::accumulate(level, part, out));
    });
}

/// Adds per-tile sums, `tiles: [t, 2, c]`, up in f64, in order.
pub fn merge_sums(tiles: &[f32], channels: usize) -> Vec<f64> {
    let mut sums = vec![0.0; 2 * channels];
    for tile in tiles.chunks_exact(2 * channels) {
        for (sum, &part) in sums.iter_mut().zip(tile) {
            *sum += f64::from(part);
        }
    }
    sums
}
