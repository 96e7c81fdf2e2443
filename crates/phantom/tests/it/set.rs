//! The set as its users see it: repeatable, balanced, split by patient, and not to be solved by looking alike.

use std::collections::HashMap;

use crate::render_all;
use engine::par;
use phantom::{CLASSES, FractureKind, PhantomConfig, Radiograph, SPLITS, render};

fn config(patients: usize) -> PhantomConfig {
    PhantomConfig { patients, seed: 5, ..PhantomConfig::default() }
}

#[test]
fn the_same_images_for_every_thread_count() {
    let config = config(16);
    let one = par::with_threads(1, || render_all(&config));
    let many = par::with_threads(3, || render_all(&config));
    assert!(one == many);
    assert!(one[5] == render(&config, 2, 1), "an image depends on the ones rendered before it");
    assert_ne!(one[0].pixels, render(&PhantomConfig { seed: 6, ..config }, 0, 0).pixels);
}

#[test]
fn a_larger_set_contains_the_smaller() {
    assert!(render(&config(16), 3, 0) == render(&config(500), 3, 0));
}

#[test]
fn every_split_has_the_same_mix_of_classes_and_kinds() {
    let config = PhantomConfig { image_size: 32, views: 1, ..config(16 * 22) };
    let mut patients: HashMap<&str, [usize; 2]> = HashMap::new();
    let mut kinds: HashMap<(&str, FractureKind), usize> = HashMap::new();
    for radiograph in render_all(&config) {
        patients.entry(radiograph.split).or_default()[usize::from(radiograph.fracture.is_none())] += 1;
        if let Some(finding) = radiograph.fracture {
            *kinds.entry((radiograph.split, finding.kind)).or_default() += 1;
        }
    }
    assert_eq!(patients["train"], [132, 132]);
    assert_eq!(patients["val"], [22, 22]);
    assert_eq!(patients["test"], [22, 22]);
    for kind in FractureKind::ALL {
        let [train, val, test] = SPLITS.map(|split| kinds[&(split, kind)]);
        assert!(test >= 4 && val == test && train == 6 * test, "{kind}: {train}, {val}, {test}");
    }
}

#[test]
fn views_share_patient_split_and_finding_but_not_pixels() {
    for views in render_all(&config(16)).chunks_exact(2) {
        let [first, second] = [&views[0], &views[1]];
        assert_eq!((first.patient, first.split), (second.patient, second.split));
        let what = |r: &Radiograph| r.fracture.map(|finding| (finding.kind, finding.level));
        assert_eq!(what(first), what(second));
        assert_ne!(first.pixels, second.pixels);
    }
}

#[test]
fn names_and_classes() {
    let radiograph = render(&config(16), 7, 1);
    assert_eq!(radiograph.file_name(), "p0007-v2.png");
    assert_eq!(radiograph.class(), CLASSES[usize::from(radiograph.fracture.is_none())]);
}

/// Pixels averaged down to 32 x 32.
fn thumbnail(radiograph: &Radiograph, size: usize) -> Vec<f32> {
    let step = size / 32;
    let mut out = vec![0.0; 32 * 32];
    for (i, pixel) in radiograph.pixels.iter().enumerate() {
        out[i / size / step * 32 + i % size / step] += f32::from(*pixel) / (step * step) as f32;
    }
    out
}

#[test]
fn the_nearest_thumbnail_does_not_tell_the_class() {
    let config = config(16 * 16);
    let all = render_all(&config);
    let of = |wanted: &[&str]| -> Vec<(Vec<f32>, &str)> {
        let chosen = all.iter().filter(|radiograph| wanted.contains(&radiograph.split));
        chosen.map(|radiograph| (thumbnail(radiograph, config.image_size), radiograph.class())).collect()
    };
    let (known, unseen) = (of(&["train"]), of(&["val", "test"]));
    let right = unseen.iter().filter(|(image, class)| {
        let distance = |other: &[f32]| image.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let nearest = known.iter().min_by(|a, b| distance(&a.0).total_cmp(&distance(&b.0)));
        nearest.is_some_and(|(_, found)| found == class)
    });
    let accuracy = right.count() as f64 / unseen.len() as f64;
    println!("1-NN accuracy {accuracy:.3} on {} images", unseen.len());
    assert!(accuracy < 0.7, "1-NN on thumbnails is right in {accuracy:.3} of the unseen images");
}
