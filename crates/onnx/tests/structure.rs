//! The written file, read back field by field by a reader that shares nothing with the writer. What a runtime makes of it
//! is checked by `tools/check_onnx.py`.

use infer::fold;
use model::{
    Activation, Architecture, Array, Metadata, Model, Padding, Preprocessing, ResizeMode, Role,
    StoredThreshold,
};

fn model(architecture: Architecture) -> Model {
    let mut n = 0u32;
    let tensors = architecture.network().unwrap().tensors().into_iter().map(|spec| {
        let mut value = || {
            n += 1;
            let value = (f64::from(n) * 0.618).sin() as f32;
            if spec.role == Role::Variance { value.abs() + 0.1 } else { value }
        };
        let data = (0..spec.elements()).map(|_| value()).collect();
        (spec.name.clone(), Array::new(spec.shape.clone(), data).unwrap())
    });
    let weights = tensors.collect();
    let prep = Preprocessing::new(architecture.channels, architecture.image_size);
    Model::new(Metadata::new(architecture, vec!["no".into(), "yes".into()], prep), weights).unwrap()
}

fn small(name: &str) -> Architecture {
    Architecture { width: 0.25, image_size: [64, 48], ..Architecture::named(name).unwrap() }
}

/// The fields of a message: number, integer value (or four bytes as one), and bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut fields = vec![];
    let varint = |bytes: &mut &[u8]| {
        let len = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let (taken, rest) = bytes.split_at(len);
        *bytes = rest;
        taken.iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f))
    };
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (value, data) = match key & 7 {
            0 => (varint(&mut bytes), &[][..]),
            2 => {
                let (data, rest) = {
                    let len = varint(&mut bytes) as usize;
                    bytes.split_at(len)
                };
                bytes = rest;
                (0, data)
            }
            5 => {
                let (data, rest) = bytes.split_at(4);
                bytes = rest;
                (u32::from_le_bytes(data.try_into().unwrap()).into(), &[][..])
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, value, data));
    }
    fields
}

fn all(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    fields(bytes).into_iter().filter(|field| field.0 == number).map(|field| field.2).collect()
}

fn text(bytes: &[u8], number: u64) -> String {
    String::from_utf8(all(bytes, number)[0].to_vec()).unwrap()
}

fn count(graph: &[u8], operator: &str) -> usize {
    all(graph, 1).into_iter().filter(|node| text(node, 4) == operator).count()
}

#[test]
fn nodes_are_those_of_the_network() {
    // Ten sums, and one more at this width, where the first block takes as many channels as it gives.
    for (name, convs, clips, sums) in [("mobilenet-v1", 27, 27, 0), ("mobilenet-v2", 52, 35, 11)] {
        let bytes = onnx::to_bytes(&model(small(name))).unwrap();
        let graph = all(&bytes, 7)[0];
        let found = ["Conv", "Clip", "Add", "Gemm", "Softmax"].map(|operator| count(graph, operator));
        assert_eq!(found, [convs, clips, sums, 1, 1], "{name}");
        assert_eq!(text(all(graph, 11)[0], 1), "input");
        assert_eq!([0, 1].map(|at| text(all(graph, 12)[at], 1)), ["logits", "probabilities"]);
        // Every value that a node reads was written before.
        let mut known: Vec<String> = all(graph, 5).into_iter().map(|tensor| text(tensor, 8)).collect();
        known.push("input".into());
        for node in all(graph, 1) {
            for input in all(node, 1) {
                assert!(known.contains(&String::from_utf8_lossy(input).into_owned()), "{input:?}");
            }
            known.push(text(node, 2));
        }
    }
}

/// The attribute of a node that is a list of integers.
fn ints(node: &[u8], name: &str) -> Vec<u64> {
    let attribute = all(node, 5).into_iter().find(|attribute| text(attribute, 1) == name).unwrap();
    fields(attribute).into_iter().filter(|field| field.0 == 8).map(|field| field.1).collect()
}

#[test]
fn padding_and_activation_are_the_models() {
    for (padding, activation, pads, operator) in [
        (Padding::Same, Activation::Relu, [0, 0, 1, 1], "Relu"),
        (Padding::Symmetric, Activation::LeakyRelu(0.1), [1, 1, 1, 1], "LeakyRelu"),
    ] {
        let bytes =
            onnx::to_bytes(&model(Architecture { padding, activation, ..small("mobilenet-v1") })).unwrap();
        let graph = all(&bytes, 7)[0];
        assert_eq!(ints(all(graph, 1)[0], "pads"), pads);
        assert_eq!(count(graph, operator), 27);
    }
}

#[test]
fn weights_are_the_folded_ones_and_metadata_is_there() {
    let mut model = model(small("mobilenet-v1"));
    model.metadata.threshold =
        Some(StoredThreshold { value: 0.25, rule: "Youden".into(), positive: "yes".into(), evidence: None });
    model.metadata.preprocessing.fit = ResizeMode::Pad;
    let bytes = onnx::to_bytes(&model).unwrap();
    let graph = all(&bytes, 7)[0];
    let network = model.network().unwrap();
    let (conv, _) = network.layers().nth(4).unwrap();
    let bias =
        all(graph, 5).into_iter().find(|tensor| text(tensor, 8) == format!("{}.bias", conv.name)).unwrap();
    let found: Vec<f32> =
        all(bias, 9)[0].as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    assert_eq!(found, fold(conv, &model.weights).bias);

    let properties: Vec<(String, String)> =
        all(&bytes, 14).into_iter().map(|entry| (text(entry, 1), text(entry, 2))).collect();
    assert!(properties.contains(&("classes".into(), r#"["no","yes"]"#.into())), "{properties:?}");
    let json = |key: &str| -> serde_json::Value {
        let (_, value) = properties.iter().find(|(found, _)| found == key).unwrap();
        serde_json::from_str(value).unwrap()
    };
    assert!(json("preprocessing")["scale"].is_array());
    let input = json("input");
    let resize = &input["resize"];
    assert_eq!((&resize["filter"], &resize["antialias"]), (&"bilinear".into(), &true.into()));
    assert_eq!(resize["size"], serde_json::json!([64, 48]));
    assert!(
        resize["fit"].as_str().unwrap().starts_with("pad") && input["offset"] == serde_json::json!([-1.0])
    );
    assert!(input["colours"].as_str().unwrap().starts_with("gray"));
    assert_eq!((json("threshold")["value"].clone(), json("positive")), (0.25.into(), "yes".into()));
}
