//! How alike two pictures are once one is filtered to fit the other.
//!
//! What blur, sharpening or another size did to a copy is much like one filter, the same everywhere and in every
//! direction. So the rougher of two pictures is filtered before they are compared, as fits the other best: by least
//! squares over all blocks. Next slices and strangers stay about as unlike as they are: no filter turns one anatomy
//! into another.

use crate::SIDE;
use crate::agreement::{BLOCKS, is_telling};
use crate::alignment::Alignment;
use crate::detail::{Map, every};
use crate::refine::solve;
use crate::sorted::ascending;

/// A filter weighs a value, the mean of its four neighbours, and that of the four at two pixels.
const TAPS: usize = 3;
/// Where the product of two taps is among the sums; after these come those of the taps with the second picture, its
/// power, and the pixels.
const PAIR: [[usize; TAPS]; TAPS] = [[0, 1, 2], [1, 3, 4], [2, 4, 5]];
const WITH_OTHER: usize = 6;
const OTHER: usize = WITH_OTHER + TAPS;
const PIXELS: usize = OTHER + 1;
/// Pixels that are added at once.
const LANES: usize = 8;

/// Sums over the pixels of a block, from which the agreement follows for every filter.
#[derive(Clone, Copy, Default)]
struct Sums([f32; PIXELS + 1]);

impl Sums {
    /// Adds a part of a row, a multiple of [`LANES`]: of the first picture under the taps, and of the second. 0 is
    /// where nothing is shown, or nothing to see.
    fn add(&mut self, taps: [&[f32]; TAPS], other: &[f32]) {
        let mut sums = [[0.0_f32; LANES]; PIXELS + 1];
        for at in (0..other.len()).step_by(LANES) {
            let lanes = |row: &[f32]| -> [f32; LANES] { std::array::from_fn(|i| row[at + i]) };
            let ([here, near, far], other) = (taps.map(lanes), lanes(other));
            for i in 0..LANES {
                let both = if here[i] != 0.0 && other[i] != 0.0 { 1.0 } else { 0.0 };
                let [a, p, q, b] = [here[i], near[i], far[i], other[i]].map(|v| both * v);
                let products = [a * a, a * p, a * q, p * p, p * q, q * q, a * b, p * b, q * b, b * b, both];
                sums.iter_mut().zip(products).for_each(|(sum, product)| sum[i] += product);
            }
        }
        self.0.iter_mut().zip(sums).for_each(|(sum, lanes)| *sum += lanes.iter().sum::<f32>());
    }

    /// Of the second picture with the filtered first one.
    fn correlation(&self, filter: [f32; TAPS]) -> f32 {
        let with: f32 = (0..TAPS).map(|i| filter[i] * self.0[WITH_OTHER + i]).sum();
        let along = |i: usize| (0..TAPS).map(|j| filter[j] * self.0[PAIR[i][j]]).sum::<f32>();
        let power: f32 = (0..TAPS).map(|i| filter[i] * along(i)).sum();
        with / (power * self.0[OTHER]).sqrt().max(f32::MIN_POSITIVE)
    }

    /// The filter that fits best.
    fn filter(&self) -> [f32; TAPS] {
        /// The share of a tap's power that is added to it, so that taps which see nearly the same do not cancel.
        const RIDGE: f32 = 1e-3;
        let equations: [[f32; TAPS + 1]; TAPS] = std::array::from_fn(|i| {
            std::array::from_fn(|j| match PAIR[i].get(j) {
                Some(&at) => self.0[at] * if i == j { 1.0 + RIDGE } else { 1.0 },
                None => self.0[WITH_OTHER + i],
            })
        });
        solve(equations).unwrap_or([1.0, 0.0, 0.0])
    }
}

