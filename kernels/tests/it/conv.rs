//! Windows: every padding, stride and size of the shared table, few and many channels.

use crate::spec::Case;
use engine::cases::{levels, of_kind};
use kernels::conv::{conv, tile_rows};
use kernels::conv_backward::conv_backward;
use kernels::{ConvShape, Level};
use model::ConvKind;

fn for_each_case(mut f: impl FnMut(Level, Case)) {
    for (level, case) in of_kind(ConvKind::Full) {
        f(level, Case::new(level, case.conv.shape, case.reads));
    }
}

#[test]
fn forward_and_its_epilogues() {
    for_each_case(|_, case| {
        let out_h = case.shape.out_h;
        for size in [out_h, 3] {
            let parts = (0..out_h).step_by(size).map(|start| start..(start + size).min(out_h));
            case.check_forward(parts, |rows, y, epilogue| {
                conv(&case.shape, case.x.narrow(), &case.packed, rows, y.into(), epilogue);
            });
        }
    });
}

#[test]
fn backward_of_the_image() {
    for_each_case(|level, case| {
        let (shape, x) = (&case.shape, case.x.narrow());
        case.check_backward(|g, dx, dw, sums| {
            conv_backward(level, shape, x, g, Some(&case.transposed), 0..shape.out_h, dx, dw, sums);
        });
    });
}

#[test]
fn the_first_layer_in_full() {
    for level in levels() {
        for inputs in [1, 3] {
            let shape = ConvShape {
                h: 128,
                w: 128,
                inputs,
                outputs: 32,
                kernel: 3,
                stride: 2,
                pad_top: 0,
                pad_left: 0,
                out_h: 64,
                out_w: 64,
            };
            let case = Case::new(level, shape, None);
            let rows = tile_rows(&shape, 8);
            case.check_forward((0..64).step_by(rows).map(|y| y..(y + rows).min(64)), |rows, y, epilogue| {
                conv(&shape, case.x.narrow(), &case.packed, rows, y.into(), epilogue);
            });
            case.check_backward(|g, dx, dw, sums| {
                let x = case.x.narrow();
                if dx.is_some() {
                    conv_backward(level, &shape, x, g, Some(&case.transposed), 0..64, dx, dw, sums);
                    return;
                }
                for first in (0..64).step_by(rows) {
                    let band = first..(first + rows).min(64);
                    let g = g.part(band.start * 64 * 32..band.end * 64 * 32);
                    conv_backward(level, &shape, x, g, None, band, None, dw, sums);
                }
            });
        }
    }
}
