//! The tape: ops in the order they ran, which is a topological order, so backward is one sweep from the end.
//!
//! Invariant: a node's inputs have smaller indices. A value that no parameter reaches carries no node, so what needs
//! no gradient is never recorded; a node's op, and with it every tensor it kept, is dropped as the sweep passes.

use crate::{Gradient, Value, Var, ops};
use engine::{Shape, Tensor};
use kernels::Level;
use std::time::{Duration, Instant};

/// One recorded operation: what it kept from forward, and how gradients pass through it.
pub trait Op: Send {
    /// The op's name in [`ops::REGISTRY`].
    fn name(&self) -> &'static str;

    /// From the gradient of the output to one gradient an input, in the order they were recorded; an input that is
    /// not `wanted` gets `None`. The gradient is owned, so it may be worked on in place.
    fn backward(self: Box<Self>, level: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>>;
}

struct Node {
    /// None for a leaf.
    op: Option<Box<dyn Op>>,
    inputs: Vec<Option<usize>>,
    timing: Option<Timing>,
}

/// How long one op took, for profiles.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The op's name.
    pub op: &'static str,
    /// The dimensions of its result.
    pub shape: Shape,
    /// From the end of the op recorded before it to its own.
    pub forward: Duration,
    /// Zero where backward did not reach it.
    pub backward: Duration,
}

/// Records operations and differentiates them.
pub struct Tape {
    nodes: Vec<Node>,
    level: Level,
    /// When the last op was recorded.
    recorded: Instant,
}

impl Tape {
    /// An empty tape whose kernels run at `level`.
    pub fn new(level: Level) -> Self {
        Self { nodes: Vec::new(), level, recorded: Instant::now() }
    }

    /// The level of this tape's kernels.
    pub fn level(&self) -> Level {
        self.level
    }

    /// A value without a gradient.
    pub fn constant(&self, tensor: Tensor) -> Var {
        Var { value: Value::Plain(tensor), moments: None, again: None, node: None }
    }

    /// A value whose gradient [`Tape::backward`] returns.
    pub fn leaf(&mut self, tensor: Tensor) -> Var {
        let node = self.push(Node { op: None, inputs: vec![], timing: None });
        Var { value: Value::Plain(tensor), moments: None, again: None, node: Some(node) }
    }

    /// Records `op` as the origin of `value`. `op` is called, and kept, only where an input wants a gradient.
    pub fn record<O: Op + 'static>(&mut self, inputs: &[&Var], value: Value, op: impl FnOnce() -> O) -> Var {
        let inputs: Vec<Option<usize>> = inputs.iter().map(|var| var.node).collect();
        let node = inputs.iter().any(Option::is_some).then(|| {
            let op = op();
            debug_assert!(ops::REGISTRY.contains(&op.name()), "{} is not in the registry of ops", op.name());
            let now = Instant::now();
            let forward = now.duration_since(std::mem::replace(&mut self.recorded, now));
            let timing = Timing { op: op.name(), shape: *value.shape(), forward, backward: Duration::ZERO };
            self.push(Node { op: Some(Box::new(op)), inputs, timing: Some(timing) })
        });
        Var { value, moments: None, again: None, node }
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Gradients of `output` with respect to every leaf, seeded with `seed` (the gradient of `output` itself).
    ///
    /// # Panics
    /// When `output` is deferred or `seed` has another shape.
    pub fn backward_from(mut self, output: &Var, seed: Tensor) -> Gradients {
        assert_eq!(output.tensor().shape(), seed.shape(), "the seed must have the output's shape");
        let mut gradients: Vec<Option<Gradient>> = self.nodes.iter().map(|_| None).collect();
        if let Some(last) = output.node {
            gradients[last] = Some(Gradient::Plain(seed));
        }
        for at in (0..self.nodes.len()).rev() {
            let Some(op) = self.nodes[at].op.take() else { continue };
            let Some(gradient) = gradients[at].take() else { continue };
            let inputs = std::mem::take(&mut self.nodes[at].inputs);
            let wanted: Vec<bool> = inputs.iter().map(Option::is_some).collect();
            let start = Instant::now();
            let results = op.backward(self.level, gradient, &wanted);
            if let Some(timing) = &mut self.nodes[at].timing {
                timing.backward = start.elapsed();
            }
            debug_assert_eq!(results.len(), inputs.len());
            for (input, result) in inputs.into_iter().zip(results) {
                let (Some(input), Some(new)) = (input, result) else { continue };
                gradients[input] = Some(match gradients[input].take() {
                    Some(old) => old.accumulate(new, self.level),
                    None => new,
                });
            }
        }
        let timings = self.nodes.into_iter().filter_map(|node| node.timing).collect();
        Gradients { of: gradients, level: self.level, timings }
    }

    /// Gradients of a scalar `loss` with respect to every leaf.
    pub fn backward(self, loss: &Var) -> Gradients {
        let seed = Tensor::full(*loss.shape(), 1.0);
        self.backward_from(loss, seed)
    }
}

/// The gradients of the leaves.
pub struct Gradients {
    of: Vec<Option<Gradient>>,
    level: Level,
    timings: Vec<Timing>,
}

impl Gradients {
    /// How long each op took, in the order they ran.
    pub fn timings(&self) -> &[Timing] {
        &self.timings
    }

    /// The gradient of a leaf; none where nothing that was differentiated depends on it.
    pub fn take(&mut self, leaf: &Var) -> Option<Tensor> {
        Some(self.of.get_mut(leaf.node?)?.take()?.into_plain(self.level))
    }
}
