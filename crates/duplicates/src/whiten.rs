//! Whitening: descriptors reduced to the directions in which the set varies most, each with variance 1.
//!
//! What all pictures of a set share (the outline of a chest, the rim of a scan) is the mean and falls away, and what
//! tells look-alikes apart, small in the raw descriptor, counts as much as the rest (Jegou and Chum 2012).

use engine::{Rng, par};

/// Directions kept.
pub(crate) const DIMS: usize = 48;

/// A whitened descriptor of length [`LENGTH`].
pub(crate) type Vector = [i8; DIMS];

/// The length of a [`Vector`].
const LENGTH: f32 = 127.0;

/// The cosine between two vectors.
pub(crate) fn cosine(a: &Vector, b: &Vector) -> f32 {
    let products = a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b));
    products.sum::<i32>() as f32 / (LENGTH * LENGTH)
}

/// The vector in the direction of `values`; 0 stays 0.
pub(crate) fn vector(mut values: [f32; DIMS]) -> Vector {
    normalise(&mut values);
    values.map(|v| (LENGTH * v).round() as i8)
}

/// The mean and the scaled directions of a set.
pub(crate) struct Whitening {
    mean: Vec<f32>,
    /// `[DIMS, raw]`.
    directions: Vec<Vec<f32>>,
}

impl Whitening {
    /// Learned from `sample`, raw descriptors of one length.
    pub fn fit(sample: &[&[f32]]) -> Self {
        let raw = sample.first().map_or(0, |d| d.len());
        let count = sample.len().max(1) as f32;
        let mut mean = vec![0.0; raw];
        for descriptor in sample {
            mean.iter_mut().zip(*descriptor).for_each(|(m, v)| *m += v / count);
        }
        let centred: Vec<Vec<f32>> =
            sample.iter().map(|d| d.iter().zip(&mean).map(|(v, m)| v - m).collect()).collect();
        let covariance = par::map(raw, |i| {
            let mut row = vec![0.0; raw];
            for descriptor in &centred {
                let weight = descriptor[i] / count;
                row.iter_mut().zip(descriptor).for_each(|(r, v)| *r += weight * v);
            }
            row
        });
        let total: f32 = (0..raw).map(|i| covariance[i][i]).sum();
        let mut directions = leading(&covariance);
        for direction in &mut directions {
            let image = multiply(&covariance, direction);
            let variance = dot(&image, direction);
            // A direction with next to no variance is noise; a share of the total keeps it small.
            let scale = 1.0 / (variance + 2e-3 * total).sqrt().max(f32::MIN_POSITIVE);
            direction.iter_mut().for_each(|v| *v *= scale);
        }
        Self { mean, directions }
    }

    /// The whitened descriptor.
    pub fn apply(&self, descriptor: &[f32]) -> Vector {
        let centred: Vec<f32> = descriptor.iter().zip(&self.mean).map(|(v, m)| v - m).collect();
        let mut out = [0.0; DIMS];
        out.iter_mut().zip(&self.directions).for_each(|(o, d)| *o = dot(d, &centred));
        vector(out)
    }
}

/// The leading eigenvectors of a symmetric matrix, by orthogonal iteration.
fn leading(matrix: &[Vec<f32>]) -> Vec<Vec<f32>> {
    const ROUNDS: usize = 30;
    let size = matrix.len();
    let mut rng = Rng::derive(&[0x7768_6974]);
    let mut basis: Vec<Vec<f32>> =
        (0..DIMS.min(size)).map(|_| (0..size).map(|_| rng.uniform() as f32 - 0.5).collect()).collect();
    orthonormalise(&mut basis);
    for _ in 0..ROUNDS {
        basis = par::run(basis, |direction| multiply(matrix, &direction));
        orthonormalise(&mut basis);
    }
    basis
}

/// Gram-Schmidt, twice over for the sake of rounding.
fn orthonormalise(basis: &mut [Vec<f32>]) {
    for i in 0..basis.len() {
        let (done, rest) = basis.split_at_mut(i);
        for _ in 0..2 {
            for other in done.iter() {
                let along = dot(other, &rest[0]);
                rest[0].iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
            }
        }
        normalise(&mut rest[0]);
    }
}

fn multiply(matrix: &[Vec<f32>], vector: &[f32]) -> Vec<f32> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}

/// The inner product, summed in eight lanes.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(l, (a, b))| *l += a * b);
    }
    lanes.iter().sum::<f32>() + rest
}

/// Scales to length 1; 0 stays 0.
fn normalise(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
}
