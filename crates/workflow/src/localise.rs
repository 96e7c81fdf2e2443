//! Heatmaps of a whole split against known boxes: `evaluate --truth`.

use crate::{Error, Labelled};
use data::{Dataset, decode_through};
use eval::{Interval, Proportion, Summary, summary::LEVEL};
use heatmap::{Box2d, Explainer, Localisation, Method, TruthBox, read_truth};
use model::{Model, Placement, preprocess};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use train::{LabelledPredictions, Predictions};

/// How well the heatmaps of the rightly classified images with a box find it.
#[derive(Serialize)]
pub struct Localised {
    /// The class or finding whose evidence was mapped; none: that of each image, which differ.
    pub class: Option<String>,
    /// Images with a box; of all findings, pairs of image and finding.
    pub boxes: usize,
    /// Of those, rightly classified: the images that are scored.
    pub found: usize,
    /// The share of them whose map has its peak in the box.
    pub pointing_game: Option<f64>,
    /// Its exact interval, by group.
    pub pointing_game_ci: Option<Interval>,
    /// The mean share of the positive evidence that lies in the box.
    pub energy_inside: Option<f64>,
    /// The mean share of the image that the box takes: what chance would give for either.
    pub box_area: Option<f64>,
    /// Where images have several findings: each that has a box.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Localised>,
}

/// Scores the images of `labelled` that have a box in the table `truth`: by their class, or by each finding that
/// `summary` calls rightly in them. What is passed over is told to `say`.
pub(crate) fn localise(
    model: &Model,
    labelled: &Labelled,
    evaluation: &LabelledPredictions,
    predictions: &Predictions,
    summary: &Summary,
    truth: &Path,
    method: Method,
    say: &mut dyn FnMut(&str),
) -> Result<Localised, Error> {
    let metadata = &model.metadata;
    let prep = &metadata.preprocessing;
    let boxes = Boxes::new(read_truth(truth).map_err(Error::Failed)?, &labelled.dataset);
    let mut explainer = Explainer::new(model, method)?;
    let mut score = |image: usize, class: usize, boxes: &[Box2d]| -> Result<Scored, Error> {
        let sample = &labelled.dataset.samples[predictions.indices[image]];
        let (picture, _) = decode_through(&sample.path, prep.window)?;
        let size = [picture.height, picture.width];
        let of_sample = |reason| Error::Failed(format!("{}: {}: {reason}", truth.display(), sample.name));
        boxes.iter().try_for_each(|of| of.check(size)).map_err(of_sample)?;
        let map = explainer.heatmap(&preprocess(&picture, prep), class);
        let placement = Placement::new(size, prep);
        let group = evaluation.groups.as_ref().map_or(image, |groups| groups[image]);
        Ok((Localisation::new(&map, boxes, &placement), group))
    };
    let of_image = |image: usize| boxes.of(&labelled.dataset, predictions.indices[image]);
    let names_none = || {
        let names = "expected a box for some of these images (paths as in the data set), found none";
        Error::Failed(format!("{}: {names}", truth.display()))
    };
    if !metadata.has_findings() {
        let (mut scored, mut count, mut classes) = (vec![], 0, BTreeSet::new());
        let is_around = boxes.around(&metadata.classes, say);
        for (image, right) in evaluation.right().into_iter().enumerate() {
            let class = evaluation.labels[image];
            let of_class = of_image(image).iter().filter(|of| is_around(of, class));
            let places: Vec<Box2d> = of_class.map(|of| of.place).collect();
            if places.is_empty() {
                continue;
            }
            count += 1;
            classes.insert(class);
            if right {
                scored.push(score(image, class, &places)?);
            }
        }
        let class =
            classes.first().filter(|_| classes.len() == 1).map(|&class| metadata.classes[class].clone());
        return if count == 0 { Err(names_none()) } else { Ok(Localised::new(class, count, &scored)) };
    }

    let names = &metadata.classes;
    let known = |of: &TruthBox| names.iter().any(|name| is_of(of, name, names.len()));
    let all = boxes.by_name.values().flatten();
    let others: BTreeSet<&str> =
        all.filter(|of| !known(of)).map(|of| of.finding.as_deref().unwrap_or("")).collect();
    match (others.contains(""), others.is_empty()) {
        (true, _) => {
            return Err(Error::Failed(format!(
                "{}: expected a column \"finding\" that says what a box is around, found none, or nothing in it",
                truth.display()
            )));
        }
        (_, false) => {
            let others = model::list_names(&others.into_iter().map(str::to_owned).collect::<Vec<_>>());
            say(&format!("boxes of what is no finding of the model are passed over: {others}"));
        }
        _ => {}
    }
    let (mut each, mut every, mut pairs) = (vec![], vec![], 0);
    for (at, name) in names.iter().enumerate() {
        let (mut scored, mut count) = (vec![], 0);
        for image in 0..predictions.indices.len() {
            let boxes = of_image(image).iter().filter(|of| is_of(of, name, names.len()));
            let places: Vec<Box2d> = boxes.map(|of| of.place).collect();
            let pair = image * names.len() + at;
            // A box around what the table of findings denies, or does not know, is no ground for a score.
            if places.is_empty() || evaluation.truth[pair] != Some(true) {
                continue;
            }
            count += 1;
            if summary.findings[at].calls(predictions.probabilities[pair]) {
                scored.push(score(image, at, &places)?);
            }
        }
        if count > 0 {
            each.push(Localised::new(Some(name.clone()), count, &scored));
        }
        every.append(&mut scored);
        pairs += count;
    }
    match pairs {
        0 => Err(names_none()),
        _ => Ok(Localised { findings: each, ..Localised::new(None, pairs, &every) }),
    }
}

