//! What a file says of its network besides the tensors: the size of its input, how pixels are scaled, epsilon.
//!
//! Keras keeps the description of its layers beside the weights, timm and transformers a `config.json`, and published
//! files have the size in their names (`mobilenet_1_0_160_tf.h5`, a group `mobilenet_0.50_128`). Whatever is found holds
//! where no option says otherwise; what is not found stays unknown.

use crate::network::{Activation, Padding};
use serde_json::Value;

/// What was found; `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// `[height, width]` of the input.
    pub image_size: Option<[usize; 2]>,
    /// Of the 3x3 convolutions.
    pub padding: Option<Padding>,
    /// Of the batch norms.
    pub epsilon: Option<f32>,
    /// After the convolutions.
    pub activation: Option<Activation>,
    /// Factor and addend of a pixel in 0..=255: of each channel, or one of all.
    pub scaling: Option<[Vec<f32>; 2]>,
    /// Names of the classes.
    pub classes: Option<Vec<String>>,
    /// What was passed over or chosen, in a line each.
    pub notes: Vec<String>,
}

impl Hints {
    /// These, and those of `other` where there are none.
    pub(crate) fn or(mut self, other: Hints) -> Self {
        self.image_size = self.image_size.or(other.image_size);
        self.padding = self.padding.or(other.padding);
        self.epsilon = self.epsilon.or(other.epsilon);
        self.activation = self.activation.or(other.activation);
        self.scaling = self.scaling.or(other.scaling);
        self.classes = self.classes.or(other.classes);
        self.notes.extend(other.notes);
        self
    }

    /// From a published name: `mobilenet`, a width and a size, in this order.
    pub(crate) fn of_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let Some(at) = name.rfind("mobilenet") else { return Self::default() };
        let words = name[at..].split(|c: char| !c.is_ascii_alphanumeric());
        // The sizes that are published and their kind; a width (100 for 1.0) and a number of filters are none of these.
        let size = |word: &str| word.parse::<usize>().ok().filter(|n| n % 32 == 0 && (64..=512).contains(n));
        let side = words.rev().find_map(size);
        Self { image_size: side.map(|side| [side; 2]), ..Self::default() }
    }

    /// From Keras' description of a model, in JSON.
    pub(crate) fn of_keras(text: &str) -> Self {
        let Ok(document) = serde_json::from_str::<Value>(text) else { return Self::default() };
        let mut found = Keras::default();
        found.walk(&document);
        found.hints
    }

    /// From the description that timm or transformers put beside their weights, or into a checkpoint.
    pub(crate) fn of_config(document: &Value) -> Self {
        let mut hints = Self::default();
        let inner = ["pretrained_cfg", "default_cfg"].iter().find_map(|key| document.get(*key));
        let config = inner.unwrap_or(document);
        let numbers = |key: &str| {
            let list = config.get(key)?.as_array()?;
            list.iter().map(|value| value.as_f64().map(|value| value as f32)).collect::<Option<Vec<f32>>>()
        };
        if let Some(&[_, height, width]) = numbers("input_size").as_deref() {
            hints.image_size = Some([height as usize, width as usize]);
        }
        if let (Some(mean), Some(deviation)) = (numbers("mean"), numbers("std"))
            && mean.len() == deviation.len()
            && deviation.iter().all(|&deviation| deviation > 0.0)
        {
            let scale = deviation.iter().map(|deviation| 1.0 / (255.0 * deviation)).collect();
            let offset = mean.iter().zip(&deviation).map(|(mean, deviation)| -mean / deviation).collect();
            hints.scaling = Some([scale, offset]);
        }
        // transformers'.
        if let Some(side) = document.get("image_size").and_then(Value::as_u64) {
            hints.image_size = hints.image_size.or(Some([side as usize; 2]));
        }
        hints.epsilon = document.get("layer_norm_eps").and_then(Value::as_f64).map(|value| value as f32);
        let padding = document.get("tf_padding").and_then(Value::as_bool);
        hints.padding = padding.map(|same| if same { Padding::Same } else { Padding::Symmetric });
        hints.activation =
            document.get("hidden_act").and_then(Value::as_str).and_then(|name| name.parse().ok());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        hints.classes = match (document.get("label_names"), document.get("id2label")) {
            (Some(Value::Array(names)), _) => names.iter().map(text).collect(),
            (_, Some(Value::Object(names))) => {
                (0..names.len()).map(|class| text(names.get(&class.to_string())?)).collect()
            }
            _ => None,
        };
        hints
    }
}

