//! What `cargo bench` and `vertebra bench` share: every kernel on every layer of a MobileNet, with data to run on; the
//! limits of the machine, measured in the same process; and the programs that a kernel is compared with.
#![forbid(unsafe_code)]

mod case;
mod comparison;
mod limits;
mod run;
mod shapes;
mod timing;

pub use case::{Case, Kernel, Pass};
pub use comparison::{Im2col, Naive, Product, matrixmultiply};
pub use limits::Limits;
pub use run::Run;
pub use shapes::{Kind, Layer, Shapes};
pub use timing::{Seconds, measure};

use kernels::Buffer;
use tensor::Rng;

/// Random floats in [-1, 1).
fn random(len: usize) -> Buffer {
    let mut rng = Rng::new(len as u64);
    let mut buffer = Buffer::recycled(len);
    buffer.fill_with(|| rng.range(-1.0, 1.0) as f32);
    buffer
}
