//! `vertebra bench kernels`: every kernel on every layer of a network, against the limits of this machine and against
//! other programs.

use crate::failure::Failure;
use crate::machine::Machine;
use crate::terminal;
use bench::{
    BenchCase, CaseKind, ConvPass, Im2col, Least, Limits, Naive, PreparedCase, Shapes, matrixmultiply,
    measure,
};
use clap::builder::PossibleValuesParser;
use engine::par;
use kernels::Level;
use model::ConvKind;
use serde::Serialize;
use serde_json::json;
use std::io;
use std::time::Duration;

/// Measure every kernel on every layer of a network
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra bench kernels
  vertebra bench kernels --level all --threads 1 --filter pointwise
  vertebra bench kernels --batch 32 --filter 14x14x512 --json > a.json
  vertebra bench kernels --list --filter depthwise

Names are KERNEL/LEVEL/SHAPE. A kernel without a suffix is training's forward pass (it normalises and activates what it
reads, and takes moments of what it writes); _infer reads plain values, adds a bias and activates; _dx and _dw are the
gradients of input and weights, _backward is both at once.

ms: the median; min and max: the fastest and the slowest call.
peak: share of the multiply-adds a second that this machine does with this level, measured in this run, by those of the
convolution alone; >100% where that was no peak, for the kernel was faster (the clock changed, or other work ran meanwhile). GB/s counts every tensor once; memory: share of the bandwidth of sweeps over as many bytes, measured in
this run: of a copy for what is written and as much that is read, of reading for the rest. bound: share of what the
stricter of memory and arithmetic allows, the multiply-adds of norms counted too; a kernel that works in the cache on what
comes from memory can be above it.
naive and matmul: how many times faster this is than the plain loop and than the crate matrixmultiply (behind im2col where
the kernel is no matrix product), which both compute plain values only. They take a whole batch for pointwise kernels;
else one image on one thread, counted as if it scaled perfectly.")]
pub struct Args {
    /// An instruction set, or all of this machine's [default: the best]
    #[arg(long, value_name = "LEVEL", value_parser = PossibleValuesParser::new(Level::ALL.map(Level::name).into_iter().chain(["all"])))]
    level: Option<String>,
    /// mobilenet-v1 or mobilenet-v2
    #[arg(long, default_value = "mobilenet-v1", value_name = "NAME")]
    arch: String,
    /// Images
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    batch: u32,
    /// Only kernels whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    filter: String,
    /// Print the names only, and measure nothing
    #[arg(long, conflicts_with = "json")]
    list: bool,
    /// Print the result as one JSON document, which bench compare reads
    #[arg(long)]
    json: bool,
}

/// For how long each kernel, and each that it is compared with, is timed.
const BUDGET: Duration = Duration::from_millis(100);

/// What was measured of one kernel.
#[derive(Serialize)]
struct KernelRow {
    name: String,
    kernel: String,
    level: &'static str,
    shape: String,
    ms_median: f64,
    ms_min: f64,
    ms_max: f64,
    /// None where nothing is multiplied.
    gflops: Option<f64>,
    /// Shares of the least time by the convolution's arithmetic, by memory, and by the bound; the first is none where
    /// the kernel was faster than the peak.
    peak_share: Option<f64>,
    above_peak: bool,
    memory_share: f64,
    bound_share: f64,
    gb_per_s: f64,
    /// How many times longer the naive loop and `matrixmultiply` take.
    times_naive: Option<f64>,
    times_matrixmultiply: Option<f64>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let levels = levels(args.level.as_deref())?;
    let shapes = Shapes::named(&args.arch)
        .ok_or_else(|| usage!("--arch: expected mobilenet-v1 or mobilenet-v2, found {}", args.arch))?;
    let matches =
        |case: &BenchCase| levels.iter().any(|level| case.name(level.name()).contains(args.filter.as_str()));
    let cases: Vec<BenchCase> =
        BenchCase::all(&shapes, args.batch as usize).into_iter().filter(matches).collect();
    if cases.is_empty() {
        return Err(usage!("--filter: no kernel's name contains {:?}", args.filter));
    }
    if args.list {
        let all = cases.iter().flat_map(|case| levels.iter().map(|level| case.name(level.name())));
        let mut wanted = all.filter(|name| name.contains(args.filter.as_str()));
        return Ok(wanted.try_for_each(|name| say!("{name}"))?);
    }
    let threads = par::threads();
    // On a thread of a pool, from where work starts without a queue between threads.
    par::with_threads(threads, || {
        let mut limits = Limits::new();
        if args.json {
            let mut rows = vec![];
            for case in &cases {
                rows.extend(measured(case, &levels, args, &mut limits));
            }
            return print_json(&rows, &levels, args, &mut limits);
        }
        let peak = |&level: &Level| format!(" {} {:.1}", level.name(), limits.peak(level) / 1e9);
        let peaks: String = levels.iter().map(peak).collect();
        say!("{}", Machine::this())?;
        say!("{}, batch {}, {threads} threads; peak GFLOP/s:{peaks}", args.arch, args.batch)?;
        let heads =
            ["kernel", "ms", "min", "max", "GFLOP/s", "peak", "GB/s", "memory", "bound", "naive", "matmul"];
        let [name, ms, min, max, rate, peak, bandwidth, memory, bound, naive, product] = heads;
        say!(
            "{name:<48} {ms:>9} {min:>9} {max:>9} {rate:>8} {peak:>6} {bandwidth:>7} {memory:>6} {bound:>6} \
             {naive:>7} {product:>7}"
        )?;
        for case in &cases {
            measured(case, &levels, args, &mut limits).iter().try_for_each(KernelRow::print)?;
        }
        Ok(())
    })
}

