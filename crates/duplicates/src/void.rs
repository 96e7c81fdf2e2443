//! What of a picture is no picture: black or white bars, frames, the corners that a turn leaves, and boxes.
//!
//! Their edges are strong and lie elsewhere in every copy, so bars and frames are cut off before anything is measured,
//! and what remains at the border is filled in smoothly and marked, so that nothing is compared there.

use crate::SIDE;
use crate::beside::beside;
use crate::boxes::boxes;
use crate::convex::hull;

/// How far the values of a row may lie apart that belongs to a bar.
const EVEN: f32 = 12.0;
/// Up to this mean of three by three pixels a place is black, and from 255 less this on white.
const EMPTY: f32 = 9.0;
/// Less of the picture than this that is black, or of one gray, is ignored.
const LEAST_EMPTY: usize = SIDE * SIDE / 50;
/// The least share of a side, and of the area, that must remain.
const LEAST_SIDE: f64 = 0.3;
const LEAST_AREA: f64 = 0.12;

/// The part of `gray: [height, width]` inside of those rows and columns at its edges of which `is_even` accepts the
/// least and the largest value: first column and row, then columns and rows. `None` if all rows, or all columns, are
/// so.
pub fn inside_even_edges(
    gray: &[f32],
    (height, width): (usize, usize),
    is_even: impl Fn(f32, f32) -> bool,
) -> Option<[usize; 4]> {
    let even = |values: &mut dyn Iterator<Item = f32>| {
        let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
        is_even(low, high)
    };
    let row = |y: &usize| even(&mut gray[y * width..(y + 1) * width].iter().copied());
    let column = |x: &usize| even(&mut gray[*x..].iter().step_by(width).copied());
    let (top, left) = ((0..height).take_while(row).count(), (0..width).take_while(column).count());
    if top == height || left == width {
        return None;
    }
    let bottom = (0..height).rev().take_while(row).count();
    let right = (0..width).rev().take_while(column).count();
    Some([left, top, width - left - right, height - top - bottom])
}

/// The part of `gray: [height, width]` inside of even bars at its edges: first column and row, then columns and rows.
pub(crate) fn inside(gray: &[f32], (height, width): (usize, usize)) -> [usize; 4] {
    // Bars are black or white; a smooth subject may be even.
    let is_bar = |low: f32, high: f32| high - low <= EVEN && (low <= EMPTY || high >= 255.0 - EMPTY);
    let enough = |part: usize, whole: usize| part as f64 >= LEAST_SIDE * whole as f64;
    inside_even_edges(gray, (height, width), is_bar)
        .filter(|&[_, _, columns, rows]| enough(columns, width) && enough(rows, height))
        .unwrap_or([0, 0, width, height])
}

/// Marks in `shown: [SIDE, SIDE]`, true where the image lies, what has the colour of the ground (white, if most of the border
/// has, else black) and reaches its border; of the other colour what reaches a corner, outside of the convex hull of the
/// rest; and what is of one even gray at the border, as black is once a copy was made brighter.
pub(crate) fn hide_corners(pixels: &[u8], shown: &mut [bool]) {
    let mean = means(pixels);
    let mut empty = vec![false; SIDE * SIDE];
    let is_black = |i: usize| mean[i] <= EMPTY;
    let is_white = |i: usize| mean[i] >= 255.0 - EMPTY;
    let is_negative = 2 * border(shown).filter(|&i| is_white(i)).count() > border(shown).count();
    for (is_empty, is_ground) in
        [(&is_black as &dyn Fn(usize) -> bool, !is_negative), (&is_white, is_negative)]
    {
        if is_ground {
            spread(border(shown).collect(), shown, &mut empty, is_empty);
            continue;
        }
        // Of the other the image may be as well: what is white in a bright copy and reaches the border, even a corner.
        let mut other = vec![false; SIDE * SIDE];
        spread(corners(shown), shown, &mut other, is_empty);
        keep_outside(&mut other, shown);
        empty.iter_mut().zip(other).for_each(|(empty, other)| *empty |= other);
    }
    hide(&empty, shown);
    // What is gray beside black is no black that became gray, but JPEG leaves some black in that.
    if empty.iter().filter(|&&empty| empty).count() < LEAST_EMPTY
        && let Some(even) = even(pixels, &mean, shown)
    {
        hide(&even, shown);
    }
    hide(&boxes(pixels, shown), shown);
}

/// The corners of the rectangle of what is `shown`, of which nothing is hidden yet.
fn corners(shown: &[bool]) -> Vec<usize> {
    let (Some(first), Some(last)) = (shown.iter().position(|&s| s), shown.iter().rposition(|&s| s)) else {
        return Vec::new();
    };
    let ([left, top], [right, bottom]) = ([first % SIDE, first / SIDE], [last % SIDE, last / SIDE]);
    [(left, top), (right, top), (left, bottom), (right, bottom)].map(|(x, y)| y * SIDE + x).to_vec()
}

