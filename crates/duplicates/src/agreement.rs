//! How well two pictures agree once one is laid on the other, as a whole and block by block.

use crate::alignment::Alignment;
use crate::detail::{Map, UNIT, every};

/// Blocks along a side, which are also judged one by one.
pub(crate) const BLOCKS: usize = 7;

/// How well two pictures agree where both reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreement {
    pub correlation: f32,
    /// The median over blocks with detail: what strangers share, a frame or a marker, lies in few of them.
    pub median: f32,
    /// How many blocks have detail.
    pub blocks: usize,
    /// The part of the first picture where both reach.
    pub overlap: f32,
}

/// Sums over the pixels of a block.
#[derive(Clone, Copy, Default)]
struct Sums {
    ab: f32,
    aa: f32,
    bb: f32,
    count: f32,
}

impl Sums {
    fn add(&mut self, a: f32, b: f32) {
        // 0 is where nothing is shown, or nothing to see.
        let both = if a != 0.0 && b != 0.0 { 1.0 } else { 0.0 };
        self.ab += a * b;
        self.aa += both * a * a;
        self.bb += both * b * b;
        self.count += both;
    }

    fn and(self, other: &Self) -> Self {
        let (ab, aa, bb) = (self.ab + other.ab, self.aa + other.aa, self.bb + other.bb);
        Self { ab, aa, bb, count: self.count + other.count }
    }

    fn correlation(&self) -> f32 {
        self.ab / (self.aa * self.bb).sqrt().max(f32::MIN_POSITIVE)
    }
}

/// Whether half of a block's `pixels` are among those counted, and detail in both pictures, as their powers say.
pub(crate) fn is_telling(powers: [f32; 2], count: f32, pixels: f32) -> bool {
    count > 0.5 * pixels && powers[0].min(powers[1]) > count * (0.1 * UNIT).powi(2)
}

impl Alignment {
    /// How well two maps agree where both reach.
    pub fn agreement(&self, a: Map, b: Map, sharp: bool) -> Agreement {
        let (blocks, reached) = self.by_block(a, b, sharp, Sums::add);
        let all = blocks.iter().fold(Sums::default(), |all, sums| all.and(sums));
        let pixels = block_pixels(a.side);
        let telling = blocks.iter().filter(|sums| is_telling([sums.aa, sums.bb], sums.count, pixels));
        let mut each: Vec<f32> = telling.map(|sums| self.sign() * sums.correlation()).collect();
        each.sort_by(f32::total_cmp);
        let correlation = self.sign() * all.correlation();
        let median = if each.len() < 4 { correlation } else { each[each.len() / 2] };
        let overlap = (reached.iter().sum::<usize>() * every(a.side)) as f32 / (a.side * a.side) as f32;
        Agreement { correlation, median, blocks: each.len(), overlap }
    }

    /// Of the blocks that both maps reach and in which one has detail, the share in which the other has some too; 0 if
    /// there are none. Where a picture is hidden it has none: around a limb there is none either.
    pub fn shared_detail(&self, a: Map, b: Map) -> f32 {
        /// The least root mean square of a block with detail.
        const DETAIL: f32 = 0.25 * UNIT;
        let (powers, reached) = self.by_block(a, b, true, |powers: &mut [f32; 2], a, b| {
            powers[0] += a * a;
            powers[1] += b * b;
        });
        let (mut one, mut both) = (0, 0);
        for (powers, reached) in powers.into_iter().zip(reached.map(|pixels| pixels as f32)) {
            let has_detail = powers.map(|power| power >= reached * DETAIL * DETAIL);
            if reached > 0.5 * block_pixels(a.side) && has_detail != [false; 2] {
                one += 1;
                both += usize::from(has_detail == [true; 2]);
            }
        }
        both as f32 / f32::max(1.0, one as f32)
    }

    /// What `add` makes of the values of both maps in each block of the first, from every row that is looked at; and how
    /// many pixels of it the second reaches.
    fn by_block<S: Copy + Default>(
        &self,
        a: Map,
        b: Map,
        sharp: bool,
        add: impl Fn(&mut S, f32, f32),
    ) -> ([S; BLOCKS * BLOCKS], [usize; BLOCKS * BLOCKS]) {
        let block = a.side / BLOCKS;
        let (mut sums, mut reached) = ([S::default(); BLOCKS * BLOCKS], [0; BLOCKS * BLOCKS]);
        let rows = self.rows(a.side, usize::from(sharp)).enumerate().step_by(every(a.side));
        for (y, (columns, mut place, [dx, dy])) in rows {
            let mut values = a.row(y).skip(columns.start);
            let first = y / block * BLOCKS;
            let in_row = sums[first..][..BLOCKS].iter_mut().zip(&mut reached[first..][..BLOCKS]);
            for (i, (sum, reached)) in in_row.enumerate() {
                let (from, end) = ((i * block).max(columns.start), ((i + 1) * block).min(columns.end));
                for value in values.by_ref().take(end.saturating_sub(from)) {
                    let [x, y] = place;
                    add(sum, value, if sharp { b.sharp(x, y) } else { b.smooth(x, y) });
                    place = [x + dx, y + dy];
                }
                *reached += end.saturating_sub(from);
            }
        }
        (sums, reached)
    }
}

/// Pixels of a block in the rows that are looked at.
fn block_pixels(side: usize) -> f32 {
    let block = side / BLOCKS;
    (block * block / every(side)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SIDE;
    use engine::Rng;

    /// A map with detail in the first `rows` rows of blocks.
    fn detail(seed: u64, rows: usize) -> Vec<u8> {
        let mut rng = Rng::derive(&[seed]);
        let end = rows * (SIDE / BLOCKS) * SIDE;
        let value = |at: usize, noise: f64| if at < end { UNIT * noise as f32 } else { 0.0 };
        (0..SIDE * SIDE)
            .map(|at| value(at, rng.normal()).clamp(-2.0 * UNIT, 2.0 * UNIT) as i8 as u8)
            .collect()
    }

    #[test]
    fn detail_that_only_one_picture_has_is_not_shared() {
        let share = |rows: [usize; 2]| {
            // What agrees does not matter.
            let maps = [detail(1, rows[0]), detail(2, rows[1])];
            let [a, b] = [0, 1].map(|i| Map::new(SIDE, &maps[i]));
            Alignment::IDENTITY.shared_detail(a, b)
        };
        assert_eq!(share([7, 7]), 1.0);
        assert_eq!(share([3, 3]), 1.0);
        assert_eq!(share([7, 4]), 4.0 / 7.0);
        assert_eq!(share([2, 6]), 2.0 / 6.0);
        assert_eq!(share([0, 0]), 0.0);
    }
}
