//! An affine map of an image: what augmentation and test-time views share.
//!
//! Bilinear sampling, coordinates clamped, so the border repeats. A source coordinate is an integer with 16 bits after
//! the point: a step a pixel is exact, and needs no conversion from float.

/// Bits after the point of a source coordinate.
const POINT: u32 = 16;
const ONE: f64 = (1u32 << POINT) as f64;

/// Source coordinates are `x0 + xx * x + xy * y` and `y0 + yx * x + yy * y`, in units of 2^-16 pixel.
pub(crate) struct Affine {
    x0: f64,
    xx: f64,
    xy: f64,
    y0: f64,
    yx: f64,
    yy: f64,
}

impl Affine {
    /// About the centre: `source = R (target - shift) / zoom`, with x mirrored first where `mirror` is -1.
    pub(crate) fn about_centre(
        [height, width]: [usize; 2],
        [sin, cos]: [f64; 2],
        [shift_y, shift_x]: [f64; 2],
        zoom: f64,
        mirror: f64,
    ) -> Self {
        let (xx, xy) = (ONE * cos * mirror / zoom, ONE * sin / zoom);
        let (yx, yy) = (-ONE * sin * mirror / zoom, ONE * cos / zoom);
        let (center_x, center_y) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
        let (from_x, from_y) = (center_x + shift_x, center_y + shift_y);
        Self {
            x0: ONE * center_x - xx * from_x - xy * from_y,
            xx,
            xy,
            y0: ONE * center_y - yx * from_x - yy * from_y,
            yx,
            yy,
        }
    }

    /// The source `[x, y]` of a pixel of the result, in pixels and in f64.
    #[cfg(test)]
    pub(crate) fn source(&self, x: f64, y: f64) -> [f64; 2] {
        [(self.x0 + self.xx * x + self.xy * y) / ONE, (self.y0 + self.yx * x + self.yy * y) / ONE]
    }
}

/// Samples `source: [height, width, C]` at the map of every pixel of `out`, which has the same shape; `finish(x, pixel)`
/// makes of the sampled pixel in column `x` what is written.
pub(crate) fn warp<T: Copy + Into<f32>, const C: usize>(
    source: &[T],
    [height, width]: [usize; 2],
    map: &Affine,
    out: &mut [f32],
    mut finish: impl FnMut(usize, [f32; C]) -> [f32; C],
) {
    let (last_x, last_y) = (((width - 1) as i64) << POINT, ((height - 1) as i64) << POINT);
    let (step_x, step_y) = (map.xx.round() as i64, map.yx.round() as i64);
    let (pixels, _) = source.as_chunks::<C>();
    for (y, row) in out.chunks_exact_mut(width * C).enumerate() {
        let mut sx = (map.x0 + map.xy * y as f64).round() as i64;
        let mut sy = (map.y0 + map.yy * y as f64).round() as i64;
        for (x, out) in row.as_chunks_mut::<C>().0.iter_mut().enumerate() {
            let (px, py) = (sx.clamp(0, last_x), sy.clamp(0, last_y));
            (sx, sy) = (sx + step_x, sy + step_y);
            let (left, top) = ((px >> POINT) as usize, (py >> POINT) as usize);
            let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
            let (fx, fy) = (fraction(px), fraction(py));
            let (upper, lower) = (top * width, bottom * width);
            let corners = [upper + left, upper + right, lower + left, lower + right].map(|i| pixels[i]);
            let sampled = std::array::from_fn(|c| {
                let [a, b, p, q] = corners.map(|pixel| pixel[c].into());
                let (above, below) = (a + fx * (b - a), p + fx * (q - p));
                above + fy * (below - above)
            });
            *out = finish(x, sampled);
        }
    }
}

/// The part of a coordinate after the point, in `0..1`.
fn fraction(coordinate: i64) -> f32 {
    (coordinate as u32 & ((1 << POINT) - 1)) as f32 * (1.0 / ONE) as f32
}
