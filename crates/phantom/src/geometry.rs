//! Points, frames and outlines in the sagittal plane, in millimetres.
//!
//! The world is the mid-sagittal plane seen from the patient's left: x grows towards the patient's back (right in the
//! image), y grows downwards. Every bone is described in the frame of its vertebra, so that bending the neck or
//! displacing a vertebra moves whole frames and never a shape.

use std::ops::{Add, Mul, Sub};

/// A point or a vector, in millimetres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub x: f64,
    pub y: f64,
}

pub(crate) fn point(x: f64, y: f64) -> Point {
    Point { x, y }
}

impl Add for Point {
    type Output = Point;
    fn add(self, other: Point) -> Point {
        point(self.x + other.x, self.y + other.y)
    }
}

impl Sub for Point {
    type Output = Point;
    fn sub(self, other: Point) -> Point {
        point(self.x - other.x, self.y - other.y)
    }
}

impl Mul<f64> for Point {
    type Output = Point;
    fn mul(self, factor: f64) -> Point {
        point(self.x * factor, self.y * factor)
    }
}

impl Point {
    pub fn dot(self, other: Point) -> f64 {
        self.x * other.x + self.y * other.y
    }

    pub fn length(self) -> f64 {
        self.dot(self).sqrt()
    }
}

/// The frame of a bone: where it is, where its front is, where its top is. `front` and `up` are unit vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoneFrame {
    pub origin: Point,
    pub front: Point,
    pub up: Point,
    lean: f64,
}

impl BoneFrame {
    /// A frame that leans forward by `lean` radians.
    pub fn leaning(origin: Point, lean: f64) -> Self {
        let (sin, cos) = lean.sin_cos();
        Self { origin, front: point(-cos, sin), up: point(-sin, -cos), lean }
    }

    /// The point `a` in front of the origin and `u` above it.
    pub fn at(&self, a: f64, u: f64) -> Point {
        self.origin + self.front * a + self.up * u
    }

    /// This frame displaced by (`a`, `u`) and then bent forward by `angle`.
    pub fn moved(&self, a: f64, u: f64, angle: f64) -> Self {
        Self::leaning(self.at(a, u), self.lean + angle)
    }

    /// This frame displaced in the world, as the left or right copy of a paired bone is in an oblique view.
    pub fn shifted(&self, by: Point) -> Self {
        Self { origin: self.origin + by, ..*self }
    }
}

/// The border of a solid as the ray direction sees it.
#[derive(Clone, Debug)]
pub(crate) enum Outline {
    /// A simple polygon, grown by `radius` all round: the corners become arcs.
    Polygon { points: Vec<Point>, radius: f64 },
    /// Two discs and what lies between them.
    Capsule { ends: [Point; 2], radii: [f64; 2] },
    /// An ellipse along the axes of `frame`: `semi` = half its length along front and along up.
    Ellipse { frame: BoneFrame, semi: [f64; 2] },
}

impl Outline {
    /// How deep `p` lies inside the outline, in millimetres; negative outside.
    pub fn depth(&self, p: Point) -> f64 {
        match self {
            Self::Polygon { points, radius } => radius - polygon_distance(points, p),
            Self::Capsule { ends: [a, b], radii: [ra, rb] } => {
                let axis = *b - *a;
                let t = ((p - *a).dot(axis) / axis.dot(axis).max(1e-9)).clamp(0.0, 1.0);
                ra + (rb - ra) * t - (p - *a - axis * t).length()
            }
            Self::Ellipse { frame, semi: [a, b] } => {
                let d = p - frame.origin;
                let rho = point(d.dot(frame.front) / a, d.dot(frame.up) / b).length();
                (1.0 - rho) * a.min(*b)
            }
        }
    }

    /// The corners of an axis-parallel box that holds the outline.
    pub fn bounds(&self) -> [Point; 2] {
        let (points, margin): (&[Point], f64) = match self {
            Self::Polygon { points, radius } => (points, *radius),
            Self::Capsule { ends, radii } => (ends, radii[0].max(radii[1])),
            Self::Ellipse { frame, semi } => (&[frame.origin], semi[0].max(semi[1])),
        };
        let (mut low, mut high) = (points[0], points[0]);
        for p in points {
            low = point(low.x.min(p.x), low.y.min(p.y));
            high = point(high.x.max(p.x), high.y.max(p.y));
        }
        let margin = point(margin, margin);
        [low - margin, high + margin]
    }
}

/// Signed distance to a simple polygon, negative inside: the nearest edge, and the parity of crossed edges.
fn polygon_distance(points: &[Point], p: Point) -> f64 {
    let mut nearest = f64::INFINITY;
    let mut inside = false;
    let mut a = points[points.len() - 1];
    for &b in points {
        let (edge, to) = (b - a, p - a);
        let t = (to.dot(edge) / edge.dot(edge).max(1e-9)).clamp(0.0, 1.0);
        let away = to - edge * t;
        nearest = nearest.min(away.dot(away));
        if (a.y > p.y) != (b.y > p.y) && to.x < edge.x * to.y / edge.y {
            inside = !inside;
        }
        a = b;
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_the_distance_to_the_border() {
        let square = vec![point(-5.0, -5.0), point(5.0, -5.0), point(5.0, 5.0), point(-5.0, 5.0)];
        let square = Outline::Polygon { points: square, radius: 1.0 };
        assert!((square.depth(point(0.0, 0.0)) - 6.0).abs() < 1e-12);
        assert!((square.depth(point(8.0, 0.0)) + 2.0).abs() < 1e-12);
        assert!((square.depth(point(8.0, 9.0)) + 4.0).abs() < 1e-12);
        let capsule = Outline::Capsule { ends: [point(0.0, 0.0), point(10.0, 0.0)], radii: [2.0, 4.0] };
        assert!((capsule.depth(point(5.0, 1.0)) - 2.0).abs() < 1e-12);
        let frame = BoneFrame::leaning(point(1.0, 1.0), 0.3);
        let disc = Outline::Ellipse { frame, semi: [3.0, 3.0] };
        assert!((disc.depth(point(1.0, 3.0)) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn bounds_hold_every_inner_point() {
        let frame = BoneFrame::leaning(point(2.0, -1.0), 0.7);
        let outline = Outline::Ellipse { frame, semi: [9.0, 4.0] };
        let [low, high] = outline.bounds();
        for i in 0..10_000 {
            let p = point(f64::from(i % 100) * 0.3 - 15.0, f64::from(i / 100) * 0.3 - 15.0);
            let within = p.x >= low.x && p.x <= high.x && p.y >= low.y && p.y <= high.y;
            assert!(within || outline.depth(p) < 0.0);
        }
    }
}
