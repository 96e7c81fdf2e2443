//! From files to batches: decoding, data sets, splits, augmentation and the loader.
#![forbid(unsafe_code)]

mod augment;
mod cache;
mod content;
mod dataset;
mod decode;
mod dicom_file;
mod digest;
mod divide;
mod error;
mod findings;
mod folder;
mod folds;
mod group;
mod inputs;
mod labels;
mod loader;
mod locate;
mod manifest;
mod missing;
mod number;
mod passed;
mod path_bytes;
mod remarks;
mod sample;
mod shell;
mod split;
mod split_names;
mod stream;
mod table;
mod test_time;
mod unreadable;
mod walk;
mod warp;
mod write_manifest;

pub use augment::Augment;
pub use cache::CacheUsage;
pub use dataset::{Dataset, FRACTIONS, SplitOrigin};
pub use decode::{
    MAX_FILE_BYTES, decode, decode_bytes, decode_bytes_noted, decode_bytes_through, decode_noted,
    decode_through, read_file, seen_through,
};
pub use dicom_file::describe;
pub use digest::{Digest, Likeness, file_digest, hexadecimal};
pub use divide::split_groups;
pub use error::Error;
pub use folds::Folds;
pub use group::{DIGIT, GroupBy, group_from_name};
pub use inputs::{Input, Passed, inputs};
pub use labels::{Labelling, Labels, Readers, Uncertain};
pub use loader::{Batch, Batches, Loader, LoaderOptions, Shard};
pub use missing::is_missing;
pub use number::exact;
pub use passed::{PassedOver, Reason};
pub use path_bytes::{bytes_of_path, path_of_bytes};
pub use remarks::Remarks;
pub use sample::Sample;
pub use shell::quote;
pub use split::Split;
pub use stream::Stream;
pub use table::{Record, Table};
pub use test_time::TestTimeView;
pub use walk::EXTENSIONS;
pub use write_manifest::write_manifest;
