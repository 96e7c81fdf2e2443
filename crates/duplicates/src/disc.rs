//! Discs of a picture, whose description does not change when the picture is turned or mirrored.
//!
//! The first disc is the whole picture; some are parts that a crop may have left; the others lie around blobs, extrema
//! of the difference of Gaussians over place and scale (Lowe 2004), which stay on the same spot of the subject under a
//! crop, a shift or a change of scale. A disc is read along rings around its centre. Turning the picture shifts every
//! ring, mirroring reverses it; neither changes the magnitude of a ring's Fourier coefficients, and their phases tell
//! the turn afterwards.

use crate::detail::{Map, blur};
use crate::flip::Flip;
use crate::sorted::descending;
use std::f32::consts::TAU;

/// The whole, and discs that are the whole of another picture, if that is a crop of this one or has a margin around it:
/// grids of `[discs along a side, distance of their centres, radius beside the whole]`.
const LARGE: [Disc; FIRST_BLOB - 1] = {
    let grids = [(1, 0.0, 1.0), (3, 0.04, 0.9), (1, 0.0, 0.8), (3, 0.07, 0.78), (5, 0.08, 0.66)];
    let mut discs = [Disc::WHOLE; FIRST_BLOB - 1];
    let (mut next, mut grid) = (0, 0);
    while grid < grids.len() {
        let (count, apart, radius) = grids[grid];
        let mut i = 0;
        while i < count * count {
            discs[next] = Disc {
                x: apart * ((i % count) as f32 - 0.5 * (count - 1) as f32),
                y: apart * ((i / count) as f32 - 0.5 * (count - 1) as f32),
                radius: radius * Disc::WHOLE.radius,
                aspect: [1.0; 2],
            };
            next += 1;
            i += 1;
        }
        grid += 1;
    }
    assert!(next == discs.len());
    discs
};
/// The number of the first disc of a picture that is a blob's: those before it are large.
pub(crate) const FIRST_BLOB: usize = 1 + 9 + 1 + 9 + 25 + 1;
/// The number of the disc that is the whole picture squeezed into a square, so that one that was squeezed looks alike.
pub(crate) const SQUEEZED: usize = FIRST_BLOB - 1;
/// A disc of a picture. Places and lengths are fractions of the picture's side, from its centre.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disc {
    pub x: f32,
    pub y: f32,
    pub radius: f32,
    /// The radii along x and y beside `radius`: an ellipse, if they are not 1.
    pub aspect: [f32; 2],
}

impl Disc {
    /// The whole picture.
    pub const WHOLE: Self = Self { x: 0.0, y: 0.0, radius: 0.48, aspect: [1.0; 2] };
}

/// How a disc is read: rings, and waves around each of them.
pub(crate) struct Sampling {
    rings: usize,
    waves: usize,
    /// Cosine and sine of every sample's angle.
    circle: Vec<[f32; 2]>,
    /// `[samples, 2 * waves]`: cosines and sines of the waves (from one turn a ring on) at every sample.
    table: Vec<f32>,
}

/// The Fourier coefficients of a disc's rings: for each ring the real parts, then the imaginary parts.
pub(crate) struct Spectrum(Vec<f32>);

impl Sampling {
    /// For finding a turn, and for discs where a small description is enough.
    pub fn coarse() -> Self {
        Self::new(10, 16, 64)
    }

    /// For the many small parts of two pictures that are compared.
    pub fn small() -> Self {
        Self::new(6, 8, 32)
    }

    /// For telling look-alikes apart.
    pub fn fine() -> Self {
        Self::new(20, 48, 128)
    }

    fn new(rings: usize, waves: usize, samples: usize) -> Self {
        let angle = |i: usize| TAU * (i % samples) as f32 / samples as f32;
        let circle = (0..samples).map(|i| [angle(i).cos(), angle(i).sin()]).collect();
        let row = |i: usize| {
            let cosines = (1..=waves).map(move |wave| angle(i * wave).cos());
            cosines.chain((1..=waves).map(move |wave| -angle(i * wave).sin()))
        };
        Self { rings, waves, circle, table: (0..samples).flat_map(row).collect() }
    }

    /// The rings of `disc` in `map`.
    pub fn spectrum(&self, disc: &Disc, map: Map) -> Spectrum {
        let side = map.side as f32;
        let middle = 0.5 * (side - 1.0);
        let (x, y) = (middle + disc.x * side, middle + disc.y * side);
        let [across, down] = disc.aspect;
        let mut spectrum = vec![0.0; self.rings * 2 * self.waves];
        for (ring, out) in spectrum.chunks_exact_mut(2 * self.waves).enumerate() {
            let radius = disc.radius * side * (ring as f32 + 1.0) / self.rings as f32;
            for ([c, s], row) in self.circle.iter().zip(self.table.chunks_exact(2 * self.waves)) {
                let value = map.at(x + across * radius * c, y + down * radius * s).unwrap_or(0.0);
                out.iter_mut().zip(row).for_each(|(o, w)| *o += value * w);
            }
        }
        Spectrum(spectrum)
    }

    /// What does not change with the turn: magnitudes, whose root keeps the strongest waves from deciding alone.
    pub fn magnitudes(&self, spectrum: &Spectrum) -> Vec<f32> {
        let rings = spectrum.0.chunks_exact(2 * self.waves).map(|ring| ring.split_at(self.waves));
        rings.flat_map(|(re, im)| re.iter().zip(im).map(|(re, im)| re.hypot(*im).sqrt())).collect()
    }

