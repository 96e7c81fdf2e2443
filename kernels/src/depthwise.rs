//! Depthwise convolution, forward: `y[oy, ox, c] = sum over taps of x[oy * stride + ky - pad, .., c] * w[ky, kx, c]`.
//!
//! Nine multiplications a value that is read once leave it bound by memory, so the loops serve the memory: input rows
//! stream once through a [`Ring`], where they are transformed and padded, and output rows stream out, pixel after
//! pixel. In between, the channels of `PIXELS` neighbouring outputs are worked out one vector at a time, so that a
//! weight is loaded once for all of them and the inputs they share come from L1. There is one body for all kernel sizes
//! and strides; called with constants, the compiler unrolls it (3x3 at strides 1 and 2).

use crate::rows::{Act, Block, Ring, RingShape, add_up_to, check_read};
use crate::scratch;
use crate::simd::{Kernel, Level, Simd};
use crate::view::{ConvShape, Epilogue, Read};
use std::ops::Range;

/// Outputs in a row that are worked out together.
const PIXELS: usize = 4;

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
    let ring = RingShape {
        slots: shape.kernel,
        height: shape.h,
        width: shape.w,
        left: shape.pad_left,
        columns: shape.out_w.saturating_sub(1) * shape.stride + shape.kernel,
    };
    let pitch = channels.next_multiple_of(level.lanes());
    let taps = shape.kernel * shape.kernel;
    scratch::with([ring.len(pitch), taps * pitch], |[memory, padded]| {
        let weights = pad_channels(weights, channels, pitch, padded);
        level.dispatch(Forward { shape, x, weights, rows, y, epilogue, ring, pitch, memory });
    });
}

/// What both passes ask of the shape.
pub(crate) fn check_shape(shape: &ConvShape, weights: &[f32]) {
    assert_eq!(shape.inputs, shape.outputs, "a depthwise convolution keeps its channels");
    assert!(shape.inputs > 0 && shape.stride > 0, "{shape:?} is empty");
    assert!((1..=MAX_KERNEL).contains(&shape.kernel), "kernel {} of at most {MAX_KERNEL}", shape.kernel);
    assert!(shape.pad_top < shape.kernel && shape.pad_left < shape.kernel, "{shape:?} pads a whole kernel");
    assert_eq!(weights.len(), shape.kernel * shape.kernel * shape.inputs, "weights: [kernel, kernel, c]");
}

/// `weights: [.., channels]`, copied to `padded: [.., pitch]` where whole vectors would not fit.
pub(crate) fn pad_channels<'a>(
    weights: &'a [f32],
    channels: usize,
    pitch: usize,
    padded: &'a mut [f32],
) -> &'a [f32] {
    if pitch == channels {
        return weights;
    }
    for (from, to) in weights.chunks_exact(channels).zip(padded.chunks_exact_mut(pitch)) {
        to[..channels].copy_from_slice(from);
        to[channels..].fill(0.0);
    }
    padded
}

