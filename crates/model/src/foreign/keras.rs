//! Variables in an HDF5 file of Keras: `.h5`, `.weights.h5`, and the one in a `.keras` archive.
//!
//! HDF5 is read by the `hdf5-pure` crate; here are only the limits and Keras' habits. Before version 3, and in `.h5`, a
//! variable has its name (`conv1/conv1/kernel`); in `.weights.h5` it has a number (`layers/conv2d/vars/0`), which the
//! layer's class explains. Invariant: together the tensors have at most as many values as the file has bytes, and at most
//! [`MAX_GROUPS`] groups are looked into, so links in circles end.

use super::contents::{ForeignFile, passed_over};
use super::hints::Hints;
use crate::Error;
use crate::parts;
use crate::weights::Array;
use hdf5_pure::{DType, Dataset, File, Group};

/// A MobileNet with its optimizer has a fifth of this.
const MAX_GROUPS: usize = 4096;
/// Groups in groups in groups: a model in a model has half of this.
const MAX_DEPTH: usize = 12;

/// The tensors of the file, in the order of the layers where it tells that; an optimizer's are passed over.
pub(super) fn from_hdf5(bytes: Vec<u8>) -> Result<ForeignFile, Error> {
    let mut walk = LayerWalk { left: bytes.len(), groups: 0, tensors: vec![], skipped: vec![] };
    let file = File::from_bytes(bytes).map_err(broken)?;
    let root = file.root();
    walk.group(&root, "", 0)?;
    // A whole model has its description beside the weights.
    let config = root.attrs().ok().and_then(|attributes| {
        let text = attributes.get("model_config")?.as_str()?.to_owned();
        Some(Hints::of_keras(&text))
    });
    let mut hints = config.unwrap_or_default();
    hints.notes.extend(passed_over(&walk.skipped));
    Ok(ForeignFile { tensors: walk.tensors, told: None, hints })
}

/// The list of names that a group has in the attribute `key`: Keras' order of layers, or of variables.
fn order(group: &Group, key: &str) -> Vec<String> {
    let attributes = group.attrs().unwrap_or_default();
    attributes.get(key).and_then(|names| names.as_strings()).unwrap_or_default().to_vec()
}

fn broken(error: hdf5_pure::Error) -> Error {
    Error::Format(format!("not a sound HDF5 file: {error}"))
}

struct LayerWalk {
    /// Values that may still be read.
    left: usize,
    groups: usize,
    tensors: Vec<(String, Array)>,
    /// Integers, which are no weights.
    skipped: Vec<String>,
}

impl LayerWalk {
    fn group(&mut self, group: &Group, path: &str, depth: usize) -> Result<(), Error> {
        self.groups += 1;
        if self.groups > MAX_GROUPS || depth > MAX_DEPTH {
            let expected = format!("at most {MAX_GROUPS} groups, {MAX_DEPTH} deep");
            return Err(Error::invalid("HDF5 file", expected, "more"));
        }
        let first = self.tensors.len();
        for name in group.datasets().map_err(broken)? {
            let full = variable(path, &name);
            match self.array(&full, &group.dataset(&name).map_err(broken)?)? {
                Some(array) => self.tensors.push((full, array)),
                None => self.skipped.push(full),
            }
        }
        let mut groups = group.groups().map_err(broken)?;
        let layers = order(group, "layer_names");
        groups.sort_by_key(|name| layers.iter().position(|layer| layer == name));
        for name in groups {
            if !name.starts_with("optimizer") {
                let inner = group.group(&name).map_err(broken)?;
                self.group(&inner, &format!("{path}{name}/"), depth + 1)?;
            }
        }
        let variables = order(group, "weight_names");
        if !variables.is_empty() {
            let place = |name: &str| variables.iter().position(|variable| name.ends_with(variable.as_str()));
            self.tensors[first..].sort_by_key(|(name, _)| place(name));
        }
        Ok(())
    }

    fn array(&mut self, name: &str, dataset: &Dataset) -> Result<Option<Array>, Error> {
        let shape = dataset.shape().map_err(broken)?;
        let shape: Option<Vec<usize>> = shape.into_iter().map(|size| usize::try_from(size).ok()).collect();
        let shape = shape.unwrap_or_default();
        let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        self.left = len.and_then(|len| self.left.checked_sub(len)).ok_or_else(|| {
            Error::invalid(name, "at most as many values as the file has bytes", format!("{shape:?}"))
        })?;
        let data_len = len.unwrap_or_default();
        let data = match dataset.dtype().map_err(broken)? {
            DType::F32 => dataset.read_f32().map_err(broken)?,
            DType::F64 => dataset.read_f64().map_err(broken)?.into_iter().map(|value| value as f32).collect(),
            // Steps, seeds and the like, unless they are where weights should be.
            _ if parts::split(name).is_none() || data_len == 1 => return Ok(None),
            other => return Err(Error::invalid(name, "floating-point values", other)),
        };
        if let Some(at) = data.iter().position(|value| !value.is_finite()) {
            return Err(Error::invalid(name, "finite values", format!("{} at element {at}", data[at])));
        }
        Array::new(shape, data).map(Some)
    }
}

/// The name of a variable; a numbered one gets the word that its number means in a layer of that class.
fn variable(path: &str, name: &str) -> String {
    let Some(layer) = path.strip_suffix("vars/") else { return format!("{path}{name}") };
    let class = layer.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let words: &[&str] = match class {
        _ if class.starts_with("batch_normalization") => &["gamma", "beta", "moving_mean", "moving_variance"],
        _ if class.starts_with("normalization") => &["mean", "variance", "count"],
        _ => &["kernel", "bias"],
    };
    let word = name.parse::<usize>().ok().and_then(|number| words.get(number));
    format!("{layer}{}", word.unwrap_or(&name))
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn numbered_variables_get_their_names() {
        for (path, name, want) in [
            ("conv1/conv1/", "kernel:0", "conv1/conv1/kernel:0"),
            ("layers/conv2d_3/vars/", "0", "layers/conv2d_3/kernel"),
            ("layers/dense/vars/", "1", "layers/dense/bias"),
            ("layers/batch_normalization/vars/", "3", "layers/batch_normalization/moving_variance"),
            ("layers/dense/vars/", "7", "layers/dense/7"),
        ] {
            assert_eq!(variable(path, name), want);
        }
    }
}