/// A map that was scored, and the group of its image.
type Scored = (Localisation, usize);

/// Whether a box is around the finding `name` of a model with `count`: a table without names has boxes of a single one.
fn is_of(of: &TruthBox, name: &str, count: usize) -> bool {
    of.finding.as_ref().map_or(count == 1, |finding| finding.eq_ignore_ascii_case(name))
}

/// The boxes of a table, by path; or, as published tables have them, by the name of the file, with or without its
/// ending.
struct Boxes {
    by_name: HashMap<String, Vec<TruthBox>>,
    /// How many images of the data set have each name.
    images: HashMap<String, usize>,
}

impl Boxes {
    /// Whether a box counts for an image of a class. Where some are named as a class is, those of the image's own do;
    /// where none is, all do, which is told.
    fn around<'a>(
        &self,
        classes: &'a [String],
        say: &mut dyn FnMut(&str),
    ) -> impl Fn(&TruthBox, usize) -> bool + 'a {
        let named = self.by_name.values().flatten().filter_map(|of| of.finding.as_deref());
        let names: BTreeSet<&str> = named.filter(|name| !name.is_empty()).collect();
        let is_class = |name: &&str| classes.iter().any(|class| class.eq_ignore_ascii_case(name));
        let (known, others): (Vec<&str>, Vec<&str>) = names.into_iter().partition(is_class);
        let listed = || model::list_names(&others.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        match (known.is_empty(), others.is_empty()) {
            (false, false) => {
                say(&format!("boxes of what is no class of the model are passed over: {}", listed()))
            }
            (true, false) => {
                say(&format!("boxes count whatever they are around, for no class is called {}", listed()))
            }
            _ => {}
        }
        let by_name = !known.is_empty();
        move |of, class| {
            let of_class = |name: &String| name.eq_ignore_ascii_case(&classes[class]);
            !by_name || of.finding.as_ref().is_some_and(of_class)
        }
    }

    fn new(by_name: HashMap<String, Vec<TruthBox>>, dataset: &Dataset) -> Self {
        let mut images = HashMap::new();
        for sample in &dataset.samples {
            file_names(&sample.name).for_each(|name| *images.entry(name.to_owned()).or_default() += 1);
        }
        Self { by_name, images }
    }

    /// Those of an image; a name that several images have is that of none.
    fn of(&self, dataset: &Dataset, image: usize) -> &[TruthBox] {
        let name = &dataset.samples[image].name;
        let by_file = || {
            file_names(name).filter(|name| self.images[*name] == 1).find_map(|name| self.by_name.get(name))
        };
        self.by_name.get(name).or_else(by_file).map_or(&[], Vec::as_slice)
    }
}

/// The name of a file without its folders, and without its ending too.
fn file_names(name: &str) -> impl Iterator<Item = &str> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let stem = file.rsplit_once('.').map(|(stem, _)| stem).filter(|stem| !stem.is_empty());
    std::iter::once(file).chain(stem)
}

impl Localised {
    fn new(class: Option<String>, boxes: usize, scored: &[Scored]) -> Self {
        let hits: Vec<bool> = scored.iter().map(|(score, _)| score.hit).collect();
        let groups: Vec<usize> = scored.iter().map(|(_, group)| *group).collect();
        let pointing = Proportion::new(&hits, Some(&eval::group_ids(&groups)), LEVEL);
        let mean = |value: fn(&Localisation) -> f64| {
            let sum = || scored.iter().map(|(score, _)| value(score)).sum::<f64>();
            (!scored.is_empty()).then(|| sum() / scored.len() as f64)
        };
        Self {
            class,
            boxes,
            found: scored.len(),
            pointing_game: pointing.map(|share| share.value),
            pointing_game_ci: pointing.map(|share| share.interval),
            energy_inside: mean(|score| score.energy),
            box_area: mean(|score| score.area),
            findings: vec![],
        }
    }
}
