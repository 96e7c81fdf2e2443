//! A case with data, ready to run again and again, over the tiles and on the threads that training uses.

use crate::case::{Case, Kernel, Pass};
use crate::shapes::Kind;
use crate::{ADAM, random};
use engine::par;
use kernels::conv::{self, conv};
use kernels::conv_backward::conv_backward;
use kernels::depthwise::{self, depthwise, depthwise_spaced};
use kernels::depthwise_backward::{backward_tile_rows, depthwise_backward};
use kernels::pointwise::{self, pointwise, pointwise_spaced, spacing};
use kernels::pointwise_backward::{BackwardTiles, backward_tiles, pointwise_backward};
use kernels::{
    Activation, Buffer, ConvShape, Deferred, Epilogue, Grad, Level, Packed, Read, Write, elementwise, pooling,
};
use std::ops::Range;

/// A case with its tensors. Weights are packed beforehand, as inference does once and training once a step.
pub struct Run {
    case: Case,
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
    packed: Packed,
    /// What tiles leave of the gradient of the weights, and their sum.
    partials: Buffer,
    dw: Buffer,
    /// What tiles leave of moments, or of the sums that a norm needs.
    sums: Buffer,
    /// A value a channel: scale, shift, bias, and whatever else is one.
    channels: Buffer,
}

/// Images cut into bands of rows.
#[derive(Clone, Copy)]
struct Bands {
    images: usize,
    height: usize,
    rows: usize,
}

impl Bands {
    fn new(images: usize, height: usize, rows: usize) -> Self {
        Self { images, height, rows }
    }

    fn count(self) -> usize {
        self.images * self.height.div_ceil(self.rows)
    }

    /// The image and the rows of each band.
    fn iter(self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let Self { images, height, rows } = self;
        let bands =
            move |image| (0..height).step_by(rows).map(move |start| (image, start..height.min(start + rows)));
        (0..images).flat_map(bands)
    }

    /// The pieces of a batch that the bands write, `row` floats a row; nothing of an empty batch.
    fn split(self, data: &mut [f32], row: usize) -> impl Iterator<Item = &mut [f32]> {
        data.chunks_mut(self.height * row).flat_map(move |image| image.chunks_mut(self.rows * row))
    }
}

/// How tiles of a pointwise backward pass share their partial gradients of the weights.
struct Shares {
    tiles: BackwardTiles,
    /// Tiles of one partial gradient.
    share: usize,
    /// Tiles, and partial gradients.
    counts: [usize; 2],
}

impl Shares {
    fn new(level: Level, shape: &ConvShape, batch: usize) -> Self {
        let pixels = batch * shape.h * shape.w;
        let tiles = backward_tiles(level, pixels, shape.inputs, shape.outputs);
        let count = pixels.div_ceil(tiles.rows);
        let share = count.div_ceil(tiles.partials);
        Self { tiles, share, counts: [count, count.div_ceil(share)] }
    }
}

