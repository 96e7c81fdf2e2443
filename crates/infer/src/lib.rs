//! Folded, packed and planned inference.
#![forbid(unsafe_code)]
