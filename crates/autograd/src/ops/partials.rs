//! What tiles leave behind, and its merge in tile order: the same bits for any number of threads.

use crate::{Gradient, Value};
use engine::{Shape, Tensor, par};
use kernels::{Level, elementwise};

/// Adds the partial results in `partials: [count, shape]` up, in order.
pub(super) fn sum(level: Level, partials: &Tensor, shape: Shape) -> Tensor {
    const CHUNK: usize = 1 << 14;
    let len = shape.elements();
    let mut total = Tensor::recycled(shape);
    par::chunks_mut(total.data_mut(), CHUNK, |i, out| {
        let range = i * CHUNK..i * CHUNK + out.len();
        let mut parts = partials.data().chunks_exact(len).map(|part| &part[range.clone()]);
        out.copy_from_slice(parts.next().expect("there is at least one partial result"));
        for part in parts {
            elementwise::accumulate(level, part, out);
        }
    });
    total
}

/// Adds per-tile sums, `tiles: [t, 2, c]`, up in f64, in order.
pub(super) fn merge_sums(tiles: &[f32], channels: usize) -> Vec<f64> {
    let mut sums = vec![0.0; 2 * channels];
    for tile in tiles.chunks_exact(2 * channels) {
        for (sum, &part) in sums.iter_mut().zip(tile) {
            *sum += f64::from(part);
        }
    }
    sums
}

/// The gradient of an input that kernels read as `x`: they wrote `dx`, and per-tile sums where `x` was deferred.
pub(super) fn input_gradient(x: &Value, dx: Tensor, sums: &Tensor) -> Gradient {
    match x {
        Value::Plain(_) => Gradient::Plain(dx),
        Value::Deferred(_) => {
            Gradient::Deferred { sums: merge_sums(sums.data(), dx.shape().channels()), du: dx }
        }
    }
}