/// Where `shown` pixels lie beside what is not.
fn border(shown: &[bool]) -> impl Iterator<Item = usize> {
    let at_border = |i: usize| {
        let (x, y) = (i % SIDE, i / SIDE);
        let beside = [i.wrapping_sub(1), i + 1, i.wrapping_sub(SIDE), i + SIDE];
        x == 0 || y == 0 || x == SIDE - 1 || y == SIDE - 1 || beside.iter().any(|&j| !shown[j])
    };
    (0..SIDE * SIDE).filter(move |&i| shown[i] && at_border(i))
}

/// Marks in `empty` what of the `shown` `is_empty`, from these pixels on.
fn spread(from: Vec<usize>, shown: &[bool], empty: &mut [bool], is_empty: &dyn Fn(usize) -> bool) {
    let mut stack: Vec<usize> = from.into_iter().filter(|&i| is_empty(i) && !empty[i]).collect();
    stack.iter().for_each(|&i| empty[i] = true);
    while let Some(i) = stack.pop() {
        for j in beside(i) {
            if shown[j] && !empty[j] && is_empty(j) {
                empty[j] = true;
                stack.push(j);
            }
        }
    }
}

/// Takes from `empty` what lies within the convex hull of the rest of the `shown`: nothing that a turn or another map
/// filled in does.
fn keep_outside(empty: &mut [bool], shown: &[bool]) {
    let rest: Vec<bool> = shown.iter().zip(&*empty).map(|(&shown, &empty)| shown && !empty).collect();
    empty.iter_mut().zip(hull(&rest, SIDE)).for_each(|(empty, within)| *empty &= !within);
}

/// What is of the gray that is most common at the border of the `shown`. If hardly anything is darker, it was black, with
/// its noise, before a copy was made brighter. If not, it must be as even as only a program fills; and unless most of the
/// border is so, a part of the image may have become one gray, so it is only what is outside of the rest.
fn even(pixels: &[u8], mean: &[f32], shown: &[bool]) -> Option<Vec<bool>> {
    /// How far from the gray the mean may lie, and most pixels themselves, of what was black and of a filling; and how many
    /// are most.
    const BLACK: (f32, u8) = (6.0, 5);
    const FILLED: (f32, u8) = (3.0, 1);
    const MOST: f32 = 0.8;
    /// A shade goes on where black ends: how much more gray is tried, and how many times as large what is found may be.
    const EDGE: f32 = 1.5;
    const WIDENS: f32 = 1.1;
    /// The share of what is shown that may be darker than black.
    const DARKER: f32 = 0.02;
    let mut common = [0; 256];
    border(shown).for_each(|i| common[usize::from(pixels[i])] += 1);
    let gray = (0..=u8::MAX).max_by_key(|&gray| common[usize::from(gray)])?;
    let share = |is: &dyn Fn(usize) -> bool, of: &[bool]| {
        let all = || (0..SIDE * SIDE).filter(|&i| of[i]);
        all().filter(|&i| is(i)).count() as f32 / all().count().max(1) as f32
    };
    let was_black = share(&|i| mean[i] < f32::from(gray) - BLACK.0, shown) <= DARKER;
    let (near, nearer) = if was_black { BLACK } else { FILLED };
    let within = |near: f32| {
        let mut even = vec![false; SIDE * SIDE];
        spread(border(shown).collect(), shown, &mut even, &|i| (mean[i] - f32::from(gray)).abs() <= near);
        even
    };
    let area = |part: &[bool]| part.iter().filter(|&&within| within).count();
    let mut even = within(near);
    let is_even = share(&|i| pixels[i].abs_diff(gray) <= nearer, &even) >= MOST;
    let is_shade = || was_black && area(&within(EDGE * near)) as f32 > WIDENS * area(&even) as f32;
    if !is_even || area(&even) < LEAST_EMPTY || is_shade() {
        return None;
    }
    if !was_black && 2 * border(shown).filter(|&i| even[i]).count() <= border(shown).count() {
        keep_outside(&mut even, shown);
    }
    Some(even)
}

/// Takes what is `empty` from the `shown`, if enough is left.
fn hide(empty: &[bool], shown: &mut [bool]) {
    let before = shown.iter().filter(|&&shown| shown).count();
    // The edge itself, which the mean and an interpolation have widened, goes too.
    const WIDER: usize = 2;
    let wide = widen(empty, WIDER);
    let left = shown.iter().zip(&wide).filter(|&(&shown, &wide)| shown && !wide).count();
    if left as f64 >= LEAST_AREA * before as f64 {
        shown.iter_mut().zip(wide).for_each(|(shown, wide)| *shown &= !wide);
    }
}

