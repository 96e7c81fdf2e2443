//! Depthwise convolution at every level against the specification in f64.

use crate::common::{Guarded, View, assert_close, floats, magnitudes, wide};
use crate::square::square;
use engine::cases::{Case, levels, of_kind};
use kernels::depthwise::{can_space, depthwise, depthwise_spaced, tile_rows};
use kernels::depthwise_backward::{backward_tile_rows, depthwise_backward};
use kernels::pointwise::spacing;
use kernels::{Buffer, ConvShape, Epilogue, Grad, Level, Read, Rectifier, Write, scalar};
use model::ConvKind;

/// The table's cases, and images so wide that their channels are taken in several blocks, the last one no whole vector.
fn for_each_case(mut f: impl FnMut(Level, ConvShape, View, &str)) {
    let cases = of_kind(ConvKind::Depthwise).map(|(level, Case { conv, reads })| (level, conv.shape, reads));
    let blocks = levels().flat_map(|level| {
        [1, 2].map(|stride| {
            let shape = ConvShape { h: 4, out_h: 4 / stride, inputs: 70, outputs: 70, ..square(112, stride) };
            (level, shape, Some(Rectifier::RELU6))
        })
    });
    for (level, shape, reads) in cases.chain(blocks) {
        let what = format!("{} {shape:?} {reads:?}", level.name());
        f(level, shape, View::new(shape.h * shape.w, shape.inputs, reads), &what);
    }
}

/// The values that a view reads.
fn values(x: &Read<f64>, channels: usize) -> Vec<f64> {
    (0..x.stored().len()).map(|i| scalar::read(x, i, i % channels)).collect()
}

/// Cuts `0..rows` into tiles of 3 rows, or leaves it whole.
fn tilings(rows: usize) -> Vec<Vec<std::ops::Range<usize>>> {
    let tiles = (0..rows).step_by(3).map(|start| start..(start + 3).min(rows)).collect();
    vec![std::iter::once(0..rows).collect(), tiles]
}

#[test]
fn forward_and_its_epilogues() {
    for_each_case(|level, shape, x, what| {
        let c = shape.inputs;
        let weights = floats(shape.kernel * shape.kernel * c, 5);
        let (bias, residual) = (floats(c, 6), floats(shape.output_len(), 7));
        let row = shape.out_w * c;

        let mut z = vec![0.0; shape.output_len()];
        scalar::depthwise_forward(&shape, &x.wide(), &wide(&weights), &mut z);
        let mut bound = z.clone();
        let terms = magnitudes(&values(&x.wide(), c));
        scalar::depthwise_forward(&shape, &Read::Plain(&terms), &magnitudes(&wide(&weights)), &mut bound);

        for rows in tilings(shape.out_h).into_iter().flatten() {
            let part = rows.start * row..rows.end * row;
            let what = format!("{what} rows {rows:?}");
            let run = |epilogue: Epilogue| {
                let mut y = Guarded::new(part.len());
                depthwise(level, &shape, x.narrow(), &weights, rows.clone(), y.out().into(), epilogue);
                y
            };

            let y = run(Epilogue::None);
            assert_close(y.checked(&what), &z[part.clone()], &bound[part.clone()], &what);

            let mut moments = Guarded::new(3 * c);
            let y = run(Epilogue::Moments(moments.out()));
            let (y, moments) = (y.checked(&what), moments.checked(&what));
            assert_close(y, &z[part.clone()], &bound[part.clone()], &what);
            let mut expected = vec![0.0; 3 * c];
            scalar::moments(&wide(y), c, &mut expected);
            let mut terms = vec![0.0; 3 * c];
            for (i, y) in wide(y).into_iter().enumerate() {
                let d = y.abs() + expected[i % c].abs();
                terms[c + i % c] += d;
                terms[2 * c + i % c] += d * d;
            }
            assert_close(moments, &expected, &terms, &format!("{what} moments"));

            for (act, residual) in [(Rectifier::RELU6, None), (Rectifier::IDENTITY, Some(&residual))] {
                let residual = residual.map(|residual| &residual[part.clone()]);
                let y = run(Epilogue::Activate { bias: &bias, act, residual });
                let expected: Vec<f64> = (0..part.len())
                    .map(|i| {
                        let v = z[part.start + i] + f64::from(bias[i % c]);
                        scalar::activate(act, v) + residual.map_or(0.0, |residual| f64::from(residual[i]))
                    })
                    .collect();
                let bound: Vec<f64> = bound[part.clone()].iter().map(|bound| bound + 4.0).collect();
                let y = y.checked(&what);
                assert_close(y, &expected, &bound, &format!("{what} {act:?}"));

                if let (Read::Plain(x), None, true) = (x.narrow(), residual, can_space(&shape)) {
                    let (pitch, untouched) = (spacing(c), -7.0);
                    let mut spaced = vec![untouched; rows.len() * shape.out_w * pitch + 64];
                    let (inside, behind) = spaced.split_at_mut(rows.len() * shape.out_w * pitch);
                    depthwise_spaced(level, &shape, x, &weights, rows.clone(), inside, &bias, act);
                    assert!(behind.iter().all(|&v| v == untouched), "{what}: wrote behind the tile");
                    for (pixel, y) in inside.chunks_exact(pitch).zip(y.chunks_exact(c)) {
                        assert!(pixel[..c] == *y, "{what}: a spaced pixel differs");
                        assert!(pixel[c..].iter().all(|&v| v == untouched), "{what}: wrote between pixels");
                    }
                }
            }
        }
    });
}

