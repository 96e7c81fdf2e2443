//! Layers by their order, where no name is known: PyTorch networks are full of `model.3.0.weight`.
//!
//! The k-th convolution is the architecture's k-th and the k-th norm follows it. That is accepted only if every
//! convolution has the right kind and kernel and takes as many channels as the one before it gives, and every norm is as
//! long as its convolution is wide. Strides are not in the tensors; the caller is told.

use super::naming::{Module, Place, modules, names_of};
use super::tensor::ForeignTensor;
use crate::network::{ConvKind, ConvLayer};
use crate::{Architecture, NAMES};
use std::collections::BTreeMap;

/// The architecture whose layers these are in order, and our name for each path; or why there is none.
pub(super) fn by_order(
    tensors: &[ForeignTensor],
    hwio: bool,
) -> Result<(&'static str, BTreeMap<String, String>), String> {
    let given: Vec<&ForeignTensor> = tensors.iter().collect();
    let mut natural = given.clone();
    natural.sort_by_cached_key(|tensor| natural_key(&tensor.path));
    // PyTorch defines layers in order; safetensors sorts them by name, where 10 comes before 2.
    let sorted = given.is_sorted_by_key(|tensor| &tensor.name);
    let orders = if sorted { vec![natural] } else { vec![given, natural] };
    let mut reason = String::new();
    for order in orders {
        match assign(&order, hwio) {
            Ok(found) => return Ok(found),
            Err(why) if reason.is_empty() => reason = why,
            Err(_) => {}
        }
    }
    Err(reason)
}

/// The convolutions, norms and dense layers of a file, each kind in order.
#[derive(Default)]
struct LayersInOrder<'a> {
    /// Path, and `[outputs, inputs, kernel]`; a depthwise convolution has 1 input.
    convs: Vec<(&'a str, [usize; 3])>,
    /// Path and length.
    norms: Vec<(&'a str, usize)>,
    dense: Vec<&'a str>,
}

impl<'a> LayersInOrder<'a> {
    fn of(tensors: &[&'a ForeignTensor], hwio: bool) -> Self {
        let mut layers = Self::default();
        for tensor in tensors {
            let path = tensor.path.as_str();
            match (tensor.part, tensor.array.shape()) {
                (Some("weight"), &[h, _, c, 1]) if hwio && h > 1 => layers.convs.push((path, [c, 1, h])),
                (Some("weight"), &[h, _, i, o]) if hwio => layers.convs.push((path, [o, i, h])),
                (Some("weight"), &[o, i, h, _]) => layers.convs.push((path, [o, i, h])),
                (Some("weight"), &[_, _]) => layers.dense.push(path),
                (Some("running_var"), &[len]) => layers.norms.push((path, len)),
                _ => {}
            }
        }
        if layers.dense.is_empty() {
            layers.dense.extend(layers.convs.pop().map(|(path, _)| path));
        }
        layers
    }
}

fn assign(
    tensors: &[&ForeignTensor],
    hwio: bool,
) -> Result<(&'static str, BTreeMap<String, String>), String> {
    let LayersInOrder { convs, norms, dense } = LayersInOrder::of(tensors, hwio);
    let networks = NAMES.map(|name| {
        let network = Architecture::named(name).and_then(|architecture| architecture.network());
        (name, network.expect("published choices make a network"))
    });
    let counts = networks.each_ref().map(|(name, network)| format!("{} as {name}", network.layers().count()));
    let Some((arch, network)) = networks.iter().find(|(_, network)| network.layers().count() == convs.len())
    else {
        return Err(format!("expected {} convolutions, found {}", counts.join(" or "), convs.len()));
    };
    if dense.len() != 1 || !(norms.is_empty() || norms.len() == convs.len()) {
        let (norms, dense) = (norms.len(), dense.len());
        return Err(format!("{} convolutions, {norms} norms and {dense} dense layers", convs.len()));
    }
    let mut inputs = None;
    for (at, ((path, found), (expected, _))) in convs.iter().zip(network.layers()).enumerate() {
        if !fits(*found, inputs, expected) {
            let [o, i, k] = found;
            let after = inputs.map_or(String::new(), |channels| format!(" after {channels} channels"));
            return Err(format!("{path} ({i} to {o} channels, {k}x{k}) is no {}{after}", expected.name));
        }
        if let Some((norm, len)) = norms.get(at).filter(|(_, len)| *len != found[0]) {
            return Err(format!("{norm} has {len} channels after {path} with {}", found[0]));
        }
        inputs = Some(found[0]);
    }
    let (mut convs, mut norms) = (convs.iter(), norms.iter());
    let path_of = |Module { place, is_norm, ours }: &Module| {
        let path = match (place, is_norm) {
            (Place::Classifier, _) => dense.first().copied(),
            (_, true) => norms.next().map(|(path, _)| *path),
            (_, false) => convs.next().map(|(path, _)| *path),
        };
        Some((path?.to_owned(), ours.clone()))
    };
    Ok((arch, names_of(modules(network).iter().filter_map(path_of))))
}

/// Whether a convolution `[outputs, inputs, kernel]` after `channels` channels can be `expected` at some width.
fn fits([outputs, inputs, kernel]: [usize; 3], channels: Option<usize>, expected: &ConvLayer) -> bool {
    let connected = match (expected.kind, channels) {
        (ConvKind::Depthwise, Some(channels)) => inputs == 1 && outputs == channels,
        (_, Some(channels)) => inputs == channels,
        (_, None) => matches!(inputs, 1 | 3),
    };
    kernel == expected.kernel && connected
}

/// Numbers in a name compare as numbers.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Number(u64),
    Word(String),
}

fn natural_key(path: &str) -> Vec<Token> {
    let runs = path.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let text = |run| String::from_utf8_lossy(run).into_owned();
    runs.map(|run| text(run).parse().map_or_else(|_| Token::Word(text(run)), Token::Number)).collect()
}

#[cfg(test)]
mod tests {
    use super::natural_key;

    #[test]
    fn numbers_in_names_count() {
        let mut names = ["b.10.x", "b.2.x", "b.2.10", "a9", "b.2"];
        names.sort_by_cached_key(|name| natural_key(name));
        assert_eq!(names, ["a9", "b.2", "b.2.10", "b.2.x", "b.10.x"]);
    }
}
