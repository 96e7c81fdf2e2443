//! Other programs' MobileNet weights: names, layout and choices that a bare list of tensors does not state.
//!
//! [`naming`] knows the names of TensorFlow-slim, Keras, torchvision, timm and ourselves; where none fits, [`order`] goes by
//! the order of the layers. Layout (HWIO or OIHW), width, classes, channels, and whether norms are folded are read from the
//! tensors. Padding, epsilon, activation and preprocessing are the published ones of the program that names layers so,
//! unless the caller knows better: a wrong one loads without complaint and predicts wrongly, so what was assumed is
//! written into the model.

mod complete;
pub(crate) mod naming;
mod options;
mod order;
mod recognise;
mod tensor;

pub use options::{Colours, ImportOptions, Imported, Naming, Origin};

use crate::file::{Metadata, Model};
use crate::foreign::Hints;
use crate::layout::hwio_to_oihw;
use crate::network::{ConvKind, Network};
use crate::preprocessing::Preprocessing;
use crate::weights::{Array, Weights};
use crate::{Architecture, Error};
use complete::{
    complete_classifier, complete_norms, fold_biases_into_means, turn_colours, without_training_state,
};
use recognise::Recognised;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tensor::{ForeignTensor, is_hwio};

/// A model from another program's tensors; the error lists tensors that do not fit.
///
/// What was recognised, and what was guessed, is in the model's `provenance.config`: `imported` and `notes`.
pub fn import(
    tensors: impl IntoIterator<Item = (String, Array)>,
    options: &ImportOptions,
) -> Result<Model, Error> {
    import_explained(tensors, options).map(|imported| imported.model)
}

/// As [`import`], and says where each property comes from that tensors do not tell.
pub fn import_explained(
    tensors: impl IntoIterator<Item = (String, Array)>,
    options: &ImportOptions,
) -> Result<Imported, Error> {
    let mut notes = options.hints.notes.clone();
    let tensors: Vec<ForeignTensor> =
        without_training_state(tensors, &mut notes).into_iter().map(ForeignTensor::new).collect();
    let hwio = is_hwio(&tensors);
    let Recognised { program, arch, naming, scaling, names, copies, notes: found } =
        Recognised::of(&tensors, hwio)?;
    notes.extend(found);
    let published = Architecture::named(arch)?;
    let network = published.network()?;
    let kept = tensors.into_iter().filter(|tensor| !copies.contains_key(&tensor.path)).collect();
    let mut weights = rename(kept, &names, hwio, &network)?;
    complete_norms(&network, &mut weights, &mut notes);
    let is_sigmoid = complete_classifier(&network, &mut weights, &mut notes)?;
    fold_biases_into_means(&network, &mut weights);

    let told = options.told.as_ref().filter(|told| {
        let network = told.architecture.network();
        options.naming.is_none() && network.is_ok_and(|network| weights.check(&network).is_ok())
    });
    let mut metadata = match told {
        Some(told) => told.clone(),
        None => {
            // Pixels are scaled as the program does whose names these are, unless somebody else's conventions hold.
            let scaling = scaling.filter(|_| options.naming.is_none());
            let naming = options.naming.unwrap_or(naming);
            let mut metadata = assumed(published, &weights, &network, naming, scaling)?;
            options.hint(&mut metadata, &mut notes)?;
            metadata.provenance.config = json!({ "imported": program, "notes": notes });
            metadata
        }
    };
    options.apply(&mut metadata, is_sigmoid)?;
    let channels = metadata.architecture.channels;
    if options.colours == Some(Colours::Bgr) && channels == 3 {
        turn_colours(&network, &mut weights);
    }
    let Hints { image_size, padding, epsilon, activation, scaling, .. } = &options.hints;
    let origin = |given: bool, found: bool| match (given, found || told.is_some()) {
        (true, _) => Origin::Given,
        (_, true) => Origin::InFile,
        _ => Origin::Assumed,
    };
    let from_file = options.hints.classes.as_ref().is_some_and(|names| *names == metadata.classes);
    Ok(Imported {
        image_size: origin(options.image_size.is_some(), image_size.is_some()),
        padding: origin(options.padding.is_some(), padding.is_some()),
        epsilon: origin(options.epsilon.is_some(), epsilon.is_some()),
        activation: origin(options.activation.is_some(), activation.is_some()),
        preprocessing: origin(options.preprocessing.is_some(), scaling.is_some()),
        colours: origin(options.colours.is_some(), channels == 1),
        classes: origin(options.classes.is_some(), from_file),
        model: Model::new(metadata, weights)?,
    })
}

