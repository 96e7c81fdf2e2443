//! The file that a cell of a manifest names.
//!
//! Published tables name files as their archive had them: with its own folder in front (CheXpert), or without any folder
//! (NIH ChestX-ray14, PadChest) and even without an ending (VinDr). So those of a table with findings are also looked for
//! one folder up, and by their name below the folder of the table.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::path_bytes::path_of_bytes;
use crate::sample::Sample;
use crate::walk::{Found, Walk};

/// Finds the file that `cell` names: as it stands there, without the space around it, or with slashes for backslashes.
pub(crate) fn locate(cell: &[u8], folder: &Path, missing: bool) -> Result<Sample, String> {
    let trimmed = cell.trim_ascii();
    if trimmed.is_empty() {
        return Err("expected a path, found an empty field".into());
    }
    let slashes: Vec<u8> = trimmed.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
    let mut ways = vec![cell, trimmed, &slashes];
    ways.dedup();
    let mut reason = String::new();
    for way in &ways {
        let path = folder.join(path_of_bytes(way.to_vec()));
        let name = String::from_utf8_lossy(way).into_owned();
        let name = if cfg!(windows) { name.replace('\\', "/") } else { name };
        match std::fs::metadata(&path) {
            Ok(found) if found.is_file() => {
                return Ok(Sample { path, name, bytes: found.len(), ..Sample::default() });
            }
            Ok(_) if reason.is_empty() => reason = "expected a file, found a folder".into(),
            Err(error) if reason.is_empty() => reason = error.to_string(),
            _ => {}
        }
    }
    let last = ways.last().copied().unwrap_or(trimmed);
    if missing {
        let name = String::from_utf8_lossy(last).into_owned();
        return Ok(Sample { path: folder.join(path_of_bytes(last.to_vec())), name, ..Sample::default() });
    }
    let shown = shortened(&String::from_utf8_lossy(trimmed));
    let of_windows = matches!(trimmed, [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
        || trimmed.starts_with(b"\\\\");
    if of_windows && !cfg!(windows) {
        reason = "expected a path relative to the manifest, found one that only the Windows system which it comes from has"
            .into();
    } else if std::str::from_utf8(cell).is_err() {
        reason += "; the path is not in UTF-8: if it should be, save the table as \"CSV UTF-8\"";
    }
    Err(format!("{shown}: {reason}"))
}

/// A cell may be half a file where a quote is not closed.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Which files a table has named so far, by the folder in which they lie: `a/../b.png` is `b.png`, and so is a way through
/// a folder that is a link. A file that is a link is one of its own, as in stores that keep equal files once.
#[derive(Default)]
pub(crate) struct Named {
    folders: HashMap<PathBuf, PathBuf>,
    files: HashMap<PathBuf, usize>,
}

impl Named {
    /// Where the file at `path` was named first; `at`, if it was not named before.
    pub fn first(&mut self, path: &Path, at: usize) -> usize {
        let file = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => {
                let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                let lies = || here.canonicalize().unwrap_or_else(|_| folder.to_owned());
                self.folders.entry(folder.to_owned()).or_insert_with(lies).join(name)
            }
            _ => path.to_owned(),
        };
        *self.files.entry(file).or_insert(at)
    }
}

/// Files by their names below a folder, looked for when the first is asked for.
pub(crate) struct ByName<'a> {
    folder: &'a Path,
    /// By name and by name without ending; none: several files have it.
    files: Option<HashMap<String, Option<(PathBuf, u64)>>>,
    /// How many were found so.
    pub found: usize,
}

impl<'a> ByName<'a> {
    pub fn below(folder: &'a Path) -> Self {
        Self { folder, files: None, found: 0 }
    }

    /// As [`locate`], then in the folder above, then by name.
    pub fn locate(&mut self, cell: &[u8], missing: bool) -> Result<Sample, String> {
        let reason = match locate(cell, self.folder, false) {
            Ok(sample) => return Ok(sample),
            Err(reason) => reason,
        };
        let here = if self.folder.as_os_str().is_empty() { Path::new(".") } else { self.folder };
        if let Some(sample) = locate(cell, &here.join(".."), false).ok().filter(|_| cell.contains(&b'/')) {
            return Ok(sample);
        }
        let name = String::from_utf8_lossy(cell.trim_ascii()).replace('\\', "/");
        let name = name.rsplit('/').next().unwrap_or_default();
        match self.files.get_or_insert_with(|| files(here)).get(name) {
            Some(Some((path, bytes))) => {
                self.found += 1;
                let inside = path.strip_prefix(here).unwrap_or(path);
                let name = inside.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
                Ok(Sample { path: self.folder.join(inside), name, bytes: *bytes, ..Sample::default() })
            }
            Some(None) => {
                Err(format!("expected one file of the name {name} below {}, found several", here.display()))
            }
            None if missing => locate(cell, self.folder, true),
            None => Err(format!("{reason}; nor is an image of this name below {}", here.display())),
        }
    }
}

fn files(folder: &Path) -> HashMap<String, Option<(PathBuf, u64)>> {
    let mut files = HashMap::new();
    for found in Walk::all(folder).run(|_| true) {
        if let Found::Image(path, bytes) = found {
            for name in [path.file_name(), path.file_stem()].into_iter().flatten() {
                let name = name.to_string_lossy().into_owned();
                let same =
                    |known: &Option<(PathBuf, u64)>| known.as_ref().is_some_and(|known| known.0 == path);
                let one = Some((path.clone(), bytes));
                files
                    .entry(name)
                    .and_modify(|known| {
                        if !same(known) {
                            *known = None
                        }
                    })
                    .or_insert(one);
            }
        }
    }
    files
}