struct Forward<'a> {
    shape: &'a ConvShape,
    x: Read<'a>,
    weights: &'a [f32],
    rows: Range<usize>,
    y: &'a mut [f32],
    epilogue: Epilogue<'a>,
    ring: RingShape,
    pitch: usize,
    memory: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let y = self.y.as_mut_ptr();
        match std::mem::replace(&mut self.epilogue, Epilogue::None) {
            Epilogue::None => self.sized(s, Store { y }),
            Epilogue::Moments(moments) => {
                moments.fill(0.0);
                self.sized(s, Moments { y, moments: moments.as_mut_ptr() });
            }
            Epilogue::Activate { bias, act, residual } => {
                let residual = residual.map(<[f32]>::as_ptr);
                self.sized(s, Activate { y, bias: bias.as_ptr(), act: Act::new(s, act), residual });
            }
        }
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

    /// All rows of the tile.
    #[inline(always)]
    fn tile<S: Simd, F: Finish<S>>(self, s: S, finish: F, kernel: usize, stride: usize) {
        let &ConvShape { inputs: channels, out_w, pad_top, .. } = self.shape;
        let block = Block { channels, start: 0, len: channels, pitch: self.pitch };
        // SAFETY: the lengths were checked: x covers the image, y and a residual the tile, the memory the ring, the
        // weights and channel vectors all channels.
        unsafe {
            let first = (self.rows.start * stride).saturating_sub(pad_top);
            let mut ring = Ring::new(self.ring, block, self.memory.as_mut_ptr(), first);
            for oy in self.rows.clone() {
                let (top, end) = (oy * stride, oy * stride + kernel);
                ring.read(s, &self.x, block, top.saturating_sub(pad_top), end.saturating_sub(pad_top));
                let mut rows = [ring.row(-1); MAX_KERNEL];
                for ky in 0..kernel {
                    rows[ky] = ring.row((top + ky) as isize - pad_top as isize);
                }
                let at = (oy - self.rows.start) * out_w;
                let mut ox = 0;
                while ox + PIXELS <= out_w {
                    self.outputs::<S, F, PIXELS>(s, &finish, &rows, block, kernel, stride, ox, at + ox);
                    ox += PIXELS;
                }
                while ox < out_w {
                    self.outputs::<S, F, 1>(s, &finish, &rows, block, kernel, stride, ox, at + ox);
                    ox += 1;
                }
            }
        }
    }

    /// `P` outputs from column `ox` on; they are pixels `at..` of the tile.
    ///
    /// # Safety
    /// `rows` must be valid for the columns that the outputs see, the tile must have the outputs.
    #[inline(always)]
    unsafe fn outputs<S: Simd, F: Finish<S>, const P: usize>(
        &self,
        s: S,
        finish: &F,
        rows: &[*const f32; MAX_KERNEL],
        block: Block,
        kernel: usize,
        stride: usize,
        ox: usize,
        at: usize,
    ) {
        let pitch = block.pitch;
        let weights = self.weights.as_ptr();
        let mut c = 0;
        while c < block.len {
            // SAFETY: column (ox + p) * stride + kx < ring columns, c < pitch, tap < kernel^2.
            unsafe {
                let mut z = [s.splat(0.0); P];
                for ky in 0..kernel {
                    let row = rows[ky].add(ox * stride * pitch + c);
                    for kx in 0..kernel {
                        let w = s.load(weights.add((ky * kernel + kx) * pitch + c));
                        for p in 0..P {
                            z[p] = s.mul_add(s.load(row.add((p * stride + kx) * pitch)), w, z[p]);
                        }
                    }
                }
                finish.finish(s, block, at, c, z);
            }
            c += S::LANES;
        }
    }
}

/// What happens to outputs that are still in registers.
trait Finish<S: Simd> {
    /// Takes channels `c..` of the tile's pixels `at..at + P`.
    ///
    /// # Safety
    /// The tile must have the pixels and the channels.
    unsafe fn finish<const P: usize>(&self, s: S, block: Block, at: usize, c: usize, z: [S::V; P]);
}

struct Store {
    y: *mut f32,
}

impl<S: Simd> Finish<S> for Store {
    #[inline(always)]
    unsafe fn finish<const P: usize>(&self, s: S, block: Block, at: usize, c: usize, z: [S::V; P]) {
        for p in 0..P {
            // SAFETY: as the caller promises.
            unsafe { s.store_up_to(self.y.add((at + p) * block.channels + c), z[p], block.len - c) };
        }
    }
}

struct Moments {
    y: *mut f32,
    moments: *mut f32,
}

impl<S: Simd> Finish<S> for Moments {
    #[inline(always)]
    unsafe fn finish<const P: usize>(&self, s: S, block: Block, at: usize, c: usize, z: [S::V; P]) {
        let n = block.len - c;
        // SAFETY: as the caller promises.
        unsafe {
            Store { y: self.y }.finish(s, block, at, c, z);
            let moments = self.moments.add(c);
            if at == 0 {
                s.store_up_to(moments, z[0], n);
            }
            let pivot = s.load_up_to(moments, n);
            let (mut sum, mut squares) = (s.splat(0.0), s.splat(0.0));
            for p in 0..P {
                let d = s.sub(z[p], pivot);
                sum = s.add(sum, d);
                squares = s.mul_add(d, d, squares);
            }
            add_up_to(s, moments.add(block.channels), sum, n);
            add_up_to(s, moments.add(2 * block.channels), squares, n);
        }
    }
}

struct Activate<S: Simd> {
    y: *mut f32,
    bias: *const f32,
    act: Act<S>,
    residual: Option<*const f32>,
}

impl<S: Simd> Finish<S> for Activate<S> {
    #[inline(always)]
    unsafe fn finish<const P: usize>(&self, s: S, block: Block, at: usize, c: usize, z: [S::V; P]) {
        let n = block.len - c;
        // SAFETY: as the caller promises.
        unsafe {
            let bias = s.load_up_to(self.bias.add(c), n);
            for p in 0..P {
                let at = (at + p) * block.channels + c;
                let mut y = self.act.apply(s, s.add(z[p], bias));
                if let Some(residual) = self.residual {
                    y = s.add(y, s.load_up_to(residual.add(at), n));
                }
                s.store_up_to(self.y.add(at), y, n);
            }
        }
    }
}
