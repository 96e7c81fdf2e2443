//! Pointwise: channel counts around a vector and row counts around a register tile, blocks, tails and tilings.

use crate::common::{Guarded, floats};
use crate::spec::Case;
use engine::Conv;
use engine::cases::{levels, of_kind};
use kernels::pointwise::{pointwise, pointwise_spaced, spacing, tile_rows};
use kernels::pointwise_backward::{backward_tiles, pointwise_backward};
use kernels::{ConvShape, Epilogue, Grad, Level, Packed, Read, Rectifier};
use model::ConvKind;

fn shape(m: usize, k: usize, n: usize) -> ConvShape {
    Conv::of_pixels(m, k, n, Rectifier::IDENTITY).shape
}

fn for_each_case(mut f: impl FnMut(Level, Case)) {
    for (level, case) in of_kind(ConvKind::Pointwise) {
        f(level, Case::new(level, case.conv.shape, case.reads));
    }
}

/// Ranges of at most `size` rows.
fn cut(rows: usize, size: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..rows).step_by(size).map(move |start| start..(start + size).min(rows))
}

#[test]
fn forward_and_its_epilogues() {
    for_each_case(|_, case| {
        let (m, k) = (case.shape.h, case.shape.inputs);
        for size in [m, m.div_ceil(2)] {
            case.check_forward(cut(m, size), |rows, y, epilogue| {
                let x = case.x.narrow().part(rows.start * k..rows.end * k);
                pointwise(x, &case.packed, y.into(), epilogue);
            });
        }
    });
}

#[test]
fn forward_of_spaced_pixels() {
    for_each_case(|_, case| {
        let (m, k) = (case.shape.h, case.shape.inputs);
        let Read::Plain(x) = case.x.narrow() else { return };
        let mut spaced = vec![f32::NAN; m * spacing(k)];
        for (to, from) in spaced.chunks_exact_mut(spacing(k)).zip(x.chunks_exact(k)) {
            to[..k].copy_from_slice(from);
        }
        case.check_forward(cut(m, m.div_ceil(2)), |rows, y, epilogue| {
            let x = &spaced[rows.start * spacing(k)..rows.end * spacing(k)];
            pointwise_spaced(x, &case.packed, y, epilogue);
        });
    });
}

#[test]
fn backward_of_tiles_adds_up() {
    for_each_case(|level, case| {
        let ConvShape { h: m, inputs: k, outputs: n, .. } = case.shape;
        for size in [m, m.div_ceil(2)] {
            case.check_backward(|g, mut dx, dw, sums| {
                for rows in cut(m, size) {
                    pointwise_backward(
                        level,
                        case.x.narrow().part(rows.start * k..rows.end * k),
                        g.part(rows.start * n..rows.end * n),
                        n,
                        Some(&case.transposed),
                        dx.as_deref_mut().map(|dx| dx[rows.start * k..rows.end * k].as_mut().into()),
                        Some(&mut *dw),
                        false,
                        sums,
                    );
                }
            });
        }
    });
}

#[test]
fn a_gradient_that_is_begun_forgets_what_was_there() {
    for_each_case(|level, case| {
        let ConvShape { h: m, inputs: k, outputs: n, .. } = case.shape;
        let g = floats(m * n, 8);
        let run = |begin: bool, mut dw: Vec<f32>| {
            let (x, sums) = (case.x.narrow(), &mut vec![0.0; 2 * k]);
            pointwise_backward(level, x, Grad::Plain(&g), n, None, None, Some(&mut dw), begin, sums);
            dw
        };
        let what = format!("{} {m}x{k}x{n}", level.name());
        assert!(run(true, vec![f32::NAN; k * n]) == run(false, vec![0.0; k * n]), "{what}");
    });
}

#[test]
fn the_gradient_of_the_input_needs_no_other() {
    for level in levels() {
        let case = Case::new(level, shape(20, 9, 17), Some(Rectifier::RELU));
        let g = floats(20 * 17, 3);
        let g = kernels::Grad::Plain(&g);
        let (mut with, mut alone) = (Guarded::new(20 * 9), Guarded::new(20 * 9));
        let (mut dw, mut sums) = (vec![0.0; 9 * 17], [vec![0.0; 18], vec![0.0; 18]]);
        let [first, second] = &mut sums;
        let (x, w) = (case.x.narrow(), Some(&case.transposed));
        pointwise_backward(level, x, g, 17, w, Some(with.out().into()), Some(&mut dw), false, first);
        pointwise_backward(level, x, g, 17, w, Some(alone.out().into()), None, false, second);
        assert_eq!(with.checked("dx"), alone.checked("dx"));
        assert_eq!(sums[0], sums[1]);
    }
}

#[test]
fn a_nan_reaches_its_row_and_no_other() {
    for level in levels() {
        let (m, k, n) = (20, level.lanes() + 1, level.lanes() + 1);
        let mut x = floats(m * k, 1);
        x[7 * k + 3] = f32::NAN;
        let mut weights = Packed::new(level, k, n);
        weights.pack(&floats(k * n, 2));
        let (mut y, bias) = (vec![0.0; m * n], floats(n, 3));
        let epilogue = Epilogue::Activate { bias: &bias, act: Rectifier::RELU6, residual: None };
        pointwise(Read::Plain(&x), &weights, y.as_mut_slice().into(), epilogue);
        for (i, y) in y.iter().enumerate() {
            assert_eq!(y.is_nan(), i / n == 7, "{} output {i}", level.name());
        }
    }
}

#[test]
fn tiles_come_from_the_shape() {
    for level in levels() {
        for (m, k, n) in [(1, 1024, 3), (49, 1024, 1024), (1568, 1024, 1024), (401_408, 32, 64), (100, 1, 1)]
        {
            let rows = tile_rows(level, m, k, n);
            assert!(rows > 0, "{m} {k} {n}");
            if m * k * n > 1 << 24 {
                assert!(m.div_ceil(rows) >= 2, "{m} {k} {n}: {rows}");
            }
            let tiles = backward_tiles(level, m, k, n);
            assert!((1..=32).contains(&tiles.partials), "{m} {k} {n}: {tiles:?}");
            assert!(tiles.partials * k * n * 4 <= 32 << 20, "{m} {k} {n}: {tiles:?}");
        }
    }
}