/// The mean of the three by three pixels around each.
fn means(pixels: &[u8]) -> Vec<f32> {
    let near = |at: usize| [at.saturating_sub(1), at, (at + 1).min(SIDE - 1)];
    let mut across = vec![0.0; SIDE * SIDE];
    for (row, out) in pixels.chunks_exact(SIDE).zip(across.chunks_exact_mut(SIDE)) {
        for (x, out) in out.iter_mut().enumerate() {
            *out = near(x).iter().map(|&x| f32::from(row[x])).sum::<f32>();
        }
    }
    let down = |i: usize| near(i / SIDE).iter().map(|&y| across[y * SIDE + i % SIDE]).sum::<f32>() / 9.0;
    (0..SIDE * SIDE).map(down).collect()
}

/// Whatever lies within `reach` columns and rows of what is marked.
fn widen(marked: &[bool], reach: usize) -> Vec<bool> {
    let along = |marked: &[bool], step: usize, place: fn(usize) -> usize| -> Vec<bool> {
        let near = |i: usize| {
            let (back, on) = (place(i).min(reach), (SIDE - 1 - place(i)).min(reach));
            (i - back * step..=i + on * step).step_by(step).any(|j| marked[j])
        };
        (0..SIDE * SIDE).map(near).collect()
    };
    along(&along(marked, 1, |i| i % SIDE), SIDE, |i| i / SIDE)
}

/// Fills `gray: [side, side]` where nothing is shown with what lies around it, coarsely.
pub(crate) fn fill(gray: &mut [f32], shown: &[bool], side: usize) {
    if shown.iter().all(|&shown| shown) || !shown.contains(&true) {
        return;
    }
    let half = side / 2;
    if side % 2 == 1 || half == 0 {
        let all = gray.iter().zip(shown).filter(|&(_, &shown)| shown);
        let mean = all.clone().map(|(v, _)| v).sum::<f32>() / all.count() as f32;
        gray.iter_mut().zip(shown).filter(|&(_, &shown)| !shown).for_each(|(v, _)| *v = mean);
        return;
    }
    let four = |i: usize| {
        let first = i / half * 2 * side + i % half * 2;
        [first, first + 1, first + side, first + side + 1]
    };
    let small_shown: Vec<bool> = (0..half * half).map(|i| four(i).iter().any(|&j| shown[j])).collect();
    let mean = |i: usize| {
        let seen: Vec<f32> = four(i).into_iter().filter(|&j| shown[j]).map(|j| gray[j]).collect();
        seen.iter().sum::<f32>() / seen.len().max(1) as f32
    };
    let mut small: Vec<f32> = (0..half * half).map(mean).collect();
    fill(&mut small, &small_shown, half);
    for i in 0..half * half {
        for j in four(i).into_iter().filter(|&j| !shown[j]) {
            gray[j] = small[i];
        }
    }
}

