//! What is measured: a kernel on a layer and a batch, with the work that it cannot avoid.

use crate::Limits;
use crate::shapes::Shapes;
use engine::Conv;
use kernels::{ConvShape, Level, Rectifier, depthwise};
use model::ConvKind;

/// What a convolution computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvPass {
    /// Training: reads a deferred activation, stores the raw output and its moments.
    Forward,
    /// Inference: reads a plain activation; bias and activation before the store.
    Inference,
    /// The gradient of the input, with the norms and the activation around it.
    Input,
    /// The gradient of the weights, likewise.
    Weights,
    /// Both gradients, as training computes them.
    Backward,
}

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseKind {
    /// A convolution.
    Conv(ConvKind, ConvPass),
    /// The mean over all pixels, of a deferred activation.
    Pool,
    /// Its gradient.
    PoolBackward,
    /// An update of all parameters.
    Adam,
}

impl CaseKind {
    /// What names of cases begin with.
    pub fn name(self) -> String {
        let (kind, pass) = match self {
            CaseKind::Conv(kind, pass) => (kind, pass),
            CaseKind::Pool => return "global_average_pool".into(),
            CaseKind::PoolBackward => return "global_average_pool_backward".into(),
            CaseKind::Adam => return "adam".into(),
        };
        let kind = match kind {
            ConvKind::Full => "conv",
            ConvKind::Depthwise => "depthwise",
            ConvKind::Pointwise => "pointwise",
        };
        let pass = match pass {
            ConvPass::Forward => "",
            ConvPass::Inference => "_infer",
            ConvPass::Input => "_dx",
            ConvPass::Weights => "_dw",
            ConvPass::Backward => "_backward",
        };
        format!("{kind}{pass}")
    }
}

/// A kernel on one layer of a network, for a batch.
#[derive(Clone, Debug)]
pub struct BenchCase {
    /// Which kernel.
    pub kind: CaseKind,
    /// Of one image. The pool has its input as pixels of `inputs`, Adam all parameters as `inputs`.
    pub conv: Conv,
    /// Images; 1 for Adam.
    pub batch: usize,
    /// `v1_14x14x512_512`: input and outputs, with `_s2` for stride 2.
    pub label: String,
}

impl BenchCase {
    /// Every kernel on every different layer of a network.
    pub fn all(shapes: &Shapes, batch: usize) -> Vec<Self> {
        let prefix = shapes.prefix;
        let mut cases = vec![];
        for layer in &shapes.layers {
            let conv = layer.conv;
            let passes: &[ConvPass] = match conv.kind {
                // The first layer's input wants no gradient.
                ConvKind::Full => &[ConvPass::Forward, ConvPass::Inference, ConvPass::Weights],
                // Its kernel makes the gradient of the weights whether or not that of the input is wanted.
                ConvKind::Depthwise => {
                    &[ConvPass::Forward, ConvPass::Inference, ConvPass::Weights, ConvPass::Backward]
                }
                ConvKind::Pointwise => &[
                    ConvPass::Forward,
                    ConvPass::Inference,
                    ConvPass::Input,
                    ConvPass::Weights,
                    ConvPass::Backward,
                ],
            };
            let ConvShape { h, w, inputs, outputs, stride, .. } = conv.shape;
            let stride = if stride == 1 { String::new() } else { format!("_s{stride}") };
            let label = format!("{prefix}_{h}x{w}x{inputs}_{outputs}{stride}");
            for &pass in passes {
                let kind = CaseKind::Conv(conv.kind, pass);
                // Inference has a pointwise kernel read what the depthwise one before it wrote spaced.
                let infers = pass == ConvPass::Inference;
                let reads = infers && conv.kind == ConvKind::Pointwise;
                let writes = infers && conv.kind == ConvKind::Depthwise && depthwise::can_space(&conv.shape);
                let conv = Conv { spaced: [reads, writes], ..conv };
                cases.push(BenchCase { kind, conv, batch, label: label.clone() });
            }
        }
        let Some(last) = shapes.layers.last().map(|layer| layer.conv.shape) else { return cases };
        let (h, w, c) = (last.out_h, last.out_w, last.outputs);
        let flat = |pixels, c| Conv::of_pixels(pixels, c, c, Rectifier::RELU6);
        let conv = flat(h * w, c);
        for kind in [CaseKind::Pool, CaseKind::PoolBackward] {
            cases.push(BenchCase { kind, conv, batch, label: format!("{prefix}_{h}x{w}x{c}") });
        }
        // Each convolution has its weights, gamma and beta.
        let of = |case: &BenchCase| case.weights() + 2 * case.conv.shape.outputs;
        let forward = cases.iter().filter(|case| matches!(case.kind, CaseKind::Conv(_, ConvPass::Forward)));
        let parameters = forward.zip(&shapes.layers).map(|(case, layer)| layer.count * of(case)).sum();
        let conv = flat(1, parameters);
        cases.push(BenchCase {
            kind: CaseKind::Adam,
            conv,
            batch: 1,
            label: format!("{prefix}_{parameters}"),
        });
        cases
    }

    /// `pointwise/avx512/v1_14x14x512_512`; `by` is a level, or what it is compared with.
    pub fn name(&self, by: &str) -> String {
        format!("{}/{by}/{}", self.kind.name(), self.label)
    }

    /// Floats of the weights of a convolution.
    pub fn weights(&self) -> usize {
        if matches!(self.kind, CaseKind::Conv(..)) { self.conv.weights() } else { 0 }
    }

    /// Floating-point operations, a multiply-add as two. None where memory is all that matters.
    pub fn flops(&self) -> Option<f64> {
        let CaseKind::Conv(_, pass) = self.kind else { return None };
        let products = if pass == ConvPass::Backward { 2 } else { 1 };
        let pixels = self.batch * self.conv.shape.out_h * self.conv.shape.out_w;
        Some(2.0 * (products * pixels * self.weights()) as f64)
    }

