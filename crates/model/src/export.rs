//! A model as another program's state dict: PyTorch's, or Keras' names and layout.
//!
//! Nothing is computed: tensors are renamed and permuted, so a model that is exported and imported again is the same,
//! bit for bit. The file also carries the model's metadata, which [`crate::import()`] trusts if the tensors agree.

use crate::import::naming::{Module, Place, keras, modules};
use crate::layout;
use crate::tensor_file::TensorFile;
use crate::weights::Array;
use crate::{Error, Model};

impl Model {
    /// What `load_state_dict(strict=True)` of torchvision's `mobilenet_v2` takes, or of a module with our names for V1:
    /// our file is a state dict already, but for the count of batches that PyTorch's norms keep.
    ///
    /// # Errors
    /// When norms were folded, because PyTorch's network has them.
    pub fn to_torch(&self) -> Result<TensorFile, Error> {
        if self.metadata.architecture.folded {
            let found = "a network whose norms were folded into its convolutions";
            return Err(Error::invalid("model", "batch norms, as PyTorch's network has", found));
        }
        let mut file = self.to_tensor_file()?;
        file.metadata.insert("format".into(), "pt".into());
        let network = self.network()?;
        let norms = network.layers().filter_map(|(conv, _)| conv.norm.as_ref());
        file.counters.extend(norms.map(|norm| (format!("{}.num_batches_tracked", norm.name), 0)));
        Ok(file)
    }

    /// Keras' variables, `conv1/kernel` to `conv_preds/bias`, in its layout.
    pub fn to_keras(&self) -> Result<TensorFile, Error> {
        let mut file = self.to_tensor_file()?;
        let ours = std::mem::take(&mut file.tensors);
        let network = self.network()?;
        for (theirs, module) in keras(&network.arch).names(&modules(&network)) {
            for part in ["weight", "bias", "running_mean", "running_var"] {
                if let Some(array) = ours.get(&format!("{}.{part}", module.ours)) {
                    file.tensors
                        .insert(format!("{theirs}/{}", variable(module, part)), to_hwio(module, array)?);
                }
            }
        }
        Ok(file)
    }
}

/// Keras' word for a part of a layer.
fn variable(module: &Module, part: &'static str) -> &'static str {
    match (part, module.is_norm, module.place) {
        ("weight", true, _) => "gamma",
        ("bias", true, _) => "beta",
        ("running_mean", ..) => "moving_mean",
        ("running_var", ..) => "moving_variance",
        ("weight", false, Place::Depthwise(_)) => "depthwise_kernel",
        ("weight", false, _) => "kernel",
        _ => part,
    }
}

/// A weight as `[kh, kw, in, out]`, depthwise `[kh, kw, c, 1]`; V1's classifier is a 1x1 convolution, V2's is dense.
fn to_hwio(module: &Module, array: &Array) -> Result<Array, Error> {
    let shape = match (array.shape(), module.place) {
        (&[c, 1, h, w], Place::Depthwise(_)) => vec![h, w, c, 1],
        (&[o, i, h, w], _) => vec![h, w, i, o],
        (&[o, i], _) if module.ours == "classifier" => vec![1, 1, i, o],
        (&[o, i], _) => vec![i, o],
        _ => return Ok(array.clone()),
    };
    Array::new(shape, layout::to_engine(array.shape(), array.data()))
}
