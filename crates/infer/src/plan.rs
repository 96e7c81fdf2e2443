//! From a model to a list of steps, with every activation placed ahead.

use crate::arena::{Lifetime, place};
use crate::layer::Layer;
use crate::step::{Op, Step};
use kernels::{Buffer, Level};
use model::{ConvKind, ConvLayer, Model, Network, Weights, layout};
use tensor::par;

/// Why a plan cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The weights are not those of the network.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// A network that no [`model::Architecture`] makes.
    #[error("{layer}: {problem}")]
    Layer {
        /// Name of the layer at fault.
        layer: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A batch of no images.
    #[error("batch size: expected at least 1, found 0")]
    EmptyBatch,
}

/// What one step of a plan does, for people and for benchmarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepInfo {
    /// The layers' names; two that run as one are joined by `+`.
    pub name: String,
    /// `conv`, `depthwise`, `pointwise`, `separable` (depthwise and pointwise as one), `pool` or `dense`.
    pub op: &'static str,
    /// `[h, w, c]`
    pub input: [usize; 3],
    /// `[h, w, c]`
    pub output: [usize; 3],
    /// Weights and biases, norms folded in.
    pub parameters: usize,
    /// Multiply-adds of one image.
    pub multiply_adds: u64,
    /// Bytes of weights that are read for one image.
    pub weight_bytes: usize,
}

/// A model ready to run: folded, packed, with all its memory.
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    infos: Vec<StepInfo>,
    pub(crate) image_len: usize,
    pub(crate) classes: usize,
    pub(crate) max_batch: usize,
    /// Floats of one image's activations.
    pub(crate) slot: usize,
    /// `[slots, slot]`: one for each image that is worked at the same time.
    pub(crate) arena: Buffer,
}

impl Plan {
    /// A plan for batches of up to `max_batch` images, on the threads that [`par::threads`] tells.
    ///
    /// # Errors
    /// When the batch is empty or the model's parts do not agree.
    pub fn new(model: &Model, level: Level, max_batch: usize) -> Result<Plan, Error> {
        Plan::of(&model.network()?, &model.weights, level, max_batch)
    }

    /// The same from a network and its weights.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn of(network: &Network, weights: &Weights, level: Level, max_batch: usize) -> Result<Plan, Error> {
        if max_batch == 0 {
            return Err(Error::EmptyBatch);
        }
        weights.check(network)?;
        let mut builder = Builder { level, weights, drafts: Vec::new(), shape: input_shape(network) };
        for block in &network.blocks {
            builder.block(&block.convs, block.residual)?;
        }
        builder.head(network);
        let (steps, infos, slot) = builder.finish();

        // Working memory is allocated on every thread now, so that no later call has to.
        let [outer, inner] = scratch(&steps);
        par::on_every_thread(|| kernels::scratch::with([outer], |_| kernels::scratch::with([inner], |_| ())));
        Ok(Plan {
            steps,
            infos,
            image_len: input_shape(network).iter().product(),
            classes: network.classes,
            max_batch,
            slot,
            arena: Buffer::zeros(slot * par::threads().min(max_batch)),
        })
    }

    /// Bytes of the arena: all activations of all images that are worked at the same time.
    pub fn bytes(&self) -> usize {
        self.arena.capacity() * size_of::<f32>()
    }

    /// Bytes of the packed weights and biases.
    pub fn weight_bytes(&self) -> usize {
        self.steps.iter().flat_map(|step| step.op.layers()).map(Layer::bytes).sum()
    }

    /// Bytes of working memory of `threads` threads, at most.
    pub fn scratch_bytes(&self, threads: usize) -> usize {
        let floats: usize = scratch(&self.steps).iter().map(|floats| floats.next_multiple_of(16)).sum();
        threads * floats * size_of::<f32>()
    }

    /// What each step does, in order of execution; the times of [`Plan::run_profiled`] are theirs.
    pub fn layers(&self) -> &[StepInfo] {
        &self.infos
    }

    /// Floats of one image: `h * w * c`.
    pub fn image_len(&self) -> usize {
        self.image_len
    }

    /// Logits of one image.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The largest batch that [`Plan::run`] takes.
    pub fn max_batch(&self) -> usize {
        self.max_batch
    }
}

