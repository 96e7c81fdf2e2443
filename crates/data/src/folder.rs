//! A folder as a data set: `{train,val,test}/CLASS/...` or `CLASS/...`. Below its class an image may lie at any depth.
//!
//! DICOM files often have no extension, or are named by their UID and seem to end in a number: of these the content is asked.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::dataset::{Dataset, Row};
use crate::split::Split;

/// Extensions of the files that a folder is searched for, in lower case. What a file is, its content says.
pub const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "dcm", "dicom"];

/// A tree this deep is a link that leads back into itself.
const MAX_DEPTH: usize = 32;

struct Scan<'a> {
    root: &'a Path,
    rows: Vec<Row>,
    skipped: usize,
}

pub(crate) fn scan(root: &Path) -> Result<Dataset, Error> {
    let mut scan = Scan { root, rows: Vec::new(), skipped: 0 };
    let top = scan.folders(root)?;
    let split_of = |folder: &PathBuf| name_of(folder).parse::<Split>();
    let mut images: BTreeMap<String, usize> = BTreeMap::new();
    if top.iter().any(|folder| split_of(folder).is_ok()) {
        for folder in &top {
            let split = split_of(folder).map_err(|reason| Error::dataset(root, reason))?;
            for class in scan.folders(folder)? {
                *images.entry(name_of(&class)).or_default() += scan.class(&class, Some(split))?;
            }
        }
    } else {
        for class in &top {
            images.insert(name_of(class), scan.class(class, None)?);
        }
    }
    if images.is_empty() {
        let layout = "expected folders CLASS/ or {train,val,test}/CLASS/ with images, found none";
        return Err(Error::dataset(root, layout));
    }
    if let Some((class, _)) = images.iter().find(|&(_, &count)| count == 0) {
        let expected = EXTENSIONS.join(", ");
        let reason = format!("expected images ({expected}) in the class folder \"{class}\", found none");
        return Err(Error::dataset(root, reason));
    }
    scan.rows.sort_by(|a, b| a.name.cmp(&b.name));
    Dataset::build(root, scan.rows, Vec::new(), scan.skipped)
}

impl Scan<'_> {
    /// The folders directly in `path`; files there belong to no class and are counted as skipped.
    fn folders(&mut self, path: &Path) -> Result<Vec<PathBuf>, Error> {
        let (folders, files): (Vec<_>, Vec<_>) = entries(path)?.into_iter().partition(|path| path.is_dir());
        self.skipped += files.len();
        let (hidden, folders): (Vec<_>, Vec<_>) = folders.into_iter().partition(|path| is_hidden(path));
        self.skipped += hidden.len();
        Ok(folders)
    }

    /// Takes every image below `folder`; the number found.
    fn class(&mut self, folder: &Path, split: Option<Split>) -> Result<usize, Error> {
        let before = self.rows.len();
        self.walk(folder, &name_of(folder), split, 0)?;
        Ok(self.rows.len() - before)
    }

    fn walk(&mut self, folder: &Path, class: &str, split: Option<Split>, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::dataset(
                folder,
                format!("expected at most {MAX_DEPTH} nested folders, found more"),
            ));
        }
        for path in entries(folder)? {
            let found = std::fs::metadata(&path).map_err(|e| Error::io(&path, e))?;
            if !is_hidden(&path) && found.is_dir() {
                self.walk(&path, class, split, depth + 1)?;
            } else if !is_hidden(&path) && is_image(&path) {
                self.rows.push(Row {
                    name: relative(&path, self.root),
                    path,
                    class: class.into(),
                    split,
                    group: None,
                    bytes: found.len(),
                    extra: Vec::new(),
                });
            } else {
                self.skipped += 1;
            }
        }
        Ok(())
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read: std::io::Result<_> =
        std::fs::read_dir(folder).and_then(|found| found.map(|entry| Ok(entry?.path())).collect());
    read.map_err(|e| Error::io(folder, e))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_hidden(path: &Path) -> bool {
    name_of(path).starts_with('.')
}

/// Whether a folder's file is one of its images: by its extension, or, where that is none or a number, as a DICOM file. The
/// directory that a DICOM medium has beside its images has a fixed name.
pub(crate) fn is_image(path: &Path) -> bool {
    if name_of(path) == "DICOMDIR" {
        return false;
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if extension.bytes().all(|byte| byte.is_ascii_digit()) {
        let mut start = [0; 132];
        let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
        return read.is_ok() && start.ends_with(b"DICM");
    }
    EXTENSIONS.contains(&extension.as_str())
}

/// The path below `root`, with `/` on every system.
fn relative(path: &Path, root: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}
