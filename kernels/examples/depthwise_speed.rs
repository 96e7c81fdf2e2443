//! How fast the depthwise kernels are: every depthwise shape of MobileNet V1 at 224 x 224, batch 32, one thread, every
//! level, against what the machine allows.
//!
//! The bound of a run is the larger of two times: the bytes that must move (every tensor once) at the memory bandwidth,
//! and the arithmetic at the multiply-add peak, both measured here. Tensors that fit the last cache can beat it.
//!
//! A batch of 1 stays in the cache, which shows the arithmetic alone.
//!
//! `cargo run --release -p vertebra-kernels --example depthwise_speed [LEVEL [BATCH]]`

use kernels::depthwise::depthwise;
use kernels::depthwise_backward::depthwise_backward;
use kernels::simd::{Kernel, Simd};
use kernels::{Activation, Buffer, ConvShape, Deferred, Epilogue, Grad, Level, Read};
use std::hint::black_box;
use std::time::Instant;

const REPEATS: usize = 15;

/// Input rows (as many columns), channels, stride.
const SHAPES: [(usize, usize, usize); 9] = [
    (112, 32, 1),
    (112, 64, 2),
    (56, 128, 1),
    (56, 128, 2),
    (28, 256, 1),
    (28, 256, 2),
    (14, 512, 1),
    (14, 512, 2),
    (7, 1024, 1),
];

/// Seconds of a run: the median, and the best (which a busy machine disturbs less).
fn time(mut run: impl FnMut()) -> (f64, f64) {
    run();
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[REPEATS / 2], times[0])
}

/// Independent multiply-adds, as many as hide the latency.
struct Peak;

impl Peak {
    const STEPS: usize = 1 << 20;
    const CHAINS: usize = 12;
}

impl Kernel for Peak {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let (a, b) = (s.splat(black_box(0.999)), s.splat(black_box(0.001)));
        let mut chains = [s.splat(1.0); Peak::CHAINS];
        for _ in 0..Peak::STEPS {
            for chain in &mut chains {
                *chain = s.mul_add(*chain, a, b);
            }
        }
        chains.into_iter().fold(0.0, |total, chain| total + s.sum(chain))
    }
}

/// The sum of a buffer far larger than the caches, in independent parts.
struct Sweep<'a>(&'a [f32]);

impl Kernel for Sweep<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sums = [s.splat(0.0); 4];
        for part in self.0.chunks_exact(4 * S::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the part has four vectors.
                *sum = s.add(*sum, unsafe { s.load(part.as_ptr().add(i * S::LANES)) });
            }
        }
        sums.into_iter().fold(0.0, |total, sum| total + s.sum(sum))
    }
}

/// A copy past the caches.
struct Copy<'a>(&'a [f32], &'a mut [f32]);

impl Kernel for Copy<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (from, to) in self.0.chunks_exact(S::LANES).zip(self.1.chunks_exact_mut(S::LANES)) {
            // SAFETY: both parts have a vector, and buffers are aligned to cache lines.
            unsafe { s.stream(to.as_mut_ptr(), s.load(from.as_ptr())) };
        }
        s.fence();
    }
}

fn random(len: usize) -> Buffer {
    let mut buffer = Buffer::zeros(len);
    let mut state = 1u32;
    for x in buffer.iter_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *x = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
    }
    buffer
}

/// Bytes a second: the better of reading and of copying.
fn memory_bandwidth(from: &Buffer, to: &mut Buffer) -> f64 {
    let bytes = from.len() as f64 * 4.0;
    let read = bytes / time(|| _ = black_box(Level::best().dispatch(Sweep(from)))).1;
    let copied = 2.0 * bytes / time(|| Level::best().dispatch(Copy(from, to))).1;
    println!("memory: read {:.1} GB/s, copy {:.1} GB/s (both ways)", read / 1e9, copied / 1e9);
    read.max(copied)
}

struct Row<'a> {
    what: &'a str,
    level: Level,
    seconds: (f64, f64),
    flops: f64,
    bytes: f64,
}

