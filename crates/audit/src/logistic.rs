//! Logistic regression with an L2 penalty, one class against the rest: the smoothest classifier there is, on features so
//! coarse (8x8 pixels) that no finding can be seen in them.
//!
//! Features are standardised by the training rows; the penalty is half the squared norm of the weights (scikit-learn's
//! C = 1), and the intercept is free. Newton's method with halved steps: convex, so the order of nothing matters.

/// Newton steps at most; some six suffice unless the classes do not overlap.
const STEPS: usize = 30;

/// A fitted classifier.
pub struct Logistic {
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// Weights of each class, the intercept last.
    weights: Vec<Vec<f64>>,
}

impl Logistic {
    /// Fits to `rows` of equal length with `labels` below `classes`. There must be a row.
    pub fn fit(rows: &[&[f32]], labels: &[usize], classes: usize) -> Self {
        let n = rows.len() as f64;
        let features = rows[0].len();
        let moment = |j: usize, centre: f64, power: i32| {
            rows.iter().map(|row| (f64::from(row[j]) - centre).powi(power)).sum::<f64>() / n
        };
        let mean: Vec<f64> = (0..features).map(|j| moment(j, 0.0, 1)).collect();
        let scale: Vec<f64> = (0..features)
            .map(|j| moment(j, mean[j], 2).sqrt())
            .map(|sd| if sd > 0.0 { 1.0 / sd } else { 0.0 })
            .collect();
        let mut fitted = Self { mean, scale, weights: vec![] };
        let standard: Vec<Vec<f64>> = rows.iter().map(|row| fitted.standardise(row)).collect();
        // Of two classes one is the mirror of the other.
        let fits = if classes == 2 { 1..2 } else { 0..classes };
        fitted.weights = fits
            .map(|class| newton(&standard, &labels.iter().map(|&l| l == class).collect::<Vec<_>>()))
            .collect();
        fitted
    }

    /// Probabilities of the classes, with sum 1.
    pub fn probabilities(&self, row: &[f32]) -> Vec<f64> {
        let row = self.standardise(row);
        let each: Vec<f64> = self.weights.iter().map(|weights| sigmoid(dot(weights, &row))).collect();
        if let [p] = each[..] {
            return vec![1.0 - p, p];
        }
        let sum: f64 = each.iter().sum();
        each.iter().map(|p| if sum > 0.0 { p / sum } else { 1.0 / each.len() as f64 }).collect()
    }

