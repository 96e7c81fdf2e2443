//! Pairs of images to show: what was called a copy, side by side, so that a person can judge the judgement.

use data::{Dataset, Sample, Split};
use duplicates::{Link, Thumbnail};
use image::codecs::png::PngEncoder;
use model::Window;

use crate::facts::thumbnail;
use crate::repeats::contradict;

/// Pairs that are shown, at most; half of them cross a split or a class, if there are such.
const SHOWN: usize = 12;

/// Two images and why they are shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The two.
    pub pictures: [PairedImage; 2],
    /// What relates them, in words.
    pub relation: String,
    /// Whether they lie in two splits.
    pub across_splits: bool,
    /// Whether they lie in two classes.
    pub across_classes: bool,
}

/// An image, small.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedImage {
    /// Its name in the data set.
    pub path: String,
    /// Its class.
    pub class: String,
    /// Its split.
    pub split: Option<Split>,
    /// A gray PNG file.
    pub png: Vec<u8>,
}

/// Pairs among `links`: those that cross a split or class first, and of each kind those that were hardest to see.
pub fn pairs(dataset: &Dataset, links: &[Link], window: Option<Window>) -> Vec<Pair> {
    let across = |link: &Link| {
        let [a, b] = [link.a, link.b].map(|i| &dataset.samples[i]);
        (a.split != b.split, contradict(dataset, &[link.a, link.b]))
    };
    let (mut crossing, mut within): (Vec<&Link>, Vec<&Link>) =
        links.iter().partition(|link| across(link) != (false, false));
    for links in [&mut crossing, &mut within] {
        links.sort_by(|a, b| a.correlation.total_cmp(&b.correlation).then((a.a, a.b).cmp(&(b.a, b.b))));
        // Some that hardly agree, and some that agree well.
        let step = (links.len() / (SHOWN / 2)).max(1);
        *links = links.iter().copied().step_by(step).take(SHOWN / 2).collect();
    }
    let shown = crossing.into_iter().chain(within).filter_map(|link| {
        let picture = |i: usize| {
            let sample = &dataset.samples[i];
            let class = class_of(dataset, sample);
            Some(PairedImage {
                path: sample.name.clone(),
                class,
                split: sample.split,
                png: png(&thumbnail(sample, window)?)?,
            })
        };
        let (across_splits, across_classes) = across(link);
        let pictures = [picture(link.a)?, picture(link.b)?];
        Some(Pair { pictures, relation: relation(link), across_splits, across_classes })
    });
    shown.collect()
}

/// The class of an image, or its findings.
fn class_of(dataset: &Dataset, sample: &Sample) -> String {
    if !dataset.has_findings() {
        return dataset.classes[sample.label].clone();
    }
    let there = dataset.classes.iter().zip(&sample.findings).filter(|(_, is)| **is == Some(true));
    let there: Vec<&String> = there.map(|(name, _)| name).collect();
    if there.is_empty() { "no finding".to_owned() } else { model::list_names(&there) }
}

fn relation(link: &Link) -> String {
    let mut words = vec![];
    if link.negative {
        words.push("black for white".to_owned());
    }
    if link.mirrored {
        words.push("mirrored".to_owned());
    }
    if link.rotation_degrees.abs() >= 0.5 {
        words.push(format!("turned by {:.0} degrees", link.rotation_degrees.abs()));
    }
    if (link.scale - 1.0).abs() >= 0.02 {
        words.push(format!("scaled by {:.2}", link.scale));
    }
    words.push(format!("correlation {:.2}", link.correlation));
    words.join(", ")
}

fn png(thumbnail: &Thumbnail) -> Option<Vec<u8>> {
    let (width, height, pixels) = thumbnail.image();
    let mut bytes = vec![];
    let picture = image::GrayImage::from_raw(width as u32, height as u32, pixels)?;
    picture.write_with_encoder(PngEncoder::new(&mut bytes)).ok()?;
    Some(bytes)
}
