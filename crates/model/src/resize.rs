//! Resizing as Pillow does it: `Image.resize((w, h), Image.BILINEAR)`, the filter that most training pipelines for
//! photographs and radiographs used, so that a model trained elsewhere sees the same pixels here.
//!
//! It is a triangle filter whose support grows with the reduction (so it averages all that it shrinks, instead of
//! skipping pixels as a two-tap bilinear does), applied to rows and then to columns. Sums run in f64 in Pillow's order and
//! are rounded to f32 after each pass, which equals Pillow's mode "F"; its mode "L" rounds to whole gray levels instead.
//!
//! Invariant: a side that already has its size is copied bit for bit.

/// The source samples that one output sample reads: `source[first..first + weights.len()]`.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

/// The triangle filter's taps for every output of a side, `from` samples to `to`.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let per_support = 1.0 / support;
    let tap = |i: usize| {
        let center = (i as f64 + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let triangle = |x: usize| (1.0 - ((x as f64 - center + 0.5) * per_support).abs()).max(0.0);
        let mut weights: Vec<f64> = (first..end).map(triangle).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
        Taps { first, weights }
    };
    (0..to).map(tap).collect()
}

/// Resizes `source: [height, width, channels]` to `[to_height, to_width, channels]`. No side may be 0.
pub fn resize(
    source: &[f32],
    (height, width): (usize, usize),
    (to_height, to_width): (usize, usize),
    channels: usize,
) -> Vec<f32> {
    assert_eq!(source.len(), height * width * channels, "resize: the buffer has the size of its shape");
    let rows = if width == to_width { source.to_vec() } else { across(source, width, to_width, channels) };
    if height == to_height { rows } else { down(&rows, height, to_height) }
}

/// Every row from `width` to `to_width` pixels.
fn across(source: &[f32], width: usize, to_width: usize, channels: usize) -> Vec<f32> {
    let taps = taps(width, to_width);
    let mut out = Vec::with_capacity(source.len() / width * to_width);
    for row in source.chunks_exact(width * channels) {
        for Taps { first, weights } in &taps {
            let read = &row[first * channels..(first + weights.len()) * channels];
            for c in 0..channels {
                let values = read[c..].iter().step_by(channels);
                out.push(weights.iter().zip(values).map(|(w, &v)| w * f64::from(v)).sum::<f64>() as f32);
            }
        }
    }
    out
}

/// The `height` rows to `to_height`, whole rows at a time.
fn down(source: &[f32], height: usize, to_height: usize) -> Vec<f32> {
    let row = source.len() / height;
    let mut out = Vec::with_capacity(row * to_height);
    let mut sums = vec![0.0; row];
    for Taps { first, weights } in taps(height, to_height) {
        sums.fill(0.0);
        for (w, values) in weights.iter().zip(source[first * row..].chunks_exact(row)) {
            sums.iter_mut().zip(values).for_each(|(sum, &v)| *sum += w * f64::from(v));
        }
        out.extend(sums.iter().map(|&sum| sum as f32));
    }
    out
}
