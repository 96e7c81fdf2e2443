//! All that is asked of a file of weights.

use model::{ForeignFile, ImportOptions, import_explained};
use std::path::PathBuf;
use std::sync::LazyLock;

/// Reads a file of weights, and makes a model of them if that is possible. The reader takes a path, so the bytes go into
/// a file, in `TMPDIR`.
pub fn import(bytes: &[u8]) -> Result<(), String> {
    static PATH: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::temp_dir().join(format!("weights-{}", std::process::id())));
    std::fs::write(&*PATH, bytes).map_err(|error| error.to_string())?;
    let file = ForeignFile::read(&*PATH).map_err(|error| error.to_string())?;
    let values = file.tensors.iter().map(|(_, array)| array.data().len()).sum::<usize>();
    assert!(values <= bytes.len(), "{values} values from {} bytes", bytes.len());
    let options = ImportOptions { told: file.told, hints: file.hints, ..ImportOptions::default() };
    let _ = import_explained(file.tensors, &options);
    Ok(())
}
