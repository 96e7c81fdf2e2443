//! Simulated lateral neck radiographs: a data set with known truth that needs no download and no patient.
//!
//! A patient is drawn (`anatomy`), perhaps injured (`injury`), built from solids (`spine`, `head`), projected along
//! parallel rays (`projection`) and exposed (`exposure`). Each of these has a random stream of its own, named
//! by the seed, the patient and (pose, exposure) the view: [`render`] is a pure function of its arguments, and the
//! label is independent of everything but the lesion itself.
#![forbid(unsafe_code)]

mod anatomy;
mod exposure;
mod findings;
mod geometry;
mod head;
mod injury;
mod projection;
mod roster;
mod spine;
mod write;

use engine::Rng;

use anatomy::{Anatomy, LEVELS};
use exposure::{Exposure, OVERSAMPLING, Pose};
pub use findings::{
    FindingsConfig, FindingsRadiograph, Labelled, MAX_FINDINGS, render_findings, write_findings,
};
use geometry::point;
pub use injury::FractureKind;
use injury::Injury;
use projection::{Detector, Projection};
use spine::Spine;
pub use write::{Error, Made, is_complete, write};

/// The two classes, in the order of their indices.
pub const CLASSES: [&str; 2] = ["fracture", "normal"];

/// What set to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhantomConfig {
    /// Number of patients; half of every 16 have a fracture.
    pub patients: usize,
    /// Radiographs a patient: the same anatomy in other poses and exposures.
    pub views: usize,
    /// Side of the square images, in pixels.
    pub image_size: usize,
    /// Everything follows from it.
    pub seed: u64,
}

impl Default for PhantomConfig {
    /// 3200 images of 128 x 128: 2400 to train, 400 to validate, 400 to test.
    fn default() -> Self {
        Self { patients: 1600, views: 2, image_size: 128, seed: 0 }
    }
}

/// The parts of a set, by the names of their folders: 75 %, 12.5 % and 12.5 % of the patients.
pub const SPLITS: [&str; 3] = ["train", "val", "test"];

/// A box of pixels: columns `x0..x1`, rows `y0..y1`, ends excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundingBox {
    /// First column.
    pub x0: usize,
    /// First row.
    pub y0: usize,
    /// Column after the last.
    pub x1: usize,
    /// Row after the last.
    pub y1: usize,
}

impl BoundingBox {
    /// Whether the pixel in column `x` and row `y` lies inside.
    pub fn contains(&self, x: usize, y: usize) -> bool {
        (self.x0..self.x1).contains(&x) && (self.y0..self.y1).contains(&y)
    }
}

/// The fracture of a radiograph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fracture {
    /// What is broken.
    pub kind: FractureKind,
    /// The vertebra, "C2" to "C7".
    pub level: &'static str,
    /// Every pixel that the fracture changes.
    pub bbox: BoundingBox,
}

/// One simulated radiograph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Radiograph {
    /// `[size, size]` 8-bit gray, row by row; bone is bright.
    pub pixels: Vec<u8>,
    /// Index of the patient.
    pub patient: usize,
    /// Index of the view.
    pub view: usize,
    /// The patient's split, one of [`SPLITS`]: all views of a patient share it.
    pub split: &'static str,
    /// The fracture, if there is one.
    pub fracture: Option<Fracture>,
}

impl Radiograph {
    /// The file name, such as `p0123-v1.png`; views count from 1.
    pub fn file_name(&self) -> String {
        file_name(self.patient, self.view)
    }

    /// The class: "fracture" or "normal".
    pub fn class(&self) -> &'static str {
        CLASSES[usize::from(self.fracture.is_none())]
    }
}

fn file_name(patient: usize, view: usize) -> String {
    format!("p{patient:04}-v{}.png", view + 1)
}

/// The random streams of a patient.
#[derive(Clone, Copy)]
enum RandomStream {
    Anatomy,
    Injury,
    Pose,
    Exposure,
    Noise,
    Findings,
    Blank,
}

/// The radiograph of a patient in a view, both counted from 0. A pure function of its arguments.
pub fn render(config: &PhantomConfig, patient: usize, view: usize) -> Radiograph {
    render_as(config, patient, view, roster::assign(config.seed, patient).1)
}

/// [`render`] with a label of the caller's choice, so that a test can compare the two.
fn render_as(config: &PhantomConfig, patient: usize, view: usize, kind: Option<FractureKind>) -> Radiograph {
    let mut stream = Rng::derive(&[config.seed, patient as u64, RandomStream::Injury as u64]);
    let injury = kind.map(|kind| Injury::draw(kind, &mut stream));
    let (pixels, fractures) = expose(config, patient, view, injury.as_slice());
    let fracture = fractures.into_iter().next().flatten();
    Radiograph { pixels, patient, view, split: roster::assign(config.seed, patient).0, fracture }
}

