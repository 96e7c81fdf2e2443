//! From a network to steps, and a place for every value between them.

use crate::arena::{Lifetime, place};
use crate::chain::{Chain, MAX_LAYERS, is_heavy};
use crate::error::Error;
use crate::fold::{Folded, fold, fold_into};
use crate::layer::PackedLayer;
use crate::step::{Step, StepInfo, StepKind};
use engine::par;
use kernels::Level;
use model::{Activation, Block, ConvKind, ConvLayer, Network, Weights};
use std::borrow::Cow;
use std::ops::Range;

/// What a plan is made of.
pub(crate) struct Compiled {
    pub steps: Vec<(Step, StepInfo)>,
    /// Floats of the activations of one image.
    pub arena: usize,
    /// The last feature map, if it is kept.
    pub features: Option<Range<usize>>,
}

/// What a plan is asked for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Wanted {
    /// The logits.
    Logits,
    /// The logits, and the last feature map, written to the arena where nothing overwrites it.
    LogitsAndMap,
    /// What the classifier reads: the last feature map averaged over its pixels.
    Pooled,
}

/// The steps of `network`, with the activations of one image placed. Weights that are owned are freed layer by layer.
pub(crate) fn compile(
    network: &Network,
    weights: Cow<Weights>,
    level: Level,
    wanted: Wanted,
) -> Result<Compiled, Error> {
    let keep_features = wanted == Wanted::LogitsAndMap;
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
    if wanted != Wanted::Pooled {
        builder.classifier(network);
    }
    Ok(builder.finish(features))
}

fn is_pointwise(conv: &ConvLayer) -> bool {
    conv.kind == ConvKind::Pointwise && conv.stride == 1
}

/// A step without a place for its output.
struct Draft {
    kind: StepKind,
    info: StepInfo,
    /// The step whose output it adds, where that is not its input.
    added: Option<usize>,
}

struct Builder<'a> {
    level: Level,
    weights: Cow<'a, Weights>,
    drafts: Vec<Draft>,
    /// `[h, w, c]` of the last value.
    shape: [usize; 3],
}

