//! The command line: one file a subcommand, which parses, validates into a plain configuration, calls a crate and
//! prints.
//!
//! Results go to stdout, words for people and progress bars to stderr; with `--json`, stdout is one JSON document. The
//! exit status is 0, 1 (something failed) or 2 (usage); ended by the system's signal, 128 and its number. No panic
//! reaches a user.
#![forbid(unsafe_code)]

// The macros that the others use.
#[macro_use]
mod terminal;
#[macro_use]
mod failure;

mod audit;
mod bench;
mod calibrate;
mod compare;
mod counter;
mod dataset;
mod evaluate;
mod export;
mod figures;
mod grouping;
mod heatmaps;
mod help;
mod import;
mod inspect;
mod interrupt;
mod labelled;
mod labels;
mod localise;
mod lost;
mod machine;
mod members;
mod options;
mod outputs;
mod phantom;
mod predict;
mod progress;
mod report;
mod selftest;
mod shell;
mod split;
mod train;

use ::train::MAX_THREADS;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};
use failure::Failure;
use kernels::{Caches, Level};
use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// Trains, checks and runs X-ray classifiers on a CPU.
///
/// Research use only, not a medical device.
#[derive(Parser)]
#[command(
    version,
    propagate_version = true,
    max_term_width = 80,
    after_help = "Examples:
  vertebra train                         train on built-in simulated radiographs
  vertebra train DATA --out runs/mine    train on {train,val,test}/CLASS/... or a CSV manifest
  vertebra predict runs/mine IMAGE...    classify images

VERTEBRA_LEVEL=portable|neon|avx2|avx512 lowers the instruction set.
VERTEBRA_CACHE=32K,512K,16M (L1, L2, L3) overrides the sizes of the caches."
)]
struct Cli {
    /// Threads; 0 is one a core
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<train::Args>),
    Evaluate(Box<evaluate::Args>),
    Calibrate(Box<calibrate::Args>),
    Compare(compare::Args),
    Audit(audit::Args),
    Split(split::Args),
    Predict(predict::Args),
    Inspect(inspect::Args),
    Import(import::Args),
    Export(export::Args),
    Report(report::Args),
    Phantom(phantom::Args),
    Bench(bench::Args),
    Selftest(selftest::Args),
}

/// Starts the threads of the process.
fn start_threads(threads: usize) -> Result<(), Failure> {
    engine::par::set_threads(threads).map_err(|error| {
        failed!("cannot start threads: {error} (a limit of processes, as by ulimit -u or pids.max); --threads 1 takes one")
    })
}

fn run(cli: Cli) -> Result<(), Failure> {
    Level::from_env().map_err(Failure::Usage)?;
    Caches::from_env().map_err(Failure::Usage)?;
    let threads = cli.threads;
    if let Some(found) = threads.filter(|&threads| threads > MAX_THREADS) {
        return Err(usage!("--threads: expected at most {MAX_THREADS}, found {found}"));
    }
    if !matches!(cli.command, Command::Train(_)) {
        start_threads(threads.unwrap_or(0))?;
    }
    match cli.command {
        Command::Train(args) => train::run(*args, threads),
        Command::Evaluate(args) => evaluate::run(*args),
        Command::Calibrate(args) => calibrate::run(*args),
        Command::Compare(args) => compare::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Split(args) => split::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(args),
        Command::Report(args) => report::run(args),
        Command::Phantom(args) => phantom::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Selftest(args) => selftest::run(args),
    }
}

/// Where the last panic was, and what it said. The hook only notes it: a decoder that panics on a damaged image is
/// handled by whoever called it.
static PANIC: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
    // What is tested on must not be chosen on.
    let val = |arg: Arg| arg.default_value("val");
    let command = || {
        help::fitted(Cli::command()).mut_subcommand("calibrate", |calibrate| calibrate.mut_arg("split", val))
    };
    let matches = command().try_get_matches().unwrap_or_else(|error| {
        // It quotes what was typed, which may be names that a shell found: said again of names that steer no terminal.
        let safe = env::args_os().map(|word| terminal::escaped(&word.to_string_lossy()));
        command().try_get_matches_from(safe).err().unwrap_or(error).exit()
    });
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let status = match panic::catch_unwind(AssertUnwindSafe(|| run(cli))) {
        Ok(Ok(())) => 0,
        Ok(Err(failure)) => failure.report(),
        Err(_) => {
            let what = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
            note!("internal error in vertebra {}: {what}", env!("CARGO_PKG_VERSION"));
            note!("This is a defect; please report it.");
            1
        }
    };
    ExitCode::from(status)
}