#[test]
fn backward_of_tiles_adds_up_to_the_image() {
    for_each_case(|level, shape, x, what| {
        let (c, kernel) = (shape.inputs, shape.kernel);
        let weights = floats(kernel * kernel * c, 5);
        let (dy, z) = (floats(shape.output_len(), 8), floats(shape.output_len(), 9));
        let (a, b, constant) = (floats(c, 10), floats(c, 11), floats(c, 12));
        let (dy64, z64) = (wide(&dy), wide(&z));
        let (a64, b64, constant64) = (wide(&a), wide(&b), wide(&constant));
        let deferred = (
            Grad::Norm { dy: &dy, z: &z, a: &a, b: &b, c: &constant },
            Grad::Norm { dy: &dy64, z: &z64, a: &a64, b: &b64, c: &constant64 },
        );
        for (g, g64) in [(Grad::Plain(&dy), Grad::Plain(&dy64[..])), deferred] {
            let what = format!("{what} {}", if matches!(g, Grad::Plain(_)) { "plain" } else { "norm" });
            let (dw_before, sums_before) = (floats(weights.len(), 13), floats(2 * c, 14));
            let mut dx64 = vec![0.0; shape.input_len()];
            let (mut dw64, mut sums64) = (wide(&dw_before), wide(&sums_before));
            scalar::depthwise_backward(
                &shape,
                &x.wide(),
                &g64,
                &wide(&weights),
                &mut dx64,
                &mut dw64,
                &mut sums64,
            );

            let x_terms = magnitudes(&values(&x.wide(), c));
            let g_terms: Vec<f64> = (0..dy.len())
                .map(|i| match g64 {
                    Grad::Plain(g) => g[i].abs(),
                    Grad::Norm { dy, z, a, b, c: constant } => {
                        (a[i % c] * dy[i]).abs() + (b[i % c] * z[i]).abs() + constant[i % c].abs()
                    }
                })
                .collect();
            let (mut dx_bound, mut dw_bound) = (dx64.clone(), magnitudes(&wide(&dw_before)));
            scalar::depthwise_backward(
                &shape,
                &Read::Plain(&x_terms),
                &Grad::Plain(&g_terms),
                &magnitudes(&wide(&weights)),
                &mut dx_bound,
                &mut dw_bound,
                &mut [],
            );
            let mut sums_bound = magnitudes(&wide(&sums_before));
            for (i, distance) in x.distances().into_iter().enumerate() {
                sums_bound[i % c] += dx_bound[i];
                sums_bound[c + i % c] += dx_bound[i] * distance;
            }

            for tiles in tilings(shape.h) {
                let (mut dw, mut sums) = (Guarded::new(dw_before.len()), Guarded::new(2 * c));
                dw.out().copy_from_slice(&dw_before);
                sums.out().copy_from_slice(&sums_before);
                let mut dw_alone = dw_before.clone();
                for rows in tiles {
                    let part = rows.start * shape.w * c..rows.end * shape.w * c;
                    let mut dx = Guarded::new(part.len());
                    let out = Some(dx.out().into());
                    let (x, rows) = (x.narrow(), rows.clone());
                    depthwise_backward(
                        level,
                        &shape,
                        x,
                        g,
                        &weights,
                        rows.clone(),
                        out,
                        dw.out(),
                        sums.out(),
                    );
                    assert_close(dx.checked(&what), &dx64[part.clone()], &dx_bound[part], &what);
                    depthwise_backward(
                        level,
                        &shape,
                        x,
                        g,
                        &weights,
                        rows,
                        None,
                        &mut dw_alone,
                        &mut vec![0.0; 2 * c],
                    );
                }
                assert_close(dw.checked(&what), &dw64, &dw_bound, &format!("{what} dw"));
                assert_eq!(dw.checked(&what), dw_alone, "{what}: dw depends on dx");
                assert_close(sums.checked(&what), &sums64, &sums_bound, &format!("{what} sums"));
            }
        }
    });
}

#[test]
fn a_nan_reaches_everything_that_sees_it() {
    for level in levels() {
        let c = level.lanes() + 1;
        let shape = ConvShape {
            h: 5,
            w: 5,
            inputs: c,
            outputs: c,
            kernel: 3,
            stride: 1,
            pad_top: 1,
            pad_left: 1,
            out_h: 5,
            out_w: 5,
        };
        let mut x = floats(shape.input_len(), 1);
        x[(2 * 5 + 2) * c + 3] = f32::NAN;
        let (weights, bias) = (floats(9 * c, 2), floats(c, 3));
        let mut y = vec![0.0; shape.output_len()];
        let epilogue = Epilogue::Activate { bias: &bias, act: Rectifier::RELU6, residual: None };
        depthwise(level, &shape, Read::Plain(&x), &weights, 0..5, y.as_mut_slice().into(), epilogue);
        for (i, y) in y.iter().enumerate() {
            let (pixel, channel) = (i / c, i % c);
            let sees = channel == 3 && (pixel / 5).abs_diff(2) <= 1 && (pixel % 5).abs_diff(2) <= 1;
            assert_eq!(y.is_nan(), sees, "{} pixel {pixel} channel {channel}", level.name());
        }
    }
}

