//! Pooling at every level against the specification in f64.

use crate::common::{Guarded, View, assert_close, floats, magnitudes, wide};
use engine::cases::{ACTIVATIONS, channel_counts, levels};
use kernels::pooling::{global_average_pool, global_average_pool_backward};
use kernels::scalar;

/// What a value in the views of these tests is at most.
const LARGEST: f64 = 20.0;

/// The sums of `|du|` and `|du (z - center)|` around what was in `sums` before.
fn sums_bound(dx: &[f64], x: &View, channels: usize, before: &[f32]) -> Vec<f64> {
    let mut bound = magnitudes(&wide(before));
    for (i, distance) in x.distances().into_iter().enumerate() {
        bound[i % channels] += dx[i].abs();
        bound[channels + i % channels] += dx[i].abs() * distance;
    }
    bound
}

#[test]
fn global_averages() {
    for level in levels() {
        for c in channel_counts(level.lanes()) {
            for (pixels, act) in [1, 2, 49, 64].into_iter().flat_map(|n| ACTIVATIONS.map(|act| (n, act))) {
                let what = format!("{} {pixels} pixels of {c}, {act:?}", level.name());
                let x = View::new(pixels, c, act);
                let mut y = Guarded::new(c);
                global_average_pool(level, x.narrow(), y.out());
                let mut y64 = vec![0.0; c];
                scalar::global_average_pool(&x.wide(), c, &mut y64);
                assert_close(y.checked(&what), &y64, &vec![LARGEST; c], &what);

                let (g, before) = (floats(c, 5), floats(2 * c, 6));
                let (mut dx, mut sums) = (Guarded::new(pixels * c), Guarded::new(2 * c));
                sums.out().copy_from_slice(&before);
                global_average_pool_backward(level, x.narrow(), &g, dx.out(), sums.out());
                let (mut dx64, mut sums64) = (vec![0.0; pixels * c], wide(&before));
                scalar::global_average_pool_backward(&x.wide(), c, &wide(&g), &mut dx64, &mut sums64);
                assert_close(dx.checked(&what), &dx64, &vec![1.0; dx64.len()], &format!("{what} dx"));
                let bound = sums_bound(&dx64, &x, c, &before);
                assert_close(sums.checked(&what), &sums64, &bound, &format!("{what} sums"));
            }
        }
    }
}
