//! Folded, packed and planned inference: what a deployment links, without autograd, training or image decoding.
//!
//! A [`Plan`] is made once from a model: batch norm is folded into the convolutions ([`fold()`]), weights are packed for
//! the machine's instruction set, and every activation gets its place in one arena. [`Plan::run`] then turns images into
//! logits. Invariant: the logits of an image are the same bits in any batch, at any place in it, on any number of
//! threads.
//!
//! ```
//! use infer::Plan;
//! use model::{Architecture, Array, Role};
//!
//! let named = Architecture::named("mobilenet-v1")?;
//! let network = Architecture { width: 0.25, image_size: [32; 2], ..named }.network()?;
//! // Weights come from a model file; here all of a tensor are the same.
//! let tensors = network.tensors().into_iter().map(|spec| {
//!     let value = if spec.role == Role::Variance { 1.0 } else { 0.1 };
//!     let values = vec![value; spec.elements()];
//!     (spec.name, Array::new(spec.shape, values).expect("as many values as the shape has"))
//! });
//! let mut plan = Plan::of(&network, &tensors.collect(), kernels::Level::current(), 1)?;
//! let (image, mut logits) = (vec![0.5; plan.image_len()], vec![0.0; plan.classes()]);
//! plan.run(&image, &mut logits);
//! assert!(logits.iter().all(|logit| logit.is_finite()));
//! # Ok::<(), infer::Error>(())
//! ```
#![forbid(unsafe_code)]

mod arena;
mod chain;
mod compile;
mod error;
mod fold;
mod layer;
mod plan;
mod run;
mod step;

pub use error::Error;
pub use fold::{Folded, fold};
pub use plan::Plan;
pub use step::StepInfo;
