//! Other programs' MobileNet weights: names, layout and choices that a bare list of tensors does not state.
//!
//! [`naming`] knows the names of TensorFlow-slim, Keras, torchvision, timm and ourselves; where none fits, [`order`] goes by
//! the order of the layers. Layout (HWIO or OIHW), width, classes, channels, and whether norms are folded are read from the
//! tensors. Padding, epsilon, activation and preprocessing are the published ones of the program that names layers so,
//! unless the caller knows better: a wrong one loads without complaint and predicts wrongly, so what was assumed is
//! written into the model.

mod gray;
pub(crate) mod naming;
mod order;

use crate::file::{Metadata, Model};
use crate::layout::hwio_to_oihw;
use crate::network::{Activation, ConvKind, Network, Padding};
use crate::preprocessing::Preprocessing;
use crate::weights::{Array, Weights};
use crate::{Architecture, Error};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Whose conventions a network follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// TensorFlow: "SAME" padding, epsilon 1e-3, `x / 127.5 - 1`.
    Tf,
    /// PyTorch: symmetric padding, epsilon 1e-5, ImageNet's mean and deviation.
    Torchvision,
    /// Keras: as TensorFlow.
    Keras,
}

impl Naming {
    fn conventions(self) -> (Padding, f32, &'static str) {
        match self {
            Naming::Tf | Naming::Keras => (Padding::Same, 1e-3, "tf"),
            Naming::Torchvision => (Padding::Symmetric, 1e-5, "torch"),
        }
    }
}

/// What the tensors cannot tell; `None` is the published choice of whoever names layers so.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// What the file says of itself, [`crate::ForeignFile::told`]: it holds where no other option is given.
    pub told: Option<Metadata>,
    /// Whose conventions hold; those of the program whose names the tensors have, if absent.
    pub naming: Option<Naming>,
    /// `[height, width]` of the input; 224x224 if absent.
    pub image_size: Option<[usize; 2]>,
    /// Names of the classes; `class 0`, `class 1`, ... if absent.
    pub classes: Option<Vec<String>>,
    /// Padding of the 3x3 convolutions.
    pub padding: Option<Padding>,
    /// Epsilon of the batch norms.
    pub epsilon: Option<f32>,
    /// Activation after the convolutions.
    pub activation: Option<Activation>,
    /// A name that [`Preprocessing::named`] knows.
    pub preprocessing: Option<String>,
}

impl ImportOptions {
    /// Lays the given options over what was told or assumed.
    fn apply(&self, metadata: &mut Metadata) -> Result<(), Error> {
        let Metadata { architecture, preprocessing, classes, .. } = metadata;
        if let Some([height, width]) = self.image_size {
            architecture.image_size = [height, width];
            (preprocessing.height, preprocessing.width) = (height, width);
        }
        architecture.padding = self.padding.unwrap_or(architecture.padding);
        architecture.epsilon = self.epsilon.unwrap_or(architecture.epsilon);
        architecture.activation = self.activation.unwrap_or(architecture.activation);
        if let Some(name) = &self.preprocessing {
            *preprocessing = Preprocessing::named(name, architecture.channels, architecture.image_size)?;
        }
        if let Some(names) = &self.classes {
            classes.clone_from(names);
            metadata.threshold = None;
        }
        Ok(())
    }
}

/// A tensor of another program's.
struct Foreign {
    /// As in the file.
    name: String,
    /// The path of its layer.
    path: String,
    /// Our word for what it is in the layer; none if unknown.
    part: Option<&'static str>,
    array: Array,
}

impl Foreign {
    fn new((name, array): (String, Array)) -> Self {
        let (path, part) = naming::split(&name).unzip();
        Foreign { path: path.unwrap_or_else(|| name.clone()), name, part, array }
    }
}

/// A model from another program's tensors; the error lists every tensor that does not fit.
///
/// What was recognised, and what was guessed, is in the model's `provenance.config`: `imported` and `notes`.
pub fn import(
    tensors: impl IntoIterator<Item = (String, Array)>,
    options: &ImportOptions,
) -> Result<Model, Error> {
    let tensors: Vec<Foreign> = tensors.into_iter().map(Foreign::new).collect();
    let hwio = is_hwio(&tensors);
    let Recognised { program, arch, naming, names, mut notes } = Recognised::of(&tensors, hwio)?;
    let published = Architecture::named(arch)?;
    let network = published.network()?;
    let mut weights = rename(tensors, &names, hwio, &network)?;
    complete_norms(&network, &mut weights, &mut notes);
    fold_biases_into_means(&network, &mut weights);

    let told = options.told.as_ref().filter(|told| {
        let network = told.architecture.network();
        options.naming.is_none() && network.is_ok_and(|network| weights.check(&network).is_ok())
    });
    let mut metadata = match told {
        Some(told) => told.clone(),
        None => {
            let naming = options.naming.unwrap_or(naming);
            let mut metadata = assumed(published, &weights, &network, naming)?;
            metadata.provenance.config = json!({ "imported": program, "notes": notes });
            metadata
        }
    };
    options.apply(&mut metadata)?;
    Model::new(metadata, weights)
}

