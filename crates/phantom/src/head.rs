//! Everything around the spine: skull base, jaw, hyoid and larynx, airway, muscles, and the silhouette of head, neck
//! and shoulders as a stack of elliptical cross-sections.

use crate::anatomy::Anatomy;
use crate::geometry::{BoneFrame, Outline, Point};
use crate::injury::Injury;
use crate::projection::{Solid, Structure, Tissue};

/// The frame of the head: its origin is where the skull rests on C1.
pub(crate) fn head_frame(anatomy: &Anatomy, frames: &[BoneFrame; 7]) -> BoneFrame {
    frames[0].moved(0.0, 10.0 * anatomy.scale, anatomy.head_tilt)
}

/// Bones and muscles around the spine. `parallax` as in the spine, where the jaw's two sides lie further out.
pub(crate) fn surroundings(anatomy: &Anatomy, frames: &[BoneFrame; 7], parallax: Point) -> Vec<Structure> {
    let head = head_frame(anatomy, frames);
    let mut out: Vec<Structure> = anatomy
        .muscles
        .iter()
        .map(|muscle| {
            let frame = frames[muscle.level].moved(muscle.front, 0.0, muscle.tilt);
            let outline = Outline::Ellipse { frame, semi: muscle.semi };
            let part = Solid { outline, width: muscle.width.abs(), roll: muscle.semi[0].min(muscle.semi[1]) };
            Structure { parts: vec![part], tissue: Tissue::Soft { fraction: muscle.width.signum() } }
        })
        .collect();
    skull(anatomy, &head, &mut out);
    jaw(anatomy, &head, parallax * 2.0, &mut out);
    throat(anatomy, frames, &mut out);
    out
}

fn vault_frame(anatomy: &Anatomy, head: &BoneFrame) -> BoneFrame {
    head.moved(6.0 * anatomy.scale, 66.0 * anatomy.scale, 0.0)
}

fn skull(anatomy: &Anatomy, head: &BoneFrame, out: &mut Vec<Structure>) {
    let s = anatomy.scale;
    let vault = Outline::Ellipse { frame: vault_frame(anatomy, head), semi: [88.0 * s, 62.0 * s] };
    let vault = Solid { outline: vault, width: 138.0 * s, roll: 62.0 * s };
    out.push(Structure { parts: vec![vault], tissue: Tissue::Bone { shell: 3.2, fraction: 0.0 } });
    let base =
        [[40.0, 16.0], [12.0, 6.0], [-6.0, 3.0], [-14.0, 7.0], [-30.0, 12.0], [-8.0, 24.0], [30.0, 28.0]];
    let base = Solid::polygon(head, &base.map(|[a, u]| [a * s, u * s]), 1.5, 60.0, 14.0);
    out.push(Structure { parts: vec![base], tissue: Tissue::Bone { shell: 0.8, fraction: 0.18 } });
}

/// The lower jaw on both sides, the palate and the teeth.
fn jaw(anatomy: &Anatomy, head: &BoneFrame, parallax: Point, out: &mut Vec<Structure>) {
    let s = anatomy.scale;
    let jaw = head.moved(20.0 * s, 8.0 * s, 0.0);
    let angle = [2.0 * s, -42.0 * s];
    let (sin, cos) = anatomy.jaw_angle.sin_cos();
    let along = |t: f64| [angle[0] + anatomy.jaw * cos * t, angle[1] - anatomy.jaw * sin * t];
    let bone = |parts| Structure { parts, tissue: Tissue::Bone { shell: 1.6, fraction: 0.25 } };
    for side in [jaw.shifted(parallax), jaw.shifted(parallax * -1.0)] {
        let ramus = [[-5.0 * s, 0.0], [16.0 * s, 0.0], [20.0 * s, -34.0 * s], angle];
        let body = Outline::Capsule {
            ends: [along(0.1), along(1.0)].map(|[a, u]| side.at(a, u + 5.0)),
            radii: [9.0 * s, 10.0 * s],
        };
        out.push(bone(vec![
            Solid::polygon(&side, &ramus, 3.0, 8.0, 3.0),
            Solid { outline: body, width: 9.0, roll: 4.0 },
        ]));
    }
    let palate = [[22.0 * s, -16.0 * s], [78.0 * s, -20.0 * s]];
    out.push(bone(vec![Solid::capsule(&jaw, palate, [3.0, 4.0], 22.0)]));
    for tooth in 0..8 {
        let [a, u] = along(0.3 + 0.08 * tooth as f64);
        let filled = tooth % 5 < anatomy.fillings;
        let ends = [jaw.at(a, u + 11.0), jaw.at(a + 1.0, u + 24.0)];
        let crown = Outline::Capsule { ends, radii: [1.5, 3.0] };
        let tissue = Tissue::Bone { shell: 0.8, fraction: if filled { 2.0 } else { 0.45 } };
        out.push(Structure { parts: vec![Solid { outline: crown, width: 10.0, roll: 2.0 }], tissue });
    }
}

