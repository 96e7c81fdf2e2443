//! `vertebra bench infer`: the latency of a batch, and where its time goes.

use super::{NetworkArgs, Speed, peak_rss_mib};
use crate::failure::Failure;
use crate::terminal;
use bench::{Limits, measure};
use engine::Rng;
use infer::{Plan, StepInfo};
use kernels::Level;
use model::{Architecture, Model};
use serde::Serialize;
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Measure inference on random images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra bench infer
  vertebra bench infer --batch-size 32 --threads 1 --json
  vertebra bench infer runs/mine --profile

A step is one batch, from preprocessed images to logits, of a model file or of an architecture with random weights.
memory_plan_bytes is the memory of all activations, weight_bytes that of the packed weights. The profile has the time of
one batch; GB/s count the input, output and weights of each step, once an image.")]
pub struct Args {
    /// Model file, or run folder
    #[arg(conflicts_with_all = ["arch", "width", "image_size", "channels"])]
    model: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    /// Images a call
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch_size: u32,
    /// Show the time of each step of the plan
    #[arg(long)]
    profile: bool,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

/// For how long batches are timed.
const BUDGET: Duration = Duration::from_secs(2);

pub fn run(args: &Args) -> Result<(), Failure> {
    let (batch, level) = (args.batch_size as usize, Level::current());
    let (architecture, mut plan) = plan(args, level, batch)?;
    let mut rng = Rng::new(0);
    let images: Vec<f32> = (0..batch * plan.image_len()).map(|_| rng.range(-1.0, 1.0) as f32).collect();
    let mut logits = vec![0.0; batch * plan.classes()];
    let times = measure(BUDGET, || plan.run(&images, &mut logits));
    let of_steps = if args.profile { profile(&mut plan, &images, &mut logits) } else { vec![] };

    let (median, p90, min) = (times.median(), times.quantile(0.9), times.min());
    let multiply_adds: u64 = plan.layers().iter().map(|step| step.multiply_adds).sum();
    let flops = (2 * multiply_adds * batch as u64) as f64;
    let (architecture, times, peak_rss_mib) = (&architecture, &times, peak_rss_mib());
    let speed = Speed { architecture, level, batch, times, flops, peak_rss_mib };
    let (memory, weights) = (plan.bytes(), plan.weight_bytes());
    // Measured last, so that its buffers are not in the peak of the memory.
    let fma_peak = args.profile.then(|| Limits::new().peak(level));
    let rows = fma_peak.map_or(vec![], |peak| step_rows(&plan, &of_steps, batch, peak));
    if args.json {
        let mut document = speed.to_json();
        document["latency_ms_median"] = json!(median * 1e3);
        document["latency_ms_p90"] = json!(p90 * 1e3);
        document["latency_ms_min"] = json!(min * 1e3);
        document["memory_plan_bytes"] = json!(memory);
        document["weight_bytes"] = json!(weights);
        if let Some(fma_peak) = fma_peak {
            document["peak_gflops"] = json!(fma_peak / 1e9);
            document["profile"] = json!(rows);
        }
        return Ok(terminal::json(&document)?);
    }
    speed.print_heading()?;
    let [median, p90, min] = [median, p90, min].map(|seconds| seconds * 1e3);
    say!("  latency   {median:.2} ms median, {p90:.2} ms p90, {min:.2} ms min")?;
    say!("  images/s  {:.1}", speed.images_per_second())?;
    say!("  GFLOP/s   {:.1}", speed.gflops())?;
    let (memory, weights, most) = (memory >> 10, weights >> 10, speed.peak_memory());
    say!("  memory    {memory} KiB activations, {weights} KiB weights, {most} MiB the process at most")?;
    if let Some(fma_peak) = fma_peak {
        say!("  FMA peak  {:.1} GFLOP/s", fma_peak / 1e9)?;
        let heads = ["step", "op", "input", "output", "ms", "share", "GFLOP/s", "of peak", "GB/s"];
        let [name, op, input, output, ms, share, rate, of_peak, bandwidth] = heads;
        say!(
            "\n{name:<46} {op:<6} {input:>14} {output:>14} {ms:>8} {share:>6} \
             {rate:>8} {of_peak:>7} {bandwidth:>6}"
        )?;
        rows.iter().try_for_each(StepRow::print)?;
    }
    Ok(())
}

/// The plan of the model file, or of the architecture with random weights.
fn plan(args: &Args, level: Level, batch: usize) -> Result<(Architecture, Plan), Failure> {
    if let Some(path) = &args.model {
        let model = Model::read(&model::resolve(path)?)?;
        let plan = Plan::new(&model, level, batch)?;
        return Ok((model.metadata.architecture, plan));
    }
    let architecture = args.network.architecture()?;
    let network = nn::Learner::new(architecture.network().map_err(Failure::usage)?, 0);
    let plan = Plan::of(network.spec(), &network.weights(), level, batch)?;
    Ok((architecture, plan))
}

/// The time of each step for a whole batch: the fastest of several runs, which the rest of the machine disturbed least.
fn profile(plan: &mut Plan, images: &[f32], logits: &mut [f32]) -> Vec<Duration> {
    const RUNS: usize = 20;
    let mut best = vec![Duration::MAX; plan.layers().len()];
    for _ in 0..RUNS {
        let mut times = vec![Duration::ZERO; best.len()];
        plan.run_profiled(images, logits, &mut times);
        best.iter_mut().zip(times).for_each(|(best, time)| *best = time.min(*best));
    }
    best
}

/// One step of the plan, for a whole batch.
#[derive(Serialize)]
struct StepRow<'a> {
    layer: &'a str,
    op: &'a str,
    /// `[height, width, channels]`
    input: [usize; 3],
    output: [usize; 3],
    ms: f64,
    /// Of the time of all steps.
    share: f64,
    gflops: f64,
    /// Of what the machine multiplies and adds at most.
    peak_share: f64,
    /// At least.
    gb_per_s: f64,
}

/// What the `times` of the steps say of `batch` images, on a machine of `peak` floating-point operations a second.
fn step_rows<'a>(plan: &'a Plan, times: &[Duration], batch: usize, peak: f64) -> Vec<StepRow<'a>> {
    let all = times.iter().map(Duration::as_secs_f64).sum::<f64>();
    let row = |(step, time): (&'a StepInfo, &Duration)| {
        let StepInfo { name, op, input, output, multiply_adds, weight_bytes, .. } = step;
        let seconds = time.as_secs_f64();
        let floats: usize = [input, output].map(|size| size.iter().product::<usize>()).iter().sum();
        let bytes = (floats * size_of::<f32>() + weight_bytes) * batch;
        let rate = 2.0 * *multiply_adds as f64 * batch as f64 / seconds;
        StepRow {
            layer: name,
            op,
            input: *input,
            output: *output,
            ms: seconds * 1e3,
            share: seconds / all,
            gflops: rate / 1e9,
            peak_share: rate / peak,
            gb_per_s: bytes as f64 / seconds / 1e9,
        }
    };
    plan.layers().iter().zip(times).map(row).collect()
}

impl StepRow<'_> {
    fn print(&self) -> io::Result<()> {
        let Self { layer, op, ms, gflops, gb_per_s, .. } = self;
        let [input, output] = [self.input, self.output].map(|[h, w, c]| format!("{h}x{w}x{c}"));
        let [share, of_peak] = [self.share, self.peak_share].map(|share| 100.0 * share);
        say!(
            "{layer:<46} {op:<6} {input:>14} {output:>14} {ms:>8.3} {share:>5.1}% {gflops:>8.1} {of_peak:>6.1}% \
             {gb_per_s:>6.1}"
        )
    }
}
