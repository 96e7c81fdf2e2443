//! `vertebra report`: the report of a run, made again.

use crate::counter::Counter;
use crate::failure::Failure;
use crate::lost;
use crate::shell::place;
use crate::terminal;
use model::Model;
use std::path::PathBuf;
use train::{RunFolder, RunLock};

/// Write the report of a run again: report.html and model-card.md in its folder
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vertebra report runs/mine
  vertebra report runs/mine --json
  vertebra report runs/mine NEW-PLACE     after its data were moved
  vertebra report runs/cv                 of `train --folds`: one page for all folds, and the report of each

`train` writes the report when it ends; this makes it again from the run folder and the data, with the figures of the
test split (of the validation split, if there is no other). The page is one file: no script, nothing is loaded.
What people wrote into model-card.md stays: only lines of the program are made anew, and where somebody changed one,
the new value is noted beneath. `evaluate --report FILE` writes a page for other data. Research use only, not a medical device.")]
pub struct Args {
    /// Run folder
    run: PathBuf,
    /// Where the data of the run are now, if they were moved; written into config.toml
    data: Option<PathBuf>,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(mut args: Args) -> Result<(), Failure> {
    // A model of a run means the run.
    if let Some(folder) =
        args.run.parent().filter(|folder| args.run.is_file() && RunFolder(folder).config().exists())
    {
        args.run = folder.to_path_buf();
    }
    let is_cross_validation = train::is_cross_validation(&args.run);
    if !is_cross_validation {
        Model::read(&args.run)?;
    }
    let _lock = RunLock::acquire(&args.run)?;
    if args.data.is_none() {
        lost::refuse(&args.run, &format!("report {} NEW-PLACE", place(&args.run)))?;
    }
    let busy = Counter::busy("writing the report");
    let data = args.data.as_deref();
    let written = match is_cross_validation {
        true => vec![("report", workflow::report_of_folds(&args.run, data)?)],
        false => {
            ["report", "model_card"].into_iter().zip(workflow::report_of_run(&args.run, data)?).collect()
        }
    };
    drop(busy);
    if args.json {
        let shown = written.iter().map(|(name, path)| (name.to_string(), path.display().to_string().into()));
        return Ok(terminal::json(&terminal::object(shown))?);
    }
    written.iter().try_for_each(|(_, path)| say!("{}", path.display()))?;
    Ok(say!("Research use only, not a medical device.")?)
}
