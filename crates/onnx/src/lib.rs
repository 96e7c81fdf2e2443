//! A model as ONNX, for every runtime that is not ours: folded as our own inference folds it, in opset 13.
//!
//! The input `input` is `[N, channels, height, width]`, preprocessed; the outputs are `logits` and, with the model's
//! temperature applied, `probabilities` (of findings by a sigmoid, each with its slope and intercept), both `[N,
//! classes]`. `N` is free. What a user must know besides (classes, how an image becomes the input, threshold and
//! positive class) is JSON in the metadata. The format is small where it is written and never read, so it is written
//! here, with [`protobuf`], rather than with a dependency.
#![forbid(unsafe_code)]

mod graph;

use model::{Error, Metadata, Model, ResizeMode};
use protobuf::Message;
use serde_json::json;

/// The operators' version: `Clip` and `Softmax` have their present form from 13 on.
const OPSET: i64 = 13;
/// The file format's version that goes with it.
const IR_VERSION: i64 = 7;

/// The bytes of the ONNX file.
///
/// # Errors
/// When the weights are not those of the model's architecture.
pub fn to_bytes(model: &Model) -> Result<Vec<u8>, Error> {
    let Metadata { architecture, provenance, .. } = &model.metadata;
    model.weights.check(&architecture.network()?)?;
    // onnx.proto, message ModelProto.
    let mut file = Message::default()
        .int(1, IR_VERSION)
        .text(2, "vertebra")
        .text(3, &provenance.version)
        .message(7, &graph::write(model)?)
        .message(8, &Message::default().text(1, "").int(2, OPSET));
    for (key, value) in properties(&model.metadata) {
        file = file.message(14, &Message::default().text(1, key).text(2, &value.to_string()));
    }
    Ok(file.into_bytes())
}

/// What the tensors do not say. `input` is the way from a picture to them, in the order of its steps; the last step is
/// `preprocessing`: a pixel `x` in 0..=255 becomes `x * scale[c] + offset[c]`.
fn properties(metadata: &Metadata) -> Vec<(&'static str, serde_json::Value)> {
    let mut properties = vec![
        ("architecture", json!(metadata.architecture)),
        ("classes", json!(metadata.classes)),
        ("preprocessing", json!(metadata.preprocessing)),
        ("input", input(metadata)),
    ];
    match metadata.has_findings() {
        true => {
            properties.extend([("output", json!(metadata.output)), ("findings", json!(metadata.findings))])
        }
        false => properties.push(("temperature", json!(graph::temperature(metadata)))),
    }
    properties.extend(metadata.positive().map(|positive| ("positive", json!(positive))));
    properties.extend(metadata.threshold.as_ref().map(|threshold| ("threshold", json!(threshold))));
    properties
}

/// What `model::preprocess` does to a picture. Another filter, or a bilinear one that skips pixels where it shrinks, gives
/// other probabilities.
fn input(metadata: &Metadata) -> serde_json::Value {
    let prep = &metadata.preprocessing;
    let colours = match prep.channels {
        1 => {
            "gray, where a picture has colours, like Pillow's convert('L'): (19595 R + 38470 G + 7471 B) / 65536, rounded where \
             samples have 8 bits, and not where they have more"
        }
        _ => "red, green, blue: a gray picture three times",
    };
    let fit = match prep.fit {
        ResizeMode::Stretch => "stretch: to height and width, whatever the aspect ratio",
        ResizeMode::Pad => "pad: with the aspect ratio kept, centred, the rest black",
    };
    let mut steps = json!({
        "pixels": "0..=255; values of 16 bits are divided by 257",
        "colours": colours,
        "resize": {
            "size": [prep.height, prep.width],
            "fit": fit,
            "filter": "bilinear",
            "antialias": true,
            "like": "Pillow: Image.resize((width, height), Image.BILINEAR), in mode F (not rounded)",
            "skipped": "where a picture has the size already",
        },
        "scale": prep.scale,
        "offset": prep.offset,
        "layout": "NCHW",
    });
    if let Some(window) = prep.window {
        let [black, white] = window.ends();
        steps["window"] = json!({
            "center": window.center,
            "width": window.width,
            "applied": format!(
                "first, to gray of more than 8 bits: a value v (of DICOM after the modality transform, else as stored) becomes \
                 round(65535 * min(max((v - {black}) / ({white} - {black}), 0), 1)) / 257"
            ),
        });
    }
    steps
}
