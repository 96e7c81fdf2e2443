//! `vertebra bench`: how fast whole steps, single images and single kernels are, on random data, so that disks and
//! decoders play no part.

mod infer;
mod kernels;
mod train;

use crate::failure::Failure;
use clap::Subcommand;
use model::Architecture;
use serde_json::{Value, json};

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
}

pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Train(args) => train::run(&args),
        What::Infer(args) => infer::run(&args),
        What::Kernels(args) => kernels::run(&args),
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
    /// Side of the square input in pixels
    #[arg(long, default_value_t = 224, value_name = "PIXELS")]
    image_size: usize,
    /// Channels of the input
    #[arg(long, default_value_t = 1, value_name = "N")]
    channels: usize,
}

impl NetworkArgs {
    fn architecture(&self) -> Result<Architecture, Failure> {
        Ok(Architecture {
            width: self.width,
            image_size: [self.image_size; 2],
            channels: self.channels,
            ..Architecture::named(&self.arch).map_err(Failure::usage)?
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
