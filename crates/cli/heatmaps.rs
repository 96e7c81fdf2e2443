//! The overlays of `predict --heatmap`: a PNG file for every image.

use crate::failure::Failure;
use heatmap::{Caption, Explainer, Method, overlay, png};
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
    used: HashSet<String>,
}

impl Heatmaps {
    /// Into `folder`, which is made if it is not there; `positive` is the positive class of two, `from` the thresholds
    /// of findings.
    pub fn new(
        folder: PathBuf,
        model: &Model,
        method: Method,
        positive: Option<usize>,
        from: Vec<f64>,
    ) -> Result<Self, Failure> {
        std::fs::create_dir_all(&folder).map_err(|error| failed!("{}: {error}", folder.display()))?;
        let (explainer, prep) = (Explainer::new(model, method)?, model.metadata.preprocessing.clone());
        Ok(Self { folder, explainer, method, prep, positive, from, used: HashSet::new() })
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
        let map = self.explainer.heatmap(pixels, class);
        let placement = Placement::new([picture.height, picture.width], &self.prep);
        let caption =
            Caption { class: metadata.classes[class].clone(), probability: row[class], method: self.method };
        let canvas = overlay(picture, &map, &placement, SIDE, Some(&caption));
        let bytes = png(&canvas).map_err(|error| error.to_string())?;
        let finding = (!self.from.is_empty()).then_some(&*metadata.classes[class]);
        let name = self.name(path, finding);
        let out = self.folder.join(name);
        write_atomic(&out, |file| file.write_all(&bytes)).map_err(|error| error.to_string())?;
        Ok(out)
    }

    /// A name for the overlay of `path` that no other has: its folders, its own name and the finding, joined by `_`.
    fn name(&mut self, path: &Path, finding: Option<&str>) -> String {
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
        let numbered = |n: usize| if n == 1 { format!("{stem}.png") } else { format!("{stem}-{n}.png") };
        let name = (1..).map(numbered).find(|name| !self.used.contains(name)).expect("some number is free");
        self.used.insert(name.clone());
        name
    }
}
