//! The reader of DICOM from outside: files of other programs, and files made here for what those do not cover.

mod codecs;
#[path = "../common/mod.rs"]
mod common;
mod display;
mod odd;
mod pictures;
mod reading;
mod tags;

use std::path::{Path, PathBuf};

/// The real data that some tests read, if it is there: `VERTEBRA_SHARED`, else `shared` beside the workspace.
fn shared(name: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = std::env::var_os("VERTEBRA_SHARED").map_or(workspace.join("../shared"), PathBuf::from);
    let path = root.join("data").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}
