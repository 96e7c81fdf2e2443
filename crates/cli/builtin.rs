//! The first weights that come with the program: `train --init builtin`.
//!
//! They are a file beside it and not a part of it, which would be a quarter larger. How they were made, and what they are
//! worth, says docs/pretrained.md.

use crate::failure::Failure;
use std::env::current_exe;
use std::path::{Path, PathBuf};

/// What stands for them.
const NAME: &str = "builtin";
/// Where they lie, seen from the repository or from the folder of an installed program.
const FILE: &str = "weights/builtin.safetensors";
/// The folder of the program, and three above it: cargo builds into target/TRIPLE/PROFILE.
const FOLDERS: usize = 4;

/// The file that `init` means: the weights of the program where it is their name, and nothing here is called so.
pub fn resolve(init: PathBuf) -> Result<PathBuf, Failure> {
    if init != Path::new(NAME) || init.exists() {
        return Ok(init);
    }
    let program = current_exe().and_then(|program| program.canonicalize()).unwrap_or_default();
    let mut folders = program.ancestors().skip(1).take(FOLDERS).map(|folder| folder.join(FILE));
    folders.find(|file| file.is_file()).ok_or_else(|| {
        let folder = program.parent().unwrap_or(&program).display();
        failed!(
            "--init builtin: expected {FILE} in {folder}, where the program is, or in one of the three folders above, found \
             none; copy that file of the repository there, or give its path to --init"
        )
    })
}
