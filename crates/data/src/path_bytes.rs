//! Paths as bytes, and bytes as paths. On Unix the name of a file is bytes that need not be text, so a list or a manifest
//! that holds such a name is read and written without loss; elsewhere what is no text is shown as well as it can be.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The path that bytes name.
pub fn path_of_bytes(bytes: Vec<u8>) -> PathBuf {
    #[cfg(unix)]
    let path: OsString = std::os::unix::ffi::OsStringExt::from_vec(bytes);
    #[cfg(not(unix))]
    let path: OsString = String::from_utf8_lossy(&bytes).into_owned().into();
    path.into()
}

/// A path as bytes, which [`path_of_bytes`] makes a path again.
pub fn bytes_of_path(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
    #[cfg(not(unix))]
    return path.to_string_lossy().into_owned().into_bytes();
}
