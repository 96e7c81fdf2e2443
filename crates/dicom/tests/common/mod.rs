//! What tests of DICOM have in common.

pub mod codes;
mod writer;

pub use writer::Writer;
