//! What is written past the caches is what would be written through them, bit for bit.

use crate::common::floats;
use crate::square::square;
use engine::cases::levels;
use kernels::conv::conv;
use kernels::depthwise::depthwise;
use kernels::depthwise_backward::depthwise_backward;
use kernels::pointwise::pointwise;
use kernels::pointwise_backward::pointwise_backward;
use kernels::{Buffer, ConvShape, Deferred, Epilogue, Grad, Packed, Read, Rectifier, Write};

/// Channels: whole cache lines, of which the last leaves half a register tile over, and not.
const CHANNELS: [usize; 3] = [32, 48, 20];

/// Runs a kernel that writes `len` floats on a cache line, and one float beyond: as part of a tensor that no cache
/// holds, and by itself.
fn same(len: usize, what: &str, mut run: impl FnMut(Write)) {
    for offset in [0, 1] {
        let [streamed, stored] = [usize::MAX, len].map(|tensor| {
            let mut memory = Buffer::zeros(len + offset);
            memory.fill(f32::NAN);
            run(Write::part(&mut memory[offset..], tensor));
            memory
        });
        assert!(streamed[offset..] == stored[offset..], "{what}, {offset} beyond a line");
    }
}

/// A deferred activation of `c` channels: its channel vectors are parts of `vectors`.
fn deferred<'a>(z: &'a [f32], vectors: &'a [f32], c: usize) -> Read<'a> {
    let [scale, shift, center] = [0, 1, 2].map(|i| &vectors[i * c..][..c]);
    Read::Norm(Deferred { z, scale, shift, center, act: Rectifier::RELU6 })
}

#[test]
fn depthwise_rows() {
    for (level, c) in levels().flat_map(|level| CHANNELS.map(|c| (level, c))) {
        for stride in [1, 2] {
            let shape = ConvShape { inputs: c, outputs: c, ..square(10, stride) };
            let ConvShape { h, out_h, .. } = shape;
            let what = format!("{} {c} channels, stride {stride}", level.name());
            let (z, g) = (floats(shape.input_len(), 1), floats(shape.output_len(), 2));
            let (weights, vectors) = (floats(9 * c, 3), floats(3 * c, 4));
            let x = deferred(&z, &vectors, c);
            same(shape.output_len(), &what, |y| {
                let moments = &mut vec![0.0; 3 * c];
                depthwise(level, &shape, x, &weights, 0..out_h, y, Epilogue::Moments(moments));
            });
            same(shape.input_len(), &format!("{what}, backward"), |dx| {
                let (g, dw, sums) = (Grad::Plain(&g), &mut vec![0.0; 9 * c], &mut vec![0.0; 2 * c]);
                depthwise_backward(level, &shape, x, g, &weights, 0..h, Some(dx), dw, sums);
            });
        }
    }
}

#[test]
fn products() {
    for (level, c) in levels().flat_map(|level| CHANNELS.map(|c| (level, c))) {
        // 600 is more than a block of the inner dimension: partial sums go through the output.
        for k in [24, 600] {
            let (m, what) = (37, format!("{} {k} and {c} channels", level.name()));
            let (many, few, weights) = (floats(m * k, 1), floats(m * c, 2), floats(k * c, 3));
            let vectors = floats(3 * k.max(c), 4);
            let mut packed = Packed::new(level, k, c);
            packed.pack(&weights);
            same(m * c, &what, |y| {
                let moments = &mut vec![0.0; 3 * c];
                pointwise(deferred(&many, &vectors, k), &packed, y, Epilogue::Moments(moments));
            });
            same(m * c, &format!("{what}, backward"), |dx| {
                let (x, g) = (deferred(&few, &vectors, c), Grad::Plain(&many));
                let (dw, sums) = (&mut vec![0.0; c * k], &mut vec![0.0; 2 * c]);
                pointwise_backward(level, x, g, k, Some(&packed), Some(dx), Some(dw), true, sums);
            });
        }
    }
}

#[test]
fn the_first_layer() {
    for (level, c) in levels().flat_map(|level| CHANNELS.map(|c| (level, c))) {
        let shape = ConvShape { inputs: 3, outputs: c, ..square(20, 2) };
        let x = floats(shape.input_len(), 1);
        let mut packed = Packed::new(level, 27, c);
        packed.pack(&floats(27 * c, 2));
        same(shape.output_len(), &format!("{} {c} channels", level.name()), |y| {
            let moments = &mut vec![0.0; 3 * c];
            conv(&shape, Read::Plain(&x), &packed, 0..10, y, Epilogue::Moments(moments));
        });
    }
}
