//! State dicts that `torch.save` wrote: a zip file of a pickle and one entry a storage, or, before PyTorch 1.6, pickles
//! one after the other with the storages behind them.
//!
//! A tensor may be any view of a storage. Invariant: the tensors that are made have together at most as many values as
//! the file has bytes, so views that share a storage cannot make much of little.

use super::archive::Archive;
use super::contents::{ForeignFile, passed_over};
use super::hints::Hints;
use super::pickle::{Id, Name, Pickle, Storage, Tensor, Value};
use crate::Error;
use crate::tensor_file::{array, is_counter, is_expected};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// How the first pickle of an old file begins: protocol 2, PyTorch's magic number, the end.
pub(super) const OLD_MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// Where a checkpoint keeps the state dict, if it is not one itself: moving averages first, as timm and torchvision's
/// references take them.
const NESTED: [&str; 24] = [
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema_model",
    "ema",
    "params_ema",
    "averaged_model",
    "swa_state_dict",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model_weights",
    "model",
    "net",
    "net_state_dict",
    "network",
    "weights",
    "params",
    "shadow",
    "module",
    "backbone",
    "encoder",
    "student",
    "teacher",
];

/// Tensors of a zip file, in the order of the state dict.
pub(super) fn from_zip(mut archive: Archive, key: Option<&str>) -> Result<ForeignFile, Error> {
    let Some(pickle) = archive.find("data.pkl") else {
        return Err(Error::Format("a zip file that neither torch.save nor Keras wrote".into()));
    };
    let folder = pickle.trim_end_matches("data.pkl").to_owned();
    let order = format!("{folder}byteorder");
    if archive.has(&order) && archive.read(&order)? != b"little" {
        return Err(Error::Format("its numbers are big-endian, which is not read".into()));
    }
    let (pickle, _) = Pickle::read(&archive.read(&pickle)?)?;
    let most = archive.len();
    tensors(&pickle, key, most, |storage| archive.read(&format!("{folder}data/{}", storage.key)))
}

/// Tensors of a file from before PyTorch 1.6: magic, version, system, state dict and keys are pickles; then come each
/// storage's length (8 bytes) and its values.
pub(super) fn from_old(bytes: &[u8], key: Option<&str>) -> Result<ForeignFile, Error> {
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
    tensors(&pickle, key, bytes.len(), |storage| {
        let place = places.get(&*storage.key).cloned();
        let place = place.ok_or_else(|| Error::Format(format!("storage {} is missing", storage.key)))?;
        Ok(bytes[place].to_vec())
    })
}

