//! What a frozen body says of images, computed once, so that the classifier trains on features alone.
//!
//! While the body is frozen its features of an image change only with the augmentation. So an epoch shows one of a few
//! views of each image, in turn: view 0 is the image as it is, view V > 0 is augmented as in epoch V of any run. The
//! features are those of inference, whose bits depend neither on the batch nor on the number of threads, and they are
//! computed again, to the same bits, by a run that goes on.

use crate::{Error, Predictions};
use data::Loader;
use predict::{Body, Classifier};
use std::sync::Arc;

/// The features of some images, `[n, length]`, in the order of their loader.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// The indices of the images in the data set.
    pub indices: Vec<usize>,
    /// The features.
    pub values: Arc<Vec<f32>>,
}

impl Rows {
    /// Of what `loader` reads in `epoch`. `go_on` hears how many images are done; none, if it said no.
    pub(crate) fn read(
        body: &mut Body,
        loader: &Loader,
        epoch: u64,
        go_on: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Self>, Error> {
        let (mut indices, mut values) = (vec![], vec![]);
        for batch in loader.batches(epoch, 0) {
            let batch = batch.map_err(Error::batch)?;
            values.extend(body.features(&batch.images));
            indices.extend(&batch.indices);
            loader.recycle(batch);
            if !go_on(indices.len()) {
                return Ok(None);
            }
        }
        Ok(Some(Self { indices, values: values.into() }))
    }

    /// What a classifier of features says of them.
    pub(crate) fn predict(&self, classifier: &mut Classifier) -> Predictions {
        Predictions::new(self.indices.clone(), classifier.log_probabilities(&self.values))
    }
}

/// The features that a run has computed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Features {
    /// Of the training images, by view.
    pub training: Vec<Option<Rows>>,
    /// Of the validation images.
    pub validation: Option<Rows>,
}
