//! Where data lie that some tests compare with and that are not in the repository. Tests of other crates take this file in
//! by its path.

use std::path::{Path, PathBuf};

/// `part` of the shared data, if it is there: in `VERTEBRA_SHARED`, else in `shared` beside the workspace.
pub fn shared(part: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = std::env::var_os("VERTEBRA_SHARED").map_or_else(beside, PathBuf::from).join(part);
    if !path.exists() {
        eprintln!("skipped: {} is absent; VERTEBRA_SHARED may name the folder that has it", path.display());
        return None;
    }
    Some(path)
}
