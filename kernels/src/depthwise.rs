//! Depthwise convolution, forward: `y[oy, ox, c] = sum over taps of x[oy * stride + ky - pad, .., c] * w[ky, kx, c]`.
//!
//! Nine multiplications a value that is read once leave it bound by memory, so the loops serve the memory: input rows
//! stream once through a `Ring`, where they are transformed and padded, and output rows stream out. In between, a row
//! is worked out one vector of channels at a time, whose weights and sums then stay in registers, and `PIXELS`
//! neighbouring outputs at a time, which share inputs. There is one body for all kernel sizes and strides; called with
//! constants, the compiler unrolls it (3x3 at strides 1 and 2). The loop nest, from the outside:
//!
//! ```text
//! for each block of channels                  as wide as L1 holds its ring
//!   for each output row of the tile
//!     for each input row that is new to it    into the ring (line buffer): transformed, padded, prefetched
//!     for each vector of channels             its taps in registers
//!       for each PIXELS outputs of the row    their sums in registers, then the epilogue
//!         for each tap                        one multiply-add for each of them
//! ```
//!
//! Where there is nothing to transform, as in inference, `depthwise_direct` does without the ring.

use crate::block::{ChannelBlock, PIXELS, Taps};
use crate::cache::{CACHE_LINE, Caches};
use crate::depthwise_direct;
use crate::depthwise_epilogue::{Activate, MomentSums, Plain, RowEpilogue, Target};
use crate::epilogue::Epilogue;
use crate::level::Level;
use crate::output::Output;
use crate::prefetch::SHARED;
use crate::ring::{Ring, RingShape};
use crate::rows::check_read;
use crate::scratch;
use crate::simd::{Kernel, Simd};
use crate::sink::{ROWS_STREAM, Sink};
use crate::stage::spacing;
use crate::view::{ConvShape, Read, Rectifier, Write};
use std::ops::Range;

/// The largest kernel.
pub const MAX_KERNEL: usize = 11;

/// Bytes that the ring of a block takes, about: it stays in L1 beside what streams through. Measured with 44 of 48 KiB,
/// microseconds an image: 112x112x32 47 instead of 56, 28x28x256 26 instead of 34.
fn ring_bytes() -> usize {
    Caches::current().l1 / 12 * 11
}

/// Rows of the image that are fetched ahead, at most: as many as a step reads.
const MAX_AHEAD: usize = 2;

/// Output rows a tile for [`depthwise`]: whole images where a batch has at least 16, else parts that make about 16
/// tiles, of at least 7 rows each (a tile reads `kernel - stride` rows that its neighbour reads too).
pub fn tile_rows(shape: &ConvShape, images: usize) -> usize {
    split_rows(shape.out_h, images)
}

/// Rows a tile, of `height` in an image.
pub(crate) fn split_rows(height: usize, images: usize) -> usize {
    let tiles = 16usize.div_ceil(images.max(1));
    height.div_ceil(tiles).max(7).min(height).max(1)
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
    y: Write,
    epilogue: Epilogue,
) {
    check_shape(shape, weights);
    let channels = shape.inputs;
    check_read(&x, channels, shape.input_len());
    assert!(rows.start <= rows.end && rows.end <= shape.out_h, "rows {rows:?} of {}", shape.out_h);
    assert_eq!(y.to.len(), rows.len() * shape.out_w * channels, "y: [rows, out_w, c]");
    match &epilogue {
        Epilogue::None => {}
        Epilogue::Moments(moments) => assert_eq!(moments.len(), 3 * channels, "moments: [3, c]"),
        Epilogue::Activate { bias, residual, .. } => {
            assert_eq!(bias.len(), channels, "bias: [c]");
            assert!(residual.is_none_or(|residual| residual.len() == y.to.len()), "residual: as y");
        }
    }
    if let (Read::Plain(x), &Epilogue::Activate { bias, act, residual: None }) = (x, &epilogue)
        && depthwise_direct::fits(shape)
    {
        return depthwise_direct::depthwise(level, shape, x, weights, rows, (y.to, channels), bias, act);
    }
    let (ring, width) = (ring(shape), block_width(shape));
    let mut sink = Sink::new(y, channels, ROWS_STREAM);
    let y = Output::of(&mut sink);
    scratch::with(lens(shape), |memory| {
        let [memory, taps, state, lines] = memory.map(<[f32]>::as_mut_ptr);
        level.dispatch(Forward {
            shape,
            x,
            weights,
            rows,
            y,
            epilogue,
            ring,
            width,
            memory,
            taps,
            state,
            lines,
        });
    });
}

/// Whether [`depthwise_spaced`] has a body for the shape.
pub fn can_space(shape: &ConvShape) -> bool {
    depthwise_direct::fits(shape)
}

