//! `vertebra bench`: how fast the whole machine is, on random data, so that disks and decoders play no part.

use crate::failure::Failure;
use clap::Subcommand;
use kernels::Level;
use model::Architecture;
use nn::{Algorithm, Loss, Network};
use serde_json::json;
use std::io::{self, Write};
use std::time::Instant;
use tensor::{Rng, Tensor, par};
use train::Trainer;

/// Measure speed
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Train(TrainArgs),
}

/// Measure training steps on random images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra bench train
  vertebra bench train --width 0.25 --image-size 128 --steps 50 --json

A step is forward, backward and the update by Adam. gflops counts multiply-adds twice, and the backward pass as two
forward passes. peak_rss_mib is of the whole process (null where the system does not tell).")]
struct TrainArgs {
    /// mobilenet-v1 or mobilenet-v2
    #[arg(long, default_value = "mobilenet-v1", value_name = "NAME")]
    arch: String,
    /// Width multiplier
    #[arg(long, default_value_t = 1.0)]
    width: f32,
    /// Side of the square input in pixels
    #[arg(long, default_value_t = 224, value_name = "PIXELS")]
    image_size: usize,
    /// Channels of the input
    #[arg(long, default_value_t = 1, value_name = "N")]
    channels: usize,
    /// Images a step
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch_size: u32,
    /// Steps that are timed, after two that are not
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Train(args) => train(&args),
    }
}

/// Steps that warm up caches, buffers and branch predictors.
const WARM_UP: u32 = 2;

fn train(args: &TrainArgs) -> Result<(), Failure> {
    let architecture = Architecture {
        width: args.width,
        image_size: [args.image_size; 2],
        channels: args.channels,
        ..Architecture::named(&args.arch).map_err(Failure::usage)?
    };
    let spec = architecture.network().map_err(Failure::usage)?;
    let (batch, level) = (args.batch_size as usize, Level::current());
    let mut rng = Rng::new(0);
    let mut images = Tensor::zeros([batch, args.image_size, args.image_size, args.channels]);
    images.data_mut().fill_with(|| rng.range(-1.0, 1.0) as f32);
    let labels: Vec<usize> = (0..batch).map(|_| rng.below(spec.classes as u64) as usize).collect();
    let forward = 2.0 * spec.multiply_adds() as f64 * batch as f64;
    let loss = Loss::plain(spec.classes);
    let mut trainer = Trainer::new(Network::new(spec, 0), Algorithm::ADAM, loss, level, 0);

    let mut times = vec![];
    for step in 0..WARM_UP + args.steps {
        let begun = Instant::now();
        trainer.step(images.clone(), &labels, 1e-4);
        if step >= WARM_UP {
            times.push(begun.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    let (median, min) = (times[times.len() / 2], times[0]);
    let (threads, peak) = (par::threads(), peak_rss_mib());
    let (speed, gflops) = (batch as f64 / median, 3.0 * forward / median / 1e9);
    let mut out = io::stdout().lock();
    if args.json {
        let document = json!({
            "arch": args.arch,
            "width": args.width,
            "channels": args.channels,
            "batch_size": batch,
            "image_size": args.image_size,
            "threads": threads,
            "level": level.name(),
            "steps": args.steps,
            "images_per_second": speed,
            "step_ms_median": median * 1e3,
            "step_ms_min": min * 1e3,
            "gflops": gflops,
            "peak_rss_mib": peak,
        });
        serde_json::to_writer_pretty(&mut out, &document)?;
        return Ok(writeln!(out)?);
    }
    let TrainArgs { arch, width, image_size, channels, .. } = args;
    writeln!(
        out,
        "{arch}, width {width}, {image_size}x{image_size}x{channels}, batch {batch}, {threads} threads, {}",
        level.name()
    )?;
    writeln!(out, "  images/s  {speed:.1}")?;
    writeln!(out, "  step      {:.1} ms median, {:.1} ms min of {}", median * 1e3, min * 1e3, args.steps)?;
    writeln!(out, "  GFLOP/s   {gflops:.1}")?;
    Ok(writeln!(out, "  memory    {} MiB at most", peak.map_or("?".into(), |mib| format!("{mib:.0}")))?)
}

/// The most memory that this process has had, where the system tells.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
