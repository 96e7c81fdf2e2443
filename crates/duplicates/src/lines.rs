//! Fine lines that go all over a picture along a side: of a grid before the detector, or what is left of it once a
//! picture was made smaller. Many pictures share them, so they say nothing of the subject.

use crate::SIDE;
use crate::sources::median;
use std::ops::Range;

/// How far the pixels reach with which a pixel is compared, on either side of it.
const REACH: usize = 3;
/// Lines are taken away where half of them differ from those near them by so many gray levels, and by this share of what half
/// of the pixels do: as lines of a grid do, and hardly any subject.
const FAINT: f32 = 1.0;
const PLAIN: f32 = 0.45;

/// Takes lines along either side from a picture, `[SIDE, SIDE]`, as far as it is `shown`.
pub(crate) fn remove_lines(gray: &mut [f32], shown: &[bool]) {
    for steps in [(SIDE, 1), (1, SIDE)] {
        let of_line = |line: usize| differences(gray, shown, line, steps);
        let beside: Vec<f32> = (0..SIDE).map(|line| median(&mut of_line(line).collect::<Vec<_>>())).collect();
        // Shading differs from what is near it too, but alike in all lines that are near.
        let heights: Vec<f32> = (0..SIDE).map(|line| beside[line] - mean(&beside[near(line)])).collect();
        let usual = median_size(heights.iter().copied());
        if usual >= FAINT && usual >= PLAIN * median_size((0..SIDE).flat_map(of_line)) {
            for (line, height) in heights.into_iter().enumerate() {
                pixels(line, steps).for_each(|pixel| gray[pixel] -= height);
            }
        }
    }
}

fn median_size(values: impl Iterator<Item = f32>) -> f32 {
    median(&mut values.map(f32::abs).collect::<Vec<_>>())
}

/// The pixels of a line: so many from one to the next, and from one line to the next.
fn pixels(line: usize, (along, across): (usize, usize)) -> impl Iterator<Item = usize> {
    (0..SIDE).map(move |i| line * across + i * along)
}

/// A line and those near it.
fn near(line: usize) -> Range<usize> {
    line.saturating_sub(REACH)..(line + REACH + 1).min(SIDE)
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

/// By how much the pixels of a line that are shown differ from those near them.
fn differences(
    gray: &[f32],
    shown: &[bool],
    line: usize,
    steps: (usize, usize),
) -> impl Iterator<Item = f32> {
    let (near, across) = (near(line), steps.1);
    pixels(line, steps).filter(|&pixel| shown[pixel]).map(move |pixel| {
        let first = pixel - (line - near.start) * across;
        gray[pixel]
            - near.clone().map(|other| gray[first + (other - near.start) * across]).sum::<f32>()
                / near.len() as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Rng;

    /// Grain, and over it lines with a period of 3.3 pixels along one side.
    fn picture(lines: f32, along_rows: bool) -> Vec<f32> {
        let mut rng = Rng::derive(&[7]);
        let line = |i: usize| if along_rows { i / SIDE } else { i % SIDE };
        (0..SIDE * SIDE)
            .map(|i| {
                100.0
                    + 3.0 * rng.normal() as f32
                    + lines * (std::f32::consts::TAU * line(i) as f32 / 3.3).sin()
            })
            .collect()
    }

    /// How much pictures differ, by the mean.
    fn apart(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32
    }

    #[test]
    fn lines_of_a_grid_are_taken_away() {
        let (without, shown) = (picture(0.0, false), vec![true; SIDE * SIDE]);
        for along_rows in [false, true] {
            let mut lines = picture(8.0, along_rows);
            assert!(apart(&lines, &without) > 4.0);
            remove_lines(&mut lines, &shown);
            assert!(apart(&lines, &without) < 0.8, "{}", apart(&lines, &without));
        }
    }

    #[test]
    fn a_picture_without_lines_stays_as_it_is() {
        let shown = vec![true; SIDE * SIDE];
        // Grain alone, faint lines, and an edge along the whole of a side.
        let mut edge = picture(0.0, false);
        (0..SIDE * SIDE).filter(|i| i % SIDE > 100).for_each(|i| edge[i] += 80.0);
        for picture in [picture(0.0, false), picture(0.5, true), edge] {
            let mut same = picture.clone();
            remove_lines(&mut same, &shown);
            assert_eq!(same, picture);
        }
    }
}