/// The tensors of the state dict, which together have at most `most` values.
fn tensors(
    pickle: &Pickle,
    key: Option<&str>,
    most: usize,
    mut bytes_of: impl FnMut(&Storage) -> Result<Vec<u8>, Error>,
) -> Result<ForeignFile, Error> {
    let mut left = most;
    let mut tensors = Vec::new();
    let mut storages = BTreeMap::new();
    let mut hints = config(pickle);
    let mut skipped = Vec::new();
    for (name, tensor) in state_dict(pickle, key, &mut hints.notes)? {
        if is_counter(name, tensor.storage.dtype, &tensor.shape)? {
            if !is_expected(name) {
                skipped.push(name.to_owned());
            }
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
    hints.notes.extend(passed_over(&skipped));
    Ok(ForeignFile { tensors, told: None, hints })
}

/// The description of the network that timm puts into a checkpoint.
fn config(pickle: &Pickle) -> Hints {
    let Value::Dict(entries) = pickle.root() else { return Hints::default() };
    let named = |&&(key, _): &&(Id, Id)| matches!(pickle.get(key), Value::Text(key) if matches!(&**key, "default_cfg" | "pretrained_cfg"));
    let found = entries.iter().find(named).map(|&(_, value)| json(pickle, value, 0));
    found.map(|document| Hints::of_config(&document)).unwrap_or_default()
}

/// Numbers, texts, lists and dicts as JSON; what goes deeper than a description does is left out.
fn json(pickle: &Pickle, id: Id, depth: usize) -> serde_json::Value {
    const DEEP: usize = 2;
    match pickle.get(id) {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(text) => (&**text).into(),
        Value::List(items) | Value::Tuple(items) if depth < DEEP && items.len() <= 1000 => {
            items.iter().map(|&item| json(pickle, item, depth + 1)).collect()
        }
        Value::Dict(entries) if depth < DEEP && entries.len() <= 1000 => {
            let entry = |&(key, value): &(Id, Id)| match pickle.get(key) {
                Value::Text(key) => Some((key.to_string(), json(pickle, value, depth + 1))),
                _ => None,
            };
            let mut object = serde_json::Map::new();
            object.extend(entries.iter().filter_map(entry));
            serde_json::Value::Object(object)
        }
        _ => serde_json::Value::Null,
    }
}

/// The state dict's entries: those of the pickled dict, or of the one that a checkpoint keeps under `key` or a usual name,
/// or of its only dict of tensors.
fn state_dict<'a>(
    pickle: &'a Pickle,
    key: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<Vec<(&'a str, &'a Tensor)>, Error> {
    let mut root = pickle.root();
    let mut key = key;
    // A checkpoint in a checkpoint is the most that there is; a dict may hold itself.
    for _ in 0..4 {
        let Value::Dict(entries) = root else { return Err(no_dict(root)) };
        let dicts: Vec<(&str, &Value)> = entries
            .iter()
            .filter_map(|&(name, value)| match (pickle.get(name), pickle.get(value)) {
                (Value::Text(name), dict @ Value::Dict(_)) => Some((&**name, dict)),
                _ => None,
            })
            .collect();
        // The last of a name is the one that Python keeps.
        let under = |wanted: &str| dicts.iter().rfind(|(name, _)| *name == wanted).copied();
        let usual: Vec<(&str, &Value)> = NESTED.iter().filter_map(|name| under(name)).collect();
        let given = key.and_then(under);
        let holds_tensors = |value: &Value| match value {
            Value::Dict(entries) => entries.iter().any(|&(_, id)| matches!(pickle.get(id), Value::Tensor(_))),
            _ => false,
        };
        let only = || match dicts.iter().filter(|(_, dict)| holds_tensors(dict)).collect::<Vec<_>>()[..] {
            [only] if !holds_tensors(root) => Some(*only),
            _ => None,
        };
        if let Some((name, dict)) = given.or(usual.first().copied()).or_else(only) {
            let others: Vec<&str> =
                usual.iter().map(|(name, _)| *name).filter(|other| *other != name).collect();
            if given.is_some() {
                notes.push(format!("taken: {name}, as --key says"));
                key = None;
            } else if let Some(other) = others.first() {
                let all = others.join(", ");
                notes.push(format!("taken: {name} of the file, which has {all} too: --key {other}"));
            }
            root = dict;
            continue;
        }
        return tensors_of(pickle, entries, notes);
    }
    Err(Error::Format("a state dict was expected, found dicts in dicts in dicts".into()))
}

fn no_dict(found: &Value) -> Error {
    Error::Format(match found {
        Value::Object(name) | Value::Name(Name::Other(name)) => format!(
            "the file holds the object {name}; only tensors in plain containers are read, and nothing is ever \
             executed. In PyTorch: torch.save(model.state_dict(), FILE)"
        ),
        other => format!("a state dict was expected: a dict of tensors, found {}", kind(other)),
    })
}

/// The tensors of a dict. Numbers and settings among them are passed over; an object where a tensor should be is not.
fn tensors_of<'a>(
    pickle: &'a Pickle,
    entries: &[(Id, Id)],
    notes: &mut Vec<String>,
) -> Result<Vec<(&'a str, &'a Tensor)>, Error> {
    let (mut tensors, mut others) = (Vec::new(), Vec::new());
    for &(key, value) in entries {
        match (pickle.get(key), pickle.get(value)) {
            (Value::Text(name), Value::Tensor(tensor)) => tensors.push((&**name, tensor)),
            (Value::Text(name), other) => others.push((&**name, other)),
            (other, _) => return Err(Error::invalid("state dict", "names of tensors", kind(other))),
        }
    }
    let is_weight = |name: &str| crate::parts::split(name).is_some();
    if let Some((name, other)) = others.iter().find(|(name, _)| tensors.is_empty() || is_weight(name)) {
        return Err(Error::invalid(*name, "a tensor", kind(other)));
    }
    if let [(name, _), ..] = others[..] {
        notes.push(format!("passed over, for they are no tensors: {} entries, such as {name}", others.len()));
    }
    Ok(tensors)
}

fn kind(value: &Value) -> String {
    match value {
        Value::Object(name) => return format!("the object {name}"),
        Value::None => "None",
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) | Value::Tuple(_) => "a list",
        Value::Dict(_) => "a dict",
        Value::Name(Name::Other(name)) => return format!("the object {name}"),
        Value::Name(_) => "a function or class",
        Value::Storage(_) | Value::Tensor(_) => "a tensor",
    }
    .to_owned()
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
