//! One patient: every number that makes a neck differ from another.
//!
//! The numbers are drawn without knowing whether the patient has a fracture, from a stream of their own. Sizes follow
//! the morphometry of adult cervical vertebrae (Panjabi et al., Spine 16(8), 1991: bodies 15 to 18 mm deep, 11 to 13 mm
//! high) with the magnification of an ordinary film distance, about 1.15.

use engine::Rng;

use crate::geometry::{BoneFrame, Point, point};

/// Names of the cervical vertebrae; a level is an index into them.
pub(crate) const LEVELS: [&str; 7] = ["C1", "C2", "C3", "C4", "C5", "C6", "C7"];
/// Index of the axis, the vertebra with the dens.
pub(crate) const C2: usize = 1;

/// The measures of one vertebra, in millimetres and radians.
#[derive(Clone, Debug)]
pub(crate) struct Vertebra {
    /// Front to back.
    pub depth: f64,
    pub front_height: f64,
    pub back_height: f64,
    /// The disc above.
    pub disc: f64,
    /// Width across the plane.
    pub width: f64,
    /// Wear: how far the body lies in front of its place in the column (degenerative, at most 1 mm).
    pub slip: f64,
    /// Wear: length of the bone spurs at the upper and lower front edge.
    pub spurs: [f64; 2],
    /// Length of the spinous process behind the lamina, and how steeply it points down.
    pub spinous: f64,
    pub droop: f64,
}

/// A muscle belly (positive) or a fat plane (negative) of the neck, placed relative to a level.
#[derive(Clone, Debug)]
pub(crate) struct Muscle {
    pub level: usize,
    pub front: f64,
    pub semi: [f64; 2],
    pub tilt: f64,
    pub width: f64,
}

/// One patient.
#[derive(Clone, Debug)]
pub(crate) struct Anatomy {
    pub vertebrae: [Vertebra; 7],
    /// Overall size, 1 for the average.
    pub scale: f64,
    /// How far C7 leans forward, how much of that C2 has lost, and how the bend is spread, in radians and as a power.
    pub lean: f64,
    pub lordosis: f64,
    pub bend: f64,
    pub head_tilt: f64,
    /// Mineral fraction of cancellous bone, and thickness of the cortical shell.
    pub mineral: f64,
    pub shell: f64,
    /// Width of the neck across the plane, and its soft tissue in front of and behind the bones.
    pub neck_width: f64,
    pub throat: f64,
    pub nape: f64,
    pub shoulder: f64,
    /// Soft tissue between the bodies and the airway above and below C4; half the airway's depth, and its width.
    pub prevertebral: [f64; 2],
    pub airway: f64,
    pub airway_width: f64,
    /// The lower jaw: its length and the opening angle.
    pub jaw: f64,
    pub jaw_angle: f64,
    pub fillings: usize,
    /// Calcified cartilage of the larynx: its mineral fraction.
    pub larynx: f64,
    pub muscles: Vec<Muscle>,
}

