//! One convolution with its data, and what forward and backward must make of it.

use crate::common::{Guarded, View, assert_close, floats, magnitudes, wide};
use kernels::{ConvShape, Epilogue, Grad, Level, Packed, Read, Rectifier, scalar};
use std::ops::Range;

pub struct Case {
    pub shape: ConvShape,
    pub x: View,
    pub packed: Packed,
    pub transposed: Packed,
    weights: Vec<f32>,
    what: String,
}

impl Case {
    pub fn new(level: Level, shape: ConvShape, act: Option<Rectifier>) -> Self {
        let k = shape.kernel * shape.kernel * shape.inputs;
        let weights = floats(k * shape.outputs, 5);
        let mut packed = Packed::new(level, k, shape.outputs);
        packed.pack(&weights);
        let mut transposed = Packed::new(level, shape.outputs, k);
        transposed.pack_transposed(&weights);
        let x = View::new(shape.h * shape.w, shape.inputs, act);
        Self { shape, x, packed, transposed, weights, what: format!("{} {shape:?} {act:?}", level.name()) }
    }

    /// The magnitudes of the values that the input view reads.
    fn x_terms(&self) -> Vec<f64> {
        let x = self.x.wide();
        (0..x.stored().len()).map(|i| scalar::read(&x, i, i % self.shape.inputs).abs()).collect()
    }

    /// Runs output rows `parts` with every epilogue: `run(rows, y, epilogue)` on `y: [rows, out_w, outputs]`.
    pub fn check_forward(
        &self,
        parts: impl IntoIterator<Item = Range<usize>>,
        run: impl Fn(Range<usize>, &mut [f32], Epilogue),
    ) {
        let n = self.shape.outputs;
        let (bias, residual) = (floats(n, 6), floats(self.shape.output_len(), 7));
        let mut z = vec![0.0; self.shape.output_len()];
        scalar::conv_forward(&self.shape, &self.x.wide(), &wide(&self.weights), &mut z);
        let mut bound = z.clone();
        let weight_terms = magnitudes(&wide(&self.weights));
        scalar::conv_forward(&self.shape, &Read::Plain(&self.x_terms()), &weight_terms, &mut bound);

        for rows in parts {
            let what = format!("{} rows {rows:?}", self.what);
            let part = rows.start * self.shape.out_w * n..rows.end * self.shape.out_w * n;
            let (z, bound) = (&z[part.clone()], &bound[part.clone()]);
            let run = |epilogue: Epilogue| {
                let mut y = Guarded::new(part.len());
                run(rows.clone(), y.out(), epilogue);
                y
            };
            assert_close(run(Epilogue::None).checked(&what), z, bound, &what);

            let mut moments = Guarded::new(3 * n);
            let y = run(Epilogue::Moments(moments.out()));
            let (y, moments) = (y.checked(&what), moments.checked(&what));
            assert_close(y, z, bound, &what);
            let (mut expected, mut terms) = (vec![0.0; 3 * n], vec![0.0; 3 * n]);
            scalar::moments(&wide(y), n, &mut expected);
            for (i, &y) in y.iter().enumerate() {
                let d = f64::from(y).abs() + expected[i % n].abs();
                terms[n + i % n] += d;
                terms[2 * n + i % n] += d * d;
            }
            assert_close(moments, &expected, &terms, &format!("{what} moments"));

            for (act, residual) in [(Rectifier::RELU6, None), (Rectifier::leaky_relu(0.1), Some(&residual))] {
                let residual = residual.map(|residual| &residual[part.clone()]);
                let y = run(Epilogue::Activate { bias: &bias, act, residual });
                let expected: Vec<f64> = (0..z.len())
                    .map(|i| {
                        let activated = scalar::activate(act, z[i] + f64::from(bias[i % n]));
                        activated + residual.map_or(0.0, |residual| f64::from(residual[i]))
                    })
                    .collect();
                let bound: Vec<f64> = bound.iter().map(|bound| bound + 4.0).collect();
                assert_close(y.checked(&what), &expected, &bound, &format!("{what} {act:?}"));
            }
        }
    }

    /// Runs backward of the whole image, with a plain and a deferred gradient, with and without `dx`:
    /// `run(g, dx, dw, sums)`.
    pub fn check_backward(&self, run: impl Fn(Grad, Option<&mut [f32]>, &mut [f32], &mut [f32])) {
        let (k, n) = (self.shape.inputs, self.shape.outputs);
        let len = self.shape.output_len();
        let (dy, z) = (floats(len, 8), floats(len, 9));
        let (a, b, c) = (floats(n, 10), floats(n, 11), floats(n, 12));
        let (dy64, z64, a64, b64, c64) = (wide(&dy), wide(&z), wide(&a), wide(&b), wide(&c));
        let plain = (Grad::Plain(&dy[..]), Grad::Plain(&dy64[..]));
        let deferred = (
            Grad::Norm { dy: &dy, z: &z, a: &a, b: &b, c: &c },
            Grad::Norm { dy: &dy64, z: &z64, a: &a64, b: &b64, c: &c64 },
        );
        for (g, g64) in [plain, deferred] {
            let what =
                format!("{} {}", self.what, if matches!(g, Grad::Plain(_)) { "plain" } else { "norm" });
            let (dw_before, sums_before) = (floats(self.weights.len(), 13), floats(2 * k, 14));
            let mut dx64 = vec![0.0; self.shape.input_len()];
            let (mut dw64, mut sums64) = (wide(&dw_before), wide(&sums_before));
            let weights = wide(&self.weights);
            scalar::conv_backward(
                &self.shape,
                &self.x.wide(),
                &g64,
                &weights,
                &mut dx64,
                &mut dw64,
                &mut sums64,
            );

            let g_terms: Vec<f64> = (0..len)
                .map(|i| match g64 {
                    Grad::Plain(g) => g[i].abs(),
                    Grad::Norm { dy, z, a, b, c } => {
                        (a[i % n] * dy[i]).abs() + (b[i % n] * z[i]).abs() + c[i % n].abs()
                    }
                })
                .collect();
            let (mut dx_bound, mut dw_bound) = (dx64.clone(), magnitudes(&wide(&dw_before)));
            scalar::conv_backward(
                &self.shape,
                &Read::Plain(&self.x_terms()),
                &Grad::Plain(&g_terms),
                &magnitudes(&weights),
                &mut dx_bound,
                &mut dw_bound,
                &mut [],
            );
            let mut sums_bound = magnitudes(&wide(&sums_before));
            for (i, distance) in self.x.distances().into_iter().enumerate() {
                sums_bound[i % k] += dx_bound[i];
                sums_bound[k + i % k] += dx_bound[i] * distance;
            }

            let mut dx = Guarded::new(dx64.len());
            let (mut dw, mut sums) = (Guarded::new(dw64.len()), Guarded::new(2 * k));
            dw.out().copy_from_slice(&dw_before);
            sums.out().copy_from_slice(&sums_before);
            run(g, Some(dx.out()), dw.out(), sums.out());
            assert_close(dx.checked(&what), &dx64, &dx_bound, &format!("{what} dx"));
            assert_close(dw.checked(&what), &dw64, &dw_bound, &format!("{what} dw"));
            assert_close(sums.checked(&what), &sums64, &sums_bound, &format!("{what} sums"));

            let (mut dw_alone, mut untouched) = (dw_before, sums_before.clone());
            run(g, None, &mut dw_alone, &mut untouched);
            assert_close(&dw_alone, &dw64, &dw_bound, &format!("{what} dw alone"));
            assert_eq!(untouched, sums_before, "{what}: sums without dx");
        }
    }
}
