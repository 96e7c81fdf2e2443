//! A case with data, ready to run again and again, over the tiles and on the threads that training uses.

use crate::case::{BenchCase, CaseKind, ConvPass};
use crate::{ADAM, random};
use engine::{Conv, Ending, GradientBuffers, Weights, merge, par};
use kernels::{Buffer, ConvShape, Deferred, Grad, Level, Packed, Read, Rectifier, pooling};
use model::ConvKind;
use std::ops::Range;

/// A case with its tensors. Weights are packed beforehand, as inference does once and training once a step.
pub struct PreparedCase {
    case: BenchCase,
    level: Level,
    tensors: Tensors,
}

struct Tensors {
    /// Of the whole batch.
    x: Buffer,
    y: Buffer,
    /// The gradients of `y` and `x`.
    dy: Buffer,
    dx: Buffer,
    w: Buffer,
    /// For the pass; none where the kernel reads weights as they are.
    packed: Option<Packed>,
    /// What tiles leave of the gradient of the weights, and their sum.
    partials: Buffer,
    dw: Buffer,
    /// What tiles leave of moments, or of the sums that a norm needs.
    sums: Buffer,
    /// A value a channel: scale, shift, bias, and whatever else is one.
    channels: Buffer,
}

impl PreparedCase {
    /// Random data for `case`, to run at `level`.
    pub fn new(case: BenchCase, level: Level) -> Self {
        let BenchCase { kind: kernel, conv, batch, .. } = case;
        let ConvShape { h, w, inputs, outputs, out_h, out_w, .. } = conv.shape;
        let [pitch, out_pitch] = conv.pitches();
        let (x, y) = (batch * h * w * pitch, batch * out_h * out_w * out_pitch);
        let (backward, wants_x, wants_w) = match kernel {
            CaseKind::Conv(_, ConvPass::Forward | ConvPass::Inference) | CaseKind::Pool => {
                (false, false, false)
            }
            CaseKind::Conv(_, ConvPass::Input) | CaseKind::PoolBackward | CaseKind::Adam => {
                (true, true, false)
            }
            CaseKind::Conv(_, ConvPass::Weights) => (true, false, true),
            CaseKind::Conv(_, ConvPass::Backward) => (true, true, true),
        };
        let [tiles, partials] = match kernel {
            CaseKind::Conv(..) if backward => conv.partials(level, batch),
            CaseKind::Conv(..) => [conv.tile_count(level, batch), 0],
            _ => [batch, 0],
        };
        let w = random(case.weights());
        let packed = match kernel {
            CaseKind::Conv(..) if !backward => conv.pack(level, &w),
            CaseKind::Conv(..) if wants_x => conv.pack_transposed(level, &w),
            _ => None,
        };
        let only = |wanted: bool, len: usize| random(if wanted { len } else { 0 });
        let mut tensors = Tensors {
            x: random(x),
            y: random(y),
            dy: only(backward, y),
            dx: only(wants_x, x),
            partials: only(wants_w, partials * w.len()),
            dw: only(wants_w, w.len()),
            sums: Buffer::zeros(tiles * 3 * inputs.max(outputs)),
            channels: random(inputs.max(outputs)),
            w,
            packed,
        };
        if kernel == CaseKind::Adam {
            // The second moment is a mean of squares.
            tensors.dx.iter_mut().for_each(|v| *v *= *v);
        }
        Self { case, level, tensors }
    }

    /// Runs the kernel once over the whole batch.
    pub fn run(&mut self) {
        match self.case.kind {
            CaseKind::Conv(_, pass @ (ConvPass::Forward | ConvPass::Inference)) => self.forward(pass),
            CaseKind::Conv(..) => self.backward(),
            CaseKind::Pool => self.pool(),
            CaseKind::PoolBackward => self.pool_backward(),
            CaseKind::Adam => self.adam(),
        }
    }

    fn forward(&mut self, pass: ConvPass) {
        let (level, BenchCase { conv, batch, .. }) = (self.level, &self.case);
        let Tensors { x, y, w, packed, sums, channels, .. } = &mut self.tensors;
        let training = pass == ConvPass::Forward;
        let outputs = conv.shape.outputs;
        let weights = packed.as_ref().map_or(Weights::Taps(level, w), Weights::Panels);
        let read = read(conv, training, x, channels);
        // Inference keeps what it writes in the cache, for the layer above.
        let tensor = if training { y.len() } else { 0 };
        let y = (&mut y[..], tensor);
        let ending = match training {
            true => Ending::Moments(&mut sums[..conv.tile_count(level, *batch) * 3 * outputs]),
            false => Ending::Activate { bias: &channels[..outputs] },
        };
        conv.forward_into(level, *batch, read, weights, y, ending);
    }

