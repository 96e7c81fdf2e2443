//! What the tests of windowed kernels share: reproducible data, views in f32 and f64, and poisoned outputs.

use kernels::{Deferred, Read, Rectifier};

/// Reproducible floats in `[-2, 2)`, different for each `salt`.
pub fn floats(len: usize, salt: u32) -> Vec<f32> {
    let mut state = 0x9e37_79b9 ^ salt.wrapping_mul(0x85eb_ca6b);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 22) as f32 - 2.0
    };
    for _ in 0..8 {
        next();
    }
    (0..len).map(|_| next()).collect()
}

pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

pub fn magnitudes(x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| x.abs()).collect()
}

/// An activation `[pixels, c]`, deferred where it has an `act`.
pub struct View {
    z: (Vec<f32>, Vec<f64>),
    vectors: [(Vec<f32>, Vec<f64>); 3],
    act: Option<Rectifier>,
}

impl View {
    pub fn new(pixels: usize, channels: usize, act: Option<Rectifier>) -> Self {
        let both = |x: Vec<f32>| {
            let x64 = wide(&x);
            (x, x64)
        };
        // Three times as wide as the rest, so that some values reach the cap of ReLU6.
        let z = floats(pixels * channels, 1).into_iter().map(|z| 3.0 * z).collect();
        Self { z: both(z), vectors: [2, 3, 4].map(|salt| both(floats(channels, salt))), act }
    }

    pub fn narrow(&self) -> Read<'_> {
        let [scale, shift, center] = &self.vectors;
        match self.act {
            None => Read::Plain(&self.z.0),
            Some(act) => Read::Norm(Deferred {
                z: &self.z.0,
                scale: &scale.0,
                shift: &shift.0,
                center: &center.0,
                act,
            }),
        }
    }

    pub fn wide(&self) -> Read<'_, f64> {
        let [scale, shift, center] = &self.vectors;
        match self.act {
            None => Read::Plain(&self.z.1),
            Some(act) => Read::Norm(Deferred {
                z: &self.z.1,
                scale: &scale.1,
                shift: &shift.1,
                center: &center.1,
                act,
            }),
        }
    }

    /// `|z - center|`, where deferred.
    pub fn distances(&self) -> Vec<f64> {
        let center = &self.vectors[2].1;
        self.z.1.iter().enumerate().map(|(i, z)| (z - center[i % center.len()]).abs()).collect()
    }
}

/// An output of NaNs with a guard behind it: what a kernel leaves unwritten or writes too far shows.
pub struct Guarded {
    memory: Vec<f32>,
    len: usize,
}

const GUARD: usize = 64;

impl Guarded {
    pub fn new(len: usize) -> Self {
        let mut memory = vec![f32::NAN; len];
        memory.resize(len + GUARD, 1234.5);
        Self { memory, len }
    }

    pub fn out(&mut self) -> &mut [f32] {
        &mut self.memory[..self.len]
    }

    /// The output, after a look at the guard.
    pub fn checked(&self, what: &str) -> &[f32] {
        assert!(self.memory[self.len..].iter().all(|&x| x == 1234.5), "{what}: wrote behind the output");
        &self.memory[..self.len]
    }
}

/// That every `found` is within rounding of `expected`: `bound` is the sum of the magnitudes of its terms.
pub fn assert_close(found: &[f32], expected: &[f64], bound: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for i in 0..found.len() {
        let error = (f64::from(found[i]) - expected[i]).abs();
        assert!(
            error <= 3e-6 * (bound[i] + 1.0),
            "{what}[{i}]: expected {}, found {}, terms of {}",
            expected[i],
            found[i],
            bound[i]
        );
    }
}
