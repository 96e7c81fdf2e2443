//! Pictures drawn from formulas, so that a copy under a transform is exact: the same formula at other places.

use crate::plant::{Gray, blur};
use duplicates::{SIDE, Similar, Thumbnail};
use engine::{Rng, par};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A picture of its own: blobs, edges and grain at random places, in the plane.
struct Scene(Vec<[f32; 5]>);

impl Scene {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::derive(&[seed]);
        let mut uniform = |low, high| rng.range(low, high) as f32;
        let mut blob = |size: f32| {
            let size = size * uniform(0.5, 1.5);
            [uniform(-0.6, 0.6), uniform(-0.6, 0.6), size, size * uniform(0.4, 2.0), uniform(-60.0, 60.0)]
        };
        let coarse: Vec<_> = (0..30).map(|_| blob(0.08)).collect();
        Self(coarse.into_iter().chain((0..1500).map(|_| blob(0.012))).collect())
    }

    /// `[SIDE, SIDE]` gray, where the pixel at place `p` shows the scene at `from(p)`, in fractions of the side from
    /// the centre.
    fn draw(&self, from: impl Fn([f32; 2]) -> [f32; 2]) -> Vec<f32> {
        let mut gray = vec![120.0; SIDE * SIDE];
        let place = |i: usize| (i as f32 + 0.5) / SIDE as f32 - 0.5;
        let places: Vec<[f32; 2]> =
            (0..SIDE * SIDE).map(|i| from([place(i % SIDE), place(i / SIDE)])).collect();
        // Blobs by cells of a grid, since few of them reach a pixel.
        const CELLS: i32 = 40;
        let cell = |x: f32| ((x + 1.0) * CELLS as f32 / 2.0).floor() as i32;
        let mut cells: HashMap<(i32, i32), Vec<[f32; 5]>> = HashMap::new();
        for &blob in &self.0 {
            let [x, y, w, h, _] = blob;
            for row in cell(y - 3.0 * h)..=cell(y + 3.0 * h) {
                for column in cell(x - 3.0 * w)..=cell(x + 3.0 * w) {
                    cells.entry((column, row)).or_default().push(blob);
                }
            }
        }
        for (value, [u, v]) in gray.iter_mut().zip(places) {
            for &[x, y, w, h, height] in cells.get(&(cell(u), cell(v))).into_iter().flatten() {
                *value += height * (-0.5 * (((u - x) / w).powi(2) + ((v - y) / h).powi(2))).exp();
            }
        }
        gray
    }

    fn plain(&self) -> Vec<f32> {
        self.draw(|p| p)
    }
}

fn bytes(gray: Vec<f32>) -> Option<Thumbnail> {
    Some(Thumbnail::new(&gray, (SIDE, SIDE)))
}

/// The places of a picture turned counter-clockwise by `degrees`, mirrored before if asked, and magnified.
fn placed(degrees: f32, mirrored: bool, magnified: f32, [x, y]: [f32; 2]) -> impl Fn([f32; 2]) -> [f32; 2] {
    let (s, c) = degrees.to_radians().sin_cos();
    move |[u, v]| {
        // Rows run downwards, so the inverse of a counter-clockwise turn is this.
        let (p, q) = ((c * u - s * v) / magnified, (s * u + c * v) / magnified);
        [if mirrored { -p } else { p } + x, q + y]
    }
}

fn find(pictures: &[Option<Thumbnail>]) -> Similar {
    let (seen, found) =
        duplicates::find(pictures.len(), &|i| (i, pictures[i].clone()), &|_| ControlFlow::Continue(()))
            .unwrap();
    assert!(seen.into_iter().eq(0..pictures.len()), "what else was seen comes back in order");
    found
}

fn blurred(values: Vec<f32>) -> Vec<f32> {
    blur(&Gray { width: SIDE, height: SIDE, values }, 1.5).values
}

#[test]
fn equal_pictures_are_one_source_and_unreadable_ones_are_alone() {
    let picture = |v: u8| bytes(vec![f32::from(v); SIDE * SIDE]);
    let found = find(&[picture(3), None, picture(4), picture(3), None]);
    assert_eq!(found.source, [0, 1, 2, 0, 3]);
    assert_eq!(found.series, found.source);
    assert_eq!(found.links.iter().map(|l| (l.a, l.b)).collect::<Vec<_>>(), [(0, 3)]);
}

