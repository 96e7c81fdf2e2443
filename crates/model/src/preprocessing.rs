//! How a decoded image becomes the network's input. The model carries this, so that training and prediction cannot
//! differ: `x * scale[c] + offset[c]` for every pixel `x` in `0..=255`, after resizing to the model's size.

use crate::{Error, Window};
use serde::{Deserialize, Serialize};

/// How an image of another shape is brought to the model's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// Resized to the model's size; the aspect ratio may change.
    #[default]
    Stretch,
    /// Resized with its aspect ratio kept, centred, the rest black.
    Pad,
}

/// From pixels to input values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Channels: 1 (gray) or 3 (red, green, blue).
    pub channels: usize,
    /// Height of the input.
    pub height: usize,
    /// Width of the input.
    pub width: usize,
    /// Factor of each channel.
    pub scale: Vec<f32>,
    /// Added to each channel after scaling.
    pub offset: Vec<f32>,
    /// How other shapes are fitted.
    #[serde(default)]
    pub fit: ResizeMode,
    /// Through which gray images of more than 8 bits are seen, before all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// Mean and standard deviation of ImageNet's pixels, in units of 255, as torchvision publishes them.
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl Preprocessing {
    /// The names that [`Preprocessing::named`] knows.
    pub const NAMES: [&str; 3] = ["tf", "torch", "unit"];

    /// The default: `x / 127.5 - 1`.
    pub fn new(channels: usize, [height, width]: [usize; 2]) -> Self {
        Self::uniform(channels, [height, width], 1.0 / 127.5, -1.0)
    }

    /// A published scaling: `tf` is `x / 127.5 - 1`, `unit` is `x / 255`, `torch` is `(x / 255 - mean) / std` with
    /// ImageNet's mean and standard deviation (averaged over the colours for one channel).
    pub fn named(name: &str, channels: usize, size: [usize; 2]) -> Result<Self, Error> {
        match name {
            "tf" => Ok(Self::new(channels, size)),
            "unit" => Ok(Self::uniform(channels, size, 1.0 / 255.0, 0.0)),
            "torch" => {
                let (mean, std) = IMAGENET;
                let mut result = Self::new(channels, size);
                let colour = |values: [f32; 3], c: usize| match channels {
                    1 => values.iter().sum::<f32>() / 3.0,
                    _ => values[c % 3],
                };
                for c in 0..channels {
                    result.scale[c] = 1.0 / (255.0 * colour(std, c));
                    result.offset[c] = -colour(mean, c) / colour(std, c);
                }
                Ok(result)
            }
            _ => Err(Error::invalid("preprocessing", Self::NAMES.join(", "), name)),
        }
    }

    fn uniform(channels: usize, [height, width]: [usize; 2], scale: f32, offset: f32) -> Self {
        let (scale, offset) = (vec![scale; channels], vec![offset; channels]);
        Preprocessing { channels, height, width, scale, offset, fit: ResizeMode::Stretch, window: None }
    }

    /// Whether every channel is scaled alike, so that gray input needs only the sum of the first weights.
    pub fn is_uniform(&self) -> bool {
        let same = |values: &[f32]| values.windows(2).all(|pair| pair[0] == pair[1]);
        same(&self.scale) && same(&self.offset)
    }

    /// That it suits a network of `channels` and `[height, width]`, with finite, non-zero scales.
    pub fn check(&self, channels: usize, [height, width]: [usize; 2]) -> Result<(), Error> {
        let expected = format!("{channels} channels of {height}x{width}, as the network has");
        let found = format!("{} channels of {}x{}", self.channels, self.height, self.width);
        if (self.channels, self.height, self.width) != (channels, height, width) {
            return Err(Error::invalid("preprocessing", expected, found));
        }
        for (what, values) in [("preprocessing.scale", &self.scale), ("preprocessing.offset", &self.offset)] {
            if values.len() != channels || values.iter().any(|value| !value.is_finite()) {
                let expected = format!("{channels} finite numbers, one a channel");
                return Err(Error::invalid(what, expected, format!("{values:?}")));
            }
        }
        if self.scale.contains(&0.0) {
            let found = format!("{:?}", self.scale);
            return Err(Error::invalid("preprocessing.scale", "factors other than 0", found));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published pairs of pixel and input.
    #[test]
    fn named_scalings_are_the_published_ones() {
        for (name, channels, c, pixel, input) in [
            ("tf", 1, 0, 0.0, -1.0),
            ("tf", 3, 2, 255.0, 1.0),
            ("unit", 3, 1, 51.0, 0.2),
            ("torch", 3, 0, 0.0, -2.117_904),
            ("torch", 3, 1, 255.0, 2.428_571),
            ("torch", 3, 2, 255.0, 2.64),
            ("torch", 1, 0, 255.0 * 0.449, 0.0),
        ] {
            let prep = Preprocessing::named(name, channels, [64, 32]).unwrap();
            prep.check(channels, [64, 32]).unwrap();
            let found: f32 = pixel * prep.scale[c] + prep.offset[c];
            assert!((found - input).abs() < 1e-5, "{name} {c}: {found} {input}");
        }
        let message = Preprocessing::named("caffe", 3, [32, 32]).unwrap_err().to_string();
        assert_eq!(message, "preprocessing: expected tf, torch, unit, found caffe");
    }

    #[test]
    fn only_like_channels_are_uniform() {
        let uniform = |name| Preprocessing::named(name, 3, [32, 32]).unwrap().is_uniform();
        assert_eq!(["tf", "torch", "unit"].map(uniform), [true, false, true]);
    }
}
