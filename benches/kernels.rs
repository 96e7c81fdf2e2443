//! Every kernel at every level on every layer of MobileNetV1, for batches of 1 and 32, on one thread and on all, beside
//! the naive loop, im2col with the crate `matrixmultiply`, and im2col with the crate `gemm`.
//!
//! `cargo bench --bench kernels [-- FILTER]`, where FILTER is a part of names like `pointwise/avx512/v1_14x14x512_512/b1/t2`.
//! At the end it prints every kernel's rate, its share of the limits measured in this run, and how many times faster it
//! is than the best other. All of it takes about ten minutes on two cores.
//!
//! Other programs choose their own instruction set, whatever the level of ours. The naive loop, and im2col where a kernel
//! is no matrix product, run on one image and one thread; in the summary they count as if they scaled perfectly.

use bench::{
    BenchCase, CaseKind, ConvPass, Im2col, Limits, Naive, PreparedCase, Product, Seconds, Shapes,
    matrixmultiply,
};
use criterion::{Bencher, Criterion, SamplingMode};
use engine::par;
use kernels::Level;
use kernels::comparison::Layout;
use model::ConvKind;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const BATCHES: [usize; 2] = [1, 32];

fn main() {
    let all = par::threads();
    let mut times = Times::new();
    for threads in if all > 1 { vec![1, all] } else { vec![1] } {
        times = par::with_threads(threads, || {
            let mut bench = Bench::new(times);
            for batch in BATCHES {
                for case in BenchCase::all(&Shapes::named("mobilenet-v1").expect("it has a table"), batch) {
                    bench.case(&case);
                }
            }
            bench.finish()
        });
    }
}

/// Seconds by name, of all numbers of threads so far.
type Times = BTreeMap<String, Seconds>;

struct Bench {
    criterion: Criterion,
    times: Times,
    /// Kernels that ran, with their names.
    cases: Vec<(BenchCase, Level, String)>,
}

impl Bench {
    fn new(times: Times) -> Self {
        let criterion = Criterion::default()
            .without_plots()
            .sample_size(10)
            .nresamples(2000)
            .warm_up_time(Duration::from_millis(30))
            .measurement_time(Duration::from_millis(150))
            .configure_from_args();
        Self { criterion, times, cases: vec![] }
    }

    fn case(&mut self, case: &BenchCase) {
        for level in Level::available() {
            let mut run = None;
            let name = self.time(case, level.name(), || {
                run.get_or_insert_with(|| PreparedCase::new(case.clone(), level)).run();
            });
            self.cases.push((case.clone(), level, name));
        }
        if matches!(case.kind, CaseKind::Conv(_, ConvPass::Inference)) {
            return; // What it is compared with is what the forward pass is compared with.
        }
        let single = case.batch == 1 && par::threads() == 1;
        if single && !matches!(case.kind, CaseKind::Conv(_, ConvPass::Input | ConvPass::Weights)) {
            let mut naive = None;
            self.time(case, "naive", || naive.get_or_insert_with(|| Naive::new(case.clone())).run());
        }
        if single || matches!(case.kind, CaseKind::Conv(ConvKind::Pointwise, _)) {
            let products: [(&str, Product); 2] = [("matrixmultiply", &matrixmultiply), ("gemm", &gemm)];
            for (name, product) in products {
                let Some(mut other) = Im2col::new(case) else { continue };
                self.time(case, name, || other.run(product));
            }
        }
    }

    /// Times `run` if the command line asks for it, and returns its name.
    fn time(&mut self, case: &BenchCase, by: &str, mut run: impl FnMut()) -> String {
        let id = format!("{by}/{}/b{}/t{}", case.label, case.batch, par::threads());
        let name = format!("{}/{id}", case.kind.name());
        let mut samples = vec![];
        let mut group = self.criterion.benchmark_group(case.kind.name());
        group.sampling_mode(SamplingMode::Flat);
        group.bench_function(id, |bencher: &mut Bencher| {
            // Makes the data, touches it, and fills the caches.
            if samples.is_empty() {
                run();
            }
            bencher.iter_custom(|iterations| {
                let start = Instant::now();
                (0..iterations).for_each(|_| run());
                let elapsed = start.elapsed();
                samples.push(elapsed.as_secs_f64() / iterations as f64);
                elapsed
            });
        });
        group.finish();
        if !samples.is_empty() {
            self.times.insert(name.clone(), Seconds::of(samples));
        }
        name
    }

    /// Prints the summary of what ran, and returns its times.
    fn finish(self) -> Times {
        self.criterion.final_summary();
        let mut limits = Limits::new();
        let ran = self
            .cases
            .iter()
            .filter_map(|(case, level, name)| Some((case, *level, name, self.times.get(name)?.median())));
        for (i, (case, level, name, seconds)) in ran.enumerate() {
            if i == 0 {
                println!(
                    "\n{:<56} {:>9} {:>8} {:>5} {:>6} {:>6} {:>6}  best other",
                    "kernel", "ms", "GFLOP/s", "peak", "GB/s", "memory", "bound"
                );
            }
            let least = case.least_seconds(&mut limits, level);
            let percent = |least: f64| format!("{:.0}%", 100.0 * least / seconds);
            println!(
                "{name:<56} {:>9.3} {:>8} {:>5} {:>6.1} {:>6} {:>6}  {}",
                seconds * 1e3,
                case.flops().map_or("-".into(), |flops| format!("{:.1}", flops / seconds / 1e9)),
                least.products.map_or("-".into(), percent),
                case.bytes() / seconds / 1e9,
                percent(least.memory),
                percent(least.bound),
                best_other(&self.times, case, seconds)
            );
        }
        self.times
    }
}

/// How many times faster than the best other program, and which that is.
fn best_other(times: &Times, case: &BenchCase, seconds: f64) -> String {
    let threads = par::threads();
    let kernel = match case.kind {
        CaseKind::Conv(kind, ConvPass::Inference) => CaseKind::Conv(kind, ConvPass::Forward),
        kernel => kernel,
    };
    let of = |by: &str| {
        let name = |batch, threads| format!("{}/{by}/{}/b{batch}/t{threads}", kernel.name(), case.label);
        let exact = times.get(&name(case.batch, threads)).map(Seconds::median);
        let scaled = || Some(times.get(&name(1, 1))?.median() * case.batch as f64 / threads as f64);
        exact.or_else(scaled).map(|other| (other, by.to_owned()))
    };
    let others = ["naive", "matrixmultiply", "gemm"].into_iter().filter_map(of);
    let best = others.min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or("-".into(), |(other, by)| format!("{:.1}x {by}", other / seconds))
}

/// The product by the crate `gemm`, on the threads of the pool.
fn gemm(a: (&[f32], Layout), b: (&[f32], Layout), c: (&mut [f32], Layout)) {
    let parallelism = match par::threads() {
        1 => gemm::Parallelism::None,
        threads => gemm::Parallelism::Rayon(threads),
    };
    a.1.check(a.0.len());
    b.1.check(b.0.len());
    c.1.check(c.0.len());
    let strides = |layout: Layout| (layout.row_stride as isize, layout.column_stride as isize);
    let ((ars, acs), (brs, bcs), (crs, ccs)) = (strides(a.1), strides(b.1), strides(c.1));
    let (m, n, k) = (c.1.rows, c.1.columns, a.1.columns);
    // SAFETY: every element of the three matrices is inside its slice; Im2col hands out products without overlap.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.0.as_mut_ptr(),
            ccs,
            crs,
            false,
            a.0.as_ptr(),
            acs,
            ars,
            b.0.as_ptr(),
            bcs,
            brs,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
