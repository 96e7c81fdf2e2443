//! What models have seen of the images that they are judged by, or that an operating point is fixed on.

use crate::Labelled;
use data::{Sample, Split};
use eval::BY_HAND;
use model::{Metadata, ThresholdEvidence};
use std::path::Path;
use train::{Config, RunFolder};

/// How many of these images any of `models` trained or was validated with; `None` if that is known of none of them, and why
/// is told to `say`. Each is a file or a run folder; `is_own` says that the one model was trained on this data set with these
/// splits.
pub fn seen_in_training(
    labelled: &Labelled,
    is_own: bool,
    models: &[&Path],
    say: &mut dyn FnMut(&str),
) -> Option<usize> {
    let Labelled { dataset, part, .. } = labelled;
    if is_own {
        let trained = |i: &&usize| dataset.samples[**i].split.is_some_and(|split| split != Split::Test);
        return Some(part.iter().filter(trained).count());
    }
    let mut training: Option<Vec<Sample>> = None;
    for model in models {
        match training_of(model) {
            Ok(samples) => training.get_or_insert_default().extend(samples),
            Err(reason) => say(&format!(
                "whether {} was trained with some of these files is not known: {reason}",
                model.display()
            )),
        }
    }
    let samples: Vec<&Sample> = part.iter().map(|&i| &dataset.samples[i]).collect();
    training.map(|training| audit::files_in_training(&samples, &training))
}

/// The data set of the run that left a model; or why it is not known.
fn training_of(model: &Path) -> Result<Vec<Sample>, String> {
    let is_of = |folder: &&Path| {
        [RunFolder(folder).best(), RunFolder(folder).last()].iter().any(|file| file == model)
    };
    let parent = model.parent().filter(is_of);
    let run = if model.is_dir() { Some(model) } else { parent };
    let run = run.filter(|run| train::has_begun(run));
    let run = run.ok_or("it is a model file without its run folder")?;
    let config = Config::of_run(run).map_err(|error| error.to_string())?;
    let (labelling, by) = (config.labelling(), config.group_by.as_ref());
    train::open_to_train(&config.data, &labelling, by, config.seed, config.skip_unreadable)
        .map(|(training, _)| training.samples)
        .map_err(|error| format!("its data cannot be opened ({error})"))
}

/// Says that the threshold of a model was chosen on the images that it is judged by.
pub(crate) fn warn_of_chosen(labelled: &Labelled, metadata: &Metadata, say: &mut dyn FnMut(&str)) {
    let of_findings = metadata.findings.iter().filter_map(|finding| finding.threshold.as_ref());
    let chosen =
        metadata.threshold.iter().chain(of_findings).filter(|chosen| !chosen.rule.starts_with(BY_HAND));
    let evidence = chosen.filter_map(|chosen| chosen.evidence.as_ref());
    let on_these = |evidence: &ThresholdEvidence| {
        let is_same = || labelled.dataset.compare_fingerprint(&evidence.data_fingerprint).is_same();
        evidence.split == labelled.name && is_same()
    };
    // All findings were fixed on the same images, or a later one on others.
    let mut known: Vec<&ThresholdEvidence> = evidence.collect();
    known.dedup_by(|a, b| (&a.split, &a.data_fingerprint) == (&b.split, &b.data_fingerprint));
    if known.into_iter().any(on_these) {
        say(
            "warning: the threshold was chosen on these very images, so its sensitivity and specificity here flatter",
        );
    }
}
