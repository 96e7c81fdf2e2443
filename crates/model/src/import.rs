//! Other programs' MobileNet weights: names, layout and choices that a bare list of tensors does not state.
//!
//! MobileNetV1 may have TensorFlow's parts (`gamma`, `beta`, `moving_mean`, `moving_variance`, weights in HWIO) or ours;
//! MobileNetV2 has torchvision's names, which are ours. Either may be folded: a bias for each convolution and no norm.
//! Width, classes, channels and foldedness are read from the tensors. Padding, epsilon, activation and preprocessing are
//! the architecture's published ones unless the caller knows better: a wrong one loads without complaint and predicts
//! wrongly.

use crate::file::{Metadata, Model};
use crate::layout::{hwio_to_oihw, sum_inputs};
use crate::network::{Activation, Network, Padding};
use crate::preprocessing::Preprocessing;
use crate::weights::{Array, Weights};
use crate::{Architecture, Error};
use serde_json::json;

/// What the tensors cannot tell; `None` is the published choice of the architecture.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
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
    /// A name that [`Preprocessing::named`] knows: `tf` if absent for V1, `torch` for V2.
    pub preprocessing: Option<String>,
}

/// A model from another program's tensors; the error lists every tensor that does not fit.
pub fn import(tensors: Weights, options: &ImportOptions) -> Result<Model, Error> {
    let source = Source::of(&tensors)?;
    let mut weights = rename(tensors);
    if source.hwio {
        weights = weights.into_iter().map(from_hwio).collect::<Result<_, _>>()?;
    }
    let architecture = architecture(&source, &weights, options)?;
    let network = architecture.network()?;
    fold_biases_into_means(&network, &mut weights);

    let preprocessing = options.preprocessing.as_deref().unwrap_or(source.preprocessing);
    let preprocessing = Preprocessing::named(preprocessing, network.channels, network.image_size)?;
    let numbered = || (0..network.classes).map(|class| format!("class {class}")).collect();
    let classes = options.classes.clone().unwrap_or_else(numbered);
    let mut metadata = Metadata::new(architecture, classes, preprocessing);
    metadata.provenance.config = json!({ "imported": source.naming });
    Model::new(metadata, weights)
}

/// Which program's naming and layout the tensors have.
struct Source {
    naming: &'static str,
    arch: &'static str,
    /// Whether weights are `[kh, kw, in, out]`.
    hwio: bool,
    preprocessing: &'static str,
    /// The first and the last tensor, from which channels and classes are read.
    stem: &'static str,
    classifier: &'static str,
}

impl Source {
    fn of(tensors: &Weights) -> Result<Self, Error> {
        if tensors.contains("features.0.0.weight") {
            return Ok(Source {
                naming: "torchvision",
                arch: "mobilenet-v2",
                hwio: false,
                preprocessing: "torch",
                stem: "features.0.0.weight",
                classifier: "classifier.1.weight",
            });
        }
        // A depthwise weight tells the layouts apart: [3, 3, c, 1] or [c, 1, 3, 3].
        let Some(depthwise) = tensors.get("blocks.0.depthwise.weight") else {
            let names: Vec<_> = tensors.iter().take(3).map(|(name, _)| name.as_str()).collect();
            let expected = "MobileNet's, features.0.0.weight or blocks.0.depthwise.weight among them";
            return Err(Error::invalid("tensor names", expected, format!("{}, ...", names.join(", "))));
        };
        let hwio = matches!(depthwise.shape(), [3, 3, _, 1]);
        Ok(Source {
            naming: if hwio { "tf" } else { "vertebra" },
            arch: "mobilenet-v1",
            hwio,
            preprocessing: "tf",
            stem: "conv1.weight",
            classifier: "classifier.weight",
        })
    }
}

/// TensorFlow's names for the parts of a batch norm become PyTorch's.
fn rename(tensors: Weights) -> Weights {
    const PARTS: [(&str, &str); 4] = [
        (".gamma", ".weight"),
        (".beta", ".bias"),
        (".moving_mean", ".running_mean"),
        (".moving_variance", ".running_var"),
    ];
    let renamed = |name: String| {
        let part = PARTS.iter().find_map(|(theirs, ours)| Some(name.strip_suffix(theirs)?.to_owned() + ours));
        part.unwrap_or(name)
    };
    tensors.into_iter().map(|(name, array)| (renamed(name), array)).collect()
}

/// One tensor from TensorFlow's layout to the stored one; depthwise `[kh, kw, c, 1]` is `[kh, kw, 1, c]` in memory.
fn from_hwio((name, array): (String, Array)) -> Result<(String, Array), Error> {
    let classifier = name.starts_with("classifier.");
    let [h, w, i, o] = match *array.shape() {
        [h, w, c, 1] if name.contains("depthwise") => [h, w, 1, c],
        [h, w, i, o] => [h, w, i, o],
        [i, o] if classifier => [1, 1, i, o],
        _ => return Ok((name, array)),
    };
    let data = hwio_to_oihw([h, w, i, o], array.data());
    let shape = if classifier && h * w == 1 { vec![o, i] } else { vec![o, i, h, w] };
    Ok((name, Array::new(shape, data)?))
}

fn architecture(source: &Source, weights: &Weights, options: &ImportOptions) -> Result<Architecture, Error> {
    let shape = |name: &str| {
        let found = weights.get(name).map(Array::shape);
        found.ok_or_else(|| Error::invalid(name, "a tensor of that name", "none"))
    };
    let channels = shape(source.stem)?.get(1).copied().unwrap_or(0);
    let classes = shape(source.classifier)?.first().copied().unwrap_or(0);
    let mut result = Architecture { channels, classes, ..Architecture::named(source.arch)? };
    result.folded = !weights.iter().any(|(name, _)| name.ends_with(".running_var"));
    result.image_size = options.image_size.unwrap_or(result.image_size);
    result.padding = options.padding.unwrap_or(result.padding);
    result.epsilon = options.epsilon.unwrap_or(result.epsilon);
    result.activation = options.activation.unwrap_or(result.activation);
    result.width = width(&result, weights)?;
    Ok(result)
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

impl Model {
    /// The one-channel model that gives a gray image what this gives to three equal channels: the first convolution is
    /// summed over its inputs, which is exact. An error if the channels are scaled differently, where no such model is.
    pub fn to_gray(&self) -> Result<Model, Error> {
        let mut gray = self.clone();
        let network = self.network()?;
        let preprocessing = &mut gray.metadata.preprocessing;
        if !preprocessing.is_uniform() {
            let expected = "the same scaling for every channel, as `tf` and `unit` have";
            return Err(Error::invalid("preprocessing", expected, format!("{:?}", preprocessing.scale)));
        }
        preprocessing.channels = 1;
        preprocessing.scale.truncate(1);
        preprocessing.offset.truncate(1);
        gray.metadata.architecture.channels = 1;
        if let Some((stem, _)) = network.layers().next() {
            let name = format!("{}.weight", stem.name);
            let shape = stem.weight_shape();
            let sum = sum_inputs(shape, self.weights[name.as_str()].data());
            gray.weights.insert(name, Array::new([shape[0], 1, shape[2], shape[3]], sum)?);
        }
        Model::new(gray.metadata, gray.weights)
    }
}