/// A walk through Keras' description, layer by layer.
#[derive(Default)]
struct Keras {
    hints: Hints,
    /// Zeros of the last padding layer: before and after.
    zeros: Option<[u64; 2]>,
}

impl Keras {
    /// Serde limits how deep JSON can be.
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Object(object) => {
                if let (Some(Value::String(class)), Some(config)) =
                    (object.get("class_name"), object.get("config"))
                {
                    self.layer(class, config);
                }
                object.values().for_each(|value| self.walk(value));
            }
            Value::Array(values) => values.iter().for_each(|value| self.walk(value)),
            _ => {}
        }
    }

    fn layer(&mut self, class: &str, config: &Value) {
        let number = |key: &str| config.get(key).and_then(Value::as_f64).map(|value| value as f32);
        let size = |value: Option<&Value>| value.and_then(Value::as_u64).map(|size| size as usize);
        let shape = ["batch_shape", "batch_input_shape"].iter().find_map(|key| config.get(*key)?.as_array());
        if let Some([_, height, width, _]) = shape.map(Vec::as_slice)
            && let (Some(height), Some(width)) = (size(Some(height)), size(Some(width)))
        {
            self.hints.image_size.get_or_insert([height, width]);
        }
        match class {
            "Resizing" => {
                if let (Some(height), Some(width)) = (size(config.get("height")), size(config.get("width"))) {
                    self.hints.image_size = Some([height, width]);
                }
            }
            "Rescaling" => {
                let values = |key: &str| match config.get(key)? {
                    Value::Array(list) => list.iter().map(|value| value.as_f64().map(|v| v as f32)).collect(),
                    value => value.as_f64().map(|value| vec![value as f32]),
                };
                if let (Some(scale), Some(offset)) = (values("scale"), values("offset")) {
                    self.hints.scaling.get_or_insert([scale, offset]);
                }
            }
            "BatchNormalization" => {
                self.hints.epsilon = self.hints.epsilon.or(number("epsilon"));
            }
            "ReLU" | "LeakyReLU" | "Activation" => {
                let slope = number("negative_slope").or(number("alpha")).unwrap_or(0.3);
                let name = config.get("activation").and_then(Value::as_str);
                let found = match (class, number("max_value")) {
                    ("ReLU", Some(6.0)) => Some(Activation::Relu6),
                    ("ReLU", None) if number("negative_slope").unwrap_or(0.0) == 0.0 => {
                        Some(Activation::Relu)
                    }
                    ("LeakyReLU", _) => Some(Activation::LeakyRelu(slope)),
                    ("Activation", _) => {
                        name.filter(|name| name.starts_with("relu")).and_then(|name| name.parse().ok())
                    }
                    _ => None,
                };
                self.hints.activation = self.hints.activation.or(found);
            }
            "ZeroPadding2D" => {
                let first = config.get("padding").and_then(|padding| padding.get(0));
                self.zeros = first.and_then(|first| Some([first.get(0)?.as_u64()?, first.get(1)?.as_u64()?]));
            }
            "Conv2D" | "DepthwiseConv2D" => {
                let strides =
                    config.get("strides").and_then(|strides| strides.get(0)).and_then(Value::as_u64);
                if strides == Some(2) && self.hints.padding.is_none() {
                    let padding = config.get("padding").and_then(Value::as_str);
                    self.hints.padding = match (padding, self.zeros) {
                        (Some("same"), _) | (Some("valid"), Some([0, 1])) => Some(Padding::Same),
                        (Some("valid"), Some([1, 1])) => Some(Padding::Symmetric),
                        _ => None,
                    };
                }
            }
            "Dense" => {
                let several = size(config.get("units")).is_some_and(|units| units > 1);
                if several && config.get("activation").and_then(Value::as_str) == Some("sigmoid") {
                    self.hints.notes.push(
                        "its head is a sigmoid for each class, several of which can be true; here they exclude \
                         each other (softmax)"
                            .into(),
                    );
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_names_tell_the_size() {
        for (name, side) in [
            ("mobilenet_1_0_160_tf.h5", Some(160)),
            ("mobilenet_v1_0.25_128.safetensors", Some(128)),
            ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.4_224_no_top.h5", Some(224)),
            ("layers.mobilenetv2_1.00_96.Conv1", Some(96)),
            ("MobilenetV1/Conv2d_13_pointwise/weights", None),
            ("mobilenetv1_100.ra4_e3600_r224_in1k.pth", None),
            ("block_192.h5", None),
            ("mine.pth", None),
        ] {
            assert_eq!(Hints::of_name(name).image_size, side.map(|side| [side; 2]), "{name}");
        }
    }

    #[test]
    fn keras_describes_its_layers() {
        let text = r#"{"class_name": "Functional", "config": {"layers": [
            {"class_name": "InputLayer", "config": {"batch_shape": [null, 160, 128, 3]}},
            {"class_name": "Rescaling", "config": {"scale": 0.5, "offset": [1, 2, 3]}},
            {"class_name": "ZeroPadding2D", "config": {"padding": [[1, 1], [1, 1]]}},
            {"class_name": "Conv2D", "config": {"strides": [2, 2], "padding": "valid"}},
            {"class_name": "BatchNormalization", "config": {"epsilon": 0.002}},
            {"class_name": "ReLU", "config": {"max_value": null, "negative_slope": 0.0}},
            {"class_name": "Dense", "config": {"units": 3, "activation": "sigmoid"}}]}}"#;
        let hints = Hints::of_keras(text);
        assert_eq!((hints.image_size, hints.epsilon), (Some([160, 128]), Some(0.002)));
        assert_eq!((hints.padding, hints.activation), (Some(Padding::Symmetric), Some(Activation::Relu)));
        assert_eq!(hints.scaling, Some([vec![0.5], vec![1.0, 2.0, 3.0]]));
        assert!(hints.notes[0].contains("softmax"));
        assert_eq!(Hints::of_keras("{"), Hints::default());
    }

    #[test]
    fn configurations_beside_weights_are_read() {
        let timm = serde_json::json!({"label_names": ["no", "yes"], "pretrained_cfg":
            {"input_size": [3, 192, 160], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}});
        let hints = Hints::of_config(&timm);
        assert_eq!(hints.image_size, Some([192, 160]));
        let [scale, offset] = hints.scaling.unwrap();
        assert!((scale[2] - 1.0 / 127.5).abs() < 1e-9 && offset == [-1.0; 3]);
        assert_eq!(hints.classes.unwrap(), ["no", "yes"]);
        let transformers = serde_json::json!({"image_size": 192, "tf_padding": true, "layer_norm_eps": 0.001,
            "hidden_act": "relu6", "id2label": {"1": "dog", "0": "cat"}});
        let hints = Hints::of_config(&transformers);
        assert_eq!((hints.image_size, hints.padding), (Some([192; 2]), Some(Padding::Same)));
        assert_eq!((hints.epsilon, hints.activation), (Some(0.001), Some(Activation::Relu6)));
        assert_eq!(hints.classes.unwrap(), ["cat", "dog"]);
    }
}
