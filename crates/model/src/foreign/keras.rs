//! Variables in an HDF5 file of Keras: `.h5`, `.weights.h5`, and the one in a `.keras` archive.
//!
//! HDF5 is read by the `hdf5-pure` crate; here are only the limits and Keras' habits. Before version 3, and in `.h5`, a
//! variable has its name (`conv1/conv1/kernel`); in `.weights.h5` it has a number (`layers/conv2d/vars/0`), which the
//! layer's class explains. Invariant: together the tensors have at most as many values as the file has bytes, and at most
//! [`MAX_GROUPS`] groups are looked into, so links in circles end.

use crate::Error;
use crate::weights::Array;
use hdf5_pure::{DType, Dataset, File, Group};

/// A MobileNet with its optimizer has a fifth of this.
const MAX_GROUPS: usize = 4096;
/// Groups in groups in groups: a model in a model has half of this.
const MAX_DEPTH: usize = 12;

/// The tensors of the file, in the order of its groups; an optimizer's are passed over.
pub(super) fn from_hdf5(bytes: Vec<u8>) -> Result<Vec<(String, Array)>, Error> {
    let mut walk = Walk { left: bytes.len(), groups: 0, tensors: vec![] };
    let file = File::from_bytes(bytes).map_err(broken)?;
    walk.group(&file.root(), "", 0)?;
    Ok(walk.tensors)
}

fn broken(error: hdf5_pure::Error) -> Error {
    Error::Format(format!("not a sound HDF5 file: {error}"))
}

struct Walk {
    /// Values that may still be read.
    left: usize,
    groups: usize,
    tensors: Vec<(String, Array)>,
}

impl Walk {
    fn group(&mut self, group: &Group, path: &str, depth: usize) -> Result<(), Error> {
        self.groups += 1;
        if self.groups > MAX_GROUPS || depth > MAX_DEPTH {
            let expected = format!("at most {MAX_GROUPS} groups, {MAX_DEPTH} deep");
            return Err(Error::invalid("HDF5 file", expected, "more"));
        }
        for name in group.datasets().map_err(broken)? {
            let array = self.array(&format!("{path}{name}"), &group.dataset(&name).map_err(broken)?)?;
            self.tensors.push((variable(path, &name), array));
        }
        for name in group.groups().map_err(broken)? {
            if !name.starts_with("optimizer") {
                let inner = group.group(&name).map_err(broken)?;
                self.group(&inner, &format!("{path}{name}/"), depth + 1)?;
            }
        }
        Ok(())
    }

    fn array(&mut self, name: &str, dataset: &Dataset) -> Result<Array, Error> {
        let shape = dataset.shape().map_err(broken)?;
        let shape: Option<Vec<usize>> = shape.into_iter().map(|size| usize::try_from(size).ok()).collect();
        let shape = shape.unwrap_or_default();
        let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        self.left = len.and_then(|len| self.left.checked_sub(len)).ok_or_else(|| {
            Error::invalid(name, "at most as many values as the file has bytes", format!("{shape:?}"))
        })?;
        let data = match dataset.dtype().map_err(broken)? {
            DType::F32 => dataset.read_f32().map_err(broken)?,
            DType::F64 => dataset.read_f64().map_err(broken)?.into_iter().map(|value| value as f32).collect(),
            other => return Err(Error::invalid(name, "floating-point values", other)),
        };
        if let Some(at) = data.iter().position(|value| !value.is_finite()) {
            return Err(Error::invalid(name, "finite values", format!("{} at element {at}", data[at])));
        }
        Array::new(shape, data)
    }
}

/// The name of a variable; a numbered one gets the word that its number means in a layer of that class.
fn variable(path: &str, name: &str) -> String {
    let Some(layer) = path.strip_suffix("vars/") else { return format!("{path}{name}") };
    let class = layer.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let words: &[&str] = match class {
        _ if class.starts_with("batch_normalization") => &["gamma", "beta", "moving_mean", "moving_variance"],
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