impl Run {
    /// Random data for `case`, to run at `level`.
    pub fn new(case: Case, level: Level) -> Self {
        let Case { kernel, shape, batch, .. } = case;
        let ConvShape { inputs, outputs, out_h, .. } = shape;
        let x = batch * shape.h * shape.w * pitch(&kernel, inputs);
        let y = batch * shape.out_h * shape.out_w * out_pitch(&kernel, &shape);
        let pass = match kernel {
            Kernel::Conv(_, pass) => pass,
            Kernel::Pool => Pass::Forward,
            Kernel::PoolBackward | Kernel::Adam => Pass::Input,
        };
        let backward = matches!(pass, Pass::Input | Pass::Weights | Pass::Backward);
        let (wants_x, wants_w) = (backward && pass != Pass::Weights, backward && pass != Pass::Input);
        // Floats of packed weights' rows, tiles, and partial gradients of the weights.
        let (k, tiles, partials) = match kernel {
            Kernel::Conv(Kind::Pointwise, _) if backward => {
                let [tiles, partials] = Shares::new(level, &shape, batch).counts;
                (inputs, tiles, partials)
            }
            Kernel::Conv(Kind::Pointwise, _) => {
                let m = batch * shape.h * shape.w;
                (inputs, m.div_ceil(pointwise::tile_rows(level, m, inputs, outputs)), 0)
            }
            Kernel::Conv(Kind::Depthwise, _) if backward => {
                let bands = Bands::new(batch, shape.h, backward_tile_rows(&shape, batch)).count();
                (0, bands, bands)
            }
            Kernel::Conv(Kind::Depthwise, _) => {
                (0, Bands::new(batch, out_h, depthwise::tile_rows(&shape, batch)).count(), 0)
            }
            Kernel::Conv(Kind::Full, _) => {
                let bands = Bands::new(batch, out_h, conv::tile_rows(&shape, batch)).count();
                (shape.kernel * shape.kernel * inputs, if backward { batch } else { bands }, batch)
            }
            Kernel::Pool | Kernel::PoolBackward | Kernel::Adam => (0, batch, 0),
        };
        let w = random(case.weights());
        let mut packed = Packed::new(level, 0, 0);
        if k > 0 && !backward {
            packed = Packed::new(level, k, outputs);
            packed.pack(&w);
        } else if k > 0 && wants_x {
            packed = Packed::new(level, outputs, k);
            packed.pack_transposed(&w);
        }
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
        if kernel == Kernel::Adam {
            // The second moment is a mean of squares.
            tensors.dx.iter_mut().for_each(|v| *v *= *v);
        }
        Self { case, level, tensors }
    }

    /// Runs the kernel once over the whole batch.
    pub fn run(&mut self) {
        match self.case.kernel {
            Kernel::Conv(Kind::Pointwise, pass @ (Pass::Forward | Pass::Inference)) => self.pointwise(pass),
            Kernel::Conv(Kind::Pointwise, _) => self.pointwise_backward(),
            Kernel::Conv(_, Pass::Forward) => self.conv(true),
            Kernel::Conv(_, Pass::Inference) => self.conv(false),
            Kernel::Conv(Kind::Depthwise, _) => self.depthwise_backward(),
            Kernel::Conv(Kind::Full, _) => self.conv_backward(),
            Kernel::Pool => self.pool(),
            Kernel::PoolBackward => self.pool_backward(),
            Kernel::Adam => self.adam(),
        }
    }

    fn pointwise(&mut self, pass: Pass) {
        let (level, ConvShape { inputs: k, outputs: n, .. }) = (self.level, self.case.shape);
        let Tensors { x, y, packed, sums, channels, .. } = &mut self.tensors;
        let (rows, len) = (pointwise::tile_rows(level, y.len() / n, k, n), y.len());
        let (training, pitch) = (pass == Pass::Forward, pitch(&self.case.kernel, k));
        let bias = &channels[..n];
        par::chunks_mut2((y, rows * n), (sums, 3 * k.max(n)), |tile, y, sums| {
            let start = tile * rows * pitch;
            let (pixels, epilogue) = (start..start + y.len() / n * pitch, epilogue(training, bias, sums));
            match training {
                true => {
                    let x = deferred(x, channels, k).part(pixels);
                    pointwise(x, packed, Write::part(y, len), epilogue);
                }
                false => pointwise_spaced(&x[pixels], packed, y, epilogue),
            }
        });
    }

