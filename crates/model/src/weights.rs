//! Named tensors in the stored layout, and the check that they are exactly a network's.

use crate::Error;
use crate::network::{Network, Role};
use std::collections::btree_map::{IntoIter, Iter};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Index;

/// A dense row-major tensor. Invariant: `data.len()` is the product of `shape`.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Array {
    /// A tensor of `shape`; an error if `data` has another length than it.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Result<Self, Error> {
        let shape = shape.into();
        let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        if len != Some(data.len()) {
            return Err(Error::invalid(format!("tensor of {shape:?}"), "as many values", data.len()));
        }
        Ok(Array { shape, data })
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Values, row-major.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values, without a copy.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }
}

/// A map from name to tensor, in order of name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(BTreeMap<String, Array>);

impl Weights {
    /// No tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a tensor.
    pub fn insert(&mut self, name: impl Into<String>, array: Array) -> Option<Array> {
        self.0.insert(name.into(), array)
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, name: &str) -> Option<Array> {
        self.0.remove(name)
    }

    /// A tensor, if there is one of that name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.0.get(name)
    }

    /// A tensor, if there is one of that name.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Array> {
        self.0.get_mut(name)
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every tensor, in order of name.
    pub fn iter(&self) -> Iter<'_, String, Array> {
        self.0.iter()
    }

    /// Keeps the tensors whose name passes.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }

    /// That these are the tensors of `network`: the error lists missing, misshapen and unexpected ones and variances below
    /// 0, the first few of each kind and how many more there are.
    pub fn check(&self, network: &Network) -> Result<(), Error> {
        let specs = network.tensors();
        let (mut missing, mut wrong) = (Vec::new(), Vec::new());
        for spec in &specs {
            match self.get(&spec.name) {
                None => missing.push(format!("missing {} {:?}", spec.name, spec.shape)),
                Some(array) if array.shape != spec.shape => {
                    wrong.push(format!("{}: expected {:?}, found {:?}", spec.name, spec.shape, array.shape))
                }
                Some(array) if spec.role == Role::Variance && array.data.iter().any(|&v| v < 0.0) => {
                    wrong.push(format!("{}: a variance below 0", spec.name));
                }
                Some(_) => {}
            }
        }
        let expected: BTreeSet<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let extra = self.iter().filter(|(name, _)| !expected.contains(name.as_str()));
        let extra = extra.map(|(name, array)| format!("unexpected {name} {:?}", array.shape)).collect();
        let problems: Vec<String> = [missing, wrong, extra].into_iter().flat_map(first_few).collect();
        if problems.is_empty() {
            return Ok(());
        }
        let Network { arch, width, channels, classes, .. } = network;
        let network = format!("{arch} (width {width}, {channels} channels, {classes} classes)");
        Err(Error::Tensors { network, problems })
    }
}

/// The first of some lines, and how many more there are.
fn first_few(mut lines: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 6;
    if lines.len() > SHOWN {
        let kind =
            lines[0].split(' ').next().filter(|word| !word.ends_with(':')).unwrap_or("wrong").to_owned();
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more {kind}"));
    }
    lines
}

/// The tensor of that name; panics if there is none, so only after [`Weights::check`].
impl Index<&str> for Weights {
    type Output = Array;

    fn index(&self, name: &str) -> &Array {
        &self.0[name]
    }
}

impl FromIterator<(String, Array)> for Weights {
    fn from_iter<I: IntoIterator<Item = (String, Array)>>(tensors: I) -> Self {
        let mut weights = BTreeMap::new();
        // One by one: what collects a map sorts it first, which is some kilobytes of code for every iterator.
        weights.extend(tensors);
        Weights(weights)
    }
}

impl IntoIterator for Weights {
    type Item = (String, Array);
    type IntoIter = IntoIter<String, Array>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Architecture;

    #[test]
    fn wrong_tensors_are_listed_but_not_all_of_many() {
        let network = Architecture::named("mobilenet-v1").unwrap().network().unwrap();
        let zeros = |shape: &[usize]| Array::new(shape, vec![0.0; shape.iter().product()]).unwrap();
        let specs = network.tensors();
        let mut weights: Weights = specs.iter().map(|spec| (spec.name.clone(), zeros(&spec.shape))).collect();
        weights.check(&network).unwrap();

        weights.remove("conv1.weight");
        weights.remove("classifier.bias");
        weights.insert("stranger", zeros(&[3]));
        weights.insert("conv1_bn.bias", zeros(&[31]));
        weights.get_mut("conv1_bn.running_var").unwrap().data_mut()[5] = -1.0;
        let message = weights.check(&network).unwrap_err().to_string();
        for part in [
            "mobilenet-v1 (width 1, 1 channels, 2 classes)",
            "missing conv1.weight [32, 1, 3, 3]",
            "missing classifier.bias [2]",
            "unexpected stranger [3]",
            "conv1_bn.bias: expected [32], found [31]",
            "conv1_bn.running_var: a variance below 0",
        ] {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
        assert_eq!(message.lines().count(), 6, "{message}");
        let message = Weights::new().check(&network).unwrap_err().to_string();
        assert_eq!(message.lines().count(), 1 + 6 + 1, "{message}");
        assert!(message.ends_with(&format!("and {} more missing", specs.len() - 6)), "{message}");
    }

    #[test]
    fn an_array_has_as_many_values_as_its_shape() {
        assert!(Array::new([2, 3], vec![0.0; 6]).is_ok());
        assert!(Array::new([2, 3], vec![0.0; 5]).is_err());
        assert!(Array::new([usize::MAX, 2], vec![]).is_err());
    }
}
