//! The overlays of `predict --heatmap`: a PNG file for every image.

use crate::failure::Failure;
use heatmap::{Caption, Explainer, Method, overlay, overlay_file, shows};
use model::{Metadata, Model, Picture, Placement, Preprocessing, write_atomic};
use predict::predicted_class;
use std::collections::HashSet;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

/// The longer side of an overlay, at least and at most.
const SIDE: [usize; 2] = [512, 1024];

/// Writes overlays into a folder.
pub struct Heatmaps {
    folder: PathBuf,
    explainer: Explainer,
    method: Method,
    prep: Preprocessing,
    /// The positive class of two.
    positive: Option<usize>,
    /// From which probability on each finding is called; empty with classes.
    from: Vec<f64>,
    /// Whether files that this program did not write may be replaced.
    force: bool,
    used: HashSet<String>,
}

impl Heatmaps {
    /// Into `folder`, which is made if it is not there; `positive` is the positive class of two, `from` the thresholds
    /// of findings. Files that this program did not write are replaced by `force` only.
    pub fn new(
        folder: PathBuf,
        model: &Model,
        method: Method,
        positive: Option<usize>,
        from: Vec<f64>,
        force: bool,
    ) -> Result<Self, Failure> {
        std::fs::create_dir_all(&folder).map_err(|error| failed!("{}: {error}", folder.display()))?;
        let (explainer, prep) = (Explainer::new(model, method)?, model.metadata.preprocessing.clone());
        Ok(Self { folder, explainer, method, prep, positive, from, force, used: HashSet::new() })
    }

    /// The overlay of the `picture` at `path`, whose preprocessed pixels and probabilities are given: where it was
    /// written. Of findings, one of each that is called, or of the most probable.
    pub fn write(
        &mut self,
        path: &Path,
        picture: &Picture,
        pixels: &[f32],
        metadata: &Metadata,
        row: &[f64],
    ) -> Result<Vec<PathBuf>, String> {
        let mut called: Vec<usize> = (0..self.from.len()).filter(|&at| row[at] >= self.from[at]).collect();
        if called.is_empty() {
            // With two classes the positive one, so that maps of different images compare.
            called.push(self.positive.unwrap_or_else(|| predicted_class(metadata, row)));
        }
        called.into_iter().map(|class| self.write_one(path, picture, pixels, metadata, row, class)).collect()
    }

    fn write_one(
        &mut self,
        path: &Path,
        picture: &Picture,
        pixels: &[f32],
        metadata: &Metadata,
        row: &[f64],
        class: usize,
    ) -> Result<PathBuf, String> {
        let finding = (!self.from.is_empty()).then_some(&*metadata.classes[class]);
        let out = self.place(path, finding)?;
        let map = self.explainer.heatmap(pixels, class);
        let placement = Placement::new([picture.height, picture.width], &self.prep);
        let caption =
            Caption { class: metadata.classes[class].clone(), probability: row[class], method: self.method };
        let canvas = overlay(picture, &map, &placement, SIDE, Some(&caption));
        let bytes = overlay_file(&canvas, path).map_err(|error| error.to_string())?;
        write_atomic(&out, |file| file.write_all(&bytes)).map_err(|error| error.to_string())?;
        Ok(out)
    }

    /// Where the overlay of `path` goes: into a file of this name that no other picture has, of this run or of one that has
    /// ended, which may have had another share of the pictures.
    fn place(&mut self, path: &Path, finding: Option<&str>) -> Result<PathBuf, String> {
        let stem = stem(path, finding);
        let numbered = |n: usize| if n == 1 { format!("{stem}.png") } else { format!("{stem}-{n}.png") };
        for name in (1..).map(numbered) {
            if self.used.contains(&name) {
                continue;
            }
            let out = self.folder.join(&name);
            let is_free = match shows(&out, path) {
                Some(is_same) => is_same,
                None if out.exists() && !self.force => {
                    let what = "a file is there that is no overlay of this program";
                    return Err(format!("{}: {what} (--force replaces it)", out.display()));
                }
                None => true,
            };
            if is_free {
                self.used.insert(name);
                return Ok(out);
            }
        }
        unreachable!("some number is free")
    }
}

/// The folders of `path`, its own name and the finding, joined by `_`; the end of it, if it is long.
fn stem(path: &Path, finding: Option<&str>) -> String {
    /// Bytes: most systems take names of 255.
    const MOST: usize = 200;
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    let stem = match parts.collect::<Vec<_>>().join("_") {
        stdin if stdin == "-" => "stdin".into(),
        stem => stem,
    };
    let plain = |name: &str| name.replace(|c: char| !c.is_alphanumeric(), "-");
    let stem = finding.map_or(stem.clone(), |name| format!("{stem}_{}", plain(name)));
    let from = stem.len().saturating_sub(MOST);
    stem[stem.ceil_char_boundary(from)..].to_owned()
}
