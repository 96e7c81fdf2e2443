//! From files to batches: decoding, data sets, splits, augmentation and the loader.
#![forbid(unsafe_code)]

mod ahead;
mod augment;
mod cache;
mod content;
mod dataset;
mod decode;
mod dicom_file;
mod digest;
mod error;
mod folder;
mod folds;
mod group;
mod inputs;
mod loader;
mod manifest;
mod passed;
mod remarks;
mod shell;
mod split;
mod split_names;
mod stream;
mod table;
mod unreadable;
mod walk;
mod warp;

pub use augment::Augment;
pub use cache::CacheUsage;
pub use dataset::{Dataset, FRACTIONS, Sample, SplitOrigin};
pub use decode::{MAX_FILE_BYTES, decode, decode_bytes, decode_bytes_noted, decode_noted};
pub use dicom_file::describe;
pub use digest::{Digest, Likeness, file_digest, hexadecimal};
pub use error::Error;
pub use folds::Folds;
pub use group::{DIGIT, GroupBy, group_from_name};
pub use inputs::{Input, Passed, inputs};
pub use loader::{Batch, Batches, Loader, LoaderOptions};
pub use manifest::write_manifest;
pub use passed::{PassedOver, Reason};
pub use remarks::Remarks;
pub use shell::quote;
pub use split::{Split, split_groups};
pub use stream::Stream;
pub use table::{Record, Table};
pub use walk::EXTENSIONS;
pub use warp::View;
