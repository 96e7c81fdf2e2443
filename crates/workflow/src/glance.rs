//! A glance at data, beside a run or an evaluation.

use crate::Labelled;
use audit::Quick;
use data::Dataset;
use std::io::Write;
use std::path::Path;

/// Looks at what a run trains on. What is found stays in the folder `run` as `audit.json`, if it can be written.
pub fn glance(dataset: &Dataset, run: &Path) -> (Quick, Result<(), model::Error>) {
    let found = audit::quick(dataset);
    let written = model::write_atomic(train::RunFolder(run).audit(), |file| {
        serde_json::to_writer_pretty(&mut *file, &found)?;
        writeln!(file)
    });
    (found, written)
}

/// Looks at what a model is evaluated on. `model` is a file, or a run folder, whose training data are looked through for the
/// same files if they are still there; that they are not is told to `say`.
pub fn glance_beside(labelled: &Labelled, model: &Path, say: &mut dyn FnMut(&str)) -> Quick {
    let mut found = audit::quick(&labelled.dataset);
    if !labelled.is_training_data
        && let Ok(config) = train::Config::of_run(model)
    {
        match train::open_data(&config.data, config.group_by.as_ref(), config.seed) {
            Ok((training, _)) => found.compare(&labelled.dataset, &training),
            Err(error) => say(&format!(
                "whether the model was trained with some of these files is not known, because its data cannot be \
                 opened ({error})"
            )),
        }
    }
    found
}