    fn pointwise_backward(&mut self) {
        let (level, shape) = (self.level, self.case.shape);
        let (k, n) = (shape.inputs, shape.outputs);
        let Shares { tiles, share, .. } = Shares::new(level, &shape, self.case.batch);
        let Tensors { x, y, dy, dx, packed, partials, dw, sums, channels, .. } = &mut self.tensors;
        let (rows, pixels, len) = (tiles.rows, x.len() / k, dx.len());
        let (x, g) = (deferred(x, channels, k), gradient(dy, y, channels, n));
        let mut dx_parts = dx.chunks_mut(share * rows * k);
        let mut dw_parts = partials.chunks_mut(k * n);
        let sums = sums.chunks_mut(share * 3 * k.max(n)).enumerate();
        let tasks = sums.map(|(i, sums)| (i, dx_parts.next(), dw_parts.next(), sums)).collect();
        par::run(tasks, |(part, dx, mut dw, sums)| {
            let mut dx = dx.map(|dx| dx.chunks_mut(rows * k));
            for (i, sums) in sums.chunks_mut(3 * k.max(n)).enumerate() {
                let start = (part * share + i) * rows;
                let end = pixels.min(start + rows);
                let dx = dx.as_mut().and_then(Iterator::next);
                let weights = dx.is_some().then_some(&*packed);
                let dx = dx.map(|dx| Write::part(dx, len));
                let (x, g) = (x.part(start * k..end * k), g.part(start * n..end * n));
                pointwise_backward(
                    level,
                    x,
                    g,
                    n,
                    weights,
                    dx,
                    dw.as_deref_mut(),
                    i == 0,
                    &mut sums[..2 * k],
                );
            }
        });
        merge(level, partials, dw);
    }

    /// Forward of a depthwise or a full convolution.
    fn conv(&mut self, training: bool) {
        let (level, shape, batch) = (self.level, self.case.shape, self.case.batch);
        let full = matches!(self.case.kernel, Kernel::Conv(Kind::Full, _));
        let Tensors { x, y, w, packed, sums, channels, .. } = &mut self.tensors;
        let rows = if full { conv::tile_rows(&shape, batch) } else { depthwise::tile_rows(&shape, batch) };
        let bands = Bands::new(batch, shape.out_h, rows);
        // What the first layer reads is an image, in training too.
        let plain = full || !training;
        let read = if plain { Read::Plain(x) } else { deferred(x, channels, shape.inputs) };
        let bias = &channels[..shape.outputs];
        // Inference keeps what it writes in the cache, for the layer above.
        let len = if training { y.len() } else { 0 };
        let pitch = out_pitch(&self.case.kernel, &shape);
        let pieces = bands.split(y, shape.out_w * pitch);
        let sums = sums.chunks_mut(3 * shape.inputs.max(shape.outputs));
        par::run(bands.iter().zip(pieces.zip(sums)).collect(), |((image, rows), (y, sums))| {
            let x = read.part(of_image(image, shape.input_len()));
            if !training && !full && depthwise::can_space(&shape) {
                let x = &read.stored()[of_image(image, shape.input_len())];
                return depthwise_spaced(level, &shape, x, w, rows, y, bias, Activation::RELU6);
            }
            let (y, epilogue) = (Write::part(y, len), epilogue(training, bias, sums));
            if full {
                conv(&shape, x, packed, rows, y, epilogue);
            } else {
                depthwise(level, &shape, x, w, rows, y, epilogue);
            }
        });
    }

    fn depthwise_backward(&mut self) {
        let (level, shape, batch) = (self.level, self.case.shape, self.case.batch);
        let c = shape.inputs;
        let Tensors { x, y, dy, dx, w, partials, dw, sums, channels, .. } = &mut self.tensors;
        let (x, g) = (deferred(x, channels, c), gradient(dy, y, channels, c));
        let bands = Bands::new(batch, shape.h, backward_tile_rows(&shape, batch));
        partials.fill(0.0);
        let len = dx.len();
        let mut dx = bands.split(dx, shape.w * c);
        let dw_parts = partials.chunks_mut(w.len());
        let tasks = bands.iter().zip(dw_parts.zip(sums.chunks_mut(3 * c))).map(|task| (task, dx.next()));
        par::run(tasks.collect(), |(((image, rows), (dw, sums)), dx)| {
            let x = x.part(of_image(image, shape.input_len()));
            let g = g.part(of_image(image, shape.output_len()));
            let dx = dx.map(|dx| Write::part(dx, len));
            depthwise_backward(level, &shape, x, g, w, rows, dx, dw, &mut sums[..2 * c]);
        });
        merge(level, partials, dw);
    }

