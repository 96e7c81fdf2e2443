//! From a picture to what the network reads: the one function that training and prediction share.
//!
//! Order: the window, if the model has one, channels, then size, then scale, because that is what
//! `Image.open(f).convert("L").resize(...)` followed by a scaling does. All but the last are [`pixels`], whose result
//! the loader keeps and augments; the last is [`normalise`].

use std::borrow::Cow;

use crate::{Picture, Preprocessing, ResizeMode, resize};

/// The network's input for `picture`: `[height, width, channels]` of `prep`.
pub fn preprocess(picture: &Picture, prep: &Preprocessing) -> Vec<f32> {
    let mut values = pixels(picture, prep);
    normalise(&mut values, prep);
    values
}

/// `picture` with the window, channels and size of `prep`, still in `0..=255`: `[height, width, channels]`.
pub fn pixels(picture: &Picture, prep: &Preprocessing) -> Vec<f32> {
    if let Some(window) = prep.window
        && !picture.shown
        && picture.channels == 1
    {
        return pixels(&picture.clone().through(window), prep);
    }
    let samples = with_channels(picture, prep.channels);
    let (from, to) = ((picture.height, picture.width), (prep.height, prep.width));
    if from == to {
        return samples.into_owned();
    }
    match prep.fit {
        ResizeMode::Stretch => resize(&samples, from, to, prep.channels),
        ResizeMode::Pad => pad(&samples, &Placement::new([from.0, from.1], prep), prep),
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
    let (r, g, b) = (f64::from(rgb[0]), f64::from(rgb[1]), f64::from(rgb[2]));
    let value = (19_595.0 * r + 38_470.0 * g + 7_471.0 * b) / 65_536.0;
    if bits == 8 { f32::from((value + 0.5) as u8) } else { value as f32 }
}

/// Where a picture comes to lie in the network's input, and back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Height and width of the picture.
    pub picture: [usize; 2],
    /// Top and left of its place.
    pub corner: [usize; 2],
    /// Height and width of its place.
    pub size: [usize; 2],
}

impl Placement {
    /// For a picture of `height` and `width`.
    pub fn new([height, width]: [usize; 2], prep: &Preprocessing) -> Self {
        let (to_height, to_width) = (prep.height, prep.width);
        let size = match prep.fit {
            ResizeMode::Stretch => [to_height, to_width],
            ResizeMode::Pad => {
                let zoom = (to_height as f64 / height as f64).min(to_width as f64 / width as f64);
                let side =
                    |from: usize, limit: usize| ((from as f64 * zoom).round() as usize).clamp(1, limit);
                [side(height, to_height), side(width, to_width)]
            }
        };
        let corner = [(to_height - size[0]) / 2, (to_width - size[1]) / 2];
        Self { picture: [height, width], corner, size }
    }

    /// The point `[y, x]` of the picture that the centre of an input pixel shows; outside of it in the padding.
    pub fn to_image(&self, y: usize, x: usize) -> [f64; 2] {
        let at = |i: usize, pixel: usize| {
            (pixel as f64 + 0.5 - self.corner[i] as f64) * self.picture[i] as f64 / self.size[i] as f64
        };
        [at(0, y), at(1, x)]
    }

    /// The input pixel `[y, x]`, between pixels as it falls, that shows a point of the picture.
    pub fn to_input(&self, [y, x]: [f64; 2]) -> [f64; 2] {
        let at = |i: usize, point: f64| {
            point * self.size[i] as f64 / self.picture[i] as f64 + self.corner[i] as f64 - 0.5
        };
        [at(0, y), at(1, x)]
    }
}

/// Resizes to the largest size that keeps the aspect, centred on black.
fn pad(samples: &[f32], place: &Placement, prep: &Preprocessing) -> Vec<f32> {
    let ([height, width], [inner_height, inner_width], [top, left]) =
        (place.picture, place.size, place.corner);
    let inner = resize(samples, (height, width), (inner_height, inner_width), prep.channels);
    let mut out = vec![0.0; prep.height * prep.width * prep.channels];
    let rows = out.chunks_exact_mut(prep.width * prep.channels).skip(top);
    for (to, from) in rows.zip(inner.chunks_exact(inner_width * prep.channels)) {
        to[left * prep.channels..][..from.len()].copy_from_slice(from);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_both_directions() {
        let mut prep = Preprocessing::new(1, [100, 100]);
        for (fit, size, corner) in
            [(ResizeMode::Stretch, [100, 100], [0, 0]), (ResizeMode::Pad, [100, 50], [0, 25])]
        {
            prep.fit = fit;
            let place = Placement::new([400, 200], &prep);
            assert_eq!((place.size, place.corner), (size, corner));
            let [y, x] = place.to_input(place.to_image(30, 40));
            assert!((y - 30.0).abs() < 1e-9 && (x - 40.0).abs() < 1e-9);
        }
        // In the padding, left of the picture.
        assert!(Placement::new([400, 200], &prep).to_image(50, 10)[1] < 0.0);
    }
}