#[test]
fn no_pictures_and_flat_pictures_are_no_trouble() {
    assert_eq!(find(&[]), Similar::default());
    let flat: Vec<_> = (0..4).map(|v| bytes(vec![60.0 * v as f32; SIDE * SIDE])).collect();
    assert_eq!(find(&flat).source, [0, 1, 2, 3]);
}

/// Copies under every kind of transform among strangers: each joins its original and no one else, and the transform
/// that the link names is the planted one.
#[test]
fn copies_are_found_among_strangers() {
    let scenes: Vec<Scene> = (0..24).map(Scene::new).collect();
    let mut pictures: Vec<_> = scenes.iter().map(|scene| bytes(scene.plain())).collect();
    let turns =
        [(7.0, false, 1.0), (33.0, true, 1.0), (90.0, false, 1.0), (180.0, true, 1.0), (-50.0, false, 1.0)];
    let crops = [(0.0, false, 1.0 / 0.9), (20.0, false, 1.15)];
    let placements: Vec<(f32, bool, f32)> = turns.into_iter().chain(crops).collect();
    for (scene, &(degrees, mirrored, magnified)) in scenes.iter().zip(&placements) {
        let shift = if magnified > 1.0 { [0.04, -0.03] } else { [0.0, 0.0] };
        pictures.push(bytes(scene.draw(placed(degrees, mirrored, magnified, shift))));
    }
    let first_value_copy = placements.len();
    let mut noise = Rng::derive(&[99]);
    let gamma = scenes[7].plain().iter().map(|v| 255.0 * (v / 255.0).max(0.0).powf(0.7)).collect();
    let noisy = scenes[8].plain().iter().map(|v| v + 8.0 * noise.normal() as f32).collect();
    let soft_copy = blurred(scenes[9].plain());
    let sharp = scenes[10].plain();
    let soft = blurred(sharp.clone());
    let sharpened = sharp.iter().zip(&soft).map(|(v, s)| v + 2.0 * (v - s)).collect();
    let negative = scenes[11].draw(placed(40.0, true, 1.0, [0.0; 2])).iter().map(|v| 255.0 - v).collect();
    pictures.extend([gamma, noisy, soft_copy, sharpened, negative].map(bytes));

    let found = find(&pictures);
    let originals: HashSet<usize> = found.source[..scenes.len()].iter().copied().collect();
    assert_eq!(originals.len(), scenes.len(), "strangers stay apart");
    let copies = &found.source[scenes.len()..];
    assert_eq!(copies, &found.source[..copies.len()], "copies join their originals");
    let negatives = found.links.iter().filter(|l| l.negative).map(|l| (l.a, l.b));
    assert_eq!(negatives.collect::<Vec<_>>(), [(11, pictures.len() - 1)]);
    for (i, &(degrees, mirrored, magnified)) in placements.iter().enumerate().take(first_value_copy) {
        let link =
            found.links.iter().find(|l| (l.a, l.b) == (i, scenes.len() + i)).expect("a link to the copy");
        // The link undoes what was done: without a mirror a turn by as much the other way, with one the same turn.
        let back = if mirrored { degrees } else { -degrees };
        let off = (link.rotation_degrees - back + 540.0).rem_euclid(360.0) - 180.0;
        assert!(off.abs() < 0.5 && link.mirrored == mirrored, "{i}: {link:?}");
        assert!((link.scale * magnified - 1.0).abs() < 0.01, "{i}: {link:?}");
    }
}

/// Pictures seen at another angle, which no affine map lays on each other, and parts of pictures.
#[test]
fn other_angles_and_parts_are_found_among_strangers() {
    let scenes: Vec<Scene> = (0..24).map(|i| Scene::new(400 + i)).collect();
    let mut pictures: Vec<_> = scenes.iter().map(|scene| bytes(scene.plain())).collect();
    let angles = [[0.1, 0.05], [-0.1, 0.08], [0.05, -0.12], [-0.08, -0.1]];
    for (scene, [g, h]) in scenes.iter().zip(angles) {
        let far = |[u, v]: [f32; 2]| 1.0 + g * u + h * v;
        pictures.push(bytes(scene.draw(|place| place.map(|at| at / far(place)))));
    }
    for (scene, (x, y)) in scenes[angles.len()..].iter().zip([(0.1, -0.1), (-0.1, 0.05), (0.0, 0.12)]) {
        pictures.push(bytes(scene.draw(placed(0.0, false, 1.4, [x, y]))));
    }
    let found = find(&pictures);
    assert_eq!(found.source[..scenes.len()], (0..scenes.len()).collect::<Vec<_>>(), "strangers stay apart");
    let copies = &found.source[scenes.len()..];
    assert_eq!(copies, &found.source[..copies.len()], "copies join their originals");
}

