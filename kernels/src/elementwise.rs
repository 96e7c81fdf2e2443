//! Kernels without a neighbourhood: what is left when a value cannot stay deferred, plus residual additions and
//! dropout masks. All of them are bound by memory, so each is one pass.

use crate::level::Level;
use crate::simd::{Kernel, Simd};
use crate::view::{Deferred, Grad, Read};

/// One vector of a view at pixel offset `at`, channel `c`, of which `n` floats are real.
///
/// # Safety
/// `at + c + min(n, LANES)` floats must be in the view, `c + min(n, LANES)` in its channel vectors.
#[inline(always)]
pub(crate) unsafe fn read<S: Simd>(s: S, x: &Read, at: usize, c: usize, n: usize) -> S::V {
    // SAFETY: as promised by the caller.
    unsafe {
        match x {
            Read::Plain(x) => s.load_up_to(x.as_ptr().add(at + c), n),
            Read::Norm(d) => {
                let u = pre_activation(s, d, at, c, n);
                let rectified = s.max(s.mul(s.splat(d.act.slope), u), u);
                s.min(s.splat(d.act.cap), rectified)
            }
        }
    }
}

/// One vector of `scale * z + shift`.
///
/// # Safety
/// As [`read`].
#[inline(always)]
unsafe fn pre_activation<S: Simd>(s: S, d: &Deferred, at: usize, c: usize, n: usize) -> S::V {
    // SAFETY: as promised by the caller.
    unsafe {
        let z = s.load_up_to(d.z.as_ptr().add(at + c), n);
        s.mul_add(s.load_up_to(d.scale.as_ptr().add(c), n), z, s.load_up_to(d.shift.as_ptr().add(c), n))
    }
}

fn check_view(x: &Read, channels: usize, len: usize) {
    assert_eq!(x.stored().len(), len, "the view and the output differ in length");
    assert!(
        channels > 0 && len.is_multiple_of(channels),
        "{len} floats are not whole pixels of {channels} channels"
    );
    if let Read::Norm(d) = x {
        let lens = [d.scale.len(), d.shift.len(), d.center.len()];
        assert_eq!(lens, [channels; 3], "scale, shift and center are per channel");
    }
}

struct Add<'a> {
    a: Read<'a>,
    b: Option<Read<'a>>,
    channels: usize,
    y: &'a mut [f32],
}

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut at = 0;
        while at < self.y.len() {
            let mut c = 0;
            while c < self.channels {
                let n = self.channels - c;
                // SAFETY: at + channels <= y.len(), which is each view's length (checked by the caller); n bounds
                // the rest of the pixel.
                unsafe {
                    let mut sum = read(s, &self.a, at, c, n);
                    if let Some(b) = &self.b {
                        sum = s.add(sum, read(s, b, at, c, n));
                    }
                    s.store_up_to(self.y.as_mut_ptr().add(at + c), sum, n);
                }
                c += S::LANES;
            }
            at += self.channels;
        }
    }
}

/// Residual addition, `a + b`, each `[pixels, channels]`.
pub fn add(level: Level, a: Read, b: Read, channels: usize, y: &mut [f32]) {
    check_view(&a, channels, y.len());
    check_view(&b, channels, y.len());
    level.dispatch(Add { a, b: Some(b), channels, y });
}

/// Stores what a view reads: `x: [pixels, channels]`.
pub fn materialise(level: Level, x: Read, channels: usize, y: &mut [f32]) {
    check_view(&x, channels, y.len());
    level.dispatch(Add { a: x, b: None, channels, y });
}

