//! A glance at data, beside a run or an evaluation.

use crate::{Labelled, seen_in_training};
use audit::Quick;
use data::Dataset;
use std::io::Write;
use std::path::{Path, PathBuf};
use train::Config;

/// Looks at what the run of `config` trains on. What is found stays in its folder as `audit.json`, if it can be written.
pub fn glance(dataset: &Dataset, config: &Config) -> (Quick, Result<(), model::Error>) {
    let found = audit::quick(dataset, config.group_by.as_ref());
    let written = model::write_atomic(train::RunFolder(&config.out).audit(), |file| {
        serde_json::to_writer_pretty(&mut *file, &found)?;
        writeln!(file)
    });
    (found, written)
}

/// Looks at what models are evaluated on. Each is a file, or a run folder; what they trained with is looked through for the
/// same files if it is still there, and that it is not is told to `say`.
pub fn glance_beside(labelled: &Labelled, models: &[PathBuf], say: &mut dyn FnMut(&str)) -> Quick {
    let mut found = audit::quick(&labelled.dataset, None);
    let models: Vec<&Path> = models.iter().map(PathBuf::as_path).collect();
    // What one model was trained on says so itself; another may have been trained with its test images.
    let is_own = labelled.is_training_data && models.len() == 1;
    let seen = seen_in_training(labelled, is_own, &models, say);
    // Of a test split that it drew itself nothing is to be said.
    if let Some(seen) = seen.filter(|&seen| seen > 0 || !is_own) {
        found.add_trained(seen, labelled.part.len());
    }
    found
}
