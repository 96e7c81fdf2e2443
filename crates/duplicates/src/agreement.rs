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
        let block = a.side / BLOCKS;
        let mut blocks = [Sums::default(); BLOCKS * BLOCKS];
        let mut reach = 0;
        let every = every(a.side);
        let rows = self.rows(a.side, usize::from(sharp)).enumerate().step_by(every);
        for (y, (columns, mut place, [dx, dy])) in rows {
            let mut values = a.row(y).skip(columns.start);
            for (i, sums) in blocks[y / block * BLOCKS..][..BLOCKS].iter_mut().enumerate() {
                let (from, end) = ((i * block).max(columns.start), ((i + 1) * block).min(columns.end));
                for value in values.by_ref().take(end.saturating_sub(from)) {
                    let [x, y] = place;
                    sums.add(value, if sharp { b.sharp(x, y) } else { b.smooth(x, y) });
                    place = [x + dx, y + dy];
                }
                reach += end.saturating_sub(from);
            }
        }
        let all = blocks.iter().fold(Sums::default(), |all, sums| all.and(sums));
        let pixels = (block * block / every) as f32;
        let telling = blocks.iter().filter(|sums| is_telling([sums.aa, sums.bb], sums.count, pixels));
        let mut each: Vec<f32> = telling.map(|sums| self.sign() * sums.correlation()).collect();
        each.sort_by(f32::total_cmp);
        let correlation = self.sign() * all.correlation();
        let median = if each.len() < 4 { correlation } else { each[each.len() / 2] };
        let overlap = (reach * every) as f32 / (a.side * a.side) as f32;
        Agreement { correlation, median, blocks: each.len(), overlap }
    }
}
