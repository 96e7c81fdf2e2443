//! What the fuzz targets do: a module each, with the files that a search starts from (`seeds`) and what is done with a
//! file (`run`). A file may be refused; a panic, an allocation out of proportion and a long time are faults.
//!
//! Seeds are made by code, the same that makes the files of the crates' own tests. With `FUZZ_SEEDS=FOLDER` a target
//! writes them there and ends.

#![forbid(unsafe_code)]

pub mod dicom;
pub mod hdf5;
pub mod jpeg;
pub mod jpeg_ls;
mod picture;
pub mod safetensors;
pub mod torch;
mod weights;

/// DICOM files made element by element.
#[path = "../../crates/dicom/tests/common/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod common;
#[path = "../../crates/dicom/tests/common/corpus.rs"]
mod corpus;
/// Files of Keras.
#[path = "../../crates/model/tests/it/keras.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod keras;
/// Files of PyTorch.
#[path = "../../crates/model/tests/it/pickle.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod pickle;

use std::path::Path;

/// Begins a target: writes the seeds and ends, if that is asked for.
pub fn start(seeds: fn() -> Vec<Vec<u8>>, run: fn(&[u8]) -> Result<(), String>) {
    picture::pass_over_panics_of_libraries();
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    for (i, seed) in seeds().iter().enumerate() {
        if let Err(reason) = run(seed) {
            eprintln!("seed {i} is no sound file: {reason}");
            std::process::exit(1);
        }
        std::fs::write(Path::new(&folder).join(format!("seed-{i:03}")), seed)
            .expect("the folder takes files");
    }
    std::process::exit(0);
}