    fn backward(&mut self) {
        let (level, BenchCase { conv, batch, .. }) = (self.level, &self.case);
        let Tensors { x, y, dy, dx, w, packed, partials, dw, sums, channels, .. } = &mut self.tensors;
        let g = gradient(dy, y, channels, conv.shape.outputs);
        let weights = match conv.kind {
            ConvKind::Depthwise => Some(Weights::Taps(level, w)),
            _ => packed.as_ref().map(Weights::Panels),
        };
        let into = GradientBuffers {
            dx: (!dx.is_empty()).then_some(&mut dx[..]),
            dw: (!partials.is_empty()).then_some(&mut partials[..]),
            sums: &mut sums[..conv.partials(level, *batch)[0] * 2 * conv.shape.inputs],
        };
        conv.backward_into(level, *batch, read(conv, true, x, channels), g, weights, into);
        if !dw.is_empty() {
            merge(level, partials, dw);
        }
    }

    fn pool(&mut self) {
        let (level, c, image) = (self.level, self.case.conv.shape.inputs, self.case.conv.shape.input_len());
        let Tensors { x, y, channels, .. } = &mut self.tensors;
        let x = deferred(x, channels, c);
        par::chunks_mut(&mut y[..self.case.batch * c], c, |i, y| {
            pooling::global_average_pool(level, x.part(of_image(i, image)), y);
        });
    }

    fn pool_backward(&mut self) {
        let (level, c, image) = (self.level, self.case.conv.shape.inputs, self.case.conv.shape.input_len());
        let Tensors { x, dy, dx, sums, channels, .. } = &mut self.tensors;
        let x = deferred(x, channels, c);
        par::chunks_mut2((dx, image), (sums, 3 * c), |i, dx, sums| {
            let x = x.part(of_image(i, image));
            let g = &dy[of_image(i, c)];
            pooling::global_average_pool_backward(level, x, g, dx, &mut sums[..2 * c]);
        });
    }

    fn adam(&mut self) {
        /// Floats of a task, as in training.
        const PIECE: usize = 1 << 16;
        let level = self.level;
        let Tensors { x, y, dy, dx, .. } = &mut self.tensors;
        let [weights, first, second] = [x, y, dx].map(|data| data.chunks_mut(PIECE));
        let tasks = dy.chunks(PIECE).zip(weights).zip(first.zip(second)).collect();
        par::run(tasks, |((gradient, weights), (first, second))| {
            ADAM.update(level, gradient, weights, first, second);
        });
    }
}

fn of_image(image: usize, len: usize) -> Range<usize> {
    image * len..(image + 1) * len
}

/// What a layer reads: the first one an image, others in training a deferred activation.
fn read<'a>(conv: &Conv, training: bool, x: &'a [f32], channels: &'a [f32]) -> Read<'a> {
    if conv.kind == ConvKind::Full || !training {
        Read::Plain(x)
    } else {
        deferred(x, channels, conv.shape.inputs)
    }
}

/// The activation that a layer inside the network reads.
fn deferred<'a>(z: &'a [f32], channels: &'a [f32], c: usize) -> Read<'a> {
    let vector = &channels[..c];
    Read::Norm(Deferred { z, scale: vector, shift: vector, center: vector, act: Rectifier::RELU6 })
}

