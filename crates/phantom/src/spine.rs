//! The bones of the neck as solids: a patient's measures, and perhaps injuries, become C1 to C7.
//!
//! All shapes are written in the frame of their vertebra as (front, up) millimetres. An injury changes what is built
//! for its own vertebra, and for the atlas if the dens is broken, and nothing else. A body breaks once.

use crate::anatomy::{Anatomy, C2, Vertebra};
use crate::geometry::{BoneFrame, Outline, Point};
use crate::injury::{FractureKind, Injury};
use crate::projection::{Solid, Structure, Tissue};

/// Builds the structures of one patient in one pose.
pub(crate) struct Spine<'a> {
    pub anatomy: &'a Anatomy,
    /// C1 to C7.
    pub frames: &'a [BoneFrame; 7],
    /// Where the right-hand copy of a paired bone lies relative to the middle; the left one lies opposite.
    pub parallax: Point,
}

impl Spine<'_> {
    /// All bones of C1 to C7.
    pub fn structures(&self, injuries: &[&Injury]) -> Vec<Structure> {
        let mut out = Vec::new();
        let broken_dens = of_kind(injuries, FractureKind::Odontoid);
        // The atlas goes where the dens goes.
        let atlas = match broken_dens {
            None => self.frames[0],
            Some(injury) => {
                let forward = if injury.turn < 0.5 { 1.0 } else { -1.0 };
                let away = injury.between(7.0, 9.0) * self.anatomy.scale;
                self.frames[0].moved(forward * away, 2.0, forward * injury.between(0.05, 0.2))
            }
        };
        self.atlas(&atlas, &mut out);
        self.axis(&self.frames[C2], &atlas, broken_dens.is_some(), &mut out);
        for level in C2 + 1..7 {
            let here: Vec<&Injury> =
                injuries.iter().copied().filter(|injury| injury.level == level).collect();
            let frame = match of_kind(&here, FractureKind::FacetSubluxation) {
                Some(injury) => {
                    let slip = injury.between(5.5, 8.0) * self.anatomy.scale;
                    self.frames[level].moved(slip, 0.8, 0.08 + 0.12 * injury.turn)
                }
                None => self.frames[level],
            };
            self.lower(level, &frame, &here, &mut out);
        }
        out
    }

    fn bone(&self, parts: Vec<Solid>) -> Structure {
        let Anatomy { shell, mineral: fraction, .. } = *self.anatomy;
        Structure { parts, tissue: Tissue::Bone { shell, fraction } }
    }

    /// C1: a ring without a body.
    fn atlas(&self, frame: &BoneFrame, out: &mut Vec<Structure>) {
        let s = self.anatomy.scale;
        let arch = Outline::Ellipse { frame: frame.moved(9.0 * s, 0.0, 0.1), semi: [3.0 * s, 5.5 * s] };
        out.push(self.bone(vec![Solid { outline: arch, width: 22.0 * s, roll: 3.0 * s }]));
        for frame in self.pair(frame) {
            let mass = [[6.0, 6.0], [6.0, -6.0], [-6.0, -5.0], [-6.0, 5.0]].map(|[a, u]| [a * s, u * s]);
            out.push(self.bone(vec![Solid::polygon(&frame, &mass, 1.5, 9.0, 4.0)]));
        }
        let length = 31.0 * s + self.anatomy.vertebrae[0].spinous * 0.4;
        out.push(self.bone(vec![
            Solid::capsule(frame, [[-7.0 * s, 2.0], [-length * 0.7, 1.0]], [3.0, 2.2], 14.0),
            Solid::capsule(frame, [[-length * 0.7, 1.0], [-length, -0.5]], [2.4, 4.0], 11.0),
        ]));
    }

    /// C2: a tall body that carries the dens, which stands in the ring of the atlas.
    fn axis(&self, frame: &BoneFrame, atlas: &BoneFrame, broken: bool, out: &mut Vec<Structure>) {
        let s = self.anatomy.scale;
        let vertebra = &self.anatomy.vertebrae[C2];
        let (half, top) = (vertebra.depth / 2.0 - 1.2, vertebra.back_height / 2.0 - 1.2);
        let body = [
            [half, -top],
            [half - 1.0, -top * 0.3],
            [half * 0.6, top],
            [-half * 0.7, top],
            [-half, 2.0 - top],
        ];
        let body = Solid::polygon(frame, &body, 1.2, vertebra.width, 4.5);
        // The foot of a whole dens is inside the body; a break at the base leaves a gap.
        let foot = if broken { -1.0 } else { -12.0 } * s;
        let dens = Solid::capsule(atlas, [[0.0, foot], [-0.4, 3.0 * s]], [5.2 * s, 4.2 * s], 11.0);
        if broken {
            out.extend([self.bone(vec![body]), self.bone(vec![dens])]);
        } else {
            out.push(self.bone(vec![body, dens]));
        }
        self.arch(C2, frame, &[], out);
    }

    /// C3 to C7.
    fn lower(&self, level: usize, frame: &BoneFrame, injuries: &[&Injury], out: &mut Vec<Structure>) {
        let vertebra = &self.anatomy.vertebrae[level];
        let wedge = of_kind(injuries, FractureKind::WedgeCompression);
        let loss = wedge.map_or(0.0, |injury| injury.between(0.4, 0.6));
        let mut corners = body_corners(vertebra, loss);
        let broken = injuries.iter().find_map(|injury| break_off(vertebra, loss, injury, &mut corners));
        if let Some((fragment, shift)) = broken {
            let away = frame.moved(shift[0], shift[1], 0.0);
            out.push(self.bone(vec![Solid::polygon(&away, &fragment, 0.6, vertebra.width * 0.8, 2.5)]));
        }
        let mut parts = vec![Solid::polygon(frame, &corners, 1.0, vertebra.width, 4.5)];
        for (spur, sign) in vertebra.spurs.iter().zip([1.0, -1.0]) {
            // A body that has lost a corner has lost its spurs.
            if *spur > 0.3 && broken.is_none() {
                let (front, edge) = (vertebra.depth / 2.0, sign * vertebra.front_height / 2.0);
                let ends = [[front - 2.0, edge - sign * 1.5], [front + spur, edge + sign * 0.4 * spur]];
                parts.push(Solid::capsule(frame, ends, [1.8, 0.8], vertebra.width * 0.7));
            }
        }
        // A crushed body keeps its mineral in less room.
        let Anatomy { shell, mineral, .. } = *self.anatomy;
        out.push(Structure {
            parts,
            tissue: Tissue::Bone { shell, fraction: mineral / (1.0 - 0.55 * loss) },
        });
        self.arch(level, frame, injuries, out);
    }

    /// Everything behind the body: pedicles and articular pillars on both sides, lamina and spinous process.
    fn arch(&self, level: usize, frame: &BoneFrame, injuries: &[&Injury], out: &mut Vec<Structure>) {
        let s = self.anatomy.scale;
        let vertebra = &self.anatomy.vertebrae[level];
        let back = -vertebra.depth / 2.0;
        let pitch = vertebra.back_height.min(15.0 * s) + vertebra.disc.min(6.0);
        let half = pitch / 2.0 - 1.6;
        for frame in self.pair(frame) {
            let pillar = [[-3.5, half + 1.5], [-12.0, half - 5.0], [-14.5, -half - 3.0], [-5.0, -half + 3.0]];
            let pillar = pillar.map(|[a, u]| [back + a * s, u + 0.5]);
            out.push(self.bone(vec![
                Solid::polygon(&frame, &pillar, 0.8, 11.0, 3.5),
                Solid::capsule(&frame, [[back + 1.0, 1.5], [back - 6.0 * s, 1.0]], [3.2 * s, 3.4 * s], 6.0),
            ]));
        }
        let root = back - self.anatomy.canal();
        let lamina = Solid::capsule(frame, [[back - 13.0 * s, -1.0], [root, -4.0]], [3.2, 3.6], 16.0);
        let (sin, cos) = vertebra.droop.sin_cos();
        let along = |t: f64| [root - vertebra.spinous * cos * t, -4.0 - vertebra.spinous * sin * t];
        let thick = [4.0, 5.0, 3.6, 3.6, 3.8, 4.4, 4.8][level] * s;
        let process = |ends, radii| Solid::capsule(frame, ends, radii, 13.0);
        let whole = process([along(0.0), along(1.0)], [thick * 0.85, thick]);
        match of_kind(injuries, FractureKind::SpinousProcess) {
            None => out.push(self.bone(vec![lamina, whole])),
            Some(injury) => {
                let at = 0.22 + 0.12 * injury.turn;
                let stump = process([along(0.0), along(at)], [thick * 0.85, thick * 0.9]);
                let gap = (2.0 * thick + injury.between(2.5, 4.0)) / vertebra.spinous;
                let (near, far) = (at + gap, (at + gap + 0.3).max(1.0));
                let ends = [along(near), along(far)].map(|[a, u]| [a, u - injury.between(6.0, 8.5)]);
                out.push(self.bone(vec![lamina, stump]));
                out.push(self.bone(vec![process(ends, [thick * 0.9, thick])]));
            }
        }
    }

    /// The frames of the right and the left copy of a paired bone.
    fn pair(&self, frame: &BoneFrame) -> [BoneFrame; 2] {
        [frame.shifted(self.parallax), frame.shifted(self.parallax * -1.0)]
    }
}