/// What the tensors tell and the naming lets assume.
fn assumed(
    published: Architecture,
    weights: &Weights,
    network: &Network,
    naming: Naming,
) -> Result<Metadata, Error> {
    let (padding, epsilon, preprocessing) = naming.conventions();
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

/// Whether weights are TensorFlow's `[kh, kw, in, out]` rather than PyTorch's `[out, in, kh, kw]`.
fn is_hwio(tensors: &[Foreign]) -> bool {
    let votes = tensors.iter().map(|tensor| match *tensor.array.shape() {
        [a, b, c, d] => i32::from(a == b && a <= 3) - i32::from(c == d && c <= 3),
        _ => 0,
    });
    votes.sum::<i32>() > 0
}

/// What the names say.
struct Recognised {
    program: &'static str,
    arch: &'static str,
    naming: Naming,
    /// Our name of a layer for its path.
    names: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl Recognised {
    fn of(tensors: &[Foreign], hwio: bool) -> Result<Self, Error> {
        let paths: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.path.as_str()).collect();
        let paths: Vec<&str> = paths.into_iter().collect();
        let by_layout = if hwio { Naming::Tf } else { Naming::Torchvision };
        let mut notes = Vec::new();
        if let Some((dialect, mut names)) = naming::dialect_of(&paths) {
            notes.extend(find_classifier(tensors, dialect.arch, &mut names)?);
            // Our names go with the published conventions of V1, TensorFlow's.
            let naming = dialect.naming.unwrap_or(Naming::Tf);
            return Ok(Self { program: dialect.name, arch: dialect.arch, naming, names, notes });
        }
        let (arch, names) = order::by_order(tensors, hwio).map_err(|why| {
            let expected = "MobileNet's as TensorFlow-slim, Keras, torchvision or timm write them, or its layers in order";
            let some: Vec<_> = tensors.iter().take(3).map(|tensor| tensor.name.as_str()).collect();
            Error::invalid("tensor names", expected, format!("{}, ...; in order: {why}", some.join(", ")))
        })?;
        notes.push(format!(
            "no name was known; the layers are {arch}'s in order, if its strides are too (tensors do not tell)"
        ));
        Ok(Self { program: "layers in order", arch, naming: by_layout, names, notes })
    }
}

/// A classifier of another name, as transfer learning leaves it: the only dense layer that is left over.
fn find_classifier(
    tensors: &[Foreign],
    arch: &str,
    names: &mut BTreeMap<String, String>,
) -> Result<Option<String>, Error> {
    let ours = Architecture::named(arch)?.network()?.classifier;
    if names.values().any(|name| *name == ours) {
        return Ok(None);
    }
    let left = tensors.iter().filter(|tensor| !names.contains_key(&tensor.path));
    let dense = |tensor: &&Foreign| {
        tensor.part == Some("weight") && matches!(tensor.array.shape(), [_, _] | [1, 1, ..] | [.., 1, 1])
    };
    let [only] = left.filter(dense).collect::<Vec<_>>()[..] else { return Ok(None) };
    names.insert(only.path.clone(), ours);
    Ok(Some(format!("the classifier is {}", only.path)))
}

/// The tensors under our names and in our layout; those without a name of ours keep theirs, to be listed.
fn rename(
    tensors: Vec<Foreign>,
    names: &BTreeMap<String, String>,
    hwio: bool,
    network: &Network,
) -> Result<Weights, Error> {
    let depthwise = network.layers().filter(|(conv, _)| conv.kind == ConvKind::Depthwise);
    let depthwise: BTreeSet<&str> = depthwise.map(|(conv, _)| conv.name.as_str()).collect();
    let mut weights = Weights::new();
    for Foreign { name, path, part, array } in tensors {
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

/// Norms without a scale (slim's default) or without a shift have 1 or 0 there. Only if all of them lack it: one that
/// does alone is a tensor gone missing.
fn complete_norms(network: &Network, weights: &mut Weights, notes: &mut Vec<String>) {
    let norms: Vec<String> =
        network.layers().filter_map(|(conv, _)| conv.norm.as_ref().map(|norm| norm.name.clone())).collect();
    for (part, value, what) in [("weight", 1.0, "scale (gamma)"), ("bias", 0.0, "shift (beta)")] {
        let lengths = norms.iter().filter_map(|norm| {
            let variance = weights.get(&format!("{norm}.running_var"))?;
            (!weights.contains(&format!("{norm}.{part}"))).then(|| (norm, variance.data().len()))
        });
        let lengths: Vec<(&String, usize)> = lengths.collect();
        if lengths.len() != norms.len() {
            continue;
        }
        for (norm, len) in lengths {
            let constant = Array::new([len], vec![value; len]).expect("as many values as its shape says");
            weights.insert(format!("{norm}.{part}"), constant);
        }
        notes.push(format!("the norms have no {what}, so it is {value}"));
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

/// A bias before a batch norm only moves its mean: `norm(x + bias)` is `norm` with `mean - bias`.
fn fold_biases_into_means(network: &Network, weights: &mut Weights) {
    for (conv, _) in network.layers() {
        let Some(norm) = &conv.norm else { continue };
        let (bias, mean) = (format!("{}.bias", conv.name), format!("{}.running_mean", norm.name));
        let lengths = [&bias, &mean].map(|name| weights.get(name).map(|array| array.data().len()));
        if let [Some(bias_len), Some(mean_len)] = lengths
            && bias_len == mean_len
        {
            let bias = weights.remove(&bias).expect("it was found above");
            let mean = weights.get_mut(&mean).expect("it was found above");
            mean.data_mut().iter_mut().zip(bias.data()).for_each(|(mean, bias)| *mean -= bias);
        }
    }
}
