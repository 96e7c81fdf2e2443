//! Maps of fine detail: what is left of a picture without its brightness, contrast and slow shading.
//!
//! A map is a difference of two Gaussians divided by its own local standard deviation. Exposure, gamma and windowing
//! change the size of the detail around a place, hardly ever its pattern, so they cancel.
//!
//! Invariant: a map has one signed byte a pixel, [`UNIT`] a local standard deviation; flat areas are 0.

/// What one local standard deviation is in a map's bytes.
pub(crate) const UNIT: f32 = 32.0;

/// What a map's bytes reach at most: else a strong line that many pictures share, such as a collimator's edge, would
/// outweigh all that they do not.
const MOST: f32 = 2.0 * UNIT;

/// A square map of detail, in rows.
#[derive(Clone, Copy)]
pub(crate) struct Map<'a> {
    pub side: usize,
    /// Signed bytes, as they are kept in a file.
    values: &'a [u8],
}

/// The band of a map: standard deviations, in pixels, of the two Gaussians; and the contrast, in gray levels, below
/// which detail counts as flat (it is noise of the encoding).
pub(crate) struct Band {
    pub inner: f32,
    pub outer: f32,
    pub floor: f32,
}

/// The half side of the window for the local standard deviation, in pixels.
const WINDOW: usize = 10;

/// The bytes of the map of `gray: [side, side]`; 0 where nothing is `shown`.
pub(crate) fn detail<'a>(
    gray: &[f32],
    side: usize,
    band: &Band,
    shown: &'a [bool],
) -> impl Iterator<Item = u8> + use<'a> {
    let mut detail = blur(gray, side, band.inner);
    let outer = blur(gray, side, band.outer);
    detail.iter_mut().zip(&outer).for_each(|(d, o)| *d -= o);
    let squares: Vec<f32> =
        detail.iter().zip(shown).map(|(d, &shown)| if shown { d * d } else { 0.0 }).collect();
    let mut power = window_mean(&squares, side);
    if shown.contains(&false) {
        let ones: Vec<f32> = shown.iter().map(|&shown| f32::from(u8::from(shown))).collect();
        let share = window_mean(&ones, side);
        power.iter_mut().zip(share).for_each(|(p, share)| *p /= share.max(0.05));
    }
    let floor = band.floor * band.floor;
    detail.into_iter().zip(power).zip(shown).map(move |((d, p), &shown)| {
        let value = (UNIT * d / (p + floor).sqrt()).clamp(-MOST, MOST);
        if shown { byte(value) } else { 0 }
    })
}

/// A value in `-128.5..127.5` as a map has it. Rounded by hand: without SSE4.1, `round` is a call.
pub(crate) fn byte(value: f32) -> u8 {
    ((value + 128.5) as u8).wrapping_sub(128)
}

/// One pixel in the coordinates of [`Map::smooth`] and [`Map::sharp`].
pub(crate) const PIXEL: i64 = 1 << 16;

/// Of how many rows of a map one is looked at: of the largest every other tells as much in half the time.
pub(crate) fn every(side: usize) -> usize {
    if side > 128 { 2 } else { 1 }
}

impl<'a> Map<'a> {
    /// The map of `side * side` bytes.
    pub fn new(side: usize, values: &'a [u8]) -> Self {
        assert_eq!(values.len(), side * side, "similar: a map is a square");
        Self { side, values }
    }

    /// The values of row `y`.
    pub fn row(&self, y: usize) -> impl Iterator<Item = f32> {
        self.values[y * self.side..(y + 1) * self.side].iter().map(|&v| signed(v))
    }

    /// The value at column `x` and row `y`, in pixels, between the four around it; `None` outside.
    #[inline]
    pub fn at(&self, x: f32, y: f32) -> Option<f32> {
        let last = (self.side - 1) as f32;
        let inside = x >= 0.0 && y >= 0.0 && x < last && y < last;
        let fixed = |v: f32| (v * PIXEL as f32) as i64;
        inside.then(|| self.smooth(fixed(x), fixed(y)))
    }

    /// The value at `x` and `y`, in units of 1 / [`PIXEL`] and in `0..side - 1`, between the four around it.
    #[inline]
    pub fn smooth(&self, x: i64, y: i64) -> f32 {
        let fraction = |v: i64| (v & (PIXEL - 1)) as i32 as f32 * (1.0 / PIXEL as f32);
        let (fx, fy) = (fraction(x), fraction(y));
        let first = (y / PIXEL) as usize * self.side + (x / PIXEL) as usize;
        let four = &self.values[first..first + self.side + 2];
        let mix = |a: u8, b: u8| signed(a) + fx * (signed(b) - signed(a));
        let (upper, lower) = (mix(four[0], four[1]), mix(four[self.side], four[self.side + 1]));
        upper + fy * (lower - upper)
    }

    /// As [`Map::smooth`], in `1..side - 2`, by cubic convolution (Keys 1981) over the sixteen around it: it keeps more
    /// of the finest detail.
    #[inline]
    pub fn sharp(&self, x: i64, y: i64) -> f32 {
        let weights = |v: i64| &CUBIC[(v & (PIXEL - 1)) as usize / (PIXEL as usize / CUBIC.len())];
        let (wx, wy) = (weights(x), weights(y));
        let first = (y / PIXEL - 1) as usize * self.side + (x / PIXEL - 1) as usize;
        let sixteen = &self.values[first..first + 3 * self.side + 4];
        let mut across = [0.0; 4];
        for (row, w) in wy.iter().enumerate() {
            let from = row * self.side;
            let four = &sixteen[from..from + 4];
            across.iter_mut().zip(four).for_each(|(a, &v)| *a += w * signed(v));
        }
        across.iter().zip(wx).map(|(a, w)| a * w).sum()
    }
}

fn signed(value: u8) -> f32 {
    f32::from(value as i8)
}

/// The four weights of cubic convolution for a place after the second sample, in steps of 1/256.
static CUBIC: [[f32; 4]; 256] = {
    let mut table = [[0.0; 4]; 256];
    let mut i = 0;
    while i < 256 {
        let t = (i as f32 + 0.5) / 256.0;
        let u = 1.0 - t;
        table[i] = [
            -0.5 * t * u * u,
            1.0 + t * t * (1.5 * t - 2.5),
            1.0 + u * u * (1.5 * u - 2.5),
            -0.5 * u * t * t,
        ];
        i += 1;
    }
    table
};

/// Half the side: the mean of every 2 x 2 pixels.
pub(crate) fn halve(gray: &[f32], side: usize) -> Vec<f32> {
    let mean = |rows: &[f32]| -> Vec<f32> {
        let (upper, lower) = rows.split_at(side);
        let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        pairs.map(|(u, l)| 0.25 * (u[0] + u[1] + l[0] + l[1])).collect()
    };
    gray.chunks_exact(2 * side).flat_map(mean).collect()
}

/// A Gaussian blur of `gray: [side, side]`, edges repeated.
pub(crate) fn blur(gray: &[f32], side: usize, sigma: f32) -> Vec<f32> {
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