impl Builder<'_> {
    /// The convolutions of a block, and the addition of its input: one step (seldom a few), as the tensors between them
    /// are larger than those between blocks.
    fn block(&mut self, block: &Block) -> Result<(), Error> {
        let Some(last) = block.convs.last() else { return Ok(()) };
        let name = name(&block.convs);
        let (input, mut output) = (self.shape, self.shape);
        let (mut layers, mut outputs) = (Vec::new(), Vec::new());
        for conv in &block.convs {
            let [h, w, _] = output;
            output = output_shape(conv, output)?;
            outputs.push(output);
            layers.push(PackedLayer::new(self.level, conv, [h, w], &self.fold(conv)));
        }
        let error = |problem| Err(Error::Layer { layer: name.clone(), problem });
        if block.residual && output != input {
            return error(format!("cannot add the input {input:?} to the output {output:?}"));
        }
        if layers.len() > MAX_LAYERS {
            return error(format!("expected at most {MAX_LAYERS} convolutions, found {}", layers.len()));
        }
        // Where rows do not go round evenly, threads that are done wait for the others, and rows beside those of another
        // thread are expanded twice: worst in small images, whose pointwise convolutions are the heaviest. Each of
        // those is a step of its own, which is divided by pixels.
        let uneven = is_heavy(&layers) && is_pointwise(last) && !output[0].is_multiple_of(par::threads());
        let from = self.drafts.len().checked_sub(1);
        if !uneven || layers.len() == 1 || (block.residual && from.is_none()) {
            self.chain(name, Chain::new(layers, block.residual), output);
            return Ok(());
        }
        let mut first = 0;
        while let Some(conv) = block.convs.get(first) {
            let by_pixels = is_pointwise(conv);
            let others = block.convs[first..].iter().take_while(|conv| !is_pointwise(conv)).count();
            let (start, end) = (first, first + others.max(1));
            let next = layers
                .drain(..end - start)
                .map(|layer| if by_pixels { layer.in_one_column() } else { layer })
                .collect();
            let adds = block.residual && layers.is_empty();
            let (name, chain) = (self::name(&block.convs[start..end]), Chain::new(next, adds));
            if block.residual {
                // What comes before is kept as it is, because it is added.
                self.push(name, "block", StepKind::Chain(chain), outputs[end - 1]);
            } else {
                self.chain(name, chain, outputs[end - 1]);
            }
            if adds && let Some(last) = self.drafts.last_mut() {
                last.added = from;
            }
            first = end;
        }
        Ok(())
    }

    /// The layer without its norm. Its tensors are needed no more.
    fn fold(&mut self, conv: &ConvLayer) -> Folded {
        let Cow::Owned(weights) = &mut self.weights else { return fold(conv, &self.weights) };
        let kernel = take(weights, &format!("{}.weight", conv.name));
        let folded = fold_into(conv, kernel, weights);
        let of = |layer: &str, tensor: &str| tensor.strip_prefix(layer).is_some_and(|s| s.starts_with('.'));
        let norm = conv.norm.as_ref();
        weights.retain(|name| !of(&conv.name, name) && !norm.is_some_and(|norm| of(&norm.name, name)));
        folded
    }

    /// Global average pooling, with the convolution before it if there is one left.
    fn pool(&mut self, conv: Option<&ConvLayer>) -> Result<(), Error> {
        let [h, w, channels] = self.shape;
        let (name, kind, outputs) = match conv {
            None => ("pool".to_owned(), StepKind::Pool { level: self.level, channels }, channels),
            Some(conv) => {
                output_shape(conv, self.shape)?;
                let folded = self.fold(conv);
                let kind = self.pooled(&folded, h * w, conv.activation);
                (format!("{}+pool", conv.name), kind, conv.outputs)
            }
        };
        self.push(name, "pool", kind, [1, 1, outputs]);
        Ok(())
    }

    fn classifier(&mut self, network: &Network) {
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{}.{part}", network.classifier));
        let [weights, bias] = [weight, bias].map(|name| match &mut self.weights {
            Cow::Owned(weights) => take(weights, &name),
            Cow::Borrowed(weights) => weights[name.as_str()].data().to_vec(),
        });
        let folded = Folded { weights, bias };
        let kind = self.pooled(&folded, 1, Activation::Identity);
        self.push(network.classifier.clone(), "dense", kind, [1, 1, network.classes]);
    }

    fn pooled(&self, folded: &Folded, pixels: usize, activation: Activation) -> StepKind {
        let part = |outputs| PackedLayer::columns(self.level, folded, pixels, activation, outputs);
        StepKind::pooled(self.level, folded.bias.len(), part)
    }

    /// A step of its own, or the last one goes on with it: see [`Chain::takes`].
    fn chain(&mut self, name: String, chain: Chain, output: [usize; 3]) {
        match self.drafts.pop() {
            Some(Draft { kind: StepKind::Chain(mut before), info, .. })
                if before.takes(&chain, 2 * par::threads()) =>
            {
                before.append(chain);
                self.shape = info.input;
                let ends = [info.name.split("..").next(), name.rsplit("..").next()];
                self.push(
                    ends.map(Option::unwrap_or_default).join(".."),
                    "block",
                    StepKind::Chain(before),
                    output,
                );
            }
            last => {
                self.drafts.extend(last);
                self.push(name, "block", StepKind::Chain(chain), output);
            }
        }
    }

    fn push(&mut self, name: String, op: &'static str, kind: StepKind, output: [usize; 3]) {
        let info = StepInfo {
            name,
            op,
            input: self.shape,
            output,
            parameters: kind.layers().map(PackedLayer::parameters).sum(),
            multiply_adds: kind.layers().map(PackedLayer::multiply_adds).sum(),
            weight_bytes: kind.layers().map(PackedLayer::bytes).sum(),
        };
        self.shape = output;
        self.drafts.push(Draft { kind, info, added: None });
    }

    /// Gives every value its place; value `i` is what step `i` puts out.
    fn finish(self, features: Option<usize>) -> Compiled {
        let last = self.drafts.len() - 1;
        // The last value is the logits, which the caller holds; the others are read by the next step.
        let lifetime = |i: usize| {
            let len = self.drafts[i].info.output.iter().product();
            let added = self.drafts.iter().rposition(|draft| draft.added == Some(i)).unwrap_or(0);
            Lifetime { len, first: i, last: if features == Some(i) { last } else { added.max(i + 1) } }
        };
        let (places, arena) = place(&(0..last).map(lifetime).collect::<Vec<_>>());
        let at = |value: usize| places.get(value).cloned();
        let steps = self.drafts.into_iter().enumerate().map(|(i, Draft { kind, info, added })| {
            let input = i.checked_sub(1).and_then(at);
            (Step { kind, input, added: added.and_then(at), output: at(i) }, info)
        });
        Compiled { steps: steps.collect(), arena, features: features.and_then(at) }
    }
}

/// The name of the step that works `convs`.
fn name(convs: &[ConvLayer]) -> String {
    match convs {
        [] => String::new(),
        [only] => only.name.clone(),
        [first, .., last] => format!("{}..{}", first.name, last.name),
    }
}

/// The values of a tensor that is needed no more.
fn take(weights: &mut Weights, name: &str) -> Vec<f32> {
    weights.remove(name).expect("the weights are those of the network").into_data()
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
