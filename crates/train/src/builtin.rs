//! The first weights that come with the program: `--init builtin`.
//!
//! They are a file beside the program and not a part of it, which would be a quarter larger. How they were made, and what
//! they are worth, says docs/pretrained.md.

use crate::Error;
use std::path::{Path, PathBuf};

/// What stands for them.
const NAME: &str = "builtin";
/// Where they lie, seen from the repository or from the folder of an installed program.
const FILE: &str = "weights/builtin.safetensors";
/// The folder of the program, and three above it: cargo builds into target/TRIPLE/PROFILE.
const FOLDERS: usize = 4;

/// Whether `init` means the weights of the program: it is their name, and nothing in the working directory is called so.
pub(crate) fn is_builtin(init: &Path) -> bool {
    init == Path::new(NAME) && !init.exists()
}

/// The file that the setting `init` means: the weights that lie beside `program`, or in one of the three folders above
/// it, where they are meant.
///
/// # Errors
/// The weights of the program are not there.
pub fn first_weights(init: PathBuf, program: &Path) -> Result<PathBuf, Error> {
    if !is_builtin(&init) {
        return Ok(init);
    }
    // A program may be started by a link.
    let program = program.canonicalize().unwrap_or_else(|_| program.to_path_buf());
    let mut folders = program.ancestors().skip(1).take(FOLDERS).map(|folder| folder.join(FILE));
    folders.find(|file| file.is_file()).ok_or_else(|| Error::Config {
        field: "init builtin",
        expected: format!(
            "{FILE} in {}, or in one of the three folders above",
            program.parent().unwrap_or(&program).display()
        ),
        found: "none; copy that file of the repository there, or give its path to --init".to_owned(),
    })
}
