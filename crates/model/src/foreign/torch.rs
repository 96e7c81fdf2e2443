//! State dicts that `torch.save` wrote: a zip file of a pickle and one entry a storage, or, before PyTorch 1.6, pickles
//! one after the other with the storages behind them.
//!
//! A tensor may be any view of a storage. Invariant: the tensors that are made have together at most as many values as
//! the file has bytes, so views that share a storage cannot make much of little.

use super::archive::Archive;
use super::pickle::{Id, Pickle, Storage, Tensor, Value};
use crate::Error;
use crate::tensor_file::{array, is_counter};
use crate::weights::Array;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// How the first pickle of an old file begins: protocol 2, PyTorch's magic number, the end.
pub(super) const OLD_MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// Where a checkpoint keeps the state dict, if it is not one itself.
const NESTED: [&str; 7] =
    ["state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights"];

/// Tensors of a zip file, in the order of the state dict.
pub(super) fn from_zip(mut archive: Archive) -> Result<Vec<(String, Array)>, Error> {
    let Some(pickle) = archive.find("data.pkl") else {
        return Err(Error::Format("a zip file that neither torch.save nor Keras wrote".into()));
    };
    let folder = pickle.trim_end_matches("data.pkl").to_owned();
    let order = format!("{folder}byteorder");
    if archive.has(&order) && archive.read(&order)? != b"little" {
        return Err(Error::Format("its numbers are big-endian, which is not read".into()));
    }
    let (pickle, _) = Pickle::read(&archive.read(&pickle)?)?;
    tensors(&pickle, archive.len(), |storage| archive.read(&format!("{folder}data/{}", storage.key)))
}

/// Tensors of a file from before PyTorch 1.6: magic, version, system, state dict and keys are pickles; then come each
/// storage's length (8 bytes) and its values.
pub(super) fn from_old(bytes: &[u8]) -> Result<Vec<(String, Array)>, Error> {
    let mut at = OLD_MAGIC.len();
    let mut next = || {
        let (pickle, len) = Pickle::read(&bytes[at..])?;
        at += len;
        Ok::<_, Error>(pickle)
    };
    let (_version, _system, pickle, keys) = (next()?, next()?, next()?, next()?);
    let Value::List(order) = keys.root() else {
        return Err(Error::Format("the list of its storages is missing".into()));
    };
    let widths: BTreeMap<&str, usize> =
        pickle.storages().map(|storage| (&*storage.key, storage.dtype.bitsize() / 8)).collect();
    let mut places = BTreeMap::new();
    for &key in order {
        let Value::Text(key) = keys.get(key) else {
            return Err(Error::Format("the list of its storages holds what is no key".into()));
        };
        let cut = || Error::Format(format!("the file ends early, before the end of storage {key}"));
        let width = widths.get(&**key);
        let width = width.ok_or_else(|| Error::Format(format!("storage {key} belongs to no tensor")))?;
        let len = bytes[at..].first_chunk().map(|len| u64::from_le_bytes(*len));
        let len = len.and_then(|len| usize::try_from(len).ok()?.checked_mul(*width)).ok_or_else(cut)?;
        let end = (at + 8).checked_add(len).filter(|&end| end <= bytes.len()).ok_or_else(cut)?;
        places.insert(&**key, at + 8..end);
        at = end;
    }
    tensors(&pickle, bytes.len(), |storage| {
        let place = places.get(&*storage.key).cloned();
        let place = place.ok_or_else(|| Error::Format(format!("storage {} is missing", storage.key)))?;
        Ok(bytes[place].to_vec())
    })
}

/// The tensors of the state dict, which together have at most `most` values.
fn tensors(
    pickle: &Pickle,
    most: usize,
    mut bytes_of: impl FnMut(&Storage) -> Result<Vec<u8>, Error>,
) -> Result<Vec<(String, Array)>, Error> {
    let mut left = most;
    let mut tensors = Vec::new();
    let mut storages = BTreeMap::new();
    for (name, tensor) in state_dict(pickle)? {
        if is_counter(name, tensor.storage.dtype) {
            continue;
        }
        let len = tensor.shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        let rest = len.and_then(|len| left.checked_sub(len));
        left = rest.ok_or_else(|| {
            let expected = "at most as many values as the file has bytes";
            Error::invalid(name, expected, format!("{:?}", tensor.shape))
        })?;
        let storage = match storages.entry(&*tensor.storage.key) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => place.insert(bytes_of(&tensor.storage)?),
        };
        let values = gather(tensor, storage).ok_or_else(|| {
            let Tensor { storage, offset, shape, stride } = tensor;
            let found = format!("shape {shape:?} with stride {stride:?} from value {offset} on");
            Error::invalid(name, format!("a view of the {} values of its storage", storage.len), found)
        })?;
        tensors.push((name.to_owned(), array(name, tensor.storage.dtype, &tensor.shape, &values)?));
    }
    Ok(tensors)
}

