//! How one picture lies on another: an affine map, its parts and its inverse, and which pixels it brings where.

use crate::detail::PIXEL;
use crate::disc::Disc;
use crate::flip::Flip;
use std::ops::Range;

/// How a second picture lies on a first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Alignment {
    /// An affine map `[a, b, x, c, d, y]` from places of the first picture to places of the second, `(a u + b v + x,
    /// c u + d v + y)`, in fractions of the side from the centre.
    affine: [f32; 6],
    /// Whether one is the negative of the other, black for white.
    pub negative: bool,
}

impl Alignment {
    /// Lays a picture on itself.
    pub const IDENTITY: Self = Self { affine: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], negative: false };

    /// From its map, of pictures of which neither is the negative of the other.
    pub fn new(affine: [f32; 6]) -> Self {
        Self { affine, negative: false }
    }

    /// The same map, of pictures of which one is the negative of the other or is not.
    pub fn with_sign(self, negative: bool) -> Self {
        Self { negative, ..self }
    }

    /// Where a place of the first picture lies in the second.
    pub fn place(&self, [u, v]: [f32; 2]) -> [f32; 2] {
        let [a, b, x, c, d, y] = self.affine;
        [a * u + b * v + x, c * u + d * v + y]
    }

    /// The alignment that lays view `a` on view `b` when `a` is `b` turned by `turn` (see `Sampling::turn`).
    pub fn from_discs(a: &Disc, b: &Disc, turn: f32, Flip { mirrored, negative }: Flip) -> Self {
        let scale = b.radius / a.radius;
        let (s, c) = (scale * turn.sin(), scale * turn.cos());
        let [m, n, o, p] = if mirrored { [c, s, s, -c] } else { [c, s, -s, c] };
        // From the first ellipse to a circle, and from that to the second.
        let ([across, down], [wide, high]) = (a.aspect, b.aspect);
        let [m, n, o, p] = [m * wide / across, n * wide / down, o * high / across, p * high / down];
        let affine = [m, n, b.x - m * a.x - n * a.y, o, p, b.y - o * a.x - p * a.y];
        Self { affine, negative }
    }

    /// The map from the first picture of `self` to the second of `next`, whose first is the second of `self`.
    pub fn then(&self, next: &Self) -> Self {
        let ([a, b, x, c, d, y], [p, q, u, r, s, v]) = (self.affine, next.affine);
        let affine = [
            p * a + q * c,
            p * b + q * d,
            p * x + q * y + u,
            r * a + s * c,
            r * b + s * d,
            r * x + s * y + v,
        ];
        Self { affine, negative: self.negative != next.negative }
    }

    /// The map from the second picture to the first.
    pub fn inverse(&self) -> Self {
        let [a, b, x, c, d, y] = self.affine;
        let area = a * d - b * c;
        let [p, q, r, s] = [d, -b, -c, a].map(|v| v / area);
        Self { affine: [p, q, -(p * x + q * y), r, s, -(r * x + s * y)], negative: self.negative }
    }

    /// How much larger the second picture shows the subject.
    pub fn scale(&self) -> f32 {
        let [a, b, _, c, d, _] = self.affine;
        (a * d - b * c).abs().sqrt()
    }

    /// Whether it mirrors.
    pub fn mirrored(&self) -> bool {
        let [a, b, _, c, d, _] = self.affine;
        a * d - b * c < 0.0
    }

    /// The counter-clockwise turn in degrees that brings the second picture, mirrored left to right if it is, onto the
    /// first. Rows run downwards.
    pub fn rotation_degrees(&self) -> f32 {
        let [a, b, _, c, d, _] = self.affine;
        // Of the similarity nearest to the linear part, which maps to the second picture.
        let (sine, cosine) = if self.mirrored() { (b + c, d - a) } else { (c - b, a + d) };
        sine.atan2(cosine).to_degrees()
    }

    /// This alignment after a small affine change of the first picture: a place `(u, v)` becomes `(u + p u + q v + x,
    /// v + r u + s v + y)`.
    pub fn after(&self, [p, q, x, r, s, y]: [f32; 6]) -> Self {
        Self { affine: [1.0 + p, q, x, r, 1.0 + s, y], negative: false }.then(self)
    }

    /// How much longer it shows one direction of the subject than another, beside the first picture: 1 for a
    /// similarity.
    pub fn stretch(&self) -> f32 {
        let [a, b, _, c, d, _] = self.affine;
        let (sum, area) = (a * a + b * b + c * c + d * d, 2.0 * (a * d - b * c).abs());
        // The singular values have this sum of squares and this product.
        let [plus, minus] = [sum + area, sum - area].map(|v| v.max(0.0).sqrt());
        (plus + minus) / (plus - minus).max(1e-6)
    }

    /// For every row of the first picture the pixels that lie on the second, at least `margin` pixels from its edge:
    /// their columns, where the first of them lies in the second picture, and how far the next is, in units of 1 /
    /// [`PIXEL`].
    pub fn rows(
        &self,
        side: usize,
        margin: usize,
    ) -> impl Iterator<Item = (Range<usize>, [i64; 2], [i64; 2])> {
        let [a, b, tx, c, d, ty] = self.affine.map(f64::from);
        let (size, middle) = (side as f64, 0.5 * (side as f64 - 1.0));
        // Far outside is as good as outside, and cannot overflow.
        let fixed = |v: f64| (v.clamp(-1e6, 1e6) * PIXEL as f64).round() as i64;
        let (low, high) = (margin as i64 * PIXEL, (side - 1 - margin) as i64 * PIXEL - 1);
        let step = [fixed(a), fixed(c)];
        (0..side).map(move |y| {
            let (u, v) = (-middle, y as f64 - middle);
            let start = [a * u + b * v + tx * size + middle, c * u + d * v + ty * size + middle].map(fixed);
            let spans = [0, 1].map(|i| inside(start[i] - low, step[i], high - low, side));
            let from = spans[0].start.max(spans[1].start);
            let columns = from..spans[0].end.min(spans[1].end).max(from);
            (columns, [0, 1].map(|i| start[i] + step[i] * from as i64), step)
        })
    }

    /// What the values of the second picture are multiplied by.
    pub fn sign(&self) -> f32 {
        if self.negative { -1.0 } else { 1.0 }
    }
}

/// The `i` in `0..n` for which `start + step * i` lies in `0..=last`.
fn inside(start: i64, step: i64, last: i64, n: usize) -> Range<usize> {
    let n = n as i64;
    let (from, end) = match step {
        0 if (0..=last).contains(&start) => (0, n),
        0 => (0, 0),
        1.. => (
            (-start).div_euclid(step) + i64::from(start.rem_euclid(step) != 0),
            (last - start).div_euclid(step) + 1,
        ),
        _ => {
            let back = -step;
            let over = start - last;
            (over.div_euclid(back) + i64::from(over.rem_euclid(back) != 0), start.div_euclid(back) + 1)
        }
    };
    from.clamp(0, n) as usize..end.clamp(0, n) as usize
}
