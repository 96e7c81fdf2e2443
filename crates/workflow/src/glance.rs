//! A glance at data, beside a run or an evaluation.

use crate::Labelled;
use audit::Quick;
use data::Dataset;
use std::io::Write;
use std::path::PathBuf;
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

/// Looks at what models are evaluated on. Each is a file, or a run folder, whose training data are looked through for
/// the same files if they are still there; that they are not is told to `say`.
pub fn glance_beside(labelled: &Labelled, models: &[PathBuf], say: &mut dyn FnMut(&str)) -> Quick {
    let mut found = audit::quick(&labelled.dataset, None);
    // What one model was trained on with these splits it was not tested on; another may have been trained with it.
    if labelled.is_training_data && models.len() == 1 {
        return found;
    }
    let mut known: Option<Dataset> = None;
    for config in models.iter().filter_map(|model| Config::of_run(model).ok()) {
        let (labelling, by) = (config.labelling(), config.group_by.as_ref());
        match train::open_to_train(&config.data, &labelling, by, config.seed, false) {
            Ok((training, _)) => match &mut known {
                Some(known) => known.samples.extend(training.samples),
                None => known = Some(training),
            },
            Err(error) => say(&format!(
                "whether the model was trained with some of these files is not known, because its data cannot be \
                 opened ({error})"
            )),
        }
    }
    if let Some(training) = known {
        let mut evaluated = labelled.dataset.clone();
        if models.len() > 1 {
            let samples = labelled.part.iter().map(|&i| labelled.dataset.samples[i].clone());
            evaluated.samples = samples.collect();
        }
        found.compare(&evaluated, &training);
    }
    found
}