/// A slice of a volume, in which what lies deeper comes gradually.
fn slice(volume: u64, depth: f32) -> Option<Thumbnail> {
    let (a, b) = (Scene::new(100 + volume), Scene::new(200 + volume));
    let (s, c) = depth.sin_cos();
    let mix = |(a, b): (f32, f32)| 120.0 + c * (a - 120.0) + s * (b - 120.0);
    bytes(a.plain().into_iter().zip(b.plain()).map(mix).collect())
}

/// Whatever is still to be done, each part of the search asks once at most after it was told to stop.
#[test]
fn a_stopped_search_ends() {
    let pictures = par::map(72, |i| slice(i as u64 / 6, 0.3 * (i % 6) as f32));
    let words = AtomicUsize::new(0);
    let stop = |_| {
        words.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Break(())
    };
    let (_, found) = duplicates::find(pictures.len(), &|i| ((), pictures[i].clone()), &stop).unwrap();
    assert!(found.stopped);
    let after = words.into_inner() - 1;
    assert!(after <= 2, "heard {after} times after the stop");
}

/// Slices of one volume: what lies in them changes little from one to the next. They are a series, not copies.
#[test]
fn neighbouring_slices_are_a_series_not_copies() {
    let pictures: Vec<_> = (0..3).flat_map(|v| (0..4).map(move |i| slice(v, 0.65 * i as f32))).collect();
    let found = find(&pictures);
    assert_eq!(found.source, (0..12).collect::<Vec<_>>());
    assert_eq!(found.series, (0..12).map(|i| i / 4).collect::<Vec<_>>());
}

/// What an apparatus or a program leaves on every picture is no reason to call strangers copies.
#[test]
fn strangers_that_share_what_is_not_anatomy_stay_apart() {
    let faint = |seed: u64| -> Vec<f32> {
        Scene::new(300 + seed).plain().iter().map(|v| 120.0 + 0.7 * (v - 120.0)).collect()
    };
    let place = |i: usize| (i % SIDE, i / SIDE);
    // Blocks of 8 x 8 pixels, each of one gray level, as strong compression leaves them, and lines between them.
    let blocks = |gray: &[f32], i: usize| {
        let (x, y) = place(i);
        let mean: f32 =
            (0..64).map(|k| gray[(y / 8 * 8 + k / 8) * SIDE + x / 8 * 8 + k % 8]).sum::<f32>() / 64.0;
        if x % 8 == 0 || y % 8 == 0 { mean + 25.0 } else { mean }
    };
    let collimator = |gray: &[f32], i: usize| {
        let (x, y) = place(i);
        let inside = (30..190).contains(&x) && (24..200).contains(&y) && x + y > 80;
        if inside { gray[i] } else { 0.0 }
    };
    let marker = |gray: &[f32], i: usize| {
        let (x, y) = place(i);
        let letter = (20..60).contains(&y) && ((20..28).contains(&x) || (20..44).contains(&x) && y >= 52);
        if letter || ((150..210).contains(&x) && (200..208).contains(&y) && x / 3 % 2 == 0) {
            255.0
        } else {
            gray[i]
        }
    };
    let bars = |gray: &[f32], i: usize| if (40..184).contains(&place(i).1) { gray[i] } else { 255.0 };
    type Overlay<'a> = &'a dyn Fn(&[f32], usize) -> f32;
    let overlays: [(&str, Overlay); 4] =
        [("blocks", &blocks), ("collimator", &collimator), ("marker", &marker), ("bars", &bars)];
    for (name, overlay) in overlays {
        let picture = |seed| {
            let gray = faint(seed);
            bytes((0..SIDE * SIDE).map(|i| overlay(&gray, i)).collect())
        };
        let found = find(&(0..12).map(picture).collect::<Vec<_>>());
        assert_eq!(found.source, (0..12).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn the_answer_does_not_depend_on_threads() {
    let pictures: Vec<_> = (0..8)
        .map(|i| bytes(Scene::new(i / 2).draw(placed(30.0 * i as f32, false, 1.0, [0.0; 2]))))
        .collect();
    let one = par::with_threads(1, || find(&pictures));
    assert_eq!(par::with_threads(3, || find(&pictures)), one);
    assert_eq!(one.source, [0, 0, 1, 1, 2, 2, 3, 3]);
}