/// What the tensors tell and the naming lets assume.
fn assumed(
    published: Architecture,
    weights: &Weights,
    network: &Network,
    naming: Naming,
    scaling: Option<&str>,
) -> Result<Metadata, Error> {
    let (padding, epsilon, preprocessing) = naming.conventions();
    let preprocessing = scaling.unwrap_or(preprocessing);
    let shape = |name: &str| {
        let found = weights.get(name).map(Array::shape);
        found.ok_or_else(|| Error::invalid(name, "a tensor of that name", "none"))
    };
    let stem = network.layers().next().map(|(stem, _)| format!("{}.weight", stem.name)).unwrap_or_default();
    let mut architecture = Architecture {
        channels: shape(&stem)?.get(1).copied().unwrap_or(0),
        classes: shape(&format!("{}.weight", network.classifier))?.first().copied().unwrap_or(0),
        folded: !weights.iter().any(|(name, _)| name.ends_with(".running_var")),
        padding,
        epsilon,
        ..published
    };
    architecture.width = width(&architecture, weights)?;
    let preprocessing = Preprocessing::named(preprocessing, architecture.channels, architecture.image_size)?;
    let classes = (0..architecture.classes).map(|class| format!("class {class}")).collect();
    Ok(Metadata::new(architecture, classes, preprocessing))
}

/// The tensors under our names and in our layout; those without a name of ours keep theirs, to be listed.
fn rename(
    tensors: Vec<ForeignTensor>,
    names: &BTreeMap<String, String>,
    hwio: bool,
    network: &Network,
) -> Result<Weights, Error> {
    let depthwise = network.layers().filter(|(conv, _)| conv.kind == ConvKind::Depthwise);
    let depthwise: BTreeSet<&str> = depthwise.map(|(conv, _)| conv.name.as_str()).collect();
    let mut weights = Weights::new();
    for ForeignTensor { name, path, part, array } in tensors {
        let (Some(ours), Some(part)) = (names.get(&path), part) else {
            weights.insert(name, array);
            continue;
        };
        let is_dense = *ours == network.classifier;
        let array = match (hwio, part) {
            (true, "weight") => from_hwio(array, depthwise.contains(ours.as_str()), is_dense)?,
            (false, "weight") if is_dense => without_ones(array)?,
            _ => array,
        };
        let ours = format!("{ours}.{part}");
        if weights.insert(ours.clone(), array).is_some() {
            return Err(Error::invalid(name, format!("one tensor that is our {ours}"), "two"));
        }
    }
    Ok(weights)
}

/// One weight from TensorFlow's layout to ours; depthwise `[kh, kw, c, 1]` is `[kh, kw, 1, c]` in memory.
fn from_hwio(array: Array, is_depthwise: bool, is_dense: bool) -> Result<Array, Error> {
    let [h, w, i, o] = match *array.shape() {
        [h, w, c, 1] if is_depthwise => [h, w, 1, c],
        [h, w, i, o] => [h, w, i, o],
        [i, o] if is_dense => [1, 1, i, o],
        _ => return Ok(array),
    };
    let array = Array::new([o, i, h, w], hwio_to_oihw([h, w, i, o], array.data()))?;
    if is_dense { without_ones(array) } else { Ok(array) }
}

/// The 1x1 convolution `[o, i, 1, 1]` as the dense layer `[o, i]` that it is.
fn without_ones(array: Array) -> Result<Array, Error> {
    match *array.shape() {
        [o, i, 1, 1] => Array::new([o, i], array.into_data()),
        _ => Ok(array),
    }
}

/// The width whose layers agree with the most tensors, the roundest of several: a name is what people gave it. What
/// still disagrees is listed by [`Weights::check`].
fn width(architecture: &Architecture, weights: &Weights) -> Result<f32, Error> {
    let mut best = (0, architecture.width);
    for step in [1000, 250, 50, 10, 1] {
        for thousandths in (step..=4000).step_by(step) {
            let width = thousandths as f32 / 1000.0;
            let candidate = Architecture { width, ..architecture.clone() };
            // Below the narrowest width that keeps a channel there is no network.
            let Ok(network) = candidate.network() else { continue };
            let layers = network.layers().filter(|(conv, _)| {
                let found = weights.get(&format!("{}.weight", conv.name));
                found.is_some_and(|array| array.shape() == conv.weight_shape())
            });
            let agreeing = layers.count();
            if agreeing > best.0 {
                best = (agreeing, width);
            }
            if agreeing == network.layers().count() {
                return Ok(width);
            }
        }
    }
    // Other choices (channels, classes) may be at fault for finding nothing: let the network say so.
    architecture.network().map(|_| best.1)
}