    /// Of the first layer: the gradient of its weights only.
    fn conv_backward(&mut self) {
        let (level, shape) = (self.level, self.case.shape);
        let Tensors { x, y, dy, w, partials, dw, channels, .. } = &mut self.tensors;
        let (x, g) = (Read::Plain(x), gradient(dy, y, channels, shape.outputs));
        par::chunks_mut(partials, w.len(), |image, dw| {
            dw.fill(0.0);
            let x = x.part(of_image(image, shape.input_len()));
            let g = g.part(of_image(image, shape.output_len()));
            conv_backward(level, &shape, x, g, None, 0..shape.out_h, None, dw, &mut []);
        });
        merge(level, partials, dw);
    }

    fn pool(&mut self) {
        let (level, c, image) = (self.level, self.case.shape.inputs, self.case.shape.input_len());
        let Tensors { x, y, channels, .. } = &mut self.tensors;
        let x = deferred(x, channels, c);
        par::chunks_mut(&mut y[..self.case.batch * c], c, |i, y| {
            pooling::global_average_pool(level, x.part(of_image(i, image)), y);
        });
    }

    fn pool_backward(&mut self) {
        let (level, c, image) = (self.level, self.case.shape.inputs, self.case.shape.input_len());
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

/// Floats from one pixel of the input to the next: inference has a pointwise kernel read what it wrote spaced.
fn pitch(kernel: &Kernel, channels: usize) -> usize {
    match kernel {
        Kernel::Conv(Kind::Pointwise, Pass::Inference) => spacing(channels),
        _ => channels,
    }
}

/// The same of the output, of a depthwise kernel.
fn out_pitch(kernel: &Kernel, shape: &ConvShape) -> usize {
    match kernel {
        Kernel::Conv(Kind::Depthwise, Pass::Inference) if depthwise::can_space(shape) => {
            spacing(shape.outputs)
        }
        _ => shape.outputs,
    }
}

fn of_image(image: usize, len: usize) -> Range<usize> {
    image * len..(image + 1) * len
}

/// The activation that a layer inside the network reads.
fn deferred<'a>(z: &'a [f32], channels: &'a [f32], c: usize) -> Read<'a> {
    let vector = &channels[..c];
    Read::Norm(Deferred { z, scale: vector, shift: vector, center: vector, act: Activation::RELU6 })
}

/// The gradient that reaches it, through its norm.
fn gradient<'a>(dy: &'a [f32], z: &'a [f32], channels: &'a [f32], c: usize) -> Grad<'a> {
    let vector = &channels[..c];
    Grad::Norm { dy, z, a: vector, b: vector, c: vector }
}

/// Training takes moments; inference adds a bias and activates.
fn epilogue<'a>(training: bool, bias: &'a [f32], sums: &'a mut [f32]) -> Epilogue<'a> {
    if training {
        Epilogue::Moments(&mut sums[..3 * bias.len()])
    } else {
        Epilogue::Activate { bias, act: Activation::RELU6, residual: None }
    }
}