/// As [`depthwise`] of a plain image with [`Epilogue::Activate`], into `y: [rows, out_w, spacing(c)]`, where
/// [`pointwise_spaced`](crate::pointwise::pointwise_spaced) reads it without a copy. What lies between the pixels is
/// left as it is.
///
/// # Panics
/// When a length does not fit the shape, or [`can_space`] does not hold.
pub fn depthwise_spaced(
    level: Level,
    shape: &ConvShape,
    x: &[f32],
    weights: &[f32],
    rows: Range<usize>,
    y: &mut [f32],
    bias: &[f32],
    act: Rectifier,
) {
    let pitch = spacing(shape.inputs);
    check_shape(shape, weights);
    assert!(can_space(shape), "{shape:?} is not 3x3 at stride 1 or 2");
    assert_eq!(x.len(), shape.input_len(), "x: [h, w, c]");
    assert!(rows.start <= rows.end && rows.end <= shape.out_h, "rows {rows:?} of {}", shape.out_h);
    assert_eq!(y.len(), rows.len() * shape.out_w * pitch, "y: [rows, out_w, {pitch}]");
    assert_eq!(bias.len(), shape.inputs, "bias: [c]");
    depthwise_direct::depthwise(level, shape, x, weights, rows, (y, pitch), bias, act);
}

/// Floats of [`scratch`] that [`depthwise`] takes, for any number of rows.
pub fn scratch_len(shape: &ConvShape) -> usize {
    scratch::len(lens(shape)).max(scratch::len(depthwise_direct::lens(shape)))
}

/// Floats of the ring, of a block's weights and moments, and of a row's lines.
fn lens(shape: &ConvShape) -> [usize; 4] {
    let width = block_width(shape);
    [ring(shape).len(width), shape.kernel * shape.kernel * width, 3 * width, shape.out_w * CACHE_LINE]
}

/// Channels of a block.
fn block_width(shape: &ConvShape) -> usize {
    ChannelBlock::width(shape.inputs, ring(shape).len(1) * size_of::<f32>(), ring_bytes())
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
    y: Output<'a>,
    epilogue: Epilogue<'a>,
    ring: RingShape,
    /// Channels of a block.
    width: usize,
    /// The ring's.
    memory: *mut f32,
    /// `[vectors, kernel * kernel, LANES]`: the block's weights.
    taps: *mut f32,
    /// `[3, width]`: the block's moments.
    state: *mut f32,
    /// See [`Target`].
    lines: *mut f32,
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let target = Target::new(s, self.y, self.shape.outputs, self.lines);
        match std::mem::replace(&mut self.epilogue, Epilogue::None) {
            Epilogue::None => self.tile(s, &Plain { target }),
            Epilogue::Moments(moments) => {
                moments.fill(0.0);
                let (pivots, sums) = (self.state, self.state.wrapping_add(self.width));
                self.tile(s, &MomentSums { target, pivots, sums, moments: moments.as_mut_ptr() });
            }
            Epilogue::Activate { bias, act, residual } => {
                let residual = residual.map(<[f32]>::as_ptr);
                self.tile(s, &Activate { target, bias: bias.as_ptr(), act, residual });
            }
        }
    }
}

impl Forward<'_> {
    /// All rows of the tile, block after block.
    #[inline(always)]
    fn tile<S: Simd, F: RowEpilogue>(self, s: S, finish: &F) {
        let &ConvShape { inputs: channels, kernel, stride, out_w, pad_top, .. } = self.shape;
        for block in ChannelBlock::split(s, channels, self.width) {
            // SAFETY: the lengths were checked: x covers the image, y and a residual the tile, weights and channel
            // vectors all channels; the scratch was cut for blocks of `width`.
            unsafe {
                block.gather(s, kernel * kernel, self.weights.as_ptr(), self.taps);
                finish.begin(s, block);
                let mut ring = Ring::new(s, self.ring, block, self.memory);
                for oy in self.rows.clone() {
                    let (top, end) = (oy * stride, oy * stride + kernel);
                    ring.read(s, &self.x, top.saturating_sub(pad_top), end.saturating_sub(pad_top), stride);
                    let mut rows = [ring.row(-1); MAX_KERNEL];
                    for (ky, row) in rows.iter_mut().enumerate().take(kernel) {
                        *row = ring.row((top + ky) as isize - pad_top as isize);
                    }
                    let (x, ring, taps) = (&self.x, &ring, self.taps);
                    let start = (oy - self.rows.start) * out_w * channels;
                    s.apart(OutputRow { finish, block, rows, x, ring, taps, kernel, stride, out_w, start });
                }
                finish.end(s, block);
            }
        }
    }
}

