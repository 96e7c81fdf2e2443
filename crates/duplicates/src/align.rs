//! Laying one picture on another: the similarity transform under which their detail agrees best.
//!
//! Gauss-Newton steps on the squared difference (Lucas and Kanade 1981; forward compositional, Baker and Matthews 2004)
//! from the coarsest map to the finest, from a start that a pair of views gives.

use crate::detail::{Map, PIXEL, UNIT};
use crate::view::View;
use std::ops::Range;

/// How a second picture lies on a first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
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

    /// This placement after a small affine change of the first picture: a place `(u, v)` becomes `(u + p u + q v + x,
    /// v + r u + s v + y)`.
    fn after(&self, [p, q, x, r, s, y]: [f32; 6]) -> Self {
        Self { affine: [1.0 + p, q, x, r, 1.0 + s, y], negative: false }.then(self)
    }

    /// How much longer it shows one direction of the subject than another, beside the first picture: 1 for a similarity.
    pub fn stretch(&self) -> f32 {
        let [a, b, _, c, d, _] = self.affine;
        let (sum, area) = (a * a + b * b + c * c + d * d, 2.0 * (a * d - b * c).abs());
        // The singular values have this sum of squares and this product.
        let [plus, minus] = [sum + area, sum - area].map(|v| v.max(0.0).sqrt());
        (plus + minus) / (plus - minus).max(1e-6)
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

    /// Improves the placement on one level by at most `steps` steps, within similarities if it is `rigid`.
    pub fn refine(mut self, a: Map, b: Map, steps: usize, rigid: bool, scratch: &mut Vec<f32>) -> Self {
        let side = a.side;
        for _ in 0..steps {
            self.warp(b, scratch);
            let equations = normal_equations(a, scratch);
            let step = if rigid {
                solve(similarity(&equations)).map(|[s, t, x, y]| [s, -t, x, t, s, y])
            } else {
                solve(equations)
            };
            let Some([p, q, x, r, s, y]) = step else { break };
            let change = [p, q, r, s].into_iter().fold(0.0, |most: f32, v| most.max(v.abs()));
            if change > 0.2 {
                break;
            }
            let size = side as f32;
            self = self.after([p, q, x / size, r, s, y / size]);
            // A twentieth of a pixel at the edge is less than the next level corrects.
            if change * (size - 1.0) + x.abs() + y.abs() < 0.05 {
                break;
            }
        }
        self
    }

    /// How well two maps agree where both reach.
    pub fn agreement(&self, a: Map, b: Map, sharp: bool) -> Agreement {
        let block = a.side / BLOCKS;
        let mut blocks = [Sums::default(); BLOCKS * BLOCKS];
        let mut reach = 0;
        let every = every(a.side);
        let rows = self.rows(a.side, usize::from(sharp)).enumerate().step_by(every);
        for (y, (columns, mut place, [dx, dy])) in rows {
            let mut values = a.row(y).skip(columns.start);
            for (i, sums) in blocks[y / block * BLOCKS..][..BLOCKS].iter_mut().enumerate() {
                let (from, end) = ((i * block).max(columns.start), ((i + 1) * block).min(columns.end));
                for value in values.by_ref().take(end.saturating_sub(from)) {
                    let [x, y] = place;
                    sums.add(value, if sharp { b.sharp(x, y) } else { b.smooth(x, y) });
                    place = [x + dx, y + dy];
                }
                reach += end.saturating_sub(from);
            }
        }
        let all = blocks.iter().fold(Sums::default(), |all, sums| all.and(sums));
        let telling = blocks.iter().filter(|sums| sums.is_telling((block * block / every) as f32));
        let mut each: Vec<(f32, f32)> =
            telling.map(|sums| (self.sign() * sums.correlation(), sums.power())).collect();
        each.sort_by(|x, y| x.0.total_cmp(&y.0));
        let correlation = self.sign() * all.correlation();
        let (sum, power) =
            each[each.len() / 4..].iter().fold((0.0, 0.0), |(s, p), e| (s + e.0 * e.1, p + e.1));
        let [median, trimmed] =
            if each.len() < 4 { [correlation; 2] } else { [each[each.len() / 2].0, sum / power] };
        let overlap = (reach * every) as f32 / (a.side * a.side) as f32;
        Agreement { correlation, median, trimmed, blocks: each.len(), overlap }
    }
}

/// Of how many rows of a map one is looked at: of the largest every other tells as much in half the time.
fn every(side: usize) -> usize {
    if side > 128 { 2 } else { 1 }
}

