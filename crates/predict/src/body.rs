//! A network in two parts, for a body that does not change: features of images, and probabilities from features.

use crate::{Classifier, Error};
use infer::Plan;
use kernels::Level;
use model::{Metadata, Network, Weights};

/// Images that are worked at once.
const BATCH: usize = 32;

/// All of a network but its classifier.
pub struct Body(Plan);

impl Body {
    /// For the weights of a network.
    pub fn new(network: &Network, weights: &Weights) -> Result<Self, Error> {
        Ok(Self(Plan::pooled(network, weights, Level::current(), BATCH)?))
    }

    /// The features `[n, features]` of preprocessed `images: [n, h, w, channels]`.
    pub fn features(&mut self, images: &[f32]) -> Vec<f32> {
        let (image, length) = (self.0.image_len(), self.0.classes());
        let mut features = vec![0.0; images.len() / image * length];
        let pieces = images.chunks(BATCH * image).zip(features.chunks_mut(BATCH * length));
        pieces.for_each(|(images, features)| self.0.run(images, features));
        features
    }
}

impl Classifier {
    /// For features in the place of images: to the bits that [`Classifier::of`] gives for the images themselves.
    pub fn of_features(network: &Network, weights: &Weights, metadata: &Metadata) -> Result<Self, Error> {
        let (image_size, channels) = ([1; 2], network.features);
        let head = Network { blocks: vec![], image_size, channels, ..network.clone() };
        let own = head.tensors().into_iter().filter_map(|spec| {
            let array = weights.get(&spec.name)?.clone();
            Some((spec.name, array))
        });
        Self::of(&head, &own.collect(), metadata)
    }
}
