//! The program as its users meet it: the built binary, real files, real signals.

mod architecture;
mod audit;
mod bad_input;
mod calibrate;
mod cli;
mod decisions;
mod determinism;
mod dicom;
#[path = "../crates/dicom/tests/common/writer.rs"]
mod dicom_writer;
mod ensemble;
mod evidence;
mod families;
mod findings;
mod inputs;
mod intake;
mod interop;
mod many_classes;
mod no_native;
#[allow(dead_code, reason = "the search's own tests use the rest")]
#[path = "../crates/duplicates/tests/it/plant.rs"]
mod plant;
mod predict;
mod ranks;
mod runs;
mod settings;
mod split;
mod support;
mod tensorboard;
mod terminal;
