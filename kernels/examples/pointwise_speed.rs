//! GFLOP/s of the pointwise kernels on MobileNet V1's shapes, on one thread, beside the machine's measured peak and the
//! crate `matrixmultiply`.
//!
//! `cargo run --release -p vertebra-kernels --example pointwise_speed [LEVEL] [SHAPE...]`, where LEVEL is a level's name
//! or `all` (default: the best one) and SHAPE is `k,n,pixels` of an image; batches have 32.

use kernels::buffer::Buffer;
use kernels::pointwise::{pointwise, tile_rows};
use kernels::pointwise_backward::{backward_tiles, pointwise_backward};
use kernels::simd::{Kernel, Simd};
use kernels::{Activation, Deferred, Epilogue, Grad, Level, Packed, Read};
use std::hint::black_box;
use std::time::Instant;

/// Inputs, outputs and pixels of an image of V1's distinct pointwise layers at 224 x 224.
const LAYERS: [(usize, usize, usize); 9] = [
    (32, 64, 112 * 112),
    (64, 128, 56 * 56),
    (128, 128, 56 * 56),
    (128, 256, 28 * 28),
    (256, 256, 28 * 28),
    (256, 512, 14 * 14),
    (512, 512, 14 * 14),
    (512, 1024, 7 * 7),
    (1024, 1024, 7 * 7),
];
const BATCH: usize = 32;
const PASSES: usize = 9;

/// Independent multiply-adds in registers: what the level can do at most.
struct Peak(usize);

impl Kernel for Peak {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut acc = [s.splat(0.0); 12];
        let (x, y) = (s.splat(black_box(1.0)), s.splat(black_box(0.0)));
        for _ in 0..self.0 {
            for acc in &mut acc {
                *acc = s.mul_add(x, y, *acc);
            }
        }
        for acc in acc {
            black_box(s.sum(acc));
        }
    }
}

/// GFLOP/s of `tiles` calls that do `flop` together. Each tile counts with the fastest of its passes, so that what
/// else the machine does is left out, while every pass finds the caches as the one before left them.
fn rate(flop: f64, tiles: usize, mut call: impl FnMut(usize)) -> f64 {
    let mut fastest = vec![f64::INFINITY; tiles];
    for _ in 0..PASSES {
        for (tile, fastest) in fastest.iter_mut().enumerate() {
            let start = Instant::now();
            call(tile);
            *fastest = fastest.min(start.elapsed().as_secs_f64());
        }
    }
    flop / fastest.iter().sum::<f64>() / 1e9
}

fn floats(len: usize) -> Buffer {
    let mut buffer = Buffer::zeros(len);
    buffer.iter_mut().enumerate().for_each(|(i, x)| *x = (i * 37 % 101) as f32 * 0.01 - 0.5);
    buffer
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let known = |name: &String| name == "all" || Level::ALL.iter().any(|level| level.name() == name);
    let chosen = arguments.next_if(known).unwrap_or_else(|| Level::best().name().to_owned());
    let mut layers: Vec<(usize, usize, usize)> = arguments
        .map(|shape| {
            let sizes: Vec<usize> = shape.split(',').map(|size| size.parse().expect("k,n,pixels")).collect();
            (sizes[0], sizes[1], sizes[2])
        })
        .collect();
    if layers.is_empty() {
        layers = LAYERS.to_vec();
    }
    println!("GFLOP/s (% of peak), one thread, fastest of {PASSES} for each tile");
    for level in Level::available().filter(|level| chosen == "all" || chosen == level.name()) {
        let steps = 100_000;
        let peak = rate((50 * steps * 12 * level.lanes() * 2) as f64, 50, |_| level.dispatch(Peak(steps)));
        println!("{}: peak {peak:.1}", level.name());
        println!(
            "{:>18} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}",
            "k,n,pixels", "plain", "norm+moments", "plain+act", "dX", "dW", "dX+dW", "matrixmult."
        );
        for &(k, n, pixels) in &layers {
            let figures = layer(level, k, n, pixels * BATCH);
            print!("{:>18}", format!("{k},{n},{pixels}"));
            for figure in figures {
                print!(" {:>12}", format!("{figure:.0} ({:.0}%)", 100.0 * figure / peak));
            }
            println!();
        }
    }
}

fn layer(level: Level, k: usize, n: usize, m: usize) -> [f64; 7] {
    let flop = 2.0 * (m * k * n) as f64;
    let (x, w, dy, z) = (floats(m * k), floats(k * n), floats(m * n), floats(m * n));
    let (mut y, mut dx, mut dw) = (floats(m * n), floats(m * k), floats(k * n));
    let (per_k, per_n) = (floats(k), floats(n));
    let (mut weights, mut transposed) = (Packed::new(level, k, n), Packed::new(level, n, k));
    weights.pack(&w);
    transposed.pack_transposed(&w);
    let norm = Deferred { z: &x, scale: &per_k, shift: &per_k, center: &per_k, act: Activation::RELU6 };

    let rows = tile_rows(level, m, k, n);
    let mut moments = floats(3 * n);
    let mut forward = |x: Read, kind: usize| {
        rate(flop, m.div_ceil(rows), |tile| {
            let (start, end) = (tile * rows, m.min((tile + 1) * rows));
            let epilogue = match kind {
                0 => Epilogue::None,
                1 => Epilogue::Moments(&mut moments),
                _ => Epilogue::Activate { bias: &per_n, act: Activation::RELU6, residual: None },
            };
            pointwise(x.part(start * k..end * k), &weights, y[start * n..end * n].as_mut().into(), epilogue);
        })
    };
    let plain = forward(Read::Plain(&x), 0);
    let fused = forward(Read::Norm(norm), 1);
    let inference = forward(Read::Plain(&x), 2);

    let g = Grad::Norm { dy: &dy, z: &z, a: &per_n, b: &per_n, c: &per_n };
    let tiles = backward_tiles(level, m, k, n);
    let mut sums = floats(2 * k);
    let mut backward = |flop: f64, with_dx: bool, with_dw: bool| {
        rate(flop, m.div_ceil(tiles.rows), |tile| {
            let (start, end) = (tile * tiles.rows, m.min((tile + 1) * tiles.rows));
            pointwise_backward(
                level,
                Read::Norm(norm).part(start * k..end * k),
                g.part(start * n..end * n),
                n,
                Some(&transposed),
                with_dx.then_some(dx[start * k..end * k].as_mut().into()),
                with_dw.then_some(&mut dw[..]),
                false,
                &mut sums,
            );
        })
    };
    let only_dx = backward(flop, true, false);
    let only_dw = backward(flop, false, true);
    let both = backward(2.0 * flop, true, true);

    let part = m.min(1568);
    let other = rate(flop, m / part, |tile| {
        // SAFETY: the matrices have these shapes, row-major.
        unsafe {
            matrixmultiply::sgemm(
                part,
                k,
                n,
                1.0,
                x[tile * part * k..].as_ptr(),
                k as isize,
                1,
                w.as_ptr(),
                n as isize,
                1,
                0.0,
                y[tile * part * n..].as_mut_ptr(),
                n as isize,
                1,
            );
        }
    });
    [plain, fused, inference, only_dx, only_dw, both, other]
}
