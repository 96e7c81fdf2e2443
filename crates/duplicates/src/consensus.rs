//! An alignment on which many small parts of two pictures agree.
//!
//! Where the whole of one picture is a part of the other, or was zoomed more along one side than the other, no pair of
//! discs alone begins near enough. But places of blobs that look alike lie in both pictures as one affine map has them
//! (random sample consensus, Fischler and Bolles 1981; here of all pairs of likely matches, so nothing is drawn).

use crate::alignment::Alignment;
use crate::describe::Descriptors;
use crate::refine::solve;
use crate::whiten::cosine;

/// Matches looked at: for each blob those most alike, and of all of these the best.
const EACH: usize = 2;
const MATCHES: usize = 48;
/// How far from its place under a similarity, and then under an affine map, a match may lie, as a part of the side.
const NEAR: f32 = 0.06;
const NEARER: f32 = 0.035;
/// By which factor the radii of two blobs may differ from the scale.
const RADII: f32 = 1.6;
/// The least and the largest scale.
const SCALES: [f32; 2] = [0.45, 2.2];
/// Blobs nearer to each other than this say too little of a turn.
const APART: f32 = 0.12;
/// Matches that agree, at least: fewer do by chance.
const AGREE: usize = 6;

/// A blob of each picture that look alike.
#[derive(Clone, Copy)]
struct Match {
    blobs: [usize; 2],
    from: [f32; 2],
    to: [f32; 2],
    /// The radius of the second beside the first.
    scale: f32,
}

/// The blobs of two pictures that are most alike.
fn matches(one: &Descriptors, two: &Descriptors) -> Vec<Match> {
    let mut found: Vec<(f32, usize, usize)> = Vec::with_capacity(MATCHES + 1);
    for (i, (_, vector)) in one.points.iter().enumerate() {
        let mut alike = [(f32::MIN, i, 0); EACH];
        for (j, (_, other)) in two.points.iter().enumerate() {
            let next = (cosine(vector, other), i, j);
            if let Some(place) = alike.iter().position(|known| next.0 > known.0) {
                alike[place..].rotate_right(1);
                alike[place] = next;
            }
        }
        for &next in &alike[..EACH.min(two.points.len())] {
            let place = found.partition_point(|better| better.0 >= next.0);
            if place < MATCHES {
                found.insert(place, next);
                found.truncate(MATCHES);
            }
        }
    }
    let of = |(_, i, j): (f32, usize, usize)| {
        let (a, b) = (one.points[i].0, two.points[j].0);
        Match { blobs: [i, j], from: [a.x, a.y], to: [b.x, b.y], scale: b.radius / a.radius }
    };
    found.into_iter().map(of).collect()
}

/// The matches that lie as `alignment` has them.
fn agreeing<'a>(
    matches: &'a [Match],
    alignment: &Alignment,
    near: f32,
) -> impl Iterator<Item = &'a Match> + use<'a> {
    let (alignment, scale) = (*alignment, alignment.scale());
    matches.iter().filter(move |m| {
        let [x, y] = alignment.place(m.from);
        let (x, y) = (x - m.to[0], y - m.to[1]);
        x * x + y * y <= near * near && (1.0 / RADII..RADII).contains(&(m.scale / scale))
    })
}

/// How many blobs are among `matches`, in the picture that has fewer.
fn count<'a>(matches: impl Iterator<Item = &'a Match>) -> usize {
    let blobs = matches.fold([0_u64; 2], |[a, b], m| [a | 1 << m.blobs[0], b | 1 << m.blobs[1]]);
    blobs.map(|set| set.count_ones() as usize).into_iter().min().unwrap_or(0)
}

/// The similarity, perhaps with a mirror, under which two matches lie exactly right; `None` if it is a bad one.
fn similarity(one: &Match, two: &Match, mirrored: bool) -> Option<Alignment> {
    let way = |a: [f32; 2], b: [f32; 2]| [b[0] - a[0], b[1] - a[1]];
    let ([x, y], [u, v]) = (way(one.from, two.from), way(one.to, two.to));
    let (square, length) = (x * x + y * y, x.hypot(y));
    let scale = u.hypot(v) / length.max(f32::MIN_POSITIVE);
    let fits = |m: &Match| (1.0 / RADII..RADII).contains(&(m.scale / scale));
    if length < APART || !(SCALES[0]..SCALES[1]).contains(&scale) || !fits(one) || !fits(two) {
        return None;
    }
    // The quotient of the two ways as complex numbers, of which the first is turned over for a mirror.
    let y = if mirrored { -y } else { y };
    let (c, s) = ((u * x + v * y) / square, (v * x - u * y) / square);
    let [a, b, d, e] = if mirrored { [c, s, s, -c] } else { [c, -s, s, c] };
    let [x, y] = one.from;
    Some(Alignment::new([a, b, one.to[0] - a * x - b * y, d, e, one.to[1] - d * x - e * y]))
}

