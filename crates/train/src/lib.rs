//! The fit loop: early stopping, checkpoints, resume, logs.
#![forbid(unsafe_code)]
