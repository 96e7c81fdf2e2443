//! A model ready to run, and what it takes: memory, steps, multiply-adds.

use crate::compile::{Wanted, compile};
use crate::error::{Error, MAX_ARENA};
use crate::layer::PackedLayer;
use crate::step::{Step, StepInfo};
use engine::par;
use kernels::{Buffer, Level};
use model::{Metadata, Model, Network, Weights};
use std::borrow::Cow;
use std::ops::Range;

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
    /// Where the last feature map lies, if it is kept.
    features: Option<Range<usize>>,
}

impl Plan {
    /// A plan for batches of up to `max_batch` images, on the threads that [`par::threads`] tells.
    ///
    /// # Errors
    /// When the batch is empty or the model's parts do not agree.
    pub fn new(model: &Model, level: Level, max_batch: usize) -> Result<Plan, Error> {
        Plan::of(&model.network()?, &model.weights, level, max_batch)
    }

    /// The same from a model that is needed no more: each tensor is freed once it is packed, so that a process never
    /// holds its weights twice. What remains of the model is its metadata.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn consume(model: Model, level: Level, max_batch: usize) -> Result<(Plan, Metadata), Error> {
        let plan =
            Plan::compiled(&model.network()?, Cow::Owned(model.weights), level, max_batch, Wanted::Logits)?;
        Ok((plan, model.metadata))
    }

    /// The same from a network and its weights.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn of(network: &Network, weights: &Weights, level: Level, max_batch: usize) -> Result<Plan, Error> {
        Plan::compiled(network, Cow::Borrowed(weights), level, max_batch, Wanted::Logits)
    }

    /// A plan for single images that keeps the last feature map, for [`Plan::features`].
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with_features(network: &Network, weights: &Weights, level: Level) -> Result<Plan, Error> {
        Plan::compiled(network, Cow::Borrowed(weights), level, 1, Wanted::LogitsAndMap)
    }

    /// A plan without the classifier: it gives what that reads, the last feature map averaged over its pixels, in the place
    /// of logits, to the bits of a plan that has it.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn pooled(
        network: &Network,
        weights: &Weights,
        level: Level,
        max_batch: usize,
    ) -> Result<Plan, Error> {
        let plan = Plan::compiled(network, Cow::Borrowed(weights), level, max_batch, Wanted::Pooled)?;
        Ok(Plan { classes: network.features, ..plan })
    }

    fn compiled(
        network: &Network,
        weights: Cow<Weights>,
        level: Level,
        max_batch: usize,
        wanted: Wanted,
    ) -> Result<Plan, Error> {
        if max_batch == 0 {
            return Err(Error::EmptyBatch);
        }
        weights.check(network)?;
        let compiled = compile(network, weights, level, wanted)?;
        let (steps, infos): (Vec<Step>, Vec<StepInfo>) = compiled.steps.into_iter().unzip();
        let [outer, inner] = scratch(&steps);
        // Whoever works an image has working memory beside it.
        let slot_bytes = (compiled.arena + outer + inner) * size_of::<f32>();
        let slots = (MAX_ARENA / slot_bytes).min(par::threads()).min(max_batch);
        if slots == 0 {
            return Err(Error::TooLarge(slot_bytes));
        }
        // Working memory is allocated on every thread now, so that no later call has to.
        par::on_every_thread(|| kernels::scratch::with([outer], |_| kernels::scratch::with([inner], |_| ())));
        let [h, w] = network.image_size;
        Ok(Plan {
            steps,
            infos,
            image_len: h * w * network.channels,
            classes: network.classes,
            max_batch,
            slot: compiled.arena,
            // Every value is written before it is read, so pages of slots that no image needs are never touched.
            arena: Buffer::recycled(compiled.arena * slots),
            features: compiled.features,
        })
    }

    /// The last feature map `[h, w, c]` of the image that ran last, in a plan that was made
    /// [`with_features`](Plan::with_features): what class activation maps are made of (Zhou et al. 2016, "Learning Deep
    /// Features for Discriminative Localization").
    pub fn features(&self) -> Option<&[f32]> {
        self.features.clone().map(|range| &self.arena[range])
    }

    /// Bytes of the arena: all activations of all images that are worked at the same time.
    pub fn bytes(&self) -> usize {
        self.arena.capacity() * size_of::<f32>()
    }

    /// Bytes of the packed weights and biases.
    pub fn weight_bytes(&self) -> usize {
        self.steps.iter().flat_map(|step| step.kind.layers()).map(PackedLayer::bytes).sum()
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

/// The most working memory of any step.
fn scratch(steps: &[Step]) -> [usize; 2] {
    steps.iter().map(|step| step.kind.scratch()).fold([0, 0], |[a, b], [c, d]| [a.max(c), b.max(d)])
}
