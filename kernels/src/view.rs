//! How kernels see activations and gradients: plain, or deferred.
//!
//! A batch-normalised activation is never stored. It is [`Read::Norm`]: the raw convolution output `z` and per-channel
//! vectors, read as `act(scale * z + shift)`. The gradient through the norm is not stored either. It is
//! [`Grad::Norm`]: `dy` (already masked by the derivative of the activation) and `z`, read as `a * dy + b * z + c`.
//! Everything is generic over the float, so that the specification in [`crate::scalar`] runs in f64 as well.

/// An activation of the form `min(max(v, slope * v), cap)`, which covers the identity and the ReLU family without a
/// branch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectifier {
    /// Slope below zero: 0 for ReLU, 1 for the identity.
    pub slope: f32,
    /// Upper bound: 6 for ReLU6, infinity for none.
    pub cap: f32,
}

impl Rectifier {
    /// `v`
    pub const IDENTITY: Self = Self { slope: 1.0, cap: f32::INFINITY };
    /// `max(v, 0)`
    pub const RELU: Self = Self { slope: 0.0, cap: f32::INFINITY };
    /// `min(max(v, 0), 6)` (Howard et al. 2017 use it throughout MobileNet).
    pub const RELU6: Self = Self { slope: 0.0, cap: 6.0 };

    /// `v` where positive, `slope * v` where not (Maas et al. 2013). `slope` is in `[0, 1]`.
    pub const fn leaky_relu(slope: f32) -> Self {
        Self { slope, cap: f32::INFINITY }
    }
}

/// Per-channel vectors that turn a raw output `z: [.., c]` into an activation, without storing it.
#[derive(Clone, Copy, Debug)]
pub struct Deferred<'a, T = f32> {
    /// `[.., c]`
    pub z: &'a [T],
    /// `[c]`
    pub scale: &'a [T],
    /// `[c]`
    pub shift: &'a [T],
    /// `[c]`: what backward subtracts from `z` before it sums `du * (z - center)`; the mean, so that nothing cancels.
    pub center: &'a [T],
    /// Applied to `scale * z + shift`.
    pub act: Rectifier,
}

/// An activation `[.., c]` as a kernel reads it.
#[derive(Clone, Copy, Debug)]
pub enum Read<'a, T = f32> {
    /// The values themselves.
    Plain(&'a [T]),
    /// `act(scale * z + shift)`
    Norm(Deferred<'a, T>),
}

impl<'a, T: Copy> Read<'a, T> {
    /// The stored floats: the values, or `z`.
    pub fn stored(&self) -> &'a [T] {
        match self {
            Read::Plain(x) => x,
            Read::Norm(deferred) => deferred.z,
        }
    }

    /// The same view of a part of the stored floats: `start..end` must cover whole pixels.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        match *self {
            Read::Plain(x) => Read::Plain(&x[range]),
            Read::Norm(deferred) => Read::Norm(Deferred { z: &deferred.z[range], ..deferred }),
        }
    }
}

/// The gradient with respect to a raw output `z: [.., c]`, as a kernel reads it.
#[derive(Clone, Copy, Debug)]
pub enum Grad<'a, T = f32> {
    /// The values themselves.
    Plain(&'a [T]),
    /// `a * dy + b * z + c`, the gradient through a norm.
    Norm {
        /// `[.., c]`: the gradient with respect to `scale * z + shift`.
        dy: &'a [T],
        /// `[.., c]`: the raw output.
        z: &'a [T],
        /// `[c]`
        a: &'a [T],
        /// `[c]`
        b: &'a [T],
        /// `[c]`
        c: &'a [T],
    },
}

impl<T: Copy> Grad<'_, T> {
    /// The same view of a part of the stored floats: `range` must cover whole pixels.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        match *self {
            Grad::Plain(g) => Grad::Plain(&g[range]),
            Grad::Norm { dy, z, a, b, c } => Grad::Norm { dy: &dy[range.clone()], z: &z[range], a, b, c },
        }
    }

    /// Stored floats.
    pub fn len(&self) -> usize {
        match self {
            Grad::Plain(g) => g.len(),
            Grad::Norm { dy, .. } => dy.len(),
        }
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a kernel writes, and how large a tensor it is a part of. A large one would push out of the caches what is
/// needed next, after having been read only to be overwritten, so it is written past them.
#[derive(Debug)]
pub struct Write<'a> {
    pub(crate) to: &'a mut [f32],
    /// Floats of the whole tensor.
    pub(crate) tensor: usize,
}

impl<'a> Write<'a> {
    /// A part of a tensor of `tensor` floats.
    pub fn part(to: &'a mut [f32], tensor: usize) -> Self {
        Self { to, tensor }
    }
}

impl<'a> From<&'a mut [f32]> for Write<'a> {
    /// All of a tensor.
    fn from(to: &'a mut [f32]) -> Self {
        Self { tensor: to.len(), to }
    }
}

/// One image through one convolution. Depthwise: `outputs == inputs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Input rows.
    pub h: usize,
    /// Input columns.
    pub w: usize,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Rows and columns from one output to the next.
    pub stride: usize,
    /// Zero rows above the input.
    pub pad_top: usize,
    /// Zero columns left of the input.
    pub pad_left: usize,
    /// Output rows; what lies below the input counts as zero.
    pub out_h: usize,
    /// Output columns.
    pub out_w: usize,
}

impl ConvShape {
    /// Floats of one input image.
    pub fn input_len(&self) -> usize {
        self.h * self.w * self.inputs
    }

    /// Floats of one output image.
    pub fn output_len(&self) -> usize {
        self.out_h * self.out_w * self.outputs
    }
}
