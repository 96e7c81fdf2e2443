//! One exposure: how the patient is positioned, and how path lengths become gray values.
//!
//! Beer-Lambert at the effective energy of the tube voltage, focal blur, scatter, quantum noise, a logarithmic display
//! window in which bone is bright, a lead marker and collimation. Everything is drawn from the exposure's own stream,
//! and nothing is measured in the image, so one changed bone never changes gray values far away from it.

use engine::Rng;

use crate::projection::Projection;

/// Rays along one side of a pixel.
pub(crate) const OVERSAMPLING: usize = 2;

/// How the patient stands and how the film lies.
#[derive(Clone, Debug)]
pub(crate) struct Pose {
    /// Side of the image relative to the region that matters.
    pub field: f64,
    /// Image centre relative to the middle of that region, in millimetres.
    pub shift: [f64; 2],
    /// Rotation of the film, in radians.
    pub rotation: f64,
    /// Bending of the neck against its rest, in radians.
    pub flexion: f64,
    /// How far left and right sides are displaced against the middle, in millimetres.
    pub parallax: [f64; 2],
}

impl Pose {
    /// The pose that `rng` draws.
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            field: rng.range(1.06, 1.18),
            shift: [rng.range(-3.0, 2.0), rng.range(-3.0, 2.0)],
            rotation: rng.range(-0.06, 0.06),
            flexion: rng.range(-0.06, 0.06),
            parallax: [rng.range(-1.0, 1.0), rng.range(-0.8, 0.8)],
        }
    }
}

/// Attenuation per millimetre at 30, 40, 50 and 60 keV: NIST XCOM mass attenuation of ICRU-44 soft tissue (1.06 g/cm3)
/// and cortical bone (1.92 g/cm3).
const SOFT: [f64; 4] = [0.0402, 0.0285, 0.0240, 0.0217];
const BONE: [f64; 4] = [0.2556, 0.1278, 0.0814, 0.0604];

/// `table` at an energy of 30 to 60 keV, interpolated in the logarithm.
fn attenuation(table: &[f64; 4], energy: f64) -> f64 {
    let position = ((energy - 30.0) / 10.0).clamp(0.0, 2.999);
    let (i, t) = (position as usize, position.fract());
    (table[i].ln() * (1.0 - t) + table[i + 1].ln() * t).exp()
}

/// The letters a marker can show, as rows of five dots.
const GLYPHS: [[u8; 7]; 2] = [[16, 16, 16, 16, 16, 16, 31], [30, 17, 17, 30, 20, 18, 17]];

/// A lead letter on the film.
#[derive(Clone, Debug)]
struct Marker {
    glyph: [u8; 7],
    /// Upper left corner and dot size, as parts of the image side.
    corner: [f64; 2],
    dot: f64,
}

/// One exposure.
#[derive(Clone, Debug)]
pub(crate) struct Exposure {
    /// Effective energy, in keV: about 0.58 of the tube voltage behind the filters.
    energy: f64,
    /// Quanta a pixel where nothing is in the way.
    quanta: f64,
    /// Share of the signal behind the neck that is scatter.
    scatter: f64,
    /// Standard deviation of focal and detector blur, in millimetres.
    blur: f64,
    /// Window: attenuation shown black and white, relative to that of the bare neck.
    window: [f64; 2],
    gamma: f64,
    /// Shuttered margins (left, top, right, bottom), as parts of the image side.
    margins: [f64; 4],
    marker: Option<Marker>,
}

impl Exposure {
    /// The exposure that `rng` draws.
    pub fn draw(rng: &mut Rng) -> Self {
        let marker = rng.chance(0.5).then(|| {
            let x = if rng.chance(0.5) { rng.range(0.03, 0.08) } else { rng.range(0.86, 0.9) };
            Marker {
                glyph: GLYPHS[rng.below(2) as usize],
                corner: [x, rng.range(0.08, 0.82)],
                dot: rng.range(0.013, 0.018),
            }
        });
        let collimated = rng.chance(0.5);
        Self {
            energy: 0.58 * rng.range(65.0, 77.0),
            quanta: 10f64.powf(rng.range(5.1, 5.8)),
            scatter: rng.range(0.03, 0.1),
            blur: rng.range(0.3, 0.6),
            window: [rng.range(-1.3, -1.1), rng.range(1.0, 1.2)],
            gamma: rng.range(0.95, 1.05),
            margins: std::array::from_fn(|_| if collimated { rng.range(-0.03, 0.04) } else { 0.0 }),
            marker,
        }
    }

    /// How many pixels blur can carry a change.
    pub fn reach(&self, pixel_mm: f64) -> usize {
        self.kernel(pixel_mm).len() / 2 / OVERSAMPLING + 1
    }

