//! `vertebra phantom`: the simulated radiographs, written to a folder.

use crate::counter::Counter;
use crate::failure::Failure;
use crate::figures::seconds;
use crate::options::probability;
use crate::shell::{place, program};
use phantom::{FindingsConfig, PhantomConfig};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Make a set of simulated neck radiographs with known fractures
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra phantom phantom                          the set that `vertebra train` uses by itself
  vertebra phantom small --patients 100 --seed 7
  vertebra phantom findings --findings 5 --blank 0.3      several findings an image, of which 30 % nobody said

OUT gets {train,val,test}/{fracture,normal}/*.png, manifest.csv (with the patient as group) and truth.csv (the box of
every fracture). With --findings, images lie in {train,val,test}/ and manifest.csv has a column a kind of fracture: 1, 0, or
nothing. Each is there in a quarter of the patients, whatever the others are. Everything is simulated: no patient was X-rayed.")]
pub struct Args {
    /// Folder to write to: new, empty, or an earlier phantom set, whose files are replaced; others in it stay
    out: PathBuf,
    /// Patients; half of every 16 have a fracture [with --findings: each kind a quarter]
    #[arg(long, default_value_t = PhantomConfig::default().patients, value_name = "N")]
    patients: usize,
    /// Radiographs a patient
    #[arg(long, default_value_t = PhantomConfig::default().views, value_name = "N")]
    views: usize,
    /// Side of the square images, in pixels
    #[arg(long, default_value_t = PhantomConfig::default().image_size, value_name = "PIXELS")]
    image_size: usize,
    /// Several findings an image, each drawn by itself: so many kinds of fracture, 1 to 5
    #[arg(long, value_name = "N")]
    findings: Option<usize>,
    /// With --findings: the share of labels that is left blank
    #[arg(long, value_name = "SHARE", requires = "findings", default_value_t = 0.0, value_parser = probability)]
    blank: f64,
    /// Everything follows from it
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let Args { out, patients, views, image_size, findings, blank, seed } = args;
    let set = PhantomConfig { patients, views, image_size, seed };
    match findings {
        Some(findings) => {
            let config = FindingsConfig { set, findings, blank };
            made(&config.set, &out, &|progress| phantom::write_findings(&config, &out, Some(progress)))?;
            let manifest = place(&out.join("manifest.csv"));
            note!(
                "next: {} train {manifest} --labels all --class-weights balanced --best-by auroc",
                program()
            );
        }
        None => {
            make(&set, &out)?;
            note!("next: {} train {}", program(), place(&out.join("manifest.csv")));
        }
    }
    Ok(())
}

/// Renders the set and says what it is.
pub fn make(config: &PhantomConfig, out: &Path) -> Result<(), Failure> {
    made(config, out, &|progress| phantom::write(config, out, Some(progress)))
}

type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

fn made(
    config: &PhantomConfig,
    out: &Path,
    write: &dyn Fn(Progress) -> Result<phantom::Made, phantom::Error>,
) -> Result<(), Failure> {
    let start = Instant::now();
    let counter = Counter::new(config.patients * config.views);
    let summary = write(&|done, _| counter.show(done, "radiographs made"));
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
