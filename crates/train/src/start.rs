//! What a run starts from: its data set, its first weights, and what its model files say about themselves.

use crate::{ClassWeights, Config, Error};
use data::{Dataset, GroupBy, Split, SplitOrigin};
use model::{Architecture, Metadata, Model, Preprocessing, Provenance, Weights};
use nn::{Loss, Network};
use std::path::Path;

/// Opens a data set and gives every image a split.
pub fn open_data(source: &Path, group_by: Option<&str>, seed: u64) -> Result<(Dataset, SplitOrigin), Error> {
    open_data_with(source, group_by, seed, false)
}

/// The same; with `unreadable`, files that are not there, or are not whole enough for a group, are samples too.
pub fn open_data_with(
    source: &Path,
    group_by: Option<&str>,
    seed: u64,
    unreadable: bool,
) -> Result<(Dataset, SplitOrigin), Error> {
    let mut dataset = grouped(source, group_by, unreadable)?;
    let origin = dataset.assign_splits(seed)?;
    Ok((dataset, origin))
}

/// Opens a data set with its groups, and the splits that it gives; `unreadable` as in [`open_data_with`].
pub fn grouped(source: &Path, group_by: Option<&str>, unreadable: bool) -> Result<Dataset, Error> {
    let mut dataset = if unreadable { Dataset::open_with_missing(source)? } else { Dataset::open(source)? };
    if let Some(by) = group_by {
        let by: GroupBy = by.parse().map_err(|reason: String| Error::config("group-by", reason, by))?;
        if unreadable { dataset.group_readable_by(&by)? } else { dataset.group_by(&by)? }
    }
    Ok(dataset)
}

/// The metadata of the run's model files, and the network with its first weights: fresh ones, or those of `--init`.
pub(crate) fn first_model(config: &Config, dataset: &Dataset) -> Result<(Metadata, Network), Error> {
    let classes = dataset.classes.len();
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
    prep.fit = config.fit;
    let spec = architecture.network()?;
    let mut network = Network::new(spec.clone(), config.seed);
    if let Some(init) = init {
        network = Network::from_weights(spec, &adopt(init.weights, &network))?;
    }
    if config.freeze {
        network.freeze_body();
    }
    network.set_head_rate(config.head_lr.map_or(1.0, |rate| rate / config.lr));

    let mut metadata = Metadata::new(architecture, dataset.classes.clone(), prep);
    let mut settings = config.provenance();
    if config.skip_unreadable {
        settings["unreadable_images"] = dataset.unreadable().len().into();
    }
    metadata.provenance = Provenance {
        config: settings,
        seed: Some(config.seed),
        data_fingerprint: dataset.fingerprint(),
        ..metadata.provenance
    };
    Ok((metadata, network))
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

/// `weights` with the classifier of `network` where theirs is for another number of classes.
fn adopt(mut weights: Weights, network: &Network) -> Weights {
    let fresh = network.weights();
    let classifier = &network.spec().classifier;
    let names = ["weight", "bias"].map(|part| format!("{classifier}.{part}"));
    if weights.get(&names[1]).map(|bias| bias.shape()) != fresh.get(&names[1]).map(|bias| bias.shape()) {
        for name in names {
            weights.insert(name.clone(), fresh[name.as_str()].clone());
        }
    }
    weights
}

/// The loss that the settings ask for.
pub(crate) fn loss(config: &Config, dataset: &Dataset) -> Loss {
    let counts = dataset.class_counts(Split::Train);
    let mut loss = Loss { smoothing: config.label_smoothing, ..Loss::plain(counts.len()) };
    if config.class_weights == ClassWeights::Balanced {
        let images: usize = counts.iter().sum();
        let weight = |&count: &usize| images as f32 / (counts.len() * count.max(1)) as f32;
        loss.class_weights = counts.iter().map(weight).collect();
    }
    loss
}