/// Blocks along a side, which are also judged one by one.
const BLOCKS: usize = 7;

/// How well two pictures agree where both reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreement {
    pub correlation: f32,
    /// The median over blocks with detail: what strangers share, a frame or a marker, lies in few of them.
    pub median: f32,
    /// The mean over blocks with detail but the worst quarter, weighted by their detail: where there is hardly any, what
    /// compression left is no evidence.
    pub trimmed: f32,
    /// How many blocks have detail.
    pub blocks: usize,
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
        // 0 is where nothing is shown, or nothing to see.
        let both = if a != 0.0 && b != 0.0 { 1.0 } else { 0.0 };
        self.ab += a * b;
        self.aa += both * a * a;
        self.bb += both * b * b;
        self.count += both;
    }

    fn and(self, other: &Self) -> Self {
        let (ab, aa, bb) = (self.ab + other.ab, self.aa + other.aa, self.bb + other.bb);
        Self { ab, aa, bb, count: self.count + other.count }
    }

    fn correlation(&self) -> f32 {
        self.ab / (self.aa * self.bb).sqrt().max(f32::MIN_POSITIVE)
    }

    fn power(&self) -> f32 {
        (self.aa * self.bb).sqrt()
    }

    /// Whether half of the block's `pixels` are there, and detail in both pictures.
    fn is_telling(&self, pixels: f32) -> bool {
        self.count > 0.5 * pixels && self.aa.min(self.bb) > self.count * (0.1 * UNIT).powi(2)
    }
}

/// In how two pictures may differ besides their place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Flip {
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
/// are those of `Placement::after`.
///
/// The derivative of an unknown is a slope, across or down, times `u`, `v` or 1. `v` is the same along a row, so a row
/// gives the sums of the products of slopes and error times powers of `u`, and what they are for each `v` is added once.
fn normal_equations(a: Map, warped: &[f32]) -> [[f32; 7]; 6] {
    const LANES: usize = 4;
    let side = a.side;
    let middle = 0.5 * (side as f32 - 1.0);
    let width = (side - 2).next_multiple_of(LANES);
    // Slopes and error along a row; 0 outside, also beyond its end.
    let [mut gx, mut gy, mut error] = [0; 3].map(|_| vec![0.0_f32; width]);
    let column: Vec<f32> = (0..width).map(|x| (x + 1) as f32 - middle).collect();
    let mut all = [[0.0_f32; 7]; 6];
    for y in (1..side - 1).step_by(every(side)) {
        let row = |y: usize| &warped[y * side..(y + 1) * side];
        let (above, here, below) = (row(y - 1), row(y), row(y + 1));
        for (x, value) in a.row(y).enumerate().skip(1).take(side - 2) {
            let slopes = [0.5 * (here[x + 1] - here[x - 1]), 0.5 * (below[x] - above[x]), value - here[x]];
            // NaN anywhere around: the place lies outside.
            let inside = !slopes.iter().sum::<f32>().is_nan() && value != 0.0 && here[x] != 0.0;
            [gx[x - 1], gy[x - 1], error[x - 1]] = slopes.map(|slope| if inside { slope } else { 0.0 });
            // What lies on one picture only, such as a black corner's edge, must not pull.
            error[x - 1] = error[x - 1].clamp(-UNIT, UNIT);
        }
        // Of gx gx, gx gy and gy gy, then of gx error and gy error: times 1, u and u squared.
        let mut sums = [[[0.0_f32; LANES]; 3]; 5];
        for at in (0..width).step_by(LANES) {
            let four = |values: &[f32]| -> [f32; LANES] { std::array::from_fn(|i| values[at + i]) };
            let times =
                |a: &[f32; LANES], b: &[f32; LANES]| -> [f32; LANES] { std::array::from_fn(|i| a[i] * b[i]) };
            let (gx, gy, error, u) = (four(&gx), four(&gy), four(&error), four(&column));
            let products =
                [times(&gx, &gx), times(&gx, &gy), times(&gy, &gy), times(&gx, &error), times(&gy, &error)];
            for (sums, product) in sums.iter_mut().zip(products) {
                let with_u = times(&product, &u);
                for (sum, term) in sums.iter_mut().zip([product, with_u, times(&with_u, &u)]) {
                    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
                }
            }
        }
        let v = y as f32 - middle;
        let sums = sums.map(|powers| powers.map(|lanes| lanes.iter().sum::<f32>()));
        // The powers of u and v in the derivatives of each unknown, the first three of the slope across.
        const POWERS: [(usize, i32); 3] = [(1, 0), (0, 1), (0, 0)];
        for (i, row) in all.iter_mut().enumerate() {
            let (down_i, (u_i, v_i)) = (i / 3, POWERS[i % 3]);
            for j in i..6 {
                let (down_j, (u_j, v_j)) = (j / 3, POWERS[j % 3]);
                row[j] += sums[down_i + down_j][u_i + u_j] * v.powi(v_i + v_j);
            }
            row[6] += sums[3 + down_i][u_i] * v.powi(v_i);
        }
    }
    std::array::from_fn(|i| std::array::from_fn(|j| all[i.min(j)][i.max(j)]))
}

