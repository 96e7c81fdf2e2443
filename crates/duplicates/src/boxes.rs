//! Boxes of one gray, as augmentation and redaction put over a picture.

use crate::SIDE;
use crate::beside::beside;

/// Marks in `pixels: [SIDE, SIDE]` the boxes among what is `shown`: what is beneath is not to be seen.
pub(crate) fn boxes(pixels: &[u8], shown: &[bool]) -> Vec<bool> {
    /// How far from a pixel the others of its box lie, whose edges JPEG blurs, and most of them.
    const NEAR: u8 = 4;
    const NEARER: u8 = 1;
    /// The least side, and the share of the rectangle around it that is of one gray.
    const LEAST: usize = 12;
    const SHARE: f32 = 0.85;
    let mut boxes = vec![false; SIDE * SIDE];
    let mut seen = vec![false; SIDE * SIDE];
    let mut part = Vec::new();
    for first in (0..SIDE * (SIDE - LEAST)).filter(|i| i % SIDE + LEAST < SIDE) {
        let apart = |i: usize| pixels[i].abs_diff(pixels[first]);
        // A box is at least so wide and high, so its corner is known at once.
        let corner = [LEAST / 2, LEAST / 2 * SIDE, LEAST / 2 * (SIDE + 1)];
        if seen[first] || !shown[first] || corner.iter().any(|step| apart(first + step) > NEARER) {
            continue;
        }
        seen[first] = true;
        part.clear();
        part.push(first);
        let (mut next, mut near) = (0, 0);
        let ([mut left, mut right], [mut top, mut bottom]) = ([first % SIDE; 2], [first / SIDE; 2]);
        while next < part.len() {
            let i = part[next];
            next += 1;
            if apart(i) <= NEARER {
                near += 1;
                let (x, y) = (i % SIDE, i / SIDE);
                (left, right, top, bottom) = (left.min(x), right.max(x), top.min(y), bottom.max(y));
            }
            for j in beside(i) {
                if shown[j] && !seen[j] && apart(j) <= NEAR {
                    seen[j] = true;
                    part.push(j);
                }
            }
        }
        let (width, height) = (right + 1 - left, bottom + 1 - top);
        if width.min(height) >= LEAST && near as f32 >= SHARE * (width * height) as f32 {
            part.iter().for_each(|&i| boxes[i] = true);
        }
    }
    boxes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_found_and_a_round_spot_is_not() {
        let in_box = |x: usize, y: usize| (60..100).contains(&x) && (80..110).contains(&y);
        let in_spot = |x: usize, y: usize| x.abs_diff(160).pow(2) + y.abs_diff(160).pow(2) < 400;
        let pixel = |i: usize| match (i % SIDE, i / SIDE) {
            (x, y) if in_box(x, y) || in_spot(x, y) => 180,
            (x, y) => 90 + ((x + y * SIDE) % 50) as u8,
        };
        let pixels: Vec<u8> = (0..SIDE * SIDE).map(pixel).collect();
        let found = boxes(&pixels, &vec![true; SIDE * SIDE]);
        assert!((0..SIDE * SIDE).all(|i| found[i] == in_box(i % SIDE, i / SIDE)));
    }
}