/// Adds partial gradients of the weights up; nothing where there are none.
fn merge(level: Level, partials: &[f32], total: &mut [f32]) {
    const CHUNK: usize = 1 << 14;
    let len = total.len();
    par::chunks_mut(total, CHUNK, |i, out| {
        let range = i * CHUNK..i * CHUNK + out.len();
        let mut parts = partials.chunks_exact(len).map(|part| &part[range.clone()]);
        out.copy_from_slice(parts.next().expect("there is at least one partial result"));
        parts.for_each(|part| elementwise::accumulate(level, part, out));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::small;
    use kernels::scalar;

    #[test]
    fn every_case_computes_what_the_specification_says() {
        for batch in [1, 17] {
            for case in Case::all(&small(), batch) {
                for level in Level::available() {
                    let mut run = Run::new(case.clone(), level);
                    let before = [&run.tensors.x, &run.tensors.y, &run.tensors.dx].map(|data| data.to_vec());
                    run.run();
                    check(&run, &before, &case.name(level.name()));
                }
            }
        }
    }

    /// The last image of the batch, so that the tiles of the others show too.
    fn check(run: &Run, [x, y_before, dx_before]: &[Vec<f32>; 3], name: &str) {
        let Run { case: Case { kernel, shape, batch, .. }, tensors, .. } = run;
        let Tensors { w, channels, .. } = tensors;
        let (input, output) =
            (of_image(batch - 1, shape.input_len()), of_image(batch - 1, shape.output_len()));
        let c = shape.inputs;
        let packed = |data: &[f32], pitch: usize, c: usize| -> Vec<f32> {
            data.chunks_exact(pitch).flat_map(|pixel| &pixel[..c]).copied().collect()
        };
        let x = &packed(x, pitch(kernel, c), c);
        let read = deferred(x, channels, c);
        let mut y = vec![0.0; output.len()];
        let spec = |x: &Read, y: &mut [f32]| match kernel {
            Kernel::Conv(Kind::Depthwise, _) => scalar::depthwise_forward(shape, x, w, y),
            _ => scalar::conv_forward(shape, x, w, y),
        };
        match kernel {
            Kernel::Conv(kind, Pass::Forward) => {
                let plain = Read::Plain(x);
                spec(&if *kind == Kind::Full { plain } else { read }.part(input), &mut y);
                near(&tensors.y[output], &y, name);
            }
            Kernel::Conv(_, Pass::Inference) => {
                spec(&Read::Plain(x).part(input), &mut y);
                for (i, y) in y.iter_mut().enumerate() {
                    *y = scalar::activate(Activation::RELU6, *y + channels[i % shape.outputs]);
                }
                let found = packed(&tensors.y, out_pitch(kernel, shape), shape.outputs);
                near(&found[output], &y, name);
            }
            Kernel::Conv(kind, pass) => {
                let x = if *kind == Kind::Full { Read::Plain(x) } else { read };
                let g = gradient(&tensors.dy, &tensors.y, channels, shape.outputs);
                let (mut dx, mut dw) = (vec![0.0; input.len()], vec![0.0; w.len()]);
                let mut sums = vec![0.0; 2 * c];
                for image in 0..*batch {
                    let (x, g) =
                        (x.part(of_image(image, input.len())), g.part(of_image(image, output.len())));
                    let backward = if *kind == Kind::Depthwise {
                        scalar::depthwise_backward
                    } else {
                        scalar::conv_backward
                    };
                    backward(shape, &x, &g, w, &mut dx, &mut dw, &mut sums);
                }
                if *pass != Pass::Weights {
                    near(&tensors.dx[input], &dx, name);
                }
                if *pass != Pass::Input {
                    near(&tensors.dw, &dw, name);
                }
            }
            Kernel::Pool => {
                let mut mean = vec![0.0; c];
                scalar::global_average_pool(&read.part(input), c, &mut mean);
                near(&tensors.y[of_image(batch - 1, c)], &mean, name);
            }
            Kernel::PoolBackward => {
                let (mut dx, mut sums) = (vec![0.0; input.len()], vec![0.0; 2 * c]);
                let g = &tensors.dy[of_image(batch - 1, c)];
                scalar::global_average_pool_backward(&read.part(input.clone()), c, g, &mut dx, &mut sums);
                near(&tensors.dx[input], &dx, name);
            }
            Kernel::Adam => {
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
