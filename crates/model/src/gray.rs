//! Colour weights for gray images.

use crate::Error;
use crate::file::Model;
use crate::preprocessing::Preprocessing;
use crate::weights::Array;

impl Model {
    /// The one-channel model that gives a gray image what this gives to three equal channels.
    ///
    /// Where every channel is scaled alike, the first convolution is summed over its inputs, which is exact. Where each
    /// has a scale `s[c]` and an offset `o[c]` of its own (ImageNet's mean and deviation), the gray input has their means
    /// `s` and `o`, a weight becomes `sum(w[c] * s[c] / s)`, and what is left of the offsets,
    /// `sum(w[c] * (o[c] - o * s[c] / s))`, goes into the norm's mean or the bias. That is exact but for the outermost
    /// pixels of the first layer, whose padding is 0 after the offset.
    pub fn to_gray(&self) -> Result<Model, Error> {
        let mut gray = self.clone();
        let network = self.network()?;
        let Some((stem, _)) = network.layers().next().filter(|(stem, _)| stem.inputs > 1) else {
            return Ok(gray);
        };
        let colour = &self.metadata.preprocessing;
        let mean = |values: &[f32]| {
            let sum = values.iter().map(|&value| f64::from(value)).sum::<f64>();
            // The mean of equal values is that value, not its neighbour.
            if values.iter().all(|value| *value == values[0]) {
                values[0]
            } else {
                (sum / values.len() as f64) as f32
            }
        };
        let (scale, offset) = (mean(&colour.scale), mean(&colour.offset));
        gray.metadata.preprocessing =
            Preprocessing { channels: 1, scale: vec![scale], offset: vec![offset], ..colour.clone() };
        gray.metadata.architecture.channels = 1;

        let [outputs, inputs, height, width] = stem.weight_shape();
        let area = height * width;
        let name = format!("{}.weight", stem.name);
        let weights = self.weights[name.as_str()].data();
        let mut sums = Vec::with_capacity(outputs * area);
        let mut shifts = vec![0.0; outputs];
        for (output, filter) in weights.chunks_exact(inputs * area).enumerate() {
            for at in 0..area {
                let mut sum = 0.0;
                for channel in 0..inputs {
                    let weight = f64::from(filter[channel * area + at]);
                    let ratio = f64::from(colour.scale[channel]) / f64::from(scale);
                    sum += weight * ratio;
                    shifts[output] +=
                        weight * (f64::from(colour.offset[channel]) - f64::from(offset) * ratio);
                }
                sums.push(sum as f32);
            }
        }
        gray.weights.insert(name, Array::new([outputs, 1, height, width], sums)?);
        // A constant before a norm is one less in its mean.
        let (target, sign) = match &stem.norm {
            Some(norm) => (format!("{}.running_mean", norm.name), -1.0),
            None => (format!("{}.bias", stem.name), 1.0),
        };
        if let Some(target) = gray.weights.get_mut(&target) {
            for (value, shift) in target.data_mut().iter_mut().zip(shifts) {
                *value = (f64::from(*value) + sign * shift) as f32;
            }
        }
        Model::new(gray.metadata, gray.weights)
    }
}
