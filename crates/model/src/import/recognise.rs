//! Which program wrote the tensors, and what their names say.

use super::naming::{self, Dialect, Translation};
use super::options::Naming;
use super::order;
use super::tensor::ForeignTensor;
use crate::{Architecture, Error};
use std::collections::{BTreeMap, BTreeSet};

/// What the names say.
pub(super) struct Recognised {
    pub program: &'static str,
    pub arch: &'static str,
    pub naming: Naming,
    pub scaling: Option<&'static str>,
    /// Our name of a layer for its path.
    pub names: BTreeMap<String, String>,
    /// Paths of layers that are there a second time, which are left out.
    pub copies: BTreeMap<String, String>,
    pub notes: Vec<String>,
}

impl Recognised {
    pub fn of(tensors: &[ForeignTensor], hwio: bool) -> Result<Self, Error> {
        let paths: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.path.as_str()).collect();
        // Its other layers have the names of MobileNetV2's. A classifier may be called fc1 too, but is no convolution.
        let is_part = |part: &str| ["fc1", "se", "squeeze_excite"].contains(&part);
        let squeezes =
            |tensor: &&ForeignTensor| tensor.array.shape().len() == 4 && tensor.path.split('.').any(is_part);
        if let Some(ForeignTensor { path, .. }) = tensors.iter().find(squeezes) {
            let found = format!("{path}, as MobileNetV3 and EfficientNet have it");
            let expected = "MobileNetV1 or V2, which have no layer of squeeze and excitation";
            return Err(Error::invalid("tensor names", expected, found));
        }
        let by_layout = if hwio { Naming::Tf } else { Naming::Torchvision };
        let mut notes = Vec::new();
        if let Some((dialect, Translation { mut names, copies, prefix, .. })) = naming::dialect_of(&paths) {
            if let Some(other) = copies.values().next() {
                let key = other.trim_end_matches('.');
                notes.push(format!(
                    "taken: the network under {prefix:?}, not the one under {other:?} (--key {key})"
                ));
            }
            notes.extend(find_classifier(tensors, dialect.arch, &mut names, &copies)?);
            // Our names go with the published conventions of V1, TensorFlow's.
            let naming = dialect.naming.unwrap_or(Naming::Tf);
            let Dialect { name: program, arch, scaling, .. } = *dialect;
            return Ok(Self { program, arch, naming, scaling, names, copies, notes });
        }
        let (arch, names) = order::by_order(tensors, hwio).map_err(|why| {
            let expected = "MobileNet's as TensorFlow-slim, Keras, torchvision or timm write them, or its layers in order";
            let some: Vec<_> = tensors.iter().take(3).map(|tensor| tensor.name.as_str()).collect();
            Error::invalid("tensor names", expected, format!("{}, ...; in order: {why}", some.join(", ")))
        })?;
        notes.push(format!(
            "no name was known; the layers are {arch}'s in order, if its strides are too (tensors do not tell)"
        ));
        let (program, copies) = ("layers in order", BTreeMap::new());
        Ok(Self { program, arch, naming: by_layout, scaling: None, names, copies, notes })
    }
}

/// A classifier of another name, as transfer learning leaves it: the only dense layer that is left over.
fn find_classifier(
    tensors: &[ForeignTensor],
    arch: &str,
    names: &mut BTreeMap<String, String>,
    copies: &BTreeMap<String, String>,
) -> Result<Option<String>, Error> {
    let ours = Architecture::named(arch)?.network()?.classifier;
    if names.values().any(|name| *name == ours) {
        return Ok(None);
    }
    let left = tensors
        .iter()
        .filter(|tensor| !names.contains_key(&tensor.path) && !copies.contains_key(&tensor.path));
    let dense = |tensor: &&ForeignTensor| {
        tensor.part == Some("weight") && matches!(tensor.array.shape(), [_, _] | [1, 1, ..] | [.., 1, 1])
    };
    let [only] = left.filter(dense).collect::<Vec<_>>()[..] else { return Ok(None) };
    names.insert(only.path.clone(), ours);
    Ok(Some(format!("the classifier is {}", only.path)))
}