/// What inference runs: several blocks of channels, rows in pairs and alone, outputs in groups and alone.
#[test]
fn inference_on_plain_images() {
    for (stride, pad, level) in [(1, 1), (2, 0), (2, 1), (1, 2)]
        .into_iter()
        .flat_map(|(stride, pad)| levels().map(move |level| (stride, pad, level)))
    {
        let (h, w, c): (usize, usize, usize) = (9, 23, 2 * 128 + level.lanes() + 3);
        let (out_h, out_w) = (h.div_ceil(stride), w.div_ceil(stride));
        let shape = ConvShape {
            h,
            w,
            inputs: c,
            outputs: c,
            kernel: 3,
            stride,
            pad_top: pad,
            pad_left: pad,
            out_h,
            out_w,
        };
        let (x, weights, bias) = (floats(shape.input_len(), 1), floats(9 * c, 2), floats(c, 3));
        let (mut z, mut bound) = (vec![0.0; shape.output_len()], vec![0.0; shape.output_len()]);
        scalar::depthwise_forward(&shape, &Read::Plain(&wide(&x)), &wide(&weights), &mut z);
        let terms = magnitudes(&wide(&x));
        scalar::depthwise_forward(&shape, &Read::Plain(&terms), &magnitudes(&wide(&weights)), &mut bound);
        for (i, (z, bound)) in z.iter_mut().zip(&mut bound).enumerate() {
            *z = scalar::activate(Rectifier::RELU6, *z + f64::from(bias[i % c]));
            *bound += f64::from(bias[i % c].abs());
        }

        let run = |rows: std::ops::Range<usize>| {
            let mut y = Guarded::new(rows.len() * out_w * c);
            let epilogue = Epilogue::Activate { bias: &bias, act: Rectifier::RELU6, residual: None };
            depthwise(level, &shape, Read::Plain(&x), &weights, rows, y.out().into(), epilogue);
            y
        };
        let what = format!("{} stride {stride} pad {pad}", level.name());
        let y = run(0..out_h);
        let y = y.checked(&what);
        assert_close(y, &z, &bound, &what);
        for rows in tilings(out_h).into_iter().flatten() {
            let part = rows.start * out_w * c..rows.end * out_w * c;
            assert!(run(rows.clone()).checked(&what) == &y[part], "{what}: rows {rows:?} differ");
        }
    }
}

/// The image as a part of a tensor that is written past the caches, its parts by themselves.
#[test]
fn large_images_are_written_as_their_parts_are() {
    let c = 128;
    let shape = ConvShape { w: 33, out_w: 33, inputs: c, outputs: c, ..square(32, 1) };
    let row = shape.w * c;
    let (x, g, weights) = (floats(32 * row, 1), floats(32 * row, 2), floats(9 * c, 3));
    for level in levels() {
        let run = |rows: std::ops::Range<usize>, [y, dx]: [Write; 2]| {
            depthwise(level, &shape, Read::Plain(&x), &weights, rows.clone(), y, Epilogue::None);
            let (x, g, dw) = (Read::Plain(&x), Grad::Plain(&g), &mut vec![0.0; 9 * c]);
            depthwise_backward(level, &shape, x, g, &weights, rows, Some(dx), dw, &mut []);
        };
        let (mut y, mut dx) = (Buffer::zeros(32 * row), Buffer::zeros(32 * row));
        run(0..32, [&mut y, &mut dx].map(|to| Write::part(to, usize::MAX)));
        for rows in [0..20, 20..32] {
            let part = rows.start * row..rows.end * row;
            let (mut y_part, mut dx_part) = (vec![f32::NAN; part.len()], vec![f32::NAN; part.len()]);
            run(rows, [&mut y_part, &mut dx_part].map(|to| to.as_mut_slice().into()));
            assert!(y[part.clone()] == y_part && dx[part.clone()] == dx_part, "{} {part:?}", level.name());
        }
    }
}

#[test]
fn tiles_come_from_the_shape() {
    let shape = ConvShape { inputs: 64, outputs: 64, ..square(112, 2) };
    assert_eq!((tile_rows(&shape, 32), backward_tile_rows(&shape, 32)), (56, 112));
    assert_eq!((tile_rows(&shape, 1), backward_tile_rows(&shape, 1)), (7, 8));
    assert_eq!((tile_rows(&shape, 4), backward_tile_rows(&shape, 4)), (14, 28));
    let small = ConvShape { inputs: 64, outputs: 64, ..square(7, 1) };
    assert_eq!((tile_rows(&small, 1), backward_tile_rows(&small, 1)), (7, 7));
}
