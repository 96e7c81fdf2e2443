//! The other hand of a picture.
//!
//! A head, a chest or a vertebra is nearly its own mirror image, so it may be laid on a copy the wrong way round, and agree so
//! well that nothing else is tried. Then there is a better alignment with the same centre, scale and sign, of which only the turn
//! is unknown.

use crate::alignment::Alignment;
use crate::detail::Map;
use crate::disc::{Disc, Sampling};
use crate::flip::Flip;
use crate::maps::Maps;

/// The coarsest map: what is known of the centre is rough.
const LEVEL: usize = 3;

/// The start of the other hand of an alignment; `None` if the first picture shows nothing.
pub(crate) fn twin(laid: &Alignment, maps: &[Maps; 2], coarse: &Sampling) -> Option<Alignment> {
    let [one, two] = [0, 1].map(|i| maps[i].level(LEVEL));
    let here = around(one)?;
    let [x, y] = laid.place([here.x, here.y]);
    let there = Disc { x, y, radius: here.radius * laid.scale(), aspect: [1.0; 2] };
    let flip = Flip { mirrored: !laid.mirrored(), negative: laid.negative };
    let (turn, _) = coarse.turn(&coarse.spectrum(&here, one), &coarse.spectrum(&there, two), flip);
    Some(Alignment::from_discs(&here, &there, turn, flip))
}

/// The disc that has the centre and the radius of gyration of where a map has detail.
fn around(map: Map) -> Option<Disc> {
    let mut sums = [0.0_f32; 4];
    for y in 0..map.side {
        for (x, _) in map.row(y).enumerate().filter(|&(_, value)| value != 0.0) {
            let [x, y] = [x, y].map(|place| (place as f32 + 0.5) / map.side as f32 - 0.5);
            sums.iter_mut().zip([1.0, x, y, x * x + y * y]).for_each(|(sum, term)| *sum += term);
        }
    }
    let [count, x, y, square] = sums;
    let [x, y, square] = [x, y, square].map(|sum| sum / count);
    let radius = (2.0 * (square - x * x - y * y)).sqrt();
    (radius > 0.0).then_some(Disc { x, y, radius, aspect: [1.0; 2] })
}
