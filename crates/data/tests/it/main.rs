//! The data pipeline from outside: files on disk in, pictures, splits and batches out.

mod dataset;
mod decode;
mod loader;
mod manifest;
mod resize;
mod split;

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