impl Row<'_> {
    fn print(&self, peak: f64, bandwidth: f64) {
        let (median, best) = self.seconds;
        let bound = (self.bytes / bandwidth).max(self.flops / peak);
        println!(
            "{:<9} {:<31} {:>7.3} ms {:>6.1} GFLOP/s {:>5.1} GB/s {:>4.0} % of bound; best {:>7.3} ms {:>4.0} %",
            self.level.name(),
            self.what,
            median * 1e3,
            self.flops / median / 1e9,
            self.bytes / median / 1e9,
            100.0 * bound / median,
            best * 1e3,
            100.0 * bound / best
        );
    }
}

fn main() {
    let wanted = std::env::args().nth(1);
    let batch = std::env::args().nth(2).map_or(32, |batch| batch.parse().expect("BATCH: a number of images"));
    let (from, mut to) = (random(64 << 20), random(64 << 20));
    for level in Level::available().filter(|level| wanted.as_deref().is_none_or(|name| name == level.name()))
    {
        let steps = (Peak::STEPS * Peak::CHAINS * level.lanes() * 2) as f64;
        let peak = steps / time(|| _ = black_box(level.dispatch(Peak))).1;
        println!("{}: peak {:.1} GFLOP/s", level.name(), peak / 1e9);
        for (size, c, stride) in SHAPES {
            // Before every shape, since what else the machine does changes it.
            let bandwidth = memory_bandwidth(&from, &mut to);
            measure(level, batch, (size, c, stride), peak, bandwidth);
        }
    }
}

fn measure(level: Level, batch: usize, (size, c, stride): (usize, usize, usize), peak: f64, bandwidth: f64) {
    let out = size.div_ceil(stride);
    let pad = if stride == 1 { 1 } else { 0 };
    let shape = ConvShape {
        h: size,
        w: size,
        inputs: c,
        outputs: c,
        kernel: 3,
        stride,
        pad_top: pad,
        pad_left: pad,
        out_h: out,
        out_w: out,
    };
    let (inputs, outputs) = (shape.input_len(), shape.output_len());
    let x = random(batch * inputs);
    let z = random(batch * outputs);
    let mut y = random(batch * outputs);
    let mut dx = random(batch * inputs);
    let (weights, vector) = (random(9 * c), random(c));
    let norm = Read::Norm(Deferred {
        z: &x,
        scale: &vector,
        shift: &vector,
        center: &vector,
        act: Activation::RELU6,
    });
    let mut moments = vec![0.0; 3 * c];
    let flops = 18.0 * (batch * outputs) as f64;
    let name = |what| format!("{what}_{size}x{size}x{c}_s{stride}");

    let seconds = time(|| {
        for (i, y) in y.chunks_exact_mut(outputs).enumerate() {
            let x = norm.part(i * inputs..(i + 1) * inputs);
            depthwise(level, &shape, x, &weights, 0..out, y.into(), Epilogue::Moments(&mut moments));
        }
    });
    let bytes = 4.0 * (batch * (inputs + outputs)) as f64;
    Row { what: &name("norm_moments"), level, seconds, flops, bytes }.print(peak, bandwidth);

    let seconds = time(|| {
        for (i, y) in y.chunks_exact_mut(outputs).enumerate() {
            let x = Read::Plain(&x).part(i * inputs..(i + 1) * inputs);
            let epilogue = Epilogue::Activate { bias: &vector, act: Activation::RELU6, residual: None };
            depthwise(level, &shape, x, &weights, 0..out, y.into(), epilogue);
        }
    });
    Row { what: &name("plain_activate"), level, seconds, flops, bytes }.print(peak, bandwidth);

    let (mut dw, mut sums) = (vec![0.0; 9 * c], vec![0.0; 2 * c]);
    let g = Grad::Norm { dy: &y, z: &z, a: &vector, b: &vector, c: &vector };
    let seconds = time(|| {
        for (i, dx) in dx.chunks_exact_mut(inputs).enumerate() {
            let (x, g) = (norm.part(i * inputs..(i + 1) * inputs), g.part(i * outputs..(i + 1) * outputs));
            depthwise_backward(level, &shape, x, g, &weights, 0..size, Some(dx.into()), &mut dw, &mut sums);
        }
    });
    let bytes = 4.0 * (batch * 2 * (inputs + outputs)) as f64;
    Row { what: &name("backward"), level, seconds, flops: 2.0 * flops, bytes }.print(peak, bandwidth);
}
