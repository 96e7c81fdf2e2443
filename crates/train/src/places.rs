//! Where the files of a run are, whatever directory a command is started in and whatever was moved meanwhile.
//!
//! `config.toml` holds absolute paths and, in a table of their own, the same as seen from the run folder. A path is
//! sought where the first says, then where the second does (the run was moved together with its data). Earlier versions
//! wrote paths as they were typed, and people do: those are sought from the directory that the run was started in,
//! which its own folder tells, then from the working directory, then beside the file. Whether what is found are the
//! data of the run, their fingerprint says.

use crate::paths;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// Begins the table of the second kind.
pub(crate) const TABLE: &str = "[from_this_folder]";
/// What is said above it.
const REMARK: &str = "# The same places as seen from here: tried where the paths above lead nowhere.";

/// Paths as seen from the run folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Places {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "paths::option")]
    pub data: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "paths::option")]
    pub init: Option<PathBuf>,
}

/// The settings in the text of `config.toml`, and its table of places (empty if an earlier version wrote it).
pub(crate) fn split(text: &str) -> (&str, &str) {
    let at_line = |at: usize| at == 0 || text.as_bytes()[at - 1] == b'\n';
    match text.match_indices(TABLE).find(|&(at, _)| at_line(at)) {
        Some((at, _)) => {
            let settings = text[..at].trim_end();
            (settings.strip_suffix(REMARK).unwrap_or(settings), &text[at + TABLE.len()..])
        }
        None => (text, ""),
    }
}

/// The text of `config.toml`.
pub(crate) fn join(settings: &str, places: &str) -> String {
    match places.is_empty() {
        true => settings.to_owned(),
        false => format!("{}\n\n{REMARK}\n{TABLE}\n{places}", settings.trim_end()),
    }
}

/// The settings `new` in the place of the settings `old`, a line each, with the remarks that people wrote among those.
pub(crate) fn with_remarks(old: &str, new: &str) -> String {
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
    let mut left: Vec<&str> = new.lines().collect();
    let mut out = String::new();
    for line in old.lines() {
        let is_remark = line.trim().is_empty() || line.trim_start().starts_with('#');
        let at = left.iter().position(|new| key(new) == key(line));
        match at.filter(|_| !is_remark).map(|at| left.remove(at)) {
            // Behind the same value there may be a remark too.
            Some(new) if line.strip_prefix(new).is_some_and(|rest| rest.trim_start().starts_with('#')) => {
                out += line
            }
            Some(new) => out += new,
            None if is_remark => out += line,
            None => continue,
        }
        out.push('\n');
    }
    // What the old settings did not have, above the blank lines and remarks that end them.
    let end = out.trim_end().len();
    let tail = out.split_off(end);
    let added: String = left.iter().filter(|line| !line.is_empty()).map(|line| format!("\n{line}")).collect();
    (out + &added + &tail).trim_start().to_owned()
}

/// `path` from the root of the file system; as it is, if it is empty or there is no working directory.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The directory that a run was started in, if an earlier version wrote its `out` as a relative path and its folder is
/// still called so.
pub(crate) fn origin(folder: &Path, out: &Path) -> Option<PathBuf> {
    if out.is_absolute() || out.as_os_str().is_empty() {
        return None;
    }
    let here = folder.canonicalize().ok()?;
    let plain: PathBuf = out.components().filter(|part| *part != Component::CurDir).collect();
    here.ends_with(&plain).then(|| here.ancestors().nth(plain.components().count()).map(Path::to_path_buf))?
}

/// Where the file or folder at `stored` is now, relative to the working directory if it lies below that; `stored`
/// itself if it is nowhere.
pub(crate) fn find(
    stored: &Path,
    folder: &Path,
    from_folder: Option<&Path>,
    origin: Option<&Path>,
) -> PathBuf {
    let typed_there = origin.filter(|_| stored.is_relative()).map(|origin| origin.join(stored));
    let beside = folder.join(from_folder.unwrap_or(stored)).canonicalize().ok();
    let candidates = [typed_there, Some(stored.to_path_buf()), beside];
    let found = candidates.into_iter().flatten().find(|path| path.exists());
    shortened(found.unwrap_or_else(|| stored.to_path_buf()))
}

/// The same place, as people write it who are in the working directory.
fn shortened(path: PathBuf) -> PathBuf {
    let Ok(here) = std::env::current_dir() else { return path };
    let real =
        || path.canonicalize().ok()?.strip_prefix(here.canonicalize().ok()?).ok().map(Path::to_path_buf);
    let below = match path.is_absolute() {
        true => path.strip_prefix(&here).ok().map(Path::to_path_buf).or_else(real),
        false => None,
    };
    match below {
        Some(below) if below.as_os_str().is_empty() => PathBuf::from("."),
        Some(below) => below,
        None => path,
    }
}

/// `path` as seen from `folder`; none if it is not there, or if nothing leads to it from there.
pub(crate) fn relative(folder: &Path, path: &Path) -> Option<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let (from, to) = (folder.canonicalize().ok()?, path.canonicalize().ok()?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None; // Another drive.
    }
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    Some(up.chain(to.components().skip(shared)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_moves_together_is_found_again() {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str| root.path().join(name);
        fs::create_dir_all(place("home/runs/mine")).unwrap();
        fs::create_dir_all(place("home/data")).unwrap();
        let seen = relative(&place("home/runs/mine"), &place("home/data")).unwrap();
        assert_eq!(seen, Path::new("../../data"));
        let find_from = |run: &str| find(&place("home/data"), &place(run), Some(&seen), None);
        assert_eq!(find_from("home/runs/mine"), place("home/data"));
        fs::rename(place("home"), place("new")).unwrap();
        let found = find_from("new/runs/mine");
        assert_eq!(found.canonicalize().unwrap(), place("new/data").canonicalize().unwrap());
        fs::rename(place("new/data"), place("elsewhere")).unwrap();
        assert_eq!(find_from("new/runs/mine"), place("home/data"), "nowhere: what was stored");
        assert_eq!(relative(&place("new"), &place("none")), None);
    }

    #[test]
    fn a_path_as_it_was_typed_is_sought_where_it_was_typed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("runs/mine")).unwrap();
        fs::create_dir_all(root.path().join("data")).unwrap();
        let run = root.path().join("runs/mine");
        let origin = origin(&run, Path::new("./runs/mine")).unwrap();
        assert_eq!(origin, root.path().canonicalize().unwrap());
        assert_eq!(find(Path::new("data"), &run, None, Some(&origin)), origin.join("data"));
        assert_eq!(super::origin(&run, Path::new("other")), None);
        assert_eq!(super::origin(&run, Path::new("/runs/mine")), None);
    }

    #[test]
    fn a_settings_file_is_taken_apart_as_it_was_put_together() {
        let text = join("a = 1\n", "data = \"x\"\n");
        let (settings, places) = split(&text);
        assert!(settings.trim_end() == "a = 1" && places.trim() == "data = \"x\"");
        let old = "data = \"of [from_this_folder] nothing\"\n";
        assert_eq!(split(old), (old, ""));
        assert_eq!(join("a = 1\n", ""), "a = 1\n");
    }

    #[test]
    fn remarks_stay() {
        let old = "# ours\na = 1 # why\nb = 2 # old\n\n# of c\nc = 3\n# end\n";
        let new = "a = 1\nb = 4\nd = 5\n";
        assert_eq!(with_remarks(old, new), "# ours\na = 1 # why\nb = 4\n\n# of c\n# end\nd = 5\n");
        assert_eq!(with_remarks("", new), new.trim_end());
    }
}
