//! What `cargo bench` and `vertebra bench` share: every kernel on every layer of a MobileNet, with data to run on; the
//! limits of the machine, measured in the same process; and the programs that a kernel is compared with.
#![forbid(unsafe_code)]

mod case;
mod comparison;
mod limits;
mod run;
mod shapes;
mod timing;

pub use case::{BenchCase, CaseKind, ConvPass, Least};
pub use comparison::{Im2col, Naive, Product, matrixmultiply};
pub use limits::Limits;
pub use run::PreparedCase;
pub use shapes::{CountedConv, Shapes};
pub use timing::{Seconds, measure};

use engine::Rng;
use kernels::Buffer;
use kernels::optimizer::Adam;

/// A rate at which weights stay what they are, however often it is applied.
const ADAM: Adam = Adam { rate: 1e-6, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, l2: 0.0, decay: 0.0, step: 1 };

/// Random floats in [-1, 1).
fn random(len: usize) -> Buffer {
    let mut rng = Rng::new(len as u64);
    let mut buffer = Buffer::recycled(len);
    buffer.fill_with(|| rng.range(-1.0, 1.0) as f32);
    buffer
}
