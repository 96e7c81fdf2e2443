//! Image decoding, data sets, splits, augmentation and the loader.
#![forbid(unsafe_code)]

mod decode;
mod error;
mod preprocess;
mod resize;

pub use decode::{MAX_FILE_BYTES, MAX_PIXELS, Picture, decode, decode_bytes};
pub use error::Error;
pub use preprocess::{normalise, pixels, preprocess};
pub use resize::resize;