/// The airway. Bleeding in front of a broken body pushes its back wall forward.
pub(crate) fn airway(anatomy: &Anatomy, frames: &[BoneFrame; 7], injuries: &[&Injury]) -> Structure {
    let r = anatomy.airway;
    let shape = [1.0, 1.0, 1.1, 0.9, 0.75, 1.0, 1.1];
    let tube = |level: usize, swelling: f64| {
        let open = r * shape[level];
        let left = (open - swelling / 2.0).max(1.2);
        (frames[level].at(anatomy.airway_wall(level) + 2.0 * open - left, 0.0), left)
    };
    let head = head_frame(anatomy, frames);
    let mut path = vec![(head.at(26.0, 0.0), 8.0), (frames[0].at(16.0 + r, 0.0), r)];
    for level in 1..7 {
        let here = injuries.iter().filter(|injury| injury.level == level);
        let swelling = here.map(|injury| injury.swelling()).fold(0.0, f64::max);
        path.push(tube(level, swelling));
        // Points between the levels keep a swelling to its own level.
        if level < 6 {
            let ((above, wide), (below, narrow)) = (tube(level, 0.0), tube(level + 1, 0.0));
            path.push(((above + below) * 0.5, (wide + narrow) / 2.0));
        }
    }
    path.push((frames[6].at(anatomy.airway_wall(6) + r + 4.0, -60.0), r * 1.1));
    let part = |ends: &[(Point, f64)]| Solid {
        outline: Outline::Capsule { ends: [ends[0].0, ends[1].0], radii: [ends[0].1, ends[1].1] },
        width: anatomy.airway_width,
        roll: r,
    };
    Structure { parts: path.windows(2).map(part).collect(), tissue: Tissue::Air }
}

/// Epiglottis, hyoid bone and calcified larynx, in front of the airway.
fn throat(anatomy: &Anatomy, frames: &[BoneFrame; 7], out: &mut Vec<Structure>) {
    let r = anatomy.airway;
    let wall = |level: usize| anatomy.airway_wall(level);
    let fold = |ends, radius: f64, width| Solid::between(ends, [radius; 2], width);
    let hyoid = [frames[3].at(wall(3) + 2.0 * r + 2.0, 3.0), frames[3].at(wall(3) + 2.0 * r + 24.0, 0.0)];
    let epiglottis = fold([hyoid[0], frames[2].at(wall(3) + r, -4.0)], 1.6, 14.0);
    out.push(Structure { parts: vec![epiglottis], tissue: Tissue::Soft { fraction: 1.0 } });
    let hyoid = fold(hyoid, 2.4, 12.0);
    out.push(Structure { parts: vec![hyoid], tissue: Tissue::Bone { shell: 0.6, fraction: 0.3 } });
    let larynx = [frames[4].at(wall(4) + 2.0 * r + 7.0, 3.0), frames[5].at(wall(5) + 2.0 * r + 6.0, 0.0)];
    let larynx = fold(larynx, 4.0, 16.0);
    out.push(Structure {
        parts: vec![larynx],
        tissue: Tissue::Bone { shell: 0.0, fraction: anatomy.larynx },
    });
}

/// Head, neck and shoulders without their bones: the neck as a stack of elliptical cross-sections, and the head.
pub(crate) struct Silhouette {
    /// (height, front edge, back edge, width), from top to bottom, in millimetres.
    neck: Vec<[f64; 4]>,
    head: [Solid; 2],
}

impl Silhouette {
    /// The silhouette around `frames`.
    pub fn new(anatomy: &Anatomy, frames: &[BoneFrame; 7]) -> Self {
        let s = anatomy.scale;
        let front =
            |level: usize| frames[level].at(20.0 * s + 2.0 * anatomy.airway + 12.0 + anatomy.throat, 0.0).x;
        let nape = |level: usize| frames[level].at(-(40.0 * s + anatomy.nape), 0.0).x;
        let (width, shoulder) = (anatomy.neck_width, anatomy.shoulder);
        let c7 = frames[6].origin.y;
        let neck = vec![
            [frames[0].origin.y - 40.0, front(2), nape(2) + 20.0, width],
            [frames[2].origin.y, front(3), nape(3), width],
            [frames[4].origin.y, front(4), nape(4), width],
            [c7, front(6), nape(6) + 0.5 * shoulder, width * 1.05],
            [c7 + 25.0, front(6) - 8.0, nape(6) + 20.0, width * 1.2 + shoulder],
            [c7 + 90.0, front(6) - 60.0, nape(6) + 70.0, width * 2.0 + 3.0 * shoulder],
        ];
        let head = head_frame(anatomy, frames);
        let vault = Outline::Ellipse { frame: vault_frame(anatomy, &head), semi: [95.0 * s, 69.0 * s] };
        let (sin, cos) = anatomy.jaw_angle.sin_cos();
        let [a, u] = [22.0 * s + anatomy.jaw * cos, -34.0 * s - anatomy.jaw * sin];
        let face = [
            [10.0 * s, 40.0],
            [a + 20.0, 60.0],
            [a + 4.0, u + 2.0],
            [a - 8.0, u - 3.0],
            [24.0 * s, -34.0 * s],
            [8.0 * s, 0.0],
        ];
        let face = Solid::polygon(&head, &face, 9.0, 118.0 * s, 45.0);
        Self { neck, head: [Solid { outline: vault, width: 148.0 * s, roll: 69.0 * s }, face] }
    }

    /// The chord of the ray through `p`.
    pub fn chord(&self, p: Point) -> f64 {
        let last = self.neck.len() - 2;
        let i = self.neck[1..=last].iter().take_while(|section| section[0] < p.y).count();
        let [above, below] = [self.neck[i], self.neck[i + 1]];
        let t = ((p.y - above[0]) / (below[0] - above[0])).clamp(0.0, 1.0);
        let [front, back, width] = [1, 2, 3].map(|k| above[k] + (below[k] - above[k]) * t);
        let off = (p.x - 0.5 * (front + back)) / (0.5 * (back - front));
        let neck = width * (1.0 - off * off).max(0.0).sqrt();
        self.head.iter().map(|part| part.thickness(p)).fold(neck, f64::max)
    }
}