/// The affine map that fits matches best.
fn fit<'a>(matches: impl Iterator<Item = &'a Match>) -> Option<Alignment> {
    /// In units in which a place is not small.
    const UNIT: f32 = 100.0;
    let mut sums = [[0.0_f32; 5]; 3];
    for m in matches {
        let terms = [UNIT * m.from[0], UNIT * m.from[1], 1.0];
        for (row, a) in sums.iter_mut().zip(terms) {
            let right = [terms[0], terms[1], terms[2], UNIT * m.to[0], UNIT * m.to[1]];
            row.iter_mut().zip(right).for_each(|(sum, b)| *sum += a * b);
        }
    }
    let of = |side: usize| solve(sums.map(|[a, b, c, x, y]| [a, b, c, [x, y][side]]));
    let ([a, b, x], [c, d, y]) = (of(0)?, of(1)?);
    Some(Alignment::new([a, b, x / UNIT, c, d, y / UNIT]))
}

/// How the second picture lies on the first as most of their blobs have it, if enough have; and how many have.
pub(crate) fn consensus(one: &Descriptors, two: &Descriptors) -> Option<(usize, Alignment)> {
    /// Similarities that are looked at more closely.
    const CLOSER: usize = 4;
    let matches = matches(one, two);
    let mut best: Vec<(usize, Alignment)> = Vec::with_capacity(CLOSER + 1);
    for (i, first) in matches.iter().enumerate() {
        for second in &matches[i + 1..] {
            for similarity in
                [false, true].into_iter().filter_map(|mirrored| similarity(first, second, mirrored))
            {
                let count = count(agreeing(&matches, &similarity, NEAR));
                let least = if best.len() < CLOSER { AGREE - 1 } else { best[CLOSER - 1].0 };
                if count > least {
                    let place = best.partition_point(|better| better.0 >= count);
                    best.insert(place, (count, similarity));
                    best.truncate(CLOSER);
                }
            }
        }
    }
    let fitted = best.into_iter().filter_map(|(_, mut alignment)| {
        let mut agree = 0;
        for near in [NEAR, NEARER, NEARER] {
            agree = count(agreeing(&matches, &alignment, near));
            alignment = fit(agreeing(&matches, &alignment, near)).filter(|_| agree >= AGREE)?;
        }
        Some((agree, alignment))
    });
    fitted.fold(None, |best: Option<(usize, Alignment)>, next| match best {
        Some(best) if best.0 >= next.0 => Some(best),
        _ => Some(next),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disc::Disc;
    use crate::whiten::{DIMS, Vector};
    use engine::Rng;

    fn picture(points: Vec<(Disc, Vector)>) -> Descriptors {
        Descriptors { discs: vec![], vectors: vec![], points, whole: [0; DIMS], roughness: 0.0 }
    }

    fn blob(rng: &mut Rng) -> (Disc, Vector) {
        let [x, y] = [0; 2].map(|_| rng.range(-0.45, 0.45) as f32);
        let vector = [0; DIMS].map(|_| rng.range(-40.0, 40.0) as i8);
        (Disc { x, y, radius: rng.range(0.05, 0.08) as f32, aspect: [1.0; 2] }, vector)
    }

    /// The blobs of a picture as another shows them under `map`, which leaves out most and has as many of its own.
    fn shown(picture: &Descriptors, map: [f32; 6], left: usize, rng: &mut Rng) -> Descriptors {
        let map = Alignment::new(map);
        let mut points: Vec<(Disc, Vector)> = picture.points[..left].to_vec();
        for (disc, vector) in &mut points {
            let [x, y] = map.place([disc.x, disc.y]);
            *disc = Disc { x, y, radius: disc.radius * map.scale(), ..*disc };
            vector.iter_mut().for_each(|v| *v += rng.range(-12.0, 12.0) as i8);
        }
        points.extend((left..picture.points.len()).map(|_| blob(rng)));
        self::picture(points)
    }

    #[test]
    fn an_affine_map_is_found_among_blobs_of_which_most_are_others() {
        let mut rng = Rng::derive(&[5]);
        // A turn with a mirror; a cut-out; one side zoomed more than the other.
        let maps = [
            [0.8, 0.6, 0.02, 0.6, -0.8, -0.01],
            [1.5, 0.0, 0.2, 0.0, 1.5, -0.15],
            [1.2, 0.1, 0.1, -0.1, 0.85, 0.05],
        ];
        for map in maps {
            let one = picture((0..40).map(|_| blob(&mut rng)).collect());
            let two = shown(&one, map, 12, &mut rng);
            let (_, found) = consensus(&one, &two).expect("an alignment");
            for place in [[-0.4, -0.4], [0.4, -0.3], [0.1, 0.4]] {
                let ([x, y], [u, v]) = (found.place(place), Alignment::new(map).place(place));
                // Three pixels of the map on which it is improved then.
                assert!((x - u).hypot(y - v) < 3.0 / 56.0, "{map:?}: {x} {y}, not {u} {v}");
            }
        }
    }

    #[test]
    fn strangers_seldom_agree() {
        let mut rng = Rng::derive(&[6]);
        let mut agree = || {
            let [one, two] = [0; 2].map(|_| picture((0..40).map(|_| blob(&mut rng)).collect()));
            consensus(&one, &two).is_some()
        };
        let count = (0..100).filter(|_| agree()).count();
        assert!(count < 25, "{count}");
        assert!(consensus(&picture(vec![]), &picture(vec![])).is_none());
    }
}
