//! Lines that a person can paste into the shell they are in.

use crate::terminal::steers;
use std::env;
use std::path::{Path, PathBuf};

/// `word` as one word of a POSIX shell.
pub fn quote(word: impl AsRef<Path>) -> String {
    match word.as_ref().to_str() {
        Some(word) if !word.contains(steers) => data::quote(word),
        _ => quote_bytes(word.as_ref()),
    }
}

/// A path as one word, which no program takes for an option.
pub fn place(path: &Path) -> String {
    match path.as_os_str().as_encoded_bytes() {
        [b'-', ..] => quote(Path::new(".").join(path)),
        _ => quote(path),
    }
}

/// A word that is no text, or would steer the terminal: its bytes in the form that POSIX has for them since 2024, as
/// bash and zsh had before.
fn quote_bytes(word: &Path) -> String {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(word.as_os_str()).to_vec();
    #[cfg(not(unix))]
    let bytes = word.to_string_lossy().into_owned().into_bytes();
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"'\\".contains(byte) || *byte == b' ';
    let escaped =
        |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("\\{byte:03o}") };
    format!("$'{}'", bytes.into_iter().map(escaped).collect::<String>())
}

/// How this program was started, so that `{program} predict ...` starts it again from the same folder.
pub fn program() -> String {
    let typed = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if typed.components().count() == 1 && typed.parent() == Some(Path::new("")) {
        return quote(typed); // Found on the PATH.
    }
    match env::current_exe().ok().as_deref().and_then(by_cargo) {
        Some(line) => line.to_owned(),
        None => quote(typed),
    }
}

/// The command line that this program was started with, whatever the program's path.
pub fn typed() -> String {
    format!("vertebra {}", words())
}

/// The words that were typed behind the program.
pub fn words() -> String {
    env::args_os().skip(1).map(|word| quote(PathBuf::from(word))).collect::<Vec<_>>().join(" ")
}

/// The line for a binary that `cargo run` started in the workspace of the current folder.
fn by_cargo(executable: &Path) -> Option<&'static str> {
    let workspace = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let inside = env::current_dir().ok()?.starts_with(workspace);
    let profile = executable.parent()?.file_name()?.to_str()?;
    match profile {
        "release" if inside => Some("cargo run --release --"),
        "debug" if inside => Some("cargo run --"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, PathBuf, place, quote};

    #[test]
    fn words_survive_the_shell() {
        for (word, quoted) in [
            ("runs/a-1/best.safetensors", "runs/a-1/best.safetensors"),
            ("my run", "'my run'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
            ("a\u{1b}[2J\n", r"$'a\033[2J\012'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
        for (path, placed) in [("-dash", "./-dash"), ("--my run", "'./--my run'"), ("a-b", "a-b")] {
            assert_eq!(place(Path::new(path)), placed);
        }
        #[cfg(unix)]
        {
            let odd: std::ffi::OsString =
                std::os::unix::ffi::OsStringExt::from_vec(b"it's a caf\xe9".to_vec());
            assert_eq!(quote(PathBuf::from(odd)), r"$'it\047s a caf\351'");
        }
    }
}
