//! The one table of convolutions: kernels are tested on it at every level, gradients are checked on it, and benches time
//! the layers of networks from it.

use crate::Conv;
use kernels::{ConvShape, Level, Rectifier};
use model::{ConvKind, Network};

/// The levels to test: all of this machine, or the one that `VERTEBRA_LEVEL` names.
///
/// # Panics
/// When the variable names none, or one that the machine does not have.
pub fn levels() -> impl Iterator<Item = Level> {
    let only = std::env::var_os("VERTEBRA_LEVEL").map(|_| Level::from_env().expect("VERTEBRA_LEVEL"));
    Level::available().filter(move |&level| only.is_none_or(|only| level == only))
}

/// What a kernel reads: stored values, and values deferred behind each kind of activation.
pub const ACTIVATIONS: [Option<Rectifier>; 5] = [
    None,
    Some(Rectifier::IDENTITY),
    Some(Rectifier::RELU),
    Some(Rectifier::RELU6),
    Some(Rectifier::leaky_relu(0.1)),
];

/// Channel counts around a vector of `lanes`.
pub fn channel_counts(lanes: usize) -> [usize; 5] {
    [1, lanes - 1, lanes, lanes + 1, 3 * lanes + 2]
}

/// Windows on small images, of one channel: sizes 1, 2, 7 and 8, square and not, strides 1 to 3; padded as TensorFlow's
/// SAME (less before than after), equally on both sides, not at all, and with more outputs below and right than the image
/// has.
pub fn windows(kernels: &[usize]) -> Vec<ConvShape> {
    let mut shapes = Vec::new();
    for &kernel in kernels {
        for (h, w) in [(1, 1), (2, 2), (7, 7), (8, 8), (7, 8), (8, 2), (1, 13)] {
            for stride in [1, 2, 3] {
                let same = |n: usize| {
                    let out = n.div_ceil(stride);
                    (((out - 1) * stride + kernel).saturating_sub(n) / 2, out)
                };
                let equal = |n: usize| {
                    let pad = (kernel - 1) / 2;
                    (pad, (n + 2 * pad).saturating_sub(kernel) / stride + 1)
                };
                let none = |n: usize| (0, n.saturating_sub(kernel) / stride + 1);
                let more = |n: usize| (kernel - 1, (n + 2 * (kernel - 1)).div_ceil(stride));
                for ((pad_top, out_h), (pad_left, out_w)) in
                    [(same(h), same(w)), (equal(h), equal(w)), (none(h), none(w)), (more(h), more(w))]
                {
                    let (inputs, outputs) = (1, 1);
                    let shape =
                        ConvShape { h, w, inputs, outputs, kernel, stride, pad_top, pad_left, out_h, out_w };
                    shapes.push(shape);
                }
            }
        }
    }
    shapes.dedup();
    shapes
}

/// A convolution, and what it reads.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// On a small image.
    pub conv: Conv,
    /// Stored values, or values deferred behind an activation.
    pub reads: Option<Rectifier>,
}