/// The radiograph of a patient with these injuries, `[size, size]`; and what each of them, alone, has changed in it.
fn expose(
    config: &PhantomConfig,
    patient: usize,
    view: usize,
    injuries: &[Injury],
) -> (Vec<u8>, Vec<Option<Fracture>>) {
    let stream = |name: RandomStream| Rng::derive(&[config.seed, patient as u64, name as u64]);
    let view_stream =
        |name: RandomStream| Rng::derive(&[config.seed, patient as u64, name as u64, view as u64]);
    let anatomy = Anatomy::draw(&mut stream(RandomStream::Anatomy));
    let pose = Pose::draw(&mut view_stream(RandomStream::Pose));
    let exposure = Exposure::draw(&mut view_stream(RandomStream::Exposure));

    let frames = anatomy.column(pose.flexion);
    let parallax = point(pose.parallax[0], pose.parallax[1]);
    let (centre, side) = anatomy.region(&frames);
    let (centre, field) = (centre + point(pose.shift[0], pose.shift[1]), side * pose.field);
    let detector = Detector::new(config.image_size * OVERSAMPLING, centre, field, pose.rotation);
    let silhouette = head::Silhouette::new(&anatomy, &frames);
    let mut around = Projection::new(detector, |p| silhouette.chord(p));
    head::surroundings(&anatomy, &frames, parallax).iter().for_each(|structure| around.add(structure));
    let spine = Spine { anatomy: &anatomy, frames: &frames, parallax };
    let project = |injuries: &[&Injury]| {
        let mut projection = around.clone();
        projection.add(&head::airway(&anatomy, &frames, injuries));
        spine.structures(injuries).iter().for_each(|structure| projection.add(structure));
        projection
    };
    let all: Vec<&Injury> = injuries.iter().collect();
    let projection = project(&all);
    let fracture = |at: usize| {
        // What the fracture changed is what differs from the same patient without it.
        let others: Vec<&Injury> = [&all[..at], &all[at + 1..]].concat();
        let rays = project(&others).difference(&projection)?;
        let reach = exposure.reach(field / config.image_size as f64);
        let [x0, y0, x1, y1] = rays;
        let low = |ray: usize| (ray / OVERSAMPLING).saturating_sub(reach);
        let high = |ray: usize| (ray.div_ceil(OVERSAMPLING) + reach).min(config.image_size);
        let bbox = BoundingBox { x0: low(x0), y0: low(y0), x1: high(x1), y1: high(y1) };
        Some(Fracture { kind: all[at].kind, level: LEVELS[all[at].level], bbox })
    };
    let fractures = (0..all.len()).map(fracture).collect();
    let mut noise = view_stream(RandomStream::Noise);
    (exposure.develop(&projection, field, anatomy.neck_width, &mut noise), fractures)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The box is right if the same exposure of the same patient, unhurt, differs inside it, visibly, and nowhere else.
    #[test]
    fn a_fracture_changes_its_box_and_nothing_else() {
        let config = PhantomConfig { patients: 200, seed: 11, ..PhantomConfig::default() };
        let size = config.image_size;
        for patient in 0..config.patients {
            let kind = FractureKind::ALL[patient % FractureKind::ALL.len()];
            let hurt = render_as(&config, patient, 0, Some(kind));
            let whole = render_as(&config, patient, 0, None);
            let Fracture { bbox, level, .. } = hurt.fracture.expect("a fracture that can be seen");
            let name = format!("patient {patient}, {kind} of {level}, {bbox:?}");
            assert!(bbox.x0 > 0 && bbox.y0 > 0 && bbox.x1 < size && bbox.y1 < size, "cut off: {name}");
            let mut visible = 0;
            for (i, (a, b)) in hurt.pixels.iter().zip(&whole.pixels).enumerate() {
                assert!(a == b || bbox.contains(i % size, i / size), "changed pixel {i} outside: {name}");
                visible += usize::from(a.abs_diff(*b) >= 8);
            }
            assert!(visible >= 20, "only {visible} pixels changed visibly: {name}");
            assert!(whole.fracture.is_none());
        }
    }

    /// The same of a patient who has all at once: without one of them, the picture differs in its box alone, and visibly.
    #[test]
    fn each_of_several_findings_changes_its_box() {
        let set = PhantomConfig { seed: 12, ..PhantomConfig::default() };
        let mut several = 0;
        for patient in 0..60 {
            let config = FindingsConfig { set: set.clone(), findings: MAX_FINDINGS, blank: 0.0 };
            let (size, all) = (set.image_size, render_findings(&config, patient, 0));
            let there: Vec<&Labelled> = all.findings.iter().filter(|of| of.is).collect();
            several += usize::from(there.len() > 1);
            for of in there {
                let bbox = of.fracture.expect("it can be seen").bbox;
                let without = findings::render_without(&config, patient, 0, of.kind);
                let mut visible = 0;
                for (i, (a, b)) in all.pixels.iter().zip(&without).enumerate() {
                    assert!(a == b || bbox.contains(i % size, i / size), "{patient} {}: pixel {i}", of.kind);
                    visible += usize::from(a.abs_diff(*b) >= 8);
                }
                assert!(visible >= 20, "{patient} {}: only {visible} pixels", of.kind);
            }
        }
        assert!(several >= 10, "{several}");
    }
}