    /// Floating-point operations of the multiply-adds that norms cost around a convolution, on the same units: a
    /// deferred input takes one a value, a gradient through a norm two, the moments of an output one; the mask of an
    /// activation and the sum that its norm needs one each.
    fn norm_flops(&self) -> f64 {
        let CaseKind::Conv(kind, pass) = self.kind else { return 0.0 };
        // What the first layer reads is an image.
        let x = if kind == ConvKind::Full { 0 } else { self.batch * self.conv.shape.input_len() };
        let y = self.batch * self.conv.shape.output_len();
        let multiply_adds = match pass {
            ConvPass::Forward => x + y,
            ConvPass::Inference => 0,
            ConvPass::Input => 2 * y + 2 * x,
            ConvPass::Weights => 2 * y + x,
            ConvPass::Backward => 2 * y + 3 * x,
        };
        2.0 * multiply_adds as f64
    }

    /// Bytes that must move at least: every tensor that is read or written, once.
    pub fn bytes(&self) -> f64 {
        let [read, written] = self.traffic();
        read + written
    }

    /// Those of the tensors that are read, and of those that are written.
    fn traffic(&self) -> [f64; 2] {
        let x = self.batch * self.conv.shape.input_len();
        let y = self.batch * self.conv.shape.output_len();
        let w = self.weights();
        let floats = match self.kind {
            CaseKind::Conv(_, ConvPass::Forward | ConvPass::Inference) => [x + w, y],
            // The gradient through the norm reads dy and z; the mask of the activation reads the input's z.
            CaseKind::Conv(_, ConvPass::Input) => [2 * y + w + x, x],
            CaseKind::Conv(_, ConvPass::Weights) => [2 * y + x, w],
            CaseKind::Conv(_, ConvPass::Backward) => [2 * y + x + w, x + w],
            CaseKind::Pool => [x, 0],
            CaseKind::PoolBackward => [x, x],
            // Reads weights, gradient and two moments, writes all but the gradient.
            CaseKind::Adam => [4 * x, 3 * x],
        };
        floats.map(|floats| (floats * size_of::<f32>()) as f64)
    }

    /// The least seconds that a machine with these limits can take.
    pub fn least_seconds(&self, limits: &mut Limits, level: Level) -> Least {
        let (bytes, peak) = (self.bytes() as usize, limits.peak(level));
        let [read, written] = self.traffic();
        // What is written goes with as much that is read, as in a copy.
        let copied = 2.0 * read.min(written);
        let copying = limits.copying(bytes);
        let memory = copied / copying + (read + written - copied) / limits.reading(bytes).max(copying);
        Least {
            products: self.flops().map(|flops| flops / peak),
            bound: memory.max(self.flops().unwrap_or(0.0) / peak + self.norm_flops() / peak),
            memory,
        }
    }
}

/// The least seconds of a case.
#[derive(Clone, Copy, Debug)]
pub struct Least {
    /// For the multiply-adds of the convolution alone; none where memory is all that matters.
    pub products: Option<f64>,
    /// For moving its tensors.
    pub memory: f64,
    /// For the slower of memory and all multiply-adds, those of the norms too.
    pub bound: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str) -> BenchCase {
        let cases = BenchCase::all(&Shapes::named("mobilenet-v1").unwrap(), 2);
        cases.into_iter().find(|case| case.name("avx2") == name).unwrap_or_else(|| panic!("no case {name}"))
    }

    #[test]
    fn work_is_what_the_definitions_say() {
        let forward = case("pointwise/avx2/v1_14x14x256_512");
        assert_eq!(forward.flops(), Some(2.0 * 2.0 * 196.0 * 256.0 * 512.0));
        assert_eq!(forward.bytes(), 4.0 * (2.0 * 196.0 * (256.0 + 512.0) + 256.0 * 512.0));
        let both = case("pointwise_backward/avx2/v1_14x14x256_512");
        assert_eq!(both.flops(), forward.flops().map(|flops| 2.0 * flops));
        assert_eq!(both.bytes(), 2.0 * forward.bytes());
        assert_eq!(both.norm_flops(), 2.0 * 2.0 * 196.0 * (3.0 * 256.0 + 2.0 * 512.0));
        let depthwise = case("depthwise/avx2/v1_112x112x64_64_s2");
        assert_eq!(depthwise.flops(), Some(2.0 * 2.0 * 56.0 * 56.0 * 9.0 * 64.0));
    }

    #[test]
    fn the_bound_is_the_stricter_limit() {
        let mut limits = Limits::new();
        for case in BenchCase::all(&Shapes::named("mobilenet-v1").unwrap(), 1) {
            let name = case.name("portable");
            let Least { products, memory, bound } = case.least_seconds(&mut limits, Level::Portable);
            assert!(memory > 0.0 && bound >= memory && bound >= products.unwrap_or(0.0), "{name}: {bound}");
            assert_eq!(products.is_some(), matches!(case.kind, CaseKind::Conv(..)), "{name}");
        }
    }

    #[test]
    fn adam_updates_the_parameters_of_the_convolutions() {
        let cases = BenchCase::all(&Shapes::named("mobilenet-v1").unwrap(), 1);
        let adam = cases.iter().find(|case| case.kind == CaseKind::Adam).unwrap();
        // Keras' 3,228,864 of three channels without the top have 21,888 running statistics.
        assert_eq!(adam.conv.shape.inputs, 3_228_864 - 21_888 - 2 * 9 * 32);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<String> = BenchCase::all(&Shapes::named("mobilenet-v2").unwrap(), 1)
            .iter()
            .map(|case| case.name("x"))
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
