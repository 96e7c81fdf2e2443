//! Networks, initialisation, optimizers and schedules: what learns, on top of what differentiates.
#![forbid(unsafe_code)]

mod init;
mod network;
mod optimizer;
mod schedule;

pub use autograd::ops::Loss;
pub use network::{ForwardPass, Learner, Mode, Parameter};
pub use optimizer::{Algorithm, Optimizer};
pub use schedule::{Decay, Schedule};
