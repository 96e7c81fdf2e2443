//! A shape that several tests start from.

use kernels::ConvShape;

/// A square image of one channel under 3x3 windows: padded all around at stride 1, as TensorFlow's SAME at stride 2.
pub fn square(size: usize, stride: usize) -> ConvShape {
    let (pad, out) = (usize::from(stride == 1), size / stride);
    ConvShape {
        h: size,
        w: size,
        inputs: 1,
        outputs: 1,
        kernel: 3,
        stride,
        pad_top: pad,
        pad_left: pad,
        out_h: out,
        out_w: out,
    }
}