struct Mask<'a> {
    x: Deferred<'a>,
    dx: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for Mask<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.x.scale.len();
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        let (slope, cap) = (s.splat(self.x.act.slope), s.splat(self.x.act.cap));
        let mut c = 0;
        while c < channels {
            let n = channels - c;
            let (mut sum, mut dot) = (zero, zero);
            let mut at = 0;
            while at < self.dx.len() {
                // SAFETY: at + channels <= dx.len() = z.len(), both checked by the caller; n bounds the pixel.
                unsafe {
                    let p = self.dx.as_mut_ptr().add(at + c);
                    let u = pre_activation(s, &self.x, at, c, n);
                    let below = s.select_lt(zero, u, one, slope);
                    let du = s.mul(s.load_up_to(p, n), s.select_lt(u, cap, below, zero));
                    s.store_up_to(p, du, n);
                    let z = s.load_up_to(self.x.z.as_ptr().add(at + c), n);
                    sum = s.add(sum, du);
                    dot = s.mul_add(du, s.sub(z, s.load_up_to(self.x.center.as_ptr().add(c), n)), dot);
                }
                at += channels;
            }
            // SAFETY: sums holds two rows of `channels` floats.
            unsafe {
                for (row, total) in [sum, dot].into_iter().enumerate() {
                    let p = self.sums.as_mut_ptr().add(row * channels + c);
                    s.store_up_to(p, s.add(s.load_up_to(p, n), total), n);
                }
            }
            c += S::LANES;
        }
    }
}

/// Turns the gradient of a stored activation into that of `u = scale * z + shift`, in place, and adds its sums
/// `[2, c]`; see [`crate::scalar::finish_input_gradient`].
pub fn mask(level: Level, x: Deferred, dx: &mut [f32], sums: &mut [f32]) {
    check_view(&Read::Norm(x), x.scale.len(), dx.len());
    assert_eq!(sums.len(), 2 * x.scale.len(), "sums: expected [2, {}]", x.scale.len());
    level.dispatch(Mask { x, dx, sums });
}

struct ReadGrad<'a> {
    g: Grad<'a>,
    channels: usize,
    out: &'a mut [f32],
}

impl Kernel for ReadGrad<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Grad::Norm { dy, z, a, b, c: constant } = self.g else {
            unreachable!("a plain gradient is never read through this kernel")
        };
        let mut at = 0;
        while at < self.out.len() {
            let mut c = 0;
            while c < self.channels {
                let n = self.channels - c;
                // SAFETY: dy, z and out are equally long whole pixels, a, b and c one pixel (checked by the caller).
                unsafe {
                    let z = s.load_up_to(z.as_ptr().add(at + c), n);
                    let linear = s.mul_add(
                        s.load_up_to(b.as_ptr().add(c), n),
                        z,
                        s.load_up_to(constant.as_ptr().add(c), n),
                    );
                    let dy = s.load_up_to(dy.as_ptr().add(at + c), n);
                    let g = s.mul_add(s.load_up_to(a.as_ptr().add(c), n), dy, linear);
                    s.store_up_to(self.out.as_mut_ptr().add(at + c), g, n);
                }
                c += S::LANES;
            }
            at += self.channels;
        }
    }
}

/// Stores what a gradient view reads, `[pixels, channels]`.
pub fn materialise_gradient(level: Level, g: Grad, channels: usize, out: &mut [f32]) {
    assert_eq!(g.len(), out.len(), "the gradient and the output differ in length");
    match g {
        Grad::Plain(g) => out.copy_from_slice(g),
        Grad::Norm { z, a, b, c, .. } => {
            assert_eq!(z.len(), out.len(), "z and the output differ in length");
            assert_eq!([a.len(), b.len(), c.len()], [channels; 3], "a, b and c are per channel");
            assert_eq!(out.len() % channels, 0, "{} floats are not whole pixels", out.len());
            level.dispatch(ReadGrad { g, channels, out });
        }
    }
}

/// `y += x`
pub fn accumulate(level: Level, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "the operands differ in length");
    level.dispatch(Accumulate { x, y, product: false });
}

/// `y *= x`, for dropout masks.
pub fn multiply(level: Level, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "the operands differ in length");
    level.dispatch(Accumulate { x, y, product: true });
}

struct Accumulate<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    product: bool,
}

impl Kernel for Accumulate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut at = 0;
        while at < self.y.len() {
            let n = self.y.len() - at;
            // SAFETY: n floats are left in both.
            unsafe {
                let p = self.y.as_mut_ptr().add(at);
                let (x, y) = (s.load_up_to(self.x.as_ptr().add(at), n), s.load_up_to(p, n));
                s.store_up_to(p, if self.product { s.mul(x, y) } else { s.add(x, y) }, n);
            }
            at += S::LANES;
        }
    }
}