/// Where all four of two by two pixels are shown.
pub(crate) fn halve_shown(shown: &[bool], side: usize) -> Vec<bool> {
    let half = side / 2;
    let all = |i: usize| {
        let first = i / half * 2 * side + i % half * 2;
        shown[first] && shown[first + 1] && shown[first + side] && shown[first + side + 1]
    };
    (0..half * half).map(all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_cut_off_and_a_dark_subject_is_not() {
        let size = (50, 100);
        let framed: Vec<f32> = (0..5000)
            .map(|i| {
                if (10..90).contains(&(i % 100)) && (5..45).contains(&(i / 100)) {
                    (i % 97) as f32
                } else {
                    2.0
                }
            })
            .collect();
        assert_eq!(inside(&framed, size), [10, 5, 80, 40]);
        for value in [0.0, 100.0] {
            assert_eq!(inside(&[value; 5000], size), [0, 0, 100, 50]);
        }
        // Stripes of black and white: every column, or every row, could be a bar.
        let stripes = |place: fn(usize) -> usize| -> Vec<f32> {
            (0..5000).map(|i| (place(i) / 10 % 2 * 255) as f32).collect()
        };
        for striped in [stripes(|i| i % 100), stripes(|i| i / 100)] {
            assert_eq!(inside(&striped, size), [0, 0, 100, 50]);
        }
    }

    #[test]
    fn black_corners_are_hidden_and_black_within_is_not() {
        let is_corner = |i: usize| i % SIDE + i / SIDE < 60;
        // Round, for a box is hidden wherever it lies.
        let is_within = |i: usize| (i % SIDE).abs_diff(110).pow(2) + (i / SIDE).abs_diff(110).pow(2) < 144;
        let pixels: Vec<u8> = (0..SIDE * SIDE)
            .map(|i| if is_corner(i) || is_within(i) { 0 } else { 90 + (i % 50) as u8 })
            .collect();
        let mut shown = vec![true; SIDE * SIDE];
        hide_corners(&pixels, &mut shown);
        assert!((0..SIDE * SIDE).filter(|&i| is_corner(i)).all(|i| !shown[i]));
        assert!((0..SIDE * SIDE).filter(|&i| i % SIDE + i / SIDE > 68).all(|i| shown[i]));
        let mut gray: Vec<f32> = pixels.iter().map(|&v| f32::from(v)).collect();
        fill(&mut gray, &shown, SIDE);
        assert!((0..SIDE * SIDE).filter(|&i| is_corner(i)).all(|i| gray[i] >= 90.0));
    }

    /// What is shown of a picture.
    fn shown(pixel: impl Fn(usize, usize) -> u8) -> Vec<bool> {
        let pixels: Vec<u8> = (0..SIDE * SIDE).map(|i| pixel(i % SIDE, i / SIDE)).collect();
        let mut shown = vec![true; SIDE * SIDE];
        hide_corners(&pixels, &mut shown);
        shown
    }

    fn ground(x: usize, y: usize) -> u8 {
        90 + ((x + y * SIDE) % 50) as u8
    }

    #[test]
    fn black_that_became_gray_is_hidden_and_shades_are_not() {
        let corner = |x: usize, y: usize| x + y < 60;
        let found = shown(|x, y| if corner(x, y) { 45 } else { ground(x, y) });
        let at = |i: usize| (i % SIDE, i / SIDE);
        assert!((0..SIDE * SIDE).all(|i| !(corner(at(i).0, at(i).1) && found[i])));
        assert!((0..SIDE * SIDE).all(|i| at(i).0 + at(i).1 < 68 || found[i]));
        // Where there is black, gray is a part of the picture.
        let found = shown(|x, y| match x + y {
            ..60 => 45,
            400.. => 0,
            _ => ground(x, y),
        });
        assert!(found[0] && !found[SIDE * SIDE - 1]);
        assert!(shown(|_, y| 60 + (y / 3) as u8).iter().all(|&shown| shown));
    }

    /// A head whose bone is white in a bright copy, cut off at the upper edge; and the negative of it.
    #[test]
    fn bone_that_reaches_the_border_is_shown_on_black_and_on_white() {
        let from_centre = |x: usize, y: usize| x.abs_diff(112).pow(2) + y.abs_diff(90).pow(2);
        for negative in [false, true] {
            let found = shown(|x, y| {
                let value = match from_centre(x, y) {
                    ..7000 => ground(x, y),
                    7000..9500 => 255,
                    _ => 0,
                };
                if negative { 255 - value } else { value }
            });
            assert!(
                (0..SIDE * SIDE).all(|i| from_centre(i % SIDE, i / SIDE) > 9000 || found[i]),
                "{negative}"
            );
            assert!(!found[0] && !found[SIDE * SIDE - 1], "{negative}");
        }
    }

    #[test]
    fn white_corners_of_a_dark_picture_are_hidden() {
        let found = shown(|x, y| match x + y {
            ..60 => 255,
            60..200 => ground(x, y),
            _ => 0,
        });
        assert!(!found[0] && !found[59] && found[80] && !found[SIDE * SIDE - 1]);
    }

    /// A chest whose soft tissue is white in a bright copy, down to both lower corners, on a gray ground.
    #[test]
    fn a_white_body_that_reaches_corners_is_shown() {
        let in_lung = |x: usize, y: usize| {
            [60, 164].iter().any(|&middle| x.abs_diff(middle).pow(2) + y.abs_diff(170).pow(2) < 900)
        };
        let found = shown(|x, y| if y < 120 || in_lung(x, y) { ground(x, y) } else { 255 });
        // Beside the lungs; nothing is to be seen below them.
        let beside = |i: usize| i / SIDE < 195 && (60..164).contains(&(i % SIDE));
        assert!((0..SIDE * SIDE).all(|i| !beside(i) || found[i]));
    }

    /// Beside a bright line JPEG makes gray darker, here and there black.
    #[test]
    fn gray_in_which_jpeg_left_some_black_is_hidden() {
        let from_centre = |x: usize, y: usize| x.abs_diff(112).pow(2) + y.abs_diff(112).pow(2);
        let found = shown(|x, y| match (x, y) {
            (100..104, 0..4) => 0,
            (x, y) if from_centre(x, y) < 5000 => ground(x, y),
            _ => 14,
        });
        let is_beside_black = |x: usize, y: usize| (98..106).contains(&x) && y < 6;
        for i in 0..SIDE * SIDE {
            let (x, y) = (i % SIDE, i / SIDE);
            match from_centre(x, y) {
                ..4800 => assert!(found[i], "{x} {y}"),
                5301.. => assert!(!found[i] || is_beside_black(x, y), "{x} {y}"),
                _ => {}
            }
        }
    }
}
