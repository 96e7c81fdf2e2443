//! Simulated lateral neck radiographs.
#![forbid(unsafe_code)]
