//! The data pipeline from outside: files on disk in, pictures, splits and batches out.

mod decode;
mod resize;
