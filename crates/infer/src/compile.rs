//! From a network to steps: which layers run as one, and where every value lies.

use crate::arena::{Lifetime, place};
use crate::fold::{Folded, fold};
use crate::layer::Layer;
use crate::plan::{Error, StepInfo};
use crate::step::{Op, Step};
use kernels::Level;
use model::{Activation, Block, ConvKind, ConvLayer, Network, Weights, layout};
use std::ops::Range;

/// What a plan is made of.
pub(crate) struct Compiled {
    pub steps: Vec<(Step, StepInfo)>,
    /// Floats of the activations of one image.
    pub arena: usize,
    /// The last feature map, if it is kept.
    pub features: Option<Range<usize>>,
}

/// The steps of `network`, with the activations of one image placed. `keep_features` has the last feature map written
/// to the arena, where nothing overwrites it.
pub(crate) fn compile(
    network: &Network,
    weights: &Weights,
    level: Level,
    keep_features: bool,
) -> Result<Compiled, Error> {
    let [h, w] = network.image_size;
    let mut builder = Builder { level, weights, drafts: Vec::new(), shape: [h, w, network.channels] };
    // The last convolution runs together with the pooling where it can.
    let mut blocks = network.blocks.clone();
    let last = blocks.last_mut().filter(|block| !block.residual && !keep_features);
    let pooled = last.and_then(|block| block.convs.pop_if(|conv| is_pointwise(conv)));
    for block in &blocks {
        builder.block(block)?;
    }
    let features = builder.drafts.len().checked_sub(1).filter(|_| keep_features);
    builder.pool(pooled.as_ref())?;
    builder.classifier(network);
    Ok(builder.finish(features))
}

fn is_pointwise(conv: &ConvLayer) -> bool {
    conv.kind == ConvKind::Pointwise && conv.stride == 1
}

/// A step whose values have numbers and no place yet: value `i` is what step `i` puts out.
struct Draft {
    op: Op,
    info: StepInfo,
    /// The value that is added to the output.
    residual: Option<usize>,
}

struct Builder<'a> {
    level: Level,
    weights: &'a Weights,
    drafts: Vec<Draft>,
    /// `[h, w, c]` of the last value.
    shape: [usize; 3],
}

impl Builder<'_> {
    /// The convolutions of a block, and the addition of its input.
    fn block(&mut self, block: &Block) -> Result<(), Error> {
        let (begin, input) = (self.drafts.len(), self.shape);
        let mut convs = block.convs.iter().peekable();
        while let Some(conv) = convs.next() {
            let output = output_shape(conv, self.shape)?;
            let layer = self.layer(conv, self.shape);
            match convs.next_if(|next| conv.kind == ConvKind::Depthwise && is_pointwise(next)) {
                Some(next) => {
                    let (second, output) = (self.layer(next, output), output_shape(next, output)?);
                    let name = format!("{}+{}", conv.name, next.name);
                    self.push(name, "separable", Op::separable(layer, second), output);
                }
                None => {
                    let kind = match conv.kind {
                        ConvKind::Full => "conv",
                        ConvKind::Depthwise => "depthwise",
                        ConvKind::Pointwise => "pointwise",
                    };
                    self.push(conv.name.clone(), kind, Op::Conv(layer), output);
                }
            }
        }
        match self.drafts.last_mut().filter(|_| block.residual) {
            Some(last) if begin > 0 && self.shape == input => last.residual = Some(begin - 1),
            Some(last) => {
                let layer = last.info.name.clone();
                let problem =
                    format!("cannot add the block's input {input:?} to its output {:?}", self.shape);
                return Err(Error::Layer { layer, problem });
            }
            None => {}
        }
        Ok(())
    }

    fn layer(&self, conv: &ConvLayer, [h, w, _]: [usize; 3]) -> Layer {
        Layer::new(self.level, conv, [h, w], self.weights)
    }

    /// Global average pooling, with the convolution before it if there is one left.
    fn pool(&mut self, conv: Option<&ConvLayer>) -> Result<(), Error> {
        let [h, w, channels] = self.shape;
        let Some(conv) = conv else {
            let pool = Op::Pool { level: self.level, channels };
            self.push("pool".to_owned(), "pool", pool, [1, 1, channels]);
            return Ok(());
        };
        output_shape(conv, self.shape)?;
        let op = self.pooled(&fold(conv, self.weights), h * w, conv.activation);
        self.push(format!("{}+pool", conv.name), "pooled", op, [1, 1, conv.outputs]);
        Ok(())
    }

    fn classifier(&mut self, network: &Network) {
        let tensor = |suffix: &str| &self.weights[format!("{}.{suffix}", network.classifier).as_str()];
        let (weight, bias) = (tensor("weight"), tensor("bias").data().to_vec());
        let folded = Folded { weights: layout::to_engine(weight.shape(), weight.data()), bias };
        let op = self.pooled(&folded, 1, Activation::Identity);
        self.push(network.classifier.clone(), "dense", op, [1, 1, network.classes]);
    }

    fn pooled(&self, folded: &Folded, pixels: usize, activation: Activation) -> Op {
        let part = |outputs| Layer::pointwise(self.level, folded, pixels, activation, outputs);
        Op::pooled(self.level, folded.bias.len(), part)
    }

    fn push(&mut self, name: String, kind: &'static str, op: Op, output: [usize; 3]) {
        let info = StepInfo {
            name,
            op: kind,
            input: self.shape,
            output,
            parameters: op.layers().map(Layer::parameters).sum(),
            multiply_adds: op.layers().map(Layer::multiply_adds).sum(),
            weight_bytes: op.layers().map(Layer::bytes).sum(),
        };
        self.shape = output;
        self.drafts.push(Draft { op, info, residual: None });
    }

    /// Gives every value its place.
    fn finish(self, features: Option<usize>) -> Compiled {
        let last = self.drafts.len() - 1;
        // The last value is the logits, which the caller holds; the others are read by the next step at least.
        let mut values: Vec<Lifetime> = (0..last)
            .map(|i| {
                let len = self.drafts[i].info.output.iter().product();
                Lifetime { len, first: i, last: if features == Some(i) { last } else { i + 1 } }
            })
            .collect();
        for (i, draft) in self.drafts.iter().enumerate() {
            if let Some(value) = draft.residual {
                values[value].last = values[value].last.max(i);
            }
        }
        let (places, arena) = place(&values);
        let at = |value: usize| places.get(value).cloned();
        let steps = self.drafts.into_iter().enumerate().map(|(i, Draft { op, info, residual })| {
            let input = i.checked_sub(1).and_then(at);
            (Step { op, input, output: at(i), residual: residual.and_then(at) }, info)
        });
        Compiled { steps: steps.collect(), arena, features: features.and_then(at) }
    }
}

/// `[h, w, c]` of the output of `conv` for an input of `[h, w, c]`.
fn output_shape(conv: &ConvLayer, [h, w, c]: [usize; 3]) -> Result<[usize; 3], Error> {
    let error = |problem| Err(Error::Layer { layer: conv.name.clone(), problem });
    if conv.inputs != c {
        return error(format!("expected {c} input channels, found {}", conv.inputs));
    }
    let [out_h, out_w] = conv.output_size([h, w]);
    let output = [out_h, out_w, conv.outputs];
    if output.contains(&0) {
        return error(format!("the output of {h}x{w} is empty: {output:?}"));
    }
    Ok(output)
}