impl Alignment {
    /// The mean correlation of `a`, filtered to fit `b` best, with `b`, over the blocks with detail but the worst
    /// quarter, weighted by their detail: where there is hardly any, what compression left is no evidence. And how many
    /// blocks have detail.
    pub fn filtered(&self, a: Map, b: Map) -> (f32, usize) {
        let (side, block, every) = (a.side, a.side / BLOCKS, every(a.side));
        let mut blocks = [Sums::default(); BLOCKS * BLOCKS];
        let [mut here, mut near, mut far, mut other] = [[0.0_f32; SIDE]; 4];
        for (y, (columns, mut place, [dx, dy])) in self.rows(side, 1).enumerate().step_by(every) {
            if columns.is_empty() {
                continue;
            }
            other.fill(0.0);
            for other in &mut other[columns] {
                let [x, y] = place;
                *other = b.sharp(x, y);
                place = [x + dx, y + dy];
            }
            here.iter_mut().zip(a.row(y)).for_each(|(here, value)| *here = value);
            for (mean, apart) in [(&mut near, 1), (&mut far, 2)] {
                let rows = a.row(y.saturating_sub(apart)).zip(a.row((y + apart).min(side - 1)));
                for (x, (above, below)) in rows.enumerate() {
                    let beside = here[x.saturating_sub(apart)] + here[(x + apart).min(side - 1)];
                    mean[x] = 0.25 * (above + below + beside);
                }
            }
            for (i, sums) in blocks[y / block * BLOCKS..][..BLOCKS].iter_mut().enumerate() {
                let part = i * block..(i + 1) * block;
                sums.add([&here, &near, &far].map(|row| &row[part.clone()]), &other[part]);
            }
        }
        let pixels = (block * block / every) as f32;
        let has_detail = |sums: &&Sums| is_telling([sums.0[0], sums.0[OTHER]], sums.0[PIXELS], pixels);
        let telling: Vec<&Sums> = blocks.iter().filter(has_detail).collect();
        let mut all = Sums::default();
        for sums in &telling {
            all.0.iter_mut().zip(sums.0).for_each(|(all, sum)| *all += sum);
        }
        let filter = all.filter();
        let of = |sums: &&Sums| (sums.correlation(filter), (sums.0[0] * sums.0[OTHER]).sqrt());
        let each: Vec<(f32, f32)> = telling.iter().map(of).collect();
        let order = ascending(each.iter().map(|&(correlation, _)| correlation));
        let best = order[each.len() / 4..].iter().map(|&i| each[i]);
        let (sum, power) = best.fold((0.0, 0.0), |(sum, power), e| (sum + e.0 * e.1, power + e.1));
        (sum / power.max(f32::MIN_POSITIVE), each.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detail::{UNIT, blur};
    use engine::Rng;

    fn detail(seed: u64) -> Vec<f32> {
        let mut rng = Rng::derive(&[seed]);
        blur(&(0..SIDE * SIDE).map(|_| 80.0 * rng.normal() as f32).collect::<Vec<_>>(), SIDE, 0.6)
    }

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().map(|v| v.clamp(-2.0 * UNIT, 2.0 * UNIT).round() as i8 as u8).collect()
    }

    #[test]
    fn a_filter_explains_blur_but_not_another_picture() {
        let sharp = detail(1);
        let blurred: Vec<f32> = blur(&sharp, SIDE, 0.8).iter().map(|v| 2.0 * v).collect();
        let [sharp, blurred, stranger] = [sharp, blurred, detail(2)].map(|values| bytes(&values));
        let map = |bytes| Map::new(SIDE, bytes);
        let plain = Alignment::IDENTITY.agreement(map(&sharp), map(&blurred), true).correlation;
        let (filtered, blocks) = Alignment::IDENTITY.filtered(map(&sharp), map(&blurred));
        assert_eq!(blocks, BLOCKS * BLOCKS);
        assert!(plain < 0.9 && 1.0 - filtered < 0.2 * (1.0 - plain), "{plain} {filtered}");
        let (other, _) = Alignment::IDENTITY.filtered(map(&sharp), map(&stranger));
        assert!(other.abs() < 0.1, "{other}");
    }

    /// Any filter of the same taps fits less.
    #[test]
    fn the_filter_is_the_best() {
        let mut rng = Rng::derive(&[3]);
        let mut row = || -> Vec<f32> { (0..64).map(|_| rng.normal() as f32).collect() };
        let taps = [row(), row(), row()];
        let other: Vec<f32> = (0..64).map(|i| 2.0 * taps[0][i] - taps[1][i] + 0.5 * taps[2][i]).collect();
        let mut sums = Sums::default();
        sums.add([&taps[0], &taps[1], &taps[2]], &other);
        let filter = sums.filter();
        for (found, expected) in filter.into_iter().zip([2.0, -1.0, 0.5]) {
            assert!((found - expected).abs() < 0.01, "{filter:?}");
        }
        assert!(sums.correlation(filter) > 0.9999 && sums.correlation([2.0, 0.0, 0.5]) < 0.99);
        assert_eq!(sums.0[PIXELS], 64.0);
    }

    #[test]
    fn nothing_is_no_evidence() {
        let empty = vec![0; SIDE * SIDE];
        let map = Map::new(SIDE, &empty);
        assert_eq!(Alignment::IDENTITY.filtered(map, map), (0.0, 0));
    }
}
