//! Laying one picture on another: the affine map under which their detail agrees best.
//!
//! Gauss-Newton steps on the squared difference (Lucas and Kanade 1981; forward compositional, Baker and Matthews 2004)
//! from the coarsest map to the finest, from a start that a pair of discs gives.

use crate::alignment::Alignment;
use crate::detail::{Map, UNIT, every};

impl Alignment {
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

    /// Improves the alignment on one level by at most `steps` steps, within similarities if it is `rigid`.
    pub fn refine(mut self, a: Map, b: Map, steps: usize, rigid: bool, scratch: &mut Vec<f32>) -> Self {
        let side = a.side;
        for _ in 0..steps {
            self.warp(b, scratch);
            let equations = normal_equations::<6, 7, 3>(a, scratch, AFFINE);
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
}

/// A slope of the second picture, across (0) or down (1), times powers of `u` and `v`: derivatives are sums of these.
pub(crate) type Term = (usize, usize, usize);

/// The derivatives of the unknowns of `Alignment::after`.
pub(crate) const AFFINE: [&[Term]; 6] =
    [&[(0, 1, 0)], &[(0, 0, 1)], &[(0, 0, 0)], &[(1, 1, 0)], &[(1, 0, 1)], &[(1, 0, 0)]];

/// The normal equations `[matrix | right]` of a step that moves `warped`, which is NaN outside, towards `a`. Each
/// unknown has the sum of its `terms` as derivative, of which products have powers of `u` and `v` below `POWERS`.
///
/// `v` is the same along a row, so a row gives the sums of the products of slopes and error times powers of `u`, and
/// what they are for each `v` is added once.
pub(crate) fn normal_equations<const N: usize, const M: usize, const POWERS: usize>(
    a: Map,
    warped: &[f32],
    terms: [&[Term]; N],
) -> [[f32; M]; N] {
    const LANES: usize = 4;
    let side = a.side;
    let middle = 0.5 * (side as f32 - 1.0);
    let inner = side - 2;
    let width = inner.next_multiple_of(LANES);
    // Slopes and error along a row; 0 outside, also beyond its end.
    let [mut gx, mut gy, mut error] = [0; 3].map(|_| vec![0.0_f32; width]);
    let column: Vec<f32> = (0..width).map(|x| (x + 1) as f32 - middle).collect();
    let mut values = vec![0.0; side];
    let mut all = [[0.0_f32; M]; N];
    for y in (1..side - 1).step_by(every(side)) {
        values.iter_mut().zip(a.row(y)).for_each(|(out, value)| *out = value);
        // Slices of one length, so that the loop over them is one over vectors.
        let row = |y: usize, from: usize| &warped[y * side + from..][..inner];
        let [above, below, left, here, right] =
            [row(y - 1, 1), row(y + 1, 1), row(y, 0), row(y, 1), row(y, 2)];
        let values = &values[1..=inner];
        let (across, down, apart) = (&mut gx[..inner], &mut gy[..inner], &mut error[..inner]);
        for x in 0..inner {
            let slopes = [0.5 * (right[x] - left[x]), 0.5 * (below[x] - above[x]), values[x] - here[x]];
            // NaN anywhere around: the place lies outside. 0 is where nothing is shown, or nothing to see.
            let inside = !slopes.iter().sum::<f32>().is_nan() & (values[x] != 0.0) & (here[x] != 0.0);
            [across[x], down[x], apart[x]] = slopes.map(|slope| if inside { slope } else { 0.0 });
            // What lies on one picture only, such as a black corner's edge, must not pull.
            apart[x] = apart[x].clamp(-UNIT, UNIT);
        }
        // Of gx gx, gx gy and gy gy, then of gx error and gy error: times 1, u, u squared and on.
        let mut sums = [[[0.0_f32; LANES]; POWERS]; 5];
        let slopes = gx.chunks_exact(LANES).zip(gy.chunks_exact(LANES));
        let others = error.chunks_exact(LANES).zip(column.chunks_exact(LANES));
        for ((gx, gy), (error, u)) in slopes.zip(others) {
            let times = |a: &[f32], b: &[f32]| -> [f32; LANES] { std::array::from_fn(|i| a[i] * b[i]) };
            let products = [times(gx, gx), times(gx, gy), times(gy, gy), times(gx, error), times(gy, error)];
            for (sums, mut term) in sums.iter_mut().zip(products) {
                for sum in sums {
                    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
                    term = times(&term, u);
                }
            }
        }
        let sums = sums.map(|powers| powers.map(|lanes| lanes.iter().sum::<f32>()));
        let v = y as f32 - middle;
        let mut v_to = [1.0; POWERS];
        for power in 1..POWERS {
            v_to[power] = v_to[power - 1] * v;
        }
        for (i, row) in all.iter_mut().enumerate() {
            for &(down, in_u, in_v) in terms[i] {
                for (out, others) in row[i..N].iter_mut().zip(&terms[i..]) {
                    for &(other, u, v) in *others {
                        *out += sums[down + other][in_u + u] * v_to[in_v + v];
                    }
                }
                row[N] += sums[3 + down][in_u] * v_to[in_v];
            }
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
pub(crate) fn solve<const N: usize, const M: usize>(mut m: [[f32; M]; N]) -> Option<[f32; N]> {
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
        let found = normal_equations::<6, 7, 3>(Map::new(SIDE, &bytes), &warped, AFFINE);
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
