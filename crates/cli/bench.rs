//! `vertebra bench`: how fast whole steps, single images and single kernels are, on random data, so that disks and
//! decoders play no part.

mod compare;
mod infer;
mod kernels;
mod train;

use crate::failure::Failure;
use crate::machine::Machine;
use ::kernels::Level;
use bench::Seconds;
use clap::Subcommand;
use engine::par;
use model::{Architecture, ImageSize};
use serde_json::{Value, json};
use std::io;

/// Measure speed
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Train(train::Args),
    Infer(infer::Args),
    Kernels(kernels::Args),
    Compare(compare::Args),
}

pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Train(args) => train::run(&args),
        What::Infer(args) => infer::run(&args),
        What::Kernels(args) => kernels::run(&args),
        What::Compare(args) => compare::run(&args),
    }
}

/// The network that is measured.
#[derive(clap::Args)]
struct NetworkArgs {
    /// mobilenet-v1 or mobilenet-v2
    #[arg(long, default_value = "mobilenet-v1", value_name = "NAME")]
    arch: String,
    /// Width multiplier
    #[arg(long, default_value_t = 1.0)]
    width: f32,
    /// Side of a square input in pixels, or height x width, such as 320x256
    #[arg(long, default_value = "224", value_name = "PIXELS|HxW")]
    image_size: ImageSize,
    /// Channels of the input
    #[arg(long, default_value_t = 1, value_name = "N")]
    channels: usize,
}

impl NetworkArgs {
    fn architecture(&self) -> Result<Architecture, Failure> {
        Ok(Architecture {
            width: self.width,
            image_size: self.image_size.into(),
            channels: self.channels,
            ..Architecture::named(&self.arch).map_err(Failure::usage)?
        })
    }
}

/// The speed of a step: a batch of images.
struct Speed<'a> {
    architecture: &'a Architecture,
    level: Level,
    /// Images.
    batch: usize,
    /// Of the steps that were timed.
    times: &'a Seconds,
    /// Floating-point operations of a step.
    flops: f64,
    peak_rss_mib: Option<f64>,
}

impl Speed<'_> {
    fn images_per_second(&self) -> f64 {
        self.batch as f64 / self.times.median()
    }

    fn gflops(&self) -> f64 {
        self.flops / self.times.median() / 1e9
    }

    /// Who was measured.
    fn print_heading(&self) -> io::Result<()> {
        let Architecture { name, width, image_size: [h, w], channels, .. } = self.architecture;
        let (batch, threads, level) = (self.batch, par::threads(), self.level.name());
        say!("{}", Machine::this())?;
        say!("{name}, width {width}, {h}x{w}x{channels}, batch {batch}, {threads} threads, {level}")
    }

    /// Mebibytes, or that they are not known.
    fn peak_memory(&self) -> String {
        self.peak_rss_mib.map_or("?".into(), |mib| format!("{mib:.0}"))
    }

    fn to_json(&self) -> Value {
        let Architecture { name, width, image_size, channels, .. } = self.architecture;
        json!({
            "machine": Machine::this(),
            "arch": name,
            "width": width,
            "channels": channels,
            "batch_size": self.batch,
            "image_size": side(*image_size),
            "threads": par::threads(),
            "level": self.level.name(),
            "images_per_second": self.images_per_second(),
            "step_ms_median": self.times.median() * 1e3,
            "step_ms_min": self.times.min() * 1e3,
            "step_ms_max": self.times.max() * 1e3,
            "gflops": self.gflops(),
            "peak_rss_mib": self.peak_rss_mib,
        })
    }
}

/// The most memory that this process has had, where the system tells.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// The side of a square image, or height and width.
fn side([h, w]: [usize; 2]) -> Value {
    if h == w { json!(h) } else { json!([h, w]) }
}

/// A rate in billions, or a dash where nothing was counted.
fn billions(work: f64, seconds: f64) -> String {
    if work > 0.0 { format!("{:.1}", work / seconds / 1e9) } else { "-".into() }
}
