//! Depthwise convolution, forward: `y[oy, ox, c] = sum over taps of x[oy * stride + ky - pad, .., c] * w[ky, kx, c]`.
//!
//! Nine multiplications a value that is read once leave it bound by memory, so the loops serve the memory: input rows
//! stream once through a [`Ring`], where they are transformed and padded, and output rows stream out, pixel after
//! pixel. In between, the channels of `PIXELS` neighbouring outputs are worked out one vector at a time, so that a
//! weight is loaded once for all of them and the inputs they share come from L1. There is one body for all kernel sizes
//! and strides; called with constants, the compiler unrolls it (3x3 at strides 1 and 2).
//!
//! Where there is nothing to transform, as in inference, `depthwise_direct` does without the ring.

use crate::depthwise_direct;
use crate::output::Output;
use crate::ring::{Ring, RingShape};
use crate::rows::{Act, Block, PIXELS, check_read};
use crate::scratch;
use crate::simd::{Kernel, Level, Simd};
use crate::view::{ConvShape, Epilogue, Read};
use std::ops::Range;

/// The largest kernel.
pub const MAX_KERNEL: usize = 11;

/// Output rows a tile for [`depthwise`]: whole images where a batch has at least 16, else parts that make about 16
/// tiles, of at least 4 rows each (a tile reads `kernel - stride` rows that its neighbour reads too).
pub fn tile_rows(shape: &ConvShape, images: usize) -> usize {
    split_rows(shape.out_h, images)
}

/// Rows a tile, of `height` in an image.
pub(crate) fn split_rows(height: usize, images: usize) -> usize {
    let tiles = 16usize.div_ceil(images.max(1));
    height.div_ceil(tiles).max(4).min(height).max(1)
}

/// Depthwise convolution of output rows `rows` of one image `x: [h, w, c]` with `weights: [kernel, kernel, c]`, into
/// `y: [rows, out_w, c]`.
///
/// # Panics
/// When a length does not fit the shape.
pub fn depthwise(
    level: Level,
    shape: &ConvShape,
    x: Read,
    weights: &[f32],
    rows: Range<usize>,
    y: &mut [f32],
    epilogue: Epilogue,
) {
    check_shape(shape, weights);
    let channels = shape.inputs;
    check_read(&x, channels, shape.input_len());
    assert!(rows.start <= rows.end && rows.end <= shape.out_h, "rows {rows:?} of {}", shape.out_h);
    assert_eq!(y.len(), rows.len() * shape.out_w * channels, "y: [rows, out_w, c]");
    match &epilogue {
        Epilogue::None => {}
        Epilogue::Moments(moments) => assert_eq!(moments.len(), 3 * channels, "moments: [3, c]"),
        Epilogue::Activate { bias, residual, .. } => {
            assert_eq!(bias.len(), channels, "bias: [c]");
            assert!(residual.is_none_or(|residual| residual.len() == y.len()), "residual: as y");
        }
    }
    if let (Read::Plain(x), &Epilogue::Activate { bias, act, residual: None }) = (x, &epilogue)
        && depthwise_direct::fits(shape)
    {
        return depthwise_direct::depthwise(level, shape, x, weights, rows, y, bias, act);
    }
    let (ring, width) = (ring(shape), Block::width(channels, level.lanes()));
    scratch::with(lens(level, shape), |[memory, taps, state]| {
        let (memory, taps, state) = (memory.as_mut_ptr(), taps.as_mut_ptr(), state.as_mut_ptr());
        level.dispatch(Forward { shape, x, weights, rows, y, epilogue, ring, width, memory, taps, state });
    });
}

/// Floats of [`scratch`] that [`depthwise`] takes, for any number of rows.
pub fn scratch_len(level: Level, shape: &ConvShape) -> usize {
    scratch::len(lens(level, shape)).max(scratch::len(depthwise_direct::lens(level, shape)))
}

/// Floats of the ring, and of a block's weights and moments.
fn lens(level: Level, shape: &ConvShape) -> [usize; 3] {
    let width = Block::width(shape.inputs, level.lanes());
    [ring(shape).len(width), shape.kernel * shape.kernel * width, 5 * width]
}

fn ring(shape: &ConvShape) -> RingShape {
    RingShape {
        slots: shape.kernel,
        height: shape.h,
        width: shape.w,
        left: shape.pad_left,
        columns: shape.out_w.saturating_sub(1) * shape.stride + shape.kernel,
    }
}

/// What both passes ask of the shape.
pub(crate) fn check_shape(shape: &ConvShape, weights: &[f32]) {
    assert_eq!(shape.inputs, shape.outputs, "a depthwise convolution keeps its channels");
    assert!(shape.inputs > 0 && shape.stride > 0, "{shape:?} is empty");
    assert!((1..=MAX_KERNEL).contains(&shape.kernel), "kernel {} of at most {MAX_KERNEL}", shape.kernel);
    assert!(shape.pad_top < shape.kernel && shape.pad_left < shape.kernel, "{shape:?} pads a whole kernel");
    assert_eq!(weights.len(), shape.kernel * shape.kernel * shape.inputs, "weights: [kernel, kernel, c]");
}

