//! Heatmaps of a whole split against known boxes: `evaluate --truth`.

use crate::failure::Failure;
use crate::figures::{number, with_interval};
use data::decode;
use eval::{Interval, Proportion, summary::LEVEL};
use heatmap::{Explainer, Localisation, Method, read_truth};
use model::{Model, Placement, preprocess};
use serde::Serialize;
use std::io;
use std::path::Path;
use train::{LabelledPredictions, Predictions};
use workflow::Labelled;

/// How well the heatmaps of the rightly classified images with a box find it.
#[derive(Serialize)]
pub struct Localised {
    /// The class whose evidence was mapped; none: that of each image.
    class: Option<String>,
    /// Images with a box.
    boxes: usize,
    /// Of those, rightly classified: the images that are scored.
    found: usize,
    /// The share of them whose map has its peak in the box.
    pointing_game: Option<f64>,
    /// Its exact interval, by group.
    pointing_game_ci: Option<Interval>,
    /// The mean share of the positive evidence that lies in the box.
    energy_inside: Option<f64>,
    /// The mean share of the image that the box takes: what chance would give for either.
    box_area: Option<f64>,
}

/// Scores the images of `labelled` that have a box in the table `truth`.
pub fn localise(
    model: &Model,
    labelled: &Labelled,
    evaluation: &LabelledPredictions,
    predictions: &Predictions,
    truth: &Path,
    method: Method,
) -> Result<Localised, Failure> {
    let boxes = read_truth(truth).map_err(Failure::Failed)?;
    let mut explainer = Explainer::new(model, method)?;
    let prep = &model.metadata.preprocessing;
    let (mut scored, mut groups, mut count) = (Vec::<Localisation>::new(), Vec::new(), 0);
    for (i, right) in evaluation.right().into_iter().enumerate() {
        let sample = &labelled.dataset.samples[predictions.indices[i]];
        let Some(&truth) = boxes.get(&sample.name) else { continue };
        count += 1;
        if !right {
            continue;
        }
        let picture = decode(&sample.path)?;
        let map = explainer.heatmap(&preprocess(&picture, prep), evaluation.labels[i]);
        let placement = Placement::new([picture.height, picture.width], prep);
        scored.push(Localisation::new(&map, truth, &placement));
        groups.push(evaluation.groups.as_ref().map_or(i, |groups| groups[i]));
    }
    if count == 0 {
        let names = "expected a box for some of these images (paths as in the data set), found none";
        return Err(failed!("{}: {names}", truth.display()));
    }
    let hits: Vec<bool> = scored.iter().map(|score| score.hit).collect();
    let pointing = Proportion::new(&hits, Some(&eval::group_ids(&groups)), LEVEL);
    let mean = |value: fn(&Localisation) -> f64| {
        (!scored.is_empty()).then(|| scored.iter().map(value).sum::<f64>() / scored.len() as f64)
    };
    let binary = model.metadata.classes.len() == 2;
    Ok(Localised {
        class: binary.then(|| model.metadata.classes[evaluation.positive()].clone()),
        boxes: count,
        found: scored.len(),
        pointing_game: pointing.map(|share| share.value),
        pointing_game_ci: pointing.map(|share| share.interval),
        energy_inside: mean(|score| score.energy),
        box_area: mean(|score| score.area),
    })
}

impl Localised {
    /// For people.
    pub fn print(&self) -> io::Result<()> {
        let Self { found, boxes, .. } = self;
        say!("  heatmaps of the {found} rightly classified of {boxes} images with a box")?;
        let pointing = with_interval(self.pointing_game, self.pointing_game_ci);
        say!("  peak in box   {pointing}  (pointing game)")?;
        say!("  energy in box {}", number(self.energy_inside))?;
        say!("  by chance     {}  (the box's share of the image)\n", number(self.box_area))
    }
}