/// The levels of that name.
fn levels(name: Option<&str>) -> Result<Vec<Level>, Failure> {
    let Some(name) = name else { return Ok(vec![Level::current()]) };
    let levels: Vec<Level> =
        Level::available().filter(|level| name == "all" || name == level.name()).collect();
    if levels.is_empty() {
        let best = Level::best().name();
        return Err(usage!("--level: this machine has no {name}; its best is {best}"));
    }
    Ok(levels)
}

/// A row for each level whose name matches.
fn measured(case: &BenchCase, levels: &[Level], args: &Args, limits: &mut Limits) -> Vec<KernelRow> {
    let others = others(case);
    let levels = levels.iter().filter(|level| case.name(level.name()).contains(args.filter.as_str()));
    let row = |&level: &Level| {
        let mut run = PreparedCase::new(case.clone(), level);
        let seconds = measure(BUDGET, || run.run());
        let median = seconds.median();
        let Least { products, memory, bound } = case.least_seconds(limits, level);
        let [times_naive, times_matrixmultiply] = others.map(|other| Some(other? / median));
        KernelRow {
            name: case.name(level.name()),
            kernel: case.kind.name(),
            level: level.name(),
            shape: case.label.clone(),
            ms_median: median * 1e3,
            ms_min: seconds.min() * 1e3,
            ms_max: seconds.max() * 1e3,
            gflops: case.flops().map(|flops| flops / median / 1e9),
            peak_share: products.map(|least| least / median).filter(|&share| share <= 1.0),
            above_peak: products.is_some_and(|least| least > median),
            memory_share: memory / median,
            bound_share: bound / median,
            gb_per_s: case.bytes() / median / 1e9,
            times_naive,
            times_matrixmultiply,
        }
    };
    levels.map(row).collect()
}

/// Seconds that the naive loop and `matrixmultiply` take for the case.
fn others(case: &BenchCase) -> [Option<f64>; 2] {
    let image = BenchCase { batch: 1, ..case.clone() };
    let scale = case.batch as f64 / par::threads() as f64;
    // Where the loop can only make both gradients, it is compared with the kernel that makes both.
    let single = matches!(case.kind, CaseKind::Conv(_, ConvPass::Input | ConvPass::Weights));
    let naive = (!single).then(|| {
        let mut naive = Naive::new(image.clone());
        measure(BUDGET, || naive.run()).median() * scale
    });
    let whole = matches!(case.kind, CaseKind::Conv(ConvKind::Pointwise, _));
    let product = Im2col::new(if whole { case } else { &image }).map(|mut product| {
        let seconds = measure(BUDGET, || product.run(&matrixmultiply)).median();
        if whole { seconds } else { seconds * scale }
    });
    [naive, product]
}

impl KernelRow {
    fn print(&self) -> io::Result<()> {
        let Self { name, ms_median, ms_min, ms_max, gb_per_s, .. } = self;
        let known = |value: Option<f64>, unit: &str| match value {
            None => "-".into(),
            Some(value) if value >= 9999.5 => format!(">9999{unit}"),
            Some(value) => format!("{value:.*}{unit}", usize::from(value < 99.95)),
        };
        let [naive, product] = [self.times_naive, self.times_matrixmultiply].map(|times| known(times, "x"));
        let peak = match self.peak_share {
            Some(share) => format!("{:.0}%", 100.0 * share),
            None => (if self.above_peak { ">100%" } else { "-" }).to_owned(),
        };
        let [memory, bound] = [self.memory_share, self.bound_share].map(|share| 100.0 * share);
        let rate = known(self.gflops, "");
        say!(
            "{name:<48} {ms_median:>9.3} {ms_min:>9.3} {ms_max:>9.3} {rate:>8} {peak:>6} {gb_per_s:>7.1} \
             {memory:>5.0}% {bound:>5.0}% {naive:>7} {product:>7}"
        )
    }
}

fn print_json(rows: &[KernelRow], levels: &[Level], args: &Args, limits: &mut Limits) -> Result<(), Failure> {
    let peaks = levels.iter().map(|&level| (level.name().to_owned(), json!(limits.peak(level) / 1e9)));
    let document = json!({
        "machine": Machine::this(),
        "arch": args.arch,
        "batch_size": args.batch,
        "threads": par::threads(),
        "peak_gflops": terminal::object(peaks),
        "kernels": rows,
    });
    Ok(terminal::json(&document)?)
}
