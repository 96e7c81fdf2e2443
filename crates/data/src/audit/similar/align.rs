//! Laying one picture on another: the similarity transform under which their detail agrees best.
//!
//! Gauss-Newton steps on the squared difference (Lucas and Kanade 1981; forward compositional, Baker and Matthews 2004)
//! from the coarsest map to the finest, from a start that a pair of views gives.

use super::detail::{Map, PIXEL, UNIT};
use super::view::View;
use std::ops::Range;

/// How a second picture lies on a first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placement {
    /// An affine map `[a, b, x, c, d, y]` from places of the first picture to places of the second, `(a u + b v + x,
    /// c u + d v + y)`, in fractions of the side from the centre. Here always a similarity, perhaps with a mirror.
    affine: [f32; 6],
    /// Whether one is the negative of the other, black for white.
    pub negative: bool,
}

impl Placement {
    /// Lays a picture on itself.
    pub const IDENTITY: Self = Self { affine: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], negative: false };

    /// The placement that lays view `a` on view `b` when `a` is `b` turned by `turn` (see `Sampling::turn`).
    pub fn from_views(a: &View, b: &View, turn: f32, Flip { mirrored, negative }: Flip) -> Self {
        let scale = b.radius / a.radius;
        let (s, c) = (scale * turn.sin(), scale * turn.cos());
        let [m, n, o, p] = if mirrored { [c, s, s, -c] } else { [c, s, -s, c] };
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
        let [_, b, _, _, d, _] = self.affine;
        // The linear part maps to the second picture; its inverse is (up to scale) the transpose.
        let sine = if self.mirrored() { b } else { -b };
        sine.atan2(d).to_degrees()
    }

    /// This placement after a small similarity `1 + stretch`, `turn` and shift of the first picture.
    fn after(&self, [stretch, turn, x, y]: [f32; 4]) -> Self {
        let [a, b, tx, c, d, ty] = self.affine;
        let (p, q) = (1.0 + stretch, turn);
        let affine = [
            a * p + b * q,
            b * p - a * q,
            a * x + b * y + tx,
            c * p + d * q,
            d * p - c * q,
            c * x + d * y + ty,
        ];
        Self { affine, ..*self }
    }

    /// For every row of the first picture the pixels that lie on the second, at least `margin` pixels from its edge: their
    /// columns, where the first of them lies in the second picture, and how far the next is, in units of 1 / [`PIXEL`].
    fn rows(&self, side: usize, margin: usize) -> impl Iterator<Item = (Range<usize>, [i64; 2], [i64; 2])> {
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

    /// `b` laid on the first picture; NaN where it does not reach.
    fn warp(&self, b: Map, out: &mut Vec<f32>) {
        let sign = self.sign();
        out.clear();
        out.resize(b.side * b.side, f32::NAN);
        for ((columns, [mut x, mut y], [dx, dy]), out) in
            self.rows(b.side, 0).zip(out.chunks_exact_mut(b.side))
        {
            for out in &mut out[columns] {
                *out = sign * b.smooth(x, y);
                (x, y) = (x + dx, y + dy);
            }
        }
    }

    fn sign(&self) -> f32 {
        if self.negative { -1.0 } else { 1.0 }
    }

    /// Improves the placement on one level by at most `steps` steps.
    pub fn refine(mut self, a: Map, b: Map, steps: usize, scratch: &mut Vec<f32>) -> Self {
        let side = a.side;
        for _ in 0..steps {
            self.warp(b, scratch);
            let Some([stretch, turn, x, y]) = solve(normal_equations(a, scratch)) else { break };
            let limit = 0.2;
            if stretch.abs() > limit || turn.abs() > limit {
                break;
            }
            let size = side as f32;
            self = self.after([stretch, turn, x / size, y / size]);
            // A twentieth of a pixel at the edge is less than the next level corrects.
            if (stretch.abs() + turn.abs()) * 0.5 * (size - 1.0) + x.abs() + y.abs() < 0.05 {
                break;
            }
        }
        self
    }

    /// How well two maps agree where both reach.
    pub fn agreement(&self, a: Map, b: Map, sharp: bool) -> Agreement {
        let block = a.side / BLOCKS;
        let mut blocks = [Sums::default(); BLOCKS * BLOCKS];
        for (y, (columns, mut place, [dx, dy])) in self.rows(a.side, usize::from(sharp)).enumerate() {
            let mut values = a.row(y).skip(columns.start);
            for (i, sums) in blocks[y / block * BLOCKS..][..BLOCKS].iter_mut().enumerate() {
                let (from, end) = ((i * block).max(columns.start), ((i + 1) * block).min(columns.end));
                for value in values.by_ref().take(end.saturating_sub(from)) {
                    let [x, y] = place;
                    sums.add(value, if sharp { b.sharp(x, y) } else { b.smooth(x, y) });
                    place = [x + dx, y + dy];
                }
            }
        }
        let all = blocks.iter().fold(Sums::default(), |all, sums| all.and(sums));
        let telling = blocks.iter().filter(|sums| sums.is_telling((block * block) as f32));
        let mut each: Vec<f32> = telling.map(|sums| self.sign() * sums.correlation()).collect();
        each.sort_by(f32::total_cmp);
        let correlation = self.sign() * all.correlation();
        let median = if each.len() < 4 { correlation } else { each[each.len() / 2] };
        Agreement { correlation, median, overlap: all.count / (a.side * a.side) as f32 }
    }
}

