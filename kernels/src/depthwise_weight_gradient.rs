//! Depthwise convolution, backward: the share of one output row in the weight gradient. A function of its own, one vector
//! of channels at a time, whose sums then stay in registers along the row.

use crate::block::PIXELS;
use crate::depthwise::MAX_KERNEL;
use crate::simd::{Kernel, Simd};

/// Taps whose sums stay in registers along a row: all of a 3x3 kernel.
const TAPS: usize = 9;

/// One output row.
pub(crate) struct WeightRow {
    /// The input rows that it sees, `[vectors, columns, LANES]` each.
    pub(crate) rows: [*const f32; MAX_KERNEL],
    /// Floats from one vector of an input row to the next.
    pub(crate) plane: usize,
    /// The row's gradient, `[vectors, columns, LANES]`, from its first column on.
    pub(crate) gradient: *const f32,
    /// Floats from one vector of it to the next.
    pub(crate) gradient_plane: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) out_w: usize,
    pub(crate) vectors: usize,
    /// `[vectors, kernel, kernel, LANES]`: the weight gradient of the rows so far.
    pub(crate) dw: *mut f32,
}

impl Kernel for WeightRow {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for v in 0..self.vectors {
            // SAFETY: `Backward::tile` made it of rows that the rings have.
            unsafe {
                match (self.kernel, self.stride) {
                    (3, 1) => self.few(s, v, 1),
                    (3, 2) => self.few(s, v, 2),
                    _ => self.any(s, v),
                }
            }
        }
    }
}

impl WeightRow {
    /// A 3x3 kernel, `PIXELS` outputs at a time, which share inputs.
    ///
    /// # Safety
    /// The rows must have the columns that the row's outputs see, the gradient those.
    #[inline(always)]
    unsafe fn few<S: Simd>(&self, s: S, v: usize, stride: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            let gradient = self.gradient.add(v * self.gradient_plane);
            let rows: [_; 3] = std::array::from_fn(|ky| self.rows[ky].add(v * self.plane));
            let mut sums = [s.splat(0.0); TAPS];
            let mut ox = 0;
            while ox + PIXELS <= self.out_w {
                outputs::<S, PIXELS>(s, stride, rows, gradient, ox, &mut sums);
                ox += PIXELS;
            }
            while ox < self.out_w {
                outputs::<S, 1>(s, stride, rows, gradient, ox, &mut sums);
                ox += 1;
            }
            let dw = self.dw.add(v * TAPS * S::LANES);
            for (tap, sum) in sums.into_iter().enumerate() {
                let dw = dw.add(tap * S::LANES);
                s.store(dw, s.add(s.load(dw), sum));
            }
        }
    }

    /// Any kernel and stride, `TAPS` taps at a time.
    ///
    /// # Safety
    /// As for [`WeightRow::few`].
    #[inline(always)]
    unsafe fn any<S: Simd>(&self, s: S, v: usize) {
        let &Self { kernel, stride, out_w, .. } = self;
        let taps = kernel * kernel;
        let mut tap = 0;
        while tap < taps {
            let count = TAPS.min(taps - tap);
            // SAFETY: column ox * stride + kx is in the rows; tap + t < kernel^2 where stored.
            unsafe {
                let gradient = self.gradient.add(v * self.gradient_plane);
                let mut columns = [self.rows[0].add(v * self.plane); TAPS];
                for (t, column) in columns.iter_mut().enumerate().take(count) {
                    let row = self.rows[(tap + t) / kernel].add(v * self.plane);
                    *column = row.add((tap + t) % kernel * S::LANES);
                }
                let mut sums = [s.splat(0.0); TAPS];
                for ox in 0..out_w {
                    let g = s.load(gradient.add(ox * S::LANES));
                    for t in 0..TAPS {
                        sums[t] = s.mul_add(s.load(columns[t].add(ox * stride * S::LANES)), g, sums[t]);
                    }
                }
                for t in 0..count {
                    let dw = self.dw.add((v * taps + tap + t) * S::LANES);
                    s.store(dw, s.add(s.load(dw), sums[t]));
                }
            }
            tap += TAPS;
        }
    }
}

/// Adds `P` outputs from column `ox` on to the `sums` of a 3x3 kernel.
///
/// # Safety
/// The rows must have the columns that the outputs see, the gradient the outputs.
#[inline(always)]
unsafe fn outputs<S: Simd, const P: usize>(
    s: S,
    stride: usize,
    rows: [*const f32; 3],
    gradient: *const f32,
    ox: usize,
    sums: &mut [S::V; TAPS],
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut g = [s.splat(0.0); P];
        for (p, g) in g.iter_mut().enumerate() {
            *g = s.load(gradient.add((ox + p) * S::LANES));
        }
        for ky in 0..3 {
            for p in 0..P {
                for kx in 0..3 {
                    let x = s.load(rows[ky].add(((ox + p) * stride + kx) * S::LANES));
                    sums[3 * ky + kx] = s.mul_add(x, g[p], sums[3 * ky + kx]);
                }
            }
        }
    }
}
