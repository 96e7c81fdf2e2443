//! Tells the program the commit that it is built from, where the sources are a Git checkout: a figure of speed names it.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let commit = commit(Path::new(".git")).unwrap_or_default();
    println!("cargo:rustc-env=VERTEBRA_COMMIT={}", commit.get(..12).unwrap_or_default());
}

/// The commit that is checked out, read from Git's files.
fn commit(git: &Path) -> Option<String> {
    // In a linked worktree `.git` is a file that names the folder.
    let folder = match read_to_string(git) {
        Ok(link) => PathBuf::from(link.strip_prefix("gitdir:")?.trim()),
        Err(_) => git.to_owned(),
    };
    let head = watched(&folder.join("HEAD"))?;
    let Some(branch) = head.strip_prefix("ref:").map(str::trim) else { return Some(head.trim().to_owned()) };
    let common = read_to_string(folder.join("commondir")).map_or(folder.clone(), |to| folder.join(to.trim()));
    let packed = || {
        let all = watched(&common.join("packed-refs"))?;
        let line = all.lines().find(|line| line.ends_with(&format!(" {branch}")))?;
        Some(line.split(' ').next()?.to_owned())
    };
    watched(&common.join(branch)).map(|commit| commit.trim().to_owned()).or_else(packed)
}

/// The text of a file, of which a change makes the program be built again.
fn watched(path: &Path) -> Option<String> {
    let text = read_to_string(path).ok()?;
    println!("cargo:rerun-if-changed={}", path.display());
    Some(text)
}
