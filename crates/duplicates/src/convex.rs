//! The convex hull of marked pixels, row by row.
//!
//! Whatever a turn, a shift, a shear or a perspective left of a picture is convex, so what such a map filled in lies
//! outside of the hull of the rest. What is white within the hull, or black, is a part of the picture.

/// Marks in rows of `width` pixels what lies within the hull of the `marked` ones.
pub(crate) fn hull(marked: &[bool], width: usize) -> Vec<bool> {
    let ends = marked.chunks_exact(width).enumerate().filter_map(|(y, row)| {
        let (left, right) = (row.iter().position(|&m| m)?, row.iter().rposition(|&m| m)?);
        Some((y as i64, left as i64, right as i64))
    });
    let ends: Vec<(i64, i64, i64)> = ends.collect();
    let mut within = vec![false; marked.len()];
    let left = envelope(ends.iter().map(|&(y, left, _)| (y, left)));
    let right = envelope(ends.iter().map(|&(y, _, right)| (y, -right)));
    for ((y, left), (_, right)) in left.into_iter().zip(right) {
        within[y as usize * width..][left as usize..=-right as usize].fill(true);
    }
    within
}

/// The largest convex function that is nowhere above the `points`, whose places rise, at every place from the first to
/// the last, rounded down.
fn envelope(points: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut chain: Vec<(i64, i64)> = Vec::new();
    for p in points {
        // The chain turns one way (Andrew 1979).
        while let [.., a, b] = chain[..]
            && (b.0 - a.0) * (p.1 - a.1) <= (b.1 - a.1) * (p.0 - a.0)
        {
            chain.pop();
        }
        chain.push(p);
    }
    let mut at: Vec<(i64, i64)> = chain.first().copied().into_iter().collect();
    for pair in chain.windows(2) {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        at.extend((from + 1..=to).map(|i| (i, low + ((i - from) * (high - low)).div_euclid(to - from))));
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hull_of(picture: &str) -> String {
        let rows: Vec<&str> = picture.split_whitespace().collect();
        let marked: Vec<bool> = rows.iter().flat_map(|row| row.bytes().map(|b| b == b'#')).collect();
        let hull = hull(&marked, rows[0].len());
        let line = |row: &[bool]| row.iter().map(|&m| if m { '#' } else { '.' }).collect::<String>();
        hull.chunks_exact(rows[0].len()).map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn holes_and_bays_are_within_the_hull_and_corners_are_not() {
        assert_eq!(hull_of("..#.. .#.#. #...# .#.#. ..#.."), "..#.. .###. ##### .###. ..#..");
        assert_eq!(hull_of("##.## #...# ##.##"), "##### ##### #####");
        assert_eq!(hull_of("..... .#... ..... .#.#. ....."), "..... .#... .##.. .###. .....");
        assert_eq!(hull_of("... ..."), "... ...");
        assert_eq!(hull_of("#..... ...... .....#"), "#..... ..##.. .....#");
    }
}
