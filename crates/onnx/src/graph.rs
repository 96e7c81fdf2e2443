//! The network as ONNX nodes. Field numbers are those of `onnx.proto`.

use infer::{Folded, fold};
use model::{Activation, ConvKind, ConvLayer, Error, Metadata, Model};
use protobuf::Message;

/// The largest value of ReLU6, and what it is called.
const SIX: (&str, f32) = ("six", 6.0);
const ZERO: (&str, f32) = ("zero", 0.0);

/// A graph that is being written; `last` is the value that the next node reads.
struct Graph {
    nodes: Vec<Message>,
    initializers: Vec<Message>,
    last: String,
}

/// The GraphProto of a model.
pub(crate) fn write(model: &Model) -> Result<Message, Error> {
    let network = model.network()?;
    let mut graph = Graph { nodes: vec![], initializers: vec![], last: "input".into() };
    for (name, value) in [ZERO, SIX] {
        graph.constant(name, &[], &[value]);
    }
    let mut layers = network.layers();
    for block in &network.blocks {
        let input = graph.last.clone();
        for (conv, size) in layers.by_ref().take(block.convs.len()) {
            graph.conv(conv, size, &fold(conv, &model.weights));
        }
        if block.residual {
            let output = format!("{}/sum", graph.last);
            graph.node("Add", &[&input], output, vec![]);
        }
    }
    graph.node("GlobalAveragePool", &[], "pool".into(), vec![]);
    graph.node("Flatten", &[], "features".into(), vec![int("axis", 1)]);
    let names = ["weight", "bias"].map(|part| format!("{}.{part}", network.classifier));
    for name in &names {
        let array = &model.weights[name.as_str()];
        graph.constant(name, array.shape(), array.data());
    }
    graph.node("Gemm", &[&names[0], &names[1]], "logits".into(), vec![int("transB", 1)]);
    if model.metadata.has_findings() {
        let each = || (0..network.classes).map(|at| model.metadata.finding(at));
        let slopes: Vec<f32> = each().map(|finding| finding.slope).collect();
        let intercepts: Vec<f32> = each().map(|finding| finding.intercept).collect();
        graph.constant("slope", &[network.classes], &slopes);
        graph.constant("intercept", &[network.classes], &intercepts);
        graph.node("Mul", &["slope"], "scaled".into(), vec![]);
        graph.node("Add", &["intercept"], "moved".into(), vec![]);
        graph.node("Sigmoid", &[], "probabilities".into(), vec![]);
    } else {
        graph.constant("temperature", &[], &[temperature(&model.metadata)]);
        graph.node("Div", &["temperature"], "scaled".into(), vec![]);
        graph.node("Softmax", &[], "probabilities".into(), vec![int("axis", 1)]);
    }

    let [height, width] = network.image_size;
    let classes = [network.classes];
    Ok(Message::default()
        .each(&graph.nodes, |proto, node| proto.message(1, node))
        .text(2, &network.arch)
        .each(&graph.initializers, |proto, tensor| proto.message(5, tensor))
        .message(11, &value_info("input", &[network.channels, height, width]))
        .message(12, &value_info("logits", &classes))
        .message(12, &value_info("probabilities", &classes)))
}

/// What the logits are divided by before the softmax.
pub(crate) fn temperature(metadata: &Metadata) -> f32 {
    metadata.calibration.map_or(1.0, |calibration| calibration.temperature)
}

impl Graph {
    /// Adds a node that reads the last value, then `inputs`.
    fn node(&mut self, operator: &str, inputs: &[&str], output: String, attributes: Vec<Message>) {
        let node = Message::default()
            .text(1, &self.last)
            .each(inputs, |proto, input| proto.text(1, input))
            .text(2, &output)
            .text(3, &output)
            .text(4, operator)
            .each(&attributes, |proto, attribute| proto.message(5, attribute));
        self.nodes.push(node);
        self.last = output;
    }

    /// A convolution of an input of `[height, width]`, with its bias and its activation.
    fn conv(&mut self, conv: &ConvLayer, [height, width]: [usize; 2], folded: &Folded) {
        let shape = conv.weight_shape();
        let (weight, bias) = (format!("{}.weight", conv.name), format!("{}.bias", conv.name));
        self.constant(&weight, &shape, &folded.weights);
        self.constant(&bias, &[conv.outputs], &folded.bias);
        let (vertical, horizontal) = (conv.pad(height), conv.pad(width));
        let groups = if conv.kind == ConvKind::Depthwise { conv.inputs } else { 1 };
        let attributes = vec![
            ints("kernel_shape", &[conv.kernel; 2]),
            ints("strides", &[conv.stride; 2]),
            ints("pads", &[vertical.0, horizontal.0, vertical.1, horizontal.1]),
            int("group", groups as i64),
        ];
        self.node("Conv", &[&weight, &bias], conv.name.clone(), attributes);
        let output = format!("{}/activation", conv.name);
        match conv.activation {
            Activation::Identity => {}
            Activation::Relu => self.node("Relu", &[], output, vec![]),
            Activation::Relu6 => self.node("Clip", &[ZERO.0, SIX.0], output, vec![]),
            Activation::LeakyRelu(slope) => self.node("LeakyRelu", &[], output, vec![float("alpha", slope)]),
        }
    }

    /// Adds a TensorProto of f32.
    fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let tensor = Message::default()
            .each(shape, |proto, &size| proto.int(1, size as i64))
            .int(2, FLOAT)
            .text(8, name)
            .bytes(9, &raw);
        self.initializers.push(tensor);
    }
}

/// TensorProto.DataType.FLOAT
const FLOAT: i64 = 1;

/// An AttributeProto; its type says which field holds the value.
fn int(name: &str, value: i64) -> Message {
    Message::default().text(1, name).int(3, value).int(20, 2)
}

fn float(name: &str, value: f32) -> Message {
    Message::default().text(1, name).float(2, value).int(20, 1)
}

fn ints(name: &str, values: &[usize]) -> Message {
    let values = values.iter().map(|&value| value as i64);
    Message::default().text(1, name).each(values, |proto, value| proto.int(8, value)).int(20, 7)
}

/// A ValueInfoProto: f32 of `[N, sizes...]`.
fn value_info(name: &str, sizes: &[usize]) -> Message {
    let dimension = |proto: Message, size: &Message| proto.message(1, size);
    let batch = Message::default().text(2, "N");
    let sizes = sizes.iter().map(|&size| Message::default().int(1, size as i64));
    let sizes: Vec<Message> = std::iter::once(batch).chain(sizes).collect();
    let shape = Message::default().each(&sizes, dimension);
    let tensor = Message::default().int(1, FLOAT).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}
