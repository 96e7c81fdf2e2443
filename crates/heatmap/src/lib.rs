//! Where in an image a class is seen: maps by occlusion and by class activation, their overlays, and their score against
//! known boxes.
//!
//! Every network here ends in a global average pooling and one dense layer, so the class activation map is exact and not
//! an estimate: its mean plus the bias *is* the logit ([`ClassMaps`]). (Grad-CAM, made for other heads, equals it for
//! this one but for a constant factor.) It is exact about *what* each cell adds, but a cell has seen nearly the whole
//! image, so it is vague about *where*. [`Occlusion`] measures where, at the price of 512 looks, and is the default.
//!
//! A map says what the network used. It does not say that it was right to.
#![forbid(unsafe_code)]

mod cam;
mod dense;
mod file;
mod font;
mod occlusion;
mod overlay;
mod score;

pub use cam::{Cam, ClassMaps};
pub use dense::Heatmap;
pub use file::{overlay_file, png, shows};
pub use occlusion::Occlusion;
pub use overlay::{Caption, overlay};
pub use score::{Box2d, Localisation, TruthBox, read_truth};

use model::Model;

/// How a heatmap is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Method {
    /// By hiding parts of the image.
    #[default]
    Occlusion,
    /// By the class activation map, laid densely by shifts of the image.
    Cam,
}

impl Method {
    /// In words, for a legend.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Occlusion => "fall of the logit when hidden",
            Self::Cam => "class activation map, in logits",
        }
    }
}

/// A model that shows where it looks, by one of the methods.
pub enum Explainer {
    /// By occlusion.
    Occlusion(Occlusion),
    /// By class activation.
    Cam(Cam),
}

impl Explainer {
    /// For `model`.
    ///
    /// # Errors
    /// When the model's parts do not agree.
    pub fn new(model: &Model, method: Method) -> Result<Self, infer::Error> {
        Ok(match method {
            Method::Occlusion => Self::Occlusion(Occlusion::new(model)?),
            Method::Cam => Self::Cam(Cam::new(model)?),
        })
    }

    /// What speaks for `class` at every pixel of a preprocessed `image: [h, w, channels]`.
    ///
    /// # Panics
    /// When the length is not that of one image, or there is no such class.
    pub fn heatmap(&mut self, image: &[f32], class: usize) -> Heatmap {
        match self {
            Self::Occlusion(occlusion) => occlusion.heatmap(image, class),
            Self::Cam(cam) => cam.heatmap(image, class),
        }
    }
}