/// The state dict's entries: those of the pickled dict, or of the one that a checkpoint keeps under a usual name.
fn state_dict(pickle: &Pickle) -> Result<Vec<(&str, &Tensor)>, Error> {
    let mut root = pickle.root();
    // A checkpoint in a checkpoint is the most that there is; a dict may hold itself.
    for _ in 0..3 {
        let Value::Dict(entries) = root else {
            return Err(Error::Format("a state dict was expected: a dict of tensors".into()));
        };
        let under = |wanted: &str| {
            let named =
                |&&(key, _): &&(Id, Id)| matches!(pickle.get(key), Value::Text(key) if **key == *wanted);
            let found = entries.iter().rfind(named).map(|&(_, value)| pickle.get(value));
            found.filter(|value| matches!(value, Value::Dict(_)))
        };
        if let Some(nested) = NESTED.iter().find_map(|name| under(name)) {
            root = nested;
            continue;
        }
        let entry = |&(key, value): &(Id, Id)| match (pickle.get(key), pickle.get(value)) {
            (Value::Text(name), Value::Tensor(tensor)) => Ok((&**name, tensor)),
            (Value::Text(name), other) => Err(Error::invalid(&**name, "a tensor", kind(other))),
            (other, _) => Err(Error::invalid("state dict", "names of tensors", kind(other))),
        };
        return entries.iter().map(entry).collect();
    }
    Err(Error::Format("a state dict was expected, found dicts in dicts in dicts".into()))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::None => "None",
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) | Value::Tuple(_) => "a list",
        Value::Dict(_) => "a dict",
        Value::Name(_) => "a function or class",
        Value::Storage(_) | Value::Tensor(_) => "a tensor",
    }
}

/// The bytes of the tensor's values, row-major; `None` if they do not all lie in the storage.
fn gather(tensor: &Tensor, storage: &[u8]) -> Option<Vec<u8>> {
    let Tensor { shape, stride, offset, storage: Storage { dtype, len, .. } } = tensor;
    let width = dtype.bitsize() / 8;
    if storage.len() != len.checked_mul(width)? {
        return None;
    }
    if shape.contains(&0) {
        return Some(vec![]);
    }
    let reach = shape
        .iter()
        .zip(stride)
        .try_fold(*offset, |last, (&size, &stride)| last.checked_add((size - 1).checked_mul(stride)?));
    reach.filter(|last| last < len)?;
    let count = shape.iter().product::<usize>();
    let mut values = Vec::with_capacity(count * width);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = offset + index.iter().zip(stride).map(|(i, stride)| i * stride).sum::<usize>();
        values.extend_from_slice(&storage[at * width..][..width]);
        for (i, size) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *size {
                break;
            }
            *i = 0;
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::Dtype;

    fn view(offset: usize, shape: &[usize], stride: &[usize]) -> Option<Vec<u8>> {
        let storage = Storage { key: "0".into(), dtype: Dtype::U8, len: 6 };
        let (shape, stride) = (shape.to_vec(), stride.to_vec());
        gather(&Tensor { storage, offset, shape, stride }, &[0, 1, 2, 3, 4, 5])
    }

    #[test]
    fn views_are_gathered_and_bounded() {
        assert_eq!(view(0, &[2, 3], &[3, 1]), Some(vec![0, 1, 2, 3, 4, 5]));
        assert_eq!(view(0, &[3, 2], &[1, 3]), Some(vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(view(5, &[], &[]), Some(vec![5]));
        assert_eq!(view(4, &[3], &[0]), Some(vec![4, 4, 4]));
        assert_eq!(view(9, &[0], &[1]), Some(vec![]));
        assert_eq!(view(1, &[2, 3], &[3, 1]), None);
        assert_eq!(view(0, &[2], &[usize::MAX]), None);
        assert_eq!(view(6, &[], &[]), None);
    }
}