struct Forward<'a> {
    shape: &'a ConvShape,
    x: Read<'a>,
    weights: &'a [f32],
    rows: Range<usize>,
    y: &'a mut [f32],
    epilogue: Epilogue<'a>,
    ring: RingShape,
    /// Channels of a block.
    width: usize,
    /// The ring's.
    memory: *mut f32,
    /// `[vectors, kernel * kernel, LANES]`: the block's weights.
    taps: *mut f32,
    /// `[5, width]`: the block's moments.
    state: *mut f32,
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let whole =
            self.rows.len() == self.shape.out_h && !matches!(self.epilogue, Epilogue::Activate { .. });
        let y = Output::new(self.y, self.shape.outputs, whole);
        match std::mem::replace(&mut self.epilogue, Epilogue::None) {
            Epilogue::None => self.sized(s, Store { y }),
            Epilogue::Moments(moments) => {
                moments.fill(0.0);
                let (pivots, row, total) = (
                    self.state,
                    self.state.wrapping_add(self.width),
                    self.state.wrapping_add(3 * self.width),
                );
                self.sized(s, Moments { y, pivots, row, total, moments: moments.as_mut_ptr() });
            }
            Epilogue::Activate { bias, act, residual } => {
                let residual = residual.map(<[f32]>::as_ptr);
                self.sized(s, Activate { y, bias: bias.as_ptr(), act: Act::new(s, act), residual });
            }
        }
        y.finish(s);
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn sized<S: Simd, F: Finish<S>>(self, s: S, finish: F) {
        match (self.shape.kernel, self.shape.stride) {
            (3, 1) => self.tile(s, finish, 3, 1),
            (3, 2) => self.tile(s, finish, 3, 2),
            (kernel, stride) => self.tile(s, finish, kernel, stride),
        }
    }

    /// All rows of the tile, block after block.
    #[inline(always)]
    fn tile<S: Simd, F: Finish<S>>(self, s: S, finish: F, kernel: usize, stride: usize) {
        let &ConvShape { inputs: channels, out_w, pad_top, .. } = self.shape;
        for block in Block::split(s, channels, self.width) {
            // SAFETY: the lengths were checked: x covers the image, y and a residual the tile, weights and channel
            // vectors all channels; the scratch was cut for blocks of `width`.
            unsafe {
                block.gather(s, kernel * kernel, self.weights.as_ptr(), self.taps);
                finish.begin(s, block);
                let mut ring = Ring::new(s, self.ring, block, self.memory);
                for oy in self.rows.clone() {
                    let (top, end) = (oy * stride, oy * stride + kernel);
                    ring.read(s, &self.x, top.saturating_sub(pad_top), end.saturating_sub(pad_top));
                    let mut rows = [ring.row(-1); MAX_KERNEL];
                    for (ky, row) in rows.iter_mut().enumerate().take(kernel) {
                        *row = ring.row((top + ky) as isize - pad_top as isize);
                    }
                    let window = Window { rows, plane: ring.plane(), taps: self.taps, kernel, stride };
                    let at = (oy - self.rows.start) * out_w;
                    let mut ox = 0;
                    while ox + PIXELS <= out_w {
                        for ahead in 0..stride {
                            ring.prefetch(s, &self.x, ahead, ox * stride, PIXELS * stride);
                        }
                        window.outputs::<S, F, PIXELS>(s, &finish, block, ox, at + ox);
                        ox += PIXELS;
                    }
                    if ox + 2 <= out_w {
                        window.outputs::<S, F, 2>(s, &finish, block, ox, at + ox);
                        ox += 2;
                    }
                    if ox < out_w {
                        window.outputs::<S, F, 1>(s, &finish, block, ox, at + ox);
                    }
                    finish.end_row(s, block);
                }
                finish.end(s, block);
            }
        }
    }
}

/// What an output row sees.
struct Window {
    /// `[vectors, columns, LANES]` each, vectors `plane` floats apart.
    rows: [*const f32; MAX_KERNEL],
    plane: usize,
    /// `[vectors, kernel, kernel, LANES]`
    taps: *const f32,
    kernel: usize,
    stride: usize,
}

impl Window {
    /// `P` outputs from column `ox` on; they are the tile's pixels `at..`.
    ///
    /// # Safety
    /// The rows must have the columns that the outputs see, the tile must have the outputs.
    #[inline(always)]
    unsafe fn outputs<S: Simd, F: Finish<S>, const P: usize>(
        &self,
        s: S,
        finish: &F,
        block: Block,
        ox: usize,
        at: usize,
    ) {
        let Self { kernel, stride, .. } = *self;
        for v in 0..block.vectors(s) {
            // SAFETY: column (ox + p) * stride + kx is in the rows, tap ky * kernel + kx in the taps.
            unsafe {
                let taps = self.taps.add(v * kernel * kernel * S::LANES);
                let mut z = [s.splat(0.0); P];
                for (ky, row) in self.rows.iter().enumerate().take(kernel) {
                    let row = row.add(v * self.plane + ox * stride * S::LANES);
                    for kx in 0..kernel {
                        let w = s.load(taps.add((ky * kernel + kx) * S::LANES));
                        for p in 0..P {
                            z[p] = s.mul_add(s.load(row.add((p * stride + kx) * S::LANES)), w, z[p]);
                        }
                    }
                }
                finish.outputs(s, block, v, at, z);
            }
        }
    }
}

