//! The one walk through folders that every command takes: what is there in order of path, what is one of its images, and
//! what is passed over.
//!
//! Links are followed, and one that leads back to a folder above it is passed over. What is hidden or belongs to a system
//! is not entered. A file is an image by its name, if that ends in one of [`EXTENSIONS`] (it is read anyway, and then its
//! content counts); of any other, the first bytes are asked.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::content::{Content, HEAD_BYTES};

/// Names of images end in these, in upper or lower case. A file with such a name that is no image is an error, not passed
/// over.
pub const EXTENSIONS: [&str; 9] = ["png", "jpg", "jpeg", "jpe", "jfif", "dcm", "dicom", "dic", "ima"];

/// Names of files and folders that systems leave among images; in lower case.
const OF_SYSTEMS: [&str; 15] = [
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "@eadir",
    "@recycle",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "network trash folder",
    "lost+found",
    "__pycache__",
];

/// Names of files that are not finished, or were kept beside what replaced them, end in these.
const UNFINISHED: [&str; 8] = ["tmp", "temp", "part", "partial", "crdownload", "download", "bak", "swp"];

/// Whether a file or folder is none of the user's images by its name alone.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || OF_SYSTEMS.contains(&name.to_lowercase().as_str())
}

/// What a walk meets. Paths begin with the path of the walk's root.
pub(crate) enum Found {
    /// A folder that is entered.
    Folder(PathBuf),
    /// An image, and its size in bytes.
    Image(PathBuf, u64),
    /// What is passed over, and what it is.
    Passed(PathBuf, String),
    /// What should be read and cannot be: a folder, or an image that is a link to nothing.
    Failed(PathBuf, io::Error),
}

/// How to walk.
pub(crate) struct Walk<'a> {
    pub root: &'a Path,
    /// The deepest files that are wanted; those directly in the root are at 1.
    pub depth: usize,
    /// Whether hidden files and folders are wanted too.
    pub hidden: bool,
}

impl<'a> Walk<'a> {
    /// Everything below `root` that is not hidden.
    pub fn all(root: &'a Path) -> Self {
        Self { root, depth: usize::MAX, hidden: false }
    }

    /// Walks, in order of path. Files that are not `wanted` are met with silence.
    pub fn run<F: Fn(&Path) -> bool>(self, wanted: F) -> impl Iterator<Item = Found> + use<F> {
        let walk = WalkDir::new(self.root).follow_links(true).min_depth(1).max_depth(self.depth);
        let mut entries = walk.sort_by_file_name().into_iter();
        // The walk knows the folders that it came through, but not those above its root, or above where a link led: those
        // that lie so, with the depth at which they were entered.
        let mut entered: Vec<(usize, PathBuf)> =
            self.root.canonicalize().into_iter().map(|root| (0, root)).collect();
        let mut leads_up = move |entry: &DirEntry| {
            entered.retain(|(depth, _)| *depth < entry.depth());
            let target = entry.path_is_symlink().then(|| entry.path().canonicalize().ok()).flatten();
            let Some(target) = target else { return false };
            let is_above = entered.iter().any(|(_, folder)| folder.starts_with(&target));
            entered.push((entry.depth(), target));
            is_above
        };
        let hidden = move |path: &Path| !self.hidden && is_hidden(&name_of(path));
        std::iter::from_fn(move || {
            loop {
                match entries.next()? {
                    Err(error) => {
                        if let Some(found) = failed(error, &wanted, &hidden) {
                            return Some(found);
                        }
                    }
                    Ok(entry) if entry.file_type().is_dir() => {
                        let why = match hidden(entry.path()) {
                            true => HIDDEN,
                            false if leads_up(&entry) => LEADS_UP,
                            false => return Some(Found::Folder(entry.into_path())),
                        };
                        entries.skip_current_dir();
                        return Some(Found::Passed(entry.into_path(), why.into()));
                    }
                    Ok(entry) if !wanted(entry.path()) => {}
                    Ok(entry) if hidden(entry.path()) => {
                        return Some(Found::Passed(entry.into_path(), HIDDEN.into()));
                    }
                    Ok(entry) => return Some(file(entry)),
                }
            }
        })
    }
}

const HIDDEN: &str = "hidden or of the system";
const LEADS_UP: &str = "a link back to a folder above it";

/// What could not be looked at: nothing to say if nobody asked for it.
fn failed(
    error: walkdir::Error,
    wanted: &dyn Fn(&Path) -> bool,
    hidden: &dyn Fn(&Path) -> bool,
) -> Option<Found> {
    let path = error.path().unwrap_or(Path::new("")).to_path_buf();
    if error.depth() > 0 && hidden(&path) {
        return wanted(&path).then(|| Found::Passed(path, HIDDEN.into()));
    }
    if error.loop_ancestor().is_some() {
        return Some(Found::Passed(path, LEADS_UP.into()));
    }
    let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    if is_link && !wanted(&path) {
        return None;
    }
    if is_link && !named_as_image(&path) {
        return Some(Found::Passed(path, "a link to nothing".into()));
    }
    // Its own text repeats the path.
    let reason = error.io_error().map_or_else(
        || io::Error::other(error.to_string()),
        |e| match e.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(e.kind(), e.to_string()),
        },
    );
    Some(Found::Failed(path, reason))
}

/// A file that is not hidden.
fn file(entry: DirEntry) -> Found {
    let bytes = entry.metadata().map_or(0, |found| found.len());
    let is_file = entry.file_type().is_file();
    let path = entry.into_path();
    let what = match is_file {
        true => other_than_image(&path),
        false => Some("no file (a device or a pipe)".into()),
    };
    match what {
        None => Found::Image(path, bytes),
        Some(what) => Found::Passed(path, what),
    }
}

