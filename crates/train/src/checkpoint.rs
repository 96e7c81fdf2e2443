//! The checkpoint of a run, `last.safetensors`: a model file that also holds what training needs to go on.
//!
//! Beside the model's tensors it has the optimizer's state (under [`TRAINING_PREFIX`]) and, as text, the position of
//! the run. Random numbers need no state, because every stream is named by seed, epoch, sample or step. Files are
//! replaced whole, so at any moment there is one complete checkpoint, and a run killed between two goes on from the
//! older one.

use crate::{Error, Stopper, Trainer};
use engine::Tensor;
use model::{Array, Metadata, Model, TRAINING_PREFIX, TensorFile, layout};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Key of the run's position in the file's metadata.
const KEY: &str = "vertebra.training";

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Steps done.
    pub step: u64,
    /// Epochs done.
    pub epoch: u64,
    /// Batches done of the epoch after these.
    pub batch: usize,
    /// Sum over the images of these batches of their batch's loss.
    pub loss_sum: f64,
    /// The number of these images.
    pub images: usize,
    /// Training batches that the running statistics have seen.
    pub batches_seen: u64,
    /// Early stopping's memory.
    pub stopper: Stopper,
    /// In which order the data set has its images, on which batches depend; empty in files of earlier versions.
    #[serde(default)]
    pub order: String,
    /// Batches of an epoch; 0 in files of earlier versions, which trained a last one of a single image always.
    #[serde(default)]
    pub batches: u64,
}

/// The checkpoint, to be written or sent.
pub(crate) fn to_file(
    metadata: &Metadata,
    trainer: &Trainer,
    position: &Position,
) -> Result<TensorFile, Error> {
    let model = Model::new(metadata.clone(), trainer.network.weights())?;
    let mut file = model.to_tensor_file()?;
    let position = serde_json::to_string(position).expect("plain values have a JSON form");
    file.metadata.insert(KEY.into(), position);
    let slots = trainer.optimizer.slot_names();
    for (parameter, state) in trainer.network.parameters().iter().zip(&trainer.optimizer.state) {
        for (slot, tensor) in slots.iter().zip(state) {
            let array = Array::new(tensor.shape().to_vec(), tensor.data().to_vec())?;
            file.tensors.insert(state_name(slot, &parameter.spec.name), array);
        }
    }
    Ok(file)
}

/// Reads the checkpoint into `trainer`; the position it was saved at.
pub(crate) fn load(path: &Path, trainer: &mut Trainer) -> Result<Position, Error> {
    restore(TensorFile::read(path)?, path, trainer)
}

/// The same of what [`to_file`] made; errors name `path`.
pub(crate) fn restore(file: TensorFile, path: &Path, trainer: &mut Trainer) -> Result<Position, Error> {
    let text = file.metadata.get(KEY);
    let text = text.ok_or_else(|| Error::run(path, "holds no training state, so it cannot be resumed"))?;
    let position: Position = serde_json::from_str(text)
        .map_err(|error| Error::run(path, format!("its training state cannot be understood: {error}")))?;
    let slots = trainer.optimizer.slot_names();
    for (parameter, state) in trainer.network.parameters().iter().zip(&mut trainer.optimizer.state) {
        for (slot, tensor) in slots.iter().zip(state) {
            let name = state_name(slot, &parameter.spec.name);
            let array = file.tensors.get(&name).filter(|array| array.shape() == &tensor.shape()[..]);
            let array = array.ok_or_else(|| {
                Error::run(path, format!("expected {name} {:?}; the file is not of this run", tensor.shape()))
            })?;
            *tensor = Tensor::from_slice(*tensor.shape(), array.data());
        }
    }
    let weights = Model::from_tensor_file(file).map_err(|error| error.in_file(path))?.weights;
    weights.check(trainer.network.spec()).map_err(|error| error.in_file(path))?;
    for parameter in trainer.network.parameters_mut() {
        let array = &weights[parameter.spec.name.as_str()];
        let values = layout::to_engine(array.shape(), array.data());
        parameter.value = Tensor::from_slice(*parameter.value.shape(), &values);
    }
    trainer.network.batches_seen = position.batches_seen;
    trainer.optimizer.step = position.step;
    Ok(position)
}

fn state_name(slot: &str, parameter: &str) -> String {
    format!("{TRAINING_PREFIX}{slot}.{parameter}")
}