/// The gradient that reaches it, through its norm.
fn gradient<'a>(dy: &'a [f32], z: &'a [f32], channels: &'a [f32], c: usize) -> Grad<'a> {
    let vector = &channels[..c];
    Grad::Norm { dy, z, a: vector, b: vector, c: vector }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::small;
    use kernels::scalar;

    #[test]
    fn every_case_computes_what_the_specification_says() {
        for batch in [1, 17] {
            for case in BenchCase::all(&small(), batch) {
                for level in engine::cases::levels() {
                    let mut run = PreparedCase::new(case.clone(), level);
                    let before = [&run.tensors.x, &run.tensors.y, &run.tensors.dx].map(|data| data.to_vec());
                    run.run();
                    check(&run, &before, &case.name(level.name()));
                }
            }
        }
    }

    /// The last image of the batch, so that the tiles of the others show too.
    fn check(run: &PreparedCase, [x, y_before, dx_before]: &[Vec<f32>; 3], name: &str) {
        let PreparedCase { case: BenchCase { kind: kernel, conv, batch, .. }, tensors, .. } = run;
        let shape = &conv.shape;
        let Tensors { w, channels, .. } = tensors;
        let (input, output) =
            (of_image(batch - 1, shape.input_len()), of_image(batch - 1, shape.output_len()));
        let c = shape.inputs;
        let packed = |data: &[f32], pitch: usize, c: usize| -> Vec<f32> {
            data.chunks_exact(pitch).flat_map(|pixel| &pixel[..c]).copied().collect()
        };
        let x = &packed(x, conv.pitches()[0], c);
        let read = deferred(x, channels, c);
        let mut y = vec![0.0; output.len()];
        let spec = |x: &Read, y: &mut [f32]| match kernel {
            CaseKind::Conv(ConvKind::Depthwise, _) => scalar::depthwise_forward(shape, x, w, y),
            _ => scalar::conv_forward(shape, x, w, y),
        };
        match kernel {
            CaseKind::Conv(kind, ConvPass::Forward) => {
                let plain = Read::Plain(x);
                spec(&if *kind == ConvKind::Full { plain } else { read }.part(input), &mut y);
                near(&tensors.y[output], &y, name);
            }
            CaseKind::Conv(_, ConvPass::Inference) => {
                spec(&Read::Plain(x).part(input), &mut y);
                for (i, y) in y.iter_mut().enumerate() {
                    *y = scalar::activate(conv.activation, *y + channels[i % shape.outputs]);
                }
                let found = packed(&tensors.y, conv.pitches()[1], shape.outputs);
                near(&found[output], &y, name);
            }
            CaseKind::Conv(kind, pass) => {
                let x = if *kind == ConvKind::Full { Read::Plain(x) } else { read };
                let g = gradient(&tensors.dy, &tensors.y, channels, shape.outputs);
                let (mut dx, mut dw) = (vec![0.0; input.len()], vec![0.0; w.len()]);
                let mut sums = vec![0.0; 2 * c];
                for image in 0..*batch {
                    let (x, g) =
                        (x.part(of_image(image, input.len())), g.part(of_image(image, output.len())));
                    let backward = if *kind == ConvKind::Depthwise {
                        scalar::depthwise_backward
                    } else {
                        scalar::conv_backward
                    };
                    backward(shape, &x, &g, w, &mut dx, &mut dw, &mut sums);
                }
                if *pass != ConvPass::Weights {
                    near(&tensors.dx[input], &dx, name);
                }
                if *pass != ConvPass::Input {
                    near(&tensors.dw, &dw, name);
                }
            }
            CaseKind::Pool => {
                let mut mean = vec![0.0; c];
                scalar::global_average_pool(&read.part(input), c, &mut mean);
                near(&tensors.y[of_image(batch - 1, c)], &mean, name);
            }
            CaseKind::PoolBackward => {
                let (mut dx, mut sums) = (vec![0.0; input.len()], vec![0.0; 2 * c]);
                let g = &tensors.dy[of_image(batch - 1, c)];
                scalar::global_average_pool_backward(&read.part(input.clone()), c, g, &mut dx, &mut sums);
                near(&tensors.dx[input], &dx, name);
            }
            CaseKind::Adam => {
                let (mut w, mut m, mut v) = (x.clone(), y_before.clone(), dx_before.clone());
                scalar::adam(&ADAM, &tensors.dy, &mut w, &mut m, &mut v);
                for (found, expected) in [(&tensors.x, &w), (&tensors.y, &m), (&tensors.dx, &v)] {
                    near(found, expected, name);
                }
            }
        }
    }

    fn near(found: &[f32], expected: &[f32], name: &str) {
        assert_eq!(found.len(), expected.len(), "{name}");
        let largest = expected.iter().fold(1.0, |largest: f32, x| largest.max(x.abs()));
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() <= 1e-4 * largest, "{name}: [{i}] expected {b}, found {a}");
        }
    }
}