/// Every kind of convolution on small images, for vectors of `lanes`.
pub fn small(lanes: usize) -> Vec<Case> {
    let counts = channel_counts(lanes);
    let depthwise = windows(&[3, 5, 2]).into_iter().flat_map(|shape| {
        counts.map(|c| (ConvKind::Depthwise, ConvShape { inputs: c, outputs: c, ..shape }))
    });
    // Each shape meets one pair of channels; the table is long enough for all to meet.
    let pairs = [(1, lanes), (3, 2 * lanes), (lanes, 3), (lanes + 1, lanes + 1), (2, 3 * lanes + 2)];
    let full = windows(&[3, 5, 2, 1]).into_iter().zip(pairs.into_iter().cycle());
    let full =
        full.map(|(shape, (inputs, outputs))| (ConvKind::Full, ConvShape { inputs, outputs, ..shape }));
    // Pixels around the rows of a register tile at every level.
    let pixels = [1, 2, 5, 7, 8, 13, 15, 100];
    let products = pixels.into_iter().flat_map(|m| counts.map(|k| (m, k)));
    let products = products.flat_map(|(m, k)| counts.map(|n| (m, k, n)));
    // More than one block of rows, of columns and of k; pixels a multiple of 1 KiB apart.
    let large = [(130, 600, 224), (430, 256, 48)];
    let products = products.chain(large.into_iter().flat_map(|size| [size; 2]));
    let pointwise = products.map(|(m, k, n)| Conv::of_pixels(m, k, n, Rectifier::RELU6));
    let pointwise = pointwise.map(|conv| (conv.kind, conv.shape));
    // One more step after each round, so that no activation meets the same channels only.
    let reads = (0..).map(|i| ACTIVATIONS[(i + i / ACTIVATIONS.len()) % ACTIVATIONS.len()]);
    let all = depthwise.chain(full).chain(pointwise).zip(reads);
    let case = |((kind, shape), reads)| {
        let conv = Conv { kind, shape, activation: Rectifier::RELU6, spaced: [false; 2] };
        Case { conv, reads }
    };
    all.map(case).collect()
}

/// Those of one kind at every level that is tested.
pub fn of_kind(kind: ConvKind) -> impl Iterator<Item = (Level, Case)> {
    levels().flat_map(move |level| {
        small(level.lanes())
            .into_iter()
            .filter(move |case| case.conv.kind == kind)
            .map(move |case| (level, case))
    })
}

/// Those small enough that a difference of every value can be taken, some of each kind.
pub fn differentiable() -> Vec<Conv> {
    /// Products of a forward pass, times values to vary, of a case at most: of channels in one vector, and in several.
    const WORK: [u64; 2] = [40_000, 500_000];
    let costs = |conv: &Conv| conv.multiply_adds() * (conv.shape.input_len() + conv.weights()) as u64;
    let of = |kind: ConvKind, step: usize| {
        let all = |lanes: usize| {
            small(lanes).into_iter().map(|case| case.conv).filter(move |conv| conv.kind == kind)
        };
        let few = all(4).filter(|conv| (1..=WORK[0]).contains(&costs(conv))).step_by(step);
        // More channels than the widest vector holds, and no multiple of them.
        let many = all(16).filter(|conv| conv.shape.inputs == 17 && (1..=WORK[1]).contains(&costs(conv)));
        few.chain(many.step_by(3 * step)).collect::<Vec<_>>()
    };
    [of(ConvKind::Depthwise, 11), of(ConvKind::Full, 5), of(ConvKind::Pointwise, 9)].concat()
}

/// The different convolutions of a network in order of execution, each with how often the network has it.
pub fn of_network(network: &Network) -> Vec<(Conv, usize)> {
    let mut found: Vec<(Conv, usize)> = vec![];
    for (layer, size) in network.layers() {
        let conv = Conv::new(layer, size);
        match found.iter_mut().find(|(known, _)| *known == conv) {
            Some((_, count)) => *count += 1,
            None => found.push((conv, 1)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_cases_of_every_sort() {
        for kind in [ConvKind::Full, ConvKind::Depthwise, ConvKind::Pointwise] {
            let few: Vec<Conv> = differentiable().into_iter().filter(|conv| conv.kind == kind).collect();
            assert!(few.len() >= 5, "{kind:?}: {}", few.len());
            assert!(few.iter().any(|conv| conv.shape.inputs == 17), "{kind:?}: no channels beyond a vector");
            for lanes in [4, 8, 16] {
                let of_kind = || {
                    small(lanes)
                        .into_iter()
                        .map(|case| case.conv)
                        .filter(|conv| conv.kind == kind)
                        .map(|conv| conv.shape)
                };
                assert!(of_kind().any(|shape| shape.inputs % lanes != 0), "{kind:?} has no tail");
                let strided = of_kind().any(|shape| shape.stride > 1 && shape.pad_top > 0);
                assert_eq!(strided, kind != ConvKind::Pointwise, "{kind:?}");
            }
        }
    }
}