/// Blocks along a side, which are also judged one by one.
const BLOCKS: usize = 7;

/// How well two pictures agree where both reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreement {
    pub correlation: f32,
    /// The median over blocks with detail: what strangers share, a frame or a marker, lies in few of them.
    pub median: f32,
    /// The part of the first picture where both reach.
    pub overlap: f32,
}

/// Sums over the pixels of a block.
#[derive(Clone, Copy, Default)]
struct Sums {
    ab: f32,
    aa: f32,
    bb: f32,
    count: f32,
}

impl Sums {
    fn add(&mut self, a: f32, b: f32) {
        self.ab += a * b;
        self.aa += a * a;
        self.bb += b * b;
        self.count += 1.0;
    }

    fn and(self, other: &Self) -> Self {
        let (ab, aa, bb) = (self.ab + other.ab, self.aa + other.aa, self.bb + other.bb);
        Self { ab, aa, bb, count: self.count + other.count }
    }

    fn correlation(&self) -> f32 {
        self.ab / (self.aa * self.bb).sqrt().max(f32::MIN_POSITIVE)
    }

    /// Whether half of the block's `pixels` are there, and detail in both pictures.
    fn is_telling(&self, pixels: f32) -> bool {
        self.count > 0.5 * pixels && self.aa.min(self.bb) > self.count * (0.1 * UNIT).powi(2)
    }
}

/// In how two pictures may differ besides their place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flip {
    pub mirrored: bool,
    pub negative: bool,
}

impl Flip {
    pub const ALL: [Self; 4] = [
        Self { mirrored: false, negative: false },
        Self { mirrored: true, negative: false },
        Self { mirrored: false, negative: true },
        Self { mirrored: true, negative: true },
    ];
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

/// The normal equations `[matrix | right]` of a step that moves `warped`, which is NaN outside, towards `a`. The unknowns
/// are stretch, turn and shift.
fn normal_equations(a: Map, warped: &[f32]) -> [[f32; 5]; 4] {
    const LANES: usize = 4;
    let side = a.side;
    let middle = 0.5 * (side as f32 - 1.0);
    let width = (side - 2).next_multiple_of(LANES);
    // Slopes and error along a row; 0 outside, also beyond its end.
    let [mut gx, mut gy, mut error] = [0; 3].map(|_| vec![0.0_f32; width]);
    let column: Vec<f32> = (0..width).map(|x| (x + 1) as f32 - middle).collect();
    let mut sums = [[[0.0_f32; LANES]; 5]; 4];
    for y in 1..side - 1 {
        let row = |y: usize| &warped[y * side..(y + 1) * side];
        let (above, here, below) = (row(y - 1), row(y), row(y + 1));
        for (x, value) in a.row(y).enumerate().skip(1).take(side - 2) {
            let slopes = [0.5 * (here[x + 1] - here[x - 1]), 0.5 * (below[x] - above[x]), value - here[x]];
            // NaN anywhere around: the place lies outside.
            let inside = !slopes.iter().sum::<f32>().is_nan();
            [gx[x - 1], gy[x - 1], error[x - 1]] = slopes.map(|slope| if inside { slope } else { 0.0 });
        }
        let v = y as f32 - middle;
        for at in (0..width).step_by(LANES) {
            let four = |values: &[f32]| -> [f32; LANES] { std::array::from_fn(|i| values[at + i]) };
            let (gx, gy, error, u) = (four(&gx), four(&gy), four(&error), four(&column));
            let stretch = std::array::from_fn(|i| gx[i] * u[i] + gy[i] * v);
            let turn = std::array::from_fn(|i| gy[i] * u[i] - gx[i] * v);
            let terms = [stretch, turn, gx, gy, error];
            for i in 0..4 {
                for j in i..5 {
                    for lane in 0..LANES {
                        sums[i][j][lane] += terms[i][lane] * terms[j][lane];
                    }
                }
            }
        }
    }
    std::array::from_fn(|i| std::array::from_fn(|j| sums[i.min(j)][i.max(j)].iter().sum()))
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
