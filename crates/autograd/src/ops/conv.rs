//! Convolution: full, depthwise or pointwise, as the engine computes it over a batch.

use crate::again::Again;
use crate::kept::KeptValue;
use crate::{Gradient, Op, Tape, Value, Var};
use engine::{Backward, Conv};
use kernels::Level;
use std::sync::{Arc, Mutex};

/// `x: [n, h, w, inputs]`, `weights` as [`Conv::weight_shape`] says; the result is `[n, out_h, out_w, outputs]`, with
/// its moments. The activation of `conv` is not applied: a norm comes before it.
pub fn conv(tape: &mut Tape, x: &Var, weights: &Var, conv: Conv) -> Var {
    let (level, images) = (tape.level(), x.shape()[0]);
    let expected = [images, conv.shape.h, conv.shape.w, conv.shape.inputs];
    assert_eq!(x.shape()[..], expected, "x: expected {expected:?}, found {:?}", x.shape());
    let w = weights.tensor().clone();
    assert_eq!(w.shape()[..], conv.weight_shape(), "weights follow the shape");
    let (z, moments) = conv.forward(level, images, x.value().read(), w.data());
    let kept = || Convolution { x: KeptValue::of(x.value()), weights: w.clone(), conv };
    let mut out = tape.record(&[x, weights], Value::Plain(z), kept);
    out.moments = Some(Arc::new(moments));
    if let (Value::Plain(images), None, Some(_)) = (x.value(), x.node, out.node) {
        let x = images.clone();
        out.again = Some(Arc::new(Again { x, weights: w, conv, level, made: Mutex::new(None) }));
    }
    out
}

struct Convolution {
    x: KeptValue,
    weights: engine::Tensor,
    conv: Conv,
}

impl Op for Convolution {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>> {
        let Self { x, weights, conv } = *self;
        let x = x.value();
        let (images, wanted) = (x.shape()[0], [wanted[0], wanted[1]]);
        let Backward { dx, dw, sums } =
            conv.backward(level, images, x.read(), gradient.read(), weights.data(), wanted);
        vec![dx.map(|dx| Gradient::of_input(&x, dx, sums)), dw.map(Gradient::Plain)]
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{GradientCase, convolution_cases};
    use engine::{Conv, cases};
    use kernels::scalar;
    use model::ConvKind;

    /// Images in a case: three, because a norm over two values is a step function without a gradient to speak of.
    const IMAGES: usize = 3;

    pub fn cases() -> Vec<GradientCase> {
        cases::differentiable().into_iter().flat_map(of).collect()
    }

    fn of(conv: Conv) -> Vec<GradientCase> {
        let shape = conv.shape;
        let spec = move |x: &kernels::Read<f64>, weights: &[f64]| {
            let mut z = vec![0.0; IMAGES * shape.output_len()];
            for (i, z) in z.chunks_mut(shape.output_len()).enumerate() {
                let x = x.part(i * shape.input_len()..(i + 1) * shape.input_len());
                match conv.kind {
                    ConvKind::Depthwise => scalar::depthwise_forward(&shape, &x, weights, z),
                    _ => scalar::conv_forward(&shape, &x, weights, z),
                }
            }
            z
        };
        let forward =
            move |tape: &mut crate::Tape, x: &crate::Var, w: &crate::Var| super::conv(tape, x, w, conv);
        let x = [IMAGES, shape.h, shape.w, shape.inputs];
        convolution_cases("conv", &x, &conv.weight_shape(), shape.outputs, forward, spec)
    }
}
