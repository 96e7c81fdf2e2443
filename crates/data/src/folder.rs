//! A folder as a data set: `{train,val,test}/CLASS/...` or `CLASS/...`. Below its class an image may lie at any depth.
//!
//! Folders whose names do not settle which of the two it is are not guessed at (see [`crate::split_names`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::passed::PassedOver;
use crate::sample::{Listing, Sample};
use crate::split::Split;
use crate::split_names::{one_name_each, quoted, split_of, taken_as};
use crate::walk::{Found, Walk};

/// An image below the root: its path, the names of the folders that it lies in and its own, and its size.
struct Image {
    path: PathBuf,
    parts: Vec<String>,
    bytes: u64,
}

/// Everything below the root.
struct Tree {
    images: Vec<Image>,
    /// Folders by their names from the root.
    folders: Vec<Vec<String>>,
    passed: PassedOver,
}

/// Reads the folder `root`. With `missing`, a link to nothing is a sample of 0 bytes, and whoever reads it learns the reason.
pub(crate) fn scan(root: &Path, missing: bool) -> Result<Listing, Error> {
    let tree = Tree::read(root, missing)?;
    let refuse = |reason: String| Error::dataset(root, reason);
    // Folders of images: what they are called decides what they are.
    let outer: BTreeSet<&str> = tree
        .images
        .iter()
        .filter(|image| image.parts.len() > 1)
        .map(|image| image.parts[0].as_str())
        .collect();
    let (splits, others): (Vec<&str>, Vec<&str>) = outer.iter().partition(|name| split_of(name).is_some());
    match (&splits[..], &others[..]) {
        ([], _) => {
            check_below(root, &tree.images).map_err(refuse)?;
            tree.classes(root, 0, Vec::new())
        }
        (splits, []) => {
            one_name_each(splits.iter().copied()).map_err(refuse)?;
            let notes = taken_as(splits.iter().copied()).into_iter().collect();
            tree.classes(root, 1, notes)
        }
        (splits, others) => Err(refuse(format!(
            "expected folders {LAYOUTS}, found folders with names of splits ({}) beside others with images ({}); keep one \
             kind here and move the others away, or write a manifest with columns path,label,split",
            quoted(splits),
            quoted(others)
        ))),
    }
}

const LAYOUTS: &str = "CLASS/ or {train,val,test}/CLASS/";

/// That no splits lie below what would be the classes.
fn check_below(root: &Path, images: &[Image]) -> Result<(), String> {
    let mut below: BTreeMap<Split, BTreeSet<String>> = BTreeMap::new();
    for Image { parts, .. } in images {
        let inner = 1..parts.len().saturating_sub(1).max(1);
        if let Some((at, split)) = inner.filter_map(|at| Some((at, split_of(&parts[at])?))).next() {
            below.entry(split).or_default().insert(parts[..=at].join("/"));
        }
    }
    if below.len() < 2 {
        return Ok(());
    }
    let found: BTreeSet<&String> = below.values().flatten().collect();
    // One folder around all of the splits, as an archive unpacks.
    let around: BTreeSet<Option<&str>> =
        found.iter().map(|path| path.rsplit_once('/').map(|(around, _)| around)).collect();
    let advice = match around.into_iter().collect::<Vec<_>>()[..] {
        [Some(around)] if images.iter().all(|image| image.parts.join("/").starts_with(&format!("{around}/"))) => {
            format!("if they are the splits of this data set, give {}", root.join(around).display())
        }
        _ => "move the splits to the outside (train/CLASS/...), give one of the outer folders, or write a manifest with \
              columns path,label,split"
            .into(),
    };
    Err(format!(
        "expected folders {LAYOUTS}, found names of splits inside of other folders ({}); {advice}",
        quoted(found)
    ))
}

impl Tree {
    fn read(root: &Path, missing: bool) -> Result<Self, Error> {
        let mut tree = Self { images: vec![], folders: vec![], passed: PassedOver::default() };
        for found in Walk::all(root).run(|_| true) {
            match found {
                Found::Folder(path) => tree.folders.push(parts(&path, root)),
                Found::Image(path, bytes) => {
                    tree.images.push(Image { parts: parts(&path, root), path, bytes });
                }
                Found::Passed(path, reason) => tree.passed.add(&reason, &parts(&path, root).join("/")),
                Found::Failed(path, _) if missing && !path.is_dir() => {
                    tree.images.push(Image { parts: parts(&path, root), path, bytes: 0 });
                }
                Found::Failed(path, error) => return Err(Error::io(&path, error)),
            }
        }
        Ok(tree)
    }

    /// What the data set holds whose classes are the folders at `depth`, and whose splits are those around them.
    fn classes(mut self, root: &Path, depth: usize, notes: Vec<String>) -> Result<Listing, Error> {
        let is_inside = |image: &Image| image.parts.len() > depth + 1;
        let (inside, outside): (Vec<Image>, Vec<Image>) = self.images.into_iter().partition(is_inside);
        let mut images: BTreeMap<&str, usize> = BTreeMap::new();
        for folder in self.folders.iter().filter(|folder| folder.len() == depth + 1) {
            if depth == 0 || split_of(&folder[0]).is_some() {
                images.entry(&folder[depth]).or_default();
            }
        }
        inside.iter().for_each(|image| *images.entry(&image.parts[depth]).or_default() += 1);
        for image in &outside {
            self.passed.add("outside of every class folder", &image.parts.join("/"));
        }
        let seen = if self.passed.is_empty() { String::new() } else { format!(" ({})", self.passed) };
        if inside.is_empty() && images.len() < 2 {
            let reason = format!("expected folders {LAYOUTS} with images, found none{seen}");
            return Err(Error::dataset(root, reason));
        }
        if let Some((class, _)) = images.iter().find(|&(_, &count)| count == 0) {
            let reason = format!(
                "expected PNG, JPEG or DICOM images in the class folder \"{class}\", found none{seen}"
            );
            return Err(Error::dataset(root, reason));
        }
        let sample = |Image { path, parts, bytes }: Image| {
            let split = if depth > 0 { split_of(&parts[0]) } else { None };
            (parts[depth].clone(), Sample { path, name: parts.join("/"), split, bytes, ..Sample::default() })
        };
        let mut samples: Vec<(String, Sample)> = inside.into_iter().map(sample).collect();
        samples.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        Ok(Listing { samples, passed_over: self.passed, notes, ..Listing::default() })
    }
}

/// The names from `root` to `path`.
fn parts(path: &Path, root: &Path) -> Vec<String> {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
}