    /// Mean 0, standard deviation 1, and a 1 for the intercept.
    fn standardise(&self, row: &[f32]) -> Vec<f64> {
        let scaled = row
            .iter()
            .zip(&self.mean)
            .zip(&self.scale)
            .map(|((&v, mean), scale)| (f64::from(v) - mean) * scale);
        scaled.chain([1.0]).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The weights that minimise the penalised cross-entropy; the last column of `rows` is 1 and its weight is free.
fn newton(rows: &[Vec<f64>], positive: &[bool]) -> Vec<f64> {
    let d = rows[0].len();
    let mut weights = vec![0.0; d];
    let loss = |weights: &[f64]| {
        let sample = |(row, &positive): (&Vec<f64>, &bool)| {
            let z = dot(weights, row) * if positive { -1.0 } else { 1.0 };
            z.max(0.0) + (-z.abs()).exp().ln_1p()
        };
        rows.iter().zip(positive).map(sample).sum::<f64>() + 0.5 * dot(&weights[..d - 1], &weights[..d - 1])
    };
    let mut now = loss(&weights);
    for _ in 0..STEPS {
        let mut gradient: Vec<f64> = weights.clone();
        gradient[d - 1] = 0.0;
        let mut hessian = vec![0.0; d * d];
        for j in 0..d {
            // A little for the intercept too, so that one class alone has a solution.
            hessian[j * d + j] = if j + 1 < d { 1.0 } else { 1e-6 };
        }
        for (row, &positive) in rows.iter().zip(positive) {
            let p = sigmoid(dot(&weights, row));
            let (error, curvature) = (p - f64::from(u8::from(positive)), p * (1.0 - p));
            for j in 0..d {
                gradient[j] += error * row[j];
                let scaled = curvature * row[j];
                for (h, v) in hessian[j * d..=j * d + j].iter_mut().zip(row) {
                    *h += scaled * v;
                }
            }
        }
        let step = solve(hessian, gradient);
        let mut size = 1.0;
        let next = loop {
            let tried: Vec<f64> = weights.iter().zip(&step).map(|(w, s)| w - size * s).collect();
            let value = loss(&tried);
            if value <= now || size < 1e-6 {
                break (tried, value);
            }
            size /= 2.0;
        };
        let gain = now - next.1;
        (weights, now) = next;
        if gain <= 1e-9 * now.max(1.0) {
            break;
        }
    }
    weights
}

/// Solves `a x = b` for a symmetric positive definite `a: [d, d]`, of which the lower triangle is read (Cholesky).
fn solve(mut a: Vec<f64>, mut b: Vec<f64>) -> Vec<f64> {
    let d = b.len();
    for j in 0..d {
        for i in j..d {
            let sum = a[i * d + j] - dot(&a[i * d..i * d + j], &a[j * d..j * d + j]);
            a[i * d + j] = if i == j { sum.max(f64::MIN_POSITIVE).sqrt() } else { sum / a[j * d + j] };
        }
    }
    for i in 0..d {
        b[i] = (b[i] - dot(&a[i * d..i * d + i], &b[..i])) / a[i * d + i];
    }
    for i in (0..d).rev() {
        let below: f64 = (i + 1..d).map(|k| a[k * d + i] * b[k]).sum();
        b[i] = (b[i] - below) / a[i * d + i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Rng;

    /// The gradient vanishes at the minimum, by central differences of the loss written out again.
    #[test]
    fn the_gradient_vanishes() {
        let mut rng = Rng::new(2);
        let rows: Vec<Vec<f64>> = (0..80).map(|_| vec![rng.normal(), rng.normal(), 1.0]).collect();
        let positive: Vec<bool> = rows.iter().map(|row| row[0] - 0.5 * row[1] + rng.normal() > 0.3).collect();
        let weights = newton(&rows, &positive);
        let loss = |w: &[f64]| -> f64 {
            let each = rows.iter().zip(&positive).map(|(row, &y)| {
                let p = 1.0 / (1.0 + (-(w[0] * row[0] + w[1] * row[1] + w[2])).exp());
                -(if y { p } else { 1.0 - p }).ln()
            });
            each.sum::<f64>() + (w[0] * w[0] + w[1] * w[1]) / 2.0
        };
        for j in 0..3 {
            let moved = |by: f64| {
                let mut w = weights.clone();
                w[j] += by;
                loss(&w)
            };
            assert!(((moved(1e-5) - moved(-1e-5)) / 2e-5).abs() < 1e-4);
        }
    }

    #[test]
    fn classes_that_lie_apart_are_told_apart() {
        let rows: Vec<[f32; 2]> = (0..90).map(|i| [(i % 3 * 10) as f32, (i % 7) as f32]).collect();
        let labels: Vec<usize> = (0..90).map(|i| i % 3).collect();
        let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
        for classes in [2, 3] {
            let chosen: Vec<usize> = (0..90).filter(|&i| labels[i] < classes).collect();
            let part: Vec<&[f32]> = chosen.iter().map(|&i| rows[i]).collect();
            let of: Vec<usize> = chosen.iter().map(|&i| labels[i]).collect();
            let fitted = Logistic::fit(&part, &of, classes);
            for (row, label) in part.iter().zip(&of) {
                let p = fitted.probabilities(row);
                assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                // Of three in a row, the middle one has no hyperplane to itself.
                assert!(*label == 1 && classes == 3 || eval::argmax(&p) == *label, "{p:?}");
            }
        }
        let one = Logistic::fit(&rows[..1], &[1], 2).probabilities(rows[0]);
        assert!(one.iter().all(|p| p.is_finite()) && one[1] > 0.5);
    }
}
