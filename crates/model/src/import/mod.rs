//! Other programs' MobileNet weights: names, layout and choices that a bare list of tensors does not state.
//!
//! [`naming`] knows the names of TensorFlow-slim, Keras, torchvision, timm and ourselves; where none fits, [`order`] goes by
//! the order of the layers. Layout (HWIO or OIHW), width, classes, channels, and whether norms are folded are read from the
//! tensors. Padding, epsilon, activation and preprocessing are the published ones of the program that names layers so,
//! unless the caller knows better: a wrong one loads without complaint and predicts wrongly, so what was assumed is
//! written into the model.

pub(crate) mod naming;
mod order;

use crate::file::{Metadata, Model};
use crate::foreign::Hints;
use crate::layout::hwio_to_oihw;
use crate::network::{Activation, ConvKind, Network, Padding};
use crate::parts;
use crate::preprocessing::Preprocessing;
use crate::weights::{Array, Weights};
use crate::{Architecture, Error};
use naming::{Dialect, Translation};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Whose conventions a network follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
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
    /// What else it says, [`crate::ForeignFile::hints`]: the same.
    pub hints: Hints,
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
    /// The order in which the network takes colours; red, green, blue if absent.
    pub colours: Option<Colours>,
}

/// The order of an image's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Colours {
    /// Red, green, blue: TensorFlow's, PyTorch's and ours.
    Rgb,
    /// Blue, green, red: OpenCV's and Caffe's. The first convolution is turned around, which is exact.
    Bgr,
}

/// Where a property of an imported model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An option.
    Given,
    /// The file.
    InFile,
    /// Neither: the published choice of whoever names layers so, or the usual one.
    Assumed,
}

/// An imported model, and where those of its properties come from that tensors do not tell.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The model.
    pub model: Model,
    /// Of the size of its input.
    pub image_size: Origin,
    /// Of its padding.
    pub padding: Origin,
    /// Of the epsilon of its norms.
    pub epsilon: Origin,
    /// Of its activation.
    pub activation: Origin,
    /// Of the scaling of its pixels.
    pub preprocessing: Origin,
    /// Of the order of its colours.
    pub colours: Origin,
    /// Of the names of its classes.
    pub classes: Origin,
}

impl ImportOptions {
    /// Lays what the file says of its network over what was assumed. What cannot be is left out, and noted.
    fn hint(&self, metadata: &mut Metadata, notes: &mut Vec<String>) -> Result<(), Error> {
        let Metadata { architecture, preprocessing, classes, .. } = metadata;
        let Hints { image_size, padding, epsilon, activation, scaling, classes: names, .. } = &self.hints;
        let size = image_size.unwrap_or(architecture.image_size);
        architecture.image_size = size;
        (preprocessing.height, preprocessing.width) = (size[0], size[1]);
        architecture.padding = padding.unwrap_or(architecture.padding);
        architecture.epsilon = epsilon.unwrap_or(architecture.epsilon);
        architecture.activation = activation.unwrap_or(architecture.activation);
        if let Some([scale, offset]) = scaling {
            let each = |values: &[f32]| match values {
                [one] => Some(vec![*one; architecture.channels]),
                many => (many.len() == architecture.channels).then(|| many.to_vec()),
            };
            match (each(scale), each(offset)) {
                (Some(scale), Some(offset)) => (preprocessing.scale, preprocessing.offset) = (scale, offset),
                _ => {
                    notes.push("the file scales other channels than the network has: --preprocessing".into())
                }
            }
        }
        match names {
            Some(names) if names.len() == architecture.classes => classes.clone_from(names),
            Some(names) => {
                let found = names.len();
                notes.push(format!("the file names {found} classes, which the head does not have: --labels"));
            }
            None => {}
        }
        Ok(())
    }

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
            // One name is enough for a sigmoid.
            if let [name] = &names[..]
                && architecture.classes == 2
            {
                *classes = vec![format!("not {name}"), name.clone()];
            }
            (metadata.threshold, metadata.positive, metadata.positive_was_set) = (None, None, false);
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
        let (path, part) = parts::split(&name).unzip();
        Foreign { path: path.unwrap_or_else(|| name.clone()), name, part, array }
    }
}

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
    let tensors: Vec<Foreign> =
        without_training_state(tensors, &mut notes).into_iter().map(Foreign::new).collect();
    let hwio = is_hwio(&tensors);
    let Recognised { program, arch, naming, scaling, names, copies, notes: found } =
        Recognised::of(&tensors, hwio)?;
    notes.extend(found);
    let published = Architecture::named(arch)?;
    let network = published.network()?;
    let kept = tensors.into_iter().filter(|tensor| !copies.contains_key(&tensor.path)).collect();
    let mut weights = rename(kept, &names, hwio, &network)?;
    complete_norms(&network, &mut weights, &mut notes);
    complete_classifier(&network, &mut weights, &mut notes)?;
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
    options.apply(&mut metadata)?;
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