/// What a file is that is no image; none if it is one.
fn other_than_image(path: &Path) -> Option<String> {
    let name = name_of(path).to_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    // The directory that a DICOM medium has beside its images.
    if name == "dicomdir" {
        return Some("the directory of a DICOM medium".into());
    }
    if name.ends_with('~') || UNFINISHED.contains(&extension) {
        return Some("unfinished or a backup, by its name".into());
    }
    if EXTENSIONS.contains(&extension) {
        return None;
    }
    let Ok(head) = head(path) else { return Some("that cannot be opened".into()) };
    match Content::of(&head) {
        content if content.is_image() => None,
        Content::Foreign(format) => Some(not_read(format)),
        Content::File("gzip") if name.ends_with(".nii.gz") => Some(not_read("NIfTI")),
        Content::File(kind) => Some(format!("{kind} file")),
        Content::Text => Some("text".into()),
        Content::Empty => Some("empty".into()),
        _ => Some("of unknown content".into()),
    }
}

fn not_read(format: &str) -> String {
    format!("in {format} format, which is not read")
}

/// Whether a name is that of an image.
fn named_as_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    EXTENSIONS.contains(&extension.as_str())
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    File::open(path)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    /// What a walk meets below a folder, each with a letter for what it is.
    fn met(root: &Path) -> Vec<String> {
        let inside = |path: PathBuf| path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let say = |found| match found {
            Found::Folder(path) => format!("/ {}", inside(path)),
            Found::Image(path, bytes) => format!("+ {} {bytes}", inside(path)),
            Found::Passed(path, what) => format!("- {}: {what}", inside(path)),
            Found::Failed(path, _) => format!("! {}", inside(path)),
        };
        Walk::all(root).run(|_| true).map(say).collect()
    }

    #[test]
    fn what_is_hidden_is_known_by_its_name() {
        for name in [".x", "._1.png", ".ipynb_checkpoints", "__MACOSX", "Thumbs.DB", "@eaDir", "$RECYCLE.BIN"]
        {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["a.png", "_x", "MACOSX", "thumbs.db.png", "eaDir"] {
            assert!(!is_hidden(name), "{name}");
        }
    }

    #[test]
    fn a_walk_meets_everything_once_in_order() {
        let root = tempfile::tempdir().unwrap();
        let files: [(&str, &[u8]); 14] = [
            ("a/.hid/1.png", PNG),
            ("a/1.IMA", b"x"),
            ("a/10", PNG),
            ("a/2.txt", b"\xff\xd8\xff\xe0"),
            ("a/3.tif", b"II*\0"),
            ("a/4.nii.gz", b"\x1f\x8b\x08"),
            ("a/5.png.part", PNG),
            ("a/6.PNG~", PNG),
            ("a/7.csv", b"x,y"),
            ("a/8", b""),
            ("a/DICOMDIR", PNG),
            ("b/__MACOSX/._1.png", PNG),
            ("b/c/z.PNG", b"no image, but called one"),
            ("desktop.ini", PNG),
        ];
        for (name, content) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let want = [
            "/ a",
            "- a/.hid: hidden or of the system",
            "+ a/1.IMA 1",
            "+ a/10 8",
            "+ a/2.txt 4",
            "- a/3.tif: in TIFF format, which is not read",
            "- a/4.nii.gz: in NIfTI format, which is not read",
            "- a/5.png.part: unfinished or a backup, by its name",
            "- a/6.PNG~: unfinished or a backup, by its name",
            "- a/7.csv: text",
            "- a/8: empty",
            "- a/DICOMDIR: the directory of a DICOM medium",
            "/ b",
            "- b/__MACOSX: hidden or of the system",
            "/ b/c",
            "+ b/c/z.PNG 24",
            "- desktop.ini: hidden or of the system",
        ];
        assert_eq!(met(root.path()), want);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_round_and_round() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("a/deep")).unwrap();
        fs::write(at("a/1.png"), PNG).unwrap();
        symlink("../..", at("a/deep/up")).unwrap();
        symlink("a", at("again")).unwrap();
        symlink("nothing", at("lost.png")).unwrap();
        symlink("nothing", at("lost.txt")).unwrap();
        symlink("nothing", at(".#lock.png")).unwrap();
        // And from a folder elsewhere, into which a link led.
        let elsewhere = tempfile::tempdir().unwrap();
        fs::create_dir_all(elsewhere.path().join("x")).unwrap();
        fs::write(elsewhere.path().join("2.png"), PNG).unwrap();
        symlink(elsewhere.path(), elsewhere.path().join("x/up")).unwrap();
        symlink(elsewhere.path().join("x"), at("a/deep/to")).unwrap();
        let found = met(&at("a/deep"));
        assert_eq!(found[..2], ["/ to", "- to/up: a link back to a folder above it"]);
        fs::remove_file(at("a/deep/to")).unwrap();
        // From a folder within, the way up leads out of the walk, and by the root back into it.
        assert_eq!(met(&at("a")), ["+ 1.png 8", "/ deep", "- deep/up: a link back to a folder above it"]);
        let want = [
            "- .#lock.png: hidden or of the system",
            "/ a",
            "+ a/1.png 8",
            "/ a/deep",
            "- a/deep/up: a link back to a folder above it",
            "/ again",
            "+ again/1.png 8",
            "/ again/deep",
            "- again/deep/up: a link back to a folder above it",
            "! lost.png",
            "- lost.txt: a link to nothing",
        ];
        assert_eq!(met(root.path()), want);
    }
}