/// The injury of this kind.
fn of_kind<'a>(injuries: &[&'a Injury], kind: FractureKind) -> Option<&'a Injury> {
    injuries.iter().copied().find(|injury| injury.kind == kind)
}

/// The outline of a body from its lower back corner on, over the lower front one, with hollow end plates and walls;
/// `loss` is the part of its front height that is gone.
fn body_corners(vertebra: &Vertebra, loss: f64) -> Vec<[f64; 2]> {
    let half = vertebra.depth / 2.0 - 1.0;
    let front = vertebra.front_height / 2.0 - 1.0;
    let back = vertebra.back_height / 2.0 - 1.0;
    let gone = loss * vertebra.front_height;
    let middle = (front + back) / 2.0 - 0.9;
    vec![
        [0.0, -middle],
        [half, -front],
        [half - 0.8 + 1.5 * loss, -gone / 2.0],
        [half + 2.0 * loss, front - gone],
        [half * 0.3, middle - 0.75 * gone],
        [-half * 0.5, middle - 0.3 * gone],
        [-half, back],
        [-half + 0.8, 0.0],
        [-half, -back],
    ]
}

/// Breaks a front corner off a body: changes its `corners`, and returns the fragment (in place) and its displacement.
/// A teardrop takes the lower corner; in a wedge the upper one shears off as the front gives way.
fn break_off(
    vertebra: &Vertebra,
    loss: f64,
    injury: &Injury,
    corners: &mut Vec<[f64; 2]>,
) -> Option<([[f64; 2]; 3], [f64; 2])> {
    let (half, base) = (vertebra.depth / 2.0, vertebra.front_height / 2.0);
    match injury.kind {
        FractureKind::Teardrop => {
            let wall = [half - 0.5, vertebra.front_height * injury.between(0.42, 0.6) - base];
            let plate = [half - vertebra.depth * injury.between(0.4, 0.5), -base];
            corners.splice(0..3, [plate, wall]);
            let fragment = [[wall[0], wall[1] - 1.0], [plate[0] + 1.0, plate[1]], [half + 0.5, -base]];
            Some((fragment, [injury.between(4.5, 6.0), -1.0 - 2.0 * injury.turn]))
        }
        FractureKind::WedgeCompression => {
            let top = base - loss * vertebra.front_height;
            let wall = [half - 0.5, 0.7 * top - 0.3 * base];
            let cut = injury.between(0.35, 0.45);
            let plate = [half - vertebra.depth * cut, top + cut * loss * vertebra.front_height - 0.5];
            corners.splice(2..5, [wall, plate]);
            let fragment = [[wall[0], wall[1] + 0.5], [plate[0] + 1.0, plate[1]], [half + 1.0, top]];
            Some((fragment, [injury.between(4.0, 5.5), 1.0 + 2.0 * injury.turn]))
        }
        _ => None,
    }
}
