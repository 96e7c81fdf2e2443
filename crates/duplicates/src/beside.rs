//! Which pixels lie beside one.

use crate::SIDE;

/// The pixels left and right of one, above and below.
pub(crate) fn beside(i: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (i % SIDE, i / SIDE);
    let all = [
        (x > 0, i.wrapping_sub(1)),
        (x + 1 < SIDE, i + 1),
        (y > 0, i.wrapping_sub(SIDE)),
        (y + 1 < SIDE, i + SIDE),
    ];
    all.into_iter().filter(|&(is, _)| is).map(|(_, j)| j)
}