fn input_shape(network: &Network) -> [usize; 3] {
    let [h, w] = network.image_size;
    [h, w, network.channels]
}

/// The most working memory of any step.
fn scratch(steps: &[Step]) -> [usize; 2] {
    steps.iter().map(Step::scratch).fold([0, 0], |[a, b], [c, d]| [a.max(c), b.max(d)])
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
    /// The convolutions of a block; `residual` adds the block's input to its output.
    fn block(&mut self, convs: &[ConvLayer], residual: bool) -> Result<(), Error> {
        let (begin, input) = (self.drafts.len(), self.shape);
        let mut convs = convs.iter().peekable();
        while let Some(conv) = convs.next() {
            let (layer, output) = self.layer(conv, self.shape)?;
            let reads_it = |next: &&ConvLayer| next.kind == ConvKind::Pointwise && next.stride == 1;
            match convs.next_if(|next| conv.kind == ConvKind::Depthwise && reads_it(next)) {
                Some(next) => {
                    let (second, output) = self.layer(next, output)?;
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
        match self.drafts.last_mut().filter(|_| residual) {
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

    /// A layer for an input of `[h, w, c]`, with the shape of its output.
    fn layer(&self, conv: &ConvLayer, [h, w, c]: [usize; 3]) -> Result<(Layer, [usize; 3]), Error> {
        let error = |problem| Err(Error::Layer { layer: conv.name.clone(), problem });
        if conv.inputs != c {
            return error(format!("expected {c} input channels, found {}", conv.inputs));
        }
        let [out_h, out_w] = conv.output_size([h, w]);
        let output = [out_h, out_w, conv.outputs];
        if output.contains(&0) {
            return error(format!("the output of {h}x{w} is empty: {output:?}"));
        }
        Ok((Layer::new(self.level, conv, [h, w], self.weights), output))
    }

    /// Pooling and classifier.
    fn head(&mut self, network: &Network) {
        let [_, _, channels] = self.shape;
        let pool = Op::Pool { level: self.level, channels };
        self.push("pool".to_owned(), "pool", pool, [1, 1, channels]);
        let tensor = |suffix: &str| &self.weights[format!("{}.{suffix}", network.classifier).as_str()];
        let (weight, bias) = (tensor("weight"), tensor("bias"));
        let weights = layout::to_engine(weight.shape(), weight.data());
        let dense = Op::dense(self.level, &weights, bias.data());
        self.push(network.classifier.clone(), "dense", dense, [1, 1, network.classes]);
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

    /// Steps, what they do, and the floats of an arena for one image.
    fn finish(self) -> (Vec<Step>, Vec<StepInfo>, usize) {
        let last = self.drafts.len() - 1;
        // The last value is the logits, which the caller holds; the others are read by the next step at least.
        let mut values: Vec<Lifetime> = (0..last)
            .map(|i| {
                let len = self.drafts[i].info.output.iter().product();
                Lifetime { len, first: i, last: i + 1 }
            })
            .collect();
        for (i, draft) in self.drafts.iter().enumerate() {
            if let Some(value) = draft.residual {
                values[value].last = i;
            }
        }
        let (places, slot) = place(&values);
        let at = |value: usize| places.get(value).cloned();
        let steps = self.drafts.into_iter().enumerate().map(|(i, Draft { op, info, residual })| {
            let input = i.checked_sub(1).and_then(at);
            (Step { op, input, output: at(i), residual: residual.and_then(at) }, info)
        });
        let (steps, infos) = steps.unzip();
        (steps, infos, slot)
    }
}