/// One output row that is worked out: a function of its own, whose loops have all registers to themselves.
struct OutputRow<'a, F> {
    finish: &'a F,
    block: ChannelBlock,
    /// The input rows that it sees, `[vectors, columns, LANES]` each.
    rows: [*const f32; MAX_KERNEL],
    x: &'a Read<'a>,
    ring: &'a Ring,
    /// `[vectors, kernel, kernel, LANES]`
    taps: *const f32,
    kernel: usize,
    stride: usize,
    out_w: usize,
    /// Its first float in the tile.
    start: usize,
}

impl<F: RowEpilogue> Kernel for OutputRow<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: `Forward::tile` made it of rows that the ring has, for outputs that the tile has.
        unsafe {
            match (self.kernel, self.stride) {
                (3, 1) if F::UNROLLED => self.vectors(s, 3, 1),
                (3, 2) if F::UNROLLED => self.vectors(s, 3, 2),
                (kernel, stride) => {
                    // One body with a tail to look for, for what no network of ours asks.
                    for v in 0..self.block.vectors(s) {
                        let (c, n) = self.block.vector(s, v);
                        self.vector(s, kernel, stride, v, n);
                        self.finish.target().flush(s, self.start, c, self.out_w);
                    }
                }
            }
        }
    }
}

impl<F: RowEpilogue> OutputRow<'_, F> {
    /// Vector after vector.
    ///
    /// # Safety
    /// The rows must have the columns that the outputs see, the tile the outputs.
    #[inline(always)]
    unsafe fn vectors<S: Simd>(&self, s: S, kernel: usize, stride: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            for v in 0..self.block.len / S::LANES {
                self.vector(s, kernel, stride, v, S::LANES);
                let c = self.block.start + v * S::LANES;
                self.finish.target().flush(s, self.start, c, self.out_w);
            }
            if let Some((v, n)) = self.block.tail(s) {
                self.vector(s, kernel, stride, v, n);
            }
        }
    }

    /// The `n` channels of vector `v`, while memory fetches the rows that are read next.
    ///
    /// # Safety
    /// As for [`OutputRow::vectors`].
    #[inline(always)]
    unsafe fn vector<S: Simd>(&self, s: S, kernel: usize, stride: usize, v: usize, n: usize) {
        let &Self { finish, block, ring, out_w, .. } = self;
        let (channels, c) = (block.channels, block.start + v * S::LANES);
        // SAFETY: columns up to out_w, as the caller promises.
        unsafe {
            let rows = self.rows.map(|row| row.wrapping_add(v * ring.plane()));
            let taps = Taps::new(s, kernel, self.taps.add(v * kernel * kernel * S::LANES));
            let window = Stencil { rows, taps, kernel, stride };
            let mut row = finish.begin_row(s, self.start, c, n, v);
            let ahead: [_; MAX_AHEAD] = std::array::from_fn(|i| ring.ahead(self.x, c, i));
            let mut ox = 0;
            while ox + PIXELS <= out_w {
                for [stream] in ahead.into_iter().take(stride) {
                    for i in (0..PIXELS * stride).step_by(SHARED) {
                        s.prefetch(stream.wrapping_add((ox * stride + i) * channels));
                    }
                }
                finish.outputs(s, &mut row, ox, window.outputs::<PIXELS>(s, ox));
                ox += PIXELS;
            }
            if ox + 2 <= out_w {
                finish.outputs(s, &mut row, ox, window.outputs::<2>(s, ox));
                ox += 2;
            }
            if ox < out_w {
                finish.outputs(s, &mut row, ox, window.outputs::<1>(s, ox));
            }
            finish.end_row(s, row, v);
        }
    }
}

/// What the outputs of a row see of one vector of channels.
struct Stencil<S: Simd> {
    /// `[columns, LANES]` each.
    rows: [*const f32; MAX_KERNEL],
    taps: Taps<S>,
    kernel: usize,
    stride: usize,
}

impl<S: Simd> Stencil<S> {
    /// `P` outputs from column `ox` on.
    ///
    /// # Safety
    /// The rows must have the columns that the outputs see.
    #[inline(always)]
    unsafe fn outputs<const P: usize>(&self, s: S, ox: usize) -> [S::V; P] {
        let Self { kernel, stride, .. } = *self;
        let mut z = [s.splat(0.0); P];
        for (ky, row) in self.rows.iter().enumerate().take(kernel) {
            for kx in 0..kernel {
                // SAFETY: column (ox + p) * stride + kx is in the rows.
                unsafe {
                    let w = self.taps.get(s, ky * kernel + kx);
                    for p in 0..P {
                        z[p] = s.mul_add(s.load(row.add(((ox + p) * stride + kx) * S::LANES)), w, z[p]);
                    }
                }
            }
        }
        z
    }
}
