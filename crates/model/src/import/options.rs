//! What is asked of an import, and what is told of it: whose conventions hold, and where each property comes from.

use crate::Error;
use crate::architecture::Architecture;
use crate::file::{Metadata, Model};
use crate::foreign::Hints;
use crate::network::{Activation, Padding};
use crate::preprocessing::Preprocessing;
use serde::Deserialize;

/// Whose conventions a network follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Naming {
    /// TensorFlow: "SAME" padding, epsilon 1e-3, `x / 127.5 - 1`.
    Tf,
    /// PyTorch: symmetric padding, epsilon 1e-5, ImageNet's mean and deviation.
    Torchvision,
    /// Keras: as TensorFlow.
    Keras,
}

impl Naming {
    pub(super) fn conventions(self) -> (Padding, f32, &'static str) {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
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
    /// That the options are such as any network can have, before a file is read.
    ///
    /// # Errors
    /// Of a size, an epsilon or names that none can have.
    pub fn check(&self) -> Result<(), Error> {
        let any = Architecture::named("mobilenet-v1")?;
        Architecture {
            image_size: self.image_size.unwrap_or(any.image_size),
            epsilon: self.epsilon.unwrap_or(any.epsilon),
            ..any
        }
        .network()?;
        let names = self.classes.as_deref().unwrap_or_default();
        let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
        match (twice, names.iter().any(String::is_empty)) {
            (Some((_, name)), _) => {
                Err(Error::invalid("classes", "every name once", format!("{name} twice")))
            }
            (_, true) => Err(Error::invalid("classes", "names", "an empty one")),
            _ => Ok(()),
        }
    }

    /// Lays what the file says of its network over what was assumed. What cannot be is left out, and noted.
    pub(super) fn hint(&self, metadata: &mut Metadata, notes: &mut Vec<String>) -> Result<(), Error> {
        let Metadata { architecture, preprocessing, classes, .. } = metadata;
        let Hints { image_size, padding, epsilon, activation, scaling, classes: names, .. } = &self.hints;
        choose(architecture, preprocessing, *image_size, *padding, *epsilon, *activation);
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

    /// Lays the given options over what was told or assumed of a network, whose head may have been a sigmoid.
    pub(super) fn apply(&self, metadata: &mut Metadata, is_sigmoid: bool) -> Result<(), Error> {
        let Metadata { architecture, preprocessing, classes, .. } = metadata;
        choose(architecture, preprocessing, self.image_size, self.padding, self.epsilon, self.activation);
        if let Some(name) = &self.preprocessing {
            *preprocessing = Preprocessing::named(name, architecture.channels, architecture.image_size)?;
        }
        if let Some(names) = &self.classes {
            classes.clone_from(names);
            // One name is enough for a sigmoid.
            if let [name] = &names[..]
                && is_sigmoid
            {
                *classes = vec![format!("not {name}"), name.clone()];
            }
            (metadata.threshold, metadata.positive, metadata.positive_was_set) = (None, None, false);
            metadata.calibrated = serde_json::Value::Null;
        }
        Ok(())
    }
}

/// Lays choices over those that are there.
fn choose(
    architecture: &mut Architecture,
    preprocessing: &mut Preprocessing,
    image_size: Option<[usize; 2]>,
    padding: Option<Padding>,
    epsilon: Option<f32>,
    activation: Option<Activation>,
) {
    let [height, width] = image_size.unwrap_or(architecture.image_size);
    architecture.image_size = [height, width];
    (preprocessing.height, preprocessing.width) = (height, width);
    architecture.padding = padding.unwrap_or(architecture.padding);
    architecture.epsilon = epsilon.unwrap_or(architecture.epsilon);
    architecture.activation = activation.unwrap_or(architecture.activation);
}
