//! Images that a run leaves out because they cannot be read (`--skip-unreadable`), and the list of them in its folder.
//!
//! Invariant: a run that is resumed, or reported on, leaves out what it left out in the beginning, whatever has become
//! of the files since; so it reads the list and looks no second time.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use data::{Dataset, Split, SplitOrigin};

use crate::folder::cross_validation_of;
use crate::open::open_to_train;
use crate::{Config, Error, Event, RunFolder};

const SOON: Duration = Duration::from_secs(2);

/// The data set of the run that `config` describes, in the folder `run`, with its splits, and without the images that
/// the run left out when it began.
pub fn open_run_data(config: &Config, run: &Path) -> Result<(Dataset, SplitOrigin), Error> {
    let (group_by, skip) = (config.group_by.as_ref(), config.skip_unreadable);
    let (mut dataset, origin) =
        open_to_train(&config.data, &config.labelling(), group_by, config.seed, skip)?;
    dataset.leave_out(&read(run)?);
    Ok((dataset, origin))
}

/// Looks for images that cannot be read: all, to leave them out, where `config` says so; otherwise those that no step
/// reads, because an hour of training is lost if the last test image is the first that fails. The manifests of a
/// cross-validation name readable ones only, so its runs do not look again for what to leave out.
pub(crate) fn look(
    config: &Config,
    dataset: &mut Dataset,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<(), Error> {
    if config.skip_unreadable && cross_validation_of(config).is_none() {
        let (all, images) = (dataset.all(), dataset.samples.len());
        observe(&Event::Checking { done: 0, images });
        dataset.leave_out_unreadable(&all, config.max_unreadable, config.window, stop, &mut |done| {
            observe(&Event::Checking { done, images });
        })?;
    } else if !config.skip_unreadable {
        let unused = [dataset.part(Split::Val), dataset.part(Split::Test)].concat();
        let (images, began, mut is_said) = (unused.len(), Instant::now(), false);
        let mut progress = |done| {
            // What is soon over is not worth a line.
            if is_said || began.elapsed() > SOON {
                if !is_said {
                    observe(&Event::Checking { done: 0, images });
                }
                is_said = true;
                observe(&Event::Checking { done, images });
            }
        };
        dataset.check_readable(&unused, config.window, stop, &mut progress).map_err(Error::batch)?;
    }
    Ok(())
}

/// Writes the list into the folder `run`, complete even if it is empty: it says that the images were looked at.
pub(crate) fn write(run: &Path, dataset: &Dataset) -> Result<(), Error> {
    let found = dataset.unreadable();
    Ok(model::write_atomic(RunFolder(run).unreadable(), |file| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(["path", "reason"])?;
        found.iter().try_for_each(|(name, reason)| table.write_record([name, reason]))?;
        table.flush()
    })?)
}

/// The list in the folder `run`; empty if there is none.
pub(crate) fn read(run: &Path) -> Result<Vec<(String, String)>, Error> {
    let path = RunFolder(run).unreadable();
    if !path.exists() {
        return Ok(vec![]);
    }
    let broken = |error: csv::Error| Error::run(&path, format!("not a list of unreadable images: {error}"));
    let mut table = csv::Reader::from_path(&path).map_err(broken)?;
    table.deserialize().collect::<Result<_, _>>().map_err(broken)
}
