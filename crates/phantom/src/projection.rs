//! Line integrals: how many millimetres of soft tissue and of bone mineral each ray crosses.
//!
//! Rays run from side to side, perpendicular to the sagittal plane, so a solid is its outline in that plane and a width
//! across it. The width falls off towards the outline like the side of an ellipse, which gives chord lengths in closed
//! form: nothing is marched. Invariant: a solid touches only pixels inside its outline, so the difference of two
//! projections is zero outside the bones in which they differ.

use crate::geometry::{BoneFrame, Outline, Point, point};

/// A convex-sided body: an outline and how wide it is across the plane.
#[derive(Clone, Debug)]
pub(crate) struct Solid {
    pub outline: Outline,
    /// Full width across the plane, in millimetres.
    pub width: f64,
    /// Depth inside the outline at which the full width is reached.
    pub roll: f64,
}

impl Solid {
    /// A polygon of `corners` in the frame of a bone, grown by `radius`.
    pub fn polygon(frame: &BoneFrame, corners: &[[f64; 2]], radius: f64, width: f64, roll: f64) -> Self {
        let points = corners.iter().map(|&[a, u]| frame.at(a, u)).collect();
        Self { outline: Outline::Polygon { points, radius }, width, roll }
    }

    /// Two discs in the frame of a bone and what lies between them.
    pub fn capsule(frame: &BoneFrame, ends: [[f64; 2]; 2], radii: [f64; 2], width: f64) -> Self {
        Self::between(ends.map(|[a, u]| frame.at(a, u)), radii, width)
    }

    /// Two discs and what lies between them.
    pub fn between(ends: [Point; 2], radii: [f64; 2], width: f64) -> Self {
        Self { outline: Outline::Capsule { ends, radii }, width, roll: radii[0].min(radii[1]) }
    }

    /// The chord of the ray through `p`.
    pub fn thickness(&self, p: Point) -> f64 {
        self.chord(self.outline.depth(p), 0.0)
    }

    /// The chord of the solid shrunk by `shell` on every side, at a point `depth` inside the outline.
    fn chord(&self, depth: f64, shell: f64) -> f64 {
        let (depth, roll) = (depth - shell, (self.roll - shell).max(0.25));
        if depth <= 0.0 {
            return 0.0;
        }
        let rim = 1.0 - (depth / roll).min(1.0);
        (self.width - 2.0 * shell).max(0.0) * (1.0 - rim * rim).sqrt()
    }
}

/// What fills a structure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tissue {
    /// A cortical shell (millimetres thick) around cancellous bone, of which `fraction` is mineral.
    Bone { shell: f64, fraction: f64 },
    /// Air where soft tissue would be.
    Air,
    /// More (or, below 0, less) soft tissue than the silhouette gives: muscle bellies and fat planes.
    Soft { fraction: f64 },
}

/// Solids that are one piece: where they overlap they count once.
#[derive(Clone, Debug)]
pub(crate) struct Structure {
    pub parts: Vec<Solid>,
    pub tissue: Tissue,
}

/// Where the detector is: rays to millimetres.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detector {
    /// Rays along a side.
    pub rays: usize,
    /// World point of the first ray.
    corner: Point,
    /// World step from a ray to its right neighbour, and to the one below.
    steps: [Point; 2],
}

impl Detector {
    /// A square detector of `field` millimetres around `centre`, rotated by `rotation` radians.
    pub fn new(rays: usize, centre: Point, field: f64, rotation: f64) -> Self {
        let (sin, cos) = rotation.sin_cos();
        let step = field / rays as f64;
        let steps = [point(cos, sin) * step, point(-sin, cos) * step];
        let half = (rays as f64 - 1.0) / 2.0;
        Self { rays, corner: centre - (steps[0] + steps[1]) * half, steps }
    }

    /// The world point of the ray at column `x` and row `y`.
    fn world(&self, x: usize, y: usize) -> Point {
        self.corner + self.steps[0] * x as f64 + self.steps[1] * y as f64
    }

    /// Columns and rows `[x0, x1, y0, y1]` (ends excluded) that see the box from `low` to `high`.
    fn window(&self, [low, high]: [Point; 2]) -> [usize; 4] {
        let (mut least, mut most) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for corner in [low, point(high.x, low.y), high, point(low.x, high.y)] {
            let d = corner - self.corner;
            for (k, step) in self.steps.into_iter().enumerate() {
                let position = d.dot(step) / step.dot(step);
                (least[k], most[k]) = (least[k].min(position), most[k].max(position));
            }
        }
        let clip = |position: f64| position.clamp(0.0, self.rays as f64) as usize;
        [clip(least[0]), clip(most[0] + 1.0), clip(least[1]), clip(most[1] + 1.0)]
    }
}

