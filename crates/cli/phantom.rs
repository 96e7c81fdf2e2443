//! `vertebra phantom`: the simulated radiographs, written to a folder.

use crate::counter::Counter;
use crate::failure::Failure;
use crate::figures::seconds;
use crate::shell::{program, quote};
use phantom::PhantomConfig;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Make a set of simulated neck radiographs with known fractures
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra phantom phantom                          the set that `vertebra train` uses by itself
  vertebra phantom small --patients 100 --seed 7

OUT gets {train,val,test}/{fracture,normal}/*.png, manifest.csv (with the patient as group) and truth.csv (the box of
every fracture). Everything is simulated: no patient was X-rayed.")]
pub struct Args {
    /// Folder to write to: new, empty, or an earlier phantom set, which is replaced
    out: PathBuf,
    /// Patients; half of them have a fracture
    #[arg(long, default_value_t = PhantomConfig::default().patients, value_name = "N")]
    patients: usize,
    /// Radiographs a patient
    #[arg(long, default_value_t = PhantomConfig::default().views, value_name = "N")]
    views: usize,
    /// Side of the square images, in pixels
    #[arg(long, default_value_t = PhantomConfig::default().image_size, value_name = "PIXELS")]
    image_size: usize,
    /// Everything follows from it
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let Args { out, patients, views, image_size, seed } = args;
    make(&PhantomConfig { patients, views, image_size, seed }, &out)?;
    note!("next: {} train {}", program(), quote(&out));
    Ok(())
}

/// Renders the set and says what it is.
pub fn make(config: &PhantomConfig, out: &Path) -> Result<(), Failure> {
    let start = Instant::now();
    let counter = Counter::new(config.patients * config.views);
    let summary = phantom::write(config, out, Some(&|done, _| counter.show(done, "radiographs made")));
    drop(counter);
    let summary = summary.map_err(|error| match error {
        phantom::Error::PhantomConfig { .. } => Failure::usage(error),
        error => error.into(),
    })?;
    let [train, val, test] = summary.counts.map(|classes| classes.iter().sum::<usize>());
    note!(
        "made {} simulated radiographs of {} patients in {} ({train} train, {val} val, {test} test; {})",
        summary.images,
        config.patients,
        out.display(),
        seconds(start)
    );
    Ok(())
}
