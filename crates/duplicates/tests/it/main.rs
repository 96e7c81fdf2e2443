//! Copies planted across a clean split: how many the search finds, kind by kind, and what it links that is no copy.

#[allow(dead_code, reason = "the examples use the rest")]
mod families;
#[allow(dead_code, reason = "the examples use the rest")]
#[path = "plant.rs"]
mod plant;
mod scenes;
#[path = "../../../../tests/shared.rs"]
mod shared;

use duplicates::{Thumbnail, find};
use engine::{Rng, par};
use families::{CHANGES, Family, Subject};
use plant::{Gray, KINDS, MORE};
use shared::shared;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What was found of each kind, out of how many, and the false links.
struct Score {
    found: Vec<(&'static str, usize, usize)>,
    false_links: usize,
}

/// A picture of a patient.
struct Shown {
    patient: String,
    gray: Gray,
}

/// Plants `each` copies of every kind among `test`, of pictures of `train`, and looks for them. No picture of one may
/// be in the other.
fn plant(train: &[Shown], test: &[Shown], each: usize) -> Score {
    let patients: Vec<&str> = train.iter().chain(test).map(|shown| &shown.patient[..]).collect();
    let kinds: Vec<_> = KINDS.into_iter().chain(MORE).collect();
    let planted = par::map(kinds.len() * each, |i| {
        let mut rng = Rng::derive(&[i as u64]);
        kinds[i / each].1(&train[i % train.len()].gray, &mut rng)
    });
    let pictures: Vec<&Gray> = train.iter().chain(test).map(|shown| &shown.gray).chain(&planted).collect();
    let source = source(&pictures);
    let originals = train.len() + test.len();
    let share = |kind: usize| {
        let found =
            (kind * each..(kind + 1) * each).filter(|&i| source[originals + i] == source[i % train.len()]);
        (kinds[kind].0, found.count(), each)
    };
    // A picture shows the patient of its original; a second patient in a set of copies is false.
    let mut sets: HashMap<usize, HashSet<&str>> = HashMap::new();
    for (i, &set) in source.iter().enumerate() {
        let original = if i < originals { i } else { (i - originals) % train.len() };
        sets.entry(set).or_default().insert(patients[original]);
    }
    let false_links = sets.values().map(|patients| patients.len() - 1).sum();
    Score { found: (0..kinds.len()).map(share).collect(), false_links }
}

/// The number of each picture's source.
fn source(pictures: &[&Gray]) -> Vec<usize> {
    let thumbnail = |i: usize| {
        let Gray { width, height, values } = pictures[i];
        ((), Some(Thumbnail::new(values, (*height, *width))))
    };
    find(pictures.len(), &thumbnail, &|_| ControlFlow::Continue(())).unwrap().1.source
}

impl Score {
    /// Prints the table, and fails below 95 % of [`KINDS`] or 90 % of one of them.
    fn check(&self) {
        let line = |(kind, found, of): &(&str, usize, usize)| println!("{kind:10} {found:3} of {of}");
        self.found.iter().for_each(line);
        println!("false links: {}", self.false_links);
        let kinds = &self.found[..KINDS.len()];
        let (found, of) = kinds.iter().fold((0, 0), |(found, of), kind| (found + kind.1, of + kind.2));
        assert!(100 * found >= 95 * of, "{found} of {of}");
        assert!(kinds.iter().all(|&(_, found, of)| 10 * found >= 9 * of));
    }
}

fn phantom_radiograph(config: &phantom::PhantomConfig, patient: usize) -> Shown {
    let radiograph = phantom::render(config, patient, 0);
    let values = radiograph.pixels.iter().map(|&v| f32::from(v)).collect();
    let gray = Gray { width: config.image_size, height: config.image_size, values };
    Shown { patient: radiograph.patient.to_string(), gray }
}

/// As wholes, two thirds of a side look like much else: most of them are found by their blobs alone.
#[test]
fn cut_outs_of_phantom_radiographs() {
    let config = phantom::PhantomConfig { patients: 24, views: 1, image_size: 224, seed: 5 };
    let whole = par::map(config.patients, |patient| phantom_radiograph(&config, patient).gray);
    let parts = par::map(whole.len(), |i| plant::crop(&whole[i], 0.66, &mut Rng::derive(&[5, i as u64])));
    let pictures: Vec<&Gray> = whole.iter().chain(&parts).collect();
    let source = source(&pictures);
    assert_eq!(source[..whole.len()], (0..whole.len()).collect::<Vec<_>>(), "strangers stay apart");
    let found = (0..parts.len()).filter(|&i| source[whole.len() + i] == source[i]).count();
    assert!(10 * found >= 8 * parts.len(), "{found} of {}", parts.len());
}

/// Tiles of one eye: some with hardly anything but a vessel or two, some with the same black corner.
#[test]
fn smooth_strangers_stay_apart() {
    for change in ["chained-turns", "resized-crop", "bent", "tones"] {
        let source = sources_of_tiles(change, 2, 1);
        let found = (0..24).filter(|&tile| source[tile] == source[tile + 24]).count();
        assert!(found >= 16, "{found} of 24: {change}");
    }
}

#[test]
fn a_vessel_on_a_vessel_is_no_copy() {
    sources_of_tiles("jpeg", 10, 3);
}

/// Nor where nothing else is in the picture: what lies beside the bones is black.
#[test]
fn a_bone_on_a_bone_is_no_copy() {
    for change in ["frame", "two"] {
        let source = sources_of(&family(Subject::Bone, change, 2, 3));
        let found = (0..24).filter(|&limb| source[limb] == source[limb + 24]).count();
        assert!(found >= 23, "{found} of 24: {change}");
    }
}

/// A head is nearly its own mirror image.
#[test]
fn copies_of_heads_are_laid_the_right_way_round() {
    for change in ["turn", "crop"] {
        let family = family(Subject::Head, change, 10, 1);
        // None of the sets has two pictures, and there are no more sets than pictures.
        let sets: HashSet<usize> = sources_of(&family).into_iter().collect();
        assert_eq!(sets.len(), family.pictures(), "{change}");
    }
}

/// The sources of tiles of an eye and their copies, none of which has two tiles.
fn sources_of_tiles(change: &str, copies: usize, seed: u64) -> Vec<usize> {
    sources_of(&family(Subject::EyeTiles, change, copies, seed))
}

fn family(subject: Subject, change: &str, copies: usize, seed: u64) -> Family {
    let change = CHANGES.iter().position(|known| known.0 == change).unwrap();
    Family { subject, change, copies, seed }
}

/// The sources of the pictures of a family, none of which has two of them.
fn sources_of(family: &Family) -> Vec<usize> {
    let images = family.images();
    let source = source(&images.iter().map(|image| &image.1).collect::<Vec<_>>());
    let mut picture_of = HashMap::new();
    for ((picture, _), set) in images.iter().zip(&source) {
        assert_eq!(picture_of.entry(set).or_insert(picture), &picture, "{}", family.name());
    }
    source
}

/// Some copies were sharpened until they were clipped, some twice, before they were turned.
#[test]
fn copies_are_found_across_hard_processing() {
    for subject in [Subject::Phantom, Subject::Volume, Subject::Tissue] {
        let family = family(subject, "layers", 10, 1);
        let source = sources_of(&family);
        let mut sizes = HashMap::new();
        source.iter().for_each(|set| *sizes.entry(set).or_insert(0) += 1);
        let mut largest = vec![0; family.pictures()];
        for ((picture, _), set) in family.images().iter().zip(&source) {
            largest[*picture] = largest[*picture].max(sizes[set]);
        }
        let (found, images): (usize, _) = (largest.iter().sum(), source.len());
        assert!(found >= images * 9 / 10, "{found} of {images}: {}", family.name());
    }
}

/// The grid before the detector, or what is left of it in a smaller picture, is the same in all.
#[test]
fn lines_of_a_grid_join_no_strangers() {
    for period in [2.3_f32, 3.0, 4.1] {
        let line = |i: usize| 10.0 * (std::f32::consts::TAU * (i % 224) as f32 / period).sin();
        let with_lines = |gray: &Gray| {
            let mut i = 0..;
            gray.each(|v| v + line(i.next().unwrap_or(0)))
        };
        let pictures: Vec<Gray> = Subject::Phantom.pictures(40, 5).iter().map(with_lines).collect();
        let found = source(&pictures.iter().collect::<Vec<_>>()).into_iter().collect::<HashSet<_>>().len();
        assert_eq!(found, pictures.len(), "{period}");
    }
}

#[test]
fn copies_of_phantom_radiographs() {
    let config = phantom::PhantomConfig { patients: 260, views: 1, image_size: 224, seed: 3 };
    let mut all = par::map(config.patients, |patient| phantom_radiograph(&config, patient));
    let test = all.split_off(200);
    let score = plant(&all, &test, 10);
    score.check();
    assert_eq!(score.false_links, 0);
}

#[test]
fn copies_of_chest_radiographs() {
    let Some(folder) = shared("data/chest-xray") else { return };
    let some = |part: &str, count: usize| -> Vec<Shown> {
        let mut paths: Vec<PathBuf> = ["NORMAL", "PNEUMONIA"]
            .iter()
            .flat_map(|class| std::fs::read_dir(folder.join(part).join(class)).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        Rng::derive(&[7]).shuffle(&mut paths);
        par::map(count, |i| shown(&paths[i]))
    };
    let score = plant(&some("train", 500), &some("test", 200), 20);
    score.check();
    assert!(score.false_links <= 1);
}

fn shown(path: &Path) -> Shown {
    let picture = data::decode(path).unwrap();
    let (width, height) = (picture.width, picture.height);
    let values = model::pixels(&picture, &model::Preprocessing::new(1, [height, width]));
    let patient = data::group_from_name(&path.to_string_lossy(), "person*_|NORMAL2-IM-*-|IM-*-").unwrap();
    Shown { patient, gray: Gray { width, height, values } }
}
