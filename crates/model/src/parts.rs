//! The words that programs have for the tensors of a layer.

/// Our word for a part of a layer by another program's, or ours; none for an unknown part.
fn of_word(theirs: &str) -> Option<&'static str> {
    match theirs {
        "weight" | "weights" | "kernel" | "depthwise_kernel" | "depthwise_weights" | "gamma" => {
            Some("weight")
        }
        "bias" | "biases" | "beta" => Some("bias"),
        "running_mean" | "moving_mean" => Some("running_mean"),
        "running_var" | "moving_variance" => Some("running_var"),
        _ => None,
    }
}

/// Splits the name of a tensor into the path of its layer and our word for the part; none for an unknown part.
///
/// TensorFlow's `/` become dots, `:0` goes, and a word that Keras says twice (`conv1/conv1/kernel:0`) is said once.
pub(crate) fn split(name: &str) -> Option<(String, &'static str)> {
    let name = name.replace('/', ".");
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix(':').unwrap_or(&name);
    let (path, part) = name.rsplit_once('.')?;
    let part = of_word(part)?;
    let mut words: Vec<&str> = path.split('.').collect();
    words.dedup_by(|next, word| next == word && word.starts_with(|c: char| c.is_alphabetic()));
    Some((words.join("."), part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_as_programs_write_them() {
        for (name, path, part) in [
            ("conv1/conv1/kernel:0", "conv1", "weight"),
            (
                "MobilenetV1/Conv2d_3_depthwise/BatchNorm/moving_variance",
                "MobilenetV1.Conv2d_3_depthwise.BatchNorm",
                "running_var",
            ),
            ("features.0.0.weight", "features.0.0", "weight"),
            ("module.module.model.0.0.running_mean", "module.model.0.0", "running_mean"),
        ] {
            assert_eq!(split(name), Some((path.to_owned(), part)), "{name}");
        }
        for name in ["global_step", "conv1/Adam", ""] {
            assert_eq!(split(name), None, "{name}");
        }
    }
}
