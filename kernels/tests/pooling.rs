//! Pooling at every level against the specification in f64.

mod common;

use common::{ACTIVATIONS, Guarded, View, assert_close, channel_counts, floats, magnitudes, shapes, wide};
use kernels::pooling::{
    average_pool, average_pool_backward, global_average_pool, global_average_pool_backward, max_pool,
    max_pool_backward,
};
use kernels::{ConvShape, Level, Read, scalar};

type Forward = fn(Level, &ConvShape, Read, &mut [f32]);
type Backward = fn(Level, &ConvShape, Read, &[f32], &mut [f32], &mut [f32]);
type Forward64 = fn(&ConvShape, &Read<f64>, &mut [f64]);
type Backward64 = fn(&ConvShape, &Read<f64>, &[f64], &mut [f64], &mut [f64]);

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

fn check_windows(forward: (Forward, Forward64), backward: (Backward, Backward64)) {
    for level in Level::available() {
        let mut case = 0;
        for shape in shapes(&[2, 3]) {
            for c in channel_counts(level) {
                let shape = ConvShape { inputs: c, outputs: c, ..shape };
                let act = ACTIVATIONS[case % ACTIVATIONS.len()];
                case += 1;
                let what = format!("{} {shape:?} {act:?}", level.name());
                let x = View::new(shape.h * shape.w, c, act);

                let mut y = Guarded::new(shape.output_len());
                forward.0(level, &shape, x.narrow(), y.out());
                let mut y64 = vec![0.0; shape.output_len()];
                forward.1(&shape, &x.wide(), &mut y64);
                assert_close(y.checked(&what), &y64, &vec![LARGEST; y64.len()], &what);

                let (g, before) = (floats(shape.output_len(), 5), floats(2 * c, 6));
                let (mut dx, mut sums) = (Guarded::new(shape.input_len()), Guarded::new(2 * c));
                sums.out().copy_from_slice(&before);
                backward.0(level, &shape, x.narrow(), &g, dx.out(), sums.out());
                let (mut dx64, mut sums64) = (vec![0.0; shape.input_len()], wide(&before));
                backward.1(&shape, &x.wide(), &wide(&g), &mut dx64, &mut sums64);
                // A pixel is in at most 9 windows, and no gradient is above 2.
                assert_close(dx.checked(&what), &dx64, &vec![18.0; dx64.len()], &format!("{what} dx"));
                let bound = sums_bound(&dx64, &x, c, &before);
                assert_close(sums.checked(&what), &sums64, &bound, &format!("{what} sums"));
            }
        }
    }
}

#[test]
fn averages_count_only_pixels_inside() {
    check_windows(
        (average_pool, scalar::average_pool),
        (average_pool_backward, scalar::average_pool_backward),
    );
}

#[test]
fn maxima_send_the_gradient_to_the_first_winner() {
    check_windows((max_pool, scalar::max_pool), (max_pool_backward, scalar::max_pool_backward));
}

#[test]
fn global_averages() {
    for level in Level::available() {
        for c in channel_counts(level) {
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