/// Path lengths of every ray, in millimetres.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    pub detector: Detector,
    /// [rays, rays], soft tissue; may dip below 0 where air and bone overlap.
    pub soft: Vec<f32>,
    /// [rays, rays], bone mineral.
    pub bone: Vec<f32>,
}

impl Projection {
    /// The projection of a body without inner structure, whose chord at a world point is `thickness`.
    pub fn new(detector: Detector, thickness: impl Fn(Point) -> f64) -> Self {
        let rays = detector.rays;
        let soft = (0..rays * rays).map(|i| thickness(detector.world(i % rays, i / rays)) as f32).collect();
        Self { detector, soft, bone: vec![0.0; rays * rays] }
    }

    /// Adds a structure: bone and air take the place of soft tissue.
    pub fn add(&mut self, structure: &Structure) {
        let bounds = structure.parts.iter().map(|part| part.outline.bounds());
        let bounds = bounds
            .reduce(|[a, b], [c, d]| [point(a.x.min(c.x), a.y.min(c.y)), point(b.x.max(d.x), b.y.max(d.y))]);
        let Some(bounds) = bounds else { return };
        let shell = if let Tissue::Bone { shell, .. } = structure.tissue { shell } else { 0.0 };
        let [x0, x1, y0, y1] = self.detector.window(bounds);
        for y in y0..y1 {
            for x in x0..x1 {
                let p = self.detector.world(x, y);
                let (mut outer, mut inner) = (0.0f64, 0.0f64);
                for part in &structure.parts {
                    let depth = part.outline.depth(p);
                    if depth > 0.0 {
                        outer = outer.max(part.chord(depth, 0.0));
                        inner = inner.max(part.chord(depth, shell));
                    }
                }
                if outer > 0.0 {
                    let i = y * self.detector.rays + x;
                    let (soft, bone) = match structure.tissue {
                        Tissue::Bone { fraction, .. } => {
                            let mineral = (outer - inner).max(0.0) + fraction * inner;
                            (-mineral, mineral)
                        }
                        Tissue::Air => (-outer, 0.0),
                        Tissue::Soft { fraction } => (fraction * outer, 0.0),
                    };
                    self.soft[i] += soft as f32;
                    self.bone[i] += bone as f32;
                }
            }
        }
    }

    /// The smallest box `[x0, y0, x1, y1]` of rays (ends excluded) that holds every difference from `other`.
    pub fn difference(&self, other: &Self) -> Option<[usize; 4]> {
        let rays = self.detector.rays;
        let mut found: Option<[usize; 4]> = None;
        for i in 0..rays * rays {
            if self.soft[i] != other.soft[i] || self.bone[i] != other.bone[i] {
                let (x, y) = (i % rays, i / rays);
                let [x0, y0, x1, y1] = found.unwrap_or([x, y, x, y]);
                found = Some([x0.min(x), y0.min(y), x1.max(x + 1), y1.max(y + 1)]);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoneFrame;

    #[test]
    fn an_ellipsoid_has_its_volume() {
        let detector = Detector::new(200, point(1.0, 2.0), 50.0, 0.2);
        let mut projection = Projection::new(detector, |_| 0.0);
        let frame = BoneFrame::leaning(point(3.0, 1.0), 0.4);
        let ball = Solid { outline: Outline::Ellipse { frame, semi: [12.0, 7.0] }, width: 20.0, roll: 7.0 };
        projection.add(&Structure { parts: vec![ball], tissue: Tissue::Bone { shell: 0.0, fraction: 0.5 } });
        let volume = projection.bone.iter().sum::<f32>() as f64 * (50.0f64 / 200.0).powi(2);
        let exact = 0.5 * 4.0 / 3.0 * std::f64::consts::PI * 12.0 * 7.0 * 10.0;
        assert!((volume / exact - 1.0).abs() < 2e-3, "{volume} instead of {exact}");
    }

    #[test]
    fn overlapping_parts_count_once() {
        let detector = Detector::new(64, point(0.0, 0.0), 40.0, 0.0);
        let disc = |x: f64| Solid {
            outline: Outline::Capsule { ends: [point(x, 0.0), point(x + 1.0, 0.0)], radii: [6.0, 6.0] },
            width: 10.0,
            roll: 3.0,
        };
        let project = |parts: Vec<Solid>| {
            let mut projection = Projection::new(detector, |_| 0.0);
            projection.add(&Structure { parts, tissue: Tissue::Bone { shell: 1.0, fraction: 0.2 } });
            projection
        };
        assert_eq!(project(vec![disc(0.0)]).difference(&project(vec![disc(0.0), disc(0.0)])), None);
        let [x0, _, x1, _] = project(vec![disc(0.0)]).difference(&project(vec![disc(4.0)])).unwrap();
        assert!(x0 >= 64 * 14 / 40 - 1 && x1 <= 64 * 31 / 40 + 1, "{x0}..{x1}");
    }
}