/// The equations for a stretch, a turn and a shift, of those for an affine change.
fn similarity(full: &[[f32; 7]; 6]) -> [[f32; 5]; 4] {
    // Of each unknown of the affine change what it is for a unit of each of the similarity.
    const BASIS: [[f32; 6]; 4] = [
        [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        [0.0, -1.0, 0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    ];
    let along = |row: &[f32; 6], at: usize| (0..6).map(|i| row[i] * full[i][at]).sum::<f32>();
    std::array::from_fn(|i| {
        std::array::from_fn(|j| match BASIS.get(j) {
            Some(other) => (0..6).map(|k| other[k] * along(&BASIS[i], k)).sum(),
            None => along(&BASIS[i], 6),
        })
    })
}

/// Solves `N` symmetric equations `[matrix | right]` by elimination; `None` where they are singular.
fn solve<const N: usize, const M: usize>(mut m: [[f32; M]; N]) -> Option<[f32; N]> {
    let size: [f32; N] = std::array::from_fn(|i| m[i][i]);
    for i in 0..N {
        let pivot = m[i];
        if pivot[i].is_nan() || pivot[i] < 1e-4 * size[i] || pivot[i] < 1e-3 {
            return None;
        }
        for row in &mut m[i + 1..] {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(&pivot).for_each(|(r, p)| *r -= factor * p);
        }
    }
    let mut x = [0.0; N];
    for i in (0..N).rev() {
        let rest: f32 = (i + 1..N).map(|j| m[i][j] * x[j]).sum();
        x[i] = (m[i][N] - rest) / m[i][i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Rng;

    /// The equations are the sums, over the pixels, of the products of all derivatives and the error.
    #[test]
    fn normal_equations_are_sums_of_products() {
        const SIDE: usize = 28;
        let mut rng = Rng::derive(&[1]);
        let bytes: Vec<u8> = (0..SIDE * SIDE).map(|_| rng.below(90) as u8 + 1).collect();
        let mut warped: Vec<f32> = (0..SIDE * SIDE).map(|_| rng.range(-60.0, 60.0) as f32).collect();
        // A corner that the second picture does not reach.
        (0..SIDE * SIDE).filter(|i| i % SIDE + i / SIDE < 12).for_each(|i| warped[i] = f32::NAN);
        let mut expected = [[0.0_f64; 7]; 6];
        for (x, y) in (1..SIDE - 1).flat_map(|y| (1..SIDE - 1).map(move |x| (x, y))) {
            let at = |x: usize, y: usize| warped[y * SIDE + x];
            let [gx, gy] = [at(x + 1, y) - at(x - 1, y), at(x, y + 1) - at(x, y - 1)].map(|d| 0.5 * d);
            let error = (f32::from(bytes[y * SIDE + x]) - at(x, y)).clamp(-UNIT, UNIT);
            if (gx + gy + error).is_nan() {
                continue;
            }
            let [u, v] = [x, y].map(|place| place as f32 - 0.5 * (SIDE - 1) as f32);
            let terms = [gx * u, gx * v, gx, gy * u, gy * v, gy, error].map(f64::from);
            for (i, row) in expected.iter_mut().enumerate() {
                row.iter_mut().zip(terms).for_each(|(sum, term)| *sum += terms[i] * term);
            }
        }
        let found = normal_equations(Map::new(SIDE, &bytes), &warped);
        for (i, row) in expected.iter().enumerate() {
            for (j, &expected) in row.iter().enumerate() {
                let size = (expected.abs()).max(1.0);
                let scale = 1e-4 * size.max((found[i][i] * found[j.min(5)][j.min(5)]).sqrt().into());
                assert!(
                    (f64::from(found[i][j]) - expected).abs() <= scale,
                    "{i} {j}: {} {expected}",
                    found[i][j]
                );
            }
        }
    }
}
