//! The data pipeline from outside: files on disk in, pictures, splits and batches out.

mod dataset;
mod decode;
mod depth;
mod findings;
mod loader;
mod manifest;
mod resize;
#[path = "../../../../tests/shared.rs"]
mod shared;
mod split;

use shared::shared;
