//! Batch normalisation as arithmetic on per-channel vectors (Ioffe and Szegedy 2015).
//!
//! The passes over activations live in the convolutions' epilogues and loads; what is left here is a few hundred
//! channels of f64: merging tile sums, and the coefficients that turn `z` into an activation and a gradient.

/// Per-channel mean and (biased) variance of `count` pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Pixels.
    pub count: usize,
    /// `[c]`
    pub mean: Vec<f64>,
    /// `[c]`, divided by `count`.
    pub variance: Vec<f64>,
}

impl Moments {
    /// Merges the sums of tiles, `tiles: [t, 3, c]` as [`crate::Epilogue::Moments`] writes them, in tile order.
    /// `counts` are the pixels of each tile. Formula: Chan, Golub and LeVeque 1983, eq. 2.1.
    pub fn merge(tiles: &[f32], channels: usize, counts: impl IntoIterator<Item = usize>) -> Self {
        let mut merged = Self { count: 0, mean: vec![0.0; channels], variance: vec![0.0; channels] };
        for (tile, count) in tiles.chunks_exact(3 * channels).zip(counts) {
            let (n, total) = (count as f64, (merged.count + count) as f64);
            for c in 0..channels {
                let sum = f64::from(tile[channels + c]);
                let squares = f64::from(tile[2 * channels + c]) - sum * sum / n;
                let delta = f64::from(tile[c]) + sum / n - merged.mean[c];
                merged.mean[c] += delta * n / total;
                // Holds the sum of squared differences until the end.
                merged.variance[c] += squares.max(0.0) + delta * delta * merged.count as f64 * n / total;
            }
            merged.count += count;
        }
        for variance in &mut merged.variance {
            *variance /= merged.count.max(1) as f64;
        }
        merged
    }
}

/// `scale` and `shift` such that `scale * z + shift = gamma * (z - mean) / sqrt(variance + epsilon) + beta`.
pub fn forward_coefficients(
    mean: &[f64],
    variance: &[f64],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f64,
    scale: &mut [f32],
    shift: &mut [f32],
) {
    for c in 0..mean.len() {
        let factor = f64::from(gamma[c]) / (variance[c] + epsilon).sqrt();
        scale[c] = factor as f32;
        shift[c] = (f64::from(beta[c]) - factor * mean[c]) as f32;
    }
}

/// What backward through a batch norm comes down to.
pub struct BackwardCoefficients<'a> {
    /// `[c]`: the gradient of `z` is `a * dy + b * z + c`.
    pub a: &'a mut [f32],
    /// `[c]`
    pub b: &'a mut [f32],
    /// `[c]`
    pub c: &'a mut [f32],
    /// `[c]`
    pub dgamma: &'a mut [f32],
    /// `[c]`
    pub dbeta: &'a mut [f32],
}

/// Fills `out` from `sums: [2, c]`, the sums over all pixels of `dy` and of `dy * (z - mean)`.
pub fn backward_coefficients(
    moments: &Moments,
    sums: &[f64],
    gamma: &[f32],
    epsilon: f64,
    out: &mut BackwardCoefficients,
) {
    let channels = gamma.len();
    let n = moments.count as f64;
    for c in 0..channels {
        let (mean, inverse) = (moments.mean[c], 1.0 / (moments.variance[c] + epsilon).sqrt());
        let (sum, dot) = (sums[c], sums[channels + c]);
        let a = f64::from(gamma[c]) * inverse;
        let b = -a * inverse * inverse * dot / n;
        out.a[c] = a as f32;
        out.b[c] = b as f32;
        out.c[c] = (-b * mean - a * sum / n) as f32;
        out.dgamma[c] = (dot * inverse) as f32;
        out.dbeta[c] = sum as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_moments_are_those_of_the_whole_even_far_from_zero() {
        let channels = 3;
        let z: Vec<f32> = (0..channels * 50).map(|i| 1000.0 + ((i * 37) % 101) as f32 * 0.01).collect();
        let counts = [7, 1, 42];
        let (mut tiles, mut start) = (vec![], 0);
        for count in counts {
            let mut tile = vec![0.0f32; 3 * channels];
            crate::scalar::moments(&z[start * channels..(start + count) * channels], channels, &mut tile);
            tiles.extend(tile);
            start += count;
        }
        let merged = Moments::merge(&tiles, channels, counts);
        assert_eq!(merged.count, 50);
        for c in 0..channels {
            let of = |f: &dyn Fn(f64) -> f64| {
                (0..50).map(|p| f(f64::from(z[p * channels + c]))).sum::<f64>() / 50.0
            };
            let mean = of(&|x| x);
            let variance = of(&|x| (x - mean).powi(2));
            assert!((merged.mean[c] - mean).abs() < 1e-6);
            assert!(
                (merged.variance[c] - variance).abs() < 1e-5 * variance,
                "{} {variance}",
                merged.variance[c]
            );
        }
    }
}