impl Anatomy {
    /// The patient that `rng` draws.
    pub fn draw(rng: &mut Rng) -> Self {
        let scale = rng.range(0.9, 1.08);
        let worn = rng.chance(0.4);
        let stoutness = rng.range(0.0, 1.0);
        let depth = scale * rng.range(16.0, 18.5);
        let height = scale * rng.range(12.8, 14.6);
        let disc = rng.range(4.4, 6.2);
        let spinous = scale * rng.range(0.88, 1.12);
        let droop = rng.range(0.25, 0.55);
        let vertebrae = std::array::from_fn(|level| {
            let low = level as f64 / 6.0;
            // Wear prefers C5 and C6.
            let wear = if worn && level >= 2 && rng.chance(if level == 4 || level == 5 { 0.7 } else { 0.3 }) {
                rng.range(0.3, 1.0)
            } else {
                0.0
            };
            let back_height = height * rng.range(0.96, 1.04) * if level == C2 { 1.35 } else { 1.0 };
            let wedging = rng.range(-0.02, 0.06) + if rng.chance(0.25) { rng.range(0.0, 0.07) } else { 0.0 };
            Vertebra {
                depth: depth * (0.97 + 0.08 * low) * rng.range(0.97, 1.03),
                front_height: back_height * (1.0 - wedging),
                back_height,
                disc: disc * rng.range(0.88, 1.12) * (1.0 - 0.5 * wear),
                width: scale * rng.range(22.0, 25.0),
                slip: rng.range(-0.5, 0.5) + wear * rng.range(-0.6, 0.6),
                spurs: [wear * rng.range(0.0, 2.4), wear * rng.range(0.0, 2.4)],
                spinous: spinous * [8.0, 16.0, 12.0, 13.0, 16.0, 20.0, 23.0][level] * rng.range(0.95, 1.05),
                droop: droop + rng.range(-0.05, 0.05),
            }
        });
        let muscles = (0..9).map(|_| Muscle {
            level: 1 + rng.below(6) as usize,
            front: rng.range(-70.0, 45.0),
            semi: [rng.range(6.0, 16.0), rng.range(14.0, 45.0)],
            tilt: rng.range(-0.5, 0.5),
            width: rng.range(-5.0, 6.0),
        });
        let muscles = muscles.collect();
        Self {
            vertebrae,
            scale,
            lean: rng.range(0.2, 0.36),
            lordosis: rng.range(0.2, 0.5),
            bend: rng.range(0.7, 1.5),
            head_tilt: rng.range(-0.12, 0.08),
            mineral: rng.range(0.22, 0.34),
            shell: rng.range(0.45, 0.8),
            neck_width: scale * (92.0 + 40.0 * stoutness + rng.range(-6.0, 6.0)),
            throat: 8.0 + 16.0 * stoutness + rng.range(-3.0, 3.0),
            nape: 18.0 + 26.0 * stoutness + rng.range(-5.0, 5.0),
            shoulder: rng.range(8.0, 30.0),
            prevertebral: [rng.range(3.5, 6.5), rng.range(11.0, 16.0)],
            airway: rng.range(5.0, 8.5),
            airway_width: rng.range(16.0, 30.0),
            jaw: scale * rng.range(62.0, 76.0),
            jaw_angle: rng.range(0.2, 0.55),
            fillings: rng.below(3) as usize,
            larynx: rng.range(0.0, 0.2),
            muscles,
        }
    }

    /// Where the vertebrae stand when the neck is bent forward by `flexion` more than at rest: the frames of C1 to C7,
    /// each at the centre of its body (C1: at the dens).
    pub fn column(&self, flexion: f64) -> [BoneFrame; 7] {
        let mut frames = [BoneFrame::leaning(point(0.0, 0.0), 0.0); 7];
        let mut base = point(0.0, 0.0);
        for level in (C2..7).rev() {
            let vertebra = &self.vertebrae[level];
            let way = (6 - level) as f64 / 5.0;
            let lean = self.lean - (self.lordosis - flexion) * way.powf(self.bend);
            let middle = (vertebra.front_height + vertebra.back_height) / 4.0;
            let frame = BoneFrame::leaning(base, lean).moved(0.0, middle, 0.0);
            base = frame.at(0.0, middle + vertebra.disc);
            frames[level] = frame.moved(vertebra.slip, 0.0, 0.0);
        }
        let axis = &self.vertebrae[C2];
        frames[0] = frames[C2].moved(-0.5, axis.back_height / 2.0 + 9.0 * self.scale, -0.05);
        frames
    }

    /// What a radiographer collimates to: centre and side of the square from the atlas down to C7, and from the airway
    /// back to the end of the longest spinous process.
    pub fn region(&self, frames: &[BoneFrame; 7]) -> (Point, f64) {
        let bodies = frames.iter().zip(&self.vertebrae);
        let front = bodies.clone().map(|(frame, vertebra)| frame.at(vertebra.depth / 2.0 + 20.0, 0.0).x);
        let reach = |vertebra: &Vertebra| vertebra.depth / 2.0 + self.canal() + vertebra.spinous;
        let end = bodies.map(|(frame, vertebra)| frame.at(-reach(vertebra), 0.0).x);
        let (front, end) = (front.fold(f64::INFINITY, f64::min), end.fold(f64::NEG_INFINITY, f64::max));
        let (top, bottom) = (frames[0].origin.y - 15.0 * self.scale, frames[6].origin.y + 8.0 * self.scale);
        (point((front + end) / 2.0, (top + bottom) / 2.0), (end - front).max(bottom - top))
    }

    /// From the middle of a body to the back wall of the airway.
    pub fn airway_wall(&self, level: usize) -> f64 {
        self.vertebrae[level].depth / 2.0 + self.prevertebral[usize::from(level > 3)]
    }

    /// From the back of a body to the root of its spinous process.
    pub fn canal(&self) -> f64 {
        19.0 * self.scale
    }
}
