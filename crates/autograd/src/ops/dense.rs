//! The dense layer: a matrix product with a bias, for the classifier.

use super::materialise;
use crate::{Gradient, Op, Tape, Value, Var};

use engine::Tensor;
use kernels::pointwise_backward::pointwise_backward;
use kernels::{Epilogue, Grad, Level, Packed, Read, Rectifier, pointwise as kernel};

/// `x: [n, inputs]`, `weights: [inputs, outputs]`, `bias: [outputs]`; the result is `[n, outputs]`.
pub fn dense(tape: &mut Tape, x: &Var, weights: &Var, bias: &Var) -> Var {
    let x = materialise(tape, x);
    let w = weights.tensor().clone();
    let (inputs, outputs) = (w.shape()[0], w.shape()[1]);
    assert_eq!(x.shape().channels(), inputs, "x: expected [.., {inputs}], found {:?}", x.shape());
    let mut packed = Packed::new(tape.level(), inputs, outputs);
    packed.pack(w.data());
    let mut y = Tensor::recycled([x.shape().rows(), outputs]);
    let epilogue =
        Epilogue::Activate { bias: bias.tensor().data(), act: Rectifier::IDENTITY, residual: None };
    kernel::pointwise(Read::Plain(x.tensor().data()), &packed, y.data_mut().into(), epilogue);
    let kept = x.tensor().clone();
    tape.record(&[&x, weights, bias], Value::Plain(y), || Dense { x: kept, weights: w })
}

struct Dense {
    x: Tensor,
    weights: Tensor,
}

impl Op for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn backward(self: Box<Self>, level: Level, gradient: Gradient, wanted: &[bool]) -> Vec<Option<Gradient>> {
        let g = gradient.into_plain(level);
        let (inputs, outputs) = (self.weights.shape()[0], self.weights.shape()[1]);
        let mut transposed = Packed::new(level, outputs, inputs);
        transposed.pack_transposed(self.weights.data());
        let mut dx = wanted[0].then(|| Tensor::recycled(*self.x.shape()));
        let mut dw = wanted[1].then(|| Tensor::recycled(*self.weights.shape()));
        pointwise_backward(
            level,
            Read::Plain(self.x.data()),
            Grad::Plain(g.data()),
            outputs,
            wanted[0].then_some(&transposed),
            dx.as_mut().map(|dx| dx.data_mut().into()),
            dw.as_mut().map(Tensor::data_mut),
            true,
            &mut vec![0.0; 2 * inputs],
        );
        let db = wanted[2].then(|| {
            let mut db = Tensor::zeros([outputs]);
            for row in g.data().chunks_exact(outputs) {
                for (sum, g) in db.data_mut().iter_mut().zip(row) {
                    *sum += g;
                }
            }
            db
        });
        vec![dx.map(Gradient::Plain), dw.map(Gradient::Plain), db.map(Gradient::Plain)]
    }
}

#[cfg(test)]
pub(super) mod check {
    use super::super::gradient_check::{GradientCase, Source, random};
    use engine::Rng;
    use kernels::scalar;

    pub fn cases() -> Vec<GradientCase> {
        let mut rng = Rng::new(7);
        let (rows, inputs, outputs) = (4, 18, 3);
        let case = |source: Source| {
            let mut tensors = source.inputs(&[rows, inputs], &mut rng);
            tensors.extend([random(&[inputs, outputs], &mut rng), random(&[outputs], &mut rng)]);
            GradientCase {
                op: "dense",
                name: format!("{source:?}"),
                inputs: tensors,
                forward: Box::new(move |tape, vars| {
                    let x = source.var(tape, vars);
                    super::dense(tape, &x, &vars[source.count()], &vars[source.count() + 1])
                }),
                spec: Box::new(move |tensors| {
                    let (weights, bias) = (&tensors[source.count()], &tensors[source.count() + 1]);
                    source.read(tensors, |x| {
                        let element = |row: usize, o: usize| {
                            let terms = (0..inputs)
                                .map(|i| scalar::read(x, row * inputs + i, i) * weights[i * outputs + o]);
                            bias[o] + terms.sum::<f64>()
                        };
                        (0..rows * outputs).map(|at| element(at / outputs, at % outputs)).collect()
                    })
                }),
            }
        };
        [Source::ALL[0], Source::ALL[2]].into_iter().map(case).collect()
    }
}
