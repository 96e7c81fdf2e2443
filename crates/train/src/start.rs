//! What a run starts from: its first weights, and what its model files say about themselves.

use crate::folder::cross_validation_of;
use crate::groups::groups_of;
use crate::head::{self, Head};
use crate::{ClassWeights, Config, Error, Trainer};
use data::{Dataset, Split};
use eval::Positive;
use kernels::Level;
use model::{Architecture, Metadata, Model, Preprocessing, Provenance};
use nn::{Learner, Loss};
use std::path::Path;

/// What a run begins with.
pub(crate) struct First {
    /// The metadata of the run's model files.
    pub metadata: Metadata,
    /// The network with its first weights: fresh ones, or those of `--init`.
    pub network: Learner,
    /// What became of the classifier of `--init`.
    pub head: Option<Head>,
}

/// What the run of `config` on `dataset` begins with.
pub(crate) fn first_model(config: &Config, dataset: &Dataset) -> Result<First, Error> {
    let classes = dataset.classes.len();
    let positive = positive_of_data(dataset, config.positive.as_deref())?;
    let mut architecture = config.architecture(classes)?;
    let mut prep = Preprocessing::new(config.channels, architecture.image_size);
    let init = config.init.as_deref().map(|path| initial_weights(path, config)).transpose()?;
    if let Some(init) = &init {
        let found = &init.metadata.architecture;
        architecture = Architecture {
            padding: found.padding,
            epsilon: found.epsilon,
            momentum: found.momentum,
            activation: found.activation,
            folded: found.folded,
            ..architecture
        };
        let stored = init.metadata.preprocessing.clone();
        (prep.scale, prep.offset) = (stored.scale, stored.offset);
    }
    (prep.fit, prep.window) = (config.fit, config.window);
    let spec = architecture.network()?;
    // While a body is frozen, nothing of it is kept.
    if !config.freeze || config.unfreeze_after.is_some() {
        crate::memory::check_memory(
            &spec,
            config.batch_size.min(dataset.part(Split::Train).len()).div_ceil(config.ranks),
        )?;
    }
    let mut network = Learner::new(spec.clone(), config.seed);
    let mut adopted = None;
    if let Some(init) = init {
        let (weights, head) = head::adopt(init, &dataset.classes, &network);
        network = Learner::from_weights(spec, &weights)?;
        adopted = Some(head);
    }
    config.prepare(&mut network);

    let mut metadata = Metadata::new(architecture, dataset.classes.clone(), prep);
    let mut settings = config.provenance();
    if let Some(folds) = cross_validation_of(config) {
        // The groups of a fold stand in its manifest; what made them, other data are asked for.
        settings["group_by"] = crate::drawn::settings(folds)?.group_by.map(String::from).into();
    }
    if config.skip_unreadable {
        settings["unreadable_images"] = dataset.unreadable().len().into();
    }
    if dataset.has_findings() {
        metadata = metadata.with_findings();
    }
    metadata.positive =
        (classes == 2 && !dataset.has_findings()).then(|| dataset.classes[positive.class].clone());
    metadata.provenance = Provenance {
        config: settings,
        seed: Some(config.seed),
        data_fingerprint: dataset.fingerprint(),
        groups: Some(groups_of(dataset)).filter(|&groups| groups > 0),
        ..metadata.provenance
    };
    Ok(First { metadata, network, head: adopted })
}

impl Config {
    /// That the classes of `dataset` have a threshold, if a rule for it was asked for.
    pub(crate) fn check_threshold_rule(&self, dataset: &Dataset) -> Result<(), Error> {
        let has_threshold = dataset.has_findings() || dataset.classes.len() == 2;
        if !has_threshold && self.threshold_rule != eval::ThresholdRule::default() {
            let expected = format!("two classes, for a threshold, and these are {}", dataset.classes.len());
            return Err(Error::config("threshold-rule", expected, String::from(self.threshold_rule)));
        }
        Ok(())
    }

    /// What of `network` learns, and how fast.
    pub(crate) fn prepare(&self, network: &mut Learner) {
        if self.freeze {
            network.freeze_body();
        }
        network.set_head_rate(self.head_lr.zip(self.lr.fixed()).map_or(1.0, |(head, lr)| head / lr));
    }
}

/// The positive class of `dataset`: the one that a user names, or the one whose name is no negation.
///
/// # Errors
/// For a name that is no class of two.
pub fn positive_of_data(dataset: &Dataset, name: Option<&str>) -> Result<Positive, Error> {
    match name {
        Some(name) if dataset.has_findings() => {
            Err(Error::config("positive", "two classes, and these are findings, each there or not", name))
        }
        Some(name) => Ok(predict::name_positive(&dataset.classes, name)?),
        None => Ok(Positive::of_names(&dataset.classes)),
    }
}

/// The model of `--init`, with the run's number of channels.
fn initial_weights(path: &Path, config: &Config) -> Result<Model, Error> {
    let model = Model::read(path)?;
    let found = &model.metadata.architecture;
    if (&found.name, found.width) != (&config.arch, config.width) {
        let expected = format!("weights of {} with width {}", config.arch, config.width);
        let found = format!("{} with width {} in {}", found.name, found.width, path.display());
        return Err(Error::config("init", expected, found));
    }
    match (found.channels, config.channels) {
        (3, 1) => Ok(model.to_gray()?),
        (have, want) if have == want => Ok(model),
        (have, want) => {
            let found = format!("{have} in {}; set --channels {have}", path.display());
            Err(Error::config("init", format!("weights for {want} channels"), found))
        }
    }
}

/// The loss that the settings ask for.
pub(crate) fn loss(config: &Config, dataset: &Dataset) -> Loss {
    let weights = |counts: &[usize]| -> Vec<f32> {
        let images: usize = counts.iter().sum();
        let weight = |&count: &usize| match config.class_weights {
            ClassWeights::None => 1.0,
            ClassWeights::Balanced => images as f32 / (counts.len() * count.max(1)) as f32,
        };
        counts.iter().map(weight).collect()
    };
    let class_weights = match dataset.has_findings() {
        true => dataset.finding_counts(Split::Train).iter().flat_map(|counts| weights(counts)).collect(),
        false => weights(&dataset.class_counts(Split::Train)),
    };
    Loss { smoothing: config.label_smoothing, class_weights }
}

/// What trains `network`, before its first step.
pub(crate) fn new_trainer(config: &Config, dataset: &Dataset, network: Learner) -> Trainer {
    Trainer::new(network, config.algorithm(), loss(config, dataset), Level::current(), config.seed)
        .with_average(config.average)
}