/// What happens to outputs that are still in registers.
trait Finish<S: Simd> {
    /// Before the first output of a block.
    ///
    /// # Safety
    /// The tile must have the block.
    #[inline(always)]
    unsafe fn begin(&self, _: S, _: Block) {}
    /// Takes vector `v` of the block, of the tile's pixels `at..at + P`.
    ///
    /// # Safety
    /// The tile must have the pixels and the block.
    unsafe fn outputs<const P: usize>(&self, s: S, block: Block, v: usize, at: usize, z: [S::V; P]);
    /// After each row.
    ///
    /// # Safety
    /// The tile must have the block.
    #[inline(always)]
    unsafe fn end_row(&self, _: S, _: Block) {}
    /// After the last output of a block.
    ///
    /// # Safety
    /// The tile must have the block.
    #[inline(always)]
    unsafe fn end(&self, _: S, _: Block) {}
}

struct Store {
    y: Output,
}

impl<S: Simd> Finish<S> for Store {
    #[inline(always)]
    unsafe fn outputs<const P: usize>(&self, s: S, block: Block, v: usize, at: usize, z: [S::V; P]) {
        let (c, n) = block.vector(s, v);
        for p in 0..P {
            // SAFETY: as the caller promises.
            unsafe { self.y.put(s, (at + p) * block.channels + c, z[p], n) };
        }
    }
}

struct Moments {
    y: Output,
    /// `[vectors, LANES]`: the block's pivots.
    pivots: *mut f32,
    /// `[vectors, 2, LANES]`: the sums of a row.
    row: *mut f32,
    /// `[vectors, 2, LANES]`: the sums of the rows before.
    total: *mut f32,
    /// `[3, c]`, zeros before.
    moments: *mut f32,
}

impl<S: Simd> Finish<S> for Moments {
    #[inline(always)]
    unsafe fn begin(&self, s: S, block: Block) {
        // SAFETY: as the caller promises.
        unsafe {
            block.clear(s, 1, self.pivots);
            block.clear(s, 2, self.row);
            block.clear(s, 2, self.total);
        }
    }
    #[inline(always)]
    unsafe fn outputs<const P: usize>(&self, s: S, block: Block, v: usize, at: usize, z: [S::V; P]) {
        // SAFETY: as the caller promises; there are a pivot and two sums for each of the block's vectors.
        unsafe {
            Store { y: self.y }.outputs(s, block, v, at, z);
            let pivot = self.pivots.add(v * S::LANES);
            if at == 0 {
                s.store(pivot, z[0]);
            }
            let pivot = s.load(pivot);
            let sums = self.row.add(v * 2 * S::LANES);
            let (mut sum, mut squares) = (s.load(sums), s.load(sums.add(S::LANES)));
            for p in 0..P {
                let d = s.sub(z[p], pivot);
                sum = s.add(sum, d);
                squares = s.mul_add(d, d, squares);
            }
            s.store(sums, sum);
            s.store(sums.add(S::LANES), squares);
        }
    }
    #[inline(always)]
    unsafe fn end_row(&self, s: S, block: Block) {
        // SAFETY: as the caller promises.
        unsafe { block.carry(s, 2, self.row, self.total) };
    }
    #[inline(always)]
    unsafe fn end(&self, s: S, block: Block) {
        // SAFETY: as the caller promises.
        unsafe {
            block.scatter(s, 1, self.pivots, self.moments);
            block.scatter(s, 2, self.total, self.moments.add(block.channels));
        }
    }
}

struct Activate<S: Simd> {
    y: Output,
    bias: *const f32,
    act: Act<S>,
    residual: Option<*const f32>,
}

impl<S: Simd> Finish<S> for Activate<S> {
    #[inline(always)]
    unsafe fn outputs<const P: usize>(&self, s: S, block: Block, v: usize, at: usize, z: [S::V; P]) {
        let (c, n) = block.vector(s, v);
        // SAFETY: as the caller promises.
        unsafe {
            let bias = s.load_up_to(self.bias.add(c), n);
            for p in 0..P {
                let at = (at + p) * block.channels + c;
                let mut y = self.act.apply(s, s.add(z[p], bias));
                if let Some(residual) = self.residual {
                    y = s.add(y, s.load_up_to(residual.add(at), n));
                }
                self.y.put(s, at, y, n);
            }
        }
    }
}
