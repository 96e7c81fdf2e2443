//! Epilogues: what is done with outputs while they are still in registers.

use crate::view::{Deferred, Rectifier};

/// What a convolution does with an output while it is still in registers.
#[derive(Debug)]
pub enum Epilogue<'a> {
    /// Stores it.
    None,
    /// Stores it and writes the tile's sums `[3, c]`: pivot, sum of `z - pivot`, sum of `(z - pivot)^2`. The pivot is
    /// the tile's first pixel, so that the f32 sums do not cancel where the mean is far from zero.
    Moments(&'a mut [f32]),
    /// Inference: stores `act(z + bias) + residual`.
    Activate {
        /// `[c]`
        bias: &'a [f32],
        /// The activation.
        act: Rectifier,
        /// As the output: what a residual block adds after the (linear) last convolution.
        residual: Option<&'a [f32]>,
    },
}

/// What is done with a finished tile while it is in registers; the same as [`Epilogue`], and one more for backward.
/// All matrices here lie as the output does.
#[derive(Clone, Copy)]
pub(crate) enum TileEpilogue {
    /// Stores it.
    Store,
    /// See [`Epilogue::Moments`]; `begin` where the output's first row is the first of the caller's tile.
    Moments { sums: *mut f32, begin: bool },
    /// See [`Epilogue::Activate`]; `residual` may be null.
    Activate { bias: *const f32, act: Rectifier, residual: *const f32 },
    /// Multiplies by the derivative of the activation of `u = scale * z + shift`, stores, and adds to `sums: [2, n]`
    /// the sum of that and of that times `z - center`; see [`crate::scalar::finish_input_gradient`].
    Mask { z: *const f32, channel: [*const f32; 3], act: Rectifier, sums: *mut f32 },
}

impl TileEpilogue {
    /// Of an epilogue whose output is `[rows, n]`.
    pub fn of(epilogue: Epilogue, rows: usize, n: usize) -> Self {
        match epilogue {
            Epilogue::None => Self::Store,
            Epilogue::Moments(sums) => {
                assert_eq!(sums.len(), 3 * n, "moments: expected [3, {n}]");
                Self::Moments { sums: sums.as_mut_ptr(), begin: true }
            }
            Epilogue::Activate { bias, act, residual } => {
                assert_eq!(bias.len(), n, "bias: expected [{n}]");
                assert!(residual.is_none_or(|r| r.len() == rows * n), "residual: expected [{rows}, {n}]");
                let residual = residual.map_or(std::ptr::null(), <[f32]>::as_ptr);
                Self::Activate { bias: bias.as_ptr(), act, residual }
            }
        }
    }

    /// Of the gradient of a deferred input `[rows, n]`, whose `sums` are `[2, n]`.
    pub fn mask(x: Deferred, rows: usize, n: usize, sums: &mut [f32]) -> Self {
        assert_eq!(x.z.len(), rows * n, "z: expected [{rows}, {n}]");
        assert_eq!([x.scale.len(), x.shift.len(), x.center.len()], [n; 3], "norms are per channel");
        assert_eq!(sums.len(), 2 * n, "sums: expected [2, {n}]");
        let channel = [x.scale.as_ptr(), x.shift.as_ptr(), x.center.as_ptr()];
        Self::Mask { z: x.z.as_ptr(), channel, act: x.act, sums: sums.as_mut_ptr() }
    }

    /// For the part of the output that begins `floats` in.
    pub fn skip(self, floats: usize) -> Self {
        match self {
            Self::Moments { sums, begin } => Self::Moments { sums, begin: begin && floats == 0 },
            Self::Activate { bias, act, residual } if !residual.is_null() => {
                Self::Activate { bias, act, residual: residual.wrapping_add(floats) }
            }
            Self::Mask { z, channel, act, sums } => {
                Self::Mask { z: z.wrapping_add(floats), channel, act, sums }
            }
            other => other,
        }
    }
}
