//! Two pictures of one thing seen at another angle: a photograph of a film, or a random change of perspective.
//!
//! No affine map lays one on the other, but a projective one does (Hartley and Zisserman 2004, section 2.4). Its two
//! more unknowns are found after the others and as they are ([`crate::refine`]), and the second picture is drawn anew
//! as it lies on the first, so that all that judges an alignment need not know. Two numbers for a whole picture turn no
//! slice into the next.

use std::borrow::Cow;

use crate::alignment::Alignment;
use crate::detail::{Map, byte};
use crate::maps::Maps;
use crate::refine::{AFFINE, Term, normal_equations, solve};

/// Perspectives beyond this are an alignment that went astray: an edge would be seen from half as far again as the
/// middle.
const FAR: f32 = 0.6;

/// So much more of the coarse detail must agree before the finer is looked at.
const GAIN: f32 = 0.02;

/// An alignment of the first picture as it is seen at another angle: its place `(u, v)` is `(u, v) / (1 + g u + h v)`
/// there, `bend` being `[g, h]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bent {
    pub alignment: Alignment,
    bend: [f32; 2],
}

impl Bent {
    /// The projective map near an affine one under which the maps of the two pictures agree best; `None` if it is no
    /// better.
    pub fn fit(alignment: Alignment, [one, two]: [&Maps; 2]) -> Option<Self> {
        let [quarter, half] = [2, 1].map(|level| (one.level(level), two.level(level)));
        let bent = Self { alignment, bend: [0.0; 2] }.refine(quarter, 5)?;
        // Of most pairs this is the end: it costs a sixteenth of what follows.
        let correlation =
            |alignment: Alignment, two: Map| alignment.agreement(quarter.0, two, false).correlation;
        let (straight, drawn) = (correlation(alignment, quarter.1), bent.drawn(quarter.1));
        if correlation(Alignment::IDENTITY, Map::new(quarter.0.side, &drawn)) < straight + GAIN {
            return None;
        }
        bent.refine(half, 3)
    }

    /// Improves it on one level, as long as the maps tell where to; `None` if it went astray.
    fn refine(mut self, (a, b): (Map, Map), steps: usize) -> Option<Self> {
        for _ in 0..steps {
            let Some(next) = self.step(a, b) else { break };
            if next.bend.iter().any(|bend| bend.abs() > FAR) {
                return None;
            }
            self = next;
        }
        Some(self)
    }

    /// The part of the first picture that the second, whose map this is, reaches.
    pub fn overlap(&self, map: Map) -> f32 {
        self.values(map).iter().filter(|value| !value.is_nan()).count() as f32 / (map.side * map.side) as f32
    }

    /// The maps of the second picture as they lie on the first; 0 where they do not reach, and of its sign.
    pub fn draw(&self, two: &Maps) -> Maps<'static> {
        let levels = (0..Maps::LEVELS).flat_map(|level| self.drawn(two.level(level)));
        Maps::new(Cow::Owned(levels.collect()))
    }

    /// One of these maps.
    pub fn drawn(&self, map: Map) -> Vec<u8> {
        self.values(map).into_iter().map(|value| if value.is_nan() { 0 } else { byte(value) }).collect()
    }

    /// What the second picture's map has at each pixel of the first; NaN outside.
    fn values(&self, map: Map) -> Vec<f32> {
        let side = map.side;
        let (size, middle, sign) = (side as f32, 0.5 * (side as f32 - 1.0), self.alignment.sign());
        let mut values = Vec::with_capacity(side * side);
        let mut places = vec![[0.0_f32; 2]; side];
        for y in 0..side {
            let v = (y as f32 - middle) / size;
            // Places first: a division is fast where several are done at once.
            for (x, place) in places.iter_mut().enumerate() {
                let u = (x as f32 - middle) / size;
                let nearer = 1.0 / (1.0 + self.bend[0] * u + self.bend[1] * v);
                *place = self.alignment.place([u * nearer, v * nearer]).map(|at| at * size + middle);
            }
            values.extend(places.iter().map(|&[x, y]| map.at(x, y).map_or(f32::NAN, |value| sign * value)));
        }
        values
    }

    /// A Gauss-Newton step on one level; `None` where the maps do not tell one. It is approximate: the changes of the
    /// perspective are added, though they would have to be chained as the affine ones are. What that leaves is of
    /// second order, and the next step takes it away.
    fn step(mut self, a: Map, b: Map) -> Option<Self> {
        /// Those of an affine change, then of the perspective, for which what lies at `u` moves by `-u u` and `-u v`.
        const TERMS: [&[Term]; 8] = {
            let [p, q, x, r, s, y] = AFFINE;
            [p, q, x, r, s, y, &[(0, 2, 0), (1, 1, 1)], &[(0, 1, 1), (1, 0, 2)]]
        };
        let equations = normal_equations::<8, 9, 5>(a, &self.values(b), TERMS);
        let [p, q, x, r, s, y, g, h] = solve(equations)?;
        let size = a.side as f32;
        self.alignment = self.alignment.after([p, q, x / size, r, s, y / size]);
        // Places were in pixels.
        self.bend = [self.bend[0] - g * size, self.bend[1] - h * size];
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SIDE;
    use crate::detail::blur;
    use engine::Rng;

    /// Maps that lie everywhere, of one picture at each size.
    fn maps() -> Maps<'static> {
        let mut bytes = vec![];
        for level in 0..Maps::LEVELS {
            let side = SIDE >> (level % 4);
            let mut rng = Rng::derive(&[1]);
            let noise: Vec<f32> = (0..SIDE * SIDE).map(|_| 200.0 * rng.normal() as f32).collect();
            let smooth = blur(&noise, SIDE, 4.0);
            let scale = SIDE / side;
            let value = |at: usize| smooth[at / side * scale * SIDE + at % side * scale];
            let byte = |at: usize| ((value(at).clamp(-60.0, 60.0) as i8) | 1) as u8;
            bytes.extend((0..side * side).map(byte));
        }
        Maps::new(Cow::Owned(bytes))
    }

    #[test]
    fn a_change_of_perspective_is_found() {
        let picture = maps();
        let seen =
            Bent { alignment: Alignment::new([1.02, 0.03, 0.01, -0.02, 0.98, -0.02]), bend: [0.12, -0.2] };
        // As the first picture, what the map makes of the second.
        let first = seen.draw(&picture);
        let found = Bent::fit(Alignment::IDENTITY, [&first, &picture]).unwrap();
        for (found, expected) in found.bend.iter().zip(seen.bend) {
            assert!((found - expected).abs() < 0.01, "{found:?}, expected {expected:?}");
        }
        for place in [[-0.4, -0.4], [0.4, -0.3], [0.1, 0.35]] {
            let [found, expected] = [found.alignment, seen.alignment].map(|map| map.place(place));
            assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 0.005), "{found:?} {expected:?}");
        }
        let alike =
            |two: &Maps| Alignment::IDENTITY.agreement(first.level(1), two.level(1), false).correlation;
        let [straight, bent] = [alike(&picture), alike(&found.draw(&picture))];
        assert!(straight < 0.7 && bent > 0.99, "{straight} {bent}");
    }

    #[test]
    fn what_has_no_detail_has_no_perspective() {
        let empty = Maps::new(Cow::Owned(vec![0; Maps::BYTES]));
        assert!(Bent::fit(Alignment::IDENTITY, [&empty, &empty]).is_none());
    }
}