    /// The turn, in radians, for which `a(angle) = b(angle - turn)` fits best, or if mirrored
    /// `a(angle) = b(turn - angle)`, or if negative with `-b`; and how well, in `-1..=1`.
    pub fn turn(&self, a: &Spectrum, b: &Spectrum, flip: Flip) -> (f32, f32) {
        let sign = if flip.mirrored { -1.0 } else { 1.0 };
        let mut product = vec![[0.0; 2]; self.waves];
        let (mut power_a, mut power_b) = (0.0, 0.0);
        let rings = a.0.chunks_exact(2 * self.waves).zip(b.0.chunks_exact(2 * self.waves));
        for (ring, (a, b)) in rings.enumerate() {
            // An outer ring stands for a larger area.
            let weight = (ring + 1) as f32;
            for (wave, out) in product.iter_mut().enumerate() {
                let (ar, ai, br, bi) = (a[wave], a[self.waves + wave], b[wave], sign * b[self.waves + wave]);
                out[0] += weight * (ar * br + ai * bi);
                out[1] += weight * (ai * br - ar * bi);
                power_a += weight * (ar * ar + ai * ai);
                power_b += weight * (br * br + bi * bi);
            }
        }
        let fit = |row: &[f32]| -> f32 {
            let (cosines, sines) = row.split_at(self.waves);
            let terms = product.iter().zip(cosines.iter().zip(sines));
            let sum: f32 = terms.map(|([re, im], (c, s))| re * c + im * s).sum();
            if flip.negative { -sum } else { sum }
        };
        let fits: Vec<f32> = self.table.chunks_exact(2 * self.waves).map(fit).collect();
        let samples = fits.len();
        let best = (0..samples).max_by(|&i, &j| fits[i].total_cmp(&fits[j])).unwrap_or(0);
        let (before, at, after) =
            (fits[(best + samples - 1) % samples], fits[best], fits[(best + 1) % samples]);
        let bend = before - 2.0 * at + after;
        let between = if bend < 0.0 { 0.5 * (before - after) / bend } else { 0.0 };
        let turn = (best as f32 + between) * TAU / samples as f32;
        (turn, at / (power_a * power_b).sqrt().max(f32::MIN_POSITIVE))
    }
}

/// How blobs are looked for in a picture.
pub(crate) struct Blobs {
    /// How many scales are tried, a third of an octave apart, from this standard deviation on, in pixels.
    pub scales: usize,
    pub sigma: f32,
    /// The radius of a disc in standard deviations of its scale, and which part of it must lie in the picture, or its
    /// edge decides what the disc looks like.
    pub reach: f32,
    pub inside: f32,
    /// So many, the strongest.
    pub most: usize,
}

impl Blobs {
    /// Those by which pictures are looked for: large, because few large discs tell pictures apart where many small ones
    /// find the same rib in every chest.
    const DISCS: Self = Self { scales: 8, sigma: 1.4, reach: 4.0, inside: 0.8, most: 24 };

    /// The blobs of `gray: [side, side]` where it is `shown`, strongest first.
    pub fn of(&self, gray: &[f32], side: usize, shown: &dyn Fn(usize, usize) -> bool) -> Vec<Disc> {
        let sigma = |scale: usize| self.sigma * 2.0_f32.powf(scale as f32 / 3.0);
        let smooth: Vec<Vec<f32>> = (0..self.scales).map(|s| blur(gray, side, sigma(s))).collect();
        let difference =
            |pair: &[Vec<f32>]| -> Vec<f32> { pair[0].iter().zip(&pair[1]).map(|(a, b)| a - b).collect() };
        let layers: Vec<Vec<f32>> = smooth.windows(2).map(difference).collect();

        let mut blobs = Vec::new();
        for scale in 1..layers.len() - 1 {
            let radius = self.reach * sigma(scale) * 2.0_f32.powf(1.0 / 6.0) / side as f32;
            let margin = ((self.inside * radius * side as f32) as usize).max(1);
            for y in margin..side.saturating_sub(margin) {
                for x in margin..side.saturating_sub(margin) {
                    let at = y * side + x;
                    let value = layers[scale][at];
                    let near = |layer: &[f32]| {
                        (0..9).all(|k| {
                            let other = layer[at + k / 3 * side + k % 3 - side - 1];
                            if value > 0.0 { other <= value } else { other >= value }
                        })
                    };
                    if value != 0.0
                        && shown(x, y)
                        && layers[scale - 1..=scale + 1].iter().all(|layer| near(layer))
                    {
                        let place = |p: usize| (p as f32 + 0.5) / side as f32 - 0.5;
                        blobs
                            .push((value.abs(), Disc { x: place(x), y: place(y), radius, aspect: [1.0; 2] }));
                    }
                }
            }
        }
        let order = descending(blobs.iter().map(|&(strength, _)| strength));
        order.into_iter().map(|i| blobs[i].1).take(self.most).collect()
    }
}

/// The discs of a picture of which `gray: [side, side]` is a small version (about 56 pixels): the whole and parts
/// of it, then its blobs where it is `shown`.
///
/// `aspect` is how much of the sides the image takes.
pub(crate) fn discs(
    gray: &[f32],
    side: usize,
    aspect: [f32; 2],
    shown: &dyn Fn(usize, usize) -> bool,
) -> Vec<Disc> {
    let squeezed = Disc { aspect, ..Disc::WHOLE };
    LARGE.into_iter().chain([squeezed]).chain(Blobs::DISCS.of(gray, side, shown)).collect()
}
