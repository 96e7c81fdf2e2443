//! Maps of fine detail: what is left of a picture without its brightness, contrast and slow shading.
//!
//! A map is a difference of two Gaussians divided by its own local standard deviation. Exposure, gamma and windowing
//! change the size of the detail around a place, hardly ever its pattern, so they cancel.
//!
//! Invariant: a map has one signed byte a pixel, [`UNIT`] a local standard deviation; flat areas are 0.

/// What one local standard deviation is in a map's bytes.
const UNIT: f32 = 32.0;

/// A square map of detail, in rows.
#[derive(Clone)]
pub(super) struct Map {
    pub side: usize,
    pub values: Vec<i8>,
}

/// The band of a map: standard deviations, in pixels, of the two Gaussians; and the contrast, in gray levels, below which
/// detail counts as flat (it is noise of the encoding).
pub(super) struct Band {
    pub inner: f32,
    pub outer: f32,
    pub floor: f32,
}

/// The half side of the window for the local standard deviation, in pixels.
const WINDOW: usize = 10;

impl Map {
    /// The detail of `gray: [side, side]`.
    pub fn new(gray: &[f32], side: usize, band: &Band) -> Self {
        let mut detail = blur(gray, side, band.inner);
        let outer = blur(gray, side, band.outer);
        detail.iter_mut().zip(&outer).for_each(|(d, o)| *d -= o);
        let squares: Vec<f32> = detail.iter().map(|d| d * d).collect();
        let power = window_mean(&squares, side);
        let byte = |(d, p): (&f32, &f32)| (UNIT * d / (p + band.floor * band.floor).sqrt()).round() as i8;
        Self { side, values: detail.iter().zip(&power).map(byte).collect() }
    }

    /// The value at column `x` and row `y`, in pixels, between the four around it; `None` outside.
    #[inline]
    pub fn at(&self, x: f32, y: f32) -> Option<f32> {
        let last = (self.side - 1) as f32;
        if !(x >= 0.0 && y >= 0.0 && x <= last && y <= last) {
            return None;
        }
        let (column, row) = ((x as usize).min(self.side - 2), (y as usize).min(self.side - 2));
        let (fx, fy) = (x - column as f32, y - row as f32);
        let first = row * self.side + column;
        let upper = &self.values[first..first + 2];
        let lower = &self.values[first + self.side..first + self.side + 2];
        let mix = |pair: &[i8]| f32::from(pair[0]) + fx * (f32::from(pair[1]) - f32::from(pair[0]));
        let (upper, lower) = (mix(upper), mix(lower));
        Some(upper + fy * (lower - upper))
    }

    /// As [`Map::at`], by cubic convolution (Keys 1981) over the sixteen around it: it keeps more of the finest detail.
    #[inline]
    pub fn at_sharp(&self, x: f32, y: f32) -> Option<f32> {
        let (column, row) = (x.floor(), y.floor());
        let last = (self.side - 2) as f32;
        if !(column >= 1.0 && row >= 1.0 && column < last && row < last) {
            return None;
        }
        let (wx, wy) = (cubic(x - column), cubic(y - row));
        let first = (row as usize - 1) * self.side + column as usize - 1;
        let rows = self.values[first..].chunks(self.side).zip(wy);
        let across = |row: &[i8]| row.iter().zip(wx).map(|(&v, w)| f32::from(v) * w).sum::<f32>();
        Some(rows.map(|(row, w)| w * across(row)).sum())
    }
}

/// The four weights of cubic convolution for a place `t` after the second sample.
fn cubic(t: f32) -> [f32; 4] {
    let u = 1.0 - t;
    [-0.5 * t * u * u, 1.0 + t * t * (1.5 * t - 2.5), 1.0 + u * u * (1.5 * u - 2.5), -0.5 * u * t * t]
}

/// Half the side: the mean of every 2 x 2 pixels.
pub(super) fn halve(gray: &[f32], side: usize) -> Vec<f32> {
    let mean = |rows: &[f32]| -> Vec<f32> {
        let (upper, lower) = rows.split_at(side);
        let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        pairs.map(|(u, l)| 0.25 * (u[0] + u[1] + l[0] + l[1])).collect()
    };
    gray.chunks_exact(2 * side).flat_map(mean).collect()
}

/// A Gaussian blur of `gray: [side, side]`, edges repeated.
pub(super) fn blur(gray: &[f32], side: usize, sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    let mut taps: Vec<f32> =
        (0..=2 * reach).map(|i| (-0.5 * ((i as f32 - reach as f32) / sigma).powi(2)).exp()).collect();
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|t| *t /= sum);

    let mut across = vec![0.0; side * side];
    let mut padded = vec![0.0; side + 2 * reach];
    for (row, out) in gray.chunks_exact(side).zip(across.chunks_exact_mut(side)) {
        padded[..reach].fill(row[0]);
        padded[reach..reach + side].copy_from_slice(row);
        padded[reach + side..].fill(row[side - 1]);
        for (shift, &t) in taps.iter().enumerate() {
            out.iter_mut().zip(&padded[shift..]).for_each(|(o, v)| *o += t * v);
        }
    }
    let mut blurred = vec![0.0; side * side];
    for (y, out) in blurred.chunks_exact_mut(side).enumerate() {
        for (shift, &t) in taps.iter().enumerate() {
            let from = (y + shift).saturating_sub(reach).min(side - 1) * side;
            out.iter_mut().zip(&across[from..from + side]).for_each(|(o, v)| *o += t * v);
        }
    }
    blurred
}

/// The mean over the square window around every pixel, as much of it as lies inside.
fn window_mean(values: &[f32], side: usize) -> Vec<f32> {
    let bounds = |i: usize| (i.saturating_sub(WINDOW), (i + WINDOW + 1).min(side));
    let mut across = vec![0.0; side * side];
    let mut sums = vec![0.0_f64; side + 1];
    for (row, out) in values.chunks_exact(side).zip(across.chunks_exact_mut(side)) {
        for x in 0..side {
            sums[x + 1] = sums[x] + f64::from(row[x]);
        }
        for (x, out) in out.iter_mut().enumerate() {
            let (from, to) = bounds(x);
            *out = ((sums[to] - sums[from]) / (to - from) as f64) as f32;
        }
    }
    let mut mean = vec![0.0; side * side];
    let mut column = vec![0.0_f32; side];
    let (mut from, mut to) = (0, 0);
    for (y, out) in mean.chunks_exact_mut(side).enumerate() {
        let (first, end) = bounds(y);
        while to < end {
            column.iter_mut().zip(&across[to * side..]).for_each(|(c, v)| *c += v);
            to += 1;
        }
        while from < first {
            column.iter_mut().zip(&across[from * side..]).for_each(|(c, v)| *c -= v);
            from += 1;
        }
        let count = (to - from) as f32;
        // The running sum may fall a rounding below 0 where all is flat.
        out.iter_mut().zip(&column).for_each(|(o, c)| *o = (c / count).max(0.0));
    }
    mean
}
