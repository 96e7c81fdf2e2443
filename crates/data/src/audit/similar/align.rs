//! Laying one picture on another: the similarity transform under which their detail agrees best.
//!
//! Gauss-Newton steps on the squared difference (Lucas and Kanade 1981; forward compositional, Baker and Matthews 2004)
//! from the coarsest map to the finest, from a start that a pair of views gives.

use super::detail::Map;
use super::view::View;

/// An affine map `[a, b, x, c, d, y]` from places of the first picture to places of the second, `(a u + b v + x,
/// c u + d v + y)`, in fractions of the side from the centre. Here always a similarity, perhaps with a mirror.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placement(pub [f32; 6]);

impl Placement {
    /// Lays a picture on itself.
    pub const IDENTITY: Self = Self([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);

    /// The placement that lays view `a` on view `b` when `a` is `b` turned by `turn` (see `Waves::turn`).
    pub fn from_views(a: &View, b: &View, turn: f32, mirrored: bool) -> Self {
        let scale = b.radius / a.radius;
        let (s, c) = (scale * turn.sin(), scale * turn.cos());
        let [m, n, o, p] = if mirrored { [c, s, s, -c] } else { [c, s, -s, c] };
        Self([m, n, b.x - m * a.x - n * a.y, o, p, b.y - o * a.x - p * a.y])
    }

    /// The map from the first picture of `self` to the second of `next`, whose first is the second of `self`.
    pub fn then(&self, next: &Self) -> Self {
        let ([a, b, x, c, d, y], [p, q, u, r, s, v]) = (self.0, next.0);
        Self([
            p * a + q * c,
            p * b + q * d,
            p * x + q * y + u,
            r * a + s * c,
            r * b + s * d,
            r * x + s * y + v,
        ])
    }

    /// The map from the second picture to the first.
    pub fn inverse(&self) -> Self {
        let [a, b, x, c, d, y] = self.0;
        let area = a * d - b * c;
        let [p, q, r, s] = [d, -b, -c, a].map(|v| v / area);
        Self([p, q, -(p * x + q * y), r, s, -(r * x + s * y)])
    }

    /// How much larger the second picture shows the subject.
    pub fn scale(&self) -> f32 {
        let [a, b, _, c, d, _] = self.0;
        (a * d - b * c).abs().sqrt()
    }

    /// Whether it mirrors.
    pub fn mirrored(&self) -> bool {
        let [a, b, _, c, d, _] = self.0;
        a * d - b * c < 0.0
    }

    /// The counter-clockwise turn in degrees that brings the second picture, mirrored left to right if it is, onto the
    /// first. Rows run downwards.
    pub fn rotation_degrees(&self) -> f32 {
        let [_, b, _, _, d, _] = self.0;
        // The linear part maps to the second picture; its inverse is (up to scale) the transpose.
        let sine = if self.mirrored() { b } else { -b };
        sine.atan2(d).to_degrees()
    }

    /// This placement after a small similarity `1 + stretch`, `turn` and shift of the first picture.
    fn after(&self, [stretch, turn, x, y]: [f32; 4]) -> Self {
        let [a, b, tx, c, d, ty] = self.0;
        let (p, q) = (1.0 + stretch, turn);
        Self([
            a * p + b * q,
            b * p - a * q,
            a * x + b * y + tx,
            c * p + d * q,
            d * p - c * q,
            c * x + d * y + ty,
        ])
    }

    /// Calls `row(y, start, step)` for every row: where its first pixel lies in the second picture and how far the next
    /// is, in pixels of a picture of `side`.
    fn rows(&self, side: usize) -> impl Iterator<Item = ([f32; 2], [f32; 2])> {
        let [a, b, tx, c, d, ty] = self.0;
        let (size, middle) = (side as f32, 0.5 * (side as f32 - 1.0));
        (0..side).map(move |y| {
            let (u, v) = (-middle, y as f32 - middle);
            let start = [a * u + b * v + tx * size + middle, c * u + d * v + ty * size + middle];
            (start, [a, c])
        })
    }

    /// `b` laid on the first picture; NaN where it does not reach.
    fn warp(&self, b: &Map, out: &mut Vec<f32>) {
        out.clear();
        for ([x, y], [dx, dy]) in self.rows(b.side) {
            out.extend((0..b.side).map(|i| b.at(x + i as f32 * dx, y + i as f32 * dy).unwrap_or(f32::NAN)));
        }
    }

    /// Improves the placement on one level by at most `steps` steps.
    pub fn refine(mut self, a: &Map, b: &Map, steps: usize, scratch: &mut Vec<f32>) -> Self {
        let side = a.side;
        let middle = 0.5 * (side as f32 - 1.0);
        for _ in 0..steps {
            self.warp(b, scratch);
            let mut normal = [[0.0_f32; 5]; 4];
            for y in 1..side - 1 {
                let v = y as f32 - middle;
                let row = |y: usize| &scratch[y * side..(y + 1) * side];
                let (above, here, below) = (row(y - 1), row(y), row(y + 1));
                let values = &a.values[y * side..(y + 1) * side];
                let mut sums = [[0.0_f32; 5]; 4];
                for x in 1..side - 1 {
                    let u = x as f32 - middle;
                    let gx = 0.5 * (here[x + 1] - here[x - 1]);
                    let gy = 0.5 * (below[x] - above[x]);
                    let error = f32::from(values[x]) - here[x];
                    // NaN anywhere around: the place lies outside.
                    if (gx + gy + error).is_nan() {
                        continue;
                    }
                    let slope = [gx * u + gy * v, gy * u - gx * v, gx, gy, error];
                    for (i, sums) in sums.iter_mut().enumerate() {
                        sums.iter_mut().zip(&slope).for_each(|(sum, s)| *sum += slope[i] * s);
                    }
                }
                for (normal, sums) in normal.iter_mut().flatten().zip(sums.iter().flatten()) {
                    *normal += sums;
                }
            }
            let Some([stretch, turn, x, y]) = solve(normal) else { break };
            let limit = 0.2;
            if stretch.abs() > limit || turn.abs() > limit {
                break;
            }
            let size = side as f32;
            self = self.after([stretch, turn, x / size, y / size]);
            // A twentieth of a pixel at the edge is less than the next level corrects.
            if (stretch.abs() + turn.abs()) * middle + x.abs() + y.abs() < 0.05 {
                break;
            }
        }
        self
    }

    /// The correlation of two maps where both reach, and that part of the first picture.
    pub fn correlation(&self, a: &Map, b: &Map, sharp: bool) -> (f32, f32) {
        let side = a.side;
        let [mut ab, mut aa, mut bb] = [0.0_f64; 3];
        let mut count = 0;
        for ([x, y], ([dx, dy], values)) in
            self.rows(side).zip(a.values.chunks_exact(side)).map(|((start, step), v)| (start, (step, v)))
        {
            let mut sums = [0.0_f32; 3];
            for (i, &value) in values.iter().enumerate() {
                let (x, y) = (x + i as f32 * dx, y + i as f32 * dy);
                let Some(other) = (if sharp { b.at_sharp(x, y) } else { b.at(x, y) }) else { continue };
                let value = f32::from(value);
                sums[0] += value * other;
                sums[1] += value * value;
                sums[2] += other * other;
                count += 1;
            }
            ab += f64::from(sums[0]);
            aa += f64::from(sums[1]);
            bb += f64::from(sums[2]);
        }
        let correlation = ab / (aa * bb).sqrt().max(f64::MIN_POSITIVE);
        (correlation as f32, count as f32 / (side * side) as f32)
    }
}

/// Solves four symmetric equations `[matrix | right]` by elimination; `None` where they are singular.
fn solve(mut m: [[f32; 5]; 4]) -> Option<[f32; 4]> {
    for i in 0..4 {
        let pivot = m[i];
        if pivot[i].is_nan() || pivot[i] < 1e-3 {
            return None;
        }
        for row in &mut m[i + 1..] {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(&pivot).for_each(|(r, p)| *r -= factor * p);
        }
    }
    let mut x = [0.0; 4];
    for i in (0..4).rev() {
        let rest: f32 = (i + 1..4).map(|j| m[i][j] * x[j]).sum();
        x[i] = (m[i][4] - rest) / m[i][i];
    }
    Some(x)
}