/// Without what optimizers keep beside weights in TensorFlow's checkpoints, and without losses that have weights.
fn without_training_state(
    tensors: impl IntoIterator<Item = (String, Array)>,
    notes: &mut Vec<String>,
) -> Vec<(String, Array)> {
    const SLOTS: [&str; 9] = [
        "Adam",
        "Adam_1",
        "Momentum",
        "RMSProp",
        "RMSProp_1",
        "RMSProp_2",
        "Adagrad",
        "ExponentialMovingAverage",
        "Ftrl",
    ];
    const LOSSES: [&str; 6] = ["criterion", "loss", "loss_fn", "loss_func", "loss_function", "beta1_power"];
    let is_state = |name: &str| {
        let last = name.trim_end_matches(":0").rsplit('/').next().unwrap_or_default();
        let first = name.split('.').next().unwrap_or_default();
        SLOTS.contains(&last) && name.contains('/') || LOSSES.contains(&first) || last == "beta2_power"
    };
    let (state, kept): (Vec<_>, Vec<_>) = tensors.into_iter().partition(|(name, _)| is_state(name));
    if let Some((name, _)) = state.first() {
        notes.push(format!("passed over, for it is of training: {} tensors, such as {name}", state.len()));
    }
    kept
}

/// A head as ours: a missing bias is 0, and one output, a sigmoid's, is the second of two classes, exactly:
/// `sigmoid(w x + b)` is `softmax([0, w x + b])[1]`.
fn complete_classifier(
    network: &Network,
    weights: &mut Weights,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let [weight, bias] = ["weight", "bias"].map(|part| format!("{}.{part}", network.classifier));
    let Some(&[outputs, features]) = weights.get(&weight).map(Array::shape) else { return Ok(()) };
    if !weights.contains(&bias) {
        weights.insert(bias.clone(), Array::new([outputs], vec![0.0; outputs])?);
        notes.push("the classifier has no bias, so it is 0".into());
    }
    if outputs != 1 || weights[&*bias].data().len() != 1 {
        return Ok(());
    }
    for (name, shape) in [(weight, vec![2, features]), (bias, vec![2])] {
        let row = weights.remove(&name).expect("it is there").into_data();
        let rows = [vec![0.0; row.len()], row].concat();
        weights.insert(name, Array::new(shape, rows)?);
    }
    notes.push(
        "the head has one output, taken for a sigmoid: the second class is the one that it detects (--labels with two \
         names, or with its name alone)"
            .into(),
    );
    Ok(())
}

/// Turns the inputs of the first convolution around, which then sees red, green, blue as it saw blue, green, red.
fn turn_colours(network: &Network, weights: &mut Weights) {
    let Some((stem, _)) = network.layers().next() else { return };
    let area = stem.kernel * stem.kernel;
    if let Some(weight) = weights.get_mut(&format!("{}.weight", stem.name)) {
        for filter in weight.data_mut().chunks_exact_mut(3 * area) {
            let (first, rest) = filter.split_at_mut(2 * area);
            first[..area].swap_with_slice(rest);
        }
    }
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
    scaling: Option<&'static str>,
    /// Our name of a layer for its path.
    names: BTreeMap<String, String>,
    /// Paths of layers that are there a second time, which are left out.
    copies: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl Recognised {
    fn of(tensors: &[Foreign], hwio: bool) -> Result<Self, Error> {
        let paths: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.path.as_str()).collect();
        let by_layout = if hwio { Naming::Tf } else { Naming::Torchvision };
        let mut notes = Vec::new();
        if let Some((dialect, Translation { mut names, copies, prefix, .. })) = naming::dialect_of(&paths) {
            if let Some(other) = copies.values().next() {
                let key = other.trim_end_matches('.');
                notes.push(format!(
                    "taken: the network under {prefix:?}, not the one under {other:?} (--key {key})"
                ));
            }
            notes.extend(find_classifier(tensors, dialect.arch, &mut names, &copies)?);
            // Our names go with the published conventions of V1, TensorFlow's.
            let naming = dialect.naming.unwrap_or(Naming::Tf);
            let Dialect { name: program, arch, scaling, .. } = *dialect;
            return Ok(Self { program, arch, naming, scaling, names, copies, notes });
        }
        let (arch, names) = order::by_order(tensors, hwio).map_err(|why| {
            let expected = "MobileNet's as TensorFlow-slim, Keras, torchvision or timm write them, or its layers in order";
            let some: Vec<_> = tensors.iter().take(3).map(|tensor| tensor.name.as_str()).collect();
            Error::invalid("tensor names", expected, format!("{}, ...; in order: {why}", some.join(", ")))
        })?;
        notes.push(format!(
            "no name was known; the layers are {arch}'s in order, if its strides are too (tensors do not tell)"
        ));
        let (program, copies) = ("layers in order", BTreeMap::new());
        Ok(Self { program, arch, naming: by_layout, scaling: None, names, copies, notes })
    }
}

/// A classifier of another name, as transfer learning leaves it: the only dense layer that is left over.
fn find_classifier(
    tensors: &[Foreign],
    arch: &str,
    names: &mut BTreeMap<String, String>,
    copies: &BTreeMap<String, String>,
) -> Result<Option<String>, Error> {
    let ours = Architecture::named(arch)?.network()?.classifier;
    if names.values().any(|name| *name == ours) {
        return Ok(None);
    }
    let left = tensors
        .iter()
        .filter(|tensor| !names.contains_key(&tensor.path) && !copies.contains_key(&tensor.path));
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
