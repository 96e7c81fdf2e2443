//! Reverse-mode differentiation over an indexed tape.
#![forbid(unsafe_code)]
