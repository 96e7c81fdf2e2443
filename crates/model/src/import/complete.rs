//! Tensors made whole: what other programs leave out, keep beside the weights, or write another way.

use crate::Error;
use crate::network::Network;
use crate::weights::{Array, Weights};

/// Without what optimizers keep beside weights in TensorFlow's checkpoints, and without losses that have weights.
pub(super) fn without_training_state(
    tensors: impl IntoIterator<Item = (String, Array)>,
    notes: &mut Vec<String>,
) -> Vec<(String, Array)> {
    const SLOTS: [&str; 9] = [
        "Adam",
        "Adam_1",
        "Momentum",
        "RMSProp",
        "RMSProp_1",
        "RMSProp_2",
        "Adagrad",
        "ExponentialMovingAverage",
        "Ftrl",
    ];
    const LOSSES: [&str; 6] = ["criterion", "loss", "loss_fn", "loss_func", "loss_function", "beta1_power"];
    let is_state = |name: &str| {
        let last = name.trim_end_matches(":0").rsplit('/').next().unwrap_or_default();
        let first = name.split('.').next().unwrap_or_default();
        SLOTS.contains(&last) && name.contains('/') || LOSSES.contains(&first) || last == "beta2_power"
    };
    let (state, kept): (Vec<_>, Vec<_>) = tensors.into_iter().partition(|(name, _)| is_state(name));
    if let Some((name, _)) = state.first() {
        notes.push(format!("passed over, for it is of training: {} tensors, such as {name}", state.len()));
    }
    kept
}

/// Norms without a scale (slim's default) or without a shift have 1 or 0 there. Only if all of them lack it: one that
/// does alone is a tensor gone missing.
pub(super) fn complete_norms(network: &Network, weights: &mut Weights, notes: &mut Vec<String>) {
    let norms: Vec<String> =
        network.layers().filter_map(|(conv, _)| conv.norm.as_ref().map(|norm| norm.name.clone())).collect();
    for (part, value, what) in [("weight", 1.0, "scale (gamma)"), ("bias", 0.0, "shift (beta)")] {
        let lengths = norms.iter().filter_map(|norm| {
            let variance = weights.get(&format!("{norm}.running_var"))?;
            (!weights.contains(&format!("{norm}.{part}"))).then(|| (norm, variance.data().len()))
        });
        let lengths: Vec<(&String, usize)> = lengths.collect();
        if lengths.len() != norms.len() {
            continue;
        }
        for (norm, len) in lengths {
            let constant = Array::new([len], vec![value; len]).expect("as many values as its shape says");
            weights.insert(format!("{norm}.{part}"), constant);
        }
        notes.push(format!("the norms have no {what}, so it is {value}"));
    }
}

/// A head as ours: a missing bias is 0, and one output, a sigmoid's, is the second of two classes, exactly:
/// `sigmoid(w x + b)` is `softmax([0, w x + b])[1]`. Whether it is one.
pub(super) fn complete_classifier(
    network: &Network,
    weights: &mut Weights,
    notes: &mut Vec<String>,
) -> Result<bool, Error> {
    let [weight, bias] = ["weight", "bias"].map(|part| format!("{}.{part}", network.classifier));
    let Some(&[outputs, features]) = weights.get(&weight).map(Array::shape) else { return Ok(false) };
    if !weights.contains(&bias) {
        weights.insert(bias.clone(), Array::new([outputs], vec![0.0; outputs])?);
        notes.push("the classifier has no bias, so it is 0".into());
    }
    if outputs != 1 || weights[&*bias].data().len() != 1 {
        return Ok(false);
    }
    for (name, shape) in [(weight, vec![2, features]), (bias, vec![2])] {
        let row = weights.remove(&name).expect("it is there").into_data();
        let rows = [vec![0.0; row.len()], row].concat();
        weights.insert(name, Array::new(shape, rows)?);
    }
    notes.push(
        "the head has one output, taken for a sigmoid: the second class is the one that it detects (--labels with two \
         names, or with its name alone)"
            .into(),
    );
    Ok(true)
}

/// Turns the inputs of the first convolution around, which then sees red, green, blue as it saw blue, green, red.
pub(super) fn turn_colours(network: &Network, weights: &mut Weights) {
    let Some((stem, _)) = network.layers().next() else { return };
    let area = stem.kernel * stem.kernel;
    if let Some(weight) = weights.get_mut(&format!("{}.weight", stem.name)) {
        for filter in weight.data_mut().chunks_exact_mut(3 * area) {
            let (first, rest) = filter.split_at_mut(2 * area);
            first[..area].swap_with_slice(rest);
        }
    }
}

/// A bias before a batch norm only moves its mean: `norm(x + bias)` is `norm` with `mean - bias`.
pub(super) fn fold_biases_into_means(network: &Network, weights: &mut Weights) {
    for (conv, _) in network.layers() {
        let Some(norm) = &conv.norm else { continue };
        let (bias, mean) = (format!("{}.bias", conv.name), format!("{}.running_mean", norm.name));
        let lengths = [&bias, &mean].map(|name| weights.get(name).map(|array| array.data().len()));
        if let [Some(bias_len), Some(mean_len)] = lengths
            && bias_len == mean_len
        {
            let bias = weights.remove(&bias).expect("it was found above");
            let mean = weights.get_mut(&mean).expect("it was found above");
            mean.data_mut().iter_mut().zip(bias.data()).for_each(|(mean, bias)| *mean -= bias);
        }
    }
}
