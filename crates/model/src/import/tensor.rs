//! Another program's tensor, its name taken apart.

use crate::parts;
use crate::weights::Array;

/// A tensor of another program's.
pub(super) struct ForeignTensor {
    /// As in the file.
    pub name: String,
    /// The path of its layer.
    pub path: String,
    /// Our word for what it is in the layer; none if unknown.
    pub part: Option<&'static str>,
    pub array: Array,
}

impl ForeignTensor {
    pub fn new((name, array): (String, Array)) -> Self {
        let (path, part) = parts::split(&name).unzip();
        Self { path: path.unwrap_or_else(|| name.clone()), name, part, array }
    }
}

/// Whether weights are TensorFlow's `[kh, kw, in, out]` rather than PyTorch's `[out, in, kh, kw]`.
pub(super) fn is_hwio(tensors: &[ForeignTensor]) -> bool {
    let votes = tensors.iter().map(|tensor| match *tensor.array.shape() {
        [a, b, c, d] => i32::from(a == b && a <= 3) - i32::from(c == d && c <= 3),
        _ => 0,
    });
    votes.sum::<i32>() > 0
}
