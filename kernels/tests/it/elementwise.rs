//! Element-wise kernels and optimizer steps at every level against the specification in f64.

use engine::cases::levels;
use kernels::optimizer::{Adam, Sgd};
use kernels::{Deferred, Grad, Level, Read, Rectifier, elementwise, scalar};

/// Reproducible floats in `[-2, 2)`, different for each `salt`.
fn floats(len: usize, salt: u32) -> Vec<f32> {
    let mix =
        |i: usize| (i as u32 + 1).wrapping_mul(2_654_435_761).wrapping_add(salt.wrapping_mul(40_503)) >> 8;
    (0..len).map(|i| (mix(i).wrapping_mul(69_069) >> 8) as f32 / (1 << 22) as f32 - 2.0).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= 2e-5 * (1.0 + expected.abs()), "{what}[{i}]: expected {expected}, found {found}");
    }
}

/// Channel counts around a vector, and activations.
fn cases(level: Level) -> impl Iterator<Item = (usize, Rectifier)> {
    let l = level.lanes();
    let activations = [
        Rectifier::IDENTITY,
        Rectifier::RELU,
        Rectifier { slope: 0.0, cap: 1.0 },
        Rectifier::leaky_relu(0.1),
    ];
    [1, l - 1, l, l + 1, 3 * l + 2].into_iter().flat_map(move |c| activations.map(|act| (c, act)))
}

#[test]
fn views_are_read_added_and_masked() {
    for level in levels() {
        for (c, act) in cases(level) {
            let what = format!("{} c={c} {act:?}", level.name());
            let pixels = 5;
            let (z, other, dy) = (floats(pixels * c, 1), floats(pixels * c, 2), floats(pixels * c, 3));
            let (scale, shift, center) = (floats(c, 4), floats(c, 5), floats(c, 6));
            let deferred = Deferred { z: &z, scale: &scale, shift: &shift, center: &center, act };
            let (z64, scale64, shift64, center64) = (wide(&z), wide(&scale), wide(&shift), wide(&center));
            let deferred64 = Deferred { z: &z64, scale: &scale64, shift: &shift64, center: &center64, act };

            let (mut y, mut y64) = (vec![f32::NAN; pixels * c], vec![f64::NAN; pixels * c]);
            elementwise::add(level, Read::Norm(deferred), Read::Plain(&other), c, &mut y);
            scalar::add(&Read::Norm(deferred64), &Read::Plain(&wide(&other)), c, &mut y64);
            assert_close(&y, &y64, &what);

            elementwise::materialise(level, Read::Norm(deferred), c, &mut y);
            let read: Vec<f64> =
                (0..y.len()).map(|i| scalar::read(&Read::Norm(deferred64), i, i % c)).collect();
            assert_close(&y, &read, &what);

            let (mut dx, mut sums) = (dy.clone(), floats(2 * c, 7));
            let (mut dx64, mut sums64) = (wide(&dy), wide(&sums));
            elementwise::mask(level, deferred, &mut dx, &mut sums);
            scalar::finish_input_gradient(&Read::Norm(deferred64), c, &mut dx64, &mut sums64);
            assert_close(&dx, &dx64, &what);
            assert_close(&sums, &sums64, &what);

            let gradient = Grad::Norm { dy: &dy, z: &z, a: &scale, b: &shift, c: &center };
            elementwise::materialise_gradient(level, gradient, c, &mut y);
            let expected: Vec<f64> = (0..y.len())
                .map(|i| {
                    let dy = f64::from(dy[i]);
                    scale64[i % c] * dy + shift64[i % c] * z64[i] + center64[i % c]
                })
                .collect();
            assert_close(&y, &expected, &what);
        }
    }
}

#[test]
fn a_nan_survives_every_activation() {
    for level in levels() {
        for (c, act) in cases(level) {
            let z = vec![f32::NAN; c];
            let ones = vec![1.0; c];
            let deferred = Deferred { z: &z, scale: &ones, shift: &ones, center: &ones, act };
            let mut y = vec![0.0; c];
            elementwise::materialise(level, Read::Norm(deferred), c, &mut y);
            assert!(y.iter().all(|y| y.is_nan()), "{} c={c} {act:?}: {y:?}", level.name());
        }
    }
}

#[test]
fn accumulate_and_multiply() {
    for level in levels() {
        for n in [1, 7, 16, 50] {
            let (x, y) = (floats(n, 1), floats(n, 2));
            let mut sum = y.clone();
            elementwise::accumulate(level, &x, &mut sum);
            let mut product = y.clone();
            elementwise::multiply(level, &x, &mut product);
            for i in 0..n {
                assert_eq!((sum[i], product[i]), (x[i] + y[i], x[i] * y[i]));
            }
        }
    }
}

#[test]
fn optimizers_follow_their_specification() {
    for level in levels() {
        for n in [1, 7, 16, 50] {
            let mut weights = floats(n, 1);
            let mut weights64 = wide(&weights);
            let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
            let (mut m64, mut v64) = (vec![0.0; n], vec![0.0; n]);
            for step in 1..=5 {
                let adam =
                    Adam { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, l2: 0.01, decay: 0.1, step };
                let gradient = floats(n, step as u32 + 10);
                adam.update(level, &gradient, &mut weights, &mut m, &mut v);
                scalar::adam(&adam, &wide(&gradient), &mut weights64, &mut m64, &mut v64);
                assert_close(&weights, &weights64, "adam");
            }
            let mut average = floats(n, 30);
            let expected: Vec<f64> = average
                .iter()
                .zip(&weights64)
                .map(|(&old, w)| f64::from(old) + 0.1 * (w - f64::from(old)))
                .collect();
            kernels::optimizer::average(level, &weights, 0.1, &mut average);
            assert_close(&average, &expected, "average");
            for momentum in [0.0, 0.9] {
                let sgd = Sgd { rate: 0.1, momentum, l2: 0.01 };
                let state = if momentum == 0.0 { 0 } else { n };
                let (mut velocity, mut velocity64) = (vec![0.0; state], vec![0.0; state]);
                for step in 0..3 {
                    let gradient = floats(n, step + 20);
                    sgd.update(level, &gradient, &mut weights, &mut velocity);
                    scalar::sgd(&sgd, &wide(&gradient), &mut weights64, &mut velocity64);
                    assert_close(&weights, &weights64, "sgd");
                }
            }
        }
    }
}
