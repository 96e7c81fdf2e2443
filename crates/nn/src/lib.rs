//! Networks, initialisation, optimizers and schedules.
#![forbid(unsafe_code)]