    /// The blur at the spacing of rays, one odd-sized row that sums to 1.
    fn kernel(&self, pixel_mm: f64) -> Vec<f32> {
        let sigma = self.blur / (pixel_mm / OVERSAMPLING as f64);
        let radius = (2.5 * sigma).ceil() as i64;
        let row: Vec<f64> = (-radius..=radius).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
        let sum: f64 = row.iter().sum();
        row.iter().map(|v| (v / sum) as f32).collect()
    }

    /// The radiograph: `[size, size]` gray values, 255 for the strongest attenuation. `neck` is the nominal width of
    /// the patient's neck, to which the radiographer sets the exposure; `rng` draws the noise.
    pub fn develop(&self, projection: &Projection, field: f64, neck: f64, rng: &mut Rng) -> Vec<u8> {
        let rays = projection.detector.rays;
        let size = rays / OVERSAMPLING;
        let (soft, bone) = (attenuation(&SOFT, self.energy) as f32, attenuation(&BONE, self.energy) as f32);
        let lengths = projection.soft.iter().zip(&projection.bone);
        let mut beam: Vec<f32> = lengths.map(|(s, b)| (-(soft * s.max(0.0) + bone * b)).exp()).collect();
        self.cast_marker(&mut beam, rays);
        let beam = blurred(&beam, rays, &self.kernel(field / size as f64));
        let reference = f64::from(soft) * neck;
        let veil = self.scatter * (-reference).exp();
        let shuttered = |x: usize, y: usize| {
            let [x, y] = [x, y].map(|v| (v as f64 + 0.5) / size as f64);
            let [left, top, right, bottom] = self.margins;
            x < left || y < top || 1.0 - x < right || 1.0 - y < bottom
        };
        let [low, high] = self.window;
        let mut pixels = Vec::with_capacity(size * size);
        for i in 0..size * size {
            let (x, y) = (i % size, i / size);
            let mut primary = 0.0;
            for j in 0..OVERSAMPLING * OVERSAMPLING {
                let (dx, dy) = (j % OVERSAMPLING, j / OVERSAMPLING);
                primary += f64::from(beam[(y * OVERSAMPLING + dy) * rays + x * OVERSAMPLING + dx]);
            }
            primary /= (OVERSAMPLING * OVERSAMPLING) as f64;
            let signal = (1.0 - self.scatter) * primary + veil;
            let signal = (signal + (signal / self.quanta).sqrt() * rng.normal()).max(1e-6);
            let shown = (-signal.ln() - reference - low) / (high - low);
            let gray = (255.0 * shown.clamp(0.0, 1.0).powf(self.gamma)).round() as u8;
            pixels.push(if shuttered(x, y) { 0 } else { gray });
        }
        pixels
    }

    /// Lets almost nothing through where the marker lies.
    fn cast_marker(&self, beam: &mut [f32], rays: usize) {
        let Some(marker) = &self.marker else { return };
        let side = rays as f64;
        for (i, value) in beam.iter_mut().enumerate() {
            let u = ((i % rays) as f64 / side - marker.corner[0]) / marker.dot;
            let v = ((i / rays) as f64 / side - marker.corner[1]) / marker.dot;
            if (0.0..5.0).contains(&u)
                && (0.0..7.0).contains(&v)
                && marker.glyph[v as usize] >> (4 - u as u32) & 1 == 1
            {
                *value *= 0.005;
            }
        }
    }
}

/// `image` [side, side] blurred by `kernel` along both axes; the border repeats.
fn blurred(image: &[f32], side: usize, kernel: &[f32]) -> Vec<f32> {
    let radius = kernel.len() / 2;
    let inside = |i: usize, k: usize| (i + k).saturating_sub(radius).min(side - 1);
    let mut across = vec![0.0; side * side];
    for (row, out) in image.chunks_exact(side).zip(across.chunks_exact_mut(side)) {
        for (x, out) in out.iter_mut().enumerate() {
            *out = kernel.iter().enumerate().map(|(k, weight)| weight * row[inside(x, k)]).sum();
        }
    }
    let mut down = vec![0.0; side * side];
    for (y, out) in down.chunks_exact_mut(side).enumerate() {
        for (k, weight) in kernel.iter().enumerate() {
            let row = &across[inside(y, k) * side..][..side];
            out.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
        }
    }
    down
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attenuation_falls_with_energy_and_meets_the_table() {
        assert!((attenuation(&BONE, 40.0) - 0.1278).abs() < 1e-9);
        assert!(attenuation(&SOFT, 45.0) < 0.0285 && attenuation(&SOFT, 45.0) > 0.0240);
    }

    #[test]
    fn blur_keeps_the_sum() {
        let mut image = vec![0.0; 21 * 21];
        image[10 * 21 + 10] = 1.0;
        let kernel = Exposure::draw(&mut Rng::new(1)).kernel(1.0);
        let out = blurred(&image, 21, &kernel);
        assert!((out.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(out[10 * 21 + 10] < 1.0 && out[10 * 21 + 10 + kernel.len() / 2 + 1] == 0.0);
    }
}
