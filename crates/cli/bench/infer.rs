//! `vertebra bench infer`: the latency of a batch, and where its time goes.

use super::{NetworkArgs, peak_rss_mib, side};
use crate::failure::Failure;
use bench::{Limits, measure};
use engine::{Rng, par};
use infer::{Plan, StepInfo};
use kernels::Level;
use model::{Architecture, Model};
use serde_json::{Value, json};
use std::io::{self, Write};
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
    let Architecture { name: arch, width, image_size, channels, .. } = &architecture;
    let mut rng = Rng::new(0);
    let images: Vec<f32> = (0..batch * plan.image_len()).map(|_| rng.range(-1.0, 1.0) as f32).collect();
    let mut logits = vec![0.0; batch * plan.classes()];
    let times = measure(BUDGET, || plan.run(&images, &mut logits));
    let rows = if args.profile { profile(&mut plan, &images, &mut logits) } else { vec![] };

    let (median, p90, min) = (times.median(), times.quantile(0.9), times.min());
    let multiply_adds: u64 = plan.layers().iter().map(|step| step.multiply_adds).sum();
    let (threads, memory, weights) = (par::threads(), plan.bytes(), plan.weight_bytes());
    let (speed, peak) = (batch as f64 / median, peak_rss_mib());
    let gflops = 2.0 * multiply_adds as f64 * speed / 1e9;
    // Measured last, so that its buffers are not in the peak of the memory.
    let fma_peak = args.profile.then(|| Limits::new().peak(level));
    let mut out = io::stdout().lock();
    if args.json {
        let mut document = json!({
            "arch": arch,
            "width": width,
            "channels": channels,
            "batch_size": batch,
            "image_size": side(*image_size),
            "threads": threads,
            "level": level.name(),
            "images_per_second": speed,
            "step_ms_median": median * 1e3,
            "step_ms_min": min * 1e3,
            "latency_ms_median": median * 1e3,
            "latency_ms_p90": p90 * 1e3,
            "latency_ms_min": min * 1e3,
            "gflops": gflops,
            "memory_plan_bytes": memory,
            "weight_bytes": weights,
            "peak_rss_mib": peak,
        });
        if let Some(fma_peak) = fma_peak {
            document["peak_gflops"] = json!(fma_peak / 1e9);
            document["profile"] = rows.iter().map(|row| row.to_json(&rows, fma_peak)).collect();
        }
        serde_json::to_writer_pretty(&mut out, &document)?;
        return Ok(writeln!(out)?);
    }
    let [h, w] = image_size;
    writeln!(
        out,
        "{arch}, width {width}, {h}x{w}x{channels}, batch {batch}, {threads} threads, {}",
        level.name()
    )?;
    writeln!(
        out,
        "  latency   {:.2} ms median, {:.2} ms p90, {:.2} ms min",
        median * 1e3,
        p90 * 1e3,
        min * 1e3
    )?;
    writeln!(out, "  images/s  {speed:.1}")?;
    writeln!(out, "  GFLOP/s   {gflops:.1}")?;
    writeln!(
        out,
        "  memory    {} KiB activations, {} KiB weights, {} MiB the process at most",
        memory >> 10,
        weights >> 10,
        peak.map_or("?".into(), |mib| format!("{mib:.0}"))
    )?;
    if let Some(fma_peak) = fma_peak {
        writeln!(out, "  FMA peak  {:.1} GFLOP/s", fma_peak / 1e9)?;
        writeln!(
            out,
            "\n{:<46} {:<6} {:>14} {:>14} {:>8} {:>6} {:>8} {:>7} {:>6}",
            "step", "op", "input", "output", "ms", "share", "GFLOP/s", "of peak", "GB/s"
        )?;
        for row in &rows {
            row.print(&mut out, &rows, fma_peak)?;
        }
    }
    Ok(())
}

/// The plan of the model file, or of the architecture with random weights.
fn plan(args: &Args, level: Level, batch: usize) -> Result<(Architecture, Plan), Failure> {
    let failed = |error: infer::Error| Failure::Failed(error.to_string());
    if let Some(path) = &args.model {
        let model = Model::read(&model::resolve(path)?)?;
        let plan = Plan::new(&model, level, batch).map_err(failed)?;
        return Ok((model.metadata.architecture, plan));
    }
    let architecture = args.network.architecture()?;
    let network = nn::Network::new(architecture.network().map_err(Failure::usage)?, 0);
    let plan = Plan::of(network.spec(), &network.weights(), level, batch).map_err(failed)?;
    Ok((architecture, plan))
}

/// One step of the plan, for a whole batch.
struct Row {
    step: StepInfo,
    images: usize,
    seconds: f64,
}

/// The fastest of several runs for each step, which the rest of the machine disturbed least.
fn profile(plan: &mut Plan, images: &[f32], logits: &mut [f32]) -> Vec<Row> {
    const RUNS: usize = 20;
    let steps = plan.layers().to_vec();
    let mut best = vec![Duration::MAX; steps.len()];
    for _ in 0..RUNS {
        let mut times = vec![Duration::ZERO; steps.len()];
        plan.run_profiled(images, logits, &mut times);
        best.iter_mut().zip(times).for_each(|(best, time)| *best = time.min(*best));
    }
    let images = logits.len() / plan.classes();
    let row = |(step, best): (StepInfo, Duration)| Row { step, images, seconds: best.as_secs_f64() };
    steps.into_iter().zip(best).map(row).collect()
}

impl Row {
    /// Floating-point operations a second.
    fn rate(&self) -> f64 {
        2.0 * self.step.multiply_adds as f64 * self.images as f64 / self.seconds
    }

    /// Bytes a second, at least.
    fn bandwidth(&self) -> f64 {
        let StepInfo { input, output, weight_bytes, .. } = &self.step;
        let floats: usize = [input, output].map(|size| size.iter().product::<usize>()).iter().sum();
        ((floats * size_of::<f32>() + weight_bytes) * self.images) as f64 / self.seconds
    }

    fn share(&self, all: &[Row]) -> f64 {
        self.seconds / all.iter().map(|row| row.seconds).sum::<f64>()
    }

    fn print(&self, out: &mut impl Write, all: &[Row], peak: f64) -> io::Result<()> {
        let StepInfo { name, op, input, output, .. } = &self.step;
        let size = |[h, w, c]: [usize; 3]| format!("{h}x{w}x{c}");
        writeln!(
            out,
            "{name:<46} {op:<6} {:>14} {:>14} {:>8.3} {:>5.1}% {:>8.1} {:>6.1}% {:>6.1}",
            size(*input),
            size(*output),
            self.seconds * 1e3,
            100.0 * self.share(all),
            self.rate() / 1e9,
            100.0 * self.rate() / peak,
            self.bandwidth() / 1e9
        )
    }

    fn to_json(&self, all: &[Row], peak: f64) -> Value {
        let StepInfo { name, op, input, output, .. } = &self.step;
        json!({
            "layer": name,
            "op": op,
            "input": input,
            "output": output,
            "ms": self.seconds * 1e3,
            "share": self.share(all),
            "gflops": self.rate() / 1e9,
            "peak_share": self.rate() / peak,
            "gb_per_s": self.bandwidth() / 1e9,
        })
    }
}
