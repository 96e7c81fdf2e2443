//! From a picture to what the network reads: the one function that training and prediction share.
//!
//! Order: channels, then size, then scale, because that is what `Image.open(f).convert("L").resize(...)` followed by a
//! scaling does. The first two are [`pixels`], whose result the loader keeps and augments; the last is [`normalise`].

use std::borrow::Cow;

use model::{Fit, Preprocessing};

use crate::{Picture, resize};

/// The network's input for `picture`: `[height, width, channels]` of `prep`.
pub fn preprocess(picture: &Picture, prep: &Preprocessing) -> Vec<f32> {
    let mut values = pixels(picture, prep);
    normalise(&mut values, prep);
    values
}

/// `picture` with the channels and size of `prep`, still in `0..=255`: `[height, width, channels]`.
pub fn pixels(picture: &Picture, prep: &Preprocessing) -> Vec<f32> {
    let samples = with_channels(picture, prep.channels);
    let (from, to) = ((picture.height, picture.width), (prep.height, prep.width));
    if from == to {
        return samples.into_owned();
    }
    match prep.fit {
        Fit::Stretch => resize(&samples, from, to, prep.channels),
        Fit::Pad => pad(&samples, from, to, prep.channels),
    }
}

/// `value * scale + offset` of its channel, in place.
pub fn normalise(values: &mut [f32], prep: &Preprocessing) {
    for pixel in values.chunks_exact_mut(prep.channels) {
        for ((value, scale), offset) in pixel.iter_mut().zip(&prep.scale).zip(&prep.offset) {
            *value = *value * scale + offset;
        }
    }
}

fn with_channels(picture: &Picture, channels: usize) -> Cow<'_, [f32]> {
    match (picture.channels, channels) {
        (3, 1) => picture.samples.chunks_exact(3).map(|rgb| luma(rgb, picture.bits)).collect(),
        (1, 3) => picture.samples.iter().flat_map(|&v| [v; 3]).collect(),
        _ => Cow::Borrowed(&picture.samples),
    }
}

/// ITU-R BT.601 luma (0.299 R + 0.587 G + 0.114 B) with Pillow's 16-bit weights and, for 8-bit files, its rounding. The
/// weights sum to 2^16 and the products are exact in f64, so R = G = B gives exactly that value.
fn luma(rgb: &[f32], bits: u8) -> f32 {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(f64::from);
    let value = (19_595.0 * r + 38_470.0 * g + 7_471.0 * b) / 65_536.0;
    if bits == 8 { (value + 0.5).floor() as f32 } else { value as f32 }
}

/// Resizes to the largest size that keeps the aspect, centred on black.
fn pad(
    samples: &[f32],
    (height, width): (usize, usize),
    (to_height, to_width): (usize, usize),
    channels: usize,
) -> Vec<f32> {
    let zoom = (to_height as f64 / height as f64).min(to_width as f64 / width as f64);
    let side = |from: usize, limit: usize| ((from as f64 * zoom).round() as usize).clamp(1, limit);
    let (inner_height, inner_width) = (side(height, to_height), side(width, to_width));
    let inner = resize(samples, (height, width), (inner_height, inner_width), channels);

    let (top, left) = ((to_height - inner_height) / 2, (to_width - inner_width) / 2);
    let mut out = vec![0.0; to_height * to_width * channels];
    let rows = out.chunks_exact_mut(to_width * channels).skip(top);
    for (to, from) in rows.zip(inner.chunks_exact(inner_width * channels)) {
        to[left * channels..][..from.len()].copy_from_slice(from);
    }
    out
}
